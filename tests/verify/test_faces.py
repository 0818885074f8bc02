"""Nothing is defaced yet, so what may show a face is listed, and nobody is told otherwise."""

from __future__ import annotations

import pandas as pd
import pytest

from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.verify.faces import faces
from chorus_nb.workspace import Workspace


def findings(modality: str, body_part: str = "", study: str = "", series: str = "") -> list[str]:
    released = pd.DataFrame(
        {"source_path": ["a", "b"], "target_path": ["1/Images/CT/2/3/001.dcm", "1/Images/CT/2/3/002.dcm"]}
    )
    row = {"Modality": modality, "BodyPartExamined": body_part, "StudyDescription": study, "SeriesDescription": series}
    catalog = pd.DataFrame([{"source_path": path, **row} for path in "ab"])
    return [finding.severity for finding in faces(released, catalog)]


@pytest.mark.parametrize("said", [{"body_part": "HEAD"}, {"study": "MR BRAIN W/O"}, {"series": "C-SPINE 2.0"}])
def test_a_series_of_the_head_is_listed_once(said: dict[str, str]) -> None:
    assert findings("CT", **said) == ["medium"]


def test_a_volume_that_does_not_say_what_it_shows_is_listed_too() -> None:
    assert findings("MR") == ["low"]


@pytest.mark.parametrize(("modality", "body_part"), [("CT", "CHEST"), ("DX", "SKULL")])
def test_what_cannot_show_a_face_in_space_is_not_listed(modality: str, body_part: str) -> None:
    assert findings(modality, body_part) == []


def test_defacing_is_refused_as_long_as_it_is_not_built(workspace: Workspace) -> None:
    asked = Parameters.of({**workspace.parameters.model_dump(), "deface": "apply"})
    with pytest.raises(InputError, match="deface: apply is not built yet"):
        asked.check_folders()
