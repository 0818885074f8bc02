"""The text burned into the demo site's images, by its answer key: hidden, or the image held back."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.explore import scan
from chorus_nb.pixels import find_text, judge, parse_boxes, redact
from chorus_nb.workspace import Workspace


@pytest.fixture
def planted(demo_site: Path) -> pd.DataFrame:
    """A row for each text in a picture that must not be seen in the release."""
    with open(demo_site / "answer_key.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["place"] == "pixels" and row["expected"] == "hidden"]
    assert rows
    return pd.DataFrame(rows)


def with_text(workspace: Workspace, planted: pd.DataFrame) -> pd.DataFrame:
    scan(workspace)
    catalog = workspace.read(tables.CATALOG)
    return catalog[catalog.source_path.isin(planted.source_path)]


def test_every_image_with_planted_text_is_held_back(workspace: Workspace, planted: pd.DataFrame) -> None:
    verdicts = judge(workspace, with_text(workspace, planted))
    assert set(verdicts.verdict) == {"hold"}


def test_no_planted_text_is_left_in_what_redact_releases(workspace: Workspace, planted: pd.DataFrame) -> None:
    redacting = Workspace(workspace.parameters.model_copy(update={"burned_in_text": "redact"})).create()
    verdicts = judge(redacting, with_text(redacting, planted)).set_index("source_path")
    assert "clean" not in set(verdicts.verdict)
    for path, verdict in verdicts[verdicts.verdict == "redact"].iterrows():
        content = workspace.source.read(str(path))
        values = planted.value[planted.source_path == path].tolist()
        left = find_text(redact(content, parse_boxes(verdict.boxes)), values)
        assert [finding.tier for finding in left if finding.tier != "low"] == []


def test_no_radiograph_of_a_chest_without_text_is_held_back(workspace: Workspace, planted: pd.DataFrame) -> None:
    """The dome of a liver is no letter (its local contrast is found at 0.74)."""
    scan(workspace)
    catalog = workspace.read(tables.CATALOG)
    chests = catalog[catalog.Modality.isin(["CR", "DX"]) & ~catalog.source_path.isin(planted.source_path)]
    chests = chests[chests.source_path.str.startswith("E")]  # not those that are odd in other ways
    assert len(chests) == 3
    assert set(judge(workspace, chests).verdict) == {"clean"}
