"""The quality rules: name, severity, what each finding is about, the query that finds it, and what to do.

A query gives item, detail and files; it reads ``catalog`` (every file), ``file`` (DICOM files, DICOMDIR left out),
``tag`` (the tag profile) and ``same_content`` (SOP Instance UIDs that stand in several files).
"""

from __future__ import annotations

from typing import NamedTuple

from pydicom import charset

from chorus_nb.explore.values import RULES as VR_RULES


class Rule(NamedTuple):
    """A rule of :data:`RULES`."""

    name: str
    severity: str
    level: str
    query: str
    what_to_do: str


def _several(level_uid: str, other: str, detail: str) -> str:
    """Items of ``level_uid`` in which ``other`` has more than one value."""
    return f"""
        SELECT {level_uid} AS item, count(DISTINCT {other}) || ' {detail}' AS detail, count(*) AS files
        FROM file WHERE {level_uid} <> '' AND {other} <> '' GROUP BY 1 HAVING count(DISTINCT {other}) > 1"""


def _files(condition: str, detail: str) -> str:
    """Series (or files, where there is no series) whose files meet ``condition``."""
    return f"""
        SELECT coalesce(nullif(SeriesInstanceUID, ''), source_path) AS item, {detail} AS detail, count(*) AS files
        FROM file WHERE {condition} GROUP BY 1, 2"""


_REASONS = """
    SELECT source_path AS item, reason AS detail, 1 AS files FROM catalog WHERE {}"""

_IDENTIFIERS = ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_MISSING = " UNION ALL ".join(
    f"""SELECT coalesce(nullif(SeriesInstanceUID, ''), source_path) AS item, '{name} is missing' AS detail,
        count(*) AS files FROM file WHERE {name} = '' GROUP BY 1"""
    for name in (*_IDENTIFIERS, "Modality")
)
_LONGEST = {"PatientID": 64, "AccessionNumber": 16} | {name: 64 for name in _IDENTIFIERS[2:]}
_TOO_LONG = " UNION ALL ".join(
    f"""SELECT {name} AS item, '{name} has ' || length({name}) || ' characters, {most} allowed' AS detail,
        count(*) AS files FROM file WHERE length({name}) > {most} GROUP BY 1, 2"""
    for name, most in _LONGEST.items()
)
_KNOWN_CHARACTER_SETS = ", ".join(f"'{name}'" for name in sorted(charset.python_encoding))
_CHECKED_VRS = ", ".join(f"'{vr}'" for vr in sorted(VR_RULES))

RULES = (
    Rule(
        "unreadable_file",
        "high",
        "file",
        _REASONS.format("status = 'unreadable'"),
        "Fetch the file again from its source; it goes to quarantine as it is.",
    ),
    Rule(
        "damaged_file",
        "high",
        "file",
        _REASONS.format("status = 'dicom' AND reason IN ('truncated', 'structure_damaged')"),
        "The header can be read but the file is cut off or its structure is broken: fetch it again.",
    ),
    Rule(
        "pixel_data_too_short",
        "high",
        "file",
        """SELECT source_path AS item, pixel_bytes || ' bytes of pixel data, the geometry asks for ' || asked AS detail,
               1 AS files
           FROM (SELECT *, (samples * TRY_CAST(BitsAllocated AS BIGINT) + 7) // 8 AS asked FROM file)
           WHERE native AND has_pixels AND reason = '' AND pixel_bytes < asked
             AND PhotometricInterpretation NOT LIKE 'YBR_%42%'""",
        "Fetch the file again: part of the image is missing.",
    ),
    Rule(
        "duplicate_conflict",
        "high",
        "file",
        """SELECT SOPInstanceUID AS item, contents || ' different files, the first is ' || example AS detail, files
           FROM same_content WHERE contents > 1""",
        "Two images with one SOP Instance UID: find out which is right; both are held back.",
    ),
    Rule(
        "duplicate_file",
        "low",
        "file",
        """SELECT SOPInstanceUID AS item, 'equal copies, the first is ' || example AS detail, files
           FROM same_content WHERE contents = 1""",
        "Nothing: one copy is taken.",
    ),
    Rule(
        "study_of_several_patients",
        "high",
        "study",
        _several("StudyInstanceUID", "PatientID", "patients"),
        "A study has one patient: have the PACS team merge or split it before release.",
    ),
    Rule(
        "accession_of_several_patients",
        "high",
        "study",
        _several("AccessionNumber", "PatientID", "patients"),
        "Check for a merged patient or a reused accession number.",
    ),
    Rule(
        "series_of_several_studies",
        "high",
        "series",
        _several("SeriesInstanceUID", "StudyInstanceUID", "studies"),
        "A series belongs to one study: check how the export was made.",
    ),
    Rule(
        "accession_of_several_studies",
        "medium",
        "study",
        _several("AccessionNumber", "StudyInstanceUID", "studies"),
        "Usual where one order has several studies; they share one image_occurrence_id.",
    ),
    Rule(
        "study_of_several_accessions",
        "medium",
        "study",
        _several("StudyInstanceUID", "AccessionNumber", "accession numbers"),
        "Linked orders: check that each accession is in the lookup table.",
    ),
    Rule("missing_identifier", "high", "series", _MISSING, "Without it a file cannot be linked: mend it at the source."),
    Rule(
        "identifier_too_long",
        "medium",
        "series",
        _TOO_LONG,
        "The value breaks its VR; check that the lookup table holds it in full.",
    ),
    Rule(
        "series_of_several_modalities",
        "medium",
        "series",
        _several("SeriesInstanceUID", "Modality", "modalities"),
        "A series has one modality: check for a wrong secondary capture.",
    ),
    Rule(
        "repeated_instance_number",
        "low",
        "series",
        """SELECT SeriesInstanceUID AS item, count(*) - count(DISTINCT instance) || ' repeats' AS detail, count(*) AS files
           FROM (SELECT DISTINCT SeriesInstanceUID, SOPInstanceUID, instance FROM file)
           WHERE SeriesInstanceUID <> '' AND instance IS NOT NULL
           GROUP BY 1 HAVING count(*) > count(DISTINCT instance)""",
        "File names of the release get a suffix; check whether two series were merged.",
    ),
    Rule(
        "gap_in_instance_numbers",
        "medium",
        "series",
        """SELECT SeriesInstanceUID AS item, max(instance) - min(instance) + 1 - count(DISTINCT instance)
               || ' numbers missing between ' || min(instance) || ' and ' || max(instance) AS detail, count(*) AS files
           FROM file WHERE SeriesInstanceUID <> '' AND instance IS NOT NULL
           GROUP BY 1 HAVING max(instance) - min(instance) + 1 > count(DISTINCT instance) AND count(*) > 2""",
        "Images of the series may not have been exported: compare with the PACS.",
    ),
    Rule(
        "inconsistent_geometry",
        "medium",
        "series",
        """SELECT SeriesInstanceUID AS item, concat_ws(', ',
               CASE WHEN count(DISTINCT (Rows, Columns)) > 1 THEN count(DISTINCT (Rows, Columns)) || ' image sizes' END,
               CASE WHEN count(DISTINCT PixelSpacing) > 1 THEN count(DISTINCT PixelSpacing) || ' pixel spacings' END,
               CASE WHEN count(DISTINCT ImageOrientationPatient) > 1
                    THEN count(DISTINCT ImageOrientationPatient) || ' orientations' END) AS detail, count(*) AS files
           FROM file WHERE SeriesInstanceUID <> '' AND Modality IN ('CT', 'MR', 'PT')
             AND NOT contains(ImageType, 'LOCALIZER')
           GROUP BY 1 HAVING count(DISTINCT (Rows, Columns)) > 1 OR count(DISTINCT PixelSpacing) > 1
               OR count(DISTINCT ImageOrientationPatient) > 1""",
        "Localizers or reformats in the series: it is not one volume.",
    ),
    Rule(
        "impossible_date",
        "medium",
        "series",
        _files("(StudyDate <> '' AND study_day IS NULL) OR acquired = ''", "'no valid date: StudyDate ' || StudyDate"),
        "Without a date an image finds no visit: mend it at the source.",
    ),
    Rule(
        "implausible_date",
        "medium",
        "series",
        _files(
            "TRY_CAST(nullif(acquired, '') AS TIMESTAMP) > now()::TIMESTAMP + INTERVAL 2 DAY "
            "OR TRY_CAST(nullif(acquired, '') AS TIMESTAMP) < TIMESTAMP '1980-01-01'",
            "'acquired ' || acquired[:10]",
        ),
        "A date in the future or before digital imaging: check the clock of the device.",
    ),
    Rule(
        "study_before_birth",
        "high",
        "study",
        """SELECT StudyInstanceUID AS item, 'StudyDate ' || StudyDate || ', PatientBirthDate ' || PatientBirthDate AS detail,
               count(*) AS files FROM file WHERE study_day < birth_day GROUP BY 1, 2""",
        "Wrong patient or wrong date: mend it at the source.",
    ),
    Rule(
        "age_against_birth_date",
        "low",
        "study",
        """SELECT StudyInstanceUID AS item, 'PatientAge ' || PatientAge || ', dates say ' || years || ' years' AS detail,
               count(*) AS files
           FROM (SELECT *, date_sub('year', birth_day, study_day) AS years FROM file)
           WHERE PatientAge LIKE '___Y' AND abs(TRY_CAST(PatientAge[:3] AS INTEGER) - years) > 1 GROUP BY 1, 2""",
        "Check whether the patient is the right one.",
    ),
    Rule(
        "no_time_of_day",
        "low",
        "series",
        _files("acquired <> '' AND NOT contains(acquired_from, 'Time')", "'only a date, from ' || acquired_from"),
        "Midnight is taken; near the start or end of a stay the visit may be missed.",
    ),
    Rule(
        "wrong_vr",
        "low",
        "file",
        """SELECT concat_ws('.', nullif(path, ''), tag) || ' ' || keyword AS item, 'VR ' || vr || ' in ' || modality AS detail,
               files FROM tag WHERE keyword <> '' AND keyword <> 'PrivateCreator' AND NOT list_contains(string_split(dictionary_vr(keyword), ' or '), vr)""",
        "Kept as it is; the de-identifier decides by tag, not by the VR of the file.",
    ),
    Rule(
        "value_breaks_vr",
        "low",
        "file",
        f"""SELECT concat_ws('.', nullif(path, ''), tag) || ' ' || keyword AS item,
               invalid || ' of ' || "distinct" || ' values break VR ' || vr || ' in ' || modality AS detail, files
           FROM tag WHERE invalid > 0 AND vr IN ({_CHECKED_VRS})""",
        "Dates and identifiers among them need mending; others are harmless.",
    ),
    Rule(
        "unknown_character_set",
        "medium",
        "series",
        f"""SELECT coalesce(nullif(SeriesInstanceUID, ''), source_path) AS item, 'SpecificCharacterSet ' || term AS detail,
               count(*) AS files
           FROM (SELECT *, trim(unnest(string_split(SpecificCharacterSet, '\\'))) AS term FROM file)
           WHERE term NOT IN ({_KNOWN_CHARACTER_SETS}) GROUP BY 1, 2""",
        "Names may read wrongly; searching for them in text may miss some.",
    ),
    Rule(
        "identifier_in_path",
        "low",
        "file",
        """SELECT parse_dirpath(source_path) AS item, 'names of folders or files hold ' || identifiers_in_path AS detail,
               count(*) AS files FROM catalog WHERE identifiers_in_path <> '' GROUP BY 1, 2""",
        "Nothing: source paths stay local. Do not paste them into mails or tickets.",
    ),
    Rule(
        "secondary_capture",
        "medium",
        "series",
        _files(
            "ConversionType = 'WSD' OR starts_with(SOPClassUID, '1.2.840.10008.5.1.4.1.1.7')",
            "'screen shots or scans, ' || coalesce(nullif(Modality, ''), 'no') || ' modality'",
        ),
        "Held back by default: they often show the patient's name.",
    ),
    Rule(
        "likely_burned_in_text",
        "high",
        "series",
        _files(
            "BurnedInAnnotation = 'YES' OR (Modality = 'US' AND BurnedInAnnotation <> 'NO' AND has_pixels) "
            "OR (has_pixels AND regexp_matches(ImageType, 'SCREEN SAVE|REPORT|DOSE|CAPTURE'))",
            "CASE BurnedInAnnotation WHEN 'YES' THEN 'BurnedInAnnotation says so' "
            "ELSE 'this kind of image often carries text' END",
        ),
        "Notebook 03 looks for text in these pixels; review what it finds.",
    ),
    Rule(
        "pixel_data_elsewhere",
        "medium",
        "file",
        """SELECT concat_ws('.', nullif(path, ''), tag) || ' ' || private_creator || keyword AS item,
               'up to ' || longest || ' bytes in ' || modality AS detail, files
           FROM tag WHERE keyword IN ('PixelData', 'FloatPixelData', 'DoubleFloatPixelData') AND path <> ''
               OR (private_creator <> '' AND longest >= 65536 AND vr IN ('OB', 'OW', 'UN'))""",
        "A second image in a sequence or a private tag: it is removed unless a rule keeps it.",
    ),
    Rule(
        "appended_bytes",
        "low",
        "file",
        _REASONS.format("reason = 'trailing_bytes'"),
        "Something stands after the last element: it is not DICOM and is not carried over.",
    ),
    Rule(
        "already_deidentified",
        "medium",
        "series",
        _files("PatientIdentityRemoved = 'YES'", "'PatientIdentityRemoved is YES'"),
        "If the site shared it before, check that its identifiers still match the lookup tables.",
    ),
)
