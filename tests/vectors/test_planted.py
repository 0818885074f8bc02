"""Identifiers drawn from a grammar (planted/) into descriptions: the cleaner leaves none, the verifier misses none."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chorus_nb.deid.text import Cleaner
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.leaks.known import KnownWords
from chorus_nb.leaks.shapes import text_shapes
from tests.vectors.planted import Planted, left, plant

FORMS = Path(__file__).parent / "forms"
KNOWN = KnownWords()
CLEANER = Cleaner(Identifiers(), str)
TEXTS = 400


def tells(text: str) -> bool:
    """Whether the verifier holds a file for this text."""
    return bool(KNOWN.unknown(text)) or any(severity in ("high", "medium") for severity, _ in text_shapes(text))


def bases() -> list[str]:
    """Descriptions in which nothing tells anybody, without numbers that a planted one could be taken for."""
    with (FORMS / "clinical.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    return [text for text in texts if not any(map(str.isdigit, text)) and " " in text]


def drawn(seed: int) -> list[Planted]:
    """Without names beside what may mean something else, such as ``RT Hand``."""
    return [each for each in plant(seed, TEXTS, bases()) if "weak" not in each.kind]


@pytest.mark.parametrize("seed", [27, 1127])
def test_the_cleaner_leaves_none_and_the_verifier_misses_none(seed: int) -> None:
    stayed, missed, stopped = [], [], []
    for each in drawn(seed):
        cleaned = CLEANER.clean(each.text)
        if left(each, cleaned):
            stayed.append((each.kind, each.text, cleaned))
        elif tells(cleaned):
            stopped.append((each.kind, each.text, cleaned))
        if not tells(each.text):
            missed.append((each.kind, each.text))
    assert stayed == []
    assert missed == []
    assert len(stopped) <= TEXTS // 100, stopped  # what is left must not cost its file


def test_a_description_in_which_nothing_is_planted_stays() -> None:
    assert [text for text in bases() if CLEANER.clean(text) != text or tells(text)] == []
