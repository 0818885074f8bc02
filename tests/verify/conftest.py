"""The hand-made release, verified once; each test gets a copy to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chorus_nb.verify import verify
from chorus_nb.workspace import Workspace
from tests.verify import small_site


@pytest.fixture(scope="session")
def clean_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "site"
    verify(small_site.make(folder))
    return folder


@pytest.fixture
def release(clean_site: Path, tmp_path: Path) -> Workspace:
    """A copy of the verified clean release, with the verifier's memory."""
    shutil.copytree(clean_site / "workspace", tmp_path / "workspace")
    return small_site.open_workspace(clean_site, tmp_path / "workspace")
