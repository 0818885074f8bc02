"""Cells of OMOP tables: whose number is in them (../vectors/forms/cells.csv)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chorus_nb.leaks import cells

ROWS = list(csv.DictReader((Path(__file__).parents[1] / "vectors/forms/cells.csv").open(encoding="utf-8")))


@pytest.mark.parametrize("row", ROWS, ids=[row["text"] for row in ROWS])
def test_a_number_of_anybody_is_told_from_codes_and_doses(row: dict[str, str]) -> None:
    assert bool(cells.shape_of_cell(row["text"].encode().decode("latin-1"), frozenset())) == (
        row["whose"] == "somebody"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RN Florence Nightingale", True),
        ("Welby MD", True),
        ("seen by M. Welby, DO", True),
        ("nurse Nightingale", True),
        ("ADMIN DR_ZIMMERMAN (Adult)", True),
        ("Braden scale by RN", False),
        ("MR ACRIN 6657", False),  # a modality
        ("MR- Cholangiografia", False),
        ("Oxycontin MS", False),
        ("seen by nurse on ward", False),
        ("RN notified", False),
    ],
)
def test_a_name_of_nobody_here_beside_a_title_or_degree_is_one(text: str, told: bool) -> None:
    assert bool(cells.shape_of_cell(text, frozenset())) == told
