"""What notebook 05 asks of the metadata tables, as a researcher would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chorus_nb.metadata import build_metadata, completeness, mapped_completeness, questions
from chorus_nb.registry import build_registry
from chorus_nb.workspace import Workspace
from tests.small_release import TWO_PATIENTS, make_workspace

CT, MR = TWO_PATIENTS


def test_each_question_of_a_researcher_runs_and_has_a_question(small: Workspace) -> None:
    build_registry(small)
    build_metadata(small)
    answers = dict(questions(small))
    assert len(answers) == 10
    assert answers["Contrast CT of the chest with slices under 1 mm"].values.tolist() == [
        [501, 9001, "Iohexol", 0.625, 2]
    ]
    assert all(len(answer.columns) > 1 for answer in answers.values())


def test_how_complete_headers_are_is_told_by_modality(small: Workspace) -> None:
    build_metadata(small)
    filled = completeness(small).set_index("attribute")
    assert filled.loc["SliceThickness"].tolist() == [100, 0]
    assert filled.loc["Manufacturer"].tolist() == [100, 100]


def test_what_mapping_adds_is_told_beside_what_headers_say(tmp_path: Path) -> None:
    described = replace(MR, attributes=(("SeriesDescription", "AX T2 FLAIR"), ("StudyDescription", "MR BRAIN")))
    workspace = make_workspace(tmp_path, (CT, described))
    build_metadata(workspace)
    filled = mapped_completeness(workspace).set_index(["field", "Modality"])[["files", "header", "mapped"]]
    assert filled.loc[("body part", "MR")].tolist() == [2, 0, 100]
    assert filled.loc[("body part", "CT")].tolist() == [2, 100, 100]
    assert filled.loc[("sequence type", "MR")].tolist() == [2, 0, 100]
    assert filled.loc[("view", "CT")].tolist() == [2, 0, 0]
