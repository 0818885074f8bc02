"""One decision on a device and layout frees the pictures that say who it is in the same places."""

from __future__ import annotations

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.pixels import checks, judge
from chorus_nb.pixels.boxes import Box, parse_boxes
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.pixels.layouts import decisions_that_free, said_of_layouts
from chorus_nb.workspace import Workspace
from tests.pixels.images_with_text import PERSON, Site, image
from tests.pixels.test_judge import decide

NAME, DATE = Box(8, 8, 200, 30), Box(220, 8, 300, 30)


@pytest.fixture
def held(site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, pd.DataFrame]:
    """Six pictures of one ultrasound device: a name or a date on each, where nothing is filled."""

    def look(_: object, __: object, tasks: list[tuple[object, str, str]], *___: object, **____: object) -> object:
        for number, task in enumerate(tasks):
            place = (NAME, DATE)[int(task[1]) % 2]
            covered = any(box.common(place) == place for box in parse_boxes(task[2]))
            told = () if covered else (TextFinding(place, PERSON, 0.9, "high", "", "PatientName"),)
            yield task, checks.Look("", told), float(number)

    monkeypatch.setattr(checks, "each_in_child", look)
    return site({f"{number}": image(SeriesInstanceUID=f"1.2.{number}") for number in range(6)})


def test_the_decision_that_is_offered_frees_every_picture(held: tuple[Workspace, pd.DataFrame]) -> None:
    judge(*held)
    [row] = decisions_that_free(held[0]).itertuples()
    assert (row.files, row.held, row.freed, row.decision) == (6, 6, 6, "redact")
    assert row.share_filled == pytest.approx((NAME.area + DATE.area) / (160 * 320), abs=0.02)
    decide(held[0], row.item, row.decision, row.boxes)
    assert set(judge(*held).verdict) == {"redact"}
    assert decisions_that_free(held[0]).empty


def verdicts(workspace: Workspace, held: int, clean: int, boxes: str) -> Workspace:
    common = {"device": "INVENTED|SCAN ONE|100x200", "risk": "likely"}
    rows = [
        {**common, "source_path": f"h{n}", "verdict": "hold", "reason": "burned_in_text", "boxes": boxes}
        for n in range(held)
    ]
    rows += [{**common, "source_path": f"c{n}", "verdict": "clean"} for n in range(clean)]
    workspace.write(tables.IMAGE_VERDICTS, tables.frame(tables.IMAGE_VERDICTS, rows))
    return workspace


@pytest.mark.parametrize(
    ("held", "clean", "boxes", "offered"),
    [
        (4, 4, "0,0,100,20", True),
        (4, 5, "0,0,100,20", False),  # it would fill every picture of the device
        (1, 0, "0,0,100,20", False),
        (4, 0, "0,0,200,60", False),  # too much of the picture
    ],
)
def test_a_device_is_offered_where_most_of_its_pictures_are_held(
    site: Site, held: int, clean: int, boxes: str, offered: bool
) -> None:
    workspace, _ = site({})
    frame = decisions_that_free(verdicts(workspace, held, clean, boxes))
    assert (frame.decision.item() == "redact") == offered


def test_the_sentence_counts_files_and_decisions(site: Site) -> None:
    """With those that could not be searched, which no box frees: the index counts both as one."""
    workspace = verdicts(site({})[0], 4, 1, "0,0,100,20")
    known = workspace.read(tables.IMAGE_VERDICTS)
    unread = known.tail(1).assign(source_path="u", verdict="hold", reason="burned_in_text_unchecked")
    workspace.write(tables.IMAGE_VERDICTS, pd.concat([known, unread], ignore_index=True))
    frame = decisions_that_free(workspace)
    said = said_of_layouts(frame)
    assert said.startswith("5 of 6 files") and "1 decision on a device and layout frees 4, the other 1" in said
    assert said_of_layouts(frame.iloc[:0]) == "No file is held back for text in its pixels."
