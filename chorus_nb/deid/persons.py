"""What is known of each person from all their files and from the tables, so that every file is cleaned of all of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, timedelta

from chorus_nb import tables
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dates import OLDEST_AGE, NotADate, age_in_years, parse_day, years_between
from chorus_nb.errors import WorkbenchError
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.mapping import Lookups
from chorus_nb.memory import digest
from chorus_nb.omop import LONGEST_LIFE, read_omop
from chorus_nb.processes.queries import asking
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
    known, old = known_of_persons(workspace, lookups), old_persons(workspace, lookups)
    ids = {person: frozenset(group) for person, group in lookups.persons.groupby("person_id").PatientID}

    def subject(person: int, days: int, image: int) -> Subject:
        of_person = ids.get(person, frozenset()), known.get(person, Identifiers()), person in old
        return Subject(person, days, image, *of_person)

    return subject


def known_digests(known: Mapping[int, Identifiers], old: Collection[int] = ()) -> dict[int, str]:
    """By person_id, a digest of what is known: a file's result depends on it, and on whether the person is ``old``."""
    made = {person: digest(sorted(each.names), sorted(each.numbers)) for person, each in known.items()}
    return made | {person: digest(made[person], "old") for person in old if person in made}


_AGES = "SELECT PatientID, PatientBirthDate, PatientAge, max(acquired[:10]) FROM catalog GROUP BY ALL"


def old_persons(workspace: Workspace, lookups: Lookups) -> frozenset[int]:
    """Who is of an age above 89 in any image, in a visit of OMOP or at death: their birth date would tell that age
    beside it, though another image was made before."""
    with asking(workspace, tables.CATALOG) as connection:
        seen = connection.sql(_AGES).fetchall()
    born, last, old = dict[int, date](), dict[int, date](), set[int]()
    for patient, birth, age, acquired in seen:
        if (person := lookups.person(patient.strip(" \0"))) is None:
            continue
        if age_in_years(age) > OLDEST_AGE:
            old.add(person[0])
        _note(born, person, birth[:8], min)
        _note(last, person, acquired.replace("-", ""), max)
    for table, column in (("visit_occurrence", "visit_start_date"), ("death", "death_date")):
        for person_id, day in _days(workspace, table, column, born):
            _note(last, (person_id, 0), day, max)
    ages = {person: years_between(day, last[person]) for person, day in born.items() if person in last}
    return frozenset(old | {person for person, age in ages.items() if OLDEST_AGE < age <= LONGEST_LIFE})


def _note(days: dict[int, date], person: tuple[int, int], text: str, choose: Callable[[date, date], date]) -> None:
    """A day of a person in the dates of the release, if the ``text`` is one."""
    try:
        day = parse_day(text) + timedelta(days=int(person[1]))
    except (NotADate, OverflowError):
        return
    days[person[0]] = choose(days.get(person[0], day), day)


def _days(workspace: Workspace, table: str, column: str, persons: Collection[int]) -> Iterator[tuple[int, str]]:
    """Each of the ``persons`` in an OMOP table with each of their days, ``YYYYMMDD``; none where it cannot be read."""
    try:
        rows = read_omop(workspace, table)[["person_id", column]].dropna()
    except WorkbenchError:
        return
    rows = rows[rows.person_id.isin([*persons])].drop_duplicates()
    yield from zip(rows.person_id.astype(int), rows[column].str[:10].str.replace("-", ""), strict=True)


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
