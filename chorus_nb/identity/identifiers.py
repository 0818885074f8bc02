"""What identifies a person, and every way in which it may be written in a text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

from chorus_nb.identity.names import MARKS, key, parts_of_name
from chorus_nb.identity.words import is_impersonal, shipped

START, STOP = r"(?<![^\W_])", r"(?![^\W_])"  # where a word begins and ends; "_" parts words
UNIT = (
    r"(?:ms|msec|sec|s|min|mm[23]?|cm[23]?|um|m2?|hz|khz|mhz|gy|mgy|mgycm|mbq|mci|kev|kv|kvp|ma|mas|hu|ml|cc|mg|kg|g|deg|dirs?|"
    r"fps|bpm|px|pix|shots|slices|images|frames|x\d*|%|°|\*|×)(?![^\W_])"
)
TECHNIQUE = r"(?:b|te|tr|ti|td|bw|venc|hu|wl|ww|bval|bvalue)\s?[=:_]?\s?"
MOST_JOINED = 24  # words of a name that are looked for written together, each with each; PN holds 64 characters
_SEPARATED = r"[\s/_-]?"


@cache
def placeholders() -> frozenset[str]:
    """Values that stand for nobody (placeholders.csv), as :func:`names.key` writes them."""
    text = resources.files("chorus_nb.identity").joinpath("placeholders.csv").read_text("utf-8")
    return frozenset(key(row["value"]) for row in csv.DictReader(text.splitlines()))


def is_placeholder(value: str) -> bool:
    """Whether a value stands for nobody: one of the list, or one digit again and again.

    >>> is_placeholder("0000"), is_placeholder("ANONYMOUS"), is_placeholder("0815")
    (True, True, False)
    """
    bare = key(value)
    return not bare or bare in placeholders() or (bare.isdigit() and len(set(bare)) == 1)


@dataclass(frozen=True)
class Identifiers:
    """What identifies a person: names (in any DICOM form), numbers and dates, organisations and places."""

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()

    def __or__(self, other: Identifiers) -> Identifiers:
        return Identifiers(self.names | other.names, self.numbers | other.numbers, self.places | other.places)


class Name:
    """The words of a name in one script, and how they may be written together."""

    def __init__(self, group: str) -> None:
        self.parts: dict[str, bool] = {}  # key to whether it identifies alone
        self.initials: set[str] = set()
        self.joined: set[str] = set()
        words = [word.strip(".") for word in parts_of_name(group)]
        words = [word for word in words if word and not is_placeholder(word) and not word.isdigit()]
        for word in words:
            self._add(word, family=word is words[0])
        self.is_of_several = len(self.parts) > 1 or len(words) > 1  # an initial is one
        long = [key(word) for word in words if len(key(word)) > 1][:MOST_JOINED]
        self.joined |= {one + other for one in long for other in long if one is not other}
        self.joined |= {key(component) for component in re.split(r"[\^,]", group) if len(component.split()) > 1}
        self.joined |= {"".join(long), "".join(long[1:] + long[:1])} if len(long) > 2 else set()
        self.joined |= {one[0] + other for one in long for other in long[:1] if one is not other and len(other) > 3}
        self.joined = {word for word in self.joined if len(word) > 3 and not is_impersonal(word)}

    def _add(self, word: str, family: bool) -> None:
        pieces = [piece for piece in re.split(rf"[^\w{MARKS}]+|_", word) if piece]
        for piece in {word, *(piece for piece in pieces if len(piece) > 3)}:
            made = key(piece)
            if len(made) == 1 and made.isascii():
                self.initials.add(made)
            elif made:
                long = len(made) > 2 or not made.isascii() or family
                known = is_impersonal(piece) or piece.lower() in ("jr", "sr", "ii", "iii", "iv", "md", "dr", "prof")
                self.parts[made] = long and not known
        self.initials |= {made[0] for made in self.parts}


def names_of(value: str) -> Iterator[Name]:
    """The name in each of its scripts (groups of PN)."""
    for group in value.split("="):
        if not is_placeholder(group):
            yield Name(group)


class NumberShape(NamedTuple):
    """One way in which a number may be written in a text."""

    bare: str
    """its letters and digits in lower case, which a text that holds it holds too but for separators and case"""
    pattern: str


SEPARATORS = "./_-"  # and blanks: what may part the letters and digits of a number


def number_shapes(number: str) -> Iterator[NumberShape]:
    """How a number may be written: with other separators, without its letters, without leading zeros; never across a
    decimal point. Codes made of known words, and phrases, are no numbers."""
    bare = re.sub(r"[\s./_-]", "", number)
    digits = re.sub(r"\D", "", bare)
    if len(bare) < 4 or is_placeholder(bare) or is_placeholder(digits or bare):
        return
    if len(digits) < 4 and not shipped().unknown(number):
        return  # MR3T, CTCHEST1
    if not digits and (len(bare) < 5 or len(number.split()) > 1):
        return
    forms = [bare]
    if len(digits) >= 5:
        forms += [digits, digits.lstrip("0")]
    elif bare.isdigit():
        forms.append(bare.lstrip("0"))
    for form in dict.fromkeys(forms):
        if len(form) >= (4 if form is bare else 5):
            yield NumberShape(form.lower(), _apart(form, "." in number))
    groups = number.split(found[0]) if (found := re.findall(r"[./_-]", number)) else []
    pairs = re.findall("..", digits) if len(digits) in (6, 8) else []
    for parts in (groups, pairs, pairs[1:] if digits.startswith("00") else []):
        if len(parts) > 2:  # two points are no decimal's
            dotted = re.escape(".".join(parts))
            yield NumberShape("".join(parts).lower(), rf"(?<![\w.]){dotted}(?!\w|[.,]\d)")
    yield from _day_shapes(number)


def _apart(form: str, dotted: bool) -> str:
    apart = (r"[\s./_-]?" if dotted else _SEPARATED).join(map(re.escape, form))
    begin = START if len(form) < 7 else r"(?<!\d)"
    end = STOP if len(form) < 7 else r"(?!\d)"
    if form[0].isdigit():
        begin += r"(?<!\d[.,])"
    if form[-1].isdigit():
        end += r"(?![.,]\d)"
    if len(form) == 4 and form.isdigit():
        end += rf"(?!\s?{UNIT})"
    return begin + apart + end


def _day_shapes(number: str) -> Iterator[NumberShape]:
    """Day and month of a date of this person, where no year is written: 3/14, 14.03., not 3/4 which may be a grade."""
    found = re.fullmatch(r"(?:19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", number)
    if not found:
        return
    month, day = found.groups()
    pairs = [(month, day), (day, month)]
    if int(day) > 12:
        pairs += [(month.lstrip("0"), day), (day, month.lstrip("0"))]
    for one, other in dict.fromkeys(pairs):
        yield NumberShape(one + other, rf"(?<![\d./-]){one}[/-]{other}(?![\d/-]|\.\d)")
    yield NumberShape(day + month, rf"(?<![\d.]){day}\.\s?{month}\.(?!\d)")


def place_words(place: str) -> list[str]:
    """The words of the name of an organisation or place."""
    return re.findall(r"[^\W_]+", place)
