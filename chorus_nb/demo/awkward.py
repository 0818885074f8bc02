"""The awkward things a real export has: each made from the first file of a study, and why it is there."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from pydicom import dcmread, examples
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

EVERYWHERE = ("header", "meta", "preamble", "trailing", "pixels")
GARBAGE = bytes(range(256)) * 8


@dataclass(frozen=True)
class Oddity:
    """A file made by ``change`` from the first file of ``study``; ``places`` say which of its plantings are left.

    ``outcome`` is what must become of it: the status of the outcomes table, and the reason.
    """

    path: str
    study: str
    change: Callable[[bytes], bytes]
    outcome: str
    places: tuple[str, ...] = EVERYWHERE


def instance_number(labels: str, index: int) -> int | None:
    """InstanceNumber of the ``index``-th file: in ``odd_numbers`` studies the third has none, the fifth repeats one."""
    return {3: None, 5: 4}.get(index, index) if "odd_numbers" in labels else index


def edited(change: Callable[[Dataset], None]) -> Callable[[bytes], bytes]:
    """A change of a file by way of its dataset."""

    def apply(content: bytes) -> bytes:
        dataset = dcmread(io.BytesIO(content))
        change(dataset)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        return _saved(dataset)

    return apply


def _saved(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def renewed(dataset: Dataset, number: int) -> str:
    """Another SOP Instance UID, no longer than the 64 characters a UID may have."""
    return f"{str(dataset.SOPInstanceUID)[:60]}.{number}"


def _sent_twice(window: int) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset.SOPInstanceUID = renewed(dataset, 5)
        dataset.WindowCenter = window

    return change


def _without_patient(dataset: Dataset) -> None:
    dataset.PatientID = ""
    dataset.SOPInstanceUID = renewed(dataset, 1)


def _deidentified_elsewhere(dataset: Dataset) -> None:
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", "Another tool"
    dataset.SOPInstanceUID = renewed(dataset, 2)


def _broken_stream(dataset: Dataset) -> None:
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xf7" + GARBAGE])
    dataset.SOPInstanceUID = renewed(dataset, 3)


def _cut_off(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def _stray_tail(content: bytes) -> bytes:
    dataset = dcmread(io.BytesIO(content))
    dataset.SOPInstanceUID = renewed(dataset, 4)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return _saved(dataset) + b"STRAY BYTES BEHIND THE DATA SET."


def _dicomdir(content: bytes) -> bytes:
    """A directory of the media the study came on; every patient record names the patient."""
    directory, source = examples.dicomdir, dcmread(io.BytesIO(content), stop_before_pixels=True)
    for record in directory.DirectoryRecordSequence:
        if record.DirectoryRecordType == "PATIENT":
            record.PatientName, record.PatientID = source.PatientName, source.PatientID
    return _saved(directory)


ODDITIES = (  # whatever cannot be read in full lies in broken/
    Oddity("DICOMDIR", "ada_pe", _dicomdir, "held_back dicomdir", ()),
    Oddity("{mrn}_{FAMILY}/README.txt", "ada_pe", lambda _: b"Ask Dr. Threlkeld.\n", "not_dicom not_dicom", ()),
    Oddity("{mrn}_{FAMILY}/Thumbs.db", "ada_pe", lambda _: GARBAGE, "not_dicom not_dicom", ()),
    Oddity("broken/empty.dcm", "ada_pe", lambda _: b"", "not_dicom not_dicom", ()),
    Oddity("broken/damaged.zip", "quill_ct", lambda _: b"PK\x03\x04" + GARBAGE, "quarantined archive_damaged", ()),
    Oddity("broken/{accession}_cut_off.dcm", "theodora_cr", _cut_off, "quarantined truncated", ("header", "meta")),
    Oddity("broken/cut off in a frame.dcm", "ada_portable", _cut_off, "quarantined truncated", ("header", "meta")),
    Oddity("broken/stream.dcm", "ada_portable", edited(_broken_stream), "held_back burned_in_text_unchecked", ()),
    Oddity("odd/stray tail", "theodora_cr", _stray_tail, "released", ()),
    Oddity("odd/copy of IM000001", "ada_pe", lambda content: content, "duplicate duplicate_instance"),
    Oddity("odd/sent twice.dcm", "ada_portable", edited(_sent_twice(1800)), "quarantined duplicate_conflict", ()),
    Oddity("odd/sent again.dcm", "ada_portable", edited(_sent_twice(1200)), "quarantined duplicate_conflict", ()),
    Oddity("odd/no patient id.dcm", "ada_portable", edited(_without_patient), "quarantined identifiers_missing", ()),
    Oddity("odd/done before.dcm", "ada_portable", edited(_deidentified_elsewhere), "released", ()),
    Oddity("odd/no_preamble", "theodora_cr", lambda content: content[132:], "duplicate duplicate_instance"),
)
