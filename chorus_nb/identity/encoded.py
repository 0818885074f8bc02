"""Texts in other signs: hexadecimal digits and Base64 that spell something a person can read."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from chorus_nb.identity.words import shipped_words

_HEXADECIMAL = re.compile(r"(?<![^\W_])[0-9A-Fa-f]{2}(?:[ :-]?[0-9A-Fa-f]{2}){4,}(?![^\W_])")
_BASE64 = re.compile(
    r"(?<![\w+/=-])(?:(?:[\w+/-]{4}){3,}|(?:[\w+/-]{4})+(?:[\w+/-]{2}==|[\w+/-]{3}=))(?![\w+/=-])", re.ASCII
)
_SHORTEST = 8  # characters: of Base64 with its end; hexadecimal digits of ten
_WORDS = re.compile(rb"(?:[A-Za-z]{3,}|\d{4,}|[A-Za-z]{1,2}(?=[ .^,:])|\d{1,3}(?=[ ./:-])|[ ^.,:;()'/@_=-]|\d\d\Z)+")
_TEXT = re.compile(rb"[A-Za-z\d ^.,:;()'/@_=-]{6,}")  # of six bytes by chance one in 2,000 is one, of nine in 200,000
_LONG = 9
_ESCAPED = re.compile(  # letters as pages, programs and addresses write them, several beside each other
    r"(?:&#x?[0-9a-f]{2,6};){3,}|(?:\\[ux][0-9a-f]{2,4}){3,}|(?:[%=][0-9a-f]{2}){4,}", re.IGNORECASE
)


def encoded_texts(text: str) -> Iterator[tuple[int, int, str]]:
    """Where such a text stands, and what it says; pairs of digits may be numbers, and letters a word: of these, only
    words, long numbers or long texts."""
    if len(text) < _SHORTEST:
        return
    for form in (_HEXADECIMAL, _BASE64):
        for found in form.finditer(text):
            if found.group().lower() in shipped_words():  # venipuncture
                continue
            said = _decoded(found.group(), form is _HEXADECIMAL)
            letters = found.group().isalnum() and not found.group().isdigit()
            by_no_chance = letters if form is _HEXADECIMAL else len(said) >= _LONG
            if (_TEXT if by_no_chance else _WORDS).fullmatch(said):
                yield *found.span(), said.decode("ascii")


def is_escaped(text: str) -> bool:
    """Whether letters of a text are escaped."""
    return _ESCAPED.search(text) is not None


def _decoded(run: str, hexadecimal: bool) -> bytes:
    if hexadecimal:
        return bytes.fromhex(re.sub(r"[ :-]", "", run))
    bare = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(bare + "=" * (-len(bare) % 4))
