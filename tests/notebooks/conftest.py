"""The chain, run once on the tiny demo site; the tests read what it left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from finished_chain import Chain, chorus_nb

from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace


@pytest.fixture(scope="session")
def chain(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """All six notebooks on the tiny demo site."""
    folder = tmp_path_factory.mktemp("chain")
    values = {
        "source": str(demo_site / "dicom"),
        "omop": str(demo_site / "omop"),
        "lookup": str(demo_site / "lookup"),
        "workspace": str(folder / "workspace"),
    }
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(values))
    done = chorus_nb("run", str(file))
    return Chain(file, Workspace(Parameters.read(file)), done.returncode, done.stderr)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium that reaches nothing outside this machine; skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium here: .ci/run installs it")
    cut_off = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", cut_off])
        yield opened
        opened.close()
