"""The awkward things a real export has: each made from the first file of a study, and why it is there."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from pydicom import dcmread, examples
from pydicom.dataset import Dataset

EVERYWHERE = ("header", "meta", "preamble", "trailing", "pixels")


@dataclass(frozen=True)
class Oddity:
    """A file made by ``change`` from the first file of ``study``; ``places`` say what of that file's plantings it still has.

    ``outcome`` is what must become of it: a status of the outcomes table, and the reason.
    """

    path: str
    study: str
    change: Callable[[bytes], bytes]
    outcome: str
    places: tuple[str, ...] = EVERYWHERE


def edited(change: Callable[[Dataset], None]) -> Callable[[bytes], bytes]:
    """A change of a file through its dataset."""

    def apply(content: bytes) -> bytes:
        dataset = dcmread(io.BytesIO(content))
        change(dataset)
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()

    return apply


def instance_number(labels: str, index: int) -> int | None:
    """InstanceNumber of the ``index``-th file: in an ``odd_numbers`` study the third has none, the fifth repeats one."""
    return {3: None, 5: 4}.get(index, index) if "odd_numbers" in labels else index


def _darker(dataset: Dataset) -> None:
    dataset.PixelData = bytes(len(dataset.PixelData))


def _without_identifiers(dataset: Dataset) -> None:
    dataset.PatientID = ""
    dataset.SOPInstanceUID += ".9"


def _already_deidentified(dataset: Dataset) -> None:
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "elsewhere"
    dataset.SOPInstanceUID += ".8"


def _dicomdir(content: bytes) -> bytes:
    dataset, source = examples.dicomdir, dcmread(io.BytesIO(content), stop_before_pixels=True)
    dataset.SpecificCharacterSet = source.SpecificCharacterSet
    for record in dataset.DirectoryRecordSequence:
        if record.DirectoryRecordType == "PATIENT":
            record.PatientName, record.PatientID = source.PatientName, source.PatientID
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


ODDITIES = (
    Oddity("{mrn}_{FAMILY}/broken/cut_off.dcm", "ada_portable", lambda c: c[: len(c) * 2 // 3], "quarantined truncated"),
    Oddity("{mrn}_{FAMILY}/README.txt", "ada_pe", lambda c: b"Ask Dr. Threlkeld for the password.\n", "not_dicom", ()),
    Oddity("DICOMDIR", "ada_pe", _dicomdir, "held_back dicomdir", ()),
    Oddity("export/copy of IM0001", "ada_pe", lambda c: c, "duplicate duplicate_instance"),
)
