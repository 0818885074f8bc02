"""Text is found whatever the pixels stand for, and nothing is found where nothing is."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from chorus_nb.pixels import Box, find_text, likelihood, ocr, renders
from chorus_nb.pixels.detection import look
from chorus_nb.pixels.renders import Render
from chorus_nb.pixels.tiers import NOT_READ, tier
from tests.pixels.images_with_text import PERSON, content, image, picture


def below_the_window() -> Dataset:
    """A CT in which the name is 60 HU above air: black on black in the usual window."""
    hounsfield = np.where(picture(PERSON, ground=0) > 128, -940, -1000).astype(np.int16)
    window = {"WindowCenter": 40, "WindowWidth": 400, "RescaleIntercept": -1024, "RescaleSlope": 1}
    return image(modality="CT", pixels=(hounsfield + 1024).astype(np.uint16), **window)


def palette(bright: int = 240, step: int = 1) -> Dataset:
    """The name in an index whose colour is ``bright``, on an index that is dark."""
    pixels = (picture(PERSON, ground=0) > 128).astype(np.uint8) * step
    dataset = image(pixels=pixels, PhotometricInterpretation="PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [step + 1, 0, 8])
        setattr(dataset, f"{name}PaletteColorLookupTableData", bytes([20] * step + [bright]))
    return dataset


@pytest.mark.parametrize(
    "dataset",
    [
        image(pixels=picture(PERSON), PhotometricInterpretation="MONOCHROME1"),
        image(pixels=picture(PERSON).astype(np.int16) * 8 - 1000),
        below_the_window(),
        palette(),
        palette(bright=20, step=99),
    ],
    ids=["MONOCHROME1", "signed", "below the window", "palette", "a palette of one colour"],
)
def test_a_name_is_read(dataset: Dataset) -> None:
    assert {finding.matched for finding in find_text(content(dataset)) if finding.tier == "high"} == {"PatientName"}


def test_a_line_ends_before_what_is_filled_of_it_does() -> None:
    [found] = find_text(content(image(pixels=np.pad(picture(PERSON), 100))))
    ends = found.line.x0 - found.box.x0, found.box.x1 - found.line.x1
    assert min(ends) > 0.15 * (found.line.y1 - found.line.y0)


def with_header(**values: object) -> Dataset:
    dataset = image(modality="CT", pixels=picture(PERSON).astype(np.uint16) * 4)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


WITHOUT_TABLE = Dataset()
WITHOUT_TABLE.LUTDescriptor = [256, 0, 16]


@pytest.mark.parametrize(
    "values",
    [
        {"WindowCenter": 0, "WindowWidth": 0},  # as a GE Signa wrote it: a whole series could not be looked at
        {"WindowWidth": 400},
        {"WindowCenter": 40, "WindowWidth": -400},
        {"WindowCenter": [], "WindowWidth": [400, 80]},
        {"VOILUTSequence": [Dataset()]},
        {"VOILUTSequence": [WITHOUT_TABLE]},
        {"ModalityLUTSequence": [WITHOUT_TABLE]},
        {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "NONE SUCH"},
    ],
)
def test_a_name_is_read_though_the_window_of_its_header_means_nothing(values: dict[str, object]) -> None:
    assert "high" in {finding.tier for finding in find_text(content(with_header(**values)))}


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_a_data_set_alone_is_looked_at_like_a_file(implicit: bool, little: bool) -> None:
    """Its file meta information would have said how it is written; pydicom finds out."""
    dataset = image(pixels=picture(PERSON))
    alone = io.BytesIO()
    pydicom.dcmwrite(alone, Dataset(dataset), implicit_vr=implicit, little_endian=little)
    assert [finding.text for finding in find_text(alone.getvalue())] == [PERSON]


def test_a_released_file_is_checked_against_the_original_words() -> None:
    released = image(pixels=picture("OKONJIMA"), PatientName="17", PatientID="17")
    assert [finding.tier for finding in find_text(content(released))] == ["medium"]
    assert [finding.tier for finding in find_text(content(released), ["Okonjima^Philippa"])] == ["high"]


@pytest.mark.parametrize(
    ("box", "text", "confidence", "kept"),
    [
        (Box(0, 0, 150, 130), "HIH", 0.75, False),  # ribs
        (Box(0, 0, 150, 130), "HIH", 0.95, True),
        (Box(0, 0, 150, 30), "HIH", 0.75, True),
        (Box(0, 0, 150, 130), "HIHOOK", 0.75, True),
        (Box(0, 0, 150, 130), "1910", 0.75, True),  # half of a date
        (Box(0, 0, 150, 130), "LEE", 0.75, True),  # the header says it
        (Box(0, 0, 150, 130), "DOB", 0.75, True),
    ],
)
def test_large_short_and_doubtful_readings_are_anatomy_unless_they_identify(
    monkeypatch: pytest.MonkeyPatch, box: Box, text: str, confidence: float, kept: bool
) -> None:
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(box, text, confidence)])
    found = look(content(image(pixels=picture(rows=512, columns=512), PatientName="Lee^Ann")))
    assert [finding.text for finding in found] == ([text] if kept else [])


@pytest.mark.parametrize(
    ("text", "sides", "kept"),
    [
        ("日日日日日日日日日", (300, 60), False),
        ("390", (60, 300), False),
        ("日日日日日日日日日", (300, 20), True),
        ("ID 4471", (300, 60), True),
    ],
)
def test_a_row_of_a_mosaic_that_reads_alike_is_brains(
    monkeypatch: pytest.MonkeyPatch, text: str, sides: tuple[int, int], kept: bool
) -> None:
    box = Box(8, 8, 8 + sides[0], 8 + sides[1])
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(box, text, 0.91)])
    pixels = np.random.default_rng(5).integers(0, 200, (480, 480), np.uint8)
    mosaic = image(pixels=pixels, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    assert [finding.text for finding in look(content(mosaic))] == ([text] if kept else [])
    assert [finding.text for finding in look(content(image(pixels=pixels)))] == [text]


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_nothing_is_found_in_anatomy(name: str) -> None:
    assert find_text(content(dcmread(get_testdata_file(name)))) == []


@pytest.mark.parametrize(
    ("text", "confidence", "kept"),
    [("163888", 0.6, False), ("163888", 0.95, True), ("4471902", 0.6, True), ("04/11/1957", 0.6, True)],
)
def test_doubtful_digits_in_a_mosaic_are_brains_unless_the_header_says_them(
    monkeypatch: pytest.MonkeyPatch, text: str, confidence: float, kept: bool
) -> None:
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(Box(8, 8, 90, 30), text, confidence)])
    mosaic = image(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], PatientID="4471902")
    assert [finding.text for finding in look(content(mosaic))] == ([text] if kept else [])
    assert [finding.text for finding in look(content(image()))] == [text]


def written(text: str, size: int = 20) -> NDArray[np.bool_]:
    """The ink of a line in letters of any script that a font at hand has."""
    if any("\u4e00" <= letter <= "\u9fff" for letter in text):
        try:
            font = cv2.FontFace("uni")  # inside OpenCV 5
        except (AttributeError, cv2.error):
            pytest.skip("no font with ideographs")
        drawn = np.zeros((2 * size, size * (len(text) + 1)), np.uint8)
        cv2.putText(drawn, text, (4, round(1.4 * size)), 255, font, size, 400)
        return drawn > 128
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")), size)
    canvas = Image.new("L", (round(font.getlength(text)) + 4, 2 * size))
    ImageDraw.Draw(canvas).text((2, 2), text, 255, font)
    return np.asarray(canvas) > 128


@pytest.mark.parametrize("ground", ["CT_small.dcm", "examples_ybr_color.dcm", ""], ids=["CT", "US", "noise"])
@pytest.mark.parametrize("text", ["Иванов", "محمد عبد", "山田太郎"], ids=["Cyrillic", "Arabic", "CJK"])
def test_a_name_in_any_script_holds_an_image_back(text: str, ground: str) -> None:
    pixels = dcmread(get_testdata_file(ground)).pixel_array if ground else picture(rows=128, columns=160)
    pixels = (pixels[0] if pixels.ndim == 4 else pixels)[:128, :160].astype(np.float32)
    pixels = (pixels / max(1, pixels.max() / 200)).astype(np.uint8)
    ink = written(text)
    place = pixels[2 : 2 + len(ink), 2 : 2 + ink.shape[1]]
    place[ink] = 255
    found = find_text(content(image(pixels=pixels, PatientName="A^B")))
    assert any(finding.tier == "medium" and finding.box.x0 < 40 and finding.box.y0 < 30 for finding in found)


def outlined(found: Callable[[NDArray[np.uint8]], list[ocr._Line]]) -> Callable[..., list[ocr._Line]]:
    """What a picture's lines are when it is outlined first; a second outline gives no more."""
    return lambda part, _, outline, *__: found(part) if outline is ocr._models().outlines else []


@pytest.mark.parametrize(
    ("length", "height", "found", "text", "confidence", "read"),
    [
        (196, 32, 0.80, " ..", 0.86, [""]),  # Cyrillic: only its full stops are letters that the models know
        (210, 41, 0.73, "   ", 0.73, [""]),  # Arabic
        (22, 15, 0.84, "", 0.0, [""]),  # two letters
        (44, 30, 0.81, "n", 0.72, [""]),  # two letters read as one
        (88, 18, 0.77, "al  ", 0.85, [""]),
        (30, 28, 0.81, "R", 0.98, ["R"]),
        (24, 20, 0.80, "中", 0.87, []),  # two letters read as one ideograph: a doubt, no single letter
        (14, 20, 0.61, "中", 0.87, []),  # higher than wide, and not turned to be read: no two letters for its height
        (14, 20, 0.61, "4", 0.85, ["4"]),
        (14, 22, 0.61, "4", 0.85, [""]),  # turned, so what is long is a line
        (196, 32, 0.80, "ZIMMERWALD", 0.98, ["ZIMMERWALD"]),
        (196, 32, 0.55, "ZIMMERWALD", 0.98, ["ZIMMERWALD"]),
        (36, 14, 0.57, "10 TIT", 0.57, [""]),  # Hebrew: found and read, neither surely, both together
        (149, 40, 0.597, "  ", 0.54, [""]),  # Arabic
        (94, 18, 0.55, "", 0.0, [""]),  # Armenian of 10 pixels, faint: small and long
        (200, 55, 0.635, "oly!e", 0.52, [""]),  # Arabic of 32 pixels: long, so that it may be higher
        (116, 50, 0.79, "", 0.0, [""]),  # five letters of Cyrillic of 32 pixels
        (116, 50, 0.75, "", 0.0, []),
        (344, 40, 0.35, "A", 0.80, ["A"]),  # found too unsurely to count beyond what was read
        (53, 13, 0.51, "MAN", 0.41, []),
        (59, 26, 0.55, "L", 0.17, []),  # real anatomy, as all that follow
        (88, 57, 0.81, "Q0", 0.45, []),
        (512, 512, 0.69, "G", 0.46, []),
        (267, 83, 0.60, "OOOO", 0.33, []),
        (45, 44, 0.64, "O", 0.42, []),
        (101, 64, 0.64, "口口口", 0.515, []),
        (256, 64, 0.795, "四0日", 0.42, []),  # a mosaic of brains
    ],
)
def test_a_line_that_cannot_be_read_counts_when_it_was_surely_found(
    monkeypatch: pytest.MonkeyPatch,
    length: int,
    height: int,
    found: float,
    text: str,
    confidence: float,
    read: list[str],
) -> None:
    corners = np.array([(20, 20), (20 + length, 20), (20 + length, 20 + height), (20, 20 + height)])
    line = ocr._Line(corners, found, text, confidence)
    monkeypatch.setattr(ocr, "_found", outlined(lambda _: [line]))
    lines = ocr.read_lines(Render(picture(rows=600, columns=600), short_side=600))
    assert [line.text for line in lines] == read


@pytest.mark.parametrize(("heart", "high", "boxes"), [(0.7, 10, 1), (0.55, 10, 0), (0.7, 20, 0)])
def test_a_line_that_an_edge_runs_into_is_outlined_once_more(
    monkeypatch: pytest.MonkeyPatch, heart: float, high: int, boxes: int
) -> None:
    likely = np.zeros((1, 1, 608, 608), np.float32)
    likely[0, 0, 100:400, 80:100] = 0.3  # the edge
    likely[0, 0, 200 : 200 + high, 100:240] = heart
    monkeypatch.setattr(ocr, "map_of_text", lambda *_: likely)
    lines = ocr.read_lines(Render(picture(rows=608, columns=608), short_side=608))
    assert [Box(100, 200, 240, 210).common(line.box).area >= 0.9 * 140 * 10 for line in lines] == [True] * boxes


def test_a_line_over_what_is_taken_for_text_too_is_outlined_closely() -> None:
    pixels, likely = picture(rows=608, columns=608), np.zeros((1, 1, 608, 608), np.float32)
    ink = written("ZIMMERWALD", 24)
    pixels[200 : 200 + len(ink), 100 : 100 + ink.shape[1]][ink] = 255
    likely[0, 0, 130:300, 40:400] = 0.5  # a row of brains
    likely[0, 0, 204:226, 100 : 100 + ink.shape[1]] = 0.85
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ocr, "map_of_text", lambda *_: likely)
        assert [line.text for line in ocr.read_lines(Render(pixels, short_side=608))] == ["ZIMMERWALD"]


@pytest.mark.parametrize(
    ("text", "confidence", "score", "told"),
    [
        ("A39647343", 0.98, 0.76, True),
        ("MRN9853", 0.72, 0.85, True),
        ("ORN9536", 0.69, 0.79, False),  # this and the others: real brains
        ("68661", 0.52, 0.85, False),
        ("978", 0.99, 0.91, False),
    ],
)
def test_what_was_outlined_closely_counts_where_letters_are_read(
    monkeypatch: pytest.MonkeyPatch, text: str, confidence: float, score: float, told: bool
) -> None:
    corners = np.array([(20, 20), (216, 20), (216, 46), (20, 46)])
    line = ocr._Line(corners, score, text, confidence)
    monkeypatch.setattr(ocr, "_found", lambda _, __, outline, *___: [line] if outline is ocr._models().cores else [])
    lines = ocr.read_lines(Render(picture(rows=600, columns=600), short_side=600))
    assert [line.text for line in lines] == [text] * told


@pytest.mark.parametrize(
    ("moved", "length", "height", "at", "told"),
    [
        (0, 40, 16, 40, True),
        (0, 40, 16, 56, True),
        (0, 38, 28, 40, False),  # anatomy is higher there
        (0, 30, 16, 40, True),
        (-20, 82, 16, 40, True),  # a line of which only a part was outlined
        (-20, 100, 16, 40, False),
        (-26, 50, 16, 40, False),
        (30, 40, 16, 40, False),  # elsewhere
        (0, 40, 16, 0, False),
    ],
)
def test_a_doubt_counts_where_it_is_found_again_closely(
    monkeypatch: pytest.MonkeyPatch, moved: int, length: int, height: int, at: int, told: bool
) -> None:
    def line(left: float, top: float, length: float, height: float, score: float) -> ocr._Line:
        corners = [(left, top), (left + length, top), (left + length, top + height), (left, top + height)]
        return ocr._Line(np.array(corners), score, "tae", 0.4)

    def outline(part: NDArray[np.uint8], _: object, outline: object, *__: object) -> list[ocr._Line]:
        return [line(100, 200, 38, 16, 0.45)] if outline is ocr._models().outlines else []

    def closely(_: object, __: object, height_there: int, *___: object) -> list[ocr._Line]:
        return [line(100 + moved, 200, length, height, 0.7)] if height_there == at else []

    monkeypatch.setattr(ocr, "_found", outline)
    monkeypatch.setattr(ocr, "_at_height", closely)
    lines = ocr.read_lines(Render(picture(rows=600, columns=600), short_side=600))
    assert [(line.text, line.box.common(Box(100, 200, 138, 216)).area > 400) for line in lines] == [("", True)] * told


@pytest.mark.parametrize(
    ("length", "side", "told", "in_a_volume"),
    [(14, 14, True, True), (30, 30, False, False), (39, 30, True, False), (45, 30, True, True)],
)
def test_a_round_doubt_is_a_small_letter_or_anatomy(
    monkeypatch: pytest.MonkeyPatch, length: int, side: int, told: bool, in_a_volume: bool
) -> None:
    corners = np.array([(100, 200), (100 + length, 200), (100 + length, 200 + side), (100, 200 + side)])
    line = ocr._Line(corners, 0.45, "", 0.0)
    monkeypatch.setattr(ocr, "_found", outlined(lambda part: [line] if part.shape[0] > 599 else []))
    monkeypatch.setattr(ocr, "_noticed", lambda *_: [])
    monkeypatch.setattr(ocr, "_at_height", lambda *_: [line._replace(score=0.7)])
    for again, counts in ((False, told), (True, in_a_volume)):
        assert len(ocr.read_lines(Render(picture(rows=600, columns=600), 600, again=again))) == counts


def square(left: int, top: int, side: int, score: float, text: str = "", confidence: float = 0.0) -> ocr._Line:
    corners = [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
    return ocr._Line(np.array(corners), score, text, confidence)


@pytest.mark.parametrize(
    ("text", "confidence", "score", "small", "told"),
    [
        ("HP", 0.95, 0.4, 16, True),
        ("HP", 0.85, 0.4, 16, False),
        ("P", 0.99, 0.4, 16, False),
        ("", 0.0, 0.7, 24, True),
        ("", 0.0, 0.5, 24, False),
        ("", 0.0, 0.7, 16, False),  # round, and no small letter
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_what_is_no_more_than_noticed_is_looked_at_closely_beside_a_line(
    monkeypatch: pytest.MonkeyPatch, text: str, confidence: float, score: float, small: int, told: bool, beside: bool
) -> None:
    likely = np.zeros((1, 1, 608, 608), np.float32)
    likely[0, 0, 200:208, 100:130] = 0.06
    likely[0, 0, 300:308, 100:130] = 0.03  # less than that is nothing
    likely[0, 0, 400:500, 100:400] = 0.06  # and a letter is no higher than the models like it
    asked = []

    def closely(_: object, line: ocr._Line, *__: object) -> list[ocr._Line]:
        asked.append(tuple(line.corners.min(axis=0) // 100))
        left, top = (int(value) for value in line.corners.min(axis=0))
        return [square(left, top, round(ocr._sides(line.corners)[1]), score, text, confidence)]

    monkeypatch.setattr(ocr, "SAME_PLACE", 0.3)  # the place is longer than the square
    monkeypatch.setattr(ocr, "SMALL_LETTER", small)
    monkeypatch.setattr(ocr, "map_of_text", lambda *_: likely)
    monkeypatch.setattr(ocr, "_at_height", closely)
    known = [Box(10, 10, 90, 30)] if beside else []
    lines = ocr.read_lines(Render(picture(rows=608, columns=608), short_side=608), known)
    assert asked == [(0, 1)] * beside
    assert len(lines) == (told and beside)


def test_in_a_small_frame_an_edge_does_not_outshine_the_letters_beside_it() -> None:
    pixels = np.zeros((400, 400), np.uint8)
    pixels[:, 200:] = 200
    pixels[100:140, 180:183] = 40  # a stroke 17 pixels before the edge
    dataset = image(pixels=pixels)
    near = renders.renders(dataset.pixel_array, dataset)[0].picture[..., 1].astype(int)
    assert near[120, 181] - near[120, 176] > 60


def narrow(ink: float) -> Dataset:
    """A CT of air, brain and bone in a window of the brain, and letters of one value that run over all of them."""
    values = np.random.default_rng(5).normal(0, 2, (400, 480))
    values += np.repeat([-1000.0, 40.0, 1200.0], (200, 60, 220))
    ink_of = picture("ZIMMERWALD OKTAVIA", 60, 320, ground=0)
    values[200:260, 150:470][ink_of > 128] = ink
    window = {"WindowCenter": 40, "WindowWidth": 80, "RescaleIntercept": -1024, "RescaleSlope": 1}
    return image("", "CT", (values + 1024).round().astype(np.uint16), **window)


def test_letters_of_one_value_over_brain_bone_and_air_stand_out_in_a_view_of_a_narrow_window() -> None:
    dataset = narrow(55)
    letters = np.zeros((400, 480), bool)
    letters[200:260, 150:470] = picture("ZIMMERWALD OKTAVIA", 60, 320, ground=0) > 128
    views = renders.renders(dataset.pixel_array, dataset, closely=True)
    assert len(views) == 3 and views[2].read is None and not views[2].beside
    for part in (slice(160, 195), slice(205, 255), slice(265, 350)):
        around = ~letters[200:260, part]
        seen = views[2].picture[200:260, part, 0].astype(int)
        assert abs(np.median(seen[~around]) - np.median(seen[around])) > 20
    dataset.WindowWidth = 4000
    assert renders.renders(dataset.pixel_array, dataset, closely=True)[2].beside, "nothing is white: another view"


def test_the_dark_of_a_coloured_picture_is_not_made_to_stand_out() -> None:
    pixels = np.random.default_rng(3).integers(0, 2, (300, 400, 1), np.uint8).repeat(3, axis=2)
    pixels[100:110, 100:103] = 40
    dataset = image(pixels=pixels)
    shown, *contrasts = (render.picture for render in renders.renders(dataset.pixel_array, dataset))
    assert [view.shape for view in contrasts] == [shown.shape] * 2  # in colours: what was surely read is known there
    for view in contrasts:
        assert np.ptp(view[200:]) < 60
        assert int(view[105, 101, 0]) - int(view[105, 90, 0]) > 60


def test_the_smaller_contrast_of_a_coloured_picture_shows_what_is_wider() -> None:
    pixels = np.random.default_rng(3).integers(60, 64, (300, 400, 1), np.uint8).repeat(3, axis=2)
    pixels[100:118, 50:350] = 80  # a stroke of a large letter
    dataset = image(pixels=pixels)
    _, nearer, wider = (view.picture[:, :, 0] for view in renders.renders(dataset.pixel_array, dataset))
    inside = [int(view[109, 200]) - int(np.median(view[200:])) for view in (nearer, wider)]
    assert inside[1] > 2 * max(0, inside[0])


@pytest.mark.parametrize(("length", "text", "told"), [(8, "", False), (9, "", True), (8, "JI", True)])
@pytest.mark.parametrize("upright", [False, True])
def test_the_marks_of_a_ruler_are_no_lines(
    monkeypatch: pytest.MonkeyPatch, length: int, text: str, told: bool, upright: bool
) -> None:
    right, low = (4, length) if upright else (length, 4)
    line = ocr.ReadLine(Box(90, 190, 90 + right, 190 + low), text, 0.72)
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [line])
    assert bool(look(content(image(pixels=picture(rows=600, columns=600))))) == told


@pytest.mark.parametrize(
    ("text", "confidence", "upright", "tier"),
    [
        ("CH", 0.93, False, "medium"),  # CM
        ("CH", 0.96, False, "low"),
        ("on", 0.93, False, "medium"),  # a name in Hebrew
        ("GAIN", 0.93, False, "low"),
        ("11", 0.85, False, "low"),  # two marks of a ruler
        ("11", 0.85, True, "low"),
        ("47", 1.0, True, "medium"),  # the first figures of a number, below each other
        ("47", 1.0, False, "low"),
    ],
)
def test_little_is_technique_only_where_it_was_surely_read_and_lies(
    monkeypatch: pytest.MonkeyPatch, text: str, confidence: float, upright: bool, tier: str
) -> None:
    box = Box(90, 190, 105, 225) if upright else Box(90, 190, 125, 205)
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(box, text, confidence)])
    assert [finding.tier for finding in look(content(image(pixels=picture(rows=600, columns=600))))] == [tier]


@pytest.mark.parametrize("name", ["Xu^Na", "Lee^Ann"])
def test_a_large_short_line_counts_where_the_header_says_the_same(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    line = ocr.ReadLine(Box(90, 190, 150, 234), "XU", 0.97, doubt=True)
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [line])
    found = look(content(image(pixels=picture(rows=600, columns=600), PatientName=name)))
    assert [finding.matched for finding in found] == ["PatientName"] * (name == "Xu^Na")


@pytest.mark.parametrize(("confidence", "doubts"), [(0.97, [True]), (0.85, [])])
def test_what_is_as_large_as_anatomy_is_no_line_that_others_are_looked_for_beside(
    monkeypatch: pytest.MonkeyPatch, confidence: float, doubts: list[bool]
) -> None:
    line = ocr._Line(np.array([(90, 190), (150, 190), (150, 234), (90, 234)]), 0.66, "XU", confidence)
    monkeypatch.setattr(ocr, "_found", outlined(lambda part: [line] if part.shape[0] > 599 else []))
    monkeypatch.setattr(ocr, "_noticed", lambda *_: pytest.fail("nothing is there"))
    monkeypatch.setattr(ocr, "map_of_parts", lambda *_: pytest.fail("nothing is there"))
    lines = ocr.read_lines(Render(picture(rows=600, columns=600), 600, parts=5))
    assert [line.doubt for line in lines] == doubts


@pytest.mark.parametrize(
    ("text", "confidence", "told"), [("0103/1960", 0.85, True), ("0103/1960", 0.75, False), ("0103", 0.85, False)]
)
def test_much_that_is_read_of_a_large_line_is_no_anatomy(
    monkeypatch: pytest.MonkeyPatch, text: str, confidence: float, told: bool
) -> None:
    line = ocr._Line(np.array([(90, 190), (284, 190), (284, 257), (90, 257)]), 0.5, text, confidence)
    monkeypatch.setattr(ocr, "_found", outlined(lambda part: [line] if part.shape[0] > 599 else []))
    lines = ocr.read_lines(Render(picture(rows=600, columns=600), short_side=600))
    assert [line.text for line in lines] == [text] * told


@pytest.mark.parametrize(
    ("text", "confidence", "left", "told"),
    [("UNA", 0.99, 60, True), ("UNA", 0.8, 60, False), ("UNA", 0.99, 120, False)],
)
def test_of_a_line_that_is_read_closely_a_part_may_have_been_noticed(
    text: str, confidence: float, left: int, told: bool
) -> None:
    def line(x0: int, x1: int) -> ocr._Line:
        return ocr._Line(np.array([(x0, 200), (x1, 200), (x1, 212), (x0, 212)]), 0.7, text, confidence)

    again = [line(left, 140)]
    assert (ocr._same(line(100, 118), again, 1.0, even_round=True) is not None) == told
    assert ocr._same(line(100, 118), again, 1.0) is None, "of what was outlined the place is known"


def test_what_cannot_be_read_is_medium_and_said_so() -> None:
    assert tier("", "") == ("medium", NOT_READ)


def test_a_mosaic_of_brains_is_no_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(Box(8, 8, 90, 30), "", 0.7)])
    mosaic = image(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    assert [finding.tier for finding in look(content(image()))] == ["medium"]
    assert look(content(mosaic)) == []


@pytest.mark.parametrize(
    ("again", "boxes"),
    [
        ([], []),  # ribs: at another size they are no digits
        ([("1", 0.9)], []),
        ([("19I0", 0.9)], [Box(100, 200, 340, 290)]),
        ([("1910", 0.4)], []),
        ([("WU", 0.94)], [Box(100, 200, 340, 290)]),  # read surely now
        ([("WU", 0.85)], []),
    ],
)
def test_a_large_line_counts_when_it_reads_alike_at_another_size(
    monkeypatch: pytest.MonkeyPatch, again: list[tuple[str, float]], boxes: list[Box]
) -> None:
    first = ocr._Line(np.array([(90, 190), (350, 190), (350, 300), (90, 300)]), 0.7, "1910", 0.85)

    def found(part: NDArray[np.uint8]) -> list[ocr._Line]:
        if part.shape[0] == 600:
            return [first]
        corners = (np.array([(100, 200), (340, 200), (340, 290), (100, 290)]) - (0, 80)) * (32 / 110)
        return [ocr._Line(corners, 0.7, text, confidence) for text, confidence in again]

    monkeypatch.setattr(ocr, "_found", outlined(found))
    lines = ocr.read_lines(Render(picture(rows=600, columns=600), short_side=600))
    assert [[round(side, -1) for side in line.box] for line in lines] == [list(box) for box in boxes]


@pytest.mark.parametrize(
    ("length", "height", "found", "told"),
    [(322, 49, 0.65, True), (120, 46, 0.71, True), (120, 46, 0.65, False), (120, 58, 0.75, False)],
)
def test_a_large_line_of_the_shape_of_writing_needs_no_second_look(
    monkeypatch: pytest.MonkeyPatch, length: int, height: int, found: float, told: bool
) -> None:
    corners = np.array([(90, 190), (90 + length, 190), (90 + length, 190 + height), (90, 190 + height)])
    line = ocr._Line(corners, found, "WTB", 0.85)
    monkeypatch.setattr(ocr, "_found", outlined(lambda part: [line] if part.shape[0] > 599 else []))
    lines = ocr.read_lines(Render(picture(rows=600, columns=600), short_side=600))
    assert [line.sure for line in lines] == [True] * told


@pytest.mark.parametrize("sure", [False, True])
def test_what_is_surely_writing_is_no_anatomy_though_large_and_short(
    monkeypatch: pytest.MonkeyPatch, sure: bool
) -> None:
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(Box(90, 190, 240, 236), "WTB", 0.85, sure)])
    found = look(content(image(pixels=picture(rows=600, columns=600))))
    assert [finding.text for finding in found] == ["WTB"] * sure


@pytest.mark.parametrize(
    ("text", "confidence", "sure", "told"),
    [
        ("33]3-1d", 0.62, True, ("medium", "")),  # a name in Arabic
        ("50 mm", 0.93, True, ("low", "50 mm")),
        ("50 mm", 0.62, False, ("low", "50 mm")),
        ("LEE", 0.62, True, ("high", "LEE")),
    ],
)
def test_what_is_surely_writing_is_harmless_only_when_it_was_read_surely(
    monkeypatch: pytest.MonkeyPatch, text: str, confidence: float, sure: bool, told: tuple[str, str]
) -> None:
    monkeypatch.setattr(ocr, "read_lines", lambda *_: [ocr.ReadLine(Box(8, 8, 90, 30), text, confidence, sure)])
    found = look(content(image(PatientName="Lee^Ann")))
    assert [(finding.tier, finding.text) for finding in found] == [told]


@pytest.mark.parametrize(("side", "colours"), [(700, 1), (900, 3)])
def test_of_a_small_grey_frame_the_local_contrast_is_read_alone(side: int, colours: int) -> None:
    dataset = image(pixels=picture(rows=side, columns=side + 32))
    shown = renders.renders(dataset.pixel_array, dataset)[0]
    read, _ = ocr._scaled(shown)
    assert len({read[..., place].tobytes() for place in range(3)}) == colours
    grown = cv2.resize(shown.picture[..., 1], read.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    assert (read[..., 1] == grown).all()


@pytest.mark.parametrize(("side", "grown", "alone"), [(96, 576, False), (700, 1024, False), (900, 1024, True)])
def test_a_grey_frame_is_read_once_more_with_its_views_as_colours_a_large_one_in_parts(
    side: int, grown: int, alone: bool
) -> None:
    dataset = image(pixels=picture(PERSON, rows=side, columns=side + 32))
    further = [view for view in renders.renders(dataset.pixel_array, dataset, closely=True) if view.beside]
    read = [ocr._scaled(view)[0] for view in further]
    assert [(min(shown.shape[:2]), view.alone) for shown, view in zip(read, further, strict=True)] == [(grown, alone)]
    assert [len({shown[..., colour].tobytes() for colour in range(3)}) for shown in read] == [3]
    assert not any(view.beside for view in renders.renders(dataset.pixel_array, dataset)), "of a loop in one frame"


def test_a_very_large_grey_frame_is_not_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = image(pixels=picture(rows=900, columns=932))
    monkeypatch.setattr(renders, "IN_PARTS", 900 * 932 - 1)
    assert not any(view.alone for view in renders.renders(dataset.pixel_array, dataset, closely=True))


def distracted(monkeypatch: pytest.MonkeyPatch, seen: float, length: int = 230) -> list[tuple[int, ...]]:
    """A model that sees (so surely) a line at the top of a picture, notices another below it, and finds that alone."""
    asked, models = list[tuple[int, ...]](), ocr._models()

    def finder(blob: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(blob.shape[2:])
        likely = np.zeros((1, 1, *blob.shape[2:]), np.float32)
        if max(blob.shape) > likelihood.PART:
            likely[0, 0, 10:30, 8:length], likely[0, 0, 428:450, 8:100] = seen, 0.02
        elif len(ink := np.argwhere(blob[0, 0] > 0.5)):
            (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0)
            likely[0, 0, top : bottom + 1, left : right + 1] = 0.9
        return likely

    monkeypatch.setattr(ocr, "_models", lambda: models._replace(finder=finder))
    return asked


def two_lines(first: str = PERSON) -> NDArray[np.uint8]:
    pixels = np.full((608, 608), 40, np.uint8)
    pixels[:64], pixels[420:484] = picture(first, 64, 608), picture("OKTAVIA", 64, 608)
    return pixels


@pytest.mark.parametrize(
    ("first", "seen", "parts", "read"),
    [
        (PERSON, 0.9, 2, {PERSON, "OKTAVIA"}),
        (PERSON, 0.9, 0, {PERSON}),
        (PERSON, 0.0, 2, set()),
        ("8", 0.9, 2, {"8"}),  # a picture without text may show one
    ],
)
def test_what_is_noticed_beside_a_line_is_looked_at_alone(
    monkeypatch: pytest.MonkeyPatch, first: str, seen: float, parts: int, read: set[str]
) -> None:
    asked = distracted(monkeypatch, seen, 8 + 222 * len(first) // len(PERSON))
    lines = ocr.read_lines(Render(two_lines(first), short_side=608, parts=parts))
    assert {line.text for line in lines} == read
    assert (asked.count((likelihood.PART, likelihood.PART)) in (1, 2)) == (len(read) == 2)


def test_a_view_in_parts_shows_the_model_no_more_than_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = distracted(monkeypatch, 0.0)
    lines = ocr.read_lines(Render(two_lines(), short_side=608, alone=True))
    assert "OKTAVIA" in {line.text for line in lines}
    assert len(asked) > 4 and max(max(shape) for shape in asked) <= likelihood.PART


@pytest.mark.parametrize(
    ("place", "side", "part"), [(300, 800, (160, 416)), (5, 800, (0, 256)), (799, 800, (544, 800))]
)
def test_a_part_lies_around_a_place_and_within_the_picture(place: int, side: int, part: tuple[int, int]) -> None:
    around = likelihood._around(place, side)
    assert (around.start, around.stop) == part


@pytest.mark.parametrize("first", ["ZIMMERWALD", "kV", ""])
@pytest.mark.parametrize("pixels", [picture(), np.dstack([picture()] * 3)], ids=["grey", "coloured"])
def test_a_further_view_is_asked_for_where_a_line_is(
    monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray, first: str
) -> None:
    def read(render: Render, _: object) -> list[ocr.ReadLine]:
        if render.beside:
            return [ocr.ReadLine(Box(8, 80, 60, 100), "OKTAVIA", 0.99)]
        return [ocr.ReadLine(Box(8, 8, 90, 30), first, 0.95)] if first else []

    monkeypatch.setattr(ocr, "read_lines", read)
    found = look(content(image(pixels=pixels)))
    assert {finding.text for finding in found} == ({first, "OKTAVIA"} if first else set())


def test_a_line_as_light_as_what_is_under_it_stands_out_in_a_contrast_of_colours() -> None:
    pixels = np.full((300, 400, 3), (246, 6, 240), np.uint8)
    pixels[100:110, 100:103] = (18, 162, 30)  # as light, as grey
    dataset = image(pixels=pixels)
    *usual, colours, _ = (render.picture for render in renders.renders(dataset.pixel_array, dataset, closely=True))
    steps = [np.ptp(view[80:130, 80:130].astype(int), axis=(0, 1)).max() for view in (usual[1], colours)]
    assert steps[0] < 60 < 100 < steps[1]


def test_a_pale_line_stands_out_of_the_colours_of_flow_in_a_smaller_view() -> None:
    pixels = np.full((300, 400, 3), (255, 140, 20), np.uint8)
    pixels[100:110, 100:103] = 161  # as light
    dataset = image(pixels=pixels)
    *usual, _, pale = renders.renders(dataset.pixel_array, dataset, closely=True)
    near, saturation, least = (
        int(view[105, 101]) - int(view[105, 80])
        for view in (usual[1].picture[..., 0], pale.picture[..., 0], pale.picture[..., 1])
    )
    assert abs(near) < 60 and saturation < -50 and least > 50, "less saturated, and the least of the colours is more"
    assert pale.beside and pale.short_side < usual[0].short_side


def test_a_large_line_is_read() -> None:
    drawn = picture(rows=200, columns=320)
    cv2.putText(drawn, "1910", (20, 150), cv2.FONT_HERSHEY_SIMPLEX, 4, 255, 8, cv2.LINE_AA)
    assert "1910" in {finding.text for finding in look(content(image(pixels=drawn)))}


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 32), (0, likelihood.TILE), (0, likelihood.TILE + 32), (64, 2560), (0, 5024)]
)
def test_tiles_cover_a_picture_and_have_enough_in_common(start: int, stop: int) -> None:
    spans = likelihood._spans(start, stop, likelihood.TILE, likelihood.OVERLAP)
    assert (spans[0].start, spans[-1].stop) == (start, stop)
    assert all(before.stop - after.start >= likelihood.OVERLAP - 32 for before, after in itertools.pairwise(spans))
    assert max(span.stop - span.start for span in spans) <= likelihood.TILE
    assert all(side % 32 == 0 for span in spans for side in (span.start, span.stop))


def test_no_model_is_asked_where_nothing_is() -> None:
    asked: list[tuple[int, ...]] = []

    def finder(blob: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(blob.shape)
        return np.ones((1, 1, *blob.shape[2:]), np.float32)

    empty = np.full((320, 640, 3), 90, np.uint8)
    assert not likelihood.map_of_text(finder, empty).any()
    empty[100:140, 200:300, 1] = 200
    assert np.argwhere(likelihood.map_of_text(finder, empty)[0, 0]).min(axis=0).tolist() == [64, 160]
    assert asked == [(1, 3, 128, 192)]


def test_the_smallest_numbers_are_nothing_to_the_model_and_to_nobody_else() -> None:
    def smallest() -> float:
        return float(np.float32(1e-39) * np.float32(1))

    assert ocr._models().finder.thread.submit(smallest).result() == 0, "multiplied, they take most of its time"
    assert smallest() > 0, "a value in a header may be one"


def test_a_fork_has_models_of_its_own() -> None:
    ocr._models()  # its thread stays behind, and nobody would answer
    if not (fork := os.fork()):
        os._exit(ocr._models.cache_info().currsize)
    assert os.waitpid(fork, 0) == (fork, 0)
    assert ocr._models.cache_info().currsize


def test_a_name_across_the_seam_of_two_tiles_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "TILE", 416)
    lines = ocr.read_lines(Render(picture(PERSON), growth=2.0))
    assert [line.text for line in lines] == [PERSON]


def test_red_on_blue_as_light_as_it_is_read() -> None:
    ink = picture(PERSON, ground=0)[..., None] > 128
    pixels = np.where(ink, np.array([95, 0, 0]), np.array([0, 0, 250])).astype(np.uint8)
    assert {finding.matched for finding in look(content(image(pixels=pixels)))} == {"PatientName"}


def test_a_line_that_was_surely_read_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[Box]] = []

    def read_lines(_: Render, known: list[Box]) -> list[ocr.ReadLine]:
        asked.append(known)
        return [ocr.ReadLine(Box(8, 8, 90, 30), "OKONJIMA", 0.95)]

    monkeypatch.setattr(ocr, "read_lines", read_lines)
    look(content(image()))
    assert asked == [[Box(8, 8, 90, 30).padded()] * views for views in range(3)]
    assert ocr._within(np.array([(5, 6), (95, 6), (95, 32), (5, 32)]), asked[1])
    assert not ocr._within(np.array([(5, 6), (195, 6), (195, 32), (5, 32)]), asked[1])


def test_a_picture_that_was_read_is_known_while_it_is_among_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []

    def lines(scaled: NDArray[np.uint8], scale: float, known: list[Box], *_: object) -> list[object]:
        looked.append((scaled.sum(), *known))
        return looked[-1:]

    monkeypatch.setattr(ocr, "_lines", lines)
    monkeypatch.setattr(ocr, "KNOWN_PICTURES", 2)
    one, two, three = (Render(np.full((40, 60), grey, np.uint8), growth=1.0) for grey in (1, 2, 3))
    elsewhere = [Box(0, 0, 9, 9)]
    assert ocr.read_lines(one) == ocr.read_lines(one) != ocr.read_lines(two)
    assert len(looked) == 2
    assert ocr.read_lines(one, elsewhere) != ocr.read_lines(one), "it had to make room and is read again"
    ocr.read_lines(three)
    assert len(looked) == 5


@pytest.mark.parametrize(
    ("again", "sure", "text", "counts"),
    [
        (False, False, "", True),
        (True, False, "", False),
        (True, True, "", True),
        (True, False, "ZIMMERWALD", True),
    ],
)
def test_a_line_that_is_neither_read_nor_sure_is_looked_at_again_in_a_volume(
    monkeypatch: pytest.MonkeyPatch, again: bool, sure: bool, text: str, counts: bool
) -> None:
    kept = ocr.ReadLine(Box(8, 8, 60, 30), text, 0.65, sure)
    monkeypatch.setattr(ocr, "_kept", lambda *_: (kept, kept.box))
    monkeypatch.setattr(ocr, "_closely", lambda *_, **__: None)
    monkeypatch.setattr(ocr, "_is_read", lambda _: False)
    ocr._read.clear()
    lines = ocr.read_lines(Render(picture("OKONJIMA"), short_side=320, again=again))
    ocr._read.clear()
    assert (kept in lines) is counts
