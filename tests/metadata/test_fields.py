"""What a site writes in its headers becomes CHoRUS fields: hand-labelled descriptions, vectors, contradictions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import standards
from chorus_nb.metadata.field_words import FIELDS, code_of, goes_with, read_description, values
from chorus_nb.metadata.fields import FIELD_COLUMNS, MAPPED_FIELDS, map_fields, plane_of
from tests.benchmarks.fields import delivered_parts

SAMPLE = Path(__file__).with_name("descriptions_500.csv")
OF_STUDIES = ("body_part", "laterality", "contrast")
# Of the fields that a person found in a description, how many are found at least.
FOUND = {"body_part": 0.9, "laterality": 0.9, "plane": 0.9, "contrast": 0.8, "sequence_type": 0.9, "view": 0.9}


@pytest.fixture(scope="module")
def read() -> pd.DataFrame:
    """The labelled sample beside what the words say: ``<field>_read``."""
    sample = pd.read_csv(SAMPLE, keep_default_na=False)
    said = [read_description(row.description, row.modality) for row in sample.itertuples()]
    of_series = sample.field == "SeriesDescription"
    for field in FOUND:
        sample[f"{field}_read"] = pd.Series([one.get(field, "") for one in said], sample.index)
        if field not in OF_STUDIES:
            sample = sample.assign(**{name: sample[name].where(of_series, "") for name in (field, f"{field}_read")})
    return sample


def test_the_body_part_that_is_delivered_is_that_of_the_picture() -> None:
    told = delivered_parts()
    assert (told.true / told.judged >= 0.95).all()
    assert told.judged.sum() >= 0.9 * 250


@pytest.mark.parametrize("field", FOUND)
def test_what_is_read_is_what_a_person_reads(read: pd.DataFrame, field: str) -> None:
    want, found = read[field], read[f"{field}_read"]
    right = ((want == found) & (found != "")).sum()
    assert right / (found != "").sum() >= 0.95
    assert right / (want != "").sum() >= FOUND[field]


@pytest.mark.parametrize(
    ("text", "modality", "field", "value"),
    [
        ("CT CHEST W/O", "CT", "contrast", "without"),
        ("CT CHEST W/CONT", "CT", "contrast", "with"),
        ("MR BREAST WO/W CONT", "MR", "contrast", "both"),
        ("AX THK +C", "CT", "contrast", "with"),
        ("Post-treatment imaging study", "MR", "contrast", ""),
        ("MR HEAD POST-OP", "MR", "contrast", ""),
        ("CT_AbdPelvis", "CT", "body_part", "ABDOMENPELVIS"),
        ("CT C/A/P", "CT", "body_part", "CHESTABDPELVIS"),
        ("PROSTATE/PELVIS", "CT", "body_part", "PROSTATE"),
        ("KNEE AND HIP", "MR", "body_part", ""),
        ("PELVIS AND HIP", "DX", "body_part", ""),
        ("WHOLE BODY AND HEAD", "CT", "body_part", "WHOLEBODY"),
        ("PET/CT Sk-Thigh", "CT", "body_part", ""),
        ("BREAST SHIELDS PLEASE", "CT", "body_part", ""),
        ("PET skull to thigh", "CT", "body_part", ""),
        ("PET CT SKULL BASE TO MID-THIGH", "CT", "body_part", ""),
        ("COR HEAD MRCP", "MR", "body_part", ""),
        ("CT AB/PEL W & W/O CONTRAST", "CT", "body_part", "ABDOMENPELVIS"),
        ("MRI_C_Spine", "MR", "body_part", "CSPINE"),
        ("AX DWI ADC", "MR", "sequence_type", "ADC"),
        ("AX T2 FLAIR", "MR", "sequence_type", "FLAIR"),
        ("T1 and T2", "MR", "sequence_type", ""),
        ("T2 map", "MR", "sequence_type", ""),
        ("T2", "CT", "sequence_type", ""),
        ("SAG COR", "MR", "plane", ""),
        ("axial obl", "MR", "plane", "OBLIQUE"),
        ("R MLO", "MG", "laterality", "R"),
        ("R", "CT", "laterality", ""),
        ("LEFT LATERAL DECUBITUS", "DX", "laterality", ""),
        ("R XCCM", "MG", "view", "XCCM"),
        ("AP/LAT", "DX", "view", ""),
        ("ARTERIAL PHASE", "CT", "phase", "ARTERIAL"),
        ("NO DELAY", "MR", "phase", ""),
    ],
)
def test_words(text: str, modality: str, field: str, value: str) -> None:
    assert read_description(text, modality).get(field, "") == value


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("THIGH", "EXTREMITY", True),
        ("EXTREMITY", "THIGH", True),
        ("LSPINE", "TLSPINE", True),
        ("THYROID", "NECK", True),
        ("KNEE", "WHOLEBODY", True),
        ("HIP", "PELVIS", False),
        ("LUNG", "ABDOMEN", False),
        ("KNEE", "UPPERLIMB", False),
    ],
)
def test_a_part_goes_with_the_whole_it_is_of(one: str, other: str, both: bool) -> None:
    assert goes_with("body_part", one, other) is both


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        ("1\\0\\0\\0\\1\\0", "AXIAL"),
        ("0\\1\\0\\0\\0\\-1", "SAGITTAL"),
        ("1\\0\\0\\0\\0\\-1", "CORONAL"),
        ("1\\0\\0\\0\\0.70710678\\-0.70710678", "OBLIQUE"),
        ("1\\0\\0\\1\\0\\0", ""),
        ("1\\0\\0", ""),
        ("nan\\0\\0\\0\\1\\0", ""),
    ],
)
def test_plane_by_geometry(orientation: str, plane: str) -> None:
    assert plane_of(orientation) == plane


def mapped(**row: str) -> dict[str, str]:
    return {str(name): value for name, value in map_fields(pd.DataFrame([row])).iloc[0].items()}


def test_a_code_comes_before_a_term_and_a_term_before_words() -> None:
    row = mapped(AnatomicRegionSequence="SCT:10200004", BodyPartExamined="ABDOMEN", SeriesDescription="abdomen")
    assert (row["body_part"], row["body_part_source"]) == ("LIVER", "AnatomicRegionSequence")
    row = mapped(BodyPartExamined="Chest", SeriesDescription="CAP")
    assert (row["body_part"], row["body_part_confidence"]) == ("CHEST", "high")
    row = mapped(BodyPartExamined="", StudyDescription="CT thorax", Modality="CT")
    assert (row["body_part"], row["body_part_code"], row["body_part_original"]) == (
        "CHEST",
        "SCT:816094009",
        "CT thorax",
    )


def test_two_that_contradict_are_both_told_and_neither_stands() -> None:
    row = mapped(BodyPartExamined="CHEST", SeriesDescription="KNEE")
    assert [row[f"body_part{part}"] for part in FIELD_COLUMNS] == [
        "",
        "",
        "BodyPartExamined | SeriesDescription",
        "contradicted",
        "CHEST | KNEE",
    ]


@pytest.mark.parametrize(
    ("row", "side", "confidence"),
    [
        ({"ImageLaterality": "R", "StudyDescription": "MG SCREENING BILATERAL"}, "R", "high"),
        ({"SeriesDescription": "L MLO", "StudyDescription": "MG SCREENING BILATERAL"}, "L", "medium"),
        ({"ImageLaterality": "R", "SeriesDescription": "L MLO"}, "", "contradicted"),
        ({"ImageLaterality": "B", "SeriesDescription": "L MLO"}, "", "contradicted"),
    ],
)
def test_of_a_bilateral_study_each_image_shows_its_own_side(row: dict[str, str], side: str, confidence: str) -> None:
    found = mapped(Modality="MG", **row)
    assert (found["laterality"], found["laterality_confidence"]) == (side, confidence)


def test_the_contrast_of_a_study_is_not_that_of_a_series() -> None:
    assert mapped(Modality="CT", StudyDescription="CT CHEST W WO")["contrast"] == ""


def test_a_person_of_the_site_is_followed_before_all() -> None:
    rows = pd.DataFrame([{"BodyPartExamined": "CHEST", "SeriesDescription": "Protocol 7"}] * 2)
    site = pd.DataFrame(
        [{"attribute": "SeriesDescription", "local": "protocol 7", "field": "body_part", "value": "KNEE"}]
    )
    found = map_fields(rows, site)
    assert found.body_part.tolist() == ["KNEE", "KNEE"]
    assert found.body_part_source.unique().tolist() == ["site: SeriesDescription"]


def test_every_row_has_every_column_and_its_own_index() -> None:
    rows = pd.DataFrame({"Modality": ["CT", "MR", "CT"], "StudyDescription": ["CT CHEST", "", "CT CHEST"]}, [7, 3, 9])
    found = map_fields(rows)
    assert found.columns.tolist() == [field + part for field in MAPPED_FIELDS for part in FIELD_COLUMNS]
    assert found.index.tolist() == [7, 3, 9]
    assert found.loinc_code.tolist() == ["24627-2", "", "24627-2"]
    assert map_fields(rows.iloc[:0]).shape == (0, len(MAPPED_FIELDS) * len(FIELD_COLUMNS))


def test_every_value_is_stated_by_a_table() -> None:
    parts = {value for field, value in values() if field == "body_part"}
    assert parts <= standards.body_part_concepts().keys()
    assert {
        value for of, value in values() if of in ("laterality", "plane", "view") and not code_of(of, value)
    } == set()
    assert {field for field, _ in values()} == set(FIELDS)
