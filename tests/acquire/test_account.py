"""Every expected study, and every other one at the source, stands in the cell that it belongs to: none in another."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import acquire, tables
from chorus_nb.acquire.gaps import CELLS, gaps
from tests.acquire.hospital import ENCOUNTERS, GAPS, PLANTED, Hospital
from tests.small_release import TWO_PATIENTS, make_workspace


def named(lines: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Cell and reason of each line, by what the hospital calls it."""
    found = {}
    for row in lines.itertuples():
        key = row.StudyInstanceUID or row.AccessionNumber or f"procedure {row.procedure}"
        assert key not in found, "a study stands in two lines"
        found[key] = (row.cell, row.reason)
    return found


@pytest.mark.parametrize(("record", "outcomes"), [("invented", False), ("omop_demo", True)])
def test_every_planted_gap_stands_in_its_cell_and_no_other(
    tmp_path: Path, record: str, outcomes: bool, request: pytest.FixtureRequest
) -> None:
    visits = None
    if record == "omop_demo":
        shared = request.getfixturevalue("shared")
        visits = pd.read_csv(shared / "data" / "omop_demo" / "visit_occurrence.csv")
    hospital = Hospital(tmp_path, visits, outcomes=outcomes)
    assert hospital.planted.total() == ENCOUNTERS and all(hospital.planted[gap] == PLANTED for gap in GAPS)
    expected = acquire.expect_studies(hospital.workspace)
    lines = acquire.account(hospital.workspace)
    procedure = expected.set_index("number")["procedure_occurrence_id"]
    found = named(lines.assign(procedure=lines["number"].map(procedure)))
    wrong = {key: (found.get(key), cell) for key, cell in hospital.cells.items() if found.get(key) != cell}
    assert wrong == {} and found.keys() == hospital.cells.keys()
    assert len(expected) == ENCOUNTERS + hospital.twice and hospital.twice and set(lines["cell"]) <= set(CELLS)
    tables.to_arrow(tables.ACQUISITION, lines)
    cells = acquire.by_cell(lines)
    assert cells["studies"].sum() == len(lines) and (cells["meaning"] != "").all()
    grid = acquire.matrix(lines)
    assert grid["expected"].sum() == ENCOUNTERS and grid["found"].sum() == (lines["StudyInstanceUID"] != "").sum()


def test_each_reason_says_what_it_means_and_what_to_do() -> None:
    assert all(row["meaning"] and row["what_to_do"].endswith(".") for row in gaps().values())
    words = {code for code, row in gaps().items() if row["kind"] != "cell"}
    assert not words & tables.REMEDIES.keys()


@pytest.mark.parametrize(
    ("days", "cell"), [(["20990101-20990102"], "extra"), (["GARBAGE", "20990101"], "outside_visit")]
)
def test_a_range_or_what_is_no_date_lies_outside_no_visit(tmp_path: Path, days: list[str], cell: str) -> None:
    workspace = make_workspace(tmp_path)
    for name, columns in (("Personal", "person_id,Days_Shifted"), ("Image", "AccessionNumber,image_occurence_id")):
        row_of_it = {"Personal": f"{TWO_PATIENTS[0].patient},501,-100\n", "Image": ""}[name]
        (tmp_path / "lookup" / f"{name}_map.csv").write_text(f"PatientID,{columns}\n{row_of_it}")
    acquire.expect_studies(workspace)
    row = {"pacs": "a", "PatientID": TWO_PATIENTS[0].patient, "AccessionNumber": "NONE", "StudyInstanceUID": "1.9"}
    row |= {"Modality": "CT", "StudyTime": "", "instances": 1, "other_patient": False}
    rows = [row | {"SeriesInstanceUID": f"1.9.{number}", "StudyDate": day} for number, day in enumerate(days)]
    workspace.write(tables.ARCHIVE_SERIES, tables.frame(tables.ARCHIVE_SERIES, rows))
    assert acquire.account(workspace).set_index("StudyInstanceUID")["cell"]["1.9"] == cell
