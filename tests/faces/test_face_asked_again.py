"""Which series are asked again whether they may show a face: what is asked is made only where no answer is known."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from chorus_nb.faces.decisions import FaceDecision
from chorus_nb.faces.judge import FACTS, _groups
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace


@pytest.mark.fast
@pytest.mark.parametrize("column", FACTS)
def test_a_study_is_asked_again_where_a_value_that_it_is_asked_by_is_another(column: str, tmp_path: Path) -> None:
    files = [{name: f"{name} {number // 2}" for name in FACTS} | {"source_path": str(number)} for number in range(4)]
    images = pd.DataFrame(files).assign(need="pixels", StudyInstanceUID="1.2.3")
    workspace = Workspace(Parameters(workspace=str(tmp_path)))
    [before] = _groups(images, workspace, {})
    assert before.series == ("SeriesInstanceUID 0", "SeriesInstanceUID 1")
    [same] = _groups(images[::-1], workspace, {})
    [decided] = _groups(images, workspace, {before.series[1]: FaceDecision("deface", None, (1.0, 0.0, 0.0))})
    assert same.fingerprint == before.fingerprint != decided.fingerprint
    images.loc[1, column] = "another"
    assert before.fingerprint not in [group.fingerprint for group in _groups(images, workspace, {})]
