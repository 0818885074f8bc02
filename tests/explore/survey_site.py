"""Makes the files and tables of a small site for the survey. All names are invented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from chorus_nb.workspace import Workspace

CT = {
    "SOPClassUID": CTImageStorage,
    "Modality": "CT",
    "PatientID": "MRN1",
    "AccessionNumber": "ACC1",
    "StudyInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.3.1",
    "StudyDate": "20240105",
    "StudyTime": "101500",
    "AcquisitionDate": "20240105",
    "AcquisitionTime": "102030.5",
    "Rows": 2,
    "Columns": 4,
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PixelRepresentation": 0,
    "PixelData": bytes(8),
}


def dataset(**attributes: Any) -> Dataset:
    """A CT image; an attribute given as None is left out."""
    made = Dataset()
    for keyword, value in (CT | {"SOPInstanceUID": generate_uid()} | attributes).items():
        if value is not None:
            setattr(made, keyword, value)
    return made


def save(path: Path, made: Dataset, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a data set as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.get("SOPClassUID", CTImageStorage)
    made.file_meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "1.2")
    made.save_as(path, enforce_file_format=True)
    return path


def write_visits(workspace: Workspace, *rows: str) -> None:
    """visit_occurrence: id, person, concept, start, end (dates, or with a time)."""
    head = "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,"
    lines = [head + "visit_end_datetime,visit_type_concept_id"]
    for row in rows:
        number, person, concept, start, end = row.split(",")
        times = [value if len(value) > 10 else "" for value in (start, end)]
        lines.append(f"{number},{person},{concept},{start[:10]},{times[0]},{end[:10]},{times[1]},0")
    (Path(workspace.parameters.omop) / "visit_occurrence.csv").write_text("\n".join(lines) + "\n")


def write_procedures(workspace: Workspace, *rows: str) -> None:
    """procedure_occurrence: id, person, visit, source value."""
    head = "procedure_occurrence_id,person_id,procedure_concept_id,procedure_date,procedure_type_concept_id,"
    lines = [head + "visit_occurrence_id,procedure_source_value"]
    for row in rows:
        number, person, visit, value = row.split(",")
        lines.append(f"{number},{person},0,2023-12-26,0,{visit},{value}")
    (Path(workspace.parameters.omop) / "procedure_occurrence.csv").write_text("\n".join(lines) + "\n")
