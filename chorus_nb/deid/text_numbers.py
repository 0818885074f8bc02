"""Numbers in a text: those of technique stay by their form, all others go."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise

from chorus_nb.deid.text_dates import MONTH
from chorus_nb.identity.identifiers import TECHNIQUE, UNIT
from chorus_nb.identity.words import PIECE

_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_BEFORE = re.compile(rf"(?<![^\W\d_]){TECHNIQUE}\Z|\d\s?[xX*×]\s?\Z", re.IGNORECASE)
_AFTER = re.compile(rf"\s?{UNIT}|\s?[xX*×]\s?\d", re.IGNORECASE)
_GROUPS = re.compile(
    r"(?<![^\W_])(?<!\d[.,-])(?:\d+(?:-\d+)+|\d{2,4}(?: \d{3,4}){2,}|\d\d(?: \d\d){2,}|\d{4} \d{3})(?![^\W_]|[.,-]\d)"
)
_OF_A_DATE = re.compile(r"[\s./_,-]{0,2}(?:(?:de|del|of)\s)?\Z", re.IGNORECASE)  # between the parts of a date
_MONTH = re.compile(MONTH, re.IGNORECASE)
MATRIX = frozenset((1024, 2048, 4096))


def odd_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each number whose form is none of technique's."""
    for found in _GROUPS.finditer(text):
        beside = _BEFORE.search(text, max(0, found.start() - 12), found.start()) or _AFTER.match(text, found.end())
        parted = re.split("[- ]", found.group())
        loose = " " in found.group() and (len(parted[-1]) < 3 or len(parted) == 2)  # 512 384, 40 60 80
        grouped = not loose or all(int(part) % 5 and int(part) % 16 for part in parted)
        if not beside and grouped and not _are_technique(parted):
            yield found.span()
    for found in _NUMBER.finditer(text):
        if not _is_technique(found.group(), text, found.start(), found.end()):
            yield found.span()


def _are_technique(groups: list[str]) -> bool:
    """Whether numbers in a row are a range or a list of b values or phases: ``30-70``, ``50-400-800``."""
    short = max(map(len, groups)) < 3
    if short and (len(groups) == 2 or min(map(len, groups)) < 2):
        return True
    return all(int(group) % (50 if len(group) > 2 else 10) == 0 for group in groups)


def _is_technique(number: str, text: str, start: int, end: int) -> bool:
    parts = number.split(".")
    if len(parts) == 1:
        if len(number) < 4:
            return True
        if len(number) > 4:
            return False
        if _BEFORE.search(text, max(0, start - 12), start) or _AFTER.match(text, end):
            return True
        value = int(number)
        year = 1900 <= value < 2100
        return number[0] != "0" and not year and (value % 50 == 0 or value in MATRIX)
    if len(parts) == 2:
        phone = len(parts[0]) == 3 and len(parts[1]) == 4
        return len(parts[0]) < 5 and len(parts[1]) < 8 and not phone
    return all(len(part) < 3 for part in parts)


Day = tuple[int, int, int]  # year, month, day


def whole_days(text: str, days: Collection[Day]) -> Iterator[tuple[int, int]]:
    """Start and end of each of these days where it is written in full; ``13.6.32`` may be a version, so it is none."""
    every = (
        [found for found in PIECE.finditer(text) if found.group().lower() not in ("de", "del", "of")] if days else []
    )
    for three in zip(every, every[1:], every[2:], strict=False):
        signs = [text[left.end() : right.start()] for left, right in pairwise(three)]
        parts = [found.group() for found in three]
        if all(map(_OF_A_DATE.match, signs)) and any(_is_day(parts, signs, day) for day in days):
            yield three[0].start(), three[2].end()


def _is_day(parts: list[str], signs: list[str], day: Day) -> bool:
    year, month, number = day
    numbers = [int(part) for part in parts if part.isdecimal()]
    if len(numbers) == 2:  # whichever month is named: day and year are those of this person
        named = any(map(_MONTH.fullmatch, parts))
        return named and sorted(numbers) in (sorted((number, year)), sorted((number, year % 100)))
    if "" in signs or len(numbers) != 3:
        return False
    if numbers in ([year, month, number], [number, month, year], [month, number, year]):
        return True
    short = [[number, month, year % 100], [month, number, year % 100]]
    return signs[0] == signs[1] and signs[0] in "-/_" and numbers in short
