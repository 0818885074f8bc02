"""Signs that are neither letters nor digits: they stay because they are known (signs.csv), as words do.

A circled letter reads as a name, and so does a text of another code page, read as Latin-1: ``ПЕТУХОВА`` in CP866 is
eight control characters, no letter among them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from chorus_nb.identity.words import read_list

_FOREIGN = re.compile(r"[^\x00-\x7e]+")
# V A N  D E R, V.A.N.D.E.R, O. T. T. O.
_APART = re.compile(r"(?<![^\W_])[^\W\d_]\.?([ ._-])\1?[^\W\d_](?:\.?\1{1,2}[^\W\d_]){2,}(?![^\W_])")
_CONTROLS = re.compile(r"\x1b|\x0e[^\x0f\\\r\n\f\t]*|[\x00-\x08\x0b\x0f-\x1a\x1c-\x1f\x7f]+(?![\x00 ]*(?:\\|\Z))")
# of a string of C, whose buffer held a longer one before
_BEHIND_END = re.compile(r"(?<=[^\0\\]{2})\0+(?=[^\0\\ ])[^\\]*")
_ESCAPED = re.compile(r"(?:\\[ux][0-9a-f]{2,4}){3,}", re.IGNORECASE)
_LATIN = "\xa1"  # from here to the end of Latin-1, two signs beside each other are another code page's


@cache
def known_signs() -> frozenset[str]:
    return frozenset(sign for signs, _ in read_list("signs.csv") for sign in signs)


def without_invisible(text: str) -> str:
    """A text without what nobody sees in it, such as soft hyphens: ``Arm-strong`` is one word."""
    return text if text.isascii() else "".join(each for each in text if unicodedata.category(each) != "Cf")


def with_plain_digits(text: str) -> str:
    """The digits of any script as 0 to 9, one for one.

    >>> with_plain_digits("١٤/٠٣ CT")
    '14/03 CT'
    """
    return text if text.isascii() else "".join(str(unicodedata.decimal(each, each)) for each in text)


def without_controls(text: str) -> str:
    """A text without characters that no text may hold (PS3.5 section 6.1.3); they fill up its end, and a text of two
    bytes a letter has one in each, which would make each letter a word. Without what Shift Out says,
    which no character set of DICOM's has, and what stands behind a zero that ends a text."""
    return text if text.isprintable() else _CONTROLS.sub("", _BEHIND_END.sub("", text))


def without_escaped(text: str) -> str:
    """A text of several values without letters that are escaped by the sign between these: ``\\u0051\\u0075\\u0069``
    is three values, none of which says anything. As many are left."""
    return _ESCAPED.sub(lambda found: "\\" * found[0].count("\\"), text) if "\\" in text else text


def is_plain(text: str) -> bool:
    """Whether a text has neither."""
    return without_escaped(without_controls(text)) == text


def _is_sign(each: str) -> bool:
    return unicodedata.category(each)[0] not in "LMZ" and not each.isdecimal()


def odd_signs(text: str) -> Iterator[tuple[int, int]]:
    """Where signs stand that no list knows, or two of Latin-1 that no one writes beside each other."""
    if text.isascii():
        return
    for found in _FOREIGN.finditer(text):
        start = found.start()
        while start < found.end():
            end = start
            while end < found.end() and _is_sign(text[end]):
                end += 1
            signs = set(text[start:end])
            if signs - known_signs() or len({each for each in signs if _LATIN <= each <= "\xff"}) > 1:
                yield start, end
            start = end + 1


def letters_apart(text: str) -> Iterator[tuple[int, int, str]]:
    """Words whose letters stand apart, and the word that they make."""
    for found in _APART.finditer(text):
        yield *found.span(), re.sub(r"[\W_]", "", found.group())
