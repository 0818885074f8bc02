"""What is known of each person from all their files and from the tables, so that every file is cleaned of all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chorus_nb import tables
from chorus_nb.deid.context import Subject
from chorus_nb.errors import WorkbenchError
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.mapping import Lookups
from chorus_nb.memory import digest
from chorus_nb.omop import read_omop
from chorus_nb.workspace import Workspace

NAME_COLUMNS = ("PatientName", "OtherPatientNames", "PatientBirthName")
NUMBER_COLUMNS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "PatientBirthDate")


def known_of_persons(workspace: Workspace, lookups: Lookups) -> dict[int, Identifiers]:
    """By person_id: names and numbers of every header of the person, of the lookup tables, and of the OMOP person."""
    catalog = workspace.read(tables.CATALOG, [*NAME_COLUMNS, *NUMBER_COLUMNS], compact=True).drop_duplicates()
    persons = lookups.persons
    of = dict(zip(persons.PatientID, persons.person_id.tolist(), strict=True))
    whose = [of.get(patient.strip(" \0")) for patient in catalog.PatientID]
    found: dict[int, tuple[set[str], set[str]]] = {person: (set(), set()) for person in of.values()}
    for patient, person in of.items():
        found[person][1].add(patient)
    for columns, at in ((NAME_COLUMNS, 0), (NUMBER_COLUMNS, 1)):
        for column in columns:
            for person, value in set(zip(whose, catalog[column], strict=True)):
                if person is not None:
                    found[person][at].update(filter(None, (part.strip(" \0") for part in value.split("\\"))))
    for person, value in _person_sources(workspace).items():
        if person in found:
            found[person][1].add(value)
    return {person: Identifiers(frozenset(names), frozenset(numbers)) for person, (names, numbers) in found.items()}


def subject_of(workspace: Workspace, lookups: Lookups) -> Callable[[int, int, int], Subject]:
    """Makes the subject of a file from person_id, days shifted and image_occurrence_id, with all that is known."""
    known = known_of_persons(workspace, lookups)
    ids = {person: frozenset(group) for person, group in lookups.persons.groupby("person_id").PatientID}

    def subject(person: int, days: int, image: int) -> Subject:
        return Subject(person, days, image, ids.get(person, frozenset()), known.get(person, Identifiers()))

    return subject


def known_digests(known: Mapping[int, Identifiers]) -> dict[int, str]:
    """By person_id, a digest of what is known: a file's result depends on it."""
    return {person: digest(sorted(each.names), sorted(each.numbers)) for person, each in known.items()}


def _person_sources(workspace: Workspace) -> dict[int, str]:
    """person_source_value by person_id; nothing where the site gives no such table."""
    try:
        person = read_omop(workspace, "person")
    except WorkbenchError:
        return {}
    if "person_source_value" not in person:
        return {}
    rows = person[["person_id", "person_source_value"]].dropna()
    return {int(person): str(value) for person, value in zip(rows.person_id, rows.person_source_value, strict=True)}
