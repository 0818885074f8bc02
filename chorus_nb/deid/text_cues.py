"""Words beside which a name stands (person_words.csv), found in the words of one text, and what may be a name there."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from chorus_nb import standards
from chorus_nb.identity.identifiers import UNIT
from chorus_nb.identity.names import fold
from chorus_nb.identity.words import Token, also_names, given_names, known_words, person_words

_ALONE = re.compile(r"\s*(?:\Z|[^\w\s.'’-]|_|[-–—]\s|\.\s|\.\Z)")  # what ends a name that stands by itself
WITHIN_NAMES = re.compile(r"(?:[ .'’‘`^\"“”-]{1,3}|, ?|)\Z")  # between the words of a name
TYING = re.compile(r"_|\s?[&+/]\s?|, ?\Z")  # between two names, or between words that a file name ties together
_DONE = re.compile(r"(?!followed|initialized|obscured|limited|degraded|caused).+ed")  # what a person does: typed by


@cache
def body_words() -> frozenset[str]:
    """Words of anatomy that DICOM defines for Body Part Examined: no name where nothing says so."""
    words = (fold(part.meaning) for part in standards.body_part_concepts().values())
    return frozenset(word for meaning in words for word in re.findall(r"[a-z]+", meaning)) | {"body", "bone", "back"}


@cache
def words_of_texts() -> frozenset[str]:
    """Words of anatomy and technique in any language: none of them names the hospital whose word they stand before."""
    return body_words() | frozenset(map(fold, known_words("languages", "abbreviations")))


class Cue(NamedTuple):
    """Words of :func:`person_words` at tokens ``first`` to ``last``."""

    first: int
    last: int
    kind: str


class Words:
    """The tokens of one text. ``gone`` holds the numbers of those that go already."""

    def __init__(self, text: str, every: list[Token], gone: set[int]) -> None:
        self.text = text
        self.every = every
        self.gone = gone

    def cues(self) -> list[Cue]:
        known, found = person_words(), []
        for at in range(len(self.every)):
            for length in (2, 1) if at + 1 < len(self.every) else (1,):
                words = tuple(each.word for each in self.every[at : at + length])
                if kinds := known.get(words, frozenset()):
                    for kind in sorted(kinds):
                        if kind == "dotted title":
                            if length == 1 and self._is_dotted_title(at):
                                found.append(Cue(at, at, "title"))
                        elif not self._is_unit(at) if kind == "title" else not self._runs_on(at):
                            found.append(Cue(at, at + length - 1, kind))
                    break
            if at and self.every[at].word == "by" and _DONE.fullmatch(self.every[at - 1].word):
                found.append(Cue(at - 1, at, "role"))
        return found

    def _is_dotted_title(self, at: int) -> bool:
        """``Fr. Stone``, not ``12 Fr``."""
        token = self.every[at]
        return token.text.istitle() and self.text[token.end : token.end + 1] == "."

    def _is_unit(self, at: int) -> bool:
        """``ms`` after a number is a unit, a title begins with a capital."""
        token = self.every[at]
        after_number = token.text.islower() and at > 0 and self.every[at - 1].is_number
        return after_number and re.fullmatch(UNIT, token.text) is not None

    def _runs_on(self, at: int) -> bool:
        """Whether a token is a part of a longer run of letters, such as PAT in iPAT."""
        return at > 0 and self.every[at - 1].end == self.every[at].start

    def between(self, one: int, other: int) -> str:
        return self.text[self.every[one].end : self.every[other].start]

    def is_name(self, at: int, how: str) -> bool:
        """Whether a token may be a name: an unknown word always; a known one if it is a name too, ``how`` commonly."""
        token = self.every[at]
        if at in self.gone:
            return True
        if token.is_number or len(token.word) < 2 or (how == "capital" and token.text.islower()):
            return False
        if how == "title" and not token.text.istitle():
            how = "common"
        as_name = also_names().get(token.word, "")
        return as_name == "common" or (as_name == "rare" and how != "common")

    def is_initial(self, at: int) -> bool:
        token = self.every[at]
        alone = len(token.word) == 1 and token.text.isupper()
        return alone and not self.text[token.end : token.end + 1].isalnum()

    def is_particle(self, at: int, *kinds: str) -> bool:
        return not {"particle", *kinds}.isdisjoint(person_words().get((self.every[at].word,), ()))

    def is_alone(self, at: int) -> bool:
        return _ALONE.match(self.text, self.every[at].end) is not None

    def is_first_name(self, *places: int) -> bool:
        return any(self.every[at].word in given_names() for at in places)

    def is_of_modality(self, at: int) -> bool:
        return self.every[at].word.upper() in standards.modality_words()

    def goes_on(self, one: int, other: int) -> bool:
        """Whether what stands between two words may stand between names."""
        between = self.between(one, other)
        return bool(WITHIN_NAMES.match(between) or TYING.fullmatch(between))
