"""Known words: what may stand in a text because it names technique, anatomy or a finding.

Words are known because they are listed, with their source: ``vocabulary.csv`` (made from the Standard, LOINC and public
descriptions), ``known_words.txt`` (collected) and what a site approved. ``also_names.csv`` says which are names too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property, lru_cache
from importlib import resources
from typing import Literal, NamedTuple

from chorus_nb.identity.names import MARKS, fold
from chorus_nb.identity.word_forms import is_cut_off, is_form

Use = Literal[
    "descriptions",
    "makers",
    "abbreviations",
    "pictures",
    "labels",
    "clinical",
    "languages",
    "technique",
    "organisations",
    "joined",
    "beside",
    "surnames",
    "never",
]
TEXT_USES: tuple[Use, ...] = ("descriptions", "makers", "abbreviations", "clinical", "languages", "technique")
MODALITIES_LIKE_TITLES = frozenset(("DR", "MR", "MS", "OP", "PA", "PR", "PT", "RT", "SR"))
"""In capitals, beside technique. A list of its own: pictures are read anew when what this module rests on changes."""
LONG_TEXT = 14  # letters of a text that a field may have had no room for: SH holds 16
RAISED = "¹²³¼½¾"  # in a word that goes on (MÃ¼ller, misread), neither behind one nor before it: cm³, ³Quellbrook
PIECE = re.compile(rf"\d+|[^\W\d_{RAISED}](?:[^\W\d_{RAISED}]|[{MARKS}]|[{RAISED}](?=[^\W\d_{RAISED}]))*")
_CAMEL = re.compile(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-ZÀ-Þ])(?=[A-ZÀ-Þ][a-zß-ÿ])")
_BEFORE_PRODUCT = re.compile(r"(?:\A|[^\W_][ _+/-]{1,2})\Z")  # no sign of a name
_BEHIND_PRODUCT = re.compile(r"\Z|[ _+/-]{1,2}[^\W_]")
_WEIGHTED = re.compile(r"[Tt][12](?![\d.])|b\d{2,4}(?!\d)")  # the letter of T1 and T2, and of a b value
_PARTICLE = re.compile(r"(?:Mc|Mac|De|Di|Da|Du|La|Le|Van|Von|O|El|Al|Ben|Fitz|St)\Z")


def _read(name: str) -> str:
    return resources.files("chorus_nb.identity").joinpath(name).read_text("utf-8")


def read_list(name: str) -> Iterator[list[str]]:
    """The rows of a list of words without its head; none has a quotation mark, which the csv module takes five times
    as long to look for."""
    return (line.split(",") for line in _read(name).splitlines()[1:])


@cache
def _sections() -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for line in _read("known_words.txt").splitlines():
        if line.startswith("["):
            section = words.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section += filter(None, map(str.strip, line.split(",")))
    return words


@cache
def known_words(*uses: Use) -> frozenset[str]:
    """The words known for these uses, in lower case; some labels are several words."""
    return frozenset(word for use in uses for word in _sections()[use])


@cache
def _listed() -> dict[str, str]:
    """The words of vocabulary.csv and the source that knows each."""
    return {row[0]: row[1] for row in read_list("vocabulary.csv")}


@cache
def collected() -> frozenset[str]:
    """The words of texts that the project collected, folded."""
    return frozenset(fold(word) for word in known_words(*TEXT_USES) if word.isalpha())


@cache
def phrases() -> frozenset[tuple[str, str]]:
    """Two words that are known beside each other only, such as ``NG tube``."""
    every = (re.findall(r"[^\W\d_]+", fold(word)) for word in known_words(*TEXT_USES) if not word.isalpha())
    return frozenset((pair[0], pair[1]) for pair in every if len(pair) == 2)


def is_technique(word: str) -> bool:
    """Whether a word is made of what vendors write without a sign between: ``tse``, ``dwiaxi``."""
    parts = known_words("joined")
    return word in parts or is_form(word, parts, parts)


@cache
def named_like_people() -> frozenset[str]:
    """Products and operations that are called like people: words beside technique only, such as ``SAG BLISS``."""
    return frozenset(map(fold, known_words("beside")))


@cache
def never_known() -> frozenset[str]:
    """Words that other sources hold and that name a place, a person or an institution."""
    return frozenset(map(fold, known_words("never")))


@cache
def shipped_words() -> frozenset[str]:
    """Every word that the package knows, folded."""
    return collected() | _listed().keys()


@cache
def impersonal_words() -> frozenset[str]:
    """Words so common in technique that they identify nobody of that name unless beside another part of it: those of
    the data dictionary, of descriptions, abbreviations, and of makers that are no names."""
    makers = known_words("makers") - also_names().keys()
    dictionary = {word for word, source in _listed().items() if source == "dictionary"}
    return frozenset(map(fold, known_words("descriptions", "abbreviations"))) | makers | dictionary


def is_impersonal(word: str) -> bool:
    """Whether a word is one of :func:`impersonal_words`, or two of them written together."""
    word, known = fold(word), impersonal_words()
    return word in known or any(word[:cut] in known and word[cut:] in known for cut in range(3, len(word) - 2))


@cache
def also_names() -> dict[str, str]:
    """Known words that are names of people too: ``common`` or ``rare`` (US Census 1990)."""
    return {word: as_name for word, as_name, _ in read_list("also_names.csv")}


@cache
def given_names() -> frozenset[str]:
    """The most common first names (US Census 2020) that are no words of technique."""
    return frozenset(name for (name,) in read_list("given_names.csv"))


@cache
def person_words() -> dict[tuple[str, ...], frozenset[str]]:
    """Words beside which a name stands, to their kinds (person_words.csv, five languages)."""
    made: dict[tuple[str, ...], frozenset[str]] = {}
    for written, kind, _ in read_list("person_words.csv"):
        words = tuple(fold(written).split())
        made[words] = made.get(words, frozenset()) | {kind}
    return made


@cache
def words_of_people() -> frozenset[str]:
    """Every word of :func:`person_words` that is no particle."""
    told = (words for words, kinds in person_words().items() if not kinds <= {"particle", "place particle"})
    return frozenset(word for words in told for word in words)


class Token(NamedTuple):
    """A run of letters, or of digits, of a text."""

    start: int
    end: int
    text: str
    word: str  # folded

    @property
    def is_number(self) -> bool:
        return self.text[0].isdecimal()


@lru_cache(maxsize=16384)
def tokens(text: str) -> list[Token]:
    """The words and numbers of a text, run-together words split where a vendor's capitals part them (read only)."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    for found in PIECE.finditer(text):
        start, run = found.start(), found.group()
        if run.isascii() and (run.islower() or run.isupper() or run.isdigit() or run.istitle()):
            yield Token(start, found.end(), run, run.lower())
            continue
        cuts = [0, *(cut.start() for cut in _CAMEL.finditer(run)), len(run)]
        for left, right in itertools.pairwise(cuts):
            yield Token(start + left, start + right, run[left:right], fold(run[left:right]))


def _at(every: list[Token], number: int) -> Token | None:
    return every[number] if number < len(every) else None


def _is_misread(text: str, token: Token) -> bool:
    """Whether a word has letters with accents only, as another code page leaves it (``ÏÂ``), or is one such letter
    beside a sign; not the ``à`` of ``vue à droite``."""
    if not token.word.isascii() or any(map(str.isascii, token.text)) or token.text == "µ":
        return False
    return len(token.text) > 1 or text[max(0, token.start - 1) : token.end + 1].strip() != token.text


class Vocabulary:
    """The known words of a site: those of the package and what was approved or refused there."""

    def __init__(self, approved: Iterable[str] = (), refused: Iterable[str] = (), base: frozenset[str] | None = None):
        self.approved = frozenset(map(fold, approved))
        self.refused = frozenset(map(fold, refused))
        self.base = shipped_words() if base is None else base
        self.knows = lru_cache(maxsize=65536)(self._knows)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.approved, self.refused, None if self.base is shipped_words() else self.base)

    @cached_property
    def words(self) -> frozenset[str]:
        return (self.base | self.approved) - self.refused

    @cached_property
    def in_order(self) -> list[str]:
        return sorted(self.words)

    @property
    def digest(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What this site decided, for the key of a result."""
        return tuple(sorted(self.approved)), tuple(sorted(self.refused))

    def _knows(self, word: str) -> bool:
        """Whether a word (folded, letters only) is known, or is a form of known ones."""
        if word in self.words or (len(word) == 1 and word.isascii()):
            return True
        if word in self.refused or word in never_known():
            return False
        return is_form(word, self.words, known_words("joined"))

    def unknown(self, text: str) -> list[Token]:
        """The words of a text that are not known, in their order."""
        found: list[Token] = []
        every = tokens(text)
        for number, token in enumerate(every):
            if token.is_number:
                continue
            before = every[number - 1] if number else None
            joined = before is not None and before.end == token.start and not before.is_number
            of_name = joined and before is not None and _PARTICLE.match(before.text) and token.text[0].isupper()
            if of_name and before is not None:
                of_name = not self.knows(before.word + token.word)
            if of_name or _is_misread(text, token):
                found.append(token)
            elif self.knows(token.word) or self._has_a_number(text, token) or self._is_cut_off(text, token):
                continue
            elif not self._cut(before, token) and not self._cut(token, after := _at(every, number + 1)):
                beside = {(token.word, after.word if after else ""), (before.word if before else "", token.word)}
                if not phrases() & beside and not self._is_a_product(text, every, number):
                    found.append(token)
        return found

    def _has_a_number(self, text: str, token: Token) -> bool:
        """Whether a letter of the word belongs to the number beside it: ``3DSAG``, ``TSET2``, ``dwiaxib50``."""
        if text[token.start - 1 : token.start].isdigit() and token.word[0] == "d" and len(token.word) > 3:
            return self.knows(token.word[1:])
        weighted = _WEIGHTED.match(text, token.end - 1) is not None
        return weighted and len(token.word) > 3 and is_technique(token.word[:-1])

    def _is_a_product(self, text: str, every: list[Token], number: int) -> bool:
        """Whether a word called like a person stands beside technique in a text that tells of nobody."""
        token = every[number]
        if token.word not in named_like_people() or token.word in self.refused:
            return False
        left, right = text[: token.start], text[token.end :]
        if not (_BEFORE_PRODUCT.search(left) and _BEHIND_PRODUCT.match(right)):
            return False
        beside = [every[at] for at in (number - 1, number + 1) if 0 <= at < len(every)]
        others = [*every[:number], *every[number + 1 :]]
        technique = any(len(each.word) > 1 and not each.is_number for each in beside)
        rare = not others and also_names().get(token.word) != "common"  # TRAM, and nothing else
        return (
            (technique or rare)
            and all(map(self._is_nobody, beside))
            and all(self._tells_of_nobody(each) for each in others)
        )

    def _is_nobody(self, token: Token) -> bool:
        """Whether a word beside a name is neither another part of it nor a title or role of any kind."""
        name = token.word in given_names() or also_names().get(token.word) == "common" or len(token.word) == 1
        return token.is_number or not (name or token.word in words_of_people())

    def _tells_of_nobody(self, token: Token) -> bool:
        if token.is_number:
            return len(token.word) < 4
        told = token.word in words_of_people() and token.text not in MODALITIES_LIKE_TITLES
        return self.knows(token.word) and token.word not in given_names() and not told

    def _is_cut_off(self, text: str, token: Token) -> bool:
        """Whether the last word of a long text begins a known one, which the field had no room for."""
        if not token.end == len(text) >= LONG_TEXT or token.word in self.refused or token.word in never_known():
            return False
        return is_cut_off(token.word, self.in_order)

    def _cut(self, before: Token | None, token: Token | None) -> bool:
        """Whether capitals were parted one letter too early, as in ``HIContrast`` written ``HIcontrast``."""
        if not before or not token or before.end != token.start or not before.text.isupper() or token.is_number:
            return False
        return self.knows(before.word + token.word[0]) and self.knows(token.word[1:])


@cache
def shipped() -> Vocabulary:
    """The vocabulary of the package alone."""
    return Vocabulary()
