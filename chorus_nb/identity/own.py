"""Where a text says what identifies a person, however it is written there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from chorus_nb.identity.identifiers import (
    SEPARATORS,
    Identifiers,
    Name,
    is_placeholder,
    names_of,
    number_shapes,
    place_words,
)
from chorus_nb.identity.names import key, mac_otherwise, readings
from chorus_nb.identity.signs import letters_apart
from chorus_nb.identity.words import Token, known_words, shipped, tokens

Span = tuple[int, int]
WIDEST = 5  # tokens that one name may be parted into
_BETWEEN = re.compile(r"[\s,;.^_'’‘ʼ`´-]{0,3}\Z")  # what may stand between the parts of a name
_POSSESSIVE = re.compile(r"['’]s(?![^\W_])", re.IGNORECASE)
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_SIX_DIGITS = re.compile(r"(?<![\d.,])\d{6,}(?<!00)(?!\d|[.,]0*[1-9])")  # of a measure that is not round
_SINGLE = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,3}[^\W_]){5,}(?![^\W_])")  # 6 1 7 - 5 5 5, a.c.7.0.1.3.7
_WITH_DIGITS = re.compile(r"(?=[^\W_]{4})[^\W\d_]*\d[^\W_]*")  # Qu1llf3ather
_AS_LETTERS = str.maketrans("01345789l", "oieastbgi")  # digits that are written for letters, and I as l
_NO_BLANKS = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿฀-๿]")  # scripts without blanks between words
_NO_SEPARATORS = str.maketrans("", "", SEPARATORS)


@lru_cache(maxsize=1024)
def _one_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


class Matcher:
    """Finds what identifies one person."""

    def __init__(self, identifiers: Identifiers) -> None:
        values = [list(names_of(value)) for value in sorted(identifiers.names)]
        every = [name for groups in values for name in groups]
        self.alone = {part for name in every for part, alone in name.parts.items() if alone}
        several = [groups for groups in values if len(groups) > 1 or any(name.is_of_several for name in groups)]
        self.persons = {part for groups in several for name in groups for part in name.parts} & self.alone
        for told in (self.persons, self.alone):
            told |= {other for part in told if (other := mac_otherwise(part)) and not shipped().knows(other)}
        self.joined = {part for name in every for part in name.joined}
        self.owners: dict[str, list[Name]] = {}
        for name in every:
            for part in name.parts:
                self.owners.setdefault(part, []).append(name)
        self.spelt = {part.translate(_AS_LETTERS) for part in self.alone | self.joined if len(part) > 3}
        self.spelt_of_persons = {part.translate(_AS_LETTERS) for part in self.persons if len(part) > 3}
        self.places: set[str] = set()
        self._add_places(identifiers)
        shapes = {shape for number in sorted(identifiers.numbers) for shape in number_shapes(number)}
        self.numbers = sorted(shapes, key=lambda shape: (-len(shape.pattern), shape.pattern))
        forms = (form for number in identifiers.numbers for form in (key(number), re.sub(r"\D", "", number)))
        forms = (each for form in forms for each in (form, form.lstrip("0")))
        self.whole = {form for form in forms if not is_placeholder(form)}  # without letters, without leading zeros too
        dates = [number for number in identifiers.numbers if _DATE.fullmatch(number)]
        self.whole |= {day for n in dates for day in (n[6:] + n[4:6] + n[:4], n[4:] + n[:4])}
        self.days = {(int(n[:4]), int(n[4:6]), int(n[6:])) for n in dates}
        run_on = sorted(part for part in self.alone if _NO_BLANKS.search(part))
        self.run_on = re.compile("|".join(map(re.escape, run_on))) if run_on else None
        self.spans = lru_cache(maxsize=4096)(self._spans)
        self.grave_spans = lru_cache(maxsize=4096)(self._grave_spans)

    def _add_places(self, identifiers: Identifiers) -> None:
        organisation = known_words("organisations")
        for place in identifiers.places:
            words = [word for word in place_words(place) if not is_placeholder(word)]
            if len(words) > 1 and not all(word.lower() in organisation for word in words):
                self.places.add("".join(map(key, words)))
            for word in words:
                tells = len(word) > 3 and not word.isdigit() and word.lower() not in organisation
                if tells and not shipped().knows(key(word)) and shipped().unknown(word):
                    self.alone.add(key(word))

    @property
    def nothing(self) -> bool:
        return not (self.alone or self.joined or self.places or self.owners or self.numbers)

    def _spans(self, text: str) -> tuple[Span, ...]:
        """Where ``text`` identifies the person: start and end of each place, in order."""
        found: set[Span] = set()
        if self.nothing:
            return ()
        found |= {match.span() for match in self.numbers_in(text)} | self._apart(text)
        for reading in dict.fromkeys(readings(text)) if self.owners or self.alone or self.places else ():
            found |= self._names(reading, lone=True)
            if self.run_on is not None:
                found |= {match.span() for match in self.run_on.finditer(reading)}
        return tuple(sorted(found))

    def _grave_spans(self, text: str) -> tuple[Span, ...]:
        """As :meth:`spans`, but only what cannot be a word or number of equipment: a part of a name of several that no
        vocabulary knows, several parts beside each other, a whole long number."""
        found = self._names(text, lone=False) if self.owners else set()
        found |= {match.span() for match in self.numbers_in(text) if len(key(match.group())) >= 7}
        found |= {
            run.span()
            for run in _SIX_DIGITS.finditer(text)
            if self._is_number(run.group()) or self._is_moment(run.group())
        }
        found |= self._apart(text)
        return tuple(sorted(found))

    def _apart(self, text: str) -> set[Span]:
        """Where letters and digits that all stand apart are one of the person's numbers."""
        every = ((run.span(), re.sub(r"[\W_]", "", run.group())) for run in _SINGLE.finditer(text))
        return {span for span, written in every if any(map(str.isdigit, written)) and any(self.numbers_in(written))}

    def numbers_in(self, text: str) -> Iterable[re.Match[str]]:
        """Where one of the person's numbers stands. Only those are looked for that the text has the letters and digits
        of: mostly none, and nothing is compiled for a person of whom no text says anything."""
        bare, plain = "".join(text.lower().split()).translate(_NO_SEPARATORS), text.isascii()
        there = tuple(
            shape.pattern
            for shape in self.numbers
            if shape.bare in bare or not ((plain and shape.bare.isascii()) or shape.bare.isdecimal())
        )
        return _one_of(there).finditer(text) if there else ()

    def is_whole(self, value: str, least: int) -> bool:
        """Whether a number of at least so many digits is one of the person's; decimals make it another one, unless they
        are zeros."""
        bare = (re.sub(r"\.0*\Z", "", part.lstrip("+-")) for part in value.strip(" \0").split())
        return any(len(part) >= least and (self._is_number(part) or self._is_moment(part)) for part in bare)

    def _is_moment(self, digits: str) -> bool:
        """Whether a number is one of the person's days with a time of day."""
        return len(digits) == 14 and digits.isdigit() and digits[:8] in self.whole

    def _is_number(self, digits: str) -> bool:
        return digits.isdigit() and (digits in self.whole or digits.lstrip("0") in self.whole)

    def _names(self, text: str, lone: bool) -> set[Span]:
        every = [token for token in tokens(text) if not token.is_number]
        keys = [key(token.text) for token in every]
        apart = letters_apart(text) if lone else ()
        found = {(start, end) for start, end, word in apart if key(word) in self.alone | self.joined}
        found |= {match.span() for match in _WITH_DIGITS.finditer(text) if self._spells(match.group(), lone)}
        for at, (token, written) in enumerate(zip(every, keys, strict=True)):
            if self._is_alone(written, self.alone if lone else self.persons):
                found.add(self._with_possessive(text, token.start, token.end))
            if lone and written in self.joined:
                found.add((token.start, token.end))
            found |= self._window(text, every, keys, at, lone)
            if written in self.owners:
                found |= self._beside(text, every, keys, at)
        return found

    def _spells(self, run: str, lone: bool) -> bool:
        """Whether letters and digits spell a name: half of them are letters, of a long one a quarter."""
        written = key(run).translate(_AS_LETTERS)
        return (2 if len(run) < 7 else 4) * sum(map(str.isalpha, run)) >= len(run) and written in (
            self.spelt if lone else self.spelt_of_persons
        )

    def _is_alone(self, written: str, among: set[str]) -> bool:
        return written in among or (len(written) > 4 and written.endswith("s") and written[:-1] in among)

    def _window(self, text: str, every: list[Token], keys: list[str], at: int, lone: bool) -> set[Span]:
        """Tokens from ``at`` on that make a name only together: O Neil, van der Berg, AdaezeOkonkwo."""
        made = keys[at]
        for last in range(at + 1, min(at + WIDEST, len(every))):
            between = text[every[last - 1].end : every[last].start]
            if not _BETWEEN.match(between):
                break
            made += keys[last]
            if (
                made in self.joined
                or (lone and made in self.places)
                or (lone and made in self.alone and (len(made) > 4 or not between.strip("'’- ")))
            ):
                return {self._with_possessive(text, every[at].start, every[last].end)}
        return set()

    def _beside(self, text: str, every: list[Token], keys: list[str], at: int) -> set[Span]:
        """A part of a name that is a known word identifies beside another part of that name, or its initial."""
        for other in (at + 1, at + 2):
            if other >= len(every) or not _BETWEEN.match(text[every[other - 1].end : every[other].start]):
                break
            for name in self.owners[keys[at]]:
                part = keys[other] in name.parts and keys[other] != keys[at]
                initial = keys[other] in name.initials - {keys[at][0]} and other == at + 1
                if part or (initial and not text[every[other].end : every[other].end + 1].isdigit()):
                    return {self._with_possessive(text, every[at].start, every[other].end)}
            if len(keys[other]) > 1:
                break
        before = at - 1
        if before >= 0 and len(keys[before]) == 1 and _BETWEEN.match(text[every[before].end : every[at].start]):
            initial_of = {one for name in self.owners[keys[at]] for one in name.initials} - {keys[at][0]}
            if keys[before] in initial_of and every[before].text.isupper():
                return {(every[before].start, every[at].end)}
        return set()

    def _with_possessive(self, text: str, start: int, end: int) -> Span:
        follows = _POSSESSIVE.match(text, end)
        return start, follows.end() if follows else end
