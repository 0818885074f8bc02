"""A person decides once about a head: it reaches every series, and the last decision about a series counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb import tables
from chorus_nb.decisions import series_digests
from chorus_nb.faces.decisions import FACE_LOG, face_decisions
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite

HEADS = {"t1": "one", "dwi": "one", "loc": "one", "ct": "two"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return SmallSite(tmp_path).open()


def decide(workspace: Workspace, item: str, decision: str, **cells: str) -> None:
    FACE_LOG.append(workspace, "ada", {"item": item, "decision": decision, **cells})


def said(workspace: Workspace) -> dict[str, str]:
    return {series: one.decision for series, one in face_decisions(workspace, HEADS).items()}


def test_a_decision_about_a_head_reaches_all_its_series_and_no_other(workspace: Workspace) -> None:
    decide(workspace, "t1", "deface_head", shift="0,5,0")
    found = face_decisions(workspace, HEADS)
    assert {series: one.decision for series, one in found.items()} == dict.fromkeys(("t1", "dwi", "loc"), "deface")
    assert {one.lead for one in found.values()} == {"t1"}
    assert found["dwi"].shift == (0, 5, 0)


def test_the_last_decision_about_a_series_counts_whichever_series_it_was_taken_on(workspace: Workspace) -> None:
    decide(workspace, "dwi", "hold_head")
    decide(workspace, "loc", "release")
    assert said(workspace) == {"t1": "hold", "dwi": "hold", "loc": "release"}
    decide(workspace, "t1", "deface_head")
    assert said(workspace) == dict.fromkeys(("t1", "dwi", "loc"), "deface")
    decide(workspace, "dwi", "hold_head")
    assert said(workspace) == dict.fromkeys(("t1", "dwi", "loc"), "hold"), "the item decided first was decided again"
    FACE_LOG.withdraw(workspace, "ada")
    FACE_LOG.withdraw(workspace, "ada")
    assert said(workspace) == {"t1": "hold", "dwi": "hold", "loc": "release"}


def test_what_lets_a_face_go_counts_only_for_the_images_that_were_seen(workspace: Workspace) -> None:
    files = [{"source_path": "a", "SeriesInstanceUID": "t1", "SOPInstanceUID": "1.2", "size": 5}]
    keep_catalog(workspace, files)
    seen = series_digests(workspace, ["t1"])["t1"]
    for decision in ("release", "deface_head", "hold"):
        decide(workspace, "t1", decision, seen_digest=seen)
        assert said(workspace)["t1"] == decision.removesuffix("_head")
        keep_catalog(workspace, [*files, {**files[0], "source_path": "b", "SOPInstanceUID": "1.3"}])
        assert ("t1" in said(workspace)) == (decision == "hold"), "another slice came"
        keep_catalog(workspace, files)
        FACE_LOG.withdraw(workspace, "ada")


def test_a_row_by_hand_is_about_the_images_that_were_there_when_a_run_first_met_it(workspace: Workspace) -> None:
    files = [{"source_path": "a", "SeriesInstanceUID": "t1", "SOPInstanceUID": "1.2", "size": 5}]
    keep_catalog(workspace, files)
    for decision in ("release", "deface_head", "hold"):
        decide(workspace, "t1", decision)
        assert said(workspace)["t1"] == decision.removesuffix("_head")
        keep_catalog(workspace, [*files, {**files[0], "source_path": "b", "SOPInstanceUID": "1.3"}])
        assert ("t1" in said(workspace)) == (decision == "hold"), "another slice came"
        keep_catalog(workspace, files)
        FACE_LOG.withdraw(workspace, "ada")


def keep_catalog(workspace: Workspace, rows: list[dict[str, object]]) -> None:
    zero = {"integer": 0, "truth": False, "number": 0.0, "text": ""}
    blank = {column.name: zero[column.kind] for column in tables.CATALOG.columns}
    workspace.write(tables.CATALOG, tables.frame(tables.CATALOG, [{**blank, **row} for row in rows]))


def test_a_decision_about_one_series_reaches_it_alone(workspace: Workspace) -> None:
    decide(workspace, "t1", "release")
    decide(workspace, "gone", "hold_head")
    assert said(workspace) == {"t1": "release", "gone": "hold"}
