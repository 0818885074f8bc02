"""Tables have the columns and types they say, written and read, and a row that does not fit is refused by name."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VM, dictionary_VR

from chorus_nb import tables
from chorus_nb.errors import SchemaError
from chorus_nb.memory import PACKAGE
from chorus_nb.metadata.dictionary import units_by_column
from chorus_nb.tables import Column, Table

SMALL = Table(
    "small",
    "a thing",
    (
        Column("name", "text", "its name"),
        Column("count", "integer", "how many", nullable=True),
        Column("share", "number", "of all"),
        Column("good", "truth", "or not"),
    ),
    key=("name",),
    made_by="01_explore_headers",
    format="csv",
)
ROW: dict[str, object] = {"name": "a", "count": 3, "share": 0.5, "good": True}


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize(
    "text", ["", "NA", "null", " x ", 'a "quoted", b', "two\nlines", "a\rb", "Ünïcode", "007", "'=1"]
)
def test_a_table_comes_back_as_it_was(format: str, text: str) -> None:
    table = replace(SMALL, format=format)
    frame = tables.frame(table, [ROW | {"name": text, "count": None}])
    pd.testing.assert_frame_equal(tables.decode(table, tables.encode(table, frame)), frame)


@pytest.mark.parametrize("columns", [None, ["name", "good"]])
def test_a_compact_table_has_the_same_values_and_bytes(tmp_path: Path, columns: list[str] | None) -> None:
    table = replace(SMALL, format="parquet")
    frame = tables.frame(table, [ROW | {"name": name, "count": None} for name in ("Ünïcode", "", "a")])
    (tmp_path / "small").write_bytes(tables.encode(table, frame))
    compact = tables.read(table, tmp_path / "small", columns, compact=True)
    assert compact.name.dtype.storage == "pyarrow"
    pd.testing.assert_frame_equal(compact.astype({"name": frame.name.dtype}), frame[columns or list(frame)])
    if columns is None:
        assert tables.encode(table, compact) == tables.encode(table, frame)


@pytest.mark.parametrize("how", [{}, {"columns": ["name", "later"]}, {"compact": True}], ids=str)
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_file_of_an_earlier_version_lacks_what_came_later(tmp_path: Path, format: str, how: dict[str, Any]) -> None:
    earlier = replace(SMALL, format=format)
    now = replace(earlier, columns=(*SMALL.columns, Column("later", "text", "came later", nullable=True)))
    path = tmp_path / f"small.{format}"
    path.write_bytes(tables.encode(earlier, tables.frame(earlier, [ROW])))
    assert list(tables.read(now, path, **how)["later"]) == [""]


def test_a_compact_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    table = replace(SMALL, format="parquet")
    pd.DataFrame({"name": ["a"]}).to_parquet(tmp_path / "small")
    with pytest.raises(SchemaError, match="small: lacks the columns count, share, good; delete it"):
        tables.read(table, tmp_path / "small", compact=True)


def test_some_columns_of_a_csv_are_read_and_all_of_it_is_checked(tmp_path: Path) -> None:
    frame = tables.frame(SMALL, [ROW, ROW | {"name": "b"}])
    (tmp_path / "small").write_bytes(tables.encode(SMALL, frame))
    pd.testing.assert_frame_equal(tables.read(SMALL, tmp_path / "small", ["count"]), frame[["count"]])
    (tmp_path / "small").write_bytes(tables.csv_bytes(pd.concat([frame, frame])))
    with pytest.raises(SchemaError, match="name is not unique"):
        tables.read(SMALL, tmp_path / "small", ["count"])


def test_equal_texts_of_many_rows_are_held_once() -> None:
    table = replace(SMALL, format="parquet", key=())
    frame = tables.decode(table, tables.encode(table, tables.frame(table, [ROW | {"name": "Brandt"}] * 1_000)))
    assert len({id(name) for name in frame.name}) == 1


def test_equal_tables_have_equal_bytes() -> None:
    frame = tables.frame(SMALL, [ROW])
    assert tables.encode(SMALL, frame) == tables.encode(SMALL, frame.copy())


def test_lines_are_those_of_the_frame() -> None:
    texts = ["", "a,b", 'say "so"', '"', "two\nlines", "=1", "'=1", "''+a", "-1e3", "-1e3a", "@", "'t Hart", " é "]
    shares = [0.0, -0.0, 1e16, 1e15, 123456789012345680.0, 1e-5, 1e-4, 0.1 + 0.2, 1e300, 120.0, 5e-324, -2.5, 1 / 3]
    counts = [None, 0, -1, 10**15, *range(9)]
    frame = pd.DataFrame({"name": texts, "count": counts, "share": shares, "good": [True, *[False] * 12]})
    arrow = tables.to_arrow(SMALL, frame)
    assert tables.csv_head(SMALL) + tables.as_lines(arrow) == tables.csv_bytes(tables.to_pandas(arrow))


def test_a_csv_that_passed_through_a_spreadsheet_is_read() -> None:
    content = b"\xef\xbb\xbf" + tables.encode(SMALL, tables.frame(SMALL, [ROW])).replace(b"\n", b"\r\n")
    assert tables.decode(SMALL, content).name.tolist() == ["a"]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([ROW | {"count": "many"}], "column count is not integer"),
        ([ROW | {"share": None}], "column share has 1 empty values"),
        ([ROW, ROW], "name is not unique"),
    ],
)
def test_rows_that_do_not_fit_are_refused_without_their_values(rows: list[dict[str, object]], fault: str) -> None:
    with pytest.raises(SchemaError, match=fault) as refused:
        tables.frame(SMALL, rows)
    assert "many" not in str(refused.value)


@pytest.mark.parametrize("many", [1, 1_000])
def test_a_key_may_be_of_several_columns_however_many_rows_there_are(
    monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr("chorus_nb.tables.schema.MANY", many)
    table = replace(SMALL, key=("name", "count"))
    rows = [ROW | {"name": name, "count": count} for name in ("a", "b") for count in (1, 2)]
    assert len(tables.frame(table, rows)) == 4
    with pytest.raises(SchemaError, match="name, count is not unique"):
        tables.frame(table, [*rows, rows[2]])


def test_missing_and_unknown_columns_are_named() -> None:
    frame = tables.frame(SMALL, [ROW]).rename(columns={"share": "part"})
    with pytest.raises(SchemaError, match=r"columns missing \['share'\], not expected \['part'\]"):
        tables.encode(SMALL, frame)


@pytest.mark.parametrize("table", tables.TABLES.values(), ids=lambda table: table.name)
def test_every_table_says_what_its_columns_mean_and_can_be_empty(table: Table) -> None:
    assert all(column.meaning for column in table.columns)
    assert set(table.key) <= set(table.column_names)
    assert len(set(table.column_names)) == len(table.columns)
    empty = tables.empty(table)
    pd.testing.assert_frame_equal(tables.decode(table, tables.encode(table, empty)), empty)


@pytest.mark.parametrize("table", [tables.SERIES, tables.IMAGE], ids=lambda table: table.name)
def test_an_attribute_of_one_number_is_a_number_and_any_other_is_text(table: Table) -> None:
    numbers = dict.fromkeys(("DS", "FD", "FL"), "number") | dict.fromkeys(("IS", "SL", "SS", "UL", "US"), "integer")
    for column in (column for column in table.columns if column.attribute):
        single, vr = dictionary_VM(column.name) == "1", dictionary_VR(column.name)
        measured = vr == "IS" and column.name in units_by_column()  # makers write 14.5 mAs
        kind = "number" if measured else numbers.get(vr, "text")
        assert column.kind == (kind if single else "text"), column.name
        assert column.nullable == (column.kind != "text")


def test_every_reason_a_file_can_have_says_what_to_do() -> None:
    rooms = ("source", "dicom", "explore", "deid", "pixels", "faces")
    code = "".join(path.read_text("utf-8") for room in rooms for path in (PACKAGE / room).glob("*.py"))
    raised = set(re.findall(r'Refused\(\s*"([a-z_]+)"', code))
    raised |= set(re.findall(r'"(?:held_back|quarantined|duplicate)", "(\w+)"', code))
    found = set(re.findall(r'SourceFile\([^)]*"([a-z_]+)"\)', code))
    assert len(raised) > 15
    assert len(found) > 3
    assert raised | found <= set(tables.REMEDIES)
    assert all(tables.REMEDIES.values())


@settings(deadline=None)
@given(st.text(alphabet="=+-@'\t1.eA ", max_size=6))
def test_no_cell_of_a_csv_begins_a_formula_and_all_are_read_back(text: str) -> None:
    content = tables.encode(SMALL, tables.frame(SMALL, [{**ROW, "name": text}]))
    cell = next(csv.DictReader(io.StringIO(content.decode(), newline="")))["name"]
    assert re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", cell) or cell[:1] not in ("=", "+", "-", "@", "\t")
    assert tables.decode(SMALL, content)["name"][0] == text
