"""What all files and tables say of a person, so that each of their series is searched for all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.leaks.terms import SearchTerm, of_name, read_date, stands_for_nobody
from chorus_nb.mapping.lookups import Lookups
from chorus_nb.workspace import Workspace

OmopReader = Callable[[str], pd.DataFrame]
"""Gives a table of the site's OMOP data by its name."""
FEWEST_CHARACTERS = 3  # characters of an identifier that is searched for
TERM_OF_COLUMN = {
    **dict.fromkeys(("PatientName", "OtherPatientNames", "PatientBirthName"), "name"),
    **dict.fromkeys(("PatientID", "OtherPatientIDs", "AccessionNumber"), "identifier"),
    "PatientBirthDate": "date",
}
"""Columns of the catalog that tell of a person, as the terms they are searched for by."""


def terms_of_persons(workspace: Workspace, lookups: Lookups, omop: OmopReader) -> dict[int, tuple[SearchTerm, ...]]:
    """By person_id: what the headers of all their files (also of those that are not released), the lookup tables and
    the OMOP person say of them. As many as there are persons, not as files."""
    of = {row.PatientID: int(row.person_id) for row in lookups.persons.itertuples()}
    found: dict[int, set[SearchTerm]] = {}
    said = [("PatientID", patient, person) for patient, person in of.items()]
    accessions = zip(lookups.images.PatientID, lookups.images.AccessionNumber, strict=True)
    said += [("AccessionNumber", number, of[patient]) for patient, number in accessions if patient in of]
    catalog = workspace.read(tables.CATALOG, list(TERM_OF_COLUMN), compact=True).drop_duplicates()
    whose = [of.get(patient.strip(" \0")) for patient in catalog.PatientID]
    for column in TERM_OF_COLUMN:
        pairs = set(zip(catalog[column], whose, strict=True))
        said += [(column, value, person) for value, person in pairs if person is not None]
    said += [("PatientID", value, person) for person, value in _of_omop(omop)]
    for column, value, person in said:
        for part in value.split("\\"):
            found.setdefault(person, set()).update(_terms(TERM_OF_COLUMN[column], part.strip(" \0")))
    return {person: tuple(sorted(terms)) for person, terms in found.items()}


def _terms(kind: str, value: str) -> Iterator[SearchTerm]:
    if not value or stands_for_nobody(value):
        return
    if kind == "name":
        yield from of_name(value)
    elif kind == "date":
        if day := read_date(value):
            yield SearchTerm("date", f"{day:%Y%m%d}")
    elif len(value) >= FEWEST_CHARACTERS:
        yield SearchTerm(kind, value)


def _of_omop(omop: OmopReader) -> Iterator[tuple[int, str]]:
    """person_source_value of each person; nothing where the site gives no such table."""
    try:
        person = omop("person")
    except WorkbenchError:
        return
    if "person_source_value" in person:
        rows = person[["person_id", "person_source_value"]].dropna()
        yield from zip(rows.person_id.astype(int), rows.person_source_value.astype(str), strict=True)
