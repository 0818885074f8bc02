"""What notebook 05 shows: how links were found, and when in a stay images are taken."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb.figures.registry import images_per_visit_day, time_to_imaging
from chorus_nb.registry import build_registry, held_back, link_summary, visit_timing
from chorus_nb.workspace import Workspace
from tests.small_release import TWO_PATIENTS, make_workspace

CT, MR = TWO_PATIENTS


def test_links_are_counted_by_how_they_were_found(small: Workspace) -> None:
    rows = link_summary(small).values.tolist()
    assert rows == [["overlap", "explicit", 1, 2], ["overlap", "minted", 1, 2]]


def test_what_is_held_back_is_counted_by_reason(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, (replace(CT, status="held_back", visit=None), MR))
    assert held_back(workspace).values.tolist() == [["held_back", "no_visit", 2]]
    rows = link_summary(workspace).values.tolist()
    assert ["none", "none: nothing of it is released", 1, 2] in rows  # no procedure is minted for it


def test_an_accession_is_timed_from_the_admission_of_its_visit(small: Workspace) -> None:
    build_registry(small)
    timing = visit_timing(small).set_index("modality")
    assert timing.loc["CT", "hours"] == pytest.approx(24 + 8 + 15.5 / 60)  # admitted at midnight of the day before
    assert timing.loc["CT", "day"] == 2
    assert timing["files"].tolist() == [2, 2]


@pytest.mark.parametrize("count", [0, 1, 300])
def test_the_figures_draw_any_number_of_accessions(count: int) -> None:
    rows = [("CT" if n % 3 else "D$X$", 1, float(n - 5), n // 24 - 1) for n in range(count)]
    timing = pd.DataFrame(rows, columns=["modality", "files", "hours", "day"])
    for draw in (images_per_visit_day, time_to_imaging):
        picture = BytesIO()
        draw(timing).savefig(picture, format="png")
        assert picture.getvalue().startswith(b"\x89PNG")
