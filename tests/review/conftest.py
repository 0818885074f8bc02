"""Workspaces for the panels: the tiny demo site surveyed and planned, and two images that wait for a review."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chorus_nb import explore, mapping, tables
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.browsing import Watched
from tests.review.cine import PAYLOAD, ultrasound

SITE_FOLDERS = {"source": "dicom", "omop": "omop", "lookup": "lookup"}


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    """A page on which nothing may pop up, fail or leave."""
    page = Watched(browser)
    yield page
    page.close()
    assert (page.dialogs, page.errors, page.outside) == ([], [], [])


@pytest.fixture(scope="session")
def planned_once(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny demo site after notebooks 01 and 02; never write to it."""
    folders = {name: str(demo_site / folder) for name, folder in SITE_FOLDERS.items()}
    made = {**folders, "site": "tiny", "workspace": str(tmp_path_factory.mktemp("planned") / "workspace")}
    workspace = Workspace(Parameters.of({**made, "workers": 1})).create()
    explore.scan(workspace)
    explore.profile(workspace)
    mapping.make_plan(workspace)
    return workspace


@pytest.fixture
def planned(workspace: Workspace, planned_once: Workspace) -> Workspace:
    """A copy of the tiny demo site after notebooks 01 and 02."""
    shutil.copytree(planned_once.root, workspace.root, dirs_exist_ok=True)
    return workspace


@pytest.fixture
def waiting(tmp_path: Path) -> Workspace:
    """Two cine loops of one series: text was found in the first (a payload), the second could not be searched."""
    source = tmp_path / "source"
    source.mkdir()
    for number, name in enumerate(("a.dcm", "b.dcm"), 1):
        (source / name).write_bytes(ultrasound(number=number))
    folders = {"source": str(source), "workspace": str(tmp_path / "workspace")}
    workspace = Workspace(Parameters.of({**folders, "lookup": str(source), "omop": str(source), "workers": 1})).create()
    explore.scan(workspace)
    device = {"device": "MAKER|MODEL|60x80", "verdict": "hold", "risk": "likely"}
    rows = [
        {"source_path": "b.dcm", "reason": "burned_in_text_unchecked", "checked": "not", **device},
        {"source_path": "a.dcm", "reason": "burned_in_text", "boxes": "6,4,60,14", "tier": "high", **device},
    ]
    workspace.write(tables.IMAGE_VERDICTS, tables.frame(tables.IMAGE_VERDICTS, rows))
    found = {"source_path": "a.dcm", "frame": 0, "box": "6,4,60,14", "text": PAYLOAD, "confidence": 0.9, "tier": "high"}
    workspace.write(tables.TEXT_FINDINGS, tables.frame(tables.TEXT_FINDINGS, [found]))
    return workspace
