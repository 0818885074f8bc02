"""The two lookup tables of the site (SOP steps 12, 13): read as forgivingly, and checked as strictly, as possible.

Personal_map: PatientID, person_id, Days_Shifted. Image_map: PatientID, AccessionNumber, image_occurence_id.
Faults are named by file and row, never by identifier, so that the message may be shown to others.
"""

from __future__ import annotations

import csv
import functools
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.omop.files import SEPARATOR_NAMES, is_before_header, is_no_row, possible_encodings
from chorus_nb.omop.reading import TOO_MANY
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
TELLING = 1000  # smaller numbers are alike by chance
BY_CHANCE = 0.05  # share of the rows whose larger numbers may be, too
WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # what Excel's own files begin with, whatever their names
AS_TEXT = re.compile(r'="([^"]*)"|\'(\d.*)', re.ASCII)  # a number that is to stay as it is written
AROUND_A_CELL = "".join(
    map(chr, (*range(9, 14), 28, 29, 30, 31, 32, 0x85, 0xA0, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF))
)
LookupRow = tuple[int, dict[str, str]]
Persons = dict[str, dict[str, Any]]  # by PatientID, with the row's line
Images = dict[tuple[str, str], dict[str, Any]]  # by PatientID and AccessionNumber


class Fault(NamedTuple):
    """A row that cannot stand: never with a value."""

    file: str
    row: int
    cause: str


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


def read_lookups(workspace: Workspace, *, begun: bool = False) -> Lookups:
    """Read and check both tables; :class:`InputError` has a line for every row that cannot stand.

    ``begun``: a table that is not there yet has no rows.
    """
    folder, code = workspace.parameters.lookup_path, workspace.parameters.shift_code
    faults: list[Fault] = []
    person_file, image_file = (
        None if begun and not table_files(folder, table) else find_table(folder, table)
        for table in (tables.PERSON_MAP, tables.IMAGE_MAP)
    )
    persons = _person_rows(person_file, code, faults) if person_file else {}
    images = _image_rows(image_file, faults) if image_file else {}
    faults += contradictions(
        workspace, persons, images, *(file.name if file else "" for file in (person_file, image_file))
    )
    if faults:
        raise InputError(*fault_lines(faults))
    for path, rows in ((person_file, len(persons)), (image_file, len(images))):
        if path:
            workspace.note(f"lookup/{path.name}", rows, functools.partial(digest_of, path))
    return Lookups.of(
        tables.frame(tables.PERSON_MAP, list(persons.values())), tables.frame(tables.IMAGE_MAP, list(images.values()))
    )


def contradictions(
    workspace: Workspace, persons: Persons, images: Images, of_persons: str, of_images: str
) -> list[Fault]:
    """What is wrong between rows that can each stand; ``of_persons`` and ``of_images`` name the files."""
    faults = [*_owned_twice(persons, images, of_images), *_spelt_otherwise(persons, images, of_images)]
    if not workspace.parameters.pseudonymous_source:
        faults += _original_ids(persons, "PatientID", "person_id", of_persons)
        faults += _original_ids(images, "AccessionNumber", "image_occurence_id", of_images)
    return faults


def fault_lines(faults: Iterable[Fault]) -> list[str]:
    """A line per cause with its count and the first three rows."""
    rows: dict[tuple[str, str], list[str]] = {}
    for fault in faults:
        rows.setdefault((fault.file, fault.cause), []).append(str(fault.row))
    return [
        f"{file} row {where[0]}: {cause}"
        if len(where) == 1
        else f"{file}: {cause}: {len(where):,} rows, such as {', '.join(where[:3])}"
        for (file, cause), where in rows.items()
    ]


def loosely(identifier: str) -> str:
    """An identifier without what is lost or added on its way through a spreadsheet: zeros, capitals, blanks, signs."""
    return re.sub(r"[\W_]", "", re.sub(r"\.0+$", "", identifier.strip().lower())).lstrip("0")


def find_table(folder: Path, table: tables.Table) -> Path:
    """The file of a lookup table, whatever the capitals and the suffix of its name."""
    names, found = FILES[table.name], table_files(folder, table)
    if not found:
        sheets = [path.name for path in sorted(folder.glob("*.xls*")) if path.stem.lower() in names]
        hint = f"; save {sheets[0]} as CSV" if sheets else ""
        raise InputError(f"lookup: {table.name}.csv not found in {folder}{hint or '; chorus-nb lookups makes it'}")
    if len(found) > 1:
        raise InputError(f"lookup: more than one {table.name}: {', '.join(path.name for path in found)}")
    return found[0]


def table_files(folder: Path, table: tables.Table) -> list[Path]:
    """Every file that is called like a lookup table."""
    names = FILES[table.name]
    return [
        path
        for path in sorted(folder.glob("*"))
        if path.stem.lower() in names and path.suffix.lower() in SUFFIXES and path.is_file()
    ]


def read_rows(path: Path, columns: list[str], optional: list[str] | None = None) -> Iterator[LookupRow]:
    """The rows of a table with their line numbers, every value as stripped text; blank lines are skipped.

    A column that is ``optional`` and not there is "".
    """
    content = path.read_bytes()
    if content.startswith(WORKBOOK):
        raise InputError(f"{path.name}: is an Excel workbook, whatever its name; save it as CSV")
    encodings = possible_encodings(content[:200])
    try:
        text = content.decode(encodings[0])
    except UnicodeDecodeError:
        text = content.decode(encodings[-1], "replace")
    lines = list(io.StringIO(text, newline=""))
    before = next((number for number, line in enumerate(lines) if not is_before_header(line)), len(lines))
    delimiter = max(SEPARATOR_NAMES, key="".join(lines[before : before + 1]).count)
    reader = csv.reader(lines[before:], delimiter=delimiter)
    header = next(reader, [])
    places = {_named_column(name): place for place, name in reversed(list(enumerate(header)))}
    missing = [column for column in columns if column not in places]
    if missing:
        raise InputError(
            f"{path.name}: columns not found: {', '.join(missing)}; expected {', '.join(columns)}"
            + ("" if any(map(_looks_like_value, header)) else f"; found {', '.join(header) or 'nothing'}")
        )
    for row in _readable(reader, path.name, before):
        if row and not is_no_row(row, header):
            cells = [*row, *[""] * len(header)]
            wanted = [*columns, *(optional or [])]
            yield (
                before + reader.line_num,
                {name: _as_meant(cells[places[name]]) if name in places else "" for name in wanted},
            )


def _as_meant(cell: str) -> str:
    """A cell without what keeps a spreadsheet from reading it as a number, and without signs that nobody sees.

    >>> _as_meant('="00700001"'), _as_meant("'00700001"), _as_meant("'t Hart")
    ('00700001', '00700001', "'t Hart")
    """
    text = cell.strip(AROUND_A_CELL)
    found = AS_TEXT.fullmatch(text)
    return (found[1] or found[2] or "").strip(AROUND_A_CELL) if found else from_cell(text)


def _readable(reader: Iterator[list[str]], name: str, before: int) -> Iterator[list[str]]:
    number = before + 1
    try:
        for row in reader:
            number += 1
            yield row
    except csv.Error:
        raise InputError(f"{name}: cannot be read as CSV after row {number}") from None


def _named_column(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((column for column, aliases in ALIASES.items() if plain in aliases), name)


def _looks_like_value(cell: str) -> bool:
    # a first line with digits, or of other than words, is no header: it may hold identifiers
    return not re.fullmatch(r"[A-Za-z_ .-]{0,40}", cell)


def _person_rows(path: Path, code: int, faults: list[Fault]) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    shifts: dict[int, int] = {}
    for line, row in read_rows(path, tables.PERSON_MAP.column_names):
        patient, person, shift = row["PatientID"], whole_number(row["person_id"]), whole_number(row["Days_Shifted"])
        problems = [
            *unfit_identifier(patient, "PatientID"),
            *unfit_id(row["person_id"], "person_id"),
            *bad_shift(shift, code),
        ]
        if not problems and person is not None and shift is not None:
            known = made.setdefault(
                patient, {"PatientID": patient, "person_id": person, "Days_Shifted": shift, "line": line}
            )
            if (known["person_id"], known["Days_Shifted"]) != (person, shift):
                problems.append("contradicts an earlier row of the same PatientID")
            if shifts.setdefault(person, shift) != shift:
                problems.append("person_id has another shift in an earlier row; one person has one shift")
        faults += [Fault(path.name, line, problem) for problem in problems]
    return made


def _image_rows(path: Path, faults: list[Fault]) -> dict[tuple[str, str], dict[str, object]]:
    made: dict[tuple[str, str], dict[str, object]] = {}
    for line, row in read_rows(path, tables.IMAGE_MAP.column_names):
        patient, accession, image = row["PatientID"], row["AccessionNumber"], whole_number(row["image_occurence_id"])
        problems = [
            *unfit_identifier(patient, "PatientID"),
            *unfit_identifier(accession, "AccessionNumber"),
            *unfit_id(row["image_occurence_id"], "image_occurrence_id"),
        ]
        if not problems and image is not None:
            fresh = {"PatientID": patient, "AccessionNumber": accession, "image_occurence_id": image, "line": line}
            if made.setdefault((patient, accession), fresh)["image_occurence_id"] != image:
                problems.append("contradicts an earlier row of the same accession")
        faults += [Fault(path.name, line, problem) for problem in problems]
    return made


def _owned_twice(persons: Persons, images: Images, file: str) -> Iterator[Fault]:
    """One image_occurrence_id belongs to one person."""
    owners: dict[object, object] = {}
    for (patient, _), row in images.items():
        owner = persons.get(patient, {}).get("person_id", patient)
        if owners.setdefault(row["image_occurence_id"], owner) != owner:
            yield Fault(file, row["line"], "image_occurrence_id belongs to another person too")


def _spelt_otherwise(persons: Persons, images: Images, file: str) -> list[Fault]:
    """PatientIDs that Personal_map spells otherwise; where they are more than a few, one of the tables lost something.

    A single one may be another patient's.
    """
    alike = {loosely(patient) for patient in persons} - {""}
    strangers = [(patient, row["line"]) for (patient, _), row in images.items() if patient not in persons]
    cause = "PatientID is in Personal_map only with other leading zeros, blanks, capitals or signs"
    found = [Fault(file, line, cause) for patient, line in strangers if loosely(patient) in alike]
    return found if len(found) > TOO_MANY * len(images) else []


def _original_ids(rows: Persons | Images, old: str, new: str, file: str) -> list[Fault]:
    """Ids of the source given out as new ones: they would leave, and nobody could tell them from those of the site."""
    same = [row for row in rows.values() if str(row[old]).lstrip("0") == str(row[new]) and row[new] >= TELLING]
    cause = f"{new} is the {old}, which would leave: give another, or say pseudonymous_source: true"
    return [Fault(file, row["line"], cause) for row in same] if len(same) > BY_CHANCE * len(rows) else []


def whole_number(text: str) -> int | None:
    """A whole number, also as spreadsheets write it: ``2705.0``."""
    match = re.fullmatch(r"([+-]?\d{1,15})(\.0+)?", text, re.ASCII)
    return int(match[1]) if match else None


def unfit_identifier(text: str, name: str) -> list[str]:
    """What is wrong with an identifier as it stands in a cell; nothing if it can be one."""
    if not text:
        return [f"{name} is empty"]
    if "\0" in text:
        return [f"{name} holds zero bytes, which no text has: the file was damaged; export it again"]
    if re.search(r"[\x00-\x1f\x7f]", text):
        return [f"{name} holds a line break or a control character; look for a quotation mark that is not closed"]
    return [f"{name} {says}" for pattern, says in _spreadsheet_faults() if pattern.fullmatch(text)][:1]


@functools.cache
def _spreadsheet_faults() -> tuple[tuple[re.Pattern[str], str], ...]:
    """``spreadsheet_faults.csv``: how a value looks that a spreadsheet spoilt, and what to say."""
    lines = Path(__file__).with_name("spreadsheet_faults.csv").read_text(encoding="utf-8").splitlines()
    return tuple((re.compile(row["pattern"], re.ASCII | re.IGNORECASE), row["says"]) for row in csv.DictReader(lines))


def unfit_id(text: str, name: str) -> list[str]:
    """What is wrong with a new id; nothing if it can be one."""
    value = whole_number(text)
    if value is None or value <= 0:
        return (unfit_identifier(text, name) if value is None and text else []) or [
            f"{name} is not a positive whole number"
        ]
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
