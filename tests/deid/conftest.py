"""An engine with the default policy, and small images made for a test."""

from __future__ import annotations

import io
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentified, Deidentifier
from chorus_nb.deid.uids import UidMap
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.mapping.policy import Policy

SUBJECT = Subject(person_id=10001001, days_shifted=-100, image_occurrence_id=4711, known_ids=frozenset({"MRN-0042-77"}))


@pytest.fixture(scope="session")
def engine() -> Deidentifier:
    """The de-identifier as a site runs it, with a key of its own."""
    return Deidentifier(Policy(Chorus()), UidMap("keyed", "2.25", bytes(range(32))), ZoneInfo("America/New_York"))


def image(transfer_syntax: str = ExplicitVRLittleEndian, **attributes: object) -> FileDataset:
    """A CT image of 4 x 4 pixels of an invented patient, with ``attributes`` set by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4.5.6"
    meta.TransferSyntaxUID = transfer_syntax
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.3.4.5.6",
        "StudyInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3.4.5",
        "PatientName": "Okonkwo-Lindqvist^Adaeze",
        "PatientID": "MRN-0042-77",
        "AccessionNumber": "A9988776",
        "PatientBirthDate": "19561224",
        "PatientAge": "067Y",
        "StudyDate": "20240229",
        "StudyTime": "072730.5",
        "Modality": "CT",
        "InstanceNumber": 7,
        "Rows": 4,
        "Columns": 4,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        **attributes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(made, keyword, value)
    made.add_new(0x7FE00010, "OW", bytes(range(32)))
    return made


def encoded(dataset: FileDataset) -> bytes:
    """The bytes of a file."""
    sink = io.BytesIO()
    dataset.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def whole(made: Deidentified) -> bytes:
    """The bytes that would be written to the release."""
    return made.header + bytes(made.pixels)


Release = Callable[..., Dataset]


@pytest.fixture
def release(engine: Deidentifier) -> Release:
    """De-identify an image and read the result with pydicom, which shares no code with the engine."""

    def go(dataset: FileDataset | bytes, subject: Subject = SUBJECT, **options: object) -> Dataset:
        content = dataset if isinstance(dataset, bytes) else encoded(dataset)
        return pydicom.dcmread(io.BytesIO(whole(engine.apply(content, subject, **options))))  # type: ignore[arg-type]

    return go
