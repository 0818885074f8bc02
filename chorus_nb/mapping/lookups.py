"""The two lookup tables of the site (SOP steps 12, 13): read as forgivingly, and checked as strictly, as possible.

Personal_map: PatientID, person_id, Days_Shifted. Image_map: PatientID, AccessionNumber, image_occurence_id.
Faults are named by file and row, never by identifier, so that the message may be shown to others.
"""

from __future__ import annotations

import codecs
import csv
import functools
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.tables.cells import from_cell
from chorus_nb.workspace import Workspace, digest_of

ALIASES = {
    "PatientID": ("patientid", "mrn", "sourcepatientid", "patid"),
    "AccessionNumber": ("accessionnumber", "accession", "accessionno", "acc"),
    "image_occurence_id": ("imageoccurrenceid", "imageoccurenceid", "trialaccession"),
    "person_id": ("personid", "omoppersonid"),
    "Days_Shifted": ("daysshifted", "dateshift", "dayshift", "shiftdays", "daysoffset", "days"),
}
FILES = {
    tables.PERSON_MAP.name: ("personal_map", "person_map"),
    tables.IMAGE_MAP.name: ("image_map",),
}
SUFFIXES = (".csv", ".tsv", ".txt")
LARGEST_ID = 2**31 - 1  # the registry's ids are `integer`
FARTHEST_SHIFT = 730  # days, Date-Shifting SOP
SEASON = 15  # days from the same day of another year
SHORTENED = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d+", re.ASCII)  # 7.00E+08: digits are lost

LookupRow = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Lookups:
    """Both tables, checked; small enough to be sent to every worker."""

    persons: pd.DataFrame = field(repr=False, compare=False)
    images: pd.DataFrame = field(repr=False, compare=False)
    _person: dict[str, tuple[int, int]] = field(repr=False)
    _image: dict[tuple[str, str], int] = field(repr=False)

    def person(self, patient_id: str) -> tuple[int, int] | None:
        """``(person_id, days_shifted)`` of a PatientID as in the header; ``None`` = not in the map."""
        return self._person.get(patient_id.strip())

    def image(self, patient_id: str, accession: str) -> int | None:
        """image_occurrence_id of an accession of a patient; ``None`` = not in the map."""
        return self._image.get((patient_id.strip(), accession.strip()))

    @classmethod
    def of(cls, persons: pd.DataFrame, images: pd.DataFrame) -> Lookups:
        """Lookups of two frames that were checked."""
        return cls(
            persons,
            images,
            {row.PatientID: (int(row.person_id), int(row.Days_Shifted)) for row in persons.itertuples()},
            {(row.PatientID, row.AccessionNumber): int(row.image_occurence_id) for row in images.itertuples()},
        )


def read_lookups(workspace: Workspace) -> Lookups:
    """Read and check both tables; :class:`InputError` has a line for every row that cannot stand."""
    folder, code = workspace.parameters.lookup_path, workspace.parameters.shift_code
    faults: list[str] = []
    person_file, image_file = (find_table(folder, table) for table in (tables.PERSON_MAP, tables.IMAGE_MAP))
    persons, images = _person_rows(person_file, code, faults), _image_rows(image_file, faults)
    _agree(persons, images, faults)
    for path, rows in ((person_file, len(persons)), (image_file, len(images))):
        workspace.note(f"lookup/{path.name}", rows, functools.partial(digest_of, path))
    if faults:
        raise InputError(*_by_cause(faults))
    frames = [
        tables.frame(table, [row for _, row in rows.items()])
        for table, rows in ((tables.PERSON_MAP, persons), (tables.IMAGE_MAP, images))
    ]
    return Lookups.of(*frames)


def _by_cause(faults: list[str]) -> list[str]:
    """A line per cause with its count and the first three rows; a cause of one or two rows stays as it is."""
    rows: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        match = re.fullmatch(r"(\S.*?) (?:row|entry) (\d+): (.*)", fault)
        rows.setdefault((match[1], match[3]) if match else (fault, ""), []).append(match[2] if match else "")
    return [
        file
        if not cause
        else f"{file} row {where[0]}: {cause}"
        if len(where) == 1
        else f"{file}: {cause}: {len(where)} rows, such as {', '.join(where[:3])}"
        for (file, cause), where in rows.items()
    ]


def find_table(folder: Path, table: tables.Table) -> Path:
    """The file of a lookup table, whatever the capitals and the suffix of its name."""
    names = FILES[table.name]
    found = [
        path
        for path in sorted(folder.glob("*"))
        if path.stem.lower() in names and path.suffix.lower() in SUFFIXES and path.is_file()
    ]
    if not found:
        sheets = [path.name for path in sorted(folder.glob("*.xls*")) if path.stem.lower() in names]
        hint = f"; save {sheets[0]} as CSV" if sheets else ""
        raise InputError(f"lookup: {table.name}.csv not found in {folder}{hint}")
    if len(found) > 1:
        raise InputError(f"lookup: more than one {table.name}: {', '.join(path.name for path in found)}")
    return found[0]


def read_rows(path: Path, columns: list[str], optional: list[str] | None = None) -> Iterator[LookupRow]:
    """The rows of a table with their line numbers, every value as stripped text; blank lines are skipped.

    A column that is ``optional`` and not there is "".
    """
    content = path.read_bytes()
    try:
        utf16 = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    lines = text.splitlines() or [""]
    delimiter = max(",;\t|", key=lines[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = next((row for row in reader if any(cell.strip() for cell in row)), [])
    places = {_named_column(name): place for place, name in reversed(list(enumerate(header)))}
    missing = [column for column in columns if column not in places]
    if missing:
        raise InputError(
            f"{path.name}: columns not found: {', '.join(missing)}; expected {', '.join(columns)}"
            + ("" if any(map(_looks_like_value, header)) else f"; found {', '.join(header) or 'nothing'}")
        )
    for row in reader:
        if any(cell.strip() for cell in row):
            cells = [*row, *[""] * len(header)]
            wanted = [*columns, *(optional or [])]
            yield (
                reader.line_num,
                {name: from_cell(cells[places[name]].strip()) if name in places else "" for name in wanted},
            )


def _named_column(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((column for column, aliases in ALIASES.items() if plain in aliases), name)


def _looks_like_value(cell: str) -> bool:
    return bool(re.search(r"\d", cell))  # a first line with digits is no header: it may hold identifiers


def _person_rows(path: Path, code: int, faults: list[str]) -> dict[str, dict[str, object]]:
    made: dict[str, dict[str, object]] = {}
    shifts: dict[int, tuple[int, int]] = {}
    for line, row in read_rows(path, tables.PERSON_MAP.column_names):
        where = f"{path.name} row {line}"
        patient, person, shift = row["PatientID"], _whole_number(row["person_id"]), _whole_number(row["Days_Shifted"])
        problems = [*_no_identifier(patient, "PatientID"), *_bad_id(person, "person_id"), *bad_shift(shift, code)]
        if not problems and person is not None and shift is not None:
            known = made.setdefault(patient, {"PatientID": patient, "person_id": person, "Days_Shifted": shift})
            if (known["person_id"], known["Days_Shifted"]) != (person, shift):
                problems.append("contradicts an earlier row of the same PatientID")
            first, same = shifts.setdefault(person, (line, shift))
            if same != shift:
                problems.append(f"person_id has another shift in row {first}; one person has one shift")
        faults += [f"{where}: {problem}" for problem in problems]
    return made


def _image_rows(path: Path, faults: list[str]) -> dict[tuple[str, str], dict[str, object]]:
    made: dict[tuple[str, str], dict[str, object]] = {}
    for line, row in read_rows(path, tables.IMAGE_MAP.column_names):
        where = f"{path.name} row {line}"
        patient, accession, image = row["PatientID"], row["AccessionNumber"], _whole_number(row["image_occurence_id"])
        problems = [
            *_no_identifier(patient, "PatientID"),
            *_no_identifier(accession, "AccessionNumber"),
            *_bad_id(image, "image_occurrence_id"),
        ]
        if not problems and image is not None:
            fresh = {"PatientID": patient, "AccessionNumber": accession, "image_occurence_id": image}
            if made.setdefault((patient, accession), fresh)["image_occurence_id"] != image:
                problems.append("contradicts an earlier row of the same accession")
        faults += [f"{where}: {problem}" for problem in problems]
    return made


def _agree(
    persons: dict[str, dict[str, object]], images: dict[tuple[str, str], dict[str, object]], faults: list[str]
) -> None:
    """One image_occurrence_id belongs to one person."""
    owners: dict[object, object] = {}
    for number, ((patient, _), row) in enumerate(images.items(), 1):
        owner = persons.get(patient, {}).get("person_id", patient)
        if owners.setdefault(row["image_occurence_id"], owner) != owner:
            faults.append(f"{tables.IMAGE_MAP.name} entry {number}: image_occurrence_id belongs to another person too")


def _whole_number(text: str) -> int | None:
    """A whole number, also as spreadsheets write it: ``2705.0``."""
    match = re.fullmatch(r"([+-]?\d{1,15})(\.0+)?", text, re.ASCII)
    return int(match[1]) if match else None


def _no_identifier(text: str, name: str) -> list[str]:
    if SHORTENED.fullmatch(text):
        return [f"{name} looks like a number shortened by a spreadsheet; export the column as text"]
    return [] if text else [f"{name} is empty"]


def _bad_id(value: int | None, name: str) -> list[str]:
    if value is None or value <= 0:
        return [f"{name} is not a positive whole number"]
    return [f"{name} is above {LARGEST_ID}"] if value > LARGEST_ID else []


def bad_shift(value: int | None, code: int) -> list[str]:
    """What is wrong with a shift under a date shift code; nothing if it is allowed (DS-05)."""
    if value is None:
        return ["Days_Shifted is not a whole number"]
    if code == 0:
        return ["Days_Shifted is not 0, but shift_code 0 says that dates are not shifted"] if value else []
    if value > 0:
        return ["Days_Shifted is positive; into the past is negative"]
    if not -FARTHEST_SHIFT <= value <= -1:
        return [f"Days_Shifted is not between -{FARTHEST_SHIFT} and -1"]
    if code in (1, 3) and value % 7:
        return [f"Days_Shifted is not a multiple of 7, but shift_code {code} says that days of the week stay"]
    within = value % 365.25
    if code in (2, 3) and min(within, 365.25 - within) > SEASON:  # CHoRUS defines no season
        return [f"Days_Shifted moves more than {SEASON} days within the year, but shift_code {code} says seasons stay"]
    return []
