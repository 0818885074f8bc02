"""The mapped fields of series and images: one vocabulary, with source and confidence; no value speaks for others."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from pydicom.dataset import Dataset

from chorus_nb import tables
from chorus_nb.metadata import build_metadata
from chorus_nb.metadata.fields import map_fields
from chorus_nb.metadata.mapped import DELIVERED_FIELDS, SAID_IN
from chorus_nb.standards import body_part_concepts
from chorus_nb.workspace import Workspace
from tests.metadata.test_levels import with_last
from tests.small_release import TWO_PATIENTS, make_workspace

CT, MR = TWO_PATIENTS
KNEE = (("SeriesDescription", "SAG T1 LT KNEE"), ("ImageOrientationPatient", ["0", "1", "0", "0", "0", "-1"]))
CHEST = (("ImageLaterality", "R"), ("BodyPartExamined", "CHEST"), ("ContrastBolusAgent", "Iohexol"))
MLO = Dataset()
MLO.CodeValue, MLO.CodingSchemeDesignator, MLO.CodeMeaning = "399368009", "SCT", "medio-lateral oblique"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Metadata of four accessions; the last of the four images of 9001 differs from the others."""
    contradicted = (("BodyPartExamined", "CHEST"), ("SeriesDescription", "KNEE ARTERIAL"))
    accessions = (
        replace(CT, images=4, attributes=CHEST),
        replace(MR, attributes=KNEE),
        replace(MR, accession="ACC-0817", image_occurrence=9003, attributes=contradicted),
        replace(
            MR, accession="ACC-0818", image_occurrence=9004, modality="DX", attributes=(("ViewCodeSequence", [MLO]),)
        ),
    )
    made = make_workspace(tmp_path_factory.mktemp("mapped"), accessions)
    for keyword, value in (("ImageLaterality", "L"), ("BodyPartExamined", "ABDOMEN"), ("ContrastBolusAgent", "")):
        with_last(made, keyword, value)
    build_metadata(made)
    return made


@pytest.fixture
def series(workspace: Workspace) -> pd.DataFrame:
    return workspace.read(tables.SERIES).set_index("image_occurrence_id")


def said(series: pd.DataFrame, accession: int, field: str) -> list[str]:
    return [str(series.loc[accession, f"mapped_{field}{part}"]) for part in ("", "_source", "_confidence")]


def test_a_description_is_read_where_no_attribute_says_it(series: pd.DataFrame) -> None:
    assert said(series, 9002, "body_part") == ["KNEE", "SeriesDescription", "medium"]
    assert said(series, 9002, "laterality") == ["L", "SeriesDescription", "medium"]
    assert said(series, 9002, "plane") == ["SAGITTAL", "SeriesDescription", "medium"]
    assert said(series, 9002, "sequence_type") == ["T1", "SeriesDescription", "medium"]
    assert said(series, 9002, "view") == ["", "", ""]
    assert series.loc[9002, "mapped_body_part_concept_id"] == body_part_concepts()["KNEE"].omop_concept_id > 0


def test_images_that_differ_are_listed_with_counts(series: pd.DataFrame) -> None:
    assert said(series, 9001, "laterality") == ["L (1); R (3)", "ImageLaterality", "high"]
    assert said(series, 9001, "contrast") == [
        "(none) (1); with (3)",
        "(none) (1); ContrastBolusAgent (3)",
        "(none) (1); high (3)",
    ]
    assert series.loc[9001, "mapped_body_part"] == "ABDOMEN (1); CHEST (3)"
    assert pd.isna(series.loc[9001, "mapped_body_part_concept_id"])


def test_what_two_sources_contradict_stays_empty_and_both_are_told(series: pd.DataFrame) -> None:
    assert said(series, 9003, "body_part") == ["", "BodyPartExamined | SeriesDescription", "contradicted"]
    assert series.loc[9003, "mapped_body_part_concept_id"] == 0


def test_the_phase_after_contrast_is_delivered(series: pd.DataFrame) -> None:
    assert said(series, 9003, "phase") == ["ARTERIAL", "SeriesDescription", "medium"]
    assert said(series, 9002, "phase") == ["", "", ""]


def test_a_view_is_read_from_its_code(series: pd.DataFrame) -> None:
    assert said(series, 9004, "view") == ["MLO", "ViewCodeSequence", "high"]


def test_each_image_has_what_its_own_header_says(workspace: Workspace) -> None:
    image = workspace.read(tables.IMAGE).set_index("path")
    headers = workspace.read(tables.RELEASED_HEADERS).rename(columns=SAID_IN).set_index("target_path")
    for path, header in headers.iterrows():  # each alone
        [own] = map_fields(pd.DataFrame([header])).to_dict("records")
        assert [image.loc[path, f"mapped_{field}"] for field in DELIVERED_FIELDS] == [
            own[field] for field in DELIVERED_FIELDS
        ]
    assert image["mapped_laterality"].value_counts().to_dict() == {"": 4, "R": 3, "L": 3}
