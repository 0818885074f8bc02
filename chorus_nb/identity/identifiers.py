"""What identifies a person, and every way in which it may be written in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from chorus_nb.identity.names import fold, parts_of_name
from chorus_nb.identity.words import is_clinical

START, STOP = r"(?<![^\W_])", r"(?![^\W_])"  # where a word begins and ends; "_" parts words

# Words in the name of a hospital that do not tell which one.
_ORGANISATION = frozenset(
    re.findall(
        r"\w+",
        """
    hospital medical center centre clinic clinics university health healthcare system systems general
    community memorial regional department dept radiology imaging diagnostic institute school college of the
    and for saint st north south east west city county national
""",
    )
)


@dataclass(frozen=True)
class Identifiers:
    """What identifies this patient in this header: names (in any DICOM form), numbers, organisations and places."""

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()

    def pattern(self) -> re.Pattern[str] | None:
        """One pattern for every way in which any of these may be written, longest first; None if there are none."""
        shapes: dict[str, None] = {}
        for name in sorted(self.names):
            shapes.update(dict.fromkeys(_name_shapes(name)))
        for number in sorted(self.numbers):
            shapes.update(dict.fromkeys(_number_shapes(number)))
        for place in sorted(self.places):
            shapes.update(dict.fromkeys(_place_shapes(place)))
        if not shapes:
            return None
        longest_first = sorted(shapes, key=lambda shape: (-len(shape), shape))
        return re.compile("|".join(longest_first), re.IGNORECASE)


def _variants(word: str) -> Iterable[str]:
    yield re.escape(word)
    if fold(word) != word.casefold():
        yield re.escape(fold(word))


def _name_shapes(name: str) -> Iterable[str]:
    for group in name.split("="):
        parts = [part.strip(".") for part in parts_of_name(group)]
        parts = [part for part in parts if part]
        words = [part for part in parts if len(part) > 1]
        for part in words:
            lone = fold(part)
            if (len(part) >= 3 or not part.isascii()) and not is_clinical(part) and not lone.isdigit():
                for shape in _variants(part):
                    yield rf"{START}{shape}(?:['’]?s)?{STOP}"
                    if not part.isascii():
                        yield shape  # scripts without spaces between words
            if len(part) == 2 and part is parts[0] and part.isalpha() and not is_clinical(part):
                yield rf"{START}{re.escape(part)}(?:['’]?s)?{STOP}"  # a family name such as Ng or Vo
            for piece in part.split("-")[: 9 if "-" in part else 0]:
                if len(piece) >= 4 and not is_clinical(piece):
                    yield rf"{START}{re.escape(piece)}(?:['’]?s)?{STOP}"
        for first in (words[0], *words[0].split("-")) if len(words) >= 2 else ():
            family, given = re.escape(first), re.escape(words[1])
            if len(first) >= 2:
                yield rf"{START}{family}[\s,^_.-]*{given}{STOP}"
                yield rf"{START}{given}[\s,^_.-]*{family}{STOP}"
                yield rf"{START}{re.escape(words[1][0])}[\s,^_.-]*{family}{STOP}"


def _number_shapes(number: str) -> Iterable[str]:
    bare = re.sub(r"[\s./_-]", "", number)
    digits = sum(c.isdigit() for c in bare)
    if len(bare) < 4 or (digits == 0 and (len(bare) < 5 or is_clinical(bare))):
        return
    apart = r"[\s./_-]?".join(map(re.escape, bare))
    yield rf"(?<![^\W_]){apart}(?![^\W_])" if len(bare) < 7 else rf"(?<!\d){apart}(?!\d)"
    short = bare.lstrip("0")
    if short != bare and len(short) >= 5:
        yield rf"(?<![^\W_]){re.escape(short)}(?![^\W_])"


def _place_shapes(place: str) -> Iterable[str]:
    words = re.findall(r"[\w'’-]+", place)
    if not words or (len(words) == 1 and len(words[0]) < 4):
        return
    if not all(is_clinical(word) for word in words):
        yield START + r"[\W_]*".join(map(re.escape, words)) + STOP
    for word in words:
        lone = fold(word)
        if len(word) >= 5 and not word.isdigit() and lone not in _ORGANISATION and not is_clinical(word):
            yield rf"{START}{re.escape(word)}(?:['’]?s)?{STOP}"
