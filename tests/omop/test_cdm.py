"""Reading the site's OMOP tables."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from sqlalchemy import create_engine

from chorus_nb.errors import InputError
from chorus_nb.omop import (
    NO_END,
    cdm_fields,
    contradict,
    moments,
    open_omop,
    read_omop,
    unreadable_dates,
    visit_spans,
)
from chorus_nb.omop.cdm import VISIT_TABLE
from chorus_nb.omop.databases import engine, sqlite_url
from chorus_nb.parameters import Parameters
from tests.omop import omop_faults

DEATH = "person_id,death_date,death_datetime,death_type_concept_id\n"


def site(folder: Path, **files: str) -> Parameters:
    for name, text in files.items():
        (folder / f"{name}.csv").write_bytes(text.encode())
    return Parameters(omop=str(folder))


def texts(*values: str) -> pd.Series:
    return pd.Series(values, dtype="string")


def test_a_table_has_the_columns_and_types_of_cdm_5_4(tmp_path: Path) -> None:
    read = read_omop(site(tmp_path, DEATH=DEATH.upper() + "7,2024-01-02,,32817\n"), "death")
    assert read.columns.tolist() == cdm_fields("death")["column"].tolist()
    assert read["person_id"].dtype == "Int64"
    assert read["death_date"].tolist() == ["2024-01-02"]
    assert read["cause_concept_id"].isna().all()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("7", "fewer cells than it must: 1, the first is row 3"),
        ("7,2024-01-02,,32817,9", "more cells than the header: 1, the first is row 3"),
        ("7,2024-01-02,,32817,,,9", "more cells than the header: 1, the first is row 3"),
        ("7,2024-01-02,,32817,", ""),  # a separator at the end
        ("", ""),
    ],
)
def test_a_row_that_is_no_row_of_the_table_is_told(tmp_path: Path, row: str, said: str) -> None:
    parameters = site(tmp_path, death=f"{DEATH}8,2024-01-02,,32817\n{row}\n")
    if not said:
        assert len(read_omop(parameters, "death")) == 1 + bool(row)
        return
    with pytest.raises(InputError, match=said):
        read_omop(parameters, "death")


def test_a_table_the_site_does_not_have_is_empty_with_its_columns(tmp_path: Path) -> None:
    read = read_omop(site(tmp_path), "visit_occurrence")
    assert read.empty
    assert read.columns.tolist()[:3] == ["visit_occurrence_id", "person_id", "visit_concept_id"]


def test_a_byte_order_mark_windows_characters_and_null_words_are_read(tmp_path: Path) -> None:
    (tmp_path / "death.csv").write_bytes(
        b"\xef\xbb\xbf" + DEATH.encode() + b"7,2024-01-02,NULL,32817.0\r\n8,2024-01-02,\\N,\\N\r\n"
    )
    read = read_omop(Parameters(omop=str(tmp_path)), "death")
    assert read.death_datetime.tolist() == ["", ""]
    assert read.loc[0, "death_type_concept_id"] == 32817
    (tmp_path / "death.csv").write_bytes(DEATH.encode() + "7,é,,32817\n".encode("cp1252"))
    assert read_omop(Parameters(omop=str(tmp_path)), "death").loc[0, "death_date"] == "é"


@pytest.mark.parametrize(
    ("person", "says"),
    [
        ("2147483648", "beyond 2^31-1"),
        ("9007199254740993", "beyond 2^53"),
        ("MRN-17", "not whole numbers"),
        ("1.5", "not whole numbers"),
    ],
)
def test_an_id_that_the_registry_cannot_hold_is_refused_without_quoting_it(
    tmp_path: Path, person: str, says: str
) -> None:
    parameters = site(tmp_path, death=DEATH + f"{person},2024-01-02,,32817\n")
    with pytest.raises(InputError, match=r"death\.person_id") as caught:
        read_omop(parameters, "death")
    assert says in str(caught.value)
    assert person not in str(caught.value)


DEVICE = "device_exposure_id,person_id,device_concept_id,device_exposure_start_date,device_type_concept_id,quantity\n"


@pytest.mark.parametrize("count", ["PRN", "2.5", "6175550142", "1e30", "9007199254740993"])
def test_what_is_no_number_where_nothing_rests_on_it_costs_its_cell(tmp_path: Path, count: str) -> None:
    read = read_omop(
        site(tmp_path, device_exposure=f"{DEVICE}1,7,0,2024-01-02,0,{count}\n2,7,0,2024-01-02,0,3\n"), "device_exposure"
    )
    assert read.quantity.isna().tolist() == [True, False]


@pytest.mark.parametrize("carer", ["NP Vance", "3000000000"])
def test_who_gave_care_costs_its_cell(tmp_path: Path, carer: str) -> None:
    """Nothing is linked by it."""
    head = DEVICE.replace("quantity", "provider_id")
    read = read_omop(site(tmp_path, device_exposure=f"{head}1,7,0,2024-01-02,0,{carer}\n"), "device_exposure")
    assert read.provider_id.isna().tolist() == [True]


BORN = "person_id,gender_concept_id,year_of_birth\n"


def test_a_row_that_repeats_another_costs_nothing_and_one_that_contradicts_it_its_person(tmp_path: Path) -> None:
    persons = BORN + "".join(f"{number},0,1950\n" for number in range(1, 10)) + "3,0,1950\n3,0,1950\n4,0,1951\n"
    parameters = site(tmp_path, person=persons)
    read = read_omop(parameters, "person")
    assert read.person_id.tolist() == [1, 2, 3, 5, 6, 7, 8, 9]
    assert read.index.tolist() == list(range(8))
    every = read_omop(parameters, "person", contradicting=True)
    assert every.person_id[contradict("person", every)].tolist() == [4, 4]
    assert len(every) == 10


@pytest.mark.parametrize("contradicting", [1, 60])
def test_a_column_that_is_no_key_is_refused(tmp_path: Path, contradicting: int) -> None:
    """Half of the ids, or more than a hundredth of them: no fault of single rows."""
    others = contradicting if contradicting > 1 else 0
    text = BORN + "".join(f"{number},0,1950\n" for number in range(1, 1 + contradicting + 20 * others))
    text += "".join(f"{number},0,1951\n" for number in range(1, 1 + contradicting))
    with pytest.raises(InputError, match="not unique"):
        read_omop(site(tmp_path, person=text), "person")


@pytest.mark.parametrize("before", ["# made by the warehouse, 3 tables\n", "sep=,\n", "\n", "#\n\n"])
def test_a_line_before_the_header_that_says_nothing_of_the_table_is_passed_over(tmp_path: Path, before: str) -> None:
    parameters = site(tmp_path, death=before + DEATH + "7,2024-01-02,,32817\n")
    assert read_omop(parameters, "death").person_id.tolist() == [7]
    opened = open_omop(parameters)
    assert opened.plain("death") is None  # central's loader takes the first line for the header
    opened.write_plain("death", tmp_path / "plain")
    assert (tmp_path / "plain").read_text() == DEATH + "7,2024-01-02,,32817\n"


def test_a_table_that_may_not_be_opened_is_told_from_one_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    parameters = site(tmp_path, death=DEATH)
    monkeypatch.setattr("chorus_nb.omop.files._opener", lambda path: refuse)
    with pytest.raises(InputError, match=r"omop: death\.csv cannot be read \(Permission denied\)"):
        read_omop(parameters, "death")


def test_a_table_without_a_required_id_is_refused_by_the_name_of_the_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="death lacks the columns person_id"):
        read_omop(site(tmp_path, death="death_date\n2024-01-02\n"), "death")


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, separator: str) -> None:
    """pandas calls the second one otherwise, and the cells of all that follow are taken for another column's."""
    twice = ("person_id," + DEATH + "7,2024-01-02,,32817\n").replace(",", separator)
    with pytest.raises(InputError, match=r"omop: death\.csv has a column twice: person_id"):
        read_omop(site(tmp_path, death=twice), "death")


def test_two_files_for_one_table_are_refused(tmp_path: Path) -> None:
    parameters = site(tmp_path, death=DEATH, DEATH=DEATH)
    with pytest.raises(InputError, match=r"DEATH\.csv and death\.csv"):
        open_omop(parameters).names()


def test_a_database_gives_the_same_table_as_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = site(tmp_path, death=DEATH + "7,2024-01-02,2024-01-02 03:04:05,32817\n8,2024-02-03,,32817\n")
    from_folder = read_omop(parameters, "death")
    url = f"sqlite:///{tmp_path / 'cdm.sqlite'}"
    with create_engine(url).begin() as connection:
        from_folder.replace("", None).to_sql("DEATH", connection, index=False)
    monkeypatch.setenv("CDM", url)
    pd.testing.assert_frame_equal(read_omop(Parameters(omop="env:CDM"), "death"), from_folder)


def test_a_password_is_in_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDM", "postgresql://reader:open-sesame@127.0.0.1:9/cdm")
    with pytest.raises(InputError, match="cannot be reached") as caught:
        read_omop(Parameters(omop="env:CDM"), "death")
    assert "sesame" not in str(caught.value)


def test_a_visit_that_ends_on_a_date_lasts_through_that_day() -> None:
    ends = moments(texts("2024-01-02", "2024-01-02"), texts("", "2024-01-02 00:00:00"), end_of_day=True)
    assert ends.astype(str).tolist() == ["2024-01-02 23:59:59"] * 2


def test_local_time_is_taken_as_written_whatever_its_offset() -> None:
    read = moments(texts("2023-04-01", "2023-04-01", "x"), texts("2023-04-01T05:00:00+01:00", "", "2023-04-01 7.00"))
    assert read.dropna().astype(str).tolist() == ["2023-04-01 05:00:00", "2023-04-01 00:00:00"]


VISIT = (
    "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,"
    "visit_end_date,visit_end_datetime,visit_type_concept_id\n"
)


@pytest.mark.parametrize("separator", [";", "\t", "|", "^", "~"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_any_separator_and_encoding_gives_the_same_table(tmp_path: Path, separator: str, encoding: str) -> None:
    text = DEATH + '7,"2024-01-02",,32817\n'
    (tmp_path / "death.csv.gz").write_bytes(gzip.compress(text.replace(",", separator).encode(encoding)))
    read = read_omop(Parameters(omop=str(tmp_path)), "death")
    assert read.loc[0, ["person_id", "death_date", "death_type_concept_id"]].tolist() == [7, "2024-01-02", 32817]
    open_omop(Parameters(omop=str(tmp_path))).write_plain("death", tmp_path / "plain.csv")
    assert (tmp_path / "plain.csv").read_text() == text.replace('"', "")


def test_visits_in_another_form_of_date_are_refused_by_column_and_count(tmp_path: Path) -> None:
    parameters = site(tmp_path, visit_occurrence=VISIT + "1,1,9201,02/01/2021,,2021-02-03,,32817\n")
    with pytest.raises(InputError, match=r"1 dates cannot be read.*visit_occurrence\.visit_start_date: 1") as caught:
        read_omop(parameters, "visit_occurrence")
    assert "visit_end_date" not in str(caught.value)
    assert "02/01/2021" not in str(caught.value)


def test_a_table_that_is_cut_short_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "death.csv.gz").write_bytes(gzip.compress(DEATH.encode() * 50)[:-12])
    with pytest.raises(InputError, match=r"death\.csv\.gz is not a readable"):
        read_omop(Parameters(omop=str(tmp_path)), "death")


PERSON = "person_id,gender_concept_id,year_of_birth,month_of_birth,race_concept_id,ethnicity_concept_id\n"
VISITS = VISIT + "".join(f"{n},1,9201,2021-02-01,2021-02-01 08:00:00,2021-02-03,,32817\n" for n in range(1, 4))


def as_parquet(folder: Path, table: str, text: str, name: str = "") -> None:
    """A CSV table as Parquet, with types of its own."""
    with duckdb.connect() as connection:
        (folder / "made.csv").write_text(text)
        connection.read_csv(str(folder / "made.csv")).write_parquet(str(folder / (name or f"{table}.parquet")))
        (folder / "made.csv").unlink()


def test_parquet_gives_the_same_table_as_csv(tmp_path: Path) -> None:
    from_csv = read_omop(site(tmp_path, visit_occurrence=VISITS), VISIT_TABLE)
    (tmp_path / "visit_occurrence.csv").unlink()
    as_parquet(tmp_path, VISIT_TABLE, VISITS, "Visit_Occurrence.parquet")
    pd.testing.assert_frame_equal(read_omop(Parameters(omop=str(tmp_path)), VISIT_TABLE), from_csv)
    assert open_omop(Parameters(omop=str(tmp_path))).form(VISIT_TABLE) == "Parquet"


def test_a_folder_of_parquet_parts_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "death.parquet").mkdir()
    for part in (1, 2):
        as_parquet(tmp_path, "death", DEATH + f"{part},2024-01-02,,32817\n", f"death.parquet/part-{part}.parquet")
    parameters = Parameters(omop=str(tmp_path))
    assert read_omop(parameters, "death")["person_id"].tolist() == [1, 2]
    open_omop(parameters).write_plain("death", tmp_path / "plain.csv")
    assert (tmp_path / "plain.csv").read_text() == DEATH + "1,2024-01-02,,32817\n2,2024-01-02,,32817\n"


def test_instants_of_parquet_are_read_as_they_stand_in_the_file(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        moment = "TIMESTAMPTZ '2024-01-02 23:30:00+00'"
        made = connection.sql(f"SELECT 7 AS person_id, DATE '2024-01-02' AS death_date, {moment} AS death_datetime")
        made.write_parquet(str(tmp_path / "death.parquet"))
    read = read_omop(Parameters(omop=str(tmp_path)), "death")
    assert moments(read["death_date"], read["death_datetime"]).astype(str).tolist() == ["2024-01-02 23:30:00"]


def test_a_damaged_parquet_table_is_refused_by_name(tmp_path: Path) -> None:
    as_parquet(tmp_path, "death", DEATH)
    (tmp_path / "death.parquet").write_bytes((tmp_path / "death.parquet").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"^omop: death\.parquet is not a readable Parquet table$"):
        read_omop(Parameters(omop=str(tmp_path)), "death")


@pytest.mark.parametrize("by", ["path", "url"])
def test_a_duckdb_file_is_read_schema_by_schema(tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cdm.duckdb"
    with duckdb.connect(str(file)) as connection:
        (tmp_path / "made.csv").write_text(VISITS)
        connection.execute("CREATE SCHEMA omop")
        connection.execute(f"CREATE TABLE omop.VISIT_OCCURRENCE AS FROM read_csv('{tmp_path / 'made.csv'}')")
        connection.execute(
            "CREATE TABLE omop.person AS FROM (SELECT 1 AS person_id, 0 AS gender_concept_id,"
            " 1950 AS year_of_birth, 0 AS race_concept_id, 0 AS ethnicity_concept_id)"
        )
    monkeypatch.setenv("CDM", f"duckdb:///{file}")
    omop = str(file) if by == "path" else "env:CDM"
    assert any(
        fault.startswith("omop: person is not there; it is in schema omop: set omop_schema")
        for fault in omop_faults(Parameters(omop=omop), tmp_path)
    )
    parameters = Parameters(omop=omop, omop_schema="omop")
    assert not omop_faults(parameters, tmp_path)
    pd.testing.assert_frame_equal(
        read_omop(parameters, VISIT_TABLE), read_omop(site(tmp_path, visit_occurrence=VISITS), VISIT_TABLE)
    )


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cdm.db").write_text("no database")
    [fault] = omop_faults(Parameters(omop=str(tmp_path / "cdm.db")), tmp_path)
    assert fault.startswith("omop: is no folder, and no DuckDB or SQLite file")


def test_absent_empty_and_unread_tables_are_told_apart(tmp_path: Path) -> None:
    assert omop_faults(site(tmp_path), tmp_path) == [
        "omop: person is not there (no table of OMOP CDM 5.4 is there)",
        "omop: visit_occurrence is not there (no table of OMOP CDM 5.4 is there)",
    ]
    (tmp_path / "person.xlsx").touch()
    assert omop_faults(site(tmp_path, VISIT_OCCURRENCE=VISIT), tmp_path) == [
        "omop: person is not there; person.xlsx is not read: save it as CSV, gzipped or not, or as Parquet",
        "omop: visit_occurrence is there and holds no row (VISIT_OCCURRENCE.csv)",
    ]
    assert not omop_faults(site(tmp_path, person=PERSON + "1,0,1950,,0,0\n", VISIT_OCCURRENCE=VISITS), tmp_path)


def test_a_table_without_optional_columns_in_another_order_is_read(tmp_path: Path) -> None:
    text = "VISIT_END_DATE,Person_ID,Visit_Start_Date,note,VISIT_OCCURRENCE_ID\n2021-02-03,7,2021-02-01,x,1\n"
    read = read_omop(site(tmp_path, visit_occurrence=text), VISIT_TABLE)
    assert read.loc[0, ["visit_occurrence_id", "person_id", "visit_end_date"]].tolist() == [1, 7, "2021-02-03"]
    assert read["visit_concept_id"].isna().all()


@pytest.mark.parametrize(
    "text", ["7;2024-01-02\n", "sep=;\nperson_id;death_date\n7;2024-01-02\n", "person_id,death_date\n7,2024-01-02,\n"]
)
def test_a_header_is_found_or_missed(tmp_path: Path, text: str) -> None:
    """Without one the table is refused and not taken for absent; a separator more in each row moves no column."""
    parameters = site(tmp_path, death=text)
    if text[0] == "7":
        with pytest.raises(InputError, match="death lacks the columns person_id, death_date"):
            read_omop(parameters, "death")
    else:
        assert read_omop(parameters, "death").loc[0, ["person_id", "death_date"]].tolist() == [7, "2024-01-02"]


def test_one_date_among_many_costs_its_row_and_is_counted(tmp_path: Path) -> None:
    good = "".join(f"{n},1,9201,2021-02-01,,,,32817\n" for n in range(1, 200))
    parameters = site(tmp_path, visit_occurrence=VISIT + good + "200,1,9201,02/01/2021,,,,32817\n")
    read = read_omop(parameters, VISIT_TABLE)
    assert unreadable_dates(VISIT_TABLE, read) == {"visit_start_date": 1}
    assert visit_spans(read)["starts"].isna().sum() == 1


def test_a_clock_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    clocks = (
        "2024-01-02 03:04",
        "2024-01-02T03:04:05.678Z",
        "2024-01-02",
        "",
        "2024-01-02 25:00:00",
        "2024-01-02 3 pm",
    )
    read = read_omop(site(tmp_path, death=DEATH + "".join(f"7,2024-01-02,{clock},1\n" for clock in clocks)), "death")
    assert unreadable_dates("death", read) == {"death_datetime": 2}


@pytest.mark.parametrize(
    ("start", "end", "ends"),
    [
        ("2024-01-02 10:00:00", "2024-01-02 10:00:00", "2024-01-02 23:59:59"),  # of no length: its day
        ("2024-01-02 10:00:00", "2024-01-02 09:00:00", "2024-01-02 23:59:59"),
        ("2024-01-02 10:00:00", "2024-01-02 10:00:01", "2024-01-02 10:00:01"),
        ("2024-01-02 10:00:00", "", str(NO_END)),  # still open
    ],
)
def test_a_visit_without_length_lasts_its_day_and_one_without_end_is_open(start: str, end: str, ends: str) -> None:
    columns = {"visit_start_date": start[:10], "visit_start_datetime": start, "visit_end_date": end[:10]}
    spans = visit_spans(pd.DataFrame([{**columns, "visit_end_datetime": end}]))
    assert spans.astype(str).to_numpy().tolist() == [[start, ends.removesuffix(" 00:00:00")]]


def test_a_file_in_a_folder_of_any_name_is_the_one_that_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "a%20b #1 ü"
    folder.mkdir()
    with sqlite3.connect(folder / "cdm.sqlite") as database:
        database.execute("CREATE TABLE person (person_id, gender_concept_id, year_of_birth, race_concept_id)")
        database.execute("INSERT INTO person VALUES (7, 0, 1950, 0)")
    with engine("omop", sqlite_url(folder / "cdm.sqlite")) as opened:
        assert opened.url.database == str(folder / "cdm.sqlite")
    found = Parameters.of({"omop": str(folder / "cdm.sqlite")})
    assert open_omop(found).read("person", {"person_id"})["person_id"].tolist() == ["7"]
