"""What the words of a description say of an image's fields: the rules of ``field_words.csv`` and ``field_values.csv``.

Pure text: nothing is read but the description and the modality, nothing is guessed. Where the words of a description
say two things that do not go together, it says nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

from chorus_nb import standards

FIELDS = ("body_part", "laterality", "view", "plane", "contrast", "phase", "sequence_type")
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[a-z])(?=[A-Z][a-z]{2})|(?<=[A-Z]{3})(?=[A-Z][a-z]{2})")
_SPELLED = (
    (re.compile(r"\+\s?C\b|\bC\+", re.IGNORECASE), " CPLUS "),
    (re.compile(r"\bW/(?!O)"), " WITH "),
    (re.compile(r"(?<![^\W_])\d\d(?=[A-Z]{3})"), " "),  # the number of a protocol: 02CAP
)
_LONG_NUMBER = 5  # digits
_TOKEN = re.compile(r"[^\W_]+")


class Value(NamedTuple):
    """A row of ``field_values.csv``: ``broader`` are the values that this one is a part or a kind of, ``made_of`` those
    that together are this one."""

    code: str
    broader: frozenset[str]
    made_of: frozenset[str]


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def values() -> Mapping[tuple[str, str], Value]:
    """By field and value."""
    return {
        (row["field"], row["value"]): Value(
            row["code"], frozenset(row["broader"].split()), frozenset(row["made_of"].split())
        )
        for row in _rows("field_values.csv")
    }


@cache
def _anatomy() -> Mapping[str, str]:
    """Codes of CID 4 by meaning, in small letters."""
    from pydicom.sr.codedict import codes  # takes 0.2 s, for which no command waits that asks for no code

    context = codes.cid4
    concepts = [getattr(context, name) for name in context.dir()]
    return {concept.meaning.casefold(): f"{concept.scheme_designator}:{concept.value}" for concept in concepts}


def code_of(field: str, value: str) -> str:
    """``scheme:code`` of a value; "" where none is stated in the Standard."""
    known = values().get((field, value))
    if field == "body_part" and not (known and known.code):
        concept = standards.body_part_concepts().get(value)
        return _anatomy().get(concept.meaning.casefold(), "") if concept else ""
    return known.code if known else ""


def goes_with(field: str, one: str, other: str) -> bool:
    """Whether both can be true of one image: the same, or one is a part or a kind of the other."""
    return one == other or is_part_of(field, one, other) or is_part_of(field, other, one)


def is_part_of(field: str, one: str, other: str) -> bool:
    """Whether ``one`` is a part or a kind of ``other``."""
    return other in _broader(field, one)


@cache
def _broader(field: str, value: str) -> frozenset[str]:
    known = values().get((field, value))
    direct = known.broader if known else frozenset()
    return direct.union(*(_broader(field, name) for name in direct))


def together(field: str, said: Iterable[str]) -> str:
    """The one value that several words say: the whole that holds the others, the narrowest, or what they make up; "" if
    they contradict."""
    found = set(said)
    wholes = {name: value.made_of for (of, name), value in values().items() if of == field and value.made_of}
    for name in sorted(found & wholes.keys(), key=lambda name: (-len(wholes[name]), name)):
        if all(goes_with(field, other, name) for other in found):
            return name
    found -= {name for value in found for name in _broader(field, value)}
    if len(found) < 2:
        return next(iter(found), "")
    return next((name for name, parts in wholes.items() if parts == found), "")


@cache
def _phrases() -> tuple[Mapping[tuple[str, ...], list[tuple[str, str, str]]], int]:
    """(field, value, modalities) by the words of a phrase, and the length of the longest."""
    made: dict[tuple[str, ...], list[tuple[str, str, str]]] = {}
    for row in _rows("field_words.csv"):
        made.setdefault(tuple(row["phrase"].split()), []).append((row["field"], row["value"], row["modality"]))
    return made, max(map(len, made))


@cache
def _beginnings() -> tuple[str, ...]:
    return tuple(phrase[0][:-1] for phrase in _phrases()[0] if phrase[0].endswith("*"))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a description in capitals: run-together ones split at a capital, ``W/`` and ``C+`` spelled out."""
    for pattern, spelled in _SPELLED:
        text = pattern.sub(spelled, text)
    return tuple(word.upper() for word in _TOKEN.findall(_CAMEL.sub(" ", text)))


def is_long_number(word: str) -> bool:
    """Whether a word may number somebody: five digits or more, with or without letters."""
    return sum(map(str.isdigit, word)) >= _LONG_NUMBER


@lru_cache(100_000)
def read_words(text: str, modality: str) -> Mapping[str, tuple[str, ...]]:
    """By field, every value that a phrase of the description says, the longest phrase at each place; ``loinc`` holds
    the words that make a study more than a plain one, ``unread`` those (without a digit) that no rule knows."""
    words, (phrases, longest) = words_of(text), _phrases()
    said: dict[str, list[str]] = {}
    taken: dict[str, set[int]] = {}
    known = set[int]()
    for length in range(longest, 0, -1):
        for start in range(len(words) - length + 1):
            part = words[start : start + length]
            for field, value, modalities in _rules(part, phrases):
                place = set(range(start, start + length))
                if (modalities and modality not in modalities.split()) or place & taken.setdefault(field, set()):
                    continue
                taken[field] |= place
                known |= place
                if value or field == "loinc":
                    said.setdefault(field, []).append(value or part[0])
    said["unread"] = [word for place, word in enumerate(words) if place not in known and word.isalpha()]
    return {field: tuple(dict.fromkeys(found)) for field, found in said.items()}


def _rules(
    part: tuple[str, ...], phrases: Mapping[tuple[str, ...], list[tuple[str, str, str]]]
) -> list[tuple[str, str, str]]:
    if (found := phrases.get(part)) is not None or len(part) > 1:
        return found or []
    begins = next((start for start in _beginnings() if part[0].startswith(start)), "")
    return phrases[(f"{begins}*",)] if begins else []


def read_description(text: str, modality: str) -> dict[str, str]:
    """By field, what the description says; a field of which it says nothing, or two things, is missing."""
    said = read_words(text, modality)
    made = {field: together(field, found) for field, found in said.items() if field in FIELDS}
    return {field: value for field, value in made.items() if value}
