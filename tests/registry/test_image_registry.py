"""The image registry: a row per released file, and numbers that stay."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.parameters import resolve
from chorus_nb.registry import build_registry
from chorus_nb.registry.identifiers import MINTED, mint_procedures
from chorus_nb.workspace import Workspace
from tests.small_release import TWO_PATIENTS, Accession, fill, make_workspace, registered, write_omop

CT, MR = TWO_PATIENTS


def again(workspace: Workspace, *accessions: Accession) -> pd.DataFrame:
    """A later run with these accessions."""
    write_omop(resolve(workspace.parameters.omop), accessions)
    for path in workspace.release.glob("*/Images/**/*.dcm"):
        path.unlink()
    fill(workspace, accessions)
    return registered(workspace)


def test_the_csv_is_as_the_sop_lists_it_in_both_places(small: Workspace) -> None:
    build_registry(small)
    content = (small.metadata / "image_registry.csv").read_bytes()
    lines = content.decode().split("\n")
    assert lines[0] == "image_registry_id,file_id,proc_id,person_id,group_id,visit_id,datetime,src_file,trg_file"
    assert lines[1] == (
        "1,0ca044ce666db795,2000000000,501,9001,71,2024-03-02 08:15:30,501/Images/CT/9001/2.25.90011/001.dcm,"
    )
    assert b"\r" not in content
    assert content == (small.release / "image_registry.csv").read_bytes()


def test_a_linked_accession_has_the_procedure_of_the_record_and_another_one_a_minted_id(small: Workspace) -> None:
    by_group = registered(small).groupby("group_id")["proc_id"].unique()
    assert by_group[9002].tolist() == [333]
    assert by_group[9001].tolist() == [MINTED.start]


def test_two_accessions_of_one_procedure_share_it(tmp_path: Path) -> None:
    other = replace(MR, accession="ACC-0817", image_occurrence=9003)
    registry = registered(make_workspace(tmp_path, (MR, other)))
    assert registry.groupby("group_id")["proc_id"].first().tolist() == [333, 333]


@pytest.mark.parametrize(
    ("acquired", "shift", "shown"),
    [
        ("2023-12-01 05:00:00", -244, "2023-04-01 05:00:00"),
        ("2024-02-29 12:00:00", -365, "2023-03-01 12:00:00"),
        ("2024-02-29 12:00:00", -366, "2023-02-28 12:00:00"),
        ("2024-03-01 00:00:00", -1, "2024-02-29 00:00:00"),
        ("2023-06-11 02:30:00", -91, "2023-03-12 02:30:00"),  # an hour that daylight saving time left out
        ("2023-07-01 23:59:59", -730, "2021-07-01 23:59:59"),
    ],
)
def test_the_shift_moves_the_day_and_keeps_the_time_of_day(
    tmp_path: Path, acquired: str, shift: int, shown: str
) -> None:
    registry = registered(make_workspace(tmp_path, (replace(CT, acquired=acquired, shift=shift),)))
    assert set(registry["datetime"]) == {shown}


def test_a_file_without_a_date_has_that_of_its_accession(small: Workspace) -> None:
    catalog = small.read(tables.CATALOG)
    catalog.loc[0, "acquired"] = ""
    small.write(tables.CATALOG, catalog)
    assert registered(small)["datetime"][0] == "2024-03-02 08:15:30"


def test_files_without_any_date_stop_the_registry_with_their_number(small: Workspace) -> None:
    for table, column in ((tables.CATALOG, "acquired"), (tables.LINKAGE, "acquired_shifted")):
        small.write(table, small.read(table).assign(**{column: ""}))
    with pytest.raises(WorkbenchError, match="4 released files have no date"):
        build_registry(small)


def test_an_image_outside_every_visit_has_a_blank_visit_under_that_policy(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, (replace(CT, visit=None),), visit_policy="blank")
    build_registry(workspace)
    row = (workspace.metadata / "image_registry.csv").read_text().splitlines()[1]
    assert row.split(",")[5] == ""
    ddl = (workspace.metadata / "ddl" / "image_registry_mysql.sql").read_text()
    assert "visit_id INTEGER," in ddl


def test_a_second_run_changes_no_file(small: Workspace) -> None:
    build_registry(small)
    before = {path: path.stat().st_mtime_ns for path in small.release.rglob("*") if path.is_file()}
    build_registry(small)
    assert before == {path: path.stat().st_mtime_ns for path in small.release.rglob("*") if path.is_file()}


def test_another_patient_only_adds_rows(small: Workspace) -> None:
    first = registered(small)
    new = Accession("MRN-0004700", "ACC-0001", 400, 8000, visit=70)  # comes before the others in every order
    second = again(small, *TWO_PATIENTS, new)
    pd.testing.assert_frame_equal(second.iloc[:4], first)
    assert second["image_registry_id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert second["proc_id"].tolist()[-1] == MINTED.start + 1


def test_a_retracted_image_leaves_no_gap_and_its_ids_are_never_given_away(small: Workspace) -> None:
    first = registered(small)
    second = again(small, MR)
    assert second["image_registry_id"].tolist() == [1, 2]
    assert set(second["file_id"]) == set(first["file_id"][2:])
    retired = small.read(tables.REGISTRY_IDS).set_index("file_id").loc[first["file_id"][:2], "image_registry_id"]
    assert retired.isna().all()
    new = replace(CT, patient="MRN-0004999", accession="ACC-0999", image_occurrence=9900)
    third = again(small, MR, new)
    assert third["proc_id"].tolist() == [333, 333, MINTED.start + 1, MINTED.start + 1]
    pd.testing.assert_frame_equal(third.iloc[:2], second)
    back = again(small, MR, new, CT)
    assert back.loc[back["group_id"] == 9001, "proc_id"].unique().tolist() == [MINTED.start]


def test_a_minted_id_is_none_that_the_record_uses(small: Workspace) -> None:
    minted = mint_procedures(small, [7, 5], taken={MINTED.start, MINTED.start + 1})
    assert minted.to_dict() == {5: MINTED.start + 2, 7: MINTED.start + 3}


def test_a_used_up_range_of_ids_stops_the_run(small: Workspace) -> None:
    small.write(
        tables.PROCEDURE_IDS,
        tables.frame(tables.PROCEDURE_IDS, [{"image_occurrence_id": 1, "proc_id": MINTED.stop - 1}]),
    )
    with pytest.raises(WorkbenchError, match="used up"):
        mint_procedures(small, [2], taken=())


def test_only_new_and_changed_headers_are_read_again(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    build_registry(small)
    read: list[str] = []
    monkeypatch.setattr("chorus_nb.metadata.headers.read_header", lambda file, path: read.append(path) or {})
    build_registry(small)
    assert read == []


def test_a_released_file_that_cannot_be_read_is_named_without_its_values(small: Workspace) -> None:
    (small.release / "501/Images/CT/9001/2.25.90011/001.dcm").write_bytes(b"Smith^John")
    with pytest.raises(WorkbenchError, match=r"501/Images/CT/9001/2\.25\.90011/001\.dcm") as caught:
        build_registry(small)
    assert "Smith" not in str(caught.value)


def test_the_embedded_database_holds_the_rows_of_the_csv(small: Workspace) -> None:
    registry = registered(small)
    with sqlite3.connect(small.local / "registry.sqlite") as database:
        rows = database.execute("SELECT file_id, proc_id, visit_id FROM image_registry ORDER BY 1").fetchall()
    assert rows == sorted(registry[["file_id", "proc_id", "visit_id"]].itertuples(index=False, name=None))
