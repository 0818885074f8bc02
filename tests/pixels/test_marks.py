"""Marks of rulers and callipers are no lines; letters beside them, or that look like them, are."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from chorus_nb.pixels import ocr
from chorus_nb.pixels.boxes import Box
from chorus_nb.pixels.detection import look
from chorus_nb.pixels.marks import are_marks
from tests.benchmarks.burned_in import FONTS
from tests.pixels.images_with_text import content, image

Picture = NDArray[np.uint8]
WHITE, GREY = (255, 255, 255), (60, 60, 60)
DIAMOND = np.array([(0, -6), (6, 0), (0, 6), (-6, 0)])


def ground(tissue: bool = False) -> Picture:
    noise = np.random.default_rng(5).integers(0, 3, (200, 300, 3)).astype(np.uint8)
    if tissue:
        noise[:] = cv2.GaussianBlur(np.random.default_rng(5).normal(60, 180, (200, 300, 1)), (0, 0), 2)[..., None].clip(
            0
        )
    return noise


def ticks(drawn: Picture, step: int = 8, long: int = 12, every: int = 5) -> Box:
    for number, y in enumerate(range(20, 180, step)):
        drawn[y : y + 2, 40 : 40 + (long if number % every == 0 else long // 2)] = WHITE
    return Box(34, 14, 40 + long + 6, 186)


def diamond(drawn: Picture) -> Box:
    cv2.fillPoly(drawn, [DIAMOND + np.array((100, 90))], WHITE)
    return Box(91, 81, 110, 100)


def callipers(drawn: Picture) -> Box:
    for x, y in ((80, 80), (140, 110)):
        cv2.line(drawn, (x - 5, y), (x + 5, y), WHITE)
        cv2.line(drawn, (x, y - 5), (x, y + 5), WHITE)
    for x in range(90, 132, 6):
        drawn[80 + (x - 80) // 2, x : x + 2] = WHITE
    return Box(68, 68, 152, 122)


@pytest.mark.parametrize("marks", [ticks, diamond, callipers])
@pytest.mark.parametrize("turned", [False, True])
def test_marks(marks: Callable[[Picture], Box], turned: bool) -> None:
    drawn = ground()
    place = marks(drawn)
    if turned:
        drawn, place = drawn.transpose(1, 0, 2), Box(*place.turned)
    assert are_marks(np.ascontiguousarray(drawn), place)
    assert are_marks(np.ascontiguousarray(drawn[..., 0]), place), "in a grey picture, too"


@pytest.mark.parametrize("marks", [ticks, diamond, callipers])
def test_of_what_lies_in_tissue_nothing_is_known(marks: Callable[[Picture], Box]) -> None:
    drawn = ground(tissue=True)
    assert not are_marks(drawn, marks(drawn))


def text(drawn: Picture, words: str, at: tuple[int, int], size: int, colour: tuple[int, int, int]) -> Box:
    whole = Image.fromarray(drawn)
    font = ImageFont.truetype(str(FONTS[0]), size)
    ImageDraw.Draw(whole).text(at, words, colour, font)
    drawn[:] = np.asarray(whole)
    x0, y0, x1, y1 = font.getbbox(words)
    return Box(at[0] + int(x0), at[1] + int(y0), at[0] + int(x1), at[1] + int(y1)).grown(4)


@pytest.mark.parametrize(
    "words",
    [
        "LEE",
        "I l",
        "II",
        "JI",
        "lll",
        "XU",
        "1111",
        "XIX",
        "NG",
        "علي",
        "לוי",
        "ברוך",
        "حسن",
        "8118",
        "HH",
        "XX",
        "++I",
        "OO",
    ],
)
@pytest.mark.parametrize("size", [6, 8, 10, 16, 32])
@pytest.mark.parametrize("tissue", [False, True])
def test_letters_are_none(words: str, size: int, tissue: bool) -> None:
    drawn = ground(tissue)
    assert not are_marks(drawn, text(drawn, words, (100, 90), size, WHITE))


def test_nor_is_a_name_beside_or_upon_marks_however_faint() -> None:
    drawn = ground()
    place = ticks(drawn)
    beside = text(drawn, "LEE", (60, 90), 10, (20, 20, 20))
    assert not are_marks(drawn, place.hull(beside))
    bar = ground()
    bar[80:110, 60:240] = 200
    faint = text(bar, "LEE", (100, 88), 12, (215, 215, 215))
    assert not are_marks(bar, Box(56, 76, 244, 114)) and not are_marks(bar, faint)
    inverse = ground()
    inverse[80:110, 60:240] = 200
    text(inverse, "LEE", (100, 88), 12, (0, 0, 0))
    assert not are_marks(inverse, Box(56, 76, 244, 114))


def test_nor_a_name_below_itself_at_equal_distances() -> None:
    drawn = ground()
    boxes = [text(drawn, "LEE", (100, y), 10, WHITE) for y in range(10, 180, 40)]
    assert not are_marks(drawn, boxes[0].hull(boxes[-1])) and not are_marks(drawn, boxes[2])


def test_nothing_is_no_mark() -> None:
    assert not are_marks(ground(), Box(40, 40, 60, 60)), "what was found there was seen in another view"


@pytest.mark.parametrize(
    ("words", "confidence", "told"), [("", 0.74, False), ("★", 0.7, False), ("LEE", 0.74, True), ("ヤキ", 0.95, True)]
)
def test_a_mark_holds_no_picture(monkeypatch: pytest.MonkeyPatch, words: str, confidence: float, told: bool) -> None:
    drawn = ground()
    line = ocr.ReadLine(diamond(drawn), words, confidence)
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [line])
    assert bool(look(content(image(pixels=drawn, PatientName="Lee^Ann")))) == told
