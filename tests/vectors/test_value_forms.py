"""What has the form of its VR: one table for the de-identifier, which keeps it, and the verifier, which asks for it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chorus_nb.dicom.forms import FORMS
from chorus_nb.verify.values import has_form

ROWS = list(csv.DictReader((Path(__file__).parent / "values" / "forms.csv").open(encoding="utf-8")))


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['vr']} {row['value']}" for row in ROWS])
def test_both_sides_agree_on_what_has_the_form_of_its_vr(row: dict[str, str]) -> None:
    value = row["value"].encode()
    assert bool(FORMS[row["vr"]].match(value)) == has_form(row["vr"], value) == (row["form"] == "yes")


@pytest.mark.parametrize(("vr", "length"), [("US", 2), ("UL", 4), ("FD", 8)])
def test_a_binary_number_has_a_whole_number_of_words(vr: str, length: int) -> None:
    assert has_form(vr, bytes(length)) and has_form(vr, bytes(2 * length)) and not has_form(vr, bytes(length + 1))
