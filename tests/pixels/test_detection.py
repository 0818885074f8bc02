"""Text is found whatever the pixels stand for, and nothing is found where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from chorus_nb.pixels import Box, find_text, ocr
from chorus_nb.pixels.detection import look
from tests.pixels.images_with_text import PERSON, content, image, picture


def below_the_window() -> Dataset:
    """A CT in which the name is 60 HU above air: black on black in the usual window."""
    hounsfield = np.where(picture(PERSON, ground=0) > 128, -940, -1000).astype(np.int16)
    window = {"WindowCenter": 40, "WindowWidth": 400, "RescaleIntercept": -1024, "RescaleSlope": 1}
    return image(modality="CT", pixels=(hounsfield + 1024).astype(np.uint16), **window)


def palette() -> Dataset:
    """The name in an index whose colour is bright, on an index that is dark."""
    dataset = image(
        pixels=(picture(PERSON, ground=0) > 128).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR"
    )
    for name in ("Red", "Green", "Blue"):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [2, 0, 8])
        setattr(dataset, f"{name}PaletteColorLookupTableData", bytes([20, 240]))
    return dataset


@pytest.mark.parametrize(
    "dataset",
    [
        image(pixels=picture(PERSON), PhotometricInterpretation="MONOCHROME1"),
        image(pixels=picture(PERSON).astype(np.int16) * 8 - 1000),
        below_the_window(),
        palette(),
    ],
    ids=["MONOCHROME1", "signed", "below the window", "palette"],
)
def test_a_name_is_read(dataset: Dataset) -> None:
    assert {finding.matched for finding in find_text(content(dataset)) if finding.tier == "high"} == {"PatientName"}


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
    monkeypatch.setattr(ocr, "read_lines", lambda render: [ocr.ReadLine(box, text, confidence)])
    found = look(content(image(pixels=picture(rows=512, columns=512), PatientName="Lee^Ann")))
    assert [finding.text for finding in found] == ([text] if kept else [])


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
    monkeypatch.setattr(ocr, "read_lines", lambda render: [ocr.ReadLine(Box(8, 8, 90, 30), text, confidence)])
    mosaic = image(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], PatientID="4471902")
    assert [finding.text for finding in look(content(mosaic))] == ([text] if kept else [])
    assert [finding.text for finding in look(content(image()))] == [text]
