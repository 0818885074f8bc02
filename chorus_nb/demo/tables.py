"""The site's OMOP CDM 5.4 tables, date-shifted as the site delivers them, and the two lookup tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chorus_nb.demo.people import Person, StudyFacts
from chorus_nb.omop import cdm_fields

Rows = list[dict[str, Any]]

EHR = 32817  # type concept: EHR
VISITS = {"inpatient": 9201, "outpatient": 9202, "emergency": 9203, "icu": 32037}  # visit concepts
PROCEDURE_CONCEPT_OF = {"CT": 4300757, "MR": 4013636, "US": 4037672, "CR": 4056681, "DX": 4056681, "MG": 4180938}
GENDERS = {"F": 8532, "M": 8507}


def write_omop(folder: Path, people: Iterable[Person], studies: Sequence[StudyFacts]) -> None:
    """Write the tables as CSV in the column order of the CDM; only mapped patients are in it."""
    mapped = [person for person in people if person.patient.mapped]
    visits = _visit_rows(mapped)
    done = [study for study in studies if study.study.procedure and study.person.patient.mapped]
    tables: dict[str, Rows] = {
        "person": [_person(person) for person in mapped],
        "observation_period": [_observed(number, person) for number, person in enumerate(mapped, 1)],
        "visit_occurrence": visits,
        "visit_detail": [_detail(number, visit, visits) for number, visit in enumerate(visits, 910_000_001)],
        "procedure_occurrence": [_procedure(n, study, visits) for n, study in enumerate(done, 710_000_001)],
        "death": [_death(person) for person in mapped if person.patient.died],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        columns = list(cdm_fields(name)["column"])
        (folder / f"{name}.csv").write_bytes(_csv(columns, ([row.get(c, "") for c in columns] for row in rows)))


def write_lookups(folder: Path, people: Iterable[Person], studies: Iterable[StudyFacts]) -> None:
    """Write the lookup tables in the official format, misspelt header included (CHoRUS-DICOM_header_deID)."""
    persons = [
        (person.facts[number], person.person_id, person.days_shifted)
        for person in people
        if person.patient.mapped
        for number in (("mrn", "other_mrn") if person.patient.second_mrn else ("mrn",))
    ]
    images = [
        (study.facts["mrn"], study.facts["accession"], study.image_occurrence_id)
        for study in studies
        if study.study.accession_mapped
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Personal_map.csv").write_bytes(_csv(("PatientID", "person_id", "Days_Shifted"), persons))
    (folder / "Image_map.csv").write_bytes(_csv(("PatientID", "AccessionNumber", "image_occurence_id"), images))


def _person(person: Person) -> dict[str, Any]:
    birth = person.birth_date + timedelta(days=person.days_shifted)
    return {
        "person_id": person.person_id,
        "gender_concept_id": GENDERS[person.patient.sex],
        "year_of_birth": birth.year,
        "month_of_birth": birth.month,
        "day_of_birth": birth.day,
        "race_concept_id": 0,
        "ethnicity_concept_id": 0,
        "gender_source_value": person.patient.sex,
    }


def _visit_rows(people: Iterable[Person]) -> Rows:
    stays = [(person, stay) for person in people for stay in person.patient.stays]
    return [
        {
            "visit_occurrence_id": number,
            "person_id": person.person_id,
            "visit_concept_id": VISITS[stay.kind],
            "visit_type_concept_id": EHR,
            **_period(
                "visit", *(person.shifted(person.admission + timedelta(hours=h)) for h in (stay.start, stay.end))
            ),
        }
        for number, (person, stay) in enumerate(stays, 810_000_001)
    ]


def _detail(number: int, visit: dict[str, Any], visits: Rows) -> dict[str, Any]:
    """A visit_detail for every visit, under the first visit of the person (the ICU stay within the admission)."""
    outer = next(other for other in visits if other["person_id"] == visit["person_id"])
    return {
        "visit_detail_id": number,
        "person_id": visit["person_id"],
        "visit_detail_concept_id": visit["visit_concept_id"],
        "visit_detail_type_concept_id": EHR,
        "visit_occurrence_id": outer["visit_occurrence_id"],
        **{name.replace("visit_", "visit_detail_"): value for name, value in visit.items() if "date" in name},
    }


def _procedure(number: int, study: StudyFacts, visits: Rows) -> dict[str, Any]:
    """The imaging procedure of an accession; ``procedure_source_value`` is the image_occurrence_id."""
    when = study.person.shifted(study.when)
    inside = [
        visit["visit_occurrence_id"]
        for visit in visits
        if visit["person_id"] == study.person.person_id
        and visit["visit_start_datetime"] <= f"{when:%Y-%m-%d %H:%M:%S}" <= visit["visit_end_datetime"]
    ]
    return {
        "procedure_occurrence_id": number,
        "person_id": study.person.person_id,
        "procedure_concept_id": PROCEDURE_CONCEPT_OF[study.study.modality],
        "procedure_date": f"{when:%Y-%m-%d}",
        "procedure_datetime": f"{when:%Y-%m-%d %H:%M:%S}",
        "procedure_type_concept_id": EHR,
        "visit_occurrence_id": inside[-1] if inside else "",
        "procedure_source_value": study.image_occurrence_id,
    }


def _observed(number: int, person: Person) -> dict[str, Any]:
    first, last = (person.shifted(person.admission + timedelta(days=days)) for days in (-400, 60))
    return {
        "observation_period_id": number,
        "person_id": person.person_id,
        "observation_period_start_date": f"{first:%Y-%m-%d}",
        "observation_period_end_date": f"{last:%Y-%m-%d}",
        "period_type_concept_id": EHR,
    }


def _death(person: Person) -> dict[str, Any]:
    day = person.shifted(person.admission + timedelta(days=21))
    return {"person_id": person.person_id, "death_date": f"{day:%Y-%m-%d}", "death_type_concept_id": EHR}


def _period(prefix: str, start: datetime, end: datetime) -> dict[str, str]:
    return {
        f"{prefix}_start_date": f"{start:%Y-%m-%d}",
        f"{prefix}_start_datetime": f"{start:%Y-%m-%d %H:%M:%S}",
        f"{prefix}_end_date": f"{end:%Y-%m-%d}",
        f"{prefix}_end_datetime": f"{end:%Y-%m-%d %H:%M:%S}",
    }


def _csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
