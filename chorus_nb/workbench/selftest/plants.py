"""Copies of a site's files with an invented person in every place that a file has for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import get_expected_length
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from chorus_nb import standards, tables
from chorus_nb.workbench.selftest.invented import DAYS_SHIFTED, OLD_AGE, Invented

Tried = Counter[tuple[str, str]]
"""By place and kind, how often something was planted."""
TEXT_VRS = ("LO", "LT", "ST", "UC", "UT", "SH")
DESCRIPTIONS = ("SeriesDescription", "StudyDescription", "ProtocolName")
OF_TEXTS_ONLY = ("date", "name of another", "number of another")  # a maker's own dates, names and numbers stay
GOOD_WORDS = "CHEST WITH CONTRAST"  # of technique: they stay where a description does
NEVER_PLANTED = ("Modality", "SpecificCharacterSet", "CodingSchemeDesignator")
KEPT_VALUES = (
    *("Modality", "Rows", "Columns", "BitsStored", "PhotometricInterpretation", "PixelSpacing", "SliceThickness"),
    *("KVP", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope", "RescaleIntercept", "InstanceNumber"),
)
PROCEDURES = (
    "procedure_occurrence_id,person_id,procedure_concept_id,procedure_date,procedure_datetime,procedure_end_date,"
    "procedure_end_datetime,procedure_type_concept_id,modifier_concept_id,quantity,provider_id,visit_occurrence_id,"
    "visit_detail_id,procedure_source_value,procedure_source_concept_id,modifier_source_value\n"
)


class Copy(NamedTuple):
    """A planted file: whose it is, and what of it has to stay."""

    person: Invented
    technique: Mapping[str, str]
    described: tuple[str, ...]  # descriptions that hold the good words
    drawn: tuple[str, ...] = ()  # lines of text in its picture


@dataclass
class Plants:
    """All that was planted: the copies by their path below the source, and the slices of a head."""

    copies: dict[str, Copy] = field(default_factory=dict)
    head: list[str] = field(default_factory=list)
    tried: Tried = field(default_factory=Tried)
    not_prepared: int = 0  # files that could not be written anew

    @property
    def people(self) -> list[Invented]:
        return list({one.person.serial: one.person for one in self.copies.values()}.values())

    def add(self, folder: Path, dataset: Dataset, person: Invented, instance: int = 1) -> str:
        """Plant ``person`` in ``dataset`` and write it below ``folder``; its path there."""
        technique = {
            name: str(dataset[name].value) for name in KEPT_VALUES if name in dataset and str(dataset[name].value)
        }
        planted = list(plant_person(dataset, person, instance))
        path = f"{person.family}_{person.given}/{person.number}_{instance}.dcm"
        _write(dataset, person, folder / path)
        described = tuple(keyword for keyword in DESCRIPTIONS if GOOD_WORDS in str(dataset.get(keyword, "")))
        self.copies[path] = Copy(person, technique, described)
        self.tried.update(planted)
        self.tried.update([("file name", "name"), ("file name", "number"), ("outside the data set", "name")])
        return path


def plant_person(dataset: Dataset, person: Invented, instance: int = 1) -> Iterator[tuple[str, str]]:
    """Put the person into every text, name, date and UID that the file has, at any depth; place and kind of each."""
    _make_room(dataset)
    for number, (place, element) in enumerate(list(elements(dataset))):
        if kind := _plant(element, person, number):
            yield place, kind
    dataset.PatientTelephoneNumbers, dataset.PatientBirthDate = person.telephone, person.born
    dataset.PatientID, dataset.AccessionNumber = person.number, person.accession
    yield from (("tag", kind) for kind in ("telephone", "date of birth", "number", "accession"))
    if person.is_old:
        dataset.PatientAge = OLD_AGE
        yield "tag", "age above 89"
    dataset.SOPInstanceUID = person.uid(1_000_000 + instance)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = person.uid(1), person.uid(2)
    if "FrameOfReferenceUID" in dataset:
        dataset.FrameOfReferenceUID = person.uid(3)
    dataset.file_meta.SourceApplicationEntityTitle = person.number
    yield "file meta", "number"
    if _add_tail(dataset, f" {person.name} {person.day(0)} ".encode()):
        yield "pixel data", "name"


def _make_room(dataset: Dataset) -> None:
    """Elements that any file may have, so that every place is tried."""
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    for keyword, value in (("StudyDate", "20000101"), ("SeriesDate", "20000101"), ("PatientName", "x")):
        if not dataset.get(keyword):
            setattr(dataset, keyword, value)
    dataset.setdefault("AcquisitionDateTime", "20000101120000")
    for keyword in ("AdditionalPatientHistory", "SeriesDescription", "StudyDescription"):
        dataset.setdefault(keyword, "")
    request = Dataset()
    request.RequestedProcedureDescription, request.RequestingPhysician = "chest", "x"
    if "RequestAttributesSequence" not in dataset:
        dataset.RequestAttributesSequence = Sequence([request])
    dataset.private_block(0x0099, "CHORUS SELFTEST", create=True).add_new(1, "LO", "note")


def _plant(element: DataElement, person: Invented, number: int) -> str:
    """Change one element; the kind of what it tells now, "" if nothing was planted."""
    if element.tag.is_private_creator or element.keyword in NEVER_PLANTED:
        return ""
    if element.keyword == "CodeValue" and number % 2:
        return ""  # every other code stays one, so that its meaning is looked at as such
    own = str(element.value or "").replace("\\", " ").strip()
    if element.VR == "PN":
        element.value = f"{person.family}^{person.given}"
        return "name"
    if element.keyword in DESCRIPTIONS:
        kind, text = person.said(number)
        element.value = f"{own[:20]} {GOOD_WORDS} {text}".strip()
        return kind
    if element.VR in TEXT_VRS:
        kind, text = person.said(number, short=element.VR == "SH")
        if kind in OF_TEXTS_ONLY and standards.never_a_patient(element.tag, element.VR):
            kind, text = "name", person.name
        if kind == "telephone" and standards.never_a_patient(element.tag, element.VR):
            text = person.digits  # told only by who knows whose it is
        element.value = text if element.VR == "SH" else f"{own[:30]} {text}".strip()
        return kind
    if element.VR == "DA" and own:
        element.value = person.day(0)
        return "date"
    if element.VR == "DT" and own:
        element.value = person.day(0) + own[8:].partition(" ")[0]
        return "date"
    if element.VR == "UI" and own and element.keyword.endswith(("InstanceUID", "FrameOfReferenceUID")):
        element.value = person.uid(10 + number)
        return "uid"
    if element.VR == "UN" and isinstance(element.value, bytes) and len(element.value) < 1000:
        text = f" {person.family} "
        element.value += text.encode()[: 2 * (len(text) // 2)]
        return "name"
    return ""


def elements(dataset: Dataset, *, nested: bool = False) -> Iterator[tuple[str, DataElement]]:
    """Every element with its place: tag, private or nested."""
    for element in dataset:
        place = "nested" if nested else "private" if element.tag.is_private else "tag"
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item, nested=True)
        else:
            yield place, element


def _add_tail(dataset: Dataset, text: bytes) -> bool:
    """Bytes behind the pixels, where a decoder does not look; whether the pixel data could take them."""
    if not dataset.get("PixelData"):
        return False
    text += b" " * (len(text) % 2)
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        if not 0 <= len(dataset.PixelData) - get_expected_length(dataset) <= 1:
            return False
        dataset.PixelData += text
        return True
    frames = list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)))
    dataset.PixelData = encapsulate([*frames[:-1], frames[-1] + text])
    return True


def _write(dataset: Dataset, person: Invented, path: Path) -> None:
    """The file, with the name in its preamble and behind its last element."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.preamble = person.name.encode().ljust(128, b"\0")
    dataset.add_new(0xFFFCFFFC, "OB", person.name.encode().ljust(64, b"\0"))
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def write_tables(plants: Plants, folder: Path) -> None:
    """Lookup tables, and an OMOP table whose days are shifted as the site delivers them and whose texts are not."""
    people = plants.people
    persons = [(one.number, one.person_id, DAYS_SHIFTED) for one in people]
    images = [(one.number, one.accession, one.image_occurrence_id) for one in people]
    for table, rows in ((tables.PERSON_MAP, persons), (tables.IMAGE_MAP, images)):
        frame = pd.DataFrame(rows, columns=table.column_names)
        (folder / "lookup" / f"{table.name}.csv").write_bytes(tables.csv_bytes(frame))
    lines = []
    for one in people:
        said = f"CT of {one.name} {one.number}", f"seen {one.day(1)} call {one.telephone}"
        lines.append(
            f"{900_000 + one.serial},{one.person_id},4180642,{one.shifted},,,,32833,,1,,,,{said[0]},0,{said[1]}\n"
        )
    (folder / "omop" / "procedure_occurrence.csv").write_text(PROCEDURES + "".join(lines))
    for kind in ("name", "number", "date", "telephone"):
        plants.tried["OMOP table", kind] = len(people)
    for kind in ("name", "number", "accession", "date", "uid"):
        plants.tried["metadata table", kind] = len(people)
