"""Fabricates a small released tree and the tables that notebooks 01 to 04 leave, all of it invented."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pydicom
from blake3 import blake3
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, MRImageStorage

from chorus_nb import tables
from chorus_nb.layout import MANIFEST_FILE
from chorus_nb.metadata import build_metadata
from chorus_nb.parameters import Parameters
from chorus_nb.processes.programs import scratch
from chorus_nb.registry import build_omop, build_registry, check_registry
from chorus_nb.release import pack
from chorus_nb.release.manifest import measure_files, write_manifest
from chorus_nb.seal import release_digest, seal_release
from chorus_nb.verify.findings import GATE_CHECKS as GATE_CHECKS
from chorus_nb.workspace import Workspace, write_if_changed

CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "DX": DigitalXRayImageStorageForPresentation}
PERSON = (
    "person_id,gender_concept_id,year_of_birth,month_of_birth,day_of_birth,birth_datetime,race_concept_id,"
    "ethnicity_concept_id,location_id,provider_id,care_site_id,person_source_value,gender_source_value,"
    "gender_source_concept_id,race_source_value,race_source_concept_id,ethnicity_source_value,"
    "ethnicity_source_concept_id\n"
)
VISIT = (
    "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,"
    "visit_end_datetime,visit_type_concept_id\n"
)
PROCEDURE = (
    "procedure_occurrence_id,person_id,procedure_concept_id,procedure_date,procedure_datetime,procedure_end_date,"
    "procedure_end_datetime,procedure_type_concept_id,modifier_concept_id,quantity,provider_id,visit_occurrence_id,"
    "visit_detail_id,procedure_source_value,procedure_source_concept_id,modifier_source_value\n"
)


@dataclass(frozen=True)
class Accession:
    """An accession of the source and how it is linked; ``acquired`` is original, the shift is added."""

    patient: str = "MRN-0004711"
    accession: str = "ACC-0815"
    person: int = 501
    image_occurrence: int = 9001
    shift: int = -100
    acquired: str = "2024-06-10 08:15:30"
    modality: str = "CT"
    first_series: int = 1
    series: int = 1
    images: int = 2
    visit: int | None = 71
    procedure: int | None = None
    loinc: str = ""
    status: str = "released"
    attributes: tuple[tuple[str, object], ...] = ()


MR = Accession("MRN-0004712", "ACC-0816", 502, 9002, -31, "2024-03-01 23:59:59", "MR", visit=72, procedure=333)
TWO_PATIENTS = (
    Accession(
        attributes=(("BodyPartExamined", "CHEST"), ("ContrastBolusAgent", "Iohexol"), ("SliceThickness", "0.625"))
    ),
    MR,
)


def parameters(folder: Path, **others: object) -> Parameters:
    """The parameters of a site and a workspace below ``folder``."""
    named = {name: str(folder / name) for name in ("lookup", "omop", "workspace")}
    return Parameters.of({"source": str(folder / "dicom"), **named, "workers": 1, **others})


def registered(workspace: Workspace) -> pd.DataFrame:
    """The registry, built."""
    build_registry(workspace)
    return workspace.read(tables.IMAGE_REGISTRY)


def make_workspace(folder: Path, accessions: tuple[Accession, ...] = TWO_PATIENTS, **others: object) -> Workspace:
    """A workspace as notebooks 01 to 04 leave it, and the site's OMOP tables."""
    for name in ("dicom", "lookup", "omop"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    workspace = Workspace(parameters(folder, **others)).create()
    write_omop(folder / "omop", accessions)
    fill(workspace, accessions)
    return workspace


def ready(workspace: Workspace) -> Workspace:
    """The workspace with everything notebook 05 makes."""
    build_registry(workspace)
    build_metadata(workspace)
    build_omop(workspace)
    check_registry(workspace)
    seal_release(workspace)
    return workspace


def write_omop(folder: Path, accessions: tuple[Accession, ...]) -> None:
    persons = sorted({a.person for a in accessions})
    (folder / "person.csv").write_text(PERSON + "".join(f"{p},8532,1950,,,,8527,0,,,,,F,0,,0,,0\n" for p in persons))
    stays = sorted({(a.visit, a.person, *_stay(a)) for a in accessions if a.visit})
    (folder / "visit_occurrence.csv").write_text(
        VISIT + "".join(f"{v},{p},9201,{start},{start} 00:00:00,{end},,32817\n" for v, p, start, end in stays)
    )
    linked = sorted({(a.procedure, a.person) for a in accessions if a.procedure})
    (folder / "procedure_occurrence.csv").write_text(
        PROCEDURE + "".join(f'{n},{p},4180642,2024-01-30,,,,32833,,1,,,,"CT, ""head""",0,\n' for n, p in linked)
    )
    (folder / "cdm_source.csv").write_text("cdm_source_name\nInvented\n")
    (folder / "notes.txt").write_text("not a table of the CDM")


def fill(workspace: Workspace, accessions: tuple[Accession, ...]) -> None:
    """Write the released files and the tables about them; called again, it stands for a later run."""
    catalog, work, outcomes, linkage = [], [], [], []
    for a in accessions:
        for series in range(a.first_series, a.first_series + a.series):
            for number in range(1, a.images + 1):
                source = f"{a.patient}/{a.accession}/{series}/{number}"
                target = _target(a, series, number)
                row = {"source_path": source, "sop_class": CLASSES[a.modality], "modality": a.modality}
                row |= {"status": a.status, "reason": "" if a.status == "released" else "no_visit"}
                work.append(
                    {**row, "target_path": target, "size": 1, "modified_ns": 1, "person_id": a.person}
                    | {"days_shifted": a.shift, "image_occurrence_id": a.image_occurrence, "text_checked": True}
                )
                catalog.append(
                    {**_catalog_row(), "source_path": source, "acquired": a.acquired, "status": "dicom"}
                    | {"PatientID": a.patient, "AccessionNumber": a.accession, "Modality": a.modality}
                )
                digest = ""
                if a.status == "released":
                    path = workspace.release / target
                    path.parent.mkdir(parents=True, exist_ok=True)
                    released_file(a, series, number).save_as(path, enforce_file_format=True)
                    digest = blake3(path.read_bytes()).hexdigest()
                outcomes.append(
                    {**row, "target_path": target if digest else "", "target_digest": digest, "seconds": 0.0}
                )
        moment = (pd.Timestamp(a.acquired) + pd.Timedelta(days=a.shift)).strftime("%Y-%m-%d %H:%M:%S")
        linkage.append(
            {"PatientID": a.patient, "AccessionNumber": a.accession, "files": a.series * a.images}
            | {"modalities": a.modality, "acquired": a.acquired, "person_id": a.person, "days_shifted": a.shift}
            | {"image_occurrence_id": a.image_occurrence, "acquired_shifted": moment, "visit_occurrence_id": a.visit}
            | {"procedure_occurrence_id": a.procedure, "procedure_link": "explicit" if a.procedure else ""}
            | {"visit_link": "overlap" if a.visit else "none", "loinc_code": a.loinc}
        )
    for table, rows in (
        (tables.CATALOG, catalog),
        (tables.WORKLIST, [_only(tables.WORKLIST, row) for row in work]),
        (tables.OUTCOMES, outcomes),
        (tables.LINKAGE, list({row["image_occurrence_id"]: row for row in linkage}.values())),
    ):
        workspace.write(table, tables.frame(table, rows))
    pass_gate(workspace)


def packed(workspace: Workspace) -> pd.DataFrame:
    """The manifest of what 06 packs."""
    pack(workspace)
    return workspace.read(tables.MANIFEST)


def write_manifest_of(workspace: Workspace) -> None:
    """The manifest of what stands in the release, as ``pack`` writes it."""
    with scratch() as folder:
        measured = measure_files(workspace, Path(folder) / "measured.parquet").without([MANIFEST_FILE])
        write_manifest(workspace, measured, Path(folder) / "manifest.csv")
        write_if_changed(workspace.path(tables.MANIFEST), Path(folder) / "manifest.csv")


def pass_gate(workspace: Workspace) -> None:
    """What notebook 04 leaves when every check passed."""
    outcomes = workspace.read(tables.OUTCOMES)
    released = outcomes[outcomes["status"] == "released"]
    digests = {p: blake3((workspace.release / p).read_bytes()).hexdigest() for p in released["target_path"]}
    rows = [
        *({"check": name, "result": "pass", "examined": 1, "findings": 0, "held": 0} for name in GATE_CHECKS),
        {"check": "released_bytes", "question": "Which bytes were checked?", "result": "pass"}
        | {"detail": release_digest(digests)}
        | {"examined": len(digests), "findings": 0, "held": 0},
    ]
    workspace.write(tables.CHECKS, tables.frame(tables.CHECKS, rows))
    workspace.write(tables.VERIFICATION, tables.empty(tables.VERIFICATION))
    images = [
        {"target_path": path, "digest": digests[path], "sop_instance_uid": "", "moment": _moment(workspace, path)}
        for path in digests
    ]
    workspace.write(tables.VERIFIED_IMAGES, tables.frame(tables.VERIFIED_IMAGES, images))
    linkage = workspace.read(tables.LINKAGE)
    known = sorted({*linkage["PatientID"], *linkage["AccessionNumber"]})
    terms = [{"kind": "identifier", "text": text} for text in known]
    workspace.write(tables.SEARCH_TERMS, tables.frame(tables.SEARCH_TERMS, terms))


def _moment(workspace: Workspace, path: str) -> str:
    dataset = pydicom.dcmread(workspace.release / path, specific_tags=["StudyDate", "StudyTime"])
    return f"{pd.Timestamp(f'{dataset.StudyDate} {dataset.StudyTime}'):%Y-%m-%d %H:%M:%S}"


def released_file(a: Accession, series: int, number: int) -> Dataset:
    uid = f"2.25.{a.image_occurrence}{series}"
    moment = pd.Timestamp(a.acquired) + pd.Timedelta(days=a.shift)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CLASSES[a.modality], f"{uid}{number:04d}"
    dataset.PatientID, dataset.AccessionNumber = str(a.person), str(a.image_occurrence)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.{a.image_occurrence}", uid
    dataset.Modality, dataset.Manufacturer = a.modality, "Invented Imaging"
    dataset.StudyDate = dataset.SeriesDate = moment.strftime("%Y%m%d")
    dataset.StudyTime, dataset.SeriesNumber, dataset.InstanceNumber = moment.strftime("%H%M%S"), series, number
    dataset.Rows, dataset.Columns, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 2, 2, 8, 8, 7
    dataset.SamplesPerPixel, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    for keyword, value in a.attributes:
        setattr(dataset, keyword, value)
    dataset.PixelData = bytes(range(4))
    return dataset


def _target(a: Accession, series: int, number: int) -> str:
    folder = f"{a.person}/Images/{a.modality}/{a.image_occurrence}/2.25.{a.image_occurrence}{series}"
    return f"{folder}/{number:03d}.dcm"


def _stay(a: Accession) -> tuple[str, str]:
    day = pd.Timestamp(a.acquired).normalize() + pd.Timedelta(days=a.shift)
    return f"{day - pd.Timedelta(days=1):%Y-%m-%d}", f"{day + pd.Timedelta(days=1):%Y-%m-%d}"


def _catalog_row() -> dict[str, object]:
    zero = {"integer": 0, "truth": False, "number": 0.0}
    return {c.name: zero[c.kind] for c in tables.CATALOG.columns if c.kind != "text"}


def _only(table: tables.Table, row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name in table.column_names}
