"""Cleaning text that is kept: words stay because they are known (PS3.15 E.3.5 Clean Descriptors Option).

What goes: what has the shape of an identifier, the patient's own identifiers (:mod:`chorus_nb.identity`), words that
nobody knows, names beside a title, label or unknown word, and numbers that are none of technique's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from html import unescape
from urllib.parse import unquote

from chorus_nb import standards
from chorus_nb.deid.text_cues import Words, body_words
from chorus_nb.deid.text_names import NEXT, People
from chorus_nb.deid.text_numbers import odd_numbers, whole_days
from chorus_nb.deid.text_patterns import AMBIGUOUS_STREET, IN_NO_EQUIPMENT, LABEL, PATTERNS, USERS_FOLDER
from chorus_nb.deid.values import forms_of, readable, reads_as_text
from chorus_nb.identity.encoded import encoded_texts, is_escaped
from chorus_nb.identity.identifiers import START, Identifiers
from chorus_nb.identity.own import Matcher, Span
from chorus_nb.identity.signs import letters_apart, odd_signs, with_plain_digits, without_invisible
from chorus_nb.identity.terms import no_terms
from chorus_nb.identity.words import Token, Vocabulary, also_names, shipped, tokens

UID_IN_TEXT = re.compile(r"(?<![\w.])[0-2](?:\.\d+){5,}(?!\w|\.\d)")
_PATTERNS = [(re.compile(pattern.shape, re.IGNORECASE), pattern.written) for pattern in PATTERNS]
_ANYWHERE = [
    (re.compile(pattern.shape, re.IGNORECASE), pattern.written or " ")
    for pattern in PATTERNS
    if pattern.kind in IN_NO_EQUIPMENT
]
_USERS_FOLDER = re.compile(USERS_FOLDER, re.IGNORECASE)
_STREET = re.compile(AMBIGUOUS_STREET, re.IGNORECASE)
_STREET_NAMES = re.compile(r"(?:[NSEW]\.? )?(?:main|high|church|park|long|hill|brown|king|mill)", re.IGNORECASE)
_DANGLING = re.compile(
    rf"{START}(?:{LABEL}|name|dob|patient|pt|dr|for|by|from|at|per|ref|tel|call|see|ordered)\s*[:=#]*\s*\Z",
    re.IGNORECASE,
)
_JOINED = re.compile(r"[-']?\Z")
_TECHNIQUE = re.compile(r"(?<![^\W_])(?:(?:ep|fl|tfl|se|gre|fse)?[23]d|t[12]w?|dti|b\d{1,4})(?![^\W_])", re.IGNORECASE)
Removal = tuple[int, int, str]  # start, end and what is written instead


class Cleaner:
    """Cleans texts of one patient; what it has cleaned once it remembers."""

    def __init__(
        self, identifiers: Identifiers, new_uid: Callable[[str], str], vocabulary: Vocabulary | None = None
    ) -> None:
        self.own = Matcher(identifiers)
        self.new_uid = new_uid
        self.vocabulary = vocabulary or shipped()
        self.clean = lru_cache(maxsize=4096)(self._clean)
        self.without_own = lru_cache(maxsize=4096)(self._without_own)
        self.without_shapes = lru_cache(maxsize=4096)(self._without_shapes)
        self.of_terms = lru_cache(maxsize=4096)(self._of_terms)

    def finds_own(self, text: str) -> bool:
        """Whether ``text`` holds one of the patient's own identifiers."""
        return bool(self.own.spans(text))

    def finds_in_bytes(self, raw: bytes) -> bool:
        """Whether binary data, in whatever form, holds one of the patient's own identifiers, a text, a UID that PS3.6
        does not register, or letters in other signs that make sense: none does by chance."""
        return any(reads_as_text(form) or self._finds_in_signs(readable(form)) for form in forms_of(raw))

    def _finds_in_signs(self, text: str) -> bool:
        return (
            any(map(self.finds_own, {text, unquote(text), unescape(text)}))
            or is_escaped(text)
            or any(True for _ in encoded_texts(text))
            or any(not standards.is_registered_uid(found.group()) for found in UID_IN_TEXT.finditer(text))
        )

    def is_own_number(self, value: str, least: int = 6) -> bool:
        """Whether a number of at least so many digits is one of the patient's as a whole."""
        return self.own.is_whole(value, least)

    def is_own_measure(self, value: str) -> bool:
        """Whether a number of technique is one of the patient's: many measures have six digits that end in zeros."""
        return self.own.is_whole(value, 6 if value.strip(" \0")[-2:] != "00" else 8)

    def _without_own(self, text: str) -> str:
        """A text that no patient is described in, such as a maker's: only a whole name, a
        long number or a day of theirs in full goes, and whom a title tells of."""
        cuts = [(start, end, " ") for start, end in self.own.grave_spans(text)]
        cuts += _told(self.vocabulary, text)
        cuts += [(start, end, " ") for start, end in whole_days(text, self.own.days)]
        cuts += self._in_no_text(text)
        return tidy(cut_out(text, cuts)) if cuts else text

    def for_technique(self, tag: int, vr: str) -> Callable[[str], str]:
        """How a text of equipment or technique is cleaned: of this patient alone; a code, which no vocabulary knows, of
        shapes too; where codes and short names stand, of every word that is no term."""
        kinds: dict[str, Callable[[str], str]] = {"code": self.without_shapes, "": self._without_found}
        how = kinds.get(standards.never_a_patient(tag, vr), self.without_own)
        return (lambda text: self.of_terms(how(text))) if standards.holds_terms(tag, vr) else how

    def _without_found(self, text: str) -> str:
        return self.clean(text) if self.finds_own(text) else text

    def _without_shapes(self, text: str) -> str:
        """A code of a site, whose letters no vocabulary knows: the patient's own goes, and what has the shape of an
        identifier."""
        cuts = [(start, end, " ") for start, end in self.own.spans(text)]
        cuts += [*_shaped(text), *_told(self.vocabulary, text), *self._in_no_text(text)]
        return tidy(cut_out(text, cuts)) if cuts else text

    def _in_no_text(self, text: str) -> Iterator[Removal]:
        """What has no place in a text of equipment, technique or a code either: a UID that PS3.6 does not register, an
        age above 89, an address, letters in other signs, signs no list knows, unknown words of letters that no maker
        has."""
        for found in UID_IN_TEXT.finditer(text):
            if not standards.is_registered_uid(found.group()):
                yield *found.span(), self.new_uid(found.group())
        for shape, written in _ANYWHERE:
            yield from ((*found.span(), written) for found in shape.finditer(text))
        yield from ((start, end, " ") for start, end, _ in encoded_texts(text))
        yield from ((start, end, " ") for start, end, word in letters_apart(text) if self.vocabulary.unknown(word))
        if not text.isascii():
            yield from ((start, end, " ") for start, end in odd_signs(text))
            unknown = self.vocabulary.unknown(text)
            yield from ((each.start, each.end, " ") for each in unknown if not each.text.isascii())

    def _of_terms(self, text: str) -> str:
        """A code or short name of technique: a word that neither a vocabulary nor the lists of terms know goes."""
        cuts = [(token.start, token.end, " ") for token in no_terms(self.vocabulary, text)]
        cuts += [(start, end, " ") for start, end, word in letters_apart(text) if self.vocabulary.unknown(word)]
        return tidy(cut_out(text, cuts)) if cuts else text

    def _clean(self, text: str) -> str:
        composed = unicodedata.normalize("NFC", text)
        plain = without_invisible(composed)
        uids = [found.span() for found in UID_IN_TEXT.finditer(plain)]
        masked = with_plain_digits(UID_IN_TEXT.sub(lambda found: "." * len(found.group()), plain))
        cuts: list[Removal] = [(*span, self.new_uid(plain[slice(*span)])) for span in uids]
        cuts += removals(self.vocabulary, masked, self.own.spans(masked))
        cleaned = cut_out(plain, cuts) if cuts else plain
        return text if cleaned == composed else tidy(cleaned)


def without_users(text: str) -> str:
    """A text without the names of people in paths of files, which a ``\\`` of DICOM's would part from their folder."""
    return _USERS_FOLDER.sub(r"\1_", text)


@lru_cache(maxsize=16384)
def removals(vocabulary: Vocabulary, text: str, own: tuple[Span, ...]) -> list[Removal]:
    """What goes from a text in which ``own`` is a patient's: mostly nothing is, and the answer is everybody's."""
    cuts: list[Removal] = [(*span, " ") for span in own]
    cuts += _shaped(text)
    cuts += [(*span, " ") for span in odd_numbers(text)]
    cuts += [(*span, " ") for span in odd_signs(text)]
    cuts += [(start, end, " ") for start, end, _ in encoded_texts(text)]
    cuts += [(start, end, " ") for start, end, word in letters_apart(text) if vocabulary.unknown(word)]
    return cuts + _of_words(vocabulary, text, cuts)


@lru_cache(maxsize=16384)
def _shaped(text: str) -> list[Removal]:
    """What has the shape of an identifier (read only)."""
    return [(*found.span(), written or " ") for shape, written in _PATTERNS for found in shape.finditer(text)]


def _of_words(vocabulary: Vocabulary, text: str, cuts: list[Removal]) -> list[Removal]:
    """What goes because a word is not known, or is a name where it stands."""
    every = tokens(text)
    unknown = {token.start for token in vocabulary.unknown(text)}
    gone = {number for number, token in enumerate(every) if token.start in unknown}
    gone |= {number for number, token in enumerate(every) if not token.is_number and _is_in(token, cuts)}
    gone |= People(text, every, gone).find()
    gone |= set(_hanging_numbers(text, every, gone))
    made = [(every[number].start, every[number].end, " ") for number in gone]
    aged = [start for start, _, written in cuts if written.strip()]
    return made + list(_streets(text, every, gone, aged))


def _told(vocabulary: Vocabulary, text: str) -> Iterable[Removal]:
    """A name that nobody knows behind a title or role, and how to reach somebody, wherever they stand."""
    every = tokens(text)
    unknown = {token.start for token in vocabulary.unknown(text)}
    gone = {number for number, token in enumerate(every) if token.start in unknown}
    words = Words(text, every, gone)
    for cue in words.cues() if gone else ():
        last = cue.last
        while last + 1 in gone and NEXT.match(words.between(last, last + 1)):
            last += 1
        if last > cue.last and cue.kind in ("title", "role", "person", "label"):
            yield every[cue.first].start, every[last].end, " "
    for start, end, written in _shaped(text):
        said = text[start:end]
        if not written.strip() and ("@" in said or sum(map(str.isdigit, said)) > 8) and not said.isdigit():
            yield start, end, " "


def _streets(text: str, every: list[Token], gone: set[int], ages: list[int]) -> Iterable[Removal]:
    if not any(map(str.isdigit, text)):
        return
    for found in _STREET.finditer(text):
        after = next((number for number, token in enumerate(every) if token.start >= found.end()), None)
        titled = found.group().rstrip(" .").lower().endswith("dr") and after in gone
        if found.start() in ages or titled:
            continue  # 95 y.o. male CT, and 256 vu par Dr Hope
        inside = [number for number, token in enumerate(every) if found.start("words") <= token.start < found.end()]
        told = any(number in gone for number in inside[:-1])
        named = len(inside) == 2 and _is_street_of_a_name(found, every[inside[0]].word)
        if told or named or _STREET_NAMES.fullmatch(found["words"].strip(" .,;:)]")):
            yield (*found.span(), " ")


def _is_street_of_a_name(found: re.Match[str], word: str) -> bool:
    """Whether the only word of a street is a name too, and the street no code of a modality or abbreviation."""
    street = found.group().split()[-1].rstrip(".").lower()
    named = also_names().get(word) == "common" and word not in body_words()
    return named and len(found["number"]) > 1 and street not in ("st", "ct", "pl", "place", "square", "court", "loop")


def _is_in(token: Token, cuts: list[Removal]) -> bool:
    return any(start <= token.start and token.end <= end for start, end, _ in cuts)


def _hanging_numbers(text: str, every: list[Token], gone: set[int]) -> Iterable[int]:
    """Digits and letters of one run with a word that goes: 7KLM482, unless a word that is known stays in the run."""
    known = [found.span() for found in _TECHNIQUE.finditer(text)]
    for at in gone:
        if every[at].is_number:
            continue
        for step in (1, -1):
            run = []
            other = at + step
            while 0 <= other < len(every) and other not in gone:
                left, right = sorted((other, other - step))
                if not _JOINED.match(text[every[left].end : every[right].start]) or _is_in_one(every[other], known):
                    break
                run.append(other)
                other += step
            if not any(len(every[number].word) > 2 and not every[number].is_number for number in run):
                yield from run
            if not run and 0 <= other < len(every) and len(every[at].word) <= 3 and _is_plate(text, every, at, other):
                yield other


def _is_in_one(token: Token, spans: list[Span]) -> bool:
    return any(start <= token.start and token.end <= end for start, end in spans)


def _is_plate(text: str, every: list[Token], at: int, other: int) -> bool:
    """Whether letters that go and a number beside them are written like a number plate."""
    left, right = sorted((at, other))
    letters, number = every[at].text, every[other].text
    beside = text[every[left].end : every[right].start] == " "
    if other < at and at + 1 < len(every) and every[at + 1].is_number:
        return False  # 350 MRN:47294: the letters have a number of their own
    return beside and letters.isupper() and number.isdigit() and len(number) > 2


def cut_out(text: str, cuts: list[Removal]) -> str:
    """``text`` without the cuts; of cuts that overlap one remains, which writes what the first of them does."""
    made, at = [], 0
    for start, end, written in sorted(cuts, key=lambda cut: (cut[0], -cut[1], cut[2] == " ")):
        if start >= at:
            made += [text[at:start], written]
        at = max(at, end)
    return "".join([*made, text[at:]])


def tidy(text: str) -> str:
    """Take away what removed words leave behind: empty brackets, dangling labels, doubled spaces and separators."""
    text = re.sub(r"[ \t]{2,}", " ", text)
    text = re.sub(r"\(\s*\)|\[\s*\]|\{\s*\}", " ", text)
    text = re.sub(r"(?<![\w)\]%°\":;])[.'’]+(?=\s|\Z)", " ", text)
    text = re.sub(r"\A([^(\[{]*)(?<!\S)[)\]}]+(?!\S)|(?<!\S)#(?!\S)", r"\1 ", text)
    text = re.sub(r"(?<!\s)\s+(?=[)\]}])", "", text)
    before = ""
    while text != before:
        before, text = text, _DANGLING.sub(" ", text).rstrip()
    text = re.sub(r"[ \t]*([,;|/_^=-])(?:[ \t]*[,;|/_^=-])+", r"\1", text)
    text = re.sub(r"[ \t]{2,}", " ", text)
    text = re.sub(r"[ \t]+([,;.:])", r"\1", text)
    return text.strip(" \t,;|/_^=-:")
