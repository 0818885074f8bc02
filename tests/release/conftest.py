"""Packed releases over invented patients, and a real Azurite where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chorus_nb.workspace import Workspace
from tests.release.azurite_service import Azurite, azurite
from tests.small_release import make_workspace, parameters, ready


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, verified and registered; made once, copied for each test."""
    folder = tmp_path_factory.mktemp("built")
    ready(make_workspace(folder))
    return folder


@pytest.fixture
def built(template: Path, tmp_path: Path) -> Workspace:
    """Everything but packed."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Workspace(parameters(tmp_path))


@pytest.fixture(scope="session")
def blob_service() -> Iterator[Azurite]:
    with azurite() as service:
        yield service
