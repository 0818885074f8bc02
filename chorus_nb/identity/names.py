"""Names as they are compared: one folded key for every way of writing a name, and one split into parts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_LOOK_ALIKES = str.maketrans("O0QI1L|!S5B8Z2", "00011111558822")  # letters and digits that are read for one another
# Letters that no decomposition takes apart, as they are written without them.
_PLAIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_KATAKANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_UMLAUTS = re.compile(r"(?<=[aou])e|(?<=a)a")  # ae, oe, ue, aa: other spellings of ä, ö, ü, å
_INDIC = "\u0900-\u0df4\u0f71-\u0f84\u102b-\u103e\u17b4-\u17d3"
_THAI = "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd"
MARKS = f"\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670{_INDIC}{_THAI}\u3099\u309a"
"""Combining marks as a range of a character class: they belong to the letter before them (India's scripts whole)."""
# Single-byte sets that are taken for one another: the letters of one name stay letters of one length in all of them.
_READ_AS = ("cp1251", "koi8_r", "iso8859_5", "iso8859_7", "iso8859_2", "cp1250", "iso8859_9")


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """Lower case without accents; letters that only one language has as they are written without it.

    >>> fold("Ångström-MÜLLER Łukasz ß")
    'angstrom-muller lukasz ss'
    """
    if text.isascii():
        return text.casefold()
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_PLAIN)
    letters = (c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return "".join(letters).translate(_KATAKANA)


@lru_cache(maxsize=65536)
def key(text: str) -> str:
    """The one key of a name: folded, letters and digits only, ``ae`` as ``ä``.

    >>> key("Müller-O’Neil") == key("MUELLER ONEIL")
    True
    """
    return _UMLAUTS.sub("", re.sub(r"[\W_]", "", fold(text)))


def mac_otherwise(name: str) -> str:
    """A key that begins with *Mc* with *Mac*, and the other way round; "" of any other."""
    if name.startswith("mac") and len(name) > 5:
        return f"mc{name[3:]}"
    return f"mac{name[2:]}" if name.startswith("mc") and len(name) > 4 else ""


def readings(text: str) -> Iterator[str]:
    """``text``, and what it would be in the character sets it may be meant in when its own was declared wrongly.

    Each has the length of ``text``, so that what is found in one is found in all.
    """
    yield text
    if text.isascii():
        return
    for declared in ("latin-1", *_READ_AS):
        try:
            raw = text.encode(declared)
        except UnicodeEncodeError:
            continue
        for meant in ("latin-1", *_READ_AS) if declared == "latin-1" else ("latin-1",):
            if meant != declared:
                other = raw.decode(meant, "replace")
                if len(other) == len(text):
                    yield other


def look_alike(text: str) -> str:
    """Capitals without accents, blanks and punctuation, with one letter for all that are read for one another."""
    return re.sub(r"[\W_]", "", fold(text).upper()).translate(_LOOK_ALIKES)


def parts_of_name(name: str) -> list[str]:
    """The words of a name in any DICOM form (``^`` between parts, ``=`` between groups).

    >>> parts_of_name("Quill^Ada Mary=Q^A")
    ['Quill', 'Ada', 'Mary', 'Q', 'A']
    """
    return [part for part in re.split(r"[\s^=,;/()\\\"]+", name.replace("\0", " ")) if part]
