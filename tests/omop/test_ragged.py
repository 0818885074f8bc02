"""Rows that do not fit their header: single ones are left out and told, more than that refuses the table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chorus_nb.errors import InputError
from chorus_nb.leaks.parts import csv_parts
from chorus_nb.omop import read_omop
from chorus_nb.omop.files import JOINED, TOO_LONG, TOO_SHORT, OmopFolder
from chorus_nb.parameters import Parameters

HEADER = "person_id,death_date,death_datetime,death_type_concept_id,cause_concept_id,cause_source_value"
PLAIN = [f"{n},2024-01-02,,32817,,x" for n in range(10, 30)]

pytestmark = pytest.mark.fast


def site(folder: Path, *rows: str, separator: str = ",") -> OmopFolder:
    text = "".join(f"{row}\n" for row in (HEADER, *rows)).replace(",", separator)
    (folder / "death.csv").write_bytes(text.encode())
    return OmopFolder(folder)


def persons(folder: Path) -> list[int]:
    return [int(one) for one in read_omop(Parameters(omop=str(folder)), "death")["person_id"]]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("7,2024-01-02,,32817,,sepsis, shock", TOO_LONG),
        ("7,2024-01-02,,sep,sis,,", TOO_LONG),  # a cell moved the others, and the last is empty
        ("7", TOO_SHORT),
        ('7,2024-01-02,,32817,,"sepsis\n8,2024-01-02,,32817,,"shock', JOINED),
        ('7,2024-01-02,,32817,"a,x\n8,2024-01-02,,32817,,x\n9,2024-01-02,,32817,b",x', JOINED),
    ],
)
def test_a_row_that_is_none_costs_itself(tmp_path: Path, row: str, why: str) -> None:
    opened = site(tmp_path, *PLAIN[:5], row, *PLAIN[5:])
    assert persons(tmp_path) == list(range(10, 30))
    assert opened.left_out("death") == {7: why}
    assert opened.plain("death") is None
    opened.write_plain("death", tmp_path / "written.csv")
    (written,) = csv_parts(tmp_path / "written.csv")
    assert written.column("person_id").to_pylist() == [str(n) for n in range(10, 30)]


@pytest.mark.parametrize(
    "rows",
    [
        [*PLAIN, "7"],  # the file ends there: nobody knows how many rows came behind
        [*PLAIN, *["7,2024-01-02,,32817,,sepsis, shock"] * 6],
        [PLAIN[0], "7,2024-01-02,,32817,,sepsis, shock"],
        [*PLAIN[:3], '7,2024-01-02,,32817,,"x', *PLAIN[3:10], '8,2024-01-02,,32817,,"x', *PLAIN[10:]],
    ],
    ids=["cut", "six", "half", "a quotation mark over seven rows"],
)
def test_more_than_single_rows_refuse_the_table(tmp_path: Path, rows: list[str]) -> None:
    site(tmp_path, *rows)
    with pytest.raises(InputError, match=r"death\.csv: rows with "):
        persons(tmp_path)


def test_separators_behind_every_row_and_texts_of_several_lines_cost_nothing(tmp_path: Path) -> None:
    opened = site(tmp_path, *(f"{row}," for row in PLAIN))
    assert len(persons(tmp_path)) == len(PLAIN)
    opened.write_plain("death", tmp_path / "written.csv")
    assert next(csv_parts(tmp_path / "written.csv")).num_columns == HEADER.count(",") + 1
    opened = site(tmp_path, *PLAIN, '7,2024-01-02,,32817,,"1, sepsis\n2, shock\n3, a, b"')
    assert len(persons(tmp_path)) == len(PLAIN) + 1
    assert not opened.left_out("death") and opened.plain("death") is not None


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_text_of_any_length_is_a_cell(tmp_path: Path, separator: str) -> None:
    """Python's reader of CSV takes 131,072 letters by itself."""
    opened = site(tmp_path, *PLAIN, "7,2024-01-02,,32817,," + "word " * 40_000, separator=separator)
    opened.write_plain("death", tmp_path / "written.csv")
    assert sum(part.num_rows for part in csv_parts(tmp_path / "written.csv")) == len(PLAIN) + 1


def test_how_long_a_cell_may_be_elsewhere_stays(tmp_path: Path) -> None:
    """Lookup tables take a longer one for a quotation mark that is not closed."""
    site(tmp_path, *PLAIN)
    before = csv.field_size_limit()
    persons(tmp_path)
    assert csv.field_size_limit() == before
