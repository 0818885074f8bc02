"""The release of the demo site, made by the real de-identification, has no finding of high severity."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb.deid import deidentify, make_worklist
from chorus_nb.explore import link, scan
from chorus_nb.parameters import Parameters
from chorus_nb.verify import checks, require_pass, verify
from chorus_nb.workspace import Workspace


@pytest.fixture(scope="module")
def demo_release(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folders = {
        name: str(demo_site / part) for name, part in (("source", "dicom"), ("omop", "omop"), ("lookup", "lookup"))
    }
    place = str(tmp_path_factory.mktemp("demo") / "workspace")
    workspace = Workspace(Parameters(workspace=place, workers=1, burned_in_text="skip", **folders)).create()
    scan(workspace)
    link(workspace)
    make_worklist(workspace)
    deidentify(workspace)
    return workspace


def test_the_clean_demo_release_passes(demo_release: Workspace) -> None:
    findings = verify(demo_release)
    grave = findings[findings.severity == "high"]
    assert grave.empty, grave[["check", "tag", "detail"]].to_string()
    require_pass(checks(demo_release))
