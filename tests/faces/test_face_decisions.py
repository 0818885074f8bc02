"""A person decides once about a head: it reaches every series, and the last decision about a series counts."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_a_decision_about_one_series_reaches_it_alone(workspace: Workspace) -> None:
    decide(workspace, "t1", "release")
    decide(workspace, "gone", "hold_head")
    assert said(workspace) == {"t1": "release", "gone": "hold"}
