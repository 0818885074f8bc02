"""How much a line of text in a picture tells about a person: high, medium or low, and why.

high: this person's header says it too, a date, a long number, or a label such as "Name"; low: technical words,
numbers and units only; medium: everything else. Nothing that was read is passed on because it was not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from chorus_nb.identity.words import known_words

Tier = Literal["high", "medium", "low"]

_DIGIT = "[0-9OoIl]"
_MONTH = "JAN|FEB|MAR|MRZ|APR|MAY|MAI|JUN|JUL|AUG|SEP|OCT|OKT|NOV|DEC|DEZ"
_DATE = re.compile(
    rf"(?<!\d){_DIGIT}{{4}}[-/.: ]{_DIGIT}{{1,2}}[-/.: ]{_DIGIT}{{1,2}}(?!\d)"
    rf"|(?<!\d){_DIGIT}{{1,2}}[-/. ]{_DIGIT}{{1,2}}[-/. ]{_DIGIT}{{2,4}}(?!\d)"
    rf"|(?<!\d)\d{{1,2}}[-/., ]*(?:{_MONTH})[A-Z]*[-/., ]*\d{{2,4}}"
    rf"|(?:{_MONTH})[A-Z]*[-/., ]+\d{{1,2}}[-/., ]+\d{{2,4}}",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"\d(?:[ -]?\d){5,}")
_BARE_NUMBER = re.compile(r"\W*\d{3,}\W*")
_NUMBER = re.compile(r"[-+±<>~]?\d{1,5}(?:[.,:/x*]\d{1,5}){0,3}%?")
_ROUND = set("Oo0Q8D6Cc〇°. ")  # what is read from the rounds of a mosaic of small brains
_ROUNDISH = _ROUND | set("0123456789GSUx*")  # and also, with little confidence, where ImageType says that it is one


def is_noise(text: str, mosaic: bool = False) -> bool:
    """Single characters, and the rounds that a ``mosaic`` of brains is read as, are not text."""
    few = sum(character.isalnum() for character in text) < 2
    return few or set(text) <= _ROUND or (mosaic and set(text) <= _ROUNDISH)


def tier(text: str, matched: str, technical: Iterable[str] = ()) -> tuple[Tier, str]:
    """The tier of a line and the reason; ``technical`` are more words that a site knows to be harmless."""
    if matched:
        return "high", f"the header says it: {matched}"
    if _DATE.search(text):
        return "high", "a date"
    if _LONG_NUMBER.search(text):
        return "high", "a number of six or more digits"
    if _BARE_NUMBER.fullmatch(text):
        return "medium", "a number without a technical word, perhaps part of a longer one"
    tokens = [token for token in re.split(r"[\s:=<>,;()\[\]_#-]+", text.casefold()) if token]
    joined = " ".join(tokens).replace(".", "")
    if any(re.search(rf"\b{re.escape(label)}\b", joined) for label in known_words("labels")):
        return "high", "a label of identifying text"
    harmless = known_words("pictures") | {word.casefold() for word in technical}
    if all(_is_harmless(token, harmless) for token in tokens):
        return "low", "technical words and numbers"
    return "medium", "not known to be technical"


def _is_harmless(token: str, harmless: Iterable[str]) -> bool:
    bare = token.strip("./*'\"°%+|<>")
    if bare in harmless or len(bare) <= 1 or _NUMBER.fullmatch(bare):
        return True
    with_unit = re.fullmatch(r"([a-z]*)([-+]?\d{1,4}(?:[./x]\d{1,4})*)([a-z/%²]*)", bare)  # W400, 5.0MHz, 12/60
    return with_unit is not None and all(not part or part in harmless for part in with_unit.group(1, 3))
