"""The frame around an ultrasound picture goes whole where it names somebody; scales, callipers and technique stay."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from chorus_nb.pixels import Box, ocr, redact, ultrasound
from chorus_nb.pixels.beside import MOST_BESIDE, taken_beside
from chorus_nb.pixels.detection import look
from chorus_nb.pixels.ultrasound import bands
from tests.pixels.images_with_text import PERSON, content, image, picture

NAME, GAIN, INSIDE = Box(8, 4, 120, 20), Box(200, 4, 260, 20), Box(100, 90, 160, 106)


def with_regions(*regions: tuple[int, int, int, int]) -> Dataset:
    """160 rows, 320 columns; each region with its last column and row."""
    dataset = image(pixels=picture())
    dataset.SequenceOfUltrasoundRegions = []
    for ends in regions:
        item = Dataset()
        for name, end in zip(("MinX0", "MinY0", "MaxX1", "MaxY1"), ends, strict=True):
            setattr(item, f"RegionLocation{name}", end)
        dataset.SequenceOfUltrasoundRegions.append(item)
    return dataset


@pytest.mark.parametrize(
    ("regions", "telling", "expected"),
    [
        ([(40, 24, 279, 159)], [NAME], [Box(0, 0, 320, 24)]),
        ([(40, 24, 279, 139)], [NAME, Box(8, 142, 99, 158)], []),  # together too much
        ([(40, 24, 279, 149)], [Box(8, 151, 99, 159)], [Box(0, 150, 320, 160)]),
        ([(40, 24, 279, 159)], [INSIDE], []),  # in the picture: its own box, no more
        ([(40, 60, 99, 159), (100, 24, 279, 159)], [NAME], [Box(0, 0, 320, 24)]),  # above all of them
        ([(40, 80, 279, 159)], [NAME], []),  # half of the picture is no frame
        ([(40, 24, 400, 159)], [NAME], []),  # no region of this picture
        ([], [NAME], []),
    ],
)
def test_a_band_goes_where_a_line_in_it_tells(
    regions: list[tuple[int, int, int, int]], telling: list[Box], expected: list[Box]
) -> None:
    assert bands(with_regions(*regions), telling, []) == expected


def fan(lowest: int = 150, noise: int = 60) -> np.ndarray:
    """A sector of speckle from (160, 30) down to ``lowest``, a line of letters above it, a scale beside it."""
    drawn = picture(PERSON, ground=0)
    drawn = np.where(drawn < 40, 0, drawn).astype(np.uint8)
    sector = np.zeros_like(drawn)
    cv2.ellipse(sector, (160, 30), (lowest - 30, lowest - 30), 0, 45, 135, 1, -1)
    speckle = np.random.default_rng(4).integers(0, 2 * noise, drawn.shape)
    drawn = np.where(sector == 1, speckle, drawn).astype(np.uint8)
    drawn[40:140:10, 300:306] = 200
    return drawn


def test_the_fan_tells_picture_from_frame_where_the_header_has_no_region() -> None:
    [box] = ultrasound.outline(fan())
    assert abs(box.y0 - 30) <= 8 and abs(box.y1 - 150) <= 6 and box.x0 > 60 and box.x1 < 290
    colours = np.dstack([fan(), fan() // 2, fan() * 0])
    assert ultrasound.outline(colours) == [box]
    dataset = with_regions()
    assert bands(dataset, [NAME], [], fan()) == [Box(0, 0, 320, box.y0)]
    dataset.Modality = "CT"
    assert bands(dataset, [NAME], [], fan()) == []


@pytest.mark.parametrize(
    "shown",
    [
        np.zeros((160, 320), np.uint8),
        np.full((160, 320), 90, np.uint8),  # all bright: a picture cut to its region
        np.where(np.arange(160)[:, None] < 40, 90, np.zeros((160, 320))).astype(np.uint8),  # a bar across
        fan(noise=3),  # too dim
        picture("\n".join(["MI 0.8 TIS 0.4 GAIN 70"] * 5), ground=0),
    ],
)
def test_what_is_no_fan_is_none(shown: np.ndarray) -> None:
    assert ultrasound.outline(shown) == []


def test_of_a_fan_without_regions_the_band_with_the_name_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(NAME, PERSON, 0.99)])
    dataset = image(pixels=fan())
    found = look(content(dataset))
    assert [finding.tier for finding in found] == ["high", "medium"]
    redacted = dcmread(io.BytesIO(redact(content(dataset), [finding.box for finding in found]))).pixel_array
    below = found[1].box.y1
    assert (redacted[below:] == dataset.pixel_array[below:]).all() and len(np.unique(redacted[:below])) == 1


def test_what_was_read_as_technique_stays_and_everything_else_in_the_band_goes() -> None:
    parts = bands(with_regions((40, 24, 279, 159)), [NAME], [GAIN, INSIDE])
    filled = np.zeros((160, 320), bool)
    for box in parts:
        assert not filled[box.y0 : box.y1, box.x0 : box.x1].any()
        filled[box.y0 : box.y1, box.x0 : box.x1] = True
    expected = np.zeros_like(filled)
    expected[:24] = True
    expected[GAIN.y0 : GAIN.y1, GAIN.x0 : GAIN.x1] = False
    assert (filled == expected).all()


def test_the_band_goes_and_every_pixel_of_the_picture_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = with_regions((0, 32, 319, 159))
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(NAME, PERSON, 0.99)])
    found = look(content(dataset))
    assert [finding.tier for finding in found] == ["high", "medium"]
    redacted = dcmread(io.BytesIO(redact(content(dataset), [finding.box for finding in found]))).pixel_array
    assert (redacted[32:] == dataset.pixel_array[32:]).all()
    assert len(np.unique(redacted[:32])) == 1


def test_a_band_over_what_the_picture_shows_is_no_line_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header whose regions leave tissue out: what goes with the name is measured, and a person decides."""
    dataset = with_regions((0, 32, 319, 159))
    rows, columns = dataset.pixel_array.shape
    speckle = np.random.default_rng(1).integers(60, 200, (rows, columns)).astype(dataset.pixel_array.dtype)
    dataset.PixelData = speckle.tobytes()
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(NAME, PERSON, 0.99)])
    found = look(content(dataset))
    lines = [finding.line for finding in found if finding.line.area]
    filled = redact(content(dataset), [finding.box for finding in found])
    assert len(lines) == 1 and taken_beside(content(dataset), filled, lines) > MOST_BESIDE


def test_a_line_that_is_not_understood_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(NAME, "PRC 16/4/1 PRS", 0.99)])
    assert [finding.tier for finding in look(content(with_regions((0, 32, 319, 159))))] == ["medium"]
