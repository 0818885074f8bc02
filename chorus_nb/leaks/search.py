"""The leak search: many terms at once over raw bytes, each hit scored and shown with the term masked.

Scored, not ignored: a surname that is a word of the DICOM Standard, a three-digit id inside a number or a folder called
"export" is a finding of low or medium severity; what identifies someone on its own is high.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import ahocorasick

from chorus_nb.leaks.known import also_named, first_names, listed
from chorus_nb.leaks.shapes import Severity
from chorus_nb.leaks.spellings import encoded, other_readings, plain, spelt_in
from chorus_nb.leaks.terms import SearchTerm, name_parts, spellings, vocabulary

MASK = "▮▮▮"
NEXT_TO = 2  # bytes between two words of a name: ", "
LEAST_SPELT = 5  # letters or digits of a term: fewer may be spelt by chance, where a text is decoded from any place on
NEAR = 40  # bytes within which two parts of one name make a full name
NEIGHBOURS = 64  # bytes to either side on which it may rest what is found, and with which it is shown: NEAR and more
SEARCHED_AT_ONCE = 1 << 20  # bytes of contents that are searched together


class Hit(NamedTuple):
    """A term found at ``start``; ``context`` is the text around it with everything found there masked.

    ``full_name``: a part of a name that stands beside another part of the same.
    """

    term: SearchTerm
    start: int
    end: int
    severity: Severity
    context: str
    full_name: bool = False


class Occurrence(NamedTuple):
    """A spelling of a term somewhere; ``alone`` = not in the middle of a longer word or number."""

    start: int
    end: int
    term: SearchTerm
    alone: bool


class Searcher:
    """An Aho-Corasick automaton of all spellings of all terms in all encodings.

    Without the zeros that UTF-16 puts between letters, so that it takes a fifth of the memory and time to build: where
    such a spelling stands in a content, it stands without its zeros in what is left of the content without them. What
    holds zeros is asked so which terms there can be, and searched for these as it is.

    ``words`` prove nothing where they stand alone: what is searched says them itself. If ``words_identify``, a word of
    the Standard does as a whole identifier or name.
    """

    def __init__(
        self,
        terms: Iterable[SearchTerm],
        character_sets: Iterable[str] = (),
        words: Collection[str] = frozenset(),
        *,
        words_identify: bool = False,
    ) -> None:
        self.words_identify = words_identify
        self.said = frozenset(words)
        self.words = vocabulary() | listed() | self.said
        self.terms = list(dict.fromkeys(terms))
        self._sets = tuple(character_sets)
        self._searched_for: tuple[frozenset[int], Any] = (frozenset(), None)

    @cached_property
    def _automaton(self) -> Any:
        return _of_all(tuple(self.terms), self._sets)

    def _fit_for(self, folded: bytes) -> Any:
        """The automaton to search ``folded`` with."""
        if b"\0" not in folded or not len(self._automaton):
            return self._automaton
        found = self._automaton.iter(folded.replace(b"\0", b"").decode("latin-1"))
        there = frozenset(number for _, (_, _, numbers) in found for number in numbers)
        if there != self._searched_for[0]:
            self._searched_for = there, _automaton_of(self.terms, sorted(there), self._sets, as_they_are=True)
        return self._searched_for[1]

    def own_words(self) -> int:
        """How many of the terms are words of what is searched or of the Standard, which alone prove nothing."""
        return sum(term.kind in ("name", "identifier") and self._are_known(term.text.lower()) for term in self.terms)

    def _are_known(self, text: str) -> bool:
        return _consists_of(text, self.words) or _is_technique(text, self.words)

    def search(self, content: bytes) -> list[Hit]:
        """Everything found in ``content``, in order."""
        folded = content.lower()
        automaton = self._fit_for(folded)
        if not automaton:
            return []
        found: list[Occurrence] = []
        for last, (length, spelt, _) in automaton.iter(folded.decode("latin-1")):
            start = last + 1 - length
            for number, step in spelt:
                alone = _stands_alone(folded, start, last + 1, step)
                found.append(Occurrence(start, last + 1, self.terms[number], alone))
        full = _full_names(found, folded, self.words, self.said)
        by_start = sorted(found, key=_start)
        longest = max((item.end - item.start for item in found), default=0)
        hits = []
        for start, end, term, alone in dict.fromkeys(found):
            is_full = (start, end) in full
            severity = "high" if is_full else self._severity(term, alone)
            if severity:
                hits.append(
                    Hit(term, start, end, severity, _around_hit(content, start, end, by_start, longest), is_full)
                )
        return hits

    def search_each(self, contents: Iterable[bytes]) -> Iterator[list[Hit]]:
        """:meth:`search` of each, of many at once, for a search costs most to begin. Between them stands what is no
        letter nor digit, so that a hit of one is a hit there, too; one near an end may be part of more."""
        for some in _together(contents):
            ends = list(itertools.accumulate(len(one) + 1 for one in some))
            found: list[list[Hit]] = [[] for _ in some]
            for hit in self.search(b"\n".join(some)):
                found[bisect_right(ends, hit.start)].append(hit)
            for one, end, hits in zip(some, ends, found, strict=True):
                begin = end - 1 - len(one)
                if any(hit.start < begin + NEIGHBOURS or hit.end > end - NEIGHBOURS for hit in hits):
                    yield self.search(one)
                else:
                    yield [hit._replace(start=hit.start - begin, end=hit.end - begin) for hit in hits]

    def search_text(self, text: str) -> list[Hit]:
        """What :meth:`search` does not see in a text because it is written in other letters or with other signs."""
        return [hit for reading in other_readings(text) for hit in self.search(reading.encode("utf-8", "replace"))]

    def search_decoded(self, contents: Iterable[bytes]) -> Iterator[list[Hit]]:
        """Of each content what hexadecimal digits and Base64 in it spell by no chance; where a hit starts says
        nothing."""
        for hits in self.search_each(map(spelt_in, contents)):
            high = (hit for hit in hits if hit.severity == "high")
            yield [hit for hit in high if hit.full_name or len(hit.term.text) >= LEAST_SPELT]

    def _severity(self, term: SearchTerm, alone: bool) -> Severity | None:
        text = term.text.lower()
        if term.kind in ("date", "uid"):
            return "high" if alone else None
        if self.words_identify and alone and len(text) >= 4 and _is_whole(term) and not _consists_of(text, self.said):
            return "high"
        if term.kind == "name":
            if not alone:
                return "medium" if len(text) >= 7 and text not in self.words else None
            letters = len(text) if text < "⺀" else 2 * len(text)  # two ideographs are a whole name
            return "low" if text in self.words or letters < 3 else "medium" if letters == 3 else "high"
        if not alone:
            return "medium" if len(text) >= 8 and term.kind != "path" else None
        if self._are_known(text):
            return None if term.kind == "path" else "low"  # a folder called "export" says nothing about anybody
        if term.kind == "path":
            return "high" if text.isdigit() and len(text) >= 7 else "medium" if len(text) >= 5 else "low"
        return "high" if len(text) >= 4 else "low"


@lru_cache(maxsize=1)  # 06 searches twice for the same: in what stands there, and in what it makes last
def _of_all(terms: tuple[SearchTerm, ...], sets: tuple[str, ...]) -> Any:
    return _automaton_of(terms, range(len(terms)), sets, as_they_are=False)


def _automaton_of(
    terms: Sequence[SearchTerm], numbers: Iterable[int], sets: tuple[str, ...], *, as_they_are: bool
) -> Any:
    """Of the terms with these numbers: their length, the terms that are spelt so, and those that are without zeros if
    they may be."""
    patterns: dict[bytes, tuple[list[tuple[int, int]], list[int]]] = {}
    for number in numbers:
        for form, step in _forms(spellings(terms[number]), sets, as_they_are=as_they_are):
            pattern = form if as_they_are else form.replace(b"\0", b"")
            spelt, without_zeros = patterns.setdefault(pattern, ([], []))
            without_zeros.append(number)
            if pattern == form:
                spelt.append((number, step))
    made = ahocorasick.Automaton()
    for pattern, owners in patterns.items():
        if pattern:
            made.add_word(pattern.decode("latin-1"), (len(pattern), *owners))
    if len(made):
        made.make_automaton()
    return made


def _forms(texts: Iterable[str], sets: tuple[str, ...], *, as_they_are: bool) -> set[tuple[bytes, int]]:
    """The encodings of all ``texts``; of ASCII one where zeros do not count, for without these all are alike."""
    made: set[tuple[bytes, int]] = set()
    for text in texts:
        if as_they_are or not text.isascii():
            made |= encoded(text, sets)
        elif len(text) > 1:
            made.add((text.lower().encode("ascii"), 1))
    return made


def _together(contents: Iterable[bytes]) -> Iterator[list[bytes]]:
    """One after the other, as many as are searched together."""
    some, size = list[bytes](), 0
    for content in contents:
        if some and size + len(content) > SEARCHED_AT_ONCE:
            yield some
            some, size = [], 0
        some.append(content)
        size += len(content)
    if some:
        yield some


def _consists_of(text: str, words: Collection[str]) -> bool:
    """Whether a text is one of the words or put together of them; a number only by itself."""
    return text in words or all(word in words and not word.isdigit() for word in re.findall(r"[^\W\d_]+|\d+", text))


def _is_technique(text: str, words: Collection[str]) -> bool:
    """Whether words of the Standard stand beside a short number: an order called ``AXIAL 5MM`` tells nobody."""
    parts = re.findall(r"[^\W\d_]+", text)
    return (
        len(re.findall(r"\d", text)) < 4 and max(map(len, parts), default=0) > 2 and all(map(words.__contains__, parts))
    )


def _is_whole(term: SearchTerm) -> bool:
    """All there is of an identifier or of a name of one word."""
    return term.kind == "identifier" or (term.kind == "name" and name_parts(term.whole) == [term.text])


def _stands_alone(folded: bytes, start: int, end: int, step: int) -> bool:
    """No letter goes on where the term begins or ends with one, no digit where with a digit."""
    return not (
        _goes_on(folded[start : start + step], folded[max(0, start - step) : start])
        or _goes_on(folded[end - step : end], folded[end : end + step])
        or _inside_a_hash(folded, start, end)
    )


def _goes_on(edge: bytes, neighbour: bytes) -> bool:
    edge, neighbour = edge.strip(b"\0"), neighbour.strip(b"\0")
    return (edge.isdigit() and neighbour.isdigit()) or (edge.isalpha() and neighbour.isalpha())


def _inside_a_hash(folded: bytes, start: int, end: int) -> bool:
    """A run of digits or of the letters a to f inside a digest or token is chance."""
    before = re.search(rb"[0-9a-f]*\Z", folded[max(0, start - 64) : start])
    after = re.match(rb"[0-9a-f]*", folded[end : end + 64])
    return bool(before and after and len(before[0]) + end - start + len(after[0]) >= 16 > end - start)


def _full_names(
    found: list[Occurrence], folded: bytes, words: Collection[str], said: Collection[str]
) -> set[tuple[int, int]]:
    """Spans in which several parts of one name stand together: all of them, or two of which one is no common word.

    Words that what is searched says itself (``said``) are a name only side by side: not in ``study and series``; and
    common words none of which is a common name are none: not ``STIR FLAIR``. Nor is a known word that two parts give
    where they are joined (DA^TA in ``data``), or what short parts are of longer words (AN^LO in ``plan-look``) and
    of digests.
    """
    names = sorted((item for item in found if item.term.kind == "name"), key=lambda item: item.start)
    full: set[tuple[int, int]] = set()
    for index, one in enumerate(names):
        near = itertools.takewhile(lambda other: other.start - one.end <= NEAR, names[index + 1 :])  # noqa: B023
        for other in near:
            if other.term.whole != one.term.whole or other.term.text == one.term.text or other.start < one.end:
                continue
            parts = {one.term.text.lower(), other.term.text.lower()}
            telling = any(len(part) > 2 and part not in words for part in parts)
            if not (one.alone and other.alone):
                within = not telling and not _stands_alone(folded, one.start, other.end, 1)
                within |= _inside_a_hash(folded, one.start, other.end)
                joined = other.start == one.end and _word_around(folded, one.start, other.end) in words
                if within or joined or other.start - one.end > 1:
                    continue
            whole = parts == {part.lower() for part in name_parts(one.term.whole)}
            apart = other.start - one.end > NEXT_TO and parts <= set(said)
            if telling or (whole and not apart and any(map(_is_name, parts))):
                full |= {(one.start, one.end), (other.start, other.end)}
    return full


def _word_around(folded: bytes, start: int, end: int) -> str:
    """All the letters that go on before and after."""
    before = re.search(rb"[a-z]*\Z", folded[max(0, start - NEAR) : start])
    after = re.match(rb"[a-z]*", folded[end : end + NEAR])
    return b"".join((before[0] if before else b"", folded[start:end], after[0] if after else b"")).decode("latin-1")


def _is_name(word: str) -> bool:
    return also_named(plain(word)) == "common" or plain(word) in first_names()


def _start(item: Occurrence) -> int:
    return item.start


def _around_hit(content: bytes, start: int, end: int, by_start: list[Occurrence], longest: int) -> str:
    """What stands around a hit, without whatever was found there; of all that was found only what is near is looked at:
    where many patients are called like common words each of a thousand hits has a thousand others."""
    left, right = max(0, start - 24), min(len(content), end + 24)
    shown = [chr(byte) if 32 <= byte < 127 else "·" for byte in content[left:right]]
    first, last = (bisect_left(by_start, place, key=_start) for place in (left - longest, right))
    for item in by_start[first:last]:
        for position in range(max(item.start, left), min(item.end, right)):
            shown[position - left] = "\0"
    return re.sub("\0+", MASK, "".join(shown))
