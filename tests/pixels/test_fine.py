"""Small letters in large pictures are looked at closely, and nothing else is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from chorus_nb.pixels import ocr
from chorus_nb.pixels.boxes import Box
from chorus_nb.pixels.detection import look
from chorus_nb.pixels.fine import GROWN_BELOW, MOST_PIXELS, small_letters
from chorus_nb.pixels.renders import Render
from tests.benchmarks.burned_in import FONTS
from tests.pixels.images_with_text import content, image, picture

NAME = Box(600, 700, 700, 712)


def radiograph(lines: int = 1, rows: int = 1000, columns: int = 900, light: int = 220) -> NDArray[np.uint8]:
    """Blurred noise that gets brighter downwards, with the name in letters of 8 pixels, so light."""
    noise = np.random.default_rng(3).normal(90, 20, (rows, columns)).astype(np.float32)
    ground = cv2.GaussianBlur(noise, (0, 0), 3) + noise / 20 + np.linspace(-60, 60, rows, dtype=np.float32)[:, None]
    drawn = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    font = ImageFont.truetype(str(FONTS[0]), 8)
    for number in range(lines):
        ImageDraw.Draw(drawn).text((NAME.x0, NAME.y0 + 12 * number), "ZIMMERWALD, OKTAVIA", light, font)
    return np.array(drawn)


@pytest.mark.parametrize("lines", [1, 6])
def test_a_name_in_small_letters_is_where_it_is_looked_closely(lines: int) -> None:
    column = NAME._replace(y1=NAME.y1 + 12 * (lines - 1))
    found = small_letters(radiograph(lines).astype(np.float32))
    assert sum(box.common(column).area for box in found) >= column.area
    assert sum(box.area for box in found) < 20 * column.area


def test_also_where_it_stands_out_by_little() -> None:
    found = small_letters(radiograph(light=170).astype(np.float32))
    assert sum(box.common(NAME).area for box in found) >= NAME.area


@pytest.mark.parametrize("upright", [False, True])
def test_but_not_where_that_is_an_edge(upright: bool) -> None:
    drawn = radiograph(0).astype(np.float32)
    drawn[505:] += 36  # its squares stand out by less than 5
    assert small_letters(drawn.T if upright else drawn) == []


@pytest.mark.parametrize("at", [Box(2, 2, 102, 14), Box(796, 986, 896, 998)])
def test_also_at_the_edges(at: Box) -> None:
    drawn = radiograph()
    drawn[at.y0 : at.y1, at.x0 : at.x1] = drawn[NAME.y0 : NAME.y1, NAME.x0 : NAME.x1]
    assert any(box.common(at).area >= at.area for box in small_letters(drawn.astype(np.float32)))


def shutter(shape: str, soft: float) -> NDArray[np.float32]:
    """What a shutter lets through, 0 to 1, its edge at the left of the name."""
    open_ = np.zeros((1600, 1600), np.float32)
    if shape == "round":
        cv2.circle(open_, (NAME.x0 - 10 + 700, NAME.y0 + 6), 700, 1.0, -1)
    else:
        open_[60:1500, NAME.x0 - 10 : 1550] = 1
    return np.asarray(cv2.GaussianBlur(open_, (0, 0), soft), np.float32) if soft else open_


@pytest.mark.parametrize("shape", ["round", "a frame"])
@pytest.mark.parametrize("soft", [0, 1, 3])
def test_a_shutter_as_large_as_the_picture_hides_no_line_that_stands_at_its_edge(shape: str, soft: float) -> None:
    drawn = radiograph(rows=1600, columns=1600) * shutter(shape, soft)
    found = small_letters(drawn.astype(np.float32))
    assert sum(box.common(NAME).area for box in found) >= NAME.area
    assert sum(box.area for box in found) < MOST_PIXELS / 2


@pytest.mark.parametrize("plain", [radiograph(0), picture(rows=1200, columns=1200), np.zeros((900, 900))])
def test_noise_and_emptiness_are_not_looked_at_closely(plain: NDArray[np.generic]) -> None:
    assert small_letters(plain.astype(np.float32)) == []


def test_what_is_looked_at_closely_has_a_limit() -> None:
    drawn = np.random.default_rng(1).integers(0, 2, (3000, 3000)).astype(np.float32) * 255
    drawn[:, ::200] = 0
    drawn[500:2500, 500:2500] *= cv2.resize(np.eye(40, dtype=np.float32), (2000, 2000))  # a step of 50 pixels at a time
    assert sum(box.area for box in small_letters(drawn)) <= 1.5 * MOST_PIXELS


def test_small_pictures_are_grown_as_a_whole() -> None:
    assert small_letters(radiograph(rows=GROWN_BELOW - 1)[:, :GROWN_BELOW].astype(np.float32)) == []


def test_a_box_of_a_part_is_one_of_the_image_and_back() -> None:
    part = Render(np.zeros((50, 90, 3), np.uint8), left=300, top=200, columns=1400)
    assert part.in_image(Box(10, 5, 40, 20), 1400) == Box(310, 205, 340, 220)
    assert part.of_image(Box(310, 205, 340, 220), 1400) == Box(10, 5, 40, 20)


def test_the_name_is_read_grown_and_in_no_other_part(monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[Render]()
    monkeypatch.setattr(ocr, "read_lines", lambda render, known: read.append(render) or [])
    look(content(image(pixels=255 - radiograph(), modality="OT", PhotometricInterpretation="MONOCHROME1")))
    [part] = [render for render in read if render.columns]
    rows, columns = part.picture.shape[:2]
    assert Box(part.left, part.top, part.left + columns, part.top + rows).common(NAME) == NAME
    assert part.growth == 3
    assert part.picture[NAME.y0 - part.top : NAME.y1 - part.top].max() == 255, "light on dark, as a reader sees it"
