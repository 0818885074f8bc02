"""The demo site as a table: invented patients, their studies and series, and why each of them is there.

Names and numbers are chosen to be found again: none is a common word, all are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

IMPLICIT, BIG, DEFLATED = "ImplicitVRLittleEndian", "ExplicitVRBigEndian", "DeflatedExplicitVRLittleEndian"
RLE, JPEG, JPEG_LS, J2K = "RLELossless", "JPEGBaseline8Bit", "JPEGLSLossless", "JPEG2000Lossless"

# How each vendor's export names files below the study's folder; {facts} in names are identifiers too.
FILE_NAMES = {
    "GE": "S{number:03d}/IM{index:06d}",
    "SIEMENS": "{FAMILY}.{number:04d}.{index:04d}.{date}.IMA",
    "PHILIPS": "XX_{number:02d}/{index:04d}.dcm",
    "TOSHIBA": "{sop_uid}.dcm",
    "CARESTREAM": "{accession}_{number}_{index}.DCM",
    "FUJI": "DX{number:02d}{index:02d}",
    "HOLOGIC": "{mrn} {number}-{index}.dcm",
}


@dataclass(frozen=True)
class Series:
    """A series: which picture it shows (:mod:`chorus_nb.demo.pictures`), how many files, in which transfer syntax."""

    description: str
    picture: str
    files: int
    tiny: int = 0  # files in the tiny site
    syntax: str = "ExplicitVRLittleEndian"


@dataclass(frozen=True)
class Study:
    """A study of one accession, ``hours`` after the patient's admission. ``labels`` choose extra plantings."""

    key: str
    modality: str
    vendor: str
    description: str
    body_part: str
    hours: float
    series: tuple[Series, ...]
    folder: str = "{mrn}_{FAMILY}/{accession}"
    tiny: bool = False
    accession_mapped: bool = True  # has a row in Image_map.csv
    procedure: bool = True  # the site knows the OMOP procedure behind the accession
    second_mrn: bool = False  # taken under the patient's other medical record number
    archive: bool = False  # delivered as one zip archive
    labels: str = ""


@dataclass(frozen=True)
class Stay:
    """A visit of a patient, in hours after admission."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True)
class Patient:
    """A patient; ``charset`` is the Specific Character Set of the files."""

    key: str
    family: str
    given: str
    sex: str
    age: int
    studies: tuple[Study, ...]
    charset: str = "ISO_IR 100"
    ideographic: str = ""
    phonetic: str = ""
    stays: tuple[Stay, ...] = (Stay("inpatient", 0, 190),)
    mapped: bool = True  # has a row in Personal_map.csv
    second_mrn: bool = False  # known under two medical record numbers
    died: bool = False


PATIENTS = (
    Patient(
        *("ada", "Okonkwo-Lindqvist", "Adaeze", "F", 62),
        stays=(
            Stay("inpatient", 0, 260),
            Stay("icu", 40, 110),
        ),  # overlapping: the shorter ICU stay is the closer visit
        studies=(
            Study(
                *("ada_pe", "CT", "GE", "CT CHEST W CONTRAST PE PROTOCOL", "CHEST", 52.3),
                (
                    Series("SCOUT", "ct_scout", 1, 1),
                    Series("AXIAL 2.5MM", "ct_chest", 24, 3),
                    Series("AXIAL 2.5MM", "ct_chest_lung", 24, 2, RLE),  # two series with one description
                    Series("PATIENT SHEET", "sc_sheet", 1, 1),
                    Series("REPORT", "sr_report", 1, 1),
                    Series("LETTER", "pdf_letter", 1, 1),
                ),
                tiny=True,
                labels="rich",
            ),
            Study(
                *("ada_portable", "DX", "CARESTREAM", "XR CHEST AP PORTABLE", "CHEST", 61.8),
                (Series("CHEST AP", "dx_chest", 1, 1, JPEG_LS),),
                tiny=True,
                procedure=False,
            ),
            Study(
                *("ada_follow", "CT", "TOSHIBA", "CT CHEST WO CONTRAST", "CHEST", 215.1),
                (Series("LUNG 5.0 FC52", "ct_chest", 12, 0, IMPLICIT),),
                labels="odd_numbers",  # InstanceNumber missing and repeated
            ),
        ),
    ),
    Patient(
        *("jurgen", "Müller-Østergård", "Jürgen", "M", 54),
        studies=(
            Study(
                *("jurgen_head", "MR", "SIEMENS", "MR BRAIN WO CONTRAST", "HEAD", 30.4),
                (
                    Series("t1_mprage_tra", "mr_head_t1", 64, 0, IMPLICIT),
                    Series("t2_tse_tra", "mr_head_t2", 16, 0, J2K),
                ),
                labels="rich",
            ),
        ),
    ),
    Patient(
        *("tetsu", "Kurozawa", "Tetsunosuke", "M", 71),
        charset="\\ISO 2022 IR 87",
        ideographic="黒澤^鉄之助",
        phonetic="くろざわ^てつのすけ",
        stays=(Stay("emergency", 0, 12),),
        studies=(
            Study(
                *("tetsu_echo", "US", "PHILIPS", "US ECHO TRANSTHORACIC", "HEART", 3.2),
                (
                    Series("PLAX CINE", "us_cine", 1, 1, RLE),  # burned-in banner
                    Series("A4C", "real_us_echo", 1),
                    Series("DOPPLER", "real_us_color", 1, 0, JPEG),
                    Series("STILLS", "real_us_j2k", 1),
                    Series("OB", "real_us_palette", 1),
                ),
                folder="ULTRASOUND/{family}, {given}/{date}",
                tiny=True,
            ),
            Study(  # outside the encounters of interest
                *("tetsu_other", "US", "PHILIPS", "US NECK SOFT TISSUE", "NECK", 5.0),
                (Series("LYMPH NODE", "real_us_color", 1, 1),),
                tiny=True,
                accession_mapped=False,
                procedure=False,
            ),
        ),
    ),
    Patient(
        *("oksana", "Шевченко-Гринько", "Оксана", "F", 45),
        charset="ISO_IR 192",
        studies=(
            Study(
                *("oksana_head", "CT", "SIEMENS", "CT HEAD WO CONTRAST", "HEAD", 1.9),
                (Series("HEAD 3.0 H31s", "ct_head", 40), Series("HEAD BONE 512", "real_ct_head", 2)),
                labels="rich",
            ),
        ),
    ),
    Patient(
        *("theodora", "Brzezicka-Vandermolen", "Theodora", "F", 95),  # over 89
        died=True,
        studies=(
            Study(
                *("theodora_cr", "CR", "FUJI", "XR CHEST 2 VIEWS", "CHEST", 5.0),
                (Series("PA", "cr_chest", 1, 1), Series("LATERAL", "cr_chest_lateral", 1, 0)),
                tiny=True,
            ),
            Study(  # before the admission: belongs to no visit
                *("theodora_before", "DX", "CARESTREAM", "XR CHEST PA", "CHEST", -1300.5),
                (Series("CHEST PA", "dx_chest", 1, 1),),
                tiny=True,
                procedure=False,
            ),
        ),
    ),
    Patient(
        *("ravi", "Thirunavukkarasu", "Raviprakash", "M", 38),
        second_mrn=True,  # one person, two medical record numbers
        studies=(
            Study(
                *("ravi_spine", "CT", "GE", "CT TSPINE WO CONTRAST", "TSPINE", 11.2),
                (Series("TSPINE 1.25", "real_ct_small", 1),),
            ),
            Study(
                *("ravi_mr", "MR", "TOSHIBA", "MR SHOULDER LEFT WO CONTRAST", "SHOULDER", 80.6),
                (
                    Series("T2 FS SAG", "real_mr_small", 2),
                    Series("T2 FS COR", "real_mr_small", 1, 0, BIG),
                    Series("PD AX", "real_mr_small", 1, 0, IMPLICIT),
                    Series("PD AX", "real_mr_small", 1, 0, DEFLATED),
                    Series("STIR", "real_mr_small", 1, 0, JPEG_LS),
                ),
                second_mrn=True,
                folder="MR/{accession}",
            ),
        ),
    ),
    Patient(
        *("quill", "Featherstonehaugh", "Quillon", "M", 29),
        mapped=False,  # not a CHoRUS patient
        studies=(
            Study(
                *("quill_ct", "CT", "GE", "CT ABDOMEN W CONTRAST", "ABDOMEN", 4.4),
                (Series("AXIAL 5MM", "ct_chest", 6, 1),),
                tiny=True,
                procedure=False,
            ),
        ),
    ),
    Patient(
        *("marisol", "Etxeberria-Zubizarreta", "Marisol", "F", 51),
        stays=(Stay("outpatient", 0, 9),),
        studies=(
            Study(
                *("marisol_mg", "MG", "HOLOGIC", "MG SCREENING BILATERAL", "BREAST", 2.0),
                (Series("STANDARD VIEWS", "mg_views", 4, 0, JPEG_LS),),
                procedure=False,
            ),
            Study(
                *("marisol_us", "US", "PHILIPS", "US BREAST LEFT LIMITED", "BREAST", 7.0),
                (Series("BREAST LT", "real_us_color", 2, 0, RLE),),
            ),
        ),
    ),
    Patient(
        *("ingrid", "Sjöstrand-Wolańska", "Ingeborg", "F", 67),
        charset="ISO_IR 192",
        studies=(
            Study(
                *("ingrid_zip", "CT", "TOSHIBA", "CT CHEST HIGH RESOLUTION", "CHEST", 20.7),
                (Series("HRCT 1.0 FC86", "ct_chest_lung", 10),),
                archive=True,
            ),
            Study(
                *("ingrid_multi", "CT", "SIEMENS", "CT HEAD PERFUSION", "HEAD", 44.0),
                (Series("ENHANCED CT", "ct_enhanced", 1),),
            ),
        ),
    ),
    Patient(
        *("script", "Grzymala-Quist", "Bartholomea", "F", 40),
        studies=(
            Study(
                *("script_mr", "MR", "GE", "MR ABDOMEN W WO CONTRAST", "ABDOMEN", 15.3),
                (Series("LAVA", "real_mr_overlay", 1, 1), Series("LAVA DELAYED", "real_mr_overlay", 1, 0, DEFLATED)),
                tiny=True,
                labels="script",  # text attributes carry <script> and onerror payloads
            ),
        ),
    ),
    Patient(
        *("babatunde", "Adeyemi-Harrowgate", "Babatunde", "M", 58),
        stays=(Stay("inpatient", 0, 300), Stay("icu", 2, 170)),
        studies=(
            Study(
                *("baba_day1", "DX", "CARESTREAM", "XR CHEST AP PORTABLE", "CHEST", 5.5),
                (Series("CHEST AP", "dx_chest", 1, 0, JPEG_LS),),
            ),
            Study(
                *("baba_day2", "DX", "CARESTREAM", "XR CHEST AP PORTABLE", "CHEST", 29.4),
                (Series("CHEST AP", "dx_chest", 1, 0, J2K),),
            ),
            Study(
                *("baba_ct", "CT", "PHILIPS", "CT CHEST ABDOMEN PELVIS W CONTRAST", "CHESTABDPELVIS", 70.3),
                (Series("AX 3MM", "ct_chest", 30, 0, JPEG_LS), Series("DOSE REPORT", "sc_dose", 1)),
            ),
        ),
    ),
    Patient(
        *("wilhelmina", "Castellanos-Drury", "Wilhelmina", "F", 80),
        studies=(
            Study(
                *("mina_head", "CT", "GE", "CT HEAD WO CONTRAST", "HEAD", 0.8),
                (Series("HEAD 5MM", "ct_head", 28, 0, IMPLICIT),),
            ),
        ),
    ),
)
