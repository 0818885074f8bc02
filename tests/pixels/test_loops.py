"""No frame of a loop is passed over: what shows letters that no frame looked at shows is looked at."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.data import get_testdata_file

from chorus_nb.errors import FileFault
from chorus_nb.pixels.detection import look
from chorus_nb.pixels.loops import Loop
from chorus_nb.pixels.renders import frame_numbers, pictures
from tests.pixels.images_with_text import PERSON, content, image

FRAMES, ROWS, COLUMNS, AT = 24, 160, 320, (40, 90)
SAMPLED = set(frame_numbers(FRAMES))
Change = Callable[[int, NDArray[np.uint8]], None]


def heart(ground: int = 60) -> NDArray[np.uint8]:
    """Noise, and a soft bright ring that beats."""
    made = np.random.default_rng(1).normal(ground, 4, (FRAMES, ROWS, COLUMNS))
    for number, frame in enumerate(made):
        radius = 40 + round(8 * np.sin(number / 2))
        ring = cv2.circle(np.zeros((ROWS, COLUMNS)), (200, 80), radius, 90, 9)
        frame += cv2.GaussianBlur(ring, (0, 0), 3)
    return made.clip(0, 255).astype(np.uint8)


def letters(text: str, ink: int, frames: set[int], speed: int = 0, size: float = 0.5) -> Change:
    """``text`` in some frames, each time further to the left by ``speed`` pixels."""

    def draw(number: int, frame: NDArray[np.uint8]) -> None:
        if number in frames:
            place = (AT[0] - speed * (number - min(frames)), AT[1])
            cv2.putText(frame, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)

    return draw


def loop_with(change: Change, ground: int = 60) -> NDArray[np.uint8]:
    frames = heart(ground)
    for number, frame in enumerate(frames):
        change(number, frame)
    return frames


def looked_at(frames: NDArray[np.generic]) -> set[int]:
    """Numbers of the frames looked at beyond those that always are."""
    shown = {number for number, _ in pictures(image(pixels=frames, modality="US"))}
    return {number for number in shown if number >= 0} - SAMPLED


@pytest.mark.parametrize(
    ("ground", "text", "ink", "size"),
    [
        (230, PERSON, 20, 0.5),  # dark on a light page: the maximum over all frames does not show it
        (230, PERSON, 170, 0.5),
        (230, "I I I I I I", 20, 0.5),
        (60, PERSON, 250, 0.5),
        (60, PERSON, 125, 0.5),
        (60, "LEE", 250, 0.4),
        (60, "LEE", 250, 1.4),
        (60, "04-11-57", 250, 0.4),
    ],
)
def test_text_for_one_frame_between_the_sampled_ones_is_looked_at(
    ground: int, text: str, ink: int, size: float
) -> None:
    for number in (7, 17):
        frames = loop_with(letters(text, ink, {number}, size=size), ground)
        assert number in looked_at(frames)
    assert number in looked_at(frames.astype(np.uint16) * 16)


@pytest.mark.parametrize("times", [0, 0.1, 6])
def test_a_first_frame_of_other_values_hides_no_text_of_the_frames_after_it(times: float) -> None:
    frames = loop_with(letters(PERSON, 250, {7})).astype(np.uint16) * 4
    frames[0] = (frames[0] * times).astype(np.uint16)
    assert 7 in looked_at(frames)


def test_what_is_looked_at_is_where_the_text_is() -> None:
    dataset = image(pixels=loop_with(letters("LEE", 250, {7})), modality="US")
    (part,) = (render for number, render in pictures(dataset) if number == 7)
    assert part.left < AT[0] and part.top < AT[1] - 12
    assert part.left + part.picture.shape[1] > AT[0] + 30 and part.top + part.picture.shape[0] > AT[1]
    assert part.picture.size * 2 < ROWS * COLUMNS


def test_scrolling_text_is_looked_at_as_it_moves() -> None:
    text = f"{PERSON} MR4471902 BORN 04-11-57 WARD 12 BED 4"
    assert looked_at(loop_with(letters(text, 250, set(range(FRAMES)), speed=9))) == set(range(FRAMES)) - SAMPLED


def test_text_that_stays_is_looked_at_once() -> None:
    still = np.repeat(heart()[:1], FRAMES, axis=0)
    for number in range(5, FRAMES):
        letters(PERSON, 250, {number})(number, still[number])
    assert looked_at(still) == {5}


def test_of_a_beating_heart_few_frames_are_looked_at() -> None:
    assert len(looked_at(heart())) <= FRAMES // 3


def test_a_frame_is_compared_with_single_ones_not_with_all_that_was_ever_seen() -> None:
    loop = Loop()
    for number, frame in enumerate(loop_with(letters("HHHHHHHH", 250, set(range(FRAMES)), speed=4))):
        assert loop.unseen(frame), number  # where it is now, letters were before: others, or part of them
        loop.looked()


@pytest.mark.parametrize(("ground", "ink"), [(230, 20), (20, 230)])
def test_strokes_far_apart_are_seen_dark_and_bright(ground: int, ink: int) -> None:
    page = np.full((ROWS, COLUMNS), ground, np.uint8)
    loop = Loop()
    loop.unseen(page)
    loop.looked()
    assert loop.unseen(page) is None
    marked = page.copy()
    for left in range(100, 220, 22):
        marked[60:84, left : left + 2] = ink
    assert loop.unseen(marked)


def test_minimum_and_maximum_over_all_frames_are_looked_at() -> None:
    shown = [number for number, _ in pictures(image(pixels=heart(), modality="US"))]
    assert shown.count(-1) == 2 and shown.count(-2) == 1
    assert frame_numbers(1) == [0]
    assert frame_numbers(100) == [0, 30, 50, 60, 90, 99]


def test_frames_that_are_not_there_are_not_covered() -> None:
    dataset = dcmread(get_testdata_file("SC_rgb_rle_2frame.dcm"))
    assert {number for number, _ in pictures(dataset)} == {0, 1, -1, -2}
    dataset.NumberOfFrames = 3
    with pytest.raises(FileFault, match="frames"):
        list(pictures(dataset))


def test_a_name_that_scrolls_by_between_the_sampled_frames_is_read_where_it_is() -> None:
    frames = loop_with(letters(PERSON, 20, {3, 4, 5}, speed=20), ground=230)
    found = [finding for finding in look(content(image(pixels=frames))) if finding.tier == "high"]
    assert {finding.matched for finding in found} == {"PatientName"}
    assert all(finding.box.y0 < AT[1] < finding.box.y1 + 6 for finding in found)
    assert min(finding.box.x0 for finding in found) < AT[0]


def test_what_cannot_be_read_is_looked_at_again_in_all_but_the_first_frame_of_a_grey_loop() -> None:
    asked = {(number, render.again) for number, render in pictures(image(pixels=heart(), modality="CT"))}
    assert asked == {(0, False)} | {(number, True) for number, _ in asked if number}
    coloured = np.repeat(heart()[..., None], 3, axis=3)
    assert not any(render.again for _, render in pictures(image(pixels=coloured)))
    assert not any(render.again for _, render in pictures(image(pixels=heart()[0])))


@pytest.mark.parametrize("mirrored", [True, False])
def test_a_name_in_one_frame_of_a_grey_loop_is_found_though_it_cannot_be_read(mirrored: bool) -> None:
    frames = loop_with(letters("ZIMMERWALD", 220, {7}))
    found = look(content(image(pixels=frames[..., ::-1] if mirrored else frames, modality="CT")))
    assert {finding.tier for finding in found} & {"high", "medium"}
