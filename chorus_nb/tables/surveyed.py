"""What is in the source and what is planned for it (notebooks 01 and 02)."""

from __future__ import annotations

from chorus_nb.tables.schema import Column, Table, texts

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
        *texts(
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
        *texts(
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
        *texts(
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
        *texts(
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
        *texts(
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
        *texts(
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
        *texts(("PatientID", "as in the header"), ("AccessionNumber", "as in the header")),
        Column("files", "integer", "DICOM files"),
        *texts(("modalities", "modalities, joined by \\"), ("acquired", "earliest local date and time, original")),
        Column("person_id", "integer", "from person_map", nullable=True),
        Column("days_shifted", "integer", "from person_map, negative = into the past", nullable=True),
        Column("image_occurrence_id", "integer", "from image_map", nullable=True),
        *texts(("acquired_shifted", "`acquired` plus the shift, as in the OMOP tables")),
        Column("procedure_occurrence_id", "integer", "of the EHR, where linked", nullable=True),
        *texts(("procedure_link", "how the procedure was found, '' if none")),
        Column("visit_occurrence_id", "integer", "visit the images belong to", nullable=True),
        *texts(("visit_link", "explicit, overlap, tie, none or unmapped")),
        *texts(("loinc_code", "LOINC code of the study, '' if unknown"), ("loinc_source", "where it comes from")),
    ),
    key=("PatientID", "AccessionNumber"),
    made_by="01_explore_headers",
)

TAG_PLAN = Table(
    "tag_plan",
    "a tag in files of one SOP class, and what happens to it",
    (
        *texts(
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
        *texts(
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
        *texts(("PatientID", "as in the header")),
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
        *texts(("PatientID", "as in the header"), ("AccessionNumber", "as in the header")),
        Column("image_occurence_id", "integer", "image_occurrence_id"),
    ),
    key=("PatientID", "AccessionNumber"),
    made_by="02_map_tags",
    format="csv",
)
