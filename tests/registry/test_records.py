"""Quotation marks in the site's tables: every cell stays in its column, whoever reads it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from chorus_nb.omop import cdm_fields
from chorus_nb.registry.omop_delivery import delivered_records, examine_table

SECRET = "seen by nobody"
MARKS = {  # cells as careless exports write them, and what they say
    '"a, b" c': "a, b c",
    '"a, ""b"" c" d': 'a, "b" c d',
    "5'2\" tall": "5'2\" tall",
    '"5 "" tall"': '5 " tall',
    '"a\nb"': "a\nb",
    '"a\nb, c" d': "a\nb, c d",
    '""': "",
    '"" a': " a",
    'a"': 'a"',
}


def delivered(folder: Path, content: str, table: str = "drug_exposure") -> str:
    (folder / f"{table}.csv").write_bytes(content.encode())
    found = examine_table(table, folder / f"{table}.csv", {}, (), ())
    return b"".join(delivered_records(found)).decode()


def lines_of(*cells: dict[str, str], table: str = "drug_exposure") -> str:
    names = list(cdm_fields(table)["column"])
    return "".join(",".join(line) + "\n" for line in [names, *([one.get(n, "") for n in names] for one in cells)])


@pytest.mark.fast
@pytest.mark.parametrize(("written", "text"), MARKS.items())
def test_a_quotation_mark_within_a_cell_moves_no_other(tmp_path: Path, written: str, text: str) -> None:
    rows = [{"drug_exposure_id": f"{n}", "stop_reason": written, "sig": SECRET, "lot_number": "7A"} for n in (1, 2)]
    made = delivered(tmp_path, lines_of(*rows))
    read = list(csv.DictReader(io.StringIO(made, newline=""), strict=True))
    assert [one["stop_reason"] for one in read] == [text] * 2
    assert [(one["sig"], one["lot_number"]) for one in read] == [("", "7A")] * 2
    assert SECRET not in made


@pytest.mark.fast
@pytest.mark.parametrize(
    "written", ['"seen, by" nobody', '"seen ""by, nobody" x', 'seen "by" nobody', '"a\nseen, b" c']
)
def test_free_text_with_careless_quotation_marks_goes_empty_whole(tmp_path: Path, written: str) -> None:
    made = delivered(tmp_path, lines_of({"drug_exposure_id": "1", "sig": written, "lot_number": "7A"}))
    assert "seen" not in made and "by" not in made
    assert next(csv.DictReader(io.StringIO(made)))["lot_number"] == "7A"


@pytest.mark.fast
def test_a_mark_of_byte_order_before_a_quoted_header_is_no_part_of_its_first_name(tmp_path: Path) -> None:
    header, row = lines_of({"observation_period_id": "1", "person_id": "501"}, table="observation_period").split("\n")[
        :2
    ]
    quoted = ",".join(f'"{name}"' for name in header.split(","))
    assert delivered(tmp_path, f"\ufeff{quoted}\n{row}\n", "observation_period").endswith(f"\n{row}\n")


@pytest.mark.fast
@pytest.mark.parametrize("end", ["", "\r"])
def test_a_required_cell_that_goes_empty_is_a_text_without_letters(tmp_path: Path, end: str) -> None:
    """Nothing between two commas is null, and no database takes the row."""
    row = {"note_id": "1", "note_text": SECRET, "note_title": f"a{end}b"}
    made = delivered(tmp_path, lines_of(row, table="note").replace("\n", end or "\n"), "note")
    assert ',"",' in made and SECRET not in made
