"""Words of a file's own header looked for in what was read from its pictures, allowing for wrongly read letters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName
from rapidfuzz import fuzz

from chorus_nb.identity.names import look_alike, parts_of_name

ALIKE_ENOUGH = 80  # percent: one wrong letter in a name of five; shorter words must be the same

# header attributes whose values are looked for in the picture (PS3.15 Table E.1-1: names, identifiers, places)
IDENTIFYING = (
    *("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "PatientID", "OtherPatientIDs"),
    *("AccessionNumber", "StudyID", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers"),
    *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "OperatorsName"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "RequestingPhysician", "PhysiciansOfRecord"),
    *("NameOfPhysiciansReadingStudy", "RequestingService", "AdmissionID", "IssuerOfPatientID"),
)


def words_of_header(dataset: Dataset) -> dict[str, str]:
    """Words to look for in the pictures of a file, each with the keyword of the attribute it comes from."""
    found: dict[str, str] = {}
    for keyword in IDENTIFYING:
        element = dataset.get(keyword)
        for value in element if isinstance(element, MultiValue) else [element]:
            if isinstance(value, str | PersonName):
                found |= dict.fromkeys(long_parts(str(value)), keyword) | found
    return found


def long_parts(value: str) -> list[str]:
    """The words of a value that are long enough to tell a person: three letters, or two ideographs."""
    return [word for word in parts_of_name(value) if len(word) >= (3 if word.isascii() else 2)]


def header_match(text: str, known: Mapping[str, str]) -> str:
    """The keyword of the header attribute that ``text`` repeats, allowing for wrongly read letters ("" = none)."""
    tokens = [look_alike(token) for token in re.findall(r"\w+", text)]
    squeezed = "".join(tokens)
    for word, keyword in known.items():
        folded = look_alike(word)
        if folded and folded in tokens:
            return keyword
        if len(folded) >= 5 and (
            any(fuzz.ratio(folded, token) >= ALIKE_ENOUGH for token in tokens)
            or (len(squeezed) >= len(folded) and fuzz.partial_ratio(folded, squeezed) > ALIKE_ENOUGH)
        ):
            return keyword
    return ""
