"""Which series may show a face, from their headers."""

from __future__ import annotations

import pandas as pd
import pytest
from pydicom.uid import CTImageStorage, MRImageStorage, SecondaryCaptureImageStorage

from chorus_nb.faces.needs import NEEDED_COLUMNS, need, needs


@pytest.mark.parametrize(
    ("modality", "body_part", "series", "study", "expected"),
    [
        ("CT", "HEAD", "", "", "face"),
        ("MR", "", "3D T1 BRAIN", "", "face"),
        ("CT", "", "C-SPINE 2.0", "", "face"),
        ("PT", "WHOLEBODY", "", "", "face"),
        ("CT", "CHEST", "Neck to pelvis", "", "face"),
        ("CT", "", "", "CT HEAD WO CONTRAST", "face"),
        ("CT", "CHEST", "LUNG 1.0", "CT HEAD AND CHEST", "pixels"),
        ("CT", "CHEST", "LUNG 1.0", "CT CHEST", "other"),
        ("MR", "", "T2 KNEE SAG", "", "other"),
        ("MR", "", "AX T2", "", "pixels"),
        # heads that were released by a word: what is no word of a head does not switch the search off
        ("MR", "", "T1 HIPPOCAMPUS", "", "pixels"),
        ("MR", "", "ARMADA T1", "HANDLED, LEGACY", "pixels"),
        ("PT", "", "EYES TO THIGH", "", "other"),
        ("CT", "CHEST", "", "TRAUMA PANSCAN", "other"),
        ("PT", "", "PET AC VERTEX TO THIGH", "", "other"),
        ("CT", "", "CTA AORTA ARCH-COW", "", "other"),
        ("MR", "SPINE", "whole spine", "", "pixels"),
    ],
)
def test_words_only_add_need_and_those_of_the_series_outweigh_those_of_the_study(
    modality: str, body_part: str, series: str, study: str, expected: str
) -> None:
    assert need(modality, "ORIGINAL\\PRIMARY", body_part, series, study)[0] == expected


@pytest.mark.parametrize(
    ("image_type", "series", "expected"),
    [
        ("DERIVED\\SECONDARY\\VOLREN", "HEAD", "rendering"),
        ("DERIVED\\SECONDARY\\VRT", "", "rendering"),  # nothing says what it shows
        ("DERIVED\\SECONDARY", "HEAD VRT", "rendering"),
        ("ORIGINAL\\PRIMARY", "3D T1 HEAD", "face"),
        ("DERIVED\\SECONDARY\\VOLREN", "KNEE", "other"),
    ],
)
def test_a_rendering_of_a_head_is_a_picture_of_a_face(image_type: str, series: str, expected: str) -> None:
    assert need("CT", image_type, "", series, "")[0] == expected


def images(*rows: dict[str, object]) -> pd.DataFrame:
    columns = (*NEEDED_COLUMNS, "SeriesInstanceUID", "ImagePositionPatient", "Rows", "Columns", "NumberOfFrames")
    usual = dict.fromkeys((*columns, "SamplesPerPixel"), "") | {"SeriesInstanceUID": "1", "Modality": "CT"}
    usual |= {"PixelSpacing": "0.5\\0.5", "frame_places": 0}
    return pd.DataFrame([usual | row for row in rows]).convert_dtypes()  # as the catalog is read


@pytest.mark.parametrize("modality", ["XA", "NM", "RF", "DX", "US"])
def test_a_rendering_is_one_whatever_made_it(modality: str) -> None:
    said = needs(images({"Modality": modality, "SeriesDescription": "3D VRT"}, {"Modality": modality}))
    assert list(said.need) == ["rendering", "none"]


@pytest.mark.parametrize(
    ("row", "need"),
    [
        ({"Modality": "XA"}, "rendering"),
        ({"Modality": "NM", "BodyPartExamined": "HEAD"}, "rendering"),
        ({"Modality": "DX", "BodyPartExamined": "CHEST"}, "none"),
        ({"Modality": "US"}, "none"),  # flow is in colour
        ({"Modality": "MR", "SeriesDescription": "BRAIN FA"}, "face"),
    ],
)
def test_a_picture_in_colours_that_its_device_does_not_measure_may_be_a_rendering(
    row: dict[str, object], need: str
) -> None:
    assert list(needs(images(row | {"SamplesPerPixel": "3"})).need) == [need]


@pytest.mark.parametrize(
    ("row", "need"),
    [
        ({}, "rendering"),
        ({"SamplesPerPixel": "3", "ImagePositionPatient": "0\\0\\9"}, "rendering"),
        ({"PixelSpacing": "0.0\\0", "ImagePositionPatient": "0\\0\\9"}, "rendering"),
        ({"BodyPartExamined": "CHEST"}, "pixels"),
        ({"frame_places": 9}, "pixels"),
    ],
)
def test_a_picture_among_slices_that_is_none_may_be_a_rendering(row: dict[str, object], need: str) -> None:
    """Asked are the slices, and what they say is no word about it."""
    placed = {"ImagePositionPatient": "0\\0\\1"}
    assert list(needs(images(placed, placed, row)).need) == ["pixels", "pixels", need]
    assert set(needs(images({}, {})).need) == {"pixels"}, "none has a place: asked together, and held"


def test_one_slice_that_says_head_speaks_for_its_series_and_a_rendering_for_itself() -> None:
    rendering = {"ImageType": "DERIVED\\SECONDARY\\VOLREN", "BodyPartExamined": "HEAD"}
    chest = {"SeriesInstanceUID": "2", "BodyPartExamined": "CHEST"}
    page = {"SOPClassUID": SecondaryCaptureImageStorage, "SeriesDescription": "DOSE REPORT"}
    said = needs(images({}, {"BodyPartExamined": "HEAD"}, rendering, page, chest))
    assert list(said.need) == ["face", "face", "rendering", "none", "other"]


@pytest.mark.parametrize(
    ("row", "volume"),
    [
        ({"Modality": "CT"}, True),
        ({"Modality": "CR", "SOPClassUID": CTImageStorage}, True),
        ({"Modality": "MG", "SOPClassUID": MRImageStorage, "BodyPartExamined": "HIP"}, True),
        ({"Modality": "XA"}, False),
        ({"Modality": "XA", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.1"}, True),
        ({"Modality": "XA", "ImagePositionPatient": "0\\0\\0"}, True),
        (
            {"Modality": "NM", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.20", "ImageType": "ORIGINAL\\PRIMARY\\STATIC"},
            False,
        ),
        ({"Modality": "NM", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.20", "ImageType": "O\\P\\RECON TOMO"}, True),
        ({"Modality": "DX", "BodyPartExamined": "SKULL"}, False),
        ({"Modality": "US", "BodyPartExamined": "HEAD", "ImagePositionPatient": "0\\0\\0"}, False),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "BodyPartExamined": "CHEST"}, False),
        ({"Modality": "MG", "ImagePositionPatient": "0\\0\\0"}, False),
        ({"Modality": "XA", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1.1", "frame_places": 3}, True),
        ({"Modality": "RF", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.2", "frame_places": 10}, True),
        ({"Modality": "US", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.2", "frame_places": 9}, False),
        ({"Modality": "MG", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3", "frame_places": 60}, False),
        ({"Modality": "SEG", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4", "frame_places": 90}, False),
    ],
)
def test_what_has_the_geometry_of_a_volume_is_asked_whatever_made_it(row: dict[str, object], volume: bool) -> None:
    assert (needs(images(row)).need.iloc[0] != "none") == volume


@pytest.mark.parametrize("frames", [False, True])
def test_captures_that_say_where_they_lie_are_asked_as_any_stack(frames: bool) -> None:
    """Whatever their words name; alone each may be a rendering."""
    places = [{"frame_places": 5}, {"frame_places": 5}]
    if not frames:
        places = [{"ImagePositionPatient": f"0\\0\\{place}"} for place in range(10)]
    for part, alone, asked in (("CHEST", "none", "other"), ("", "rendering", "pixels")):
        usual = {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "OT", "BodyPartExamined": part}
        assert set(needs(images(*[usual | row for row in places])).need) == {asked}
        assert set(needs(images(usual | places[0])).need) == {alone}
        assert set(needs(images(*[usual | row | {"SamplesPerPixel": "3"} for row in places])).need) == {alone}


@pytest.mark.parametrize("modality", ["DX", "PX", "US", "OT"])
def test_ten_images_in_as_many_places_are_a_volume_whatever_made_them(modality: str) -> None:
    for count, volume in ((9, False), (10, True)):
        rows = [{"Modality": modality, "ImagePositionPatient": f"0\\0\\{place}"} for place in range(count)]
        assert set(needs(images(*rows)).need != "none") == {volume}


@pytest.mark.parametrize(
    ("row", "count", "need"),
    [
        ({}, 10, "pixels"),
        ({"BodyPartExamined": "SKULL"}, 10, "pixels"),
        ({"BodyPartExamined": "KNEE"}, 10, "other"),
        ({}, 9, "none"),
        ({"Rows": "2048"}, 10, "none"),
        ({"NumberOfFrames": "30"}, 10, "none"),
        ({"Modality": "US", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, 10, "none"),
    ],
)
def test_ten_pictures_of_the_size_of_a_slice_that_say_no_place_are_asked(
    row: dict[str, object], count: int, need: str
) -> None:
    usual = {"Modality": "DX", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1", "Rows": "512", "Columns": "512"}
    assert set(needs(images(*[usual | row] * count)).need) == {need}


@pytest.mark.parametrize(
    ("modality", "series", "study", "expected"),
    [
        ("OT", "", "", "rendering"),  # perhaps a photograph (Safe Harbor item 17)
        ("CT", "3D", "CT HEAD", "rendering"),
        ("OT", "CHEST FILM", "", "none"),
        ("CT", "Dose Report", "CT HEAD", "none"),
        ("OT", "VRT SUMMARY", "", "rendering"),  # no page
    ],
)
def test_a_capture_may_show_a_face_unless_its_words_say_otherwise(
    modality: str, series: str, study: str, expected: str
) -> None:
    said = need(modality, "DERIVED\\SECONDARY", "", series, study, SecondaryCaptureImageStorage, volume=False)
    assert said[0] == expected
