"""Which series may show a face, from their headers."""

from __future__ import annotations

import pandas as pd
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from chorus_nb.faces.needs import need, needs


@pytest.mark.parametrize(
    ("modality", "body_part", "series", "study", "expected"),
    [
        ("CT", "HEAD", "", "", "face"),
        ("MR", "", "3D T1 BRAIN", "", "face"),
        ("CT", "", "C-SPINE 2.0", "", "face"),
        ("PT", "WHOLEBODY", "", "", "face"),
        ("CT", "CHEST", "Neck to pelvis", "", "face"),
        ("CT", "", "", "CT HEAD WO CONTRAST", "face"),
        ("CT", "CHEST", "LUNG 1.0", "CT HEAD AND CHEST", "doubt"),
        ("CT", "CHEST", "LUNG 1.0", "CT CHEST", "none"),
        ("MR", "", "T2 KNEE SAG", "", "none"),
        ("MR", "", "AX T2", "", "unknown"),
        ("DX", "SKULL", "", "", "none"),
        ("US", "HEAD", "", "", "none"),
    ],
)
def test_words_of_the_series_outweigh_those_of_the_study(
    modality: str, body_part: str, series: str, study: str, expected: str
) -> None:
    assert need(modality, "ORIGINAL\\PRIMARY", body_part, series, study)[0] == expected


@pytest.mark.parametrize(
    ("image_type", "series", "expected"),
    [
        ("DERIVED\\SECONDARY\\VOLREN", "HEAD", "rendering"),
        ("DERIVED\\SECONDARY", "HEAD VRT", "rendering"),
        ("ORIGINAL\\PRIMARY", "3D T1 HEAD", "face"),
        ("DERIVED\\SECONDARY\\VOLREN", "KNEE", "none"),
    ],
)
def test_a_rendering_of_a_head_is_a_picture_of_a_face(image_type: str, series: str, expected: str) -> None:
    assert need("CT", image_type, "", series, "")[0] == expected


def test_one_slice_that_says_head_speaks_for_its_series_and_a_rendering_for_itself() -> None:
    images = pd.DataFrame(
        {
            "SeriesInstanceUID": ["1", "1", "1", "2"],
            "Modality": "CT",
            "ImageType": ["", "", "DERIVED\\SECONDARY\\VOLREN", ""],
            "BodyPartExamined": ["", "HEAD", "HEAD", "CHEST"],
            "SeriesDescription": "",
            "StudyDescription": "",
        }
    )
    assert list(needs(images).need) == ["face", "face", "rendering", "none"]


@pytest.mark.parametrize(
    ("modality", "series", "study", "expected"),
    [
        ("OT", "", "", "rendering"),  # perhaps a photograph (Safe Harbor item 17)
        ("CT", "3D", "CT HEAD", "rendering"),
        ("OT", "CHEST FILM", "", "none"),
        ("CT", "Dose Report", "CT HEAD", "none"),
    ],
)
def test_a_capture_may_show_a_face_unless_its_words_say_otherwise(
    modality: str, series: str, study: str, expected: str
) -> None:
    assert need(modality, "DERIVED\\SECONDARY", "", series, study, SecondaryCaptureImageStorage)[0] == expected
