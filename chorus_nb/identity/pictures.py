"""Words of a file's own header looked for in what was read from its pictures, allowing for wrongly read letters."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName
from rapidfuzz import fuzz

from chorus_nb.identity.names import fold, look_alike, parts_of_name
from chorus_nb.identity.words import known_words

ALIKE_ENOUGH = 80  # percent: one wrong letter in a name of five; shorter words must be the same

# header attributes whose values are looked for in the picture (PS3.15 Table E.1-1: names, identifiers, places)
IDENTIFYING = (
    *("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "PatientID", "OtherPatientIDs"),
    *("AccessionNumber", "StudyID", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers"),
    *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName", "OperatorsName"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "RequestingPhysician", "PhysiciansOfRecord"),
    *("NameOfPhysiciansReadingStudy", "RequestingService", "AdmissionID", "IssuerOfPatientID"),
)


_OPERATORS = "OperatorsName"  # whose initials consoles and markers show
_SHORT = 2  # letters: such names are looked for as whole words, exactly, and not where they are a unit
_STROKES = re.compile("[1|IiJjLl]{2}")  # a name of these alone is read as any of them: JI as 11
_GENERATIONS = ("jr", "sr", "ii", "iv")
_PIECE = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)?")


def words_of_header(dataset: Dataset) -> dict[str, str]:
    """Words to look for in the pictures of a file, each with the keyword of the attribute it comes from."""
    found: dict[str, str] = {}
    for keyword in IDENTIFYING:
        element = dataset.get(keyword)
        for value in element if isinstance(element, MultiValue) else [element]:
            if isinstance(value, str | PersonName):
                words = [*long_parts(str(value)), *(short_names(str(value)) if isinstance(value, PersonName) else ())]
                words += initials(str(value)) if keyword == _OPERATORS else ()
                found |= dict.fromkeys(words, keyword) | found
    return found


def long_parts(value: str) -> list[str]:
    """The words of a value that are long enough to tell a person: three letters, or two ideographs."""
    return [word for word in parts_of_name(value) if len(word) >= (3 if word.isascii() else 2)]


def short_names(name: str) -> list[str]:
    """The names of two letters in a person name; particles and titles only where they are all of its first component.

    >>> short_names("Ma^Si"), short_names("De la Cruz^Ng^^Dr^MD"), short_names("Do^Minh")
    (['Ma', 'Si'], ['Ng'], ['Do'])
    """
    components = re.split(r"\^", name.split("=")[0])[:3]  # no prefix, no suffix
    return [
        word
        for place, component in enumerate(components)
        for word in parts_of_name(component)
        if _is_short(word) and (word.lower() not in _beside_names() or (place == 0 and word == component.strip()))
    ]


def initials(name: str) -> Iterator[str]:
    """The initials of a person, given name first or last, but for those that are words of technique.

    >>> list(initials("Quill^Ada^May")), list(initials("Petri^Ada"))
    (['AQ', 'AMQ'], [])
    """
    words = [word for component in name.split("=")[0].split("^")[:3] for word in parts_of_name(component)]
    if len(words) > 1 and all(word[0].isascii() and word[0].isalpha() for word in words):
        family, *given = (word[0].upper() for word in words)
        for made in dict.fromkeys((given[0] + family, "".join(given) + family, family + given[0])):
            if made.lower() not in known_words("pictures", "abbreviations"):
                yield made


def _is_short(word: str) -> bool:
    return len(word) == _SHORT and word.isascii() and word.isalpha()


@cache
def _beside_names() -> frozenset[str]:
    """Titles, degrees and particles, which stand with names and are none."""
    rows = csv.DictReader(resources.files(__package__).joinpath("person_words.csv").read_text("utf-8").splitlines())
    words = [row["words"].split() for row in rows if row["kind"] in ("title", "suffix", "degree", "particle")]
    return frozenset(word for group in words for word in group).union(_GENERATIONS)


def header_match(text: str, known: Mapping[str, str]) -> str:
    """The keyword of the header attribute that ``text`` repeats, allowing for wrongly read letters ("" = none)."""
    tokens = [look_alike(token) for token in re.findall(r"\w+", text)]
    squeezed = "".join(tokens)
    whole = _whole_words(text)
    for word, keyword in known.items():
        if _is_short(word):
            if fold(word) in whole or (_STROKES.fullmatch(word) and _STROKES.fullmatch(text.strip())):
                return keyword
            continue
        folded = look_alike(word)
        if folded and folded in tokens:
            return keyword
        if len(folded) >= 5 and (
            any(fuzz.ratio(folded, token) >= ALIKE_ENOUGH for token in tokens)
            or (len(squeezed) >= len(folded) and fuzz.partial_ratio(folded, squeezed) > ALIKE_ENOUGH)
        ):
            return keyword
    return ""


def _whole_words(text: str) -> set[str]:
    """The words of a line, but for those of technique beside a number, which are units: 200 mA."""
    pieces = _PIECE.findall(text)
    return {
        fold(piece)
        for at, piece in enumerate(pieces)
        if fold(piece) not in known_words("pictures") or not _any_number(pieces[max(0, at - 1) : at + 2])
    }


def _any_number(pieces: Iterable[str]) -> bool:
    return any(piece[0].isdigit() for piece in pieces)
