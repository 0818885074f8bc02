"""Where a text names somebody: beside a title, role, degree or label, though the name is a known word; in full."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable
from functools import cache

from chorus_nb import standards
from chorus_nb.leaks.cues import any_of, cues, words_for_people
from chorus_nb.leaks.known import also_named, anatomy_words, first_names, words_for
from chorus_nb.leaks.spellings import plain

LEAST_STRANGER = 4  # letters of a name that no list of words knows
ALONE, ENDS = r"(?<![^\W_])", r"(?![^\W_])"  # where a word begins and ends
_NOBODY_DOES = "followed|initialized|obscured|limited|degraded|caused"
_ENDS_A_PHRASE = re.compile(r"\s*(?:\Z|[^\w\s.'’-]|_|[-–—]\s|\.\s|\.\Z)")
_CALLS = re.compile(r"\s?[:=#|>*~^\[{(\"“–—\\]")  # behind a word for a person: a name follows
_SIDED = frozenset(("hand", "foot", "arm", "leg", "hip", "eye", "ear", "knee"))


@cache
def _cue_patterns() -> dict[str, re.Pattern[str]]:
    between = (
        rf"(?:[a-z]\.?|med\.|{any_of('title')}|{any_of('role')}|{any_of('person')}|de|la|von|van|der)[\s.,]{{1,2}}"
    )
    before = rf"(?P<mark>(?![)\]])[\W_]{{1,4}})(?:{between}){{0,3}}"
    made = {
        kind: re.compile(rf"{ALONE}{any_of(kind)}(?![^\W_]){before}(?P<who>[^\W\d_]{{2,}})")
        for kind in ("title", "person", "role", "label", "shy")
    }
    made["done by"] = re.compile(
        rf"{ALONE}(?!{_NOBODY_DOES})[^\W\d_]+ed[\s_]+by(?![^\W_]){before}(?P<who>[^\W\d_]{{2,}})"
    )
    made["initials"] = re.compile(
        rf"{ALONE}(?:{any_of('title')}|{any_of('person')}|{any_of('role')}){ENDS}(?P<mark>[\s:.,;#=()'\"/-]{{1,4}})(?P<who>(?:[a-z]\.\s?){{2}})"
    )
    particles = rf"(?:{any_of('place particle')}[\s'’-])+"
    made["organisation of"] = re.compile(
        rf"{ALONE}{any_of('organisation of')}(?P<mark>\s){particles}(?P<who>[^\W\d_]{{3,}})"
    )
    initials = r"(?:,?\s?[a-z](?![^\W_])\.?)?"
    for kind in ("suffix", "degree", "person"):
        made[f"{kind} behind"] = re.compile(
            rf"(?P<who>[^\W\d_]{{2,}}){initials}(?P<mark>[\W_]{{1,6}}){any_of(kind)}(?![^\W_])"
        )
    for kind in ("title", "role", "label"):
        made[f"{kind} said of it"] = re.compile(
            rf"(?P<who>[^\W\d_]{{2,}}){initials}(?P<mark>[\W_]{{1,6}})(?P<said>{any_of(kind)})(?![^\W_])"
        )
    made["organisation"] = re.compile(
        rf"(?P<who>[^\W\d_]{{2,}})(?P<mark>[\s_,.;:)\]]{{1,2}}){any_of('organisation')}{ENDS}"
    )
    return made


class _Place:
    """A word of a text that stands where a name may stand."""

    def __init__(self, text: str, kind: str, found: re.Match[str]) -> None:
        self.kind, self.who, self.mark = kind, found["who"], found["mark"]
        self.simple, self.start, self.end = found.string, found.start("who"), found.end("who")
        same = len(text) == len(self.simple)
        self.written = text[self.start : self.end] if same else self.who.title()
        self.cue = self.simple[found.start() : found.start("mark")] if found.start("mark") < self.start else ""
        self.cue_written = text[found.start() : found.start("mark")] if same else self.cue.title()
        self.said = text[found.start("said") : found.end()] if same and "said" in found.re.groupindex else ""
        self.before, self.last = self.simple[: found.start()], found.end()

    def is_alone(self) -> bool:
        return _ENDS_A_PHRASE.match(self.simple, self.end) is not None

    def is_only_a_title(self) -> bool:
        """Whether a name must follow, though it be a word of anatomy: ``Prof Small``, not ``Dr Head``."""
        if "." in self.mark or "." in self.cue:
            return not (
                self.mark.startswith(".") and self.mark == "." and self.cue_written in standards.modality_words()
            )
        late = re.search(r"[^\W\d_]+(?=[\W\d_]*\Z)", self.before)
        behind = self.cue_written.istitle() and late is not None and late[0].upper() not in standards.modality_words()
        return self.cue.upper() not in standards.modality_words() or behind

    def is_modality_or_unit(self) -> bool:
        """``MR YOUNG``, ``MR_FE`` and ``ms long``: a code or unit without a full stop is no title."""
        if not self.cue or ("." in self.mark and not self.mark.startswith("_")):
            return False
        short = self.cue in ("mr", "ms", "fr.", "hr.") and not self.cue_written.istitle()
        signs = self.mark.strip(" .:,")
        return short or (bool(signs) and self.cue_written in standards.modality_words())

    def names(self) -> bool:
        """Whether the word is a name here."""
        as_name = also_named(self.who)
        anatomy = self.who in anatomy_words()
        technique = self.who in technique_words() and not anatomy
        if self.kind.endswith("said of it"):
            return as_name == "common" and not technique and not anatomy and self._is_said_of_it()
        if self.kind == "organisation":
            return self.who not in technique_words() and (
                as_name == "common" or (bool(as_name) and self.written.istitle())
            )
        beside = self.kind in ("title", "person") or self.kind.endswith("behind")
        short = len(self.who) == 2 and beside and not technique and not self.written.islower()  # Mrs Ng
        if not (as_name or short) or self.is_modality_or_unit():
            return False
        if self.kind == "title":
            return (not anatomy or self.is_only_a_title()) and (as_name == "common" or not technique)
        if self.kind == "person":
            return as_name == "common" or not technique
        if self.kind == "shy":
            return self._follows_shyly() and (as_name == "common" or anatomy)
        if self.kind.endswith("behind"):
            return self._has_a_degree(anatomy, as_name == "common" or short)
        called = ":" in self.mark or "." in self.mark
        if anatomy:
            sign = _CALLS.match(self.mark) or (self.kind == "role" and self.mark.strip())
            shouts = self.mark.lstrip()[:1] in (":", "=") and self.written.isupper()
            return bool(sign) and (self.written.istitle() or shouts) and self.is_alone()
        return as_name == "common" or (called and not technique)

    def _follows_shyly(self) -> bool:
        """``by Bone``, ``RT: Brown``; not ``by Hand``, ``injected by Bolus``, ``RT Hand``."""
        called = _CALLS.match(self.mark) is not None
        written = self.written.istitle() or (called and self.written.isupper())
        done = re.search(r"ed[\W_]+\Z", self.before) is not None
        return written and self.is_alone() and self.who not in _SIDED and not done and (called or self.cue != "rt")

    def _is_said_of_it(self) -> bool:
        """``Long, tech``, ``Brown (ref)``, ``Hill Mrs``; not ``long axis, tech``, ``Young MR``."""
        told = self.mark.strip() or (self.written.istitle() and not self.kind.startswith("label"))
        alone = _ENDS_A_PHRASE.match(self.simple, self.last) is not None
        return bool(told) and alone and not self.written.islower() and self.said not in standards.modality_words()

    def _has_a_degree(self, anatomy: bool, common: bool) -> bool:
        if self.written.islower() or self.written in standards.modality_words() - {"MA"}:  # retired, and a name
            return False
        if self.kind.startswith("degree"):
            return anatomy or common
        if anatomy or self.who in technique_words():
            if common and self.kind.startswith("suffix") and self.mark.endswith(("[", "(")):
                return True
            alone = _ENDS_A_PHRASE.match(self.simple, self.last) is not None
            signed = self.kind.startswith("person") and (bool(self.mark.strip()) or "\t" in self.mark)
            return (self.written.istitle() or signed) and (self.kind.startswith("person") or (anatomy and alone))
        return common


@cache
def _weak_signs() -> tuple[re.Pattern[str], ...]:
    """A word that is most often a name, in capitals or with one, beside a sign that may mean something else."""
    words = sorted(words_for("surnames"))
    titled, small = "|".join(word.title() for word in words), "|".join(words)
    shouted = "|".join(words).upper()
    ordinary = words_for("descriptions", "abbreviations")
    rather = "|".join(word.title() for word in words if word not in ordinary)
    initial, ends = r"(?<![^\W_])(?<![+/-])[A-KM-QS-Z] ", r"(?=\s*(?:\Z|[^\w\s.'’-]|_|[-–—]\s|\.\s|\.\Z))"
    mark = r"[.,;:)\]]{0,2}"
    forms = (
        rf"{initial}(?:(?:{titled}|{shouted}){ends}|(?:{rather}){ENDS})",
        rf"{ALONE}(?:{titled}|{shouted})(?:{mark} |/)[A-KM-QS-Z]{ENDS}{ends}",
        rf"{ALONE}(?:{titled}){mark} (?:III?|J[rR]|S[rR]){ENDS}",
        rf"[@#](?:{titled}){ENDS}",
        rf"{ALONE}[Ff](?:or|OR) (?!Stone)(?:{titled}){ENDS}{ends}",
        rf"{ALONE}[a-z]\. (?:{small}){mark} (?:{'|'.join(words_for_people())}){ENDS}",
    )
    return tuple(map(re.compile, forms))


def surname(text: str) -> bool:
    """Whether such a word stands in a text: ``J Black T2``, ``Long III``, ``@Long``; not ``T long axis``."""
    return any(form.search(text) for form in _weak_signs())


def names_beside(text: str) -> bool:
    """Whether a word that is a name too stands where a name stands."""
    simple = plain(text)
    for kind, pattern in _cue_patterns().items():
        for found in pattern.finditer(simple):
            if kind == "organisation of" and (
                found["who"] in technique_words() or found["who"] in cues("place particle")
            ):
                continue
            if kind in ("initials", "organisation of") or _Place(text, kind, found).names():
                return True
    return False


def stranger_beside(text: str, unknown: Callable[[str], object]) -> bool:
    """Whether a word with a capital of which ``unknown`` holds stands beside a title, a role or a degree: ``Welby MD``.

    Capital letters MR are a modality.
    """
    simple = plain(text)
    written = text if len(text) == len(simple) else simple.title()
    for kind in ("title", "role", "degree behind"):
        for found in _cue_patterns()[kind].finditer(simple):
            who, cue = written[found.start("who") : found.end("who")], written[found.start() : found.start("mark")]
            if len(who) >= LEAST_STRANGER and (who.istitle() or who.isupper()) and cue != "MR" and unknown(who):
                return True
    return False


_CAPITAL = r"[^\W\d_a-z][^\W\d_]{2,}"
_PAIR = re.compile(
    rf"{ALONE}(?=(?P<first>{_CAPITAL})\s+(?:[A-Z]\.?\s+)?(?P<last>{_CAPITAL}){ENDS})|"
    rf"{ALONE}(?=(?P<before>{_CAPITAL}),\s*(?P<behind>{_CAPITAL}){ENDS})"
)


def people_in_full(text: str, unknown: Callable[[str], object]) -> set[str]:
    """First names with a last name behind them, or before them and a comma, that is a common one or no known word."""
    found = set()
    for pair in _PAIR.finditer(text):
        first, last = pair["first"] or pair["behind"], pair["last"] or pair["before"]
        as_written = all(word.istitle() or word.isupper() for word in (first, last))
        if as_written and plain(first) in first_names() and (also_named(plain(last)) == "common" or unknown(last)):
            found.add(f"{plain(first)} {plain(last)}")
    return found


@cache
def technique_words() -> frozenset[str]:
    """Words of anatomy and technique, of any language."""
    return (
        anatomy_words() | words_for("languages", "abbreviations") | {plain(word) for word in standards.modality_words()}
    )


_WORD = re.compile(r"[^\W\d_]+")


def full_name(text: str) -> bool:
    """Whether a first name and a family name, or an initial and a family name, stand beside each other."""
    composed = unicodedata.normalize("NFC", text)
    words = list(_WORD.finditer(composed))
    for left, right in itertools.pairwise(words):
        sign = composed[left.end() : right.start()]
        if (
            not re.fullmatch(r"[ .'’‘`^\"“”_-]{1,3}|, ?|[.,;:)\]]{1,2} ?", sign)
            or left[0].islower() != right[0].islower()
        ):
            continue
        for first, family in ((left, right), (right, left)):
            who, name = plain(first[0]), plain(family[0])
            if also_named(name) != "common" or name in anatomy_words():
                continue
            dotted = composed[first.end() : first.end() + 1] == "."
            initial = len(who) == 1 and first[0].isupper() and (dotted or sign == "^")
            if (who in first_names() and re.fullmatch(r"[ .'’‘`^\"“”_-]{1,3}|, ?", sign)) or initial:
                return True
    return False
