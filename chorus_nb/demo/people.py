"""Draws a patient's facts from the seed: numbers, dates, addresses, the shift, and the rows of the lookup tables.

A patient is the same in the tiny and in the full site, because only the seed and the patient's key are drawn from.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pydicom.uid import generate_uid

from chorus_nb.demo.scenario import DemoPatient, DemoStudy

# Invented throughout. 555-01xx numbers are reserved for fiction; the domain is reserved (RFC 2606).
STREETS = ("Wexcombe Hollow", "Thistlegate Rise", "Oldquarry Spur", "Marrowbone Crescent", "Kestrelmoor Lane")
CITIES = ("Brindlewick", "Osterhaven", "Pennacook Falls", "Larkmoor", "Quillfeather")
DOCTORS = ("Vanterpool^Ignatius", "Szczepanik^Ludmila", "Oyelaran^Folasade", "Threlkeld^Crispian", "Haldorsen^Sunniva")
OPERATORS = ("Blenkinsopp^Merriweather", "Quackenbush^Thaddeus", "Zwicknagl^Annelore")
ZONE = ZoneInfo("America/New_York")
HOSPITAL = "St. Ethelburga Memorial Hospital"
DEPARTMENT = "Ethelburga Radiology Wing 7"


@dataclass(frozen=True)
class Person:
    """The drawn facts of a patient."""

    patient: DemoPatient
    person_id: int
    days_shifted: int
    admission: datetime
    birth_date: date
    facts: dict[str, str]  # what plantings call {family}, {mrn}, {phone} …

    def shifted(self, moment: datetime) -> datetime:
        """The same moment in the date-shifted OMOP tables."""
        return moment + timedelta(days=self.days_shifted)


@dataclass(frozen=True)
class StudyFacts:
    """The drawn facts of a study."""

    person: Person
    study: DemoStudy
    image_occurrence_id: int
    when: datetime
    facts: dict[str, str]  # the person's and the study's, for plantings


def draw_person(patient: DemoPatient, seed: int) -> Person:
    """All facts of ``patient`` under ``seed``."""
    chance = random.Random(f"{seed}/{patient.key}")
    number = chance.randrange(10**7, 10**8)
    admission = datetime(2019, 1, 1) + timedelta(days=chance.randrange(1400), minutes=chance.randrange(24 * 60))
    birth = date(admission.year - patient.age, 3, 1) + timedelta(days=chance.randrange(300))  # never 29 February
    birth = birth.replace(year=birth.year - (birth.timetuple().tm_yday > admission.timetuple().tm_yday))
    facts = {
        "family": patient.family,
        "given": patient.given,
        "FAMILY": patient.family.upper(),
        "ideographic": patient.ideographic,
        "phonetic": patient.phonetic,
        "mrn": f"E{number}",
        "other_mrn": f"00{chance.randrange(10**8, 10**9)}",  # leading zeros must survive every reader
        "birth_date": f"{birth:%Y%m%d}",
        "birth_text": f"{birth:%m/%d/%Y}",
        "phone": f"617 555-01{chance.randrange(10, 100)}-{chance.randrange(10, 100)}",
        "address": f"{chance.randrange(100, 999)} {chance.choice(STREETS)}",
        "city": chance.choice(CITIES),
        "email": f"q{number}@ethelburga.example",
        "ssn": f"9{chance.randrange(10, 100)}-{chance.randrange(10, 100)}-{chance.randrange(1000, 10000)}",
        "insurance": f"HPN-{chance.randrange(10**7, 10**8)}-X",
        "relative": f"Euphrosyne {patient.family}",
        "room": f"7W-{chance.randrange(100, 999)}-Ethel",
        "age": f"{_years_before(birth, admission.date()):03d}Y",
    }
    return Person(patient, chance.randrange(10**6, 10**8), -chance.randrange(1, 731), admission, birth, facts)


def draw_study(person: Person, study: DemoStudy, seed: int) -> StudyFacts:
    """All facts of ``study`` under ``seed``."""
    chance = random.Random(f"{seed}/{study.key}")
    when = person.admission + timedelta(hours=study.hours, seconds=chance.randrange(60))
    prior = when - timedelta(days=chance.randrange(40, 400))
    serial = f"SN{chance.randrange(10**7, 10**8)}K"
    facts = person.facts | {
        "mrn": person.facts["other_mrn" if study.second_mrn else "mrn"],
        "accession": f"A{chance.randrange(10**9, 10**10)}",
        "date": f"{when:%Y%m%d}",
        "time": f"{when:%H%M%S}.{chance.randrange(10**6):06d}",
        "zone": f"{when.replace(tzinfo=ZONE):%z}",
        "date_time": f"{when:%Y%m%d%H%M%S}.{chance.randrange(10**6):06d}{when.replace(tzinfo=ZONE):%z}",
        "date_text": f"{when:%m/%d/%Y}",
        "prior_text": f"{prior:%m/%d/%Y}",
        "age": f"{_years_before(person.birth_date, when.date()):03d}Y",
        "study_id": f"ST{chance.randrange(10**6, 10**7)}",
        "order": f"ORD{chance.randrange(10**7, 10**8)}",
        "physician": chance.choice(DOCTORS),
        "reader": chance.choice(DOCTORS),
        "operator": chance.choice(OPERATORS),
        "serial": serial,
        "station": f"ETHEL{study.modality}{chance.randrange(10, 100)}",
        "institution": HOSPITAL,
        "department": DEPARTMENT,
        "description": study.description,
        "study_uid": new_uid(seed, study.key, prefix="1.2.840.114350.2.422."),
    }
    return StudyFacts(person, study, chance.randrange(10**6, 10**7), when, facts)


def file_facts(facts: StudyFacts, root: str, number: int, index: int, seed: int) -> dict[str, str]:
    """The study's facts and the UIDs of a file, under the vendor's ``root``; series and instances count from 1."""
    key = (seed, facts.study.key)
    return facts.facts | {
        "series": facts.study.series[number - 1].description,
        "series_uid": new_uid(*key, number, prefix=root),
        "sop_uid": new_uid(*key, number, index, prefix=root),
        "frame_uid": new_uid(*key, "frame", prefix=root),
        "event_uid": new_uid(*key, "event", prefix=root),
        "other_uid": new_uid(*key, "elsewhere", prefix=root),
    }


def new_uid(*key: object, prefix: str) -> str:
    """A UID as a device would make it, the same for the same key (which begins with the seed)."""
    return str(generate_uid(prefix=prefix, entropy_srcs=list(map(str, key))))


def _years_before(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
