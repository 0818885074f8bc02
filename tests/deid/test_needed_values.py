"""A value that must stand has one after cleaning too, also among others: what 03 makes is what 04 accepts."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ComputedRadiographyImageStorage, EnhancedCTImageStorage, UltrasoundImageStorage

from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.standards import is_needed
from chorus_nb.verify.iods import new_errors, program
from tests.deid.conftest import SUBJECT, encoded, image, whole
from tests.deid.test_values import with_raw

TYPE_1 = {  # values of ImageType, in ISO_IR 100, to what is released
    r"ORIGINAL\PRIMARY\SÖMLAUTZ": r"ORIGINAL\PRIMARY\REMOVED",
    r"ORIGINAL\PRIMARY\zyx quell": r"ORIGINAL\PRIMARY\REMOVED",
    "ORIGINAL\\PRIMARY\\ZÖX\x07QUELL": r"ORIGINAL\PRIMARY\REMOVED",
    r"ORIGINAL\QÜELL\AXIAL": r"ORIGINAL\REMOVED\AXIAL",
    r"QÜELL\ZÖX\SÖMLAUTZ": r"REMOVED\REMOVED\REMOVED",
    r"ORIGINAL\PRIMARY\AXIAL\QÜELL": r"ORIGINAL\PRIMARY\AXIAL\REMOVED",
    r"ORIGINAL\PRIMARY\AXIAL\CT_QÜELL 5": r"ORIGINAL\PRIMARY\AXIAL\CT_ 5",
    r"ORIGINAL\PRIMARY\AXIAL": r"ORIGINAL\PRIMARY\AXIAL",
    r"ORIGINAL\PRIMARY\Ö": r"ORIGINAL\PRIMARY\Ö",
    "ORIGINAL\\PRIMARY\\": "ORIGINAL\\PRIMARY\\",  # none was there: that is the source's
    r"ORIGINAL\PRIMARY": r"ORIGINAL\PRIMARY",
}


def cleaned(engine: Deidentifier, keyword: str, text: str, folder: Path) -> tuple[str, list[str]]:
    """What is released of a text, and the errors that dciodvfy finds in the release only."""
    stand_in = "#" * (len(text) + len(text) % 2)
    content = encoded(image(SpecificCharacterSet="ISO_IR 100", **{keyword: stand_in}))
    content = content.replace(stand_in.encode(), text.encode("latin-1").ljust(len(stand_in)))
    path = folder / "released.dcm"
    path.write_bytes(whole(engine.apply(content, SUBJECT)))
    value = pydicom.dcmread(path).get(keyword) or ""
    joined = value if isinstance(value, str) else "\\".join(value)
    return joined, new_errors(content, path) if program() else []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", TYPE_1)
def test_a_value_that_must_stand_becomes_a_dummy_where_nothing_of_it_may_stay(
    engine: Deidentifier, tmp_path: Path, text: str
) -> None:
    assert cleaned(engine, "ImageType", text, tmp_path) == (TYPE_1[text], [])


def test_a_value_that_need_not_stand_goes(engine: Deidentifier, tmp_path: Path) -> None:
    assert cleaned(engine, "PatientPosition", "ZÖX QUELL", tmp_path) == ("", [])
    assert cleaned(engine, "ScanOptions", r"HELICAL MODE\ZÖX QUELL", tmp_path) == ("HELICAL MODE\\", [])


@pytest.mark.parametrize(
    ("vr", "keyword", "value"),
    [("DS", "WindowCenter", b"400 HU"), ("US", "PixelPaddingValue", b"\0\0\0\0"), ("CS", "ShutterShape", b"RECT")],
)
def test_what_may_be_absent_goes_where_nobody_can_use_it_and_04_finds_no_error_that_is_new(
    engine: Deidentifier, tmp_path: Path, vr: str, keyword: str, value: bytes
) -> None:
    content, path = with_raw(vr, keyword, value), tmp_path / "released.dcm"
    path.write_bytes(whole(engine.apply(content, SUBJECT)))
    assert keyword not in pydicom.dcmread(path)
    assert not program() or not new_errors(content, path)


def test_a_value_of_type_1c_is_needed_where_pixels_are_read_placed_or_told_apart_by_it() -> None:
    def needed(sop_class: str, path: str, *keywords: str) -> list[bool]:
        return [is_needed(sop_class, tuple(filter(None, path.split("."))), keyword) for keyword in keywords]

    assert needed(ComputedRadiographyImageStorage, "", "PixelSpacing", "RescaleSlope", "WindowCenter") == [1, 1, 0]
    assert needed(UltrasoundImageStorage, "", "AcquisitionDateTime", "PlanarConfiguration") == [0, 1]
    frame = "PerFrameFunctionalGroupsSequence"
    assert needed(EnhancedCTImageStorage, "", frame) == [1], "it says where each frame lies"
    assert needed(EnhancedCTImageStorage, f"{frame}.PlanePositionSequence", "ImagePositionPatient") == [1]
    assert needed(EnhancedCTImageStorage, f"{frame}.FrameContentSequence", "FrameReferenceDateTime") == [0]
