"""Names as they are compared: one fold, and one split into parts."""

from __future__ import annotations

import re
import unicodedata

_LOOK_ALIKES = str.maketrans("O0QI1L|!S5B8Z2", "00011111558822")  # letters and digits that are read for one another


def fold(text: str) -> str:
    """Lower case without accents.

    >>> fold("Ångström-MÜLLER")
    'angstrom-muller'
    """
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def look_alike(text: str) -> str:
    """Capitals without accents, blanks and punctuation, with one letter for all that are read for one another."""
    return re.sub(r"[\W_]", "", fold(text).upper()).translate(_LOOK_ALIKES)


def parts_of_name(name: str) -> list[str]:
    """The words of a name in any DICOM form (``^`` between parts, ``=`` between groups).

    >>> parts_of_name("Quill^Ada Mary=Q^A")
    ['Quill', 'Ada', 'Mary', 'Q', 'A']
    """
    return [part for part in re.split(r"[\s^=,;/()\\\"]+", name.replace("\0", " ")) if part]
