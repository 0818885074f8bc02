"""The LOINC code of a study: right where it is said, nothing where a description says more than its parts."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import standards
from chorus_nb.metadata.fields import map_fields
from chorus_nb.metadata.study_codes import codes_by_parts, plain_code

LABELS = Path(__file__).parent
COLUMNS = {"modality": "Modality", "description": "StudyDescription", "body_part": "BodyPartExamined"}
LEFT_OUT = (  # what a name that says less, but nothing else, does not have
    (r" (WO and W|WO|W) contrast( IV)?", ""),
    (" - (left|right|bilateral)", ""),
    ("Portable ", ""),
    (" (PA|AP) and Lateral", " 2 Views"),
    (" (AP|PA)( single view| upright)?", " Single view"),
    (r" (Single view|2 Views|Views AP|GE \d Views|\d or \d Views)", " Views"),
    (" [Vv]iews", " Views"),
)


def code_of(modality: str, text: str, part: str = "") -> str:
    row = {"Modality": modality, "StudyDescription": text, "BodyPartExamined": part}
    return str(map_fields(pd.DataFrame([row])).loinc_code[0])


def coded(name: str) -> pd.DataFrame:
    """A labelled sample (right codes in ``loinc``, true ones that say less in ``less``) beside the ``code`` found."""
    sample = pd.read_csv(LABELS / f"{name}.csv", keep_default_na=False)
    sample["code"] = map_fields(sample.rename(columns=COLUMNS)).loinc_code
    true = sample.loinc + " " + sample.get("less", "")
    return sample.assign(true=[code in codes.split() for code, codes in zip(sample.code, true, strict=True)])


def says_less(name: str) -> set[str]:
    """A long common name, and those that leave out some of what it says."""
    names = {name}
    for pattern, rest in LEFT_OUT:
        names |= {re.sub(pattern, rest, said) for said in names}
    return names


def against_midrc() -> pd.DataFrame:
    """Each row of MIDRC's table that has a code, its description read without that table: ``code``, and if it is
    ``true``."""
    names, rows = standards.loinc_names(), []
    for (modality, text), study in standards.loinc_map().items():
        if text and modality in ("CT", "MR", "CR", "DX", "US", "MG") and not study.name.startswith("PET"):
            code = plain_code(text, modality)
            rows.append((modality, text, code, names.get(code, "") in says_less(study.name)))
    return pd.DataFrame(rows, columns=["modality", "description", "code", "true"])


@pytest.mark.parametrize(
    ("modality", "text", "code"),
    [
        ("MR", "MRI HEAD W AND WO IV CONTRAST", "24587-8"),
        ("CT", "CT_AbdPelvis WITH", "36813-4"),
        ("CT", "CT ANGIO ABD W", ""),
        ("CT", "CT BIOPSY LUNG", ""),
        ("CT", "CT NON-INFUSED CHEST", "29252-4"),
        ("CT", "CT ABDOMEN WITH AND WI", "36267-3"),
        ("CT", "Thorax^CAP (Adult)", "87869-4"),
        ("CT", "ct_headneck_chest_abd_pel", ""),
        ("MR", "3607 MR LT BREAST WO/W CONT", "36278-0"),
        ("DX", "CHEST (1 VIEW)", "36554-4"),
        ("CR", "CHEST (2 VIEWS)", "42272-5"),
        ("DX", "CHEST AP PORT", "24632-2"),
        ("MG", "MAMMO SCREENING DIGITAL BIALTERAL", "26175-0"),
        ("MG", "MAMMO SCREENING BREAST TOMOSYNTHESIS", "72142-3"),
        ("MG", "MAMMO diagnostic digital left", "26347-5"),
        ("MG", "Implant Screening - ComboHD", ""),
        ("MR", "MR BREAST BILAT W OR WO", "30795-9"),
        ("CT", "CT_skull_mid_thigh", ""),
        ("CT", "CT CHEST PULMONARY EMB", "79077-4"),  # MIDRC's
        ("CT", "CHEST PULMONARY EMB", ""),  # EMB is a word that no rule knows
        ("CT", "Abdomen^STONES (Adult)", ""),
        ("CT", "Abdomen^ROUTINE_AP_WITH (Adult)", "36813-4"),
        ("CT", "CT ABD NATIVE AND CONTRAST", "36267-3"),
        ("CT", "CT CAP W CONTRAST (ADULT)", "72254-6"),
        ("DX", "CT ABDOMEN", ""),  # said of another modality
        ("DX", "LEFT HAND 1-2 VIEWS", ""),
        ("DX", "LEFT HAND 2 VIEWS", "26389-7"),
    ],
)
def test_loinc_by_parts(modality: str, text: str, code: str) -> None:
    assert code_of(modality, text) == code


@pytest.mark.parametrize(
    ("modality", "text", "part", "code"),
    [
        ("MR", "TRIAL T0", "BREAST", "30794-2"),
        ("CT", "D1", "CHEST", "24627-2"),
        ("CT", "D1", "KIDNEY", ""),  # of a CT an organ is where the tumour is
        ("CT", "CT ABDOMEN", "CHEST", "41806-1"),
        ("CT", "PET/CT LUNG", "CHEST", ""),
        ("CT", "KNEE AND HIP", "CHEST", ""),
    ],
)
def test_the_header_says_the_body_part_where_the_description_names_none(
    modality: str, text: str, part: str, code: str
) -> None:
    assert code_of(modality, text, part) == code


@pytest.mark.parametrize(("sample", "found"), [("studies_150", 0.7), ("studies_229", 0.6), ("studies_169", 0.7)])
def test_a_code_is_one_that_a_person_gave(sample: str, found: float) -> None:
    said = coded(sample)
    codes = said[said.code != ""]
    assert codes.true.mean() >= 0.95
    assert codes.true.sum() >= found * (said.loinc != "").sum()


def test_codes_by_parts_go_with_those_of_midrc() -> None:
    said = against_midrc().query("code != ''")
    assert len(said) > 150
    assert said.true.mean() >= 0.95


def test_every_code_is_stated_by_a_table() -> None:
    assert set(codes_by_parts().values()) <= standards.loinc_names().keys()
