"""How much a line of text in a picture tells about a person: high, medium or low, and why.

high: this person's header says it too, a date, a long number, or a label such as "Name"; low: technical words,
and numbers beside their unit or label only; medium: everything else. Nothing that was found is passed on because it
was not understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from chorus_nb.identity.words import also_names, known_words
from chorus_nb.pixels.numbers import TIME, unexplained, what_numbers_tell

Tier = Literal["high", "medium", "low"]

NAME_OF_TECHNIQUE = "technical words alone that are names of people too"
_WORDS_OF_A_NAME = 2  # MAX LONG; with a third word of technique it is a label
_WITH_INITIAL = re.compile(
    r"(?![LR]\b)[^\W\d_]\. ?([^\W\d_]{3,})|([^\W\d_]{3,}), ?(?![LR]\b)[^\W\d_]\.?", re.I
)  # L., R.: sides
_BETWEEN = re.compile(r"[\s:=<>,;()\[\]_#-]+|(?<=\d)/(?=[a-z])")
CODED = "[bar or QR code]"  # stands for what such a code says, which nobody reads
NOT_READ = "cannot be read: faint, or in letters other than Latin, Greek, Chinese and Japanese"
_LETTERS = {"0": "o", "1": "i", "5": "s", "8": "b"}  # digits that letters of a word are read as: Y0B
_IN_WORDS = re.compile(r"(?<=[^\W\d_])[0158](?=[^\W\d_])")
_ROUND = set("Oo0Q8D6Cc〇°. ")  # what is read from the rounds of a mosaic of small brains
_ROUNDISH = _ROUND | set("0123456789GSUx*")  # and also, with little confidence, where ImageType says that it is one


def is_noise(text: str, mosaic: bool = False) -> bool:
    """Single characters, and the rounds that a ``mosaic`` of brains is read as, are not text."""
    few = sum(character.isalnum() for character in text) < 2
    return few or set(text) <= _ROUND or (mosaic and set(text) <= _ROUNDISH)


def tier(text: str, matched: str, technical: Iterable[str] = ()) -> tuple[Tier, str]:
    """The tier of a line and the reason; ``technical`` are more words that a site knows to be harmless."""
    if not text:
        return "medium", NOT_READ
    if text == CODED:
        return "high", "a bar or QR code"
    if matched:
        return "high", f"the header says it: {matched}"
    if told := what_numbers_tell(text):
        return "high", told
    tokens = [token for token in _BETWEEN.split(TIME.sub(" ", text).casefold()) if token]
    joined = " ".join(_IN_WORDS.sub(lambda found: _LETTERS[found[0]], token) for token in tokens).replace(".", "")
    if any(re.search(rf"\b{re.escape(label)}\b", joined) for label in known_words("labels")):
        return "high", "a label of identifying text"
    of_site = {word.casefold() for word in technical}
    harmless = known_words("pictures") | of_site
    if not all(_is_harmless(token, harmless) for token in tokens):
        return "medium", "not known to be technical"
    if why := unexplained(text, of_site):
        return "medium", why
    if not (set(tokens) & of_site) and (_may_be_a_name(tokens) or _has_an_initial(text)):
        return "medium", NAME_OF_TECHNIQUE
    return "low", "technical words and numbers"


def _is_harmless(token: str, harmless: Iterable[str]) -> bool:
    bare = token.strip("./*'\"°%+|<>")
    if bare in harmless or len(bare) <= 1 or not re.search(r"[^\W\d]", bare):
        return True
    with_unit = re.fullmatch(r"([a-z]*)([-+]?\d{1,4}(?:[./x]\d{1,4})*)([a-z/%²]*)", bare)  # W400, 5.0MHz, 12/60
    return with_unit is not None and all(not part or part in harmless for part in with_unit.group(1, 3))


def _has_an_initial(text: str) -> bool:
    """Whether all of it is one word, a common name of people, written with an initial as a name is: ``J. HEAD``."""
    found = _WITH_INITIAL.fullmatch(text.strip())
    return found is not None and also_names().get((found[1] or found[2]).casefold()) == "common"


def _may_be_a_name(tokens: list[str]) -> bool:
    """Whether two words alone are names of people, one of them a common one, with or without an initial."""
    words = [token.strip(".'\"") for token in tokens]
    long = [word for word in words if len(word) > 2]
    names = also_names()
    return (
        len(long) == _WORDS_OF_A_NAME
        and all(len(word) == 1 or (word in long and names.get(word)) for word in words)
        and any(names.get(word) == "common" for word in long)
    )
