"""The release of the demo site, made by the real de-identification, gives no false alarm."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from chorus_nb.deid import deidentify, make_worklist
from chorus_nb.errors import WorkbenchError
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


def test_the_clean_demo_release_gives_no_false_alarm(demo_release: Workspace) -> None:
    findings = verify(demo_release)
    grave = findings[(findings.severity == "high") & ~_broken_stream(findings)]
    assert grave.empty, grave[["check", "tag", "detail"]].to_string()


def test_an_image_no_decoder_can_read_closes_the_gate(demo_release: Workspace) -> None:
    """Without a look at the pixels (burned_in_text: skip) 03 releases the demo's broken stream; 04 sees it."""
    findings = verify(demo_release)
    if not _broken_stream(findings).any():
        pytest.skip("this demo site has no broken stream, or 03 holds it back")
    with pytest.raises(WorkbenchError, match="decoded"):
        require_pass(checks(demo_release))


def _broken_stream(findings: pd.DataFrame) -> pd.Series:
    return (findings.check == "decoded") & (findings.detail == "no decoder can read the pixels")
