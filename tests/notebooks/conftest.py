"""The chain, run once on the tiny demo site; the tests read what it left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.notebooks.finished_chain import Chain, chorus_nb


@pytest.fixture(scope="session")
def chain(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """All six notebooks on the tiny demo site."""
    folder = tmp_path_factory.mktemp("chain")
    values = {
        "site": "tiny",
        "source": str(demo_site / "dicom"),
        "omop": str(demo_site / "omop"),
        "lookup": str(demo_site / "lookup"),
        "workspace": str(folder / "workspace"),
    }
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(values))
    calls = folder / "calls.txt"
    done = chorus_nb("run", str(file), calls=calls)
    ended = shutil.copytree(folder / "workspace", folder / "ended", ignore=shutil.ignore_patterns("cache", "scratch"))
    return Chain(file, Workspace(Parameters.read(file)), done.returncode, done.stderr, ended, calls)
