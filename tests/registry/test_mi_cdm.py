"""MI-CDM for information: a series a row, and a bridge to the accession."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
from pydicom.dataset import Dataset

from chorus_nb.metadata import build_metadata
from chorus_nb.registry import build_mi_cdm, build_registry
from chorus_nb.registry.mi_cdm import FROM_EHR, VOCABULARY
from chorus_nb.workspace import Workspace
from tests.small_release import TWO_PATIENTS, make_workspace

CT = TWO_PATIENTS[0]


def built(workspace: Workspace) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    build_registry(workspace)
    build_metadata(workspace)
    return build_mi_cdm(workspace)


def test_a_series_is_a_row_and_the_bridge_leads_to_the_accession(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, (replace(CT, series=2),))
    occurrence, _, source = built(workspace)
    assert occurrence["image_occurrence_id"].tolist() == [1, 3]  # the lowest number of the files of the series
    assert source["accession_image_occurrence_id"].tolist() == [9001, 9001]
    assert occurrence["local_path"].tolist() == [f"501/Images/CT/9001/2.25.9001{n}" for n in (1, 2)]
    assert occurrence["image_occurrence_date"].tolist() == ["2024-03-02"] * 2


def test_concepts_come_from_the_codes_and_unknown_ones_are_0_with_their_source_value(tmp_path: Path) -> None:
    odd = replace(CT, image_occurrence=9005, accession="ACC-5", attributes=(("BodyPartExamined", "LEFT ELBOW?"),))
    occurrence, feature, source = built(make_workspace(tmp_path, (CT, odd)))
    assert occurrence["modality_concept_id"].tolist() == [4300757, 4300757]
    assert occurrence["anatomic_site_concept_id"].tolist() == [4184181, 0]  # CHEST: a structure, not an entire one
    assert source["anatomic_site_source_value"].tolist() == ["CHEST", "LEFT ELBOW?"]
    assert set(source["vocabulary"]) == {VOCABULARY}
    unknown = feature[(feature["image_occurrence_id"] == 3) & (feature["image_feature_id"] % 2 == 0)]
    assert unknown["image_feature_concept_id"].tolist() == [0]
    assert set(feature["image_feature_type_concept_id"]) == {FROM_EHR}


def test_a_coded_region_wins_over_the_body_part_text(tmp_path: Path) -> None:
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "818981001", "SCT", "Abdomen"
    coded = replace(CT, attributes=(("BodyPartExamined", "CHEST"), ("AnatomicRegionSequence", [region])))
    occurrence, _, source = built(make_workspace(tmp_path, (coded,)))
    assert source["anatomic_site_source_value"].tolist() == ["ABDOMEN"]
    assert occurrence["anatomic_site_concept_id"].tolist() == [37303869]


def test_a_second_build_changes_nothing(small: Workspace) -> None:
    built(small)
    folder = small.metadata / "mi_cdm"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    built(small)
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == 4
