"""The tables that flow from notebook to notebook: name, columns, types, nullability and meaning, checked both ways."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from pydicom.datadict import dictionary_VM, dictionary_VR

from chorus_nb.errors import WorkbenchError

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "integer", "number", "truth"]
ARROW = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "truth": pa.bool_()}


@dataclass(frozen=True)
class Column:
    """A column: ``text`` is never null ("" = nothing); other kinds may be null where ``nullable``."""

    name: str
    kind: Kind
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """The schema of a table, where it is kept and which notebook makes it."""

    name: str
    a_row_is: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    made_by: str
    kept: Literal["local", "decisions", "metadata"] = "local"
    format: Literal["parquet", "csv"] = "parquet"

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, ARROW[c.kind], nullable=c.nullable) for c in self.columns])


class SchemaError(WorkbenchError):
    """A table does not have the columns or types it should; names the columns, never a value."""


def _texts(*pairs: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, "text", meaning) for name, meaning in pairs)


# Header attributes of the catalog, by DICOM keyword: what linking and sorting need, the SOP's minimum metadata (step 7)
# and its keep list, and what triage looks at. Text as in the header, multi-values joined by "\".
CATALOG_KEYWORDS = (
    *("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"),
    *("Modality", "StudyDescription", "SeriesDescription", "SeriesNumber", "InstanceNumber", "AcquisitionNumber"),
    *("StudyDate", "StudyTime", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime"),
    *("AcquisitionDateTime", "ContentDate", "ContentTime", "TimezoneOffsetFromUTC", "PatientBirthDate", "PatientAge"),
    *("PatientSex", "Manufacturer", "ManufacturerModelName", "MagneticFieldStrength", "BodyPartExamined"),
    *("Radiopharmaceutical", "ContrastBolusAgent", "ContrastBolusRoute", "SliceThickness", "ViewPosition"),
    *("Laterality", "ImageLaterality", "ImagesInAcquisition", "TransducerData", "TransducerType"),
    *("TransducerFrequency", "ImageType", "ConversionType", "BurnedInAnnotation", "RecognizableVisualFeatures"),
    *("PatientIdentityRemoved", "SpecificCharacterSet", "FrameOfReferenceUID", "ImagePositionPatient"),
    *("ImageOrientationPatient", "SliceLocation", "PixelSpacing", "SpacingBetweenSlices", "Rows", "Columns"),
    *("NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope", "RescaleType"),
    *("KVP", "XRayTubeCurrent", "Exposure", "ExposureInuAs", "ExposureTime", "FocalSpots", "FilterType"),
    *("FilterMaterial", "FilterThicknessMinimum", "FilterThicknessMaximum", "ConvolutionKernel"),
    *("ScanningSequence", "SequenceVariant", "ScanOptions", "RepetitionTime", "EchoTime", "FlipAngle"),
)

CATALOG = Table(
    "catalog",
    "a file found in the source, also the unreadable and the non-DICOM",
    (
        *_texts(
            ("source_path", "path below the source, / between folders, archive.zip!member inside an archive"),
            ("status", "dicom, not_dicom or unreadable"),
            (
                "reason",
                "why it is not dicom, or what is wrong with the file: a short code (truncated, structure_damaged, "
                "trailing_bytes, structure_refused, unreadable, not_dicom or of the search for files), '' if nothing",
            ),
        ),
        Column("size", "integer", "bytes"),
        Column("modified_ns", "integer", "modification time, nanoseconds since 1970"),
        *_texts(
            ("TransferSyntaxUID", "from the file meta information"),
            ("MediaStorageSOPClassUID", "from the file meta information; a DICOMDIR has no other"),
            ("identifiers_in_path", "attributes whose value stands in source_path, joined by \\"),
        ),
        Column("has_preamble", "truth", "128 bytes and DICM stand before the file meta information"),
        Column("has_pixels", "truth", "carries Pixel Data, Float Pixel Data or Double Float Pixel Data"),
        Column("pixel_bytes", "integer", "length of the pixel data value in the file"),
        Column("private_elements", "integer", "private data elements at any depth"),
        Column("sequences", "integer", "sequences at any depth"),
        Column("us_regions", "integer", "items of Sequence of Ultrasound Regions"),
        Column("overlay_groups", "integer", "overlay groups 60xx"),
        *_texts(
            ("acquired", "local date and time of the image, original, YYYY-MM-DD HH:MM:SS, '' if unknown"),
            ("acquired_from", "the attributes `acquired` comes from"),
            ("procedure_codes", "ProcedureCodeSequence as scheme:value, multi-values joined by \\"),
        ),
        *(Column(keyword, "text", f"{keyword} of the header") for keyword in CATALOG_KEYWORDS),
    ),
    key=("source_path",),
    made_by="01_explore_headers",
)

TAG_PROFILE = Table(
    "tag_profile",
    "a tag (path, private creator, VR) in files of one modality and SOP class",
    (
        *_texts(
            ("modality", "Modality (0008,0060)"),
            ("sop_class", "SOP Class UID"),
            ("path", "keywords of the sequences above it, joined by '.', '' at the root"),
            ("tag", "(gggg,eeee); a private tag as (gggg,xxee)"),
            ("private_creator", "its private creator, '' for a standard tag"),
            ("keyword", "keyword in the DICOM dictionary, '' if unknown"),
            ("vr", "value representation in the file"),
        ),
        Column("files", "integer", "files that hold it"),
        Column("missing", "integer", "files of that modality and SOP class that lack it"),
        Column("empty", "integer", "files in which it holds no value"),
        Column("distinct", "integer", "distinct values (approximate in surveys of many millions of values)"),
        Column("invalid", "integer", "distinct values that break the rules of their VR"),
        Column("shortest", "integer", "length of the shortest value, bytes"),
        Column("longest", "integer", "length of the longest value, bytes"),
        *_texts(
            ("lowest", "lowest number or date, '' if neither"),
            ("highest", "highest number or date, '' if neither"),
            ("examples", "up to three values, identifiable: stays local"),
            (
                "covered_by",
                "which lists name it: minimum, keep list, E.1-1, official script, safe private, joined by '; '",
            ),
        ),
    ),
    key=("modality", "sop_class", "path", "tag", "private_creator", "vr"),
    made_by="01_explore_headers",
)

QUALITY_FINDINGS = Table(
    "quality_findings",
    "a finding about the source data",
    (
        *_texts(
            ("rule", "short stable code of the rule"),
            ("severity", "high, medium or low"),
            ("level", "patient, study, series or file"),
            ("item", "the UID, identifier or path it is about"),
            ("detail", "what was found"),
            ("what_to_do", "how to mend it"),
        ),
        Column("files", "integer", "files concerned"),
    ),
    key=(),
    made_by="01_explore_headers",
)

LINKAGE = Table(
    "linkage",
    "an accession of a patient in the source and what it links to in the lookup tables and OMOP",
    (
        *_texts(("PatientID", "as in the header"), ("AccessionNumber", "as in the header")),
        Column("files", "integer", "DICOM files"),
        *_texts(("modalities", "modalities, joined by \\"), ("acquired", "earliest local date and time, original")),
        Column("person_id", "integer", "from person_map", nullable=True),
        Column("days_shifted", "integer", "from person_map, negative = into the past", nullable=True),
        Column("image_occurrence_id", "integer", "from image_map", nullable=True),
        *_texts(("acquired_shifted", "`acquired` plus the shift, as in the OMOP tables")),
        Column("procedure_occurrence_id", "integer", "of the EHR, where linked", nullable=True),
        *_texts(("procedure_link", "how the procedure was found, '' if none")),
        Column("visit_occurrence_id", "integer", "visit the images belong to", nullable=True),
        *_texts(("visit_link", "explicit, overlap, tie, none or unmapped")),
        *_texts(("loinc_code", "LOINC code of the study, '' if unknown"), ("loinc_source", "where it comes from")),
    ),
    key=("PatientID", "AccessionNumber"),
    made_by="01_explore_headers",
)

TAG_PLAN = Table(
    "tag_plan",
    "a tag in files of one SOP class, and what happens to it",
    (
        *_texts(
            ("sop_class", "SOP Class UID the row holds for"),
            ("modality", "modalities of those files, joined by \\"),
            ("path", "keywords of the sequences above it, joined by '.', '' at the root"),
            ("tag", "(gggg,eeee); a private tag as (gggg,xxee)"),
            ("private_creator", "its private creator, '' for a standard tag"),
            ("keyword", "keyword in the DICOM dictionary"),
            ("vr", "value representation"),
            (
                "action",
                "K keep, X remove, Z empty, D dummy, U new UID, C clean, S sequence item by item, shift, lookup, age",
            ),
            ("replacement", "the fixed value written, '' if the action makes it"),
            ("reason", "why"),
            ("rule_source", "which rule said so"),
            ("official", "what the official CHoRUS script does"),
            ("decided_by", "policy, or the person who overrode it"),
        ),
        Column("files", "integer", "files that hold it"),
        *_texts(
            ("example_before", "a value, identifiable: stays local"), ("example_after", "what the engine makes of it")
        ),
    ),
    key=("sop_class", "path", "tag", "private_creator"),
    made_by="02_map_tags",
    format="csv",
)

PERSON_MAP = Table(
    "Personal_map",
    "a patient of the source and the person of OMOP",
    (
        *_texts(("PatientID", "as in the header")),
        Column("person_id", "integer", "OMOP person_id"),
        Column("Days_Shifted", "integer", "days added to every date, negative = into the past"),
    ),
    key=("PatientID",),
    made_by="02_map_tags",
    format="csv",
)

IMAGE_MAP = Table(
    "Image_map",
    "an accession of a patient and its image_occurrence_id (the misspelling is the official header)",
    (
        *_texts(("PatientID", "as in the header"), ("AccessionNumber", "as in the header")),
        Column("image_occurence_id", "integer", "image_occurrence_id"),
    ),
    key=("PatientID", "AccessionNumber"),
    made_by="02_map_tags",
    format="csv",
)

STATUSES = ("released", "held_back", "quarantined", "duplicate", "not_dicom")

WORKLIST = Table(
    "worklist",
    "a file with its target path in the release, or the reason it is held back",
    (
        *_texts(
            ("source_path", "path below the source"),
            ("status", "release, or what becomes of it instead: held_back, quarantined, duplicate, not_dicom"),
            ("reason", "a short stable code, '' for release"),
            ("detail", "more on the reason, free of header values"),
            ("target_path", "path below release/, '' if it is not released"),
            ("sop_class", "SOP Class UID"),
            ("modality", "Modality"),
        ),
        Column("size", "integer", "bytes"),
        Column("modified_ns", "integer", "modification time, nanoseconds since 1970"),
        Column("person_id", "integer", "OMOP person_id", nullable=True),
        Column("days_shifted", "integer", "days added to every date", nullable=True),
        Column("image_occurrence_id", "integer", "replaces the accession", nullable=True),
        *_texts(
            ("boxes", "x0,y0,x1,y1 of burned-in text to remove, joined by ';', '' = pixels stay as they are"),
            ("fingerprint", "hash of what the result depends on; equal = nothing to redo"),
        ),
        Column("text_checked", "truth", "the pixels were searched for burned-in text; none is left"),
    ),
    key=("source_path",),
    made_by="03_run_deid",
)

OUTCOMES = Table(
    "outcomes",
    "a file found in the source and what became of it",
    (
        *_texts(
            ("source_path", "path below the source"),
            ("status", ", ".join(STATUSES)),
            ("reason", "a short stable code, '' for released"),
            ("detail", "more on the reason, free of header values"),
            ("target_path", "path below release/, '' if it is not released"),
            ("sop_class", "SOP Class UID"),
            ("modality", "Modality"),
            ("source_digest", "BLAKE3 of the source file, hex, '' if it was not read"),
            ("target_digest", "BLAKE3 of the released file"),
            ("pixel_digest_before", "BLAKE3 of the pixel data value in the source"),
            ("pixel_digest_after", "BLAKE3 of the pixel data value in the release"),
            ("boxes", "what was filled in the pixels, x0,y0,x1,y1 joined by ';', '' = the pixels are as they were"),
        ),
        Column("seconds", "number", "time spent on it"),
    ),
    key=("source_path",),
    made_by="03_run_deid",
)

CROSSWALK = Table(
    "crosswalk",
    "a changed element of a file (SOP step 10); stays local",
    (
        *_texts(
            ("source_path", "path below the source"),
            ("target_path", "path below release/"),
            ("path", "keywords of the sequences above it with item numbers, '' at the root"),
            ("tag", "(gggg,eeee)"),
            ("keyword", "keyword, or the private creator"),
            ("vr", "value representation"),
            ("original", "original value"),
            ("action", "action of the tag plan"),
            ("rule_source", "which rule said so"),
            ("new", "new value, '' if removed or emptied"),
        ),
    ),
    key=(),
    made_by="03_run_deid",
)

VERIFICATION = Table(
    "verification",
    "a finding of the checks",
    (
        *_texts(
            ("check", "short stable code of the check"),
            ("severity", "high, medium, low or info"),
            ("file", "path below release/, audit/ or the source"),
            ("tag", "(gggg,eeee) or place, '' if none"),
            ("detail", "what was found; a found identifier is masked"),
        ),
    ),
    key=(),
    made_by="04_verify",
)

CHECKS = Table(
    "checks",
    "a check of the gate",
    (
        *_texts(
            ("check", "short stable code"),
            ("question", "what it asks, in a sentence"),
            ("result", "pass, fail or not run"),
            ("detail", "why it failed or was not run"),
        ),
        Column("examined", "integer", "things examined"),
        Column("findings", "integer", "findings of high severity"),
    ),
    key=("check",),
    made_by="04_verify",
)

TEXT_CHECKS = Table(
    "text_checks",
    "an image in which text was looked for (the cache that makes it resumable)",
    (
        *_texts(("source_path", "path below the source"), ("filled", "boxes filled before looking, '' = as it is")),
        Column("size", "integer", "bytes"),
        Column("modified_ns", "integer", "modification time, nanoseconds since 1970"),
        *_texts(
            ("detector", "version of the detector and its settings"),
            ("problem", "why it could not be checked: a short code, '' = it was"),
        ),
        Column("seconds", "number", "time spent on it"),
    ),
    key=("source_path", "filled"),
    made_by="03_run_deid",
)

TEXT_FINDINGS = Table(
    "text_findings",
    "a line of text found in the picture of a file; identifiable, stays local",
    (
        *_texts(("source_path", "path below the source"), ("filled", "boxes filled before looking, '' = as it is")),
        Column("frame", "integer", "from 0; -1 = maximum over all frames"),
        *_texts(("box", "x0,y0,x1,y1, pixels, exclusive ends"), ("text", "as it was read")),
        Column("confidence", "number", "of the reading, 0 to 1"),
        *_texts(
            ("tier", "high, medium or low"),
            ("reason", "why this tier"),
            ("matched", "keyword of the header attribute that says the same, '' = none"),
        ),
    ),
    key=(),
    made_by="03_run_deid",
)

IMAGE_VERDICTS = Table(
    "image_verdicts",
    "an image that may be released, and what its burned-in text means for that",
    (
        *_texts(
            ("source_path", "path below the source"),
            ("verdict", "clean, hold or redact"),
            ("reason", "burned_in_text, burned_in_text_unchecked, rejected_by_review, '' = clean or redact"),
            ("boxes", "what is filled, x0,y0,x1,y1 per box, joined by ';'; for a held image: what was found"),
            ("tier", "highest tier found: high, medium, low, '' = no text"),
            ("risk", "from the header: likely, unlikely, unreadable or none"),
            ("risk_reason", "the rule of triage that says so"),
            ("checked", "looked (text was looked for), group (its group was), decided (by a person), not (skipped)"),
            ("device", "MANUFACTURER|MODEL|ROWSxCOLS, the item of a decision on a device"),
        ),
    ),
    key=("source_path",),
    made_by="03_run_deid",
)

IMAGE_DECISIONS = Table(
    "image_decisions",
    "what a person decided about an image in a review",
    (
        *_texts(
            ("item", "source_path, series:UID or device:geometry"),
            ("decision", "accept, redact or reject"),
            ("boxes", "x0,y0,x1,y1 per box, joined by ';', pixels, exclusive ends"),
            ("reviewer", "who"),
            ("time", "when, ISO 8601 with offset"),
            ("note", "why"),
            ("seen_digest", "BLAKE3 of the source file that was looked at, '' = any"),
        ),
    ),
    key=(),
    made_by="04_verify",
    kept="decisions",
    format="csv",
)

TAG_DECISIONS = Table(
    "tag_decisions",
    "an override of the tag plan",
    (
        *_texts(
            ("path", "as in tag_plan; '*' = at any depth"),
            ("tag", "as in tag_plan"),
            ("private_creator", "as in tag_plan"),
            ("action", "as in tag_plan"),
            ("replacement", "as in tag_plan"),
            ("reason", "why; required"),
            ("reviewer", "who; required"),
            ("time", "when, ISO 8601 with offset"),
        ),
    ),
    key=(),
    made_by="02_map_tags",
    kept="decisions",
    format="csv",
)

IMAGE_REGISTRY = Table(
    "image_registry",
    "a released file (Imaging SOP section 2; facts: chorus.md §3)",
    (
        Column("image_registry_id", "integer", "1…n without gaps, stable across releases"),
        *_texts(("file_id", "16 hexadecimal digits from the new SOP Instance UID")),
        Column("proc_id", "integer", "procedure_occurrence_id"),
        Column("person_id", "integer", "person.person_id"),
        Column("group_id", "integer", "= image_occurrence_id"),
        Column("visit_id", "integer", "visit_occurrence_id", nullable=True),
        *_texts(
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
        *_texts(("target_path", "path below release/"), ("target_digest", "BLAKE3 of the file it was read from")),
        *_texts(("anatomic_region", "AnatomicRegionSequence as scheme:code, '' if none")),
        *_texts(*((keyword, f"{keyword} of the released header") for keyword in HEADER_KEYWORDS)),
    ),
    key=("target_path",),
    made_by="05_build_registry",
)

REGISTRY_IDS = Table(
    "registry_ids",
    "a file that is or was in a release, and its number in the image registry",
    (
        *_texts(("file_id", "16 hexadecimal digits from the new SOP Instance UID")),
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
        *_texts(("modality", "Modality, '' = any"), ("loinc_code", "LOINC code of the study, '' = any")),
        Column("procedure_concept_id", "integer", "standard concept of the Procedure domain"),
        *_texts(("reviewer", "who"), ("note", "why")),
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
        *_texts(("StudyInstanceUID", "new UID")),
        Column("series", "integer", "series released"),
        Column("images", "integer", "files released"),
        *_texts(*((keyword, f"{keyword} of the released headers") for keyword in STUDY_KEYWORDS)),
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
        *_texts(("StudyInstanceUID", "new UID"), ("SeriesInstanceUID", "new UID")),
        *_texts(("folder", "folder of the series below release/")),
        Column("images", "integer", "files released"),
        *_attributes(SERIES_KEYWORDS),
        *_texts(("anatomic_region", "AnatomicRegionSequence as scheme:code, '' if none")),
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
        *_texts(("file_id", "as in the image registry"), ("path", "path below release/")),
        *_texts(("SeriesInstanceUID", "new UID"), ("SOPInstanceUID", "new UID")),
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
        *_texts(("path", "below release/")),
        Column("size", "integer", "bytes"),
        *_texts(
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
        *_texts(
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

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Table))


# --- checking, writing, reading ---------------------------------------------------------------------------------------


def to_arrow(table: Table, frame: pd.DataFrame) -> pa.Table:
    """``frame`` as an Arrow table with the schema of ``table``; :class:`SchemaError` if it does not fit."""
    missing = [name for name in table.column_names if name not in frame.columns]
    extra = [str(name) for name in frame.columns if name not in table.column_names]
    if missing or extra:
        raise SchemaError(f"{table.name}: columns missing {missing or 'none'}, not expected {extra or 'none'}")
    arrays = []
    for column in table.columns:
        values = frame[column.name]
        if column.kind == "text":
            values = values.astype(object).where(values.notna(), "")
        try:
            if column.kind == "integer":
                values = values.astype("Int64")
            array = pa.Array.from_pandas(values, type=ARROW[column.kind])
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError):
            raise SchemaError(f"{table.name}: column {column.name} is not {column.kind}") from None
        if array.null_count and not column.nullable:
            raise SchemaError(f"{table.name}: column {column.name} has {array.null_count} empty values")
        arrays.append(array)
    result = pa.Table.from_arrays(
        [pa.chunked_array([a]) if isinstance(a, pa.Array) else a for a in arrays], schema=table.schema
    )
    if table.key and result.num_rows and result.group_by(list(table.key)).aggregate([]).num_rows != result.num_rows:
        raise SchemaError(f"{table.name}: {', '.join(table.key)} is not unique")
    return result


def encode(table: Table, frame: pd.DataFrame) -> bytes:
    """The bytes of ``table`` as it is kept: Parquet, or CSV (UTF-8, LF, RFC 4180, nulls blank)."""
    arrow = to_arrow(table, frame)
    if table.format == "parquet":
        sink = io.BytesIO()
        pq.write_table(arrow, sink, compression="zstd")
        return sink.getvalue()
    return csv_bytes(arrow.to_pandas(types_mapper=_pandas_type))


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """``frame`` in the CSV dialect of the project: UTF-8 without BOM, comma, LF, RFC 4180 quoting, blanks for null."""
    return frame.to_csv(index=False, lineterminator="\n").encode("utf-8")


def decode(table: Table, content: bytes) -> pd.DataFrame:
    """Read what :func:`encode` wrote; CSV a person edited may have a BOM or CRLF."""
    if table.format == "parquet":
        arrow = pq.read_table(io.BytesIO(content))
    else:
        convert = pacsv.ConvertOptions(
            column_types={c.name: ARROW[c.kind] for c in table.columns}, strings_can_be_null=False, null_values=[""]
        )
        parse = pacsv.ParseOptions(newlines_in_values=True)
        try:
            arrow = pacsv.read_csv(
                io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")), parse_options=parse, convert_options=convert
            )
        except pa.ArrowInvalid:
            raise SchemaError(f"{table.name}: is not a CSV table with the expected column types") from None
    return to_arrow(table, arrow.to_pandas(types_mapper=_pandas_type)).to_pandas(types_mapper=_pandas_type)


def read(table: Table, path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read and check the table kept at ``path``, or only some ``columns`` of it."""
    if columns is None:
        return decode(table, path.read_bytes())
    if table.format == "parquet":
        return pq.read_table(path, columns=list(columns)).to_pandas(types_mapper=_pandas_type)
    return decode(table, path.read_bytes())[list(columns)]


def empty(table: Table) -> pd.DataFrame:
    """The table without rows."""
    return table.schema.empty_table().to_pandas(types_mapper=_pandas_type)


def frame(table: Table, rows: list[dict[str, object]]) -> pd.DataFrame:
    """A checked frame of ``rows``; a text column that is left out is ""."""
    import pandas as pd

    texts = {c.name: "" for c in table.columns if c.kind == "text"}
    made = pd.DataFrame([{**texts, **row} for row in rows], columns=table.column_names)
    return to_arrow(table, made).to_pandas(types_mapper=_pandas_type)


def _pandas_type(kind: pa.DataType) -> object:
    import pandas as pd

    return {pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype("python")}.get(kind)


def describe(table: Table) -> pd.DataFrame:
    """The data dictionary of ``table``: a row per column."""
    import pandas as pd

    return pd.DataFrame(
        [(c.name, c.kind, c.nullable, c.meaning) for c in table.columns],
        columns=["column", "type", "nullable", "meaning"],
    )
