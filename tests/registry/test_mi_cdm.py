"""MI-CDM for information: a series a row, and a bridge to the accession."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
from pydicom.dataset import Dataset

from chorus_nb.metadata import build_metadata
from chorus_nb.omop import cdm_fields
from chorus_nb.registry import build_mi_cdm, build_registry
from chorus_nb.registry.mi_cdm import FROM_EHR, VOCABULARY
from chorus_nb.workspace import Workspace
from tests.metadata.test_levels import with_last
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


def test_how_a_series_was_acquired_is_a_measurement_where_the_site_agrees(tmp_path: Path) -> None:
    said = {"SliceThickness": "0.625", "KVP": "120", "ConvolutionKernel": "B30f", "RepetitionTime": "9"}
    impossible = {"SliceThickness": "1.5", "KVP": "120000", "ConvolutionKernel": "B30f"}
    accessions = (
        replace(CT, images=3, attributes=tuple(said.items())),
        replace(CT, image_occurrence=9005, accession="ACC-5", attributes=tuple(impossible.items())),
    )
    workspace = make_workspace(tmp_path, accessions, omop_concepts=True)
    for keyword, value in (("SliceThickness", "5"), ("ConvolutionKernel", "B70f")):
        with_last(workspace, keyword, value)  # one image of the second series: no value speaks for others
    _, feature, _ = built(workspace)
    measured = workspace.metadata / "mi_cdm" / "measurement.csv"
    rows = pd.read_csv(measured, keep_default_na=False, dtype=str)
    assert rows.columns.tolist() == cdm_fields("measurement")["column"].tolist()
    assert not {"RepetitionTime"} & set(rows["measurement_source_value"])  # of MR
    told = rows[rows["measurement_source_value"].isin([*said])]
    assert told[
        ["measurement_source_value", "value_as_number", "value_source_value", "unit_source_value"]
    ].values.tolist() == [
        ["ConvolutionKernel", "", "B30f", ""],
        ["KVP", "120.0", "120", "kV"],
        ["SliceThickness", "0.625", "0.625", "mm"],
    ]
    assert set(rows["measurement_concept_id"]) == {"0"}
    leads = feature[feature["image_feature_event_id"].notna()]
    assert leads["image_feature_event_id"].astype(int).astype(str).tolist() == rows["measurement_id"].tolist()
    assert leads["image_feature_concept_id"].astype(str).tolist() == rows["measurement_source_concept_id"].tolist()
    assert feature["image_feature_id"].is_unique and set(leads["image_feature_event_field_concept_id"]) == {1147330}
    build_mi_cdm(Workspace(workspace.parameters.model_copy(update={"omop_concepts": False})))
    assert not measured.exists()


def test_a_release_without_series_has_no_measurements(tmp_path: Path) -> None:
    _, feature, _ = built(make_workspace(tmp_path, (replace(CT, status="held_back"),), omop_concepts=True))
    assert feature.empty


def test_a_second_build_changes_nothing(small: Workspace) -> None:
    built(small)
    folder = small.metadata / "mi_cdm"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    built(small)
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(before) == 4
