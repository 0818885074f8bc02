"""Words of a file's own header looked for in what was read from its pictures, allowing for wrongly read letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName
from rapidfuzz import fuzz

ALIKE = 80  # percent: one wrong letter in a name of five; shorter words must be the same

# header attributes whose values are looked for in the picture (PS3.15 Table E.1-1: names, identifiers, places)
IDENTIFYING = (
    *("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "PatientID", "OtherPatientIDs"),
    *("AccessionNumber", "StudyID", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers"),
    *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "OperatorsName"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "RequestingPhysician", "PhysiciansOfRecord"),
    *("NameOfPhysiciansReadingStudy", "RequestingService", "AdmissionID", "IssuerOfPatientID"),
)

_FOLD = str.maketrans("O0QI1L|!S5B8Z2", "00011111558822")  # letters and digits that are read for one another


def words(dataset: Dataset) -> dict[str, str]:
    """Words to look for in the pictures of a file, each with the keyword of the attribute it comes from."""
    found: dict[str, str] = {}
    for keyword in IDENTIFYING:
        element = dataset.get(keyword)
        for value in element if isinstance(element, MultiValue) else [element]:
            if isinstance(value, str | PersonName):
                found |= dict.fromkeys(parts(str(value)), keyword) | found
    return found


def parts(value: str) -> list[str]:
    """The words of a value that are long enough to tell a person: three letters, or two ideographs."""
    return [word for word in re.split(r"[\s^=,;/]+", value) if len(word) >= (3 if word.isascii() else 2)]


def match(text: str, known: Mapping[str, str]) -> str:
    """The keyword of the header attribute that ``text`` repeats, allowing for wrongly read letters ("" = none)."""
    tokens = [_fold(token) for token in re.findall(r"\w+", text)]
    squeezed = "".join(tokens)
    for word, keyword in known.items():
        folded = _fold(word)
        if folded and folded in tokens:
            return keyword
        if len(folded) >= 5 and (
            any(fuzz.ratio(folded, token) >= ALIKE for token in tokens)
            or (len(squeezed) >= len(folded) and fuzz.partial_ratio(folded, squeezed) > ALIKE)
        ):
            return keyword
    return ""


def _fold(text: str) -> str:
    """Capitals without accents, blanks and punctuation, with one letter for all that are read for one another."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKD", text.upper())).translate(_FOLD)
