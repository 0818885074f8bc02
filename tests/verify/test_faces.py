"""What may show a face is listed, and nobody is told otherwise."""

from __future__ import annotations

import pandas as pd
import pytest
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage

from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.verify.faces import faces_left
from chorus_nb.workspace import Workspace


def findings(
    modality: str,
    body_part: str = "",
    study: str = "",
    series: str = "",
    mask: str = "",
    statuses: dict[str, str] | None = None,
    sop_class: str = CTImageStorage,
) -> list[str]:
    released = pd.DataFrame(
        {"source_path": ["a", "b"], "target_path": ["1/Images/CT/2/3/001.dcm", "1/Images/CT/2/3/002.dcm"]}
    ).assign(face_mask=mask)
    row = {"Modality": modality, "BodyPartExamined": body_part, "StudyDescription": study, "SeriesDescription": series}
    row["SOPClassUID"] = sop_class
    catalog = pd.DataFrame([{"source_path": path, "SeriesInstanceUID": "1.2", **row} for path in "ab"])
    return [finding.severity for finding in faces_left(released, catalog, statuses)]


@pytest.mark.parametrize("said", [{"body_part": "HEAD"}, {"study": "MR BRAIN W/O"}, {"series": "C-SPINE 2.0"}])
def test_a_series_of_the_head_is_listed_once(said: dict[str, str]) -> None:
    assert findings("CT", **said) == ["medium"]


def test_a_volume_that_does_not_say_what_it_shows_is_listed_too() -> None:
    assert findings("MR") == ["low"]


@pytest.mark.parametrize(("modality", "body_part"), [("CT", "CHEST"), ("DX", "SKULL")])
def test_what_cannot_show_a_face_in_space_is_not_listed(modality: str, body_part: str) -> None:
    assert findings(modality, body_part) == []


def test_a_captured_page_of_a_head_shows_no_face_and_another_capture_may() -> None:
    for series, severity in (("Dose Report", []), ("3D", ["high"])):
        found = findings("CT", study="CT HEAD", series=series, statuses={}, sop_class=SecondaryCaptureImageStorage)
        assert found == severity


def test_a_face_on_record_as_removed_is_only_mentioned() -> None:
    assert findings("CT", "HEAD", mask="abc", statuses={"1.2": "defaced"}) == ["info"]


@pytest.mark.parametrize(
    ("status", "severity"), [("as_it_is", "medium"), ("no_face_in_view", "low"), ("no_head", "low"), ("", "high")]
)
def test_where_faces_are_to_be_removed_a_head_needs_its_reason_to_leave_with_one(status: str, severity: str) -> None:
    assert findings("CT", "HEAD", statuses={"1.2": status}) == [severity]
    assert findings("CT", "HEAD", statuses={}) == ["high"]


def test_defacing_without_its_libraries_is_refused_in_one_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Parameters.of({**workspace.parameters.model_dump(), "deface": "apply"})
    asked.check_folders()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="deface: apply needs the extra deface"):
        asked.check_folders()
