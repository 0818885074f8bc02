"""Fixtures that every room's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb.demo import make_site
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.browsing import browser  # noqa: F401  (a fixture, opened once for all tests)

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared facts and files beside the repository; a test that needs it is skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("the shared folder is not beside this repository")
    return SHARED


@pytest.fixture(scope="session")
def demo_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny demo site, made once: ``dicom/``, ``omop/``, ``lookup/``, ``answer_key.csv``. Never write to it."""
    return make_site(tmp_path_factory.mktemp("site"), size="tiny")


@pytest.fixture
def workspace(demo_site: Path, tmp_path: Path) -> Workspace:
    """An empty workspace over the tiny demo site."""
    return Workspace(
        Parameters(
            source=str(demo_site / "dicom"),
            omop=str(demo_site / "omop"),
            lookup=str(demo_site / "lookup"),
            workspace=str(tmp_path / "workspace"),
            workers=1,
        )
    ).create()
