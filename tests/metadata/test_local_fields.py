"""What a site writes becomes a field: what nothing tells is listed, and a person's word holds in the next release."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.metadata import build_metadata, decide_fields, local_fields
from chorus_nb.metadata.local_fields import FIELD_LOG, decided_fields
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.small_release import TWO_PATIENTS, make_workspace

# series, files, Modality, SeriesDescription, BodyPartExamined
SERIES = [
    ("1", 3, "CT", "PROTOCOL 7 Threlkeld - E71361795", ""),
    ("2", 1, "CT", "PROTOCOL 7", ""),
    ("3", 9, "MR", "SAG T1 KNEE", "CHEST"),
    ("4", 1, "MR", "SAG T1 KNEE", ""),
]
UNNAMED = {"field": "body_part", "attribute": "SeriesDescription", "local": "PROTOCOL 7"}


@pytest.fixture
def scanned(tmp_path: Path) -> Workspace:
    folders = {name: str(tmp_path / name) for name in ("source", "omop", "lookup", "workspace")}
    (tmp_path / "source").mkdir()
    workspace = Workspace(Parameters.of({**folders, "decisions": str(tmp_path / "decisions")})).create()
    names = ("SeriesInstanceUID", "Modality", "SeriesDescription", "BodyPartExamined")
    rows = [
        {"source_path": f"{series}/{n}", "status": "dicom", **dict(zip(names, (series, *said), strict=True))}
        for series, files, *said in SERIES
        for n in range(files)
    ]
    blank = {column.name: {"integer": 0, "truth": False}.get(column.kind, "") for column in tables.CATALOG.columns}
    workspace.write(tables.CATALOG, pd.DataFrame([blank | row for row in rows]))
    return workspace


def waiting(workspace: Workspace, field: str) -> list[list[object]]:
    found = local_fields(workspace).waiting
    return found.loc[found.field == field, ["local", "confidence", "original", "series", "files"]].values.tolist()


def test_what_contradicts_or_is_unsaid_waits_without_the_words_that_go(scanned: Workspace) -> None:
    assert waiting(scanned, "body_part") == [
        ["SAG T1 KNEE", "contradicted", "CHEST | SAG T1 KNEE", 1, 9],
        ["PROTOCOL 7", "unsaid", "", 2, 4],
    ]
    assert waiting(scanned, "sequence_type") == []  # both series of MR say it
    assert [local for local, *_ in waiting(scanned, "contrast")] == ["PROTOCOL 7"]  # of CT it is asked
    written = scanned.path(tables.LOCAL_FIELD_VALUES).read_text("utf-8")
    assert "Threlkeld" not in written and "E71361795" not in written


def test_what_a_person_decided_waits_no_more_and_may_be_taken_back(scanned: Workspace) -> None:
    decide_fields(scanned, [UNNAMED], "CHEST", "our lung protocol", "ada")
    assert [local for local, *_ in waiting(scanned, "body_part")] == ["SAG T1 KNEE"]
    rows = local_fields(scanned).rows
    [said] = rows[(rows.field == "body_part") & (rows.local == "PROTOCOL 7")].to_dict("records")
    assert (said["value"], said["source"], said["reviewer"]) == ("CHEST", "site: SeriesDescription", "ada")
    FIELD_LOG.withdraw(scanned, "ada")
    assert len(waiting(scanned, "body_part")) == 2


@pytest.mark.parametrize(
    ("row", "value", "fault"),
    [
        (UNNAMED, "Threlkeld", "body_part has no such value"),
        ({**UNNAMED, "field": "patient"}, "CHEST", "field must be one of"),
        ({**UNNAMED, "attribute": "PatientName"}, "CHEST", "attribute must be one"),
    ],
)
def test_a_decision_is_about_a_field_and_one_of_its_values(
    scanned: Workspace, row: dict[str, str], value: str, fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        decide_fields(scanned, [row], value, "", "ada")
    assert decided_fields(scanned).empty


@pytest.mark.parametrize("local", ["PROTOCOL 7", "PROTOCOL 7 - E71361795"])
def test_05_delivers_what_was_decided(tmp_path: Path, local: str) -> None:
    """Also of a text with a number that the release does not have."""
    ct = replace(TWO_PATIENTS[0], attributes=(("SeriesDescription", "Protocol 7"), ("BodyPartExamined", "")))
    workspace = make_workspace(tmp_path, (ct,))
    decide_fields(workspace, [{**UNNAMED, "local": local}], "KNEE", "", "ada")
    _, series = build_metadata(workspace)
    said = series[["mapped_body_part", "mapped_body_part_source", "mapped_body_part_confidence"]]
    assert said.values.tolist() == [["KNEE", "site: SeriesDescription", "high"]]
