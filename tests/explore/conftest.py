"""A small made-up site for the survey: files made in the test, tables written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.explore.survey_site import dataset, save, write_procedures, write_visits


@pytest.fixture
def survey(tmp_path: Path) -> Workspace:
    """A workspace over an empty source with lookup and OMOP tables of two patients."""
    for folder in ("dicom", "lookup", "omop"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lookup/Personal_map.csv").write_text("PatientID,person_id,Days_Shifted\nMRN1,1,-10\nMRN2,2,-20\n")
    (tmp_path / "lookup/Image_map.csv").write_text(
        "PatientID,AccessionNumber,image_occurence_id\nMRN1,ACC1,101\nMRN1,ACC2,102\nMRN2,ACC3,103\n"
    )
    (tmp_path / "omop/person.csv").write_text(
        "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id\n1,0,1950,0,0\n2,0,1950,0,0\n"
    )
    parameters = Parameters(
        source=str(tmp_path / "dicom"),
        lookup=str(tmp_path / "lookup"),
        omop=str(tmp_path / "omop"),
        workspace=str(tmp_path / "workspace"),
        workers=1,
    )
    made = Workspace(parameters).create()
    write_visits(made, "100,1,9201,2023-12-01,2023-12-31")
    write_procedures(made)
    return made


@pytest.fixture
def add(survey: Workspace) -> Callable[..., Path]:
    """Add a DICOM file to the source: ``add("a/b", Modality="MR")``."""

    def _add(path: str, syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> Path:
        return save(Path(survey.parameters.source) / path, dataset(**attributes), syntax)

    return _add
