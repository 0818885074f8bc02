"""Tables as tools of sites write them: what means the same is read the same, what could mean another is not guessed."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.leaks.parts import csv_parts
from chorus_nb.omop import open_omop, read_omop, unreadable_dates
from chorus_nb.omop.databases import OmopDatabase
from chorus_nb.omop.files import OmopFolder
from chorus_nb.omop.lifetimes import lifetimes
from chorus_nb.omop.reading import OmopTables, moments
from chorus_nb.parameters import Parameters

HEADER = "person_id,death_date,death_datetime,death_type_concept_id\n"
ROWS = ("7,2024-01-02,,32817\n", "8,2024-01-03,,32817\n")


def site(folder: Path, content: str) -> Parameters:
    (folder / "death.csv").write_text(content, encoding="utf-8", newline="")
    return Parameters(omop=str(folder))


@pytest.mark.parametrize(
    "line",
    [
        "# page 2",
        "# page 2, of 9",
        "# 9,2024-01-02,,32817",
        "   ",
        ",,",
        ",,,",
        "---------,----------,-,--",
        "(2 rows)",
        "(2 rows affected)",
        "\x1a",
        HEADER.strip(),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_says_nothing_of_the_table_costs_nothing(tmp_path: Path, line: str, place: int) -> None:
    lines = [*ROWS[:place], line + "\n", *ROWS[place:]]
    parameters = site(tmp_path, HEADER + "".join(lines))
    assert read_omop(parameters, "death").person_id.tolist() == [7, 8]
    opened = open_omop(parameters)
    assert opened.plain("death") is None
    opened.write_plain("death", tmp_path / "plain")
    assert (tmp_path / "plain").read_text() == HEADER + "".join(ROWS)


@pytest.mark.parametrize("row", ["# of units,note,9,2024-01-02", "# of units,note,9,2024-01-03"])
def test_a_text_that_begins_like_a_comment_is_no_comment(tmp_path: Path, row: str) -> None:
    parameters = site(tmp_path, f"unit,text,person_id,death_date\n{row}\n")
    assert read_omop(parameters, "death").person_id.tolist() == [9]


def test_a_table_cut_in_its_last_row_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fewer cells"):
        read_omop(site(tmp_path, HEADER + "".join(ROWS) + "9"), "death")


def test_a_table_of_rows_alone_is_delivered_as_it_stands(tmp_path: Path) -> None:
    parameters = site(tmp_path, HEADER + "".join(ROWS))
    assert open_omop(parameters).plain("death") == tmp_path / "death.csv"


@pytest.mark.parametrize("word", ["NA", "NaN", "nan", "None", "N/A", "<NA>", "NaT", "(null)", "."])
def test_what_tools_write_for_nothing_is_no_number_and_no_date(tmp_path: Path, word: str) -> None:
    read = read_omop(site(tmp_path, HEADER + f"7,2024-01-02,{word},{word}\n"), "death")
    assert read.death_datetime.tolist() == [""]
    assert read.death_type_concept_id.isna().all()
    with_visit = "visit_occurrence_id,person_id,visit_start_date,visit_end_date,preceding_visit_occurrence_id\n"
    (tmp_path / "visit_occurrence.csv").write_text(with_visit + f"1,7,2024-01-02,2024-01-02,{word}\n")
    assert read_omop(Parameters(omop=str(tmp_path)), "visit_occurrence").preceding_visit_occurrence_id.isna().all()


@pytest.mark.parametrize(
    ("clock", "read"),
    [
        ("2024-01-02 01:05:00 PM", "2024-01-02 13:05:00"),
        ("2024-01-02 1:05 pm", "2024-01-02 13:05:00"),
        ("2024-01-02 12:05:00 AM", "2024-01-02 00:05:00"),
        ("2024-01-02 12:05:00 p.m.", "2024-01-02 12:05:00"),
        ("2024-01-02 9:05:00", "2024-01-02 09:05:00"),
        ("2024-01-02 23:05:00.123 America/New_York", "2024-01-02 23:05:00"),
        ("2024-01-02 09:05:00+00", "2024-01-02 09:05:00"),
        ("2024-01-02 09:05:00 afternoon shift", "NaT"),
        ("2024-01-02 09:05:00 13", "NaT"),
    ],
)
def test_a_clock_is_read_whole_or_not_at_all(clock: str, read: str) -> None:
    """The afternoon of a twelve-hour clock was read as the morning."""
    days, clocks = (pd.Series([text], dtype="string") for text in ("", clock))
    assert str(moments(days, clocks)[0]) == read


def test_instants_of_a_zone_are_read_by_its_clock(tmp_path: Path) -> None:
    """pandas writes a column of a zone as UTC beside the zone's name."""
    clock = pd.Series(["2024-01-02 23:30:00", "2024-07-02 23:30:00"]).astype("datetime64[us]")
    table = pa.table(
        {
            "person_id": [7, 8],
            "death_date": [day.date() for day in clock],
            "death_datetime": pa.Array.from_pandas(clock.dt.tz_localize("America/New_York")),
        }
    )
    pq.write_table(table, tmp_path / "death.parquet")
    parameters = Parameters(omop=str(tmp_path))
    read = read_omop(parameters, "death")
    assert moments(read.death_date, read.death_datetime).tolist() == clock.tolist()
    assert unreadable_dates("death", read) == {}
    open_omop(parameters).write_plain("death", tmp_path / "plain")
    assert "2024-01-02 23:30:00" in (tmp_path / "plain").read_text()


def test_a_death_with_a_time_behind_its_day_ends_a_life() -> None:
    persons = pd.DataFrame(
        {"person_id": [7], "year_of_birth": [1950], "month_of_birth": [pd.NA], "day_of_birth": [pd.NA]}
    )
    deaths = pd.DataFrame({"person_id": [7], "death_date": ["2024-01-02 00:00:00"]})
    assert str(lifetimes(persons, deaths)["until"].iloc[0]) == "2024-03-02 00:00:00"


@pytest.mark.parametrize("kind", ["database", "semicolons"])
def test_a_carriage_return_within_a_text_is_no_end_of_its_row(tmp_path: Path, kind: str) -> None:
    """HL7 parts its segments by it. Written without quotes, readers took what follows for rows of their own."""
    said = "PID|1\rOBX|2 seen"
    if kind == "database":
        with contextlib.closing(sqlite3.connect(tmp_path / "o.db")) as made, made:
            made.execute("CREATE TABLE note (note_id int, note_text text, note_source_value text)")
            made.execute("INSERT INTO note VALUES (1, ?, 'x')", [said])
        opened: OmopTables = OmopDatabase(f"sqlite:///{tmp_path / 'o.db'}")
    else:
        (tmp_path / "note.csv").write_bytes(f'note_id;note_text;note_source_value\n1;"{said}";x\n'.encode())
        opened = OmopFolder(tmp_path)
    opened.write_plain("note", tmp_path / "written.csv")
    (row,) = csv_parts(tmp_path / "written.csv")
    assert [row.to_pydict()] == [{"note_id": ["1"], "note_text": [said], "note_source_value": ["x"]}]


def test_a_table_of_ours_keeps_a_carriage_return(tmp_path: Path) -> None:
    table = tables.PERSON_MAP
    frame = tables.frame(table, [{"PatientID": "a\rb", "person_id": 1, "Days_Shifted": -1}])
    assert tables.decode(table, tables.csv_bytes(frame))["PatientID"].tolist() == ["a\rb"]
