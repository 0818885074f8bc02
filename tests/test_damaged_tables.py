"""Every table of a workspace that is damaged, or of another version, is one line that says what to delete."""

from __future__ import annotations

import functools
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chorus_nb import tables
from chorus_nb.deid import deidentify
from chorus_nb.deid.ledger import Ledger
from chorus_nb.errors import DamagedTable, WorkbenchError
from chorus_nb.explore import profile, scan
from chorus_nb.explore.catalog import parts_folder
from chorus_nb.faces import masks
from chorus_nb.parameters import Parameters
from chorus_nb.tables import Table
from chorus_nb.verify.pictures import face_mask
from chorus_nb.workbench import audit, begin
from chorus_nb.workspace import Workspace
from tests.deid.conftest import image
from tests.deid.small_run import SmallSite, plan

PERSON = "Quillfeather^Odalys"  # stands in every text cell: no error may say it
VALUES = {"text": PERSON, "integer": 7, "number": 0.5, "truth": True}


@functools.cache
def content(table: Table) -> bytes:
    return tables.encode(table, tables.frame(table, [{c.name: VALUES[c.kind] for c in table.columns}]))


def cut(table: Table) -> bytes:
    return content(table)[: len(content(table)) // 2]


def emptied(table: Table) -> bytes:
    return b""


def garbage(table: Table) -> bytes:
    return b"\xff\xfe\x00" + PERSON.encode() * 9


def without_a_column(table: Table) -> bytes:
    return rewritten(table, lambda rows: rows.drop_columns([table.column_names[-1]]))


def with_another_column(table: Table) -> bytes:
    return rewritten(table, lambda rows: rows.append_column(PERSON, pa.array(["x"])))


def of_another_type(table: Table) -> bytes:
    return rewritten(table, lambda rows: rows.set_column(0, rows.column_names[0], pa.array([b"\xff"])))


def rewritten(table: Table, change: Callable[[pa.Table], pa.Table]) -> bytes:
    rows, sink = change(tables.to_arrow(table, tables.decode(table, content(table)))), pa.BufferOutputStream()
    if table.format == "parquet":
        pq.write_table(rows, sink)
        return bytes(sink.getvalue())
    return tables.csv_bytes(rows.to_pandas().map(lambda cell: "\\xff" if cell == b"\xff" else cell))


DAMAGE = (cut, emptied, garbage, without_a_column, with_another_column, of_another_type)
READERS: dict[str, Callable[[Workspace, Table], object]] = {
    "whole": lambda workspace, table: workspace.read(table),
    "compact": lambda workspace, table: workspace.read(table, compact=True),
    "a column": lambda workspace, table: workspace.read(table, [table.column_names[-1]]),
}


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return Workspace(Parameters(workspace=str(tmp_path))).create()


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_table_is_one_line_that_says_what_to_do(
    opened: Workspace, damage: Callable[[Table], bytes], reader: str
) -> None:
    for table in list(tables.TABLES.values())[:: 1 if reader == "whole" else 5]:
        path = opened.path(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage(table))
        harmless = (
            reader == "a column" and table.format == "parquet" and damage in (with_another_column, of_another_type)
        )
        harmless |= damage is of_another_type and table.format == "csv" and table.columns[0].kind == "text"
        harmless |= damage is cut and table.format == "csv"  # may end with a row
        harmless |= damage is without_a_column and table.column_names[-1] in table.later  # it came later
        try:
            READERS[reader](opened, table)
        except DamagedTable as error:
            [line] = str(error).splitlines()
            assert PERSON not in line and line.startswith(f"{path.parent.name}/{path.name}: ")
            assert ("put it back from a backup" if keeps(table) else f"delete it and run {table.made_by} again") in line
        else:
            assert harmless, table.name


def keeps(table: Table) -> bool:
    """Whether a table holds what cannot be made anew."""
    return table.kept == "decisions" or table.name in ("registry_ids", "procedure_ids", "deliveries")


def test_a_notebook_begins_only_with_tables_that_can_be_read(demo_site: Path, tmp_path: Path) -> None:
    values = {name: str(demo_site / folder) for name, folder in FOLDERS} | {
        "site": "tiny",
        "workspace": str(tmp_path / "w"),
    }
    workspace = Workspace(Parameters.of(values)).create()
    workspace.path(tables.LINKAGE).write_bytes(cut(tables.LINKAGE))
    workspace.path(tables.OUTCOMES).write_bytes(without_a_column(tables.OUTCOMES))
    with pytest.raises(DamagedTable) as refused:
        begin("04_verify", values)
    assert refused.value.lines == (
        "local/linkage.parquet: is damaged; delete it and run 01_explore_headers again",
        "local/outcomes.parquet: lacks the columns seconds; delete it and run 03_run_deid again",
    )


FOLDERS = (("source", "dicom"), ("omop", "omop"), ("lookup", "lookup"))


def test_a_table_is_as_its_notebook_left_it(demo_site: Path, tmp_path: Path) -> None:
    values = {name: str(demo_site / folder) for name, folder in FOLDERS} | {
        "site": "tiny",
        "workspace": str(tmp_path / "w"),
    }
    run = begin("05_build_registry", values)
    run.workspace.write(tables.SEAL, tables.empty(tables.SEAL))
    run.workspace.write(tables.OMOP_FINDINGS, tables.empty(tables.OMOP_FINDINGS))
    run.finish(tables.OMOP_FINDINGS)
    begin("06_release", values)  # as it was left
    seal = run.workspace.path(tables.SEAL)
    seal.write_bytes(content(tables.SEAL))
    with pytest.raises(DamagedTable) as refused:
        begin("06_release", values)
    assert refused.value.lines == (
        "local/seal.parquet: is not as 05_build_registry left it; run 05_build_registry again",
    )
    assert [line for line in audit.verify_chain(run.workspace) if "seal" in line]
    begin("05_build_registry", values)  # which makes it again


def test_a_table_that_a_later_notebook_changes_is_known_at_once(demo_site: Path, tmp_path: Path) -> None:
    values = {name: str(demo_site / folder) for name, folder in FOLDERS} | {
        "site": "tiny",
        "workspace": str(tmp_path / "w"),
    }
    first = begin("03_run_deid", values)
    first.workspace.write(tables.OUTCOMES, tables.empty(tables.OUTCOMES))
    first.finish()
    path = begin("04_verify", values).workspace.write(
        tables.OUTCOMES, tables.decode(tables.OUTCOMES, content(tables.OUTCOMES))
    )
    begin("05_build_registry", values)  # though 04 did not come to its end
    path.write_bytes(tables.encode(tables.OUTCOMES, tables.empty(tables.OUTCOMES)))
    with pytest.raises(DamagedTable, match=r"local/outcomes\.parquet"):
        begin("05_build_registry", values)


def test_a_part_of_the_survey_that_is_damaged_is_read_again(workspace: Workspace) -> None:
    counts = scan(workspace)
    for suffix in ("catalog", "tags", "values"):
        [part, *_] = sorted(parts_folder(workspace).glob(f"*.{suffix}.parquet"))
        part.write_bytes(part.read_bytes()[:-9])
        assert scan(workspace).equals(counts)
    [part, *_] = sorted(parts_folder(workspace).glob("*.values.parquet"))
    part.write_bytes(part.read_bytes()[:4] + bytes(part.stat().st_size - 3000) + part.read_bytes()[-2996:])
    with pytest.raises(DamagedTable, match="local/survey: is damaged; delete that folder and run 01_explore_headers"):
        profile(workspace)


@pytest.mark.parametrize("damage", ["cut", "garbage", "no text"])
def test_a_damaged_ledger_is_one_line_without_a_value(opened: Workspace, damage: str) -> None:
    with Ledger(opened) as kept:
        kept.record([{"source_path": f"{PERSON}/{number}", "status": "released"} for number in range(2000)])
    path = opened.local / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        if damage == "no text":
            connection.execute("update outcome set status = cast(x'ff' || cast(source_path as blob) as text)")
    connection.close()
    if damage != "no text":
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"\xff" * 4096 + whole[4096:])
    with pytest.raises(WorkbenchError) as refused, Ledger(opened) as kept:
        kept.rows()
    assert str(refused.value).startswith("local/ledger.sqlite is damaged; delete it") and PERSON not in str(
        refused.value
    )


@pytest.mark.parametrize("damage", ["cut", "a byte", "gone", "another's"])
def test_damaged_face_masks_are_not_relied_on(tmp_path: Path, damage: str) -> None:
    """So the series is looked at again: a mask with another pixel would leave part of a face."""
    dotted, blank = np.eye(64, dtype=bool)[None], np.zeros((1, 64, 64), bool)
    name = masks.write(tmp_path, {f"{PERSON}/1": masks.FaceMask(dotted, 24)})
    assert masks.are_whole(tmp_path, name)
    path = tmp_path / f"{name}.parquet"
    content = path.read_bytes()
    path.unlink()
    if damage == "another's":
        (tmp_path / f"{masks.write(tmp_path, {'1': masks.FaceMask(blank, 24)})}.parquet").rename(path)
    elif damage != "gone":
        at = content.index(zlib.compress(np.packbits(dotted).tobytes(), 6)[:8])
        flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        path.write_bytes(content[:-40] if damage == "cut" else flipped)
    assert not masks.are_whole(tmp_path, name)
    with pytest.raises(masks.DamagedMask) as refused:
        masks.read_mask(tmp_path, name, f"{PERSON}/1")
    assert name in str(refused.value) and PERSON not in str(refused.value)
    with pytest.raises((OSError, ValueError)):
        face_mask(tmp_path, name, f"{PERSON}/1")


def test_a_face_mask_damaged_after_the_plan_costs_its_file_until_it_is_made_again(tmp_path: Path) -> None:
    site = SmallSite(tmp_path)
    site.add("head")
    workspace = site.open(deface="skip")
    planned = plan(workspace).reset_index()
    rows, columns = int(image().Rows), int(image().Columns)
    folder = workspace.local / masks.MASKS_FOLDER
    name = masks.write(folder, {"head": masks.FaceMask(np.eye(rows, columns, dtype=bool)[None], 1)})
    workspace.write(tables.WORKLIST, planned.assign(face_mask=name))
    whole = (folder / f"{name}.parquet").read_bytes()
    (folder / f"{name}.parquet").write_bytes(whole[:-40])
    [row] = deidentify(workspace).itertuples()
    assert (row.status, row.reason) == ("quarantined", "face_not_removed") and not list(
        workspace.release.rglob("*.dcm")
    )
    (folder / f"{name}.parquet").write_bytes(whole)
    [row] = deidentify(workspace).itertuples()
    assert row.status == "released" and row.face_share > 0
