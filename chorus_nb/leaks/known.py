"""Which words are known, read and cut by the verifier itself: what is known nowhere has no business in a release.

The lists are facts that both sides share (their sources: chorus_nb/identity/README.md), with what the site approved or
refused; how a text is cut into words is written here once more, on purpose.
"""

from __future__ import annotations

import csv
import itertools
import re
import unicodedata
from collections.abc import Iterable
from functools import cache, cached_property, lru_cache
from pathlib import Path

from chorus_nb import standards, tables
from chorus_nb.decisions import Cells, DecisionLog
from chorus_nb.leaks.cues import words_for_people
from chorus_nb.leaks.spellings import LETTERS_APART, letters_of, plain
from chorus_nb.workspace import Workspace

LISTS = Path(__file__).parents[1] / "identity"
NOT_FOR_TEXTS = frozenset(("pictures", "labels", "organisations", "joined", "never", "beside", "surnames"))
# ³ and ½ behind or before a word are signs, and listed; within one they are of another code page
RUN_OF_LETTERS = re.compile(r"[^\W\d_¹²³¼-¾](?:[^\W\d_¹²³¼-¾]|[¹²³¼-¾](?=[^\W\d_¹²³¼-¾]))*")
PARTS = re.compile(r"[A-ZÀ-Þ]+(?![a-zß-ÿ])|[A-ZÀ-Þ]?[a-zß-ÿ]+|[^\W\d_]")
CASES = re.compile(r"[A-ZÀ-Þ]{2,}|[A-ZÀ-Þ]?[a-zß-ÿ]+|[^\W\d_]")
TO_TECHNIQUE = re.compile(r"[^\W_][ _+/-]{1,2}\Z")
FROM_TECHNIQUE = re.compile(r"[ _+/-]{1,2}[^\W_]")
OF_A_NUMBER = re.compile(r"[Tt][12](?!\d|\.)|b\d\d\d?\d?(?!\d)")
FOUR_DIGITS = re.compile(r"\d{4}")
LONG_ENOUGH = 7  # letters of a word that can be told with one of them wrong
BEGUN = 5  # letters of the last word of a text, from which it tells the word that was cut off
WHOLE_WORD = 4  # letters of a word within a longer one
MOST_PIECES = 4  # parts of one run of letters at most
OF_ANOTHER_PAGE = re.compile(r"[\xa1-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7]{2,}")  # signs of Latin-1
STEMS = {"s": ("",), "es": ("",), "ies": ("y",), "ed": ("", "e"), "ing": ("", "e"), "ly": ("",)}


def _sections() -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for line in (LISTS / "known_words.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = made.setdefault(line[1:-1], [])
        elif line.strip() and not line.startswith("#"):
            section += [word.strip() for word in line.split(",") if word.strip()]
    return made


def _rows(name: str) -> Iterable[dict[str, str]]:
    return csv.DictReader((LISTS / name).read_text("utf-8").splitlines())


@cache
def listed() -> frozenset[str]:
    """Every word that the package knows, in plain letters."""
    texts = [word for use, words in _sections().items() if use not in NOT_FOR_TEXTS for word in words]
    runs = (RUN_OF_LETTERS.findall(unicodedata.normalize("NFC", word)) for word in texts)
    collected = {plain(found[0]) for found in runs if len(found) == 1}
    return frozenset(collected | {plain(row["word"]) for row in _rows("vocabulary.csv")})


@cache
def listed_signs() -> frozenset[str]:
    """Signs beyond ASCII that say nothing of anybody."""
    return frozenset("".join(row["signs"] for row in _rows("signs.csv")))


def foreign_signs(text: str) -> Iterable[str]:
    """Signs that no list knows, such as circled letters and what another code page leaves; invisible ones too."""
    for sign in text:
        if sign > "~" and unicodedata.category(sign) not in _ORDINARY and sign not in listed_signs():
            yield sign
    yield from (run for run in OF_ANOTHER_PAGE.findall(text) if len(set(run)) > 1)


@cache
def pairs() -> frozenset[tuple[str, ...]]:
    """Two words that are known beside each other only, such as ``NG tube``."""
    texts = (word for use, words in _sections().items() if use not in NOT_FOR_TEXTS for word in words)
    runs = (tuple(RUN_OF_LETTERS.findall(plain(word))) for word in texts)
    return frozenset(found for found in runs if len(found) == 2)


@cache
def never() -> frozenset[str]:
    return frozenset(plain(word) for word in _sections()["never"])


@cache
def parts() -> frozenset[str]:
    """What stands beside other words without a sign between."""
    return frozenset(_sections()["joined"])


@cache
def names_alike() -> frozenset[str]:
    """Names that are written like forms of known words."""
    return frozenset(plain(row["name"]) for row in _rows("names_like_words.csv"))


@cache
def _names() -> dict[str, str]:
    return {plain(row["word"]): row["as_name"] for row in _rows("also_names.csv")}


def also_named(word: str) -> str:
    """Whether a word in plain letters is a name of people too: ``common``, ``rare`` or "" (US Census 1990)."""
    return _names().get(word, "")


@cache
def first_names() -> frozenset[str]:
    """The most common first names."""
    return frozenset(plain(row["name"]) for row in _rows("given_names.csv"))


@cache
def words_for(*uses: str) -> frozenset[str]:
    """The words listed for these uses."""
    return frozenset(plain(word) for use in uses for word in _sections()[use])


@cache
def anatomy_words() -> frozenset[str]:
    """Words of anatomy (Body Part Examined): no names where nothing says so."""
    said = " ".join(part.meaning for part in standards.body_part_concepts().values())
    return frozenset(RUN_OF_LETTERS.findall(plain(said))) | {"body", "bone", "back"}


_ORDINARY = frozenset(("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Zs"))


class KnownWords:
    """The known words of a site. ``unknown`` gives those of a text that nobody knows."""

    def __init__(self, approved: Iterable[str] = (), refused: Iterable[str] = ()) -> None:
        self.approved, self.refused = sorted(map(plain, approved)), sorted(map(plain, refused))
        self.words = (listed() | frozenset(self.approved)) - frozenset(self.refused)
        self.unknown = lru_cache(maxsize=16384)(self._unknown)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.approved, self.refused)

    def __repr__(self) -> str:
        return f"KnownWords({self.approved}, {self.refused})"

    def _unknown(self, text: str) -> tuple[str, ...]:
        composed = unicodedata.normalize("NFC", text)
        unknown = dict.fromkeys(foreign_signs(composed))
        apart = (found[0] for found in LETTERS_APART.finditer(composed))
        unknown |= dict.fromkeys(letters for letters in apart if not self._is_known(letters_of(letters)))
        for found in RUN_OF_LETTERS.finditer(composed):
            run = found.group()
            beside = self._is_beside_a_number(composed, found)
            cut = found.end() == len(composed) and self._begins_a_word(plain(run))
            if plain(run).isascii() and not any(map(str.isascii, run)) and run != "µ":  # of another code page
                around = composed[max(0, found.start() - 1) : found.end() + 1].strip()
                if len(run) > 1 or around != run:
                    unknown[run] = None
            known = cut or beside or self._is_known(run) or _is_paired(composed, found)
            if not known and not self._is_product(composed, found):
                unknown[run] = None
        return tuple(unknown)

    @cached_property
    def _of_technique(self) -> KnownWords:
        return KnownWords((*self.approved, *standards.terms_of_technique()), self.refused)

    def no_terms(self, text: str) -> list[str]:
        """The words of a code or short name of technique that nobody knows; a few letters are a code, but two such
        words are a name."""
        unknown = self._of_technique.unknown(text)
        several = re.findall(r"(?=(?<![^\W_])([^\W\d_]+)(?: |\^|, ?)([^\W\d_]+)(?![^\W_]))", text)
        named = {word for words in several if set(words) <= set(unknown) for word in words}
        return [run for run in unknown if len(run) > standards.SHORT_CODE or not run.isascii() or run in named]

    def _is_beside_a_number(self, text: str, found: re.Match[str]) -> bool:
        """A letter that belongs to a number: 3D|SAG, TSE|T2, dwiaxi|b50."""
        run = found.group()
        if run[0] in "dD" and len(run) > 3 and text[: found.start()][-1:].isdigit():
            return self._is_known(run[1:])
        ends = OF_A_NUMBER.match(text, found.end() - 1) is not None and len(run) > 3
        return ends and _is_of_parts(plain(run[:-1]))

    def _is_product(self, text: str, found: re.Match[str]) -> bool:
        """``SAG BLISS``: a product named like people, in a text of known words of which none names anybody."""
        word, before, behind = plain(found.group()), text[: found.start()], text[found.end() :]
        if word not in words_for("beside") or word in self.refused or FOUR_DIGITS.search(text):
            return False
        if (before and not TO_TECHNIQUE.search(before)) or (behind and not FROM_TECHNIQUE.match(behind)):
            return False
        runs = RUN_OF_LETTERS.findall(before), RUN_OF_LETTERS.findall(behind)
        next_to = {*map(plain, runs[0][-1:]), *map(plain, runs[1][:1])}
        apart = {plain(run) for run in (*runs[0][:-1], *runs[1][1:]) if run not in {*standards.modality_words(), "RT"}}
        rare = not next_to and also_named(word) != "common"  # TRAM, and nothing else
        if not (rare or any(len(each) > 1 for each in next_to)) or (next_to | apart) & (
            words_for_people() | first_names()
        ):
            return False
        common = any(len(each) == 1 or also_named(each) == "common" for each in next_to)
        return not common and all(map(self._is_known, (*runs[0], *runs[1])))

    def _is_known(self, run: str) -> bool:
        if self._one(plain(run)):
            return True
        cuts = (PARTS.findall(run), CASES.findall(run))  # CT|Head, and DWI|axi
        return any(len(parts) > 1 and all(self._one(plain(part)) for part in parts) for parts in cuts)

    def _begins_a_word(self, word: str) -> bool:
        """A word that a full field left no room for."""
        if word in never() or word in names_alike() or word in self.refused or len(word) < BEGUN:
            return False
        return word.isascii() and any(known.startswith(word) for known in self.words)

    def _one(self, word: str) -> bool:
        if word in self.words or (len(word) == 1 and word.isascii()):
            return True
        if word in never() or word in names_alike() or word in self.refused or not word.isascii():
            return False
        return len(word) >= WHOLE_WORD and (self._inflected(word) or self._run_together(word) or self._mistyped(word))

    def _inflected(self, word: str) -> bool:
        """A known word with an ending of English."""
        endings = (word[at:] for at in range(max(3, len(word) - 3), len(word)))
        stems = (word[: -len(end)] + last for end in endings for last in STEMS.get(end, ()))
        return any(len(stem) >= WHOLE_WORD and stem in self.words for stem in stems)

    def _run_together(self, word: str) -> bool:
        """Known words, and parts that vendors write, one after another: from the left, every cut that goes on."""
        ways = [(0, 0)]
        for start, count in ways:
            for end in range(start + 1, len(word) + 1):
                piece = word[start:end]
                whole = len(piece) >= WHOLE_WORD and (piece in self.words or self._inflected(piece))
                if not whole and piece not in parts():
                    continue
                if end == len(word) and count:
                    return True
                if count + 1 < MOST_PIECES and (end, count + 1) not in ways:
                    ways.append((end, count + 1))
        return False

    def _mistyped(self, word: str) -> bool:
        """A letter short at the end, single where it is double, or two letters in the wrong order."""
        short = [word + letter for letter in "abcdefghijklmnopqrstuvwxyz"] if len(word) > 4 else []
        double = [word[:at] + letter + word[at:] for at, letter in enumerate(word)] if len(word) > 5 else []
        order = [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 1)]
        return not self.words.isdisjoint([*short, *double, *(order if len(word) > 6 else []), *_one_letter_off(word)])


def _is_paired(text: str, found: re.Match[str]) -> bool:
    before, behind = RUN_OF_LETTERS.findall(text[: found.start()]), RUN_OF_LETTERS.findall(text[found.end() :])
    three = [*map(plain, before[-1:]), plain(found.group()), *map(plain, behind[:1])]
    return not pairs().isdisjoint(itertools.pairwise(three))


def _is_of_parts(word: str) -> bool:
    ends = [0]  # where a part may end
    for end in range(1, len(word) + 1):
        if any(word[start:end] in parts() for start in ends):
            ends.append(end)
    return ends[-1] == len(word)


def _one_letter_off(word: str) -> list[str]:
    """The long words from which one letter was left out, put in or changed, never the first."""
    if len(word) < LONG_ENOUGH:
        return []
    cuts = [(word[:at], word[at:]) for at in range(1, len(word))]
    made = [head + tail[1:] for head, tail in cuts if len(word) > LONG_ENOUGH]
    letters = "abcdefghijklmnopqrstuvwxyz"
    made += [head + letter + rest for head, tail in cuts for letter in letters for rest in (tail, tail[1:])]
    return made


def _plain_word(row: Cells) -> str:
    return plain(row["word"])


APPROVALS = DecisionLog(tables.KNOWN_WORDS, frozenset(("approve", "refuse")), item=_plain_word)


def known_words_of(workspace: Workspace) -> KnownWords:
    """The known words of a site, from the package and from its decisions."""
    said = {word: row["decision"] for word, row in APPROVALS.current(workspace).items()}
    return KnownWords(
        (word for word, decision in said.items() if decision == "approve"),
        (word for word, decision in said.items() if decision == "refuse"),
    )
