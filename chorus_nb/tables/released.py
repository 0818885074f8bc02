"""The registry, the metadata and the manifest of a release (notebooks 05 and 06)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydicom.datadict import dictionary_VM, dictionary_VR

from chorus_nb.tables.done import CHECKS
from chorus_nb.tables.schema import Column, Kind, Table, texts

IMAGE_REGISTRY = Table(
    "image_registry",
    "a released file (Imaging SOP section 2; facts: chorus.md §3)",
    (
        Column("image_registry_id", "integer", "1…n without gaps, stable across releases"),
        *texts(("file_id", "16 hexadecimal digits from the new SOP Instance UID")),
        Column("proc_id", "integer", "procedure_occurrence_id"),
        Column("person_id", "integer", "person.person_id"),
        Column("group_id", "integer", "= image_occurrence_id"),
        Column("visit_id", "integer", "visit_occurrence_id", nullable=True),
        *texts(
            ("datetime", "shifted, local, YYYY-MM-DD HH:MM:SS"),
            ("src_file", "path below release/"),
            ("trg_file", "blank: filled centrally"),
        ),
    ),
    key=("image_registry_id",),
    made_by="05_build_registry",
    kept="metadata",
    format="csv",
)

# What the metadata tables for sharing hold (SOP steps 7, 11): minimum metadata of study and series, keep list of image.
STUDY_KEYWORDS = (
    *("StudyDescription", "Modality", "StudyDate", "StudyTime", "Manufacturer", "ManufacturerModelName"),
    *("MagneticFieldStrength", "BodyPartExamined", "Radiopharmaceutical", "ContrastBolusAgent", "ContrastBolusRoute"),
)
SERIES_KEYWORDS = (
    *("SeriesNumber", "SeriesDescription", "SeriesDate", "Modality", "Manufacturer", "ManufacturerModelName"),
    *("MagneticFieldStrength", "BodyPartExamined", "Radiopharmaceutical", "ContrastBolusAgent", "ContrastBolusRoute"),
    *("SliceThickness", "ViewPosition", "ImageLaterality", "ImagesInAcquisition", "TransducerType"),
    "TransducerFrequency",
)
IMAGE_KEYWORDS = (
    *("SOPClassUID", "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "SliceThickness"),
    *("SpacingBetweenSlices", "SliceLocation", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope", "RescaleType", "KVP", "XRayTubeCurrent"),
    *("Exposure", "ExposureInuAs", "ExposureTime", "FocalSpots", "FilterType", "FilterMaterial"),
    *("FilterThicknessMinimum", "FilterThicknessMaximum", "ConvolutionKernel", "ScanningSequence"),
    *("SequenceVariant", "ScanOptions", "RepetitionTime", "EchoTime", "FlipAngle"),
)
HEADER_KEYWORDS = tuple(
    dict.fromkeys(
        (
            *("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
            *(*STUDY_KEYWORDS, *SERIES_KEYWORDS, *IMAGE_KEYWORDS),
        )
    )
)


def _attributes(keywords: tuple[str, ...]) -> Iterator[Column]:
    """Columns typed by the DICOM dictionary; an attribute of several values stays text, joined by a backslash."""
    for keyword in keywords:
        single = dictionary_VM(keyword) == "1"
        kind = NUMERIC_VR.get(dictionary_VR(keyword), "text") if single else "text"
        yield Column(keyword, kind, f"{keyword} of the released header", nullable=kind != "text")


NUMERIC_VR: dict[str, Kind] = {
    **dict.fromkeys(("DS", "FD", "FL"), "number"),
    **dict.fromkeys(("IS", "SL", "SS", "UL", "US"), "integer"),
}

RELEASED_HEADERS = Table(
    "released_headers",
    "a released file and the attributes of its header that the registry and the metadata tables need",
    (
        *texts(("target_path", "path below release/"), ("target_digest", "BLAKE3 of the file it was read from")),
        *texts(("anatomic_region", "AnatomicRegionSequence as scheme:code, '' if none")),
        *texts(*((keyword, f"{keyword} of the released header") for keyword in HEADER_KEYWORDS)),
    ),
    key=("target_path",),
    made_by="05_build_registry",
)

REGISTRY_IDS = Table(
    "registry_ids",
    "a file that is or was in a release, and its number in the image registry",
    (
        *texts(("file_id", "16 hexadecimal digits from the new SOP Instance UID")),
        Column("image_registry_id", "integer", "its number; null: retired, the file was taken back", nullable=True),
    ),
    key=("file_id",),
    made_by="05_build_registry",
)

PROCEDURE_IDS = Table(
    "procedure_ids",
    "an accession without a procedure in the EHR, and the procedure id minted for it; never used again",
    (
        Column("image_occurrence_id", "integer", "the accession"),
        Column("proc_id", "integer", "2000000000 to 2000999999 (Multimodal-Linkage SOP)"),
    ),
    key=("image_occurrence_id",),
    made_by="05_build_registry",
)

PROCEDURE_CONCEPTS = Table(
    "procedure_concepts",
    "a standard concept for the imaging procedures of a modality, a LOINC code or both",
    (
        *texts(("modality", "Modality, '' = any"), ("loinc_code", "LOINC code of the study, '' = any")),
        Column("procedure_concept_id", "integer", "standard concept of the Procedure domain"),
        *texts(("reviewer", "who"), ("note", "why")),
    ),
    key=("modality", "loinc_code"),
    made_by="05_build_registry",
    kept="decisions",
    format="csv",
)

REGISTRY_CHECKS = replace(
    CHECKS, name="registry_checks", a_row_is="a check of the registry and the OMOP tables", made_by="05_build_registry"
)

STUDY = Table(
    "study",
    "a study of an accession; values that differ within it are joined by a backslash",
    (
        Column("person_id", "integer", "person.person_id"),
        Column("image_occurrence_id", "integer", "AccessionNumber of the released header, group_id of the registry"),
        *texts(("StudyInstanceUID", "new UID")),
        Column("series", "integer", "series released"),
        Column("images", "integer", "files released"),
        *texts(*((keyword, f"{keyword} of the released headers") for keyword in STUDY_KEYWORDS)),
    ),
    key=("image_occurrence_id", "StudyInstanceUID"),
    made_by="05_build_registry",
    kept="metadata",
    format="csv",
)

SERIES = Table(
    "series",
    "a series of an accession, with the values of its first image",
    (
        Column("person_id", "integer", "person.person_id"),
        Column("image_occurrence_id", "integer", "AccessionNumber of the released header, group_id of the registry"),
        *texts(("StudyInstanceUID", "new UID"), ("SeriesInstanceUID", "new UID")),
        *texts(("folder", "folder of the series below release/")),
        Column("images", "integer", "files released"),
        *_attributes(SERIES_KEYWORDS),
        *texts(("anatomic_region", "AnatomicRegionSequence as scheme:code, '' if none")),
    ),
    key=("folder", "SeriesInstanceUID"),
    made_by="05_build_registry",
    kept="metadata",
    format="csv",
)

IMAGE = Table(
    "image",
    "a released file",
    (
        *texts(("file_id", "as in the image registry"), ("path", "path below release/")),
        *texts(("SeriesInstanceUID", "new UID"), ("SOPInstanceUID", "new UID")),
        *_attributes(IMAGE_KEYWORDS),
    ),
    key=("file_id",),
    made_by="05_build_registry",
    kept="metadata",
    format="csv",
)

MANIFEST = Table(
    "manifest",
    "a file of the release",
    (
        *texts(("path", "below release/")),
        Column("size", "integer", "bytes"),
        *texts(
            ("md5", "hex"), ("sha256", "hex"), ("delta", "added, modified, unchanged or removed since the last release")
        ),
    ),
    key=("path",),
    made_by="06_release",
    kept="metadata",
    format="csv",
)

SIGN_OFF = Table(
    "release_sign_off",
    "a person's decision to release what is packed",
    (
        *texts(
            ("release", "BLAKE3 over path and SHA-256 of every file of the manifest"),
            ("reviewer", "who"),
            ("time", "when, ISO 8601 with offset"),
            ("note", "what was looked at"),
        ),
    ),
    key=(),
    made_by="06_release",
    kept="decisions",
    format="csv",
)
