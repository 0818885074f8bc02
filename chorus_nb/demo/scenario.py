"""The demo site as a table (``scenario.yaml``): invented patients, their studies and series, and why they are there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import TypeAdapter


@dataclass(frozen=True)
class DemoSeries:
    """A series: which picture it shows (:mod:`chorus_nb.demo.pictures`), how many files, in which transfer syntax."""

    description: str
    picture: str
    files: int
    tiny: int = 0  # files in the tiny site
    syntax: str = "ExplicitVRLittleEndian"


@dataclass(frozen=True)
class DemoStudy:
    """A study of one accession, ``hours`` after the patient's admission. ``labels`` choose extra plantings."""

    key: str
    modality: str
    vendor: str
    description: str
    body_part: str
    hours: float
    series: tuple[DemoSeries, ...]
    folder: str = "{mrn}_{FAMILY}/{accession}"
    tiny: bool = False
    accession_mapped: bool = True  # has a row in Image_map.csv
    procedure: bool = True  # the site knows the OMOP procedure behind the accession
    second_mrn: bool = False  # taken under the patient's other medical record number
    archive: bool = False  # delivered as one zip archive
    labels: str = ""


@dataclass(frozen=True)
class Stay:
    """A visit of a patient, in hours after admission."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True)
class DemoPatient:
    """A patient; ``charset`` is the Specific Character Set of the files."""

    key: str
    family: str
    given: str
    sex: str
    age: int
    studies: tuple[DemoStudy, ...]
    charset: str = "ISO_IR 100"
    ideographic: str = ""
    phonetic: str = ""
    stays: tuple[Stay, ...] = (Stay("inpatient", 0, 190),)
    mapped: bool = True  # has a row in Personal_map.csv
    second_mrn: bool = False  # known under two medical record numbers
    died: bool = False


@cache
def patients() -> tuple[DemoPatient, ...]:
    """The patients of the demo site, in order."""
    content = yaml.safe_load(Path(__file__).with_name("scenario.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(tuple[DemoPatient, ...]).validate_python(content)
