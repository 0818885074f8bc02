"""What is filled of a picture beside its lines is measured, and by a person only where it is more than a little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from chorus_nb import tables
from chorus_nb.pixels import Box, TextFinding, checks, judge, parse_boxes, redact
from chorus_nb.pixels.beside import taken_beside
from tests.pixels.images_with_text import PERSON, Site, content, image, picture
from tests.pixels.test_judge import decide, told

LINE, FILLED = Box(0, 0, 160, 32), Box(0, 0, 320, 32)  # of a picture of 160 x 320: half of what is filled is the line
HALF = 160 * 32 / (160 * 320)


def pixels(beside_line: object = None) -> np.ndarray:
    made = picture()
    if beside_line is not None:
        made[:32, 160:] = beside_line
    return made


@pytest.mark.parametrize(
    ("shown", "share"),
    [(None, HALF), (0, 0.0), (200, 0.0), (np.resize([0, 1, 2], (32, 160)), 0.0)],
    ids=["anatomy", "black", "flat", "dark noise"],
)
def test_what_is_filled_beside_a_line_counts_where_it_shows_something(shown: object, share: float) -> None:
    before = content(image(pixels=pixels(shown)))
    assert taken_beside(before, redact(before, [FILLED]), [LINE]) == pytest.approx(share, abs=0.01)


def test_white_bone_of_a_narrow_window_is_no_flat_panel() -> None:
    bone = pixels().astype(np.uint16)
    bone[:32, 160:] += 1500
    before = content(image("", "CT", bone, WindowCenter=80, WindowWidth=100))
    assert taken_beside(before, redact(before, [FILLED]), [LINE]) == pytest.approx(HALF, abs=0.01)


def test_of_a_loop_the_frame_that_loses_most_counts() -> None:
    loop = np.stack([np.repeat(pixels(shown)[..., None], 3, axis=2) for shown in (0, 0, None)])
    before = content(image(pixels=loop))
    assert taken_beside(before, redact(before, [FILLED]), [LINE]) == pytest.approx(HALF, abs=0.01)


@pytest.fixture
def losing(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Looks as they are taken, at a picture where more than a line is taken for it; gives the lines asked with."""
    asked: list[str] = []

    def look(
        _: object, __: object, tasks: list[Any], *___: object, keep: Callable[[], None], **____: object
    ) -> Iterator[tuple[Any, checks.Look, float]]:
        for task in tasks:
            asked.append(task[3])
            wide = TextFinding(FILLED, PERSON, 0.9, "high", "", "PatientName", line=LINE)
            with monkeypatch.context() as patch:
                patch.setattr(checks.detection, "look", lambda _, found=wide, done=task[2]: () if done else (found,))
                yield task, checks._look_in(*task), 0.0
        keep()

    monkeypatch.setattr(checks, "each_in_child", look)
    return asked


def test_a_picture_that_would_lose_more_than_its_text_waits_for_a_person(site: Site, losing: list[str]) -> None:
    images = {"anatomy": image(pixels=pixels()), "black": image(pixels=pixels(0))}
    workspace, catalog = site(images, burned_in_text="redact")
    verdicts = judge(workspace, catalog)
    assert told(verdicts) == {"anatomy": ("hold", "filled_beside_text"), "black": ("redact", "")}
    assert [float(share) for share in verdicts.beside] == pytest.approx([HALF, 0], abs=0.01)
    assert losing == ["", "", "0,0,160,32", "0,0,160,32"]
    assert judge(workspace, catalog).equals(verdicts), "what was measured is remembered"
    assert parse_boxes(verdicts.boxes[0]) == [FILLED], "the reviewer sees what would go"
    decide(workspace, "anatomy", "redact")
    assert told(judge(workspace, catalog))["anatomy"] == ("redact", "")


def test_lines_of_an_earlier_run_are_known_where_a_look_is_missing(site: Site, losing: list[str]) -> None:
    workspace, catalog = site({"anatomy": image(pixels=pixels())}, burned_in_text="redact")
    verdicts = judge(workspace, catalog)
    done = workspace.read(tables.TEXT_CHECKS)
    workspace.write(tables.TEXT_CHECKS, done[done.filled == ""])
    assert judge(workspace, catalog).equals(verdicts)
    assert losing == ["", "0,0,160,32", "0,0,160,32"]


@pytest.mark.parametrize("scope", ["series:1.2.3", "device:INVENTED|SCAN ONE|160x320"])
def test_who_decided_about_a_series_has_not_seen_what_this_picture_loses(
    site: Site, losing: list[str], scope: str
) -> None:
    workspace, catalog = site({"anatomy": image(pixels=pixels(), SeriesInstanceUID="1.2.3")})
    decide(workspace, scope, "redact")
    assert told(judge(workspace, catalog)) == {"anatomy": ("hold", "filled_beside_text")}
    decide(workspace, scope, "redact", "0,0,320,32")
    assert told(judge(workspace, catalog)) == {"anatomy": ("redact", "")}
