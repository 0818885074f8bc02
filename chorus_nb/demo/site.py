"""Makes the demo site: a small hospital's DICOM export, its OMOP tables and lookup tables, and the answer key."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydicom import dcmwrite
from pydicom.dataset import Dataset

from chorus_nb.demo import awkward, headers, pictures, tables
from chorus_nb.demo.people import StudyFacts, draw_person, draw_study, file_facts
from chorus_nb.demo.planting import Planted, named, plant, write_as_unknown, write_key
from chorus_nb.demo.scenario import patients
from chorus_nb.standards import keep_list

ARCHIVED = (2023, 1, 1, 0, 0, 0)  # modification time inside archives: the same bytes on every day
PREAMBLE = "{mrn} {family} {phone}"  # 128 bytes in front of DICM, in the first file of a rich study
UNKNOWN = ("OtherPatientIDsSequence",)  # sequences that a careless system has written with VR UN
# Attributes that must come out unchanged: the Imaging SOP's "Tags Recommended to Keep", and of its minimum metadata
# (step 7) what is neither an identifier nor a text.
KEPT_KEYWORDS = (*keep_list().values(), "ManufacturerModelName", "BodyPartExamined", "SeriesNumber", "TransducerType")


@dataclass(frozen=True)
class File:
    """A file of the site: its path below ``dicom/``, its bytes, its rows of the answer key."""

    path: str
    content: bytes
    planted: list[Planted]


def make_site(folder: Path, seed: int = 1, size: Literal["full", "tiny"] = "full") -> Path:
    """Write ``dicom/``, ``omop/``, ``lookup/`` and ``answer_key.csv`` below ``folder``; the same bytes for a seed.

    ``full`` has 12 patients and about 300 files; ``tiny`` has 4 of them, small pictures and every awkward file.
    """
    folder = Path(folder)
    people = [draw_person(patient, seed) for patient in patients()]
    studies = [
        draw_study(person, study, seed)
        for person in people
        for study in person.patient.studies
        if size == "full" or study.tiny
    ]
    people = [person for person in people if any(study.person is person for study in studies)]
    key: list[Planted] = []
    for file in _all_files(studies, seed, size):
        path = folder / "dicom" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        key += file.planted
    tables.write_omop(folder / "omop", people, studies)
    tables.write_lookups(folder / "lookup", people, studies)
    (folder / "answer_key.csv").write_bytes(write_key(key))
    return folder


def _all_files(studies: list[StudyFacts], seed: int, size: str) -> Iterator[File]:
    samples: dict[str, File] = {}
    for facts in studies:
        files = _study_files(facts, seed, size)
        if facts.study.archive:
            files = iter([_zipped(facts, list(files))])
        for file in files:
            samples.setdefault(facts.study.key, file)
            yield file
    for odd in awkward.ODDITIES:
        sample = samples[odd.study]
        facts = next(facts for facts in studies if facts.study.key == odd.study)
        path = odd.path.format_map(facts.facts)
        kept = [replace(row, source_path=path) for row in sample.planted if row.place in odd.places]
        yield File(path, odd.change(sample.content), kept + named(odd.path, facts.facts, path, "name", "removed"))


def _study_files(facts: StudyFacts, seed: int, size: str) -> Iterator[File]:
    """Every file of a study."""
    patient, study = facts.person.patient, facts.study
    for number, series in enumerate(study.series, 1):
        count, scale = (series.files, 1.0) if size == "full" else (series.tiny, 0.25)
        for index, picture in enumerate(pictures.draw(series, count, scale, facts.facts), 1):
            vendor = headers.scanners()["vendors"][study.vendor]
            own = file_facts(facts, vendor["uid_root"], number, index, seed)
            template = f"{study.folder}/{vendor['files']}"
            path = template.format(number=number, index=index, **own)
            labels = frozenset(
                (patient.key, study.key, study.modality, study.vendor, series.picture, *study.labels.split())
            ) | ({"first"} if index == number == 1 else set())
            dataset = picture.dataset
            headers.fill_header(dataset, patient, study, own, number, awkward.instance_number(study.labels, index))
            planted = [
                *named(template, own, path, "name", "removed"),
                *plant(dataset, "header", labels, own, path),
                *plant(dataset.file_meta, "meta", labels, own, path),
                *plant(dataset, "trailing", labels, own, path),
                *(row for text in picture.burned_in for row in named(text, own, path, "pixels", "hidden")),
            ]
            if index == 1 and "script" not in labels:  # what becomes of a payload is not the SOP's business
                planted += _kept_rows(dataset, path)
            if {"rich", "first"} <= labels:
                for keyword in UNKNOWN:
                    write_as_unknown(dataset, keyword)
                dataset.preamble = PREAMBLE.format_map(own).encode().ljust(128, b"\0")
                planted += named(PREAMBLE, own, path, "preamble", "removed")
            yield File(path, to_bytes(dataset), planted)


def _kept_rows(dataset: Dataset, path: str) -> Iterator[Planted]:
    """Rows for what the SOP wants kept and the file has."""
    for keyword in KEPT_KEYWORDS:
        if keyword in dataset and not dataset[keyword].is_empty:
            element = dataset[keyword]
            value = element.value if element.VM == 1 else "\\".join(map(str, element.value))
            yield Planted(path, "header", "", str(element.tag), "text", str(value), "kept", "SOP keep list")


def _zipped(facts: StudyFacts, files: list[File]) -> File:
    """A study as one zip archive beside the folders."""
    path = f"transfer/{facts.facts['accession']}.zip"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(file.path, ARCHIVED), file.content, zipfile.ZIP_DEFLATED, 1)
    planted = [replace(row, source_path=f"{path}!{row.source_path}") for file in files for row in file.planted]
    return File(path, content.getvalue(), planted)


def to_bytes(dataset: Dataset) -> bytes:
    """A DICOM file (PS3.10) with a preamble, in the transfer syntax of its file meta information."""
    buffer = io.BytesIO()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
