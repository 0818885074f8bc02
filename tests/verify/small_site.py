"""A source and its release made by hand, with no code of the de-identification: what every test of 04 starts from."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from blake3 import blake3
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, UltrasoundImageStorage

from chorus_nb import tables
from chorus_nb.parameters import Parameters
from chorus_nb.verify.faces import ANATOMY
from chorus_nb.workspace import Workspace

PATIENTS = {
    "MRN-77120034": ("Müller^Änne Maria", "19610402", 501, -100),
    "MRN-77120035": ("Okonkwo^Bartholomew", "19330815", 502, -37),
}
STUDIES = (  # patient, accession, image_occurrence_id, date, time, modality, images, visit
    ("MRN-77120034", "ACC4471982", 9001, "20240131", "101500", "CT", 3, 71),
    ("MRN-77120034", "ACC4471990", 9002, "20240311", "230000", "US", 2, 72),
    ("MRN-77120035", "ACC5560017", 9003, "20231105", "013000", "CT", 3, 73),
)
BOX = "2,1,12,5"  # filled in the first ultrasound image


def make(folder: Path, burned_in: str = "") -> Workspace:
    """Source, lookup tables, OMOP visits, release and the tables of 01 and 03; everything invented.

    ``burned_in`` stands in the ultrasound images of source and release alike, and 03 did not see it.
    """
    for name in ("dicom", "lookup", "omop"):
        (folder / name).mkdir(parents=True)
    workspace = open_workspace(folder, folder / "workspace")
    _write_lookups(folder / "lookup")
    catalog, outcomes, verdicts = [], [], []
    for study in STUDIES:
        for number in range(1, study[6] + 1):
            original = original_image(study, number)
            if burned_in and study[5] == "US":
                burn(original, burned_in)
            source_path = f"{study[0]}/{study[1]}/IM{number:05d}.dcm"
            content = write(original)
            (folder / "dicom" / source_path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "dicom" / source_path).write_bytes(content)
            boxes = BOX if (study[5], number) == ("US", 1) else ""
            released = release_of(original, boxes)
            target_path = target_of(released)
            target = workspace.release / target_path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(write(released))
            catalog.append(catalog_row(source_path, content, original))
            row = outcome_row(source_path, target_path, original, content, target.read_bytes())
            outcomes.append(row | {"boxes": boxes})
            verdicts.append({"source_path": source_path, "verdict": "redact" if boxes else "clean", "boxes": boxes})
            if boxes:
                proof = {"source_path": source_path, "target_path": target_path, "detector": "by hand"}
                proof |= {"target_digest": row["target_digest"], "result": "nothing_left"}
                workspace.write(tables.TEXT_PROOFS, tables.frame(tables.TEXT_PROOFS, [proof]))
    (folder / "dicom" / "readme.txt").write_text("not DICOM")
    outcomes.append(
        {"source_path": "readme.txt", "status": "not_dicom", "reason": "not_dicom", "source_digest": "", "seconds": 0.0}
    )
    workspace.write(tables.CATALOG, tables.frame(tables.CATALOG, catalog))
    workspace.write(tables.OUTCOMES, tables.frame(tables.OUTCOMES, outcomes))
    workspace.write(tables.IMAGE_VERDICTS, tables.frame(tables.IMAGE_VERDICTS, verdicts))
    asked = {row["SeriesInstanceUID"] for row in catalog if row["Modality"] == "CT"}
    nothing = {"need": "other", "status": "no_head", "files": 3, "removed": 0.0, "brain_ml": 0.0, "seconds": 0.0}
    heads = [{"series_uid": series, **nothing} for series in sorted(map(str, asked))]
    workspace.write(tables.FACE_VERDICTS, tables.frame(tables.FACE_VERDICTS, heads))
    _write_linkage(workspace, folder / "omop")
    _write_registry(workspace)
    (workspace.reports_audit / "03_run_deid.html").write_text("<h1>Run de-identification</h1><p>8 files released</p>")
    return workspace


def open_workspace(site: Path, workspace: Path) -> Workspace:
    values = {name: str(site / name) for name in ("lookup", "omop")}
    return Workspace(Parameters(source=str(site / "dicom"), workspace=str(workspace), workers=1, **values)).create()


# --- images -----------------------------------------------------------------------------------------------------------


def original_image(study: tuple[str, str, int, str, str, str, int, int], number: int) -> Dataset:
    patient, accession, _, date, time, modality, _, _ = study
    name, born, _, _ = PATIENTS[patient]
    d = Dataset()
    d.SpecificCharacterSet = "ISO_IR 100"
    d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    d.SOPClassUID = CTImageStorage if modality == "CT" else UltrasoundImageStorage
    d.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.{accession[3:]}.1.{number}"
    d.StudyDate = d.SeriesDate = d.AcquisitionDate = d.ContentDate = date
    d.StudyTime = d.SeriesTime = d.AcquisitionTime = d.ContentTime = time
    d.AcquisitionDateTime = f"{date}{time}.000000"
    d.AccessionNumber, d.PatientID, d.StudyID = accession, patient, "STUDY8812"
    d.Modality, d.Manufacturer, d.ManufacturerModelName = modality, "Invented Imaging", "Modeller 3"
    d.InstitutionName, d.InstitutionAddress = "Saint Brigid Hospital", "12 Elmwood Street, Springfield"
    d.ReferringPhysicianName, d.OperatorsName = "Fitzgerald^Siobhan", "Quillfeather^Tim"
    d.StationName, d.DeviceSerialNumber = "CTROOM9", "SN-8821344"
    d.StudyDescription, d.SeriesDescription = "CT CHEST", "Axial 5mm"
    d.PatientName, d.PatientBirthDate, d.PatientSex, d.PatientAge = name, born, "F", "062Y"
    d.PatientTelephoneNumbers = "617-555-0142"
    d.BodyPartExamined, d.SliceThickness, d.KVP, d.ConvolutionKernel = "CHEST", "5", "120", "B30f"
    d.StudyInstanceUID = f"1.2.826.0.1.3680043.8.498.{accession[3:]}"
    d.SeriesInstanceUID = f"{d.StudyInstanceUID}.1"
    d.FrameOfReferenceUID = f"{d.StudyInstanceUID}.9"
    d.SeriesNumber, d.InstanceNumber = "1", str(number)
    d.ImagePositionPatient, d.ImageOrientationPatient = [0, 0, 5 * number], [1, 0, 0, 0, 1, 0]
    d.SliceLocation = str(5 * number)
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepDescription = "RP00471", "Chest for Müller"
    d.RequestAttributesSequence = [request]
    reference = Dataset()
    reference.ReferencedSOPClassUID = d.SOPClassUID
    reference.ReferencedSOPInstanceUID = f"1.2.826.0.1.3680043.8.498.{accession[3:]}.1.1"
    d.ReferencedImageSequence = [reference]
    d.private_block(0x0019, "ACME SECRET", create=True).add_new(0x01, "LO", f"{name} {patient}")
    d.SamplesPerPixel, d.PhotometricInterpretation, d.Rows, d.Columns = 1, "MONOCHROME2", 16, 16
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
    d.PixelSpacing, d.WindowCenter, d.WindowWidth = [1, 1], "500", "1000"
    d.RescaleIntercept, d.RescaleSlope = "0", "1"
    generator = np.random.default_rng(int(accession[3:]) + number)
    d.PixelData = generator.integers(0, 1000, (16, 16), np.uint16).tobytes()
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if modality == "US":
        d.compress(RLELossless, generate_instance_uid=False)
    return d


def release_of(original: Dataset, boxes: str = "") -> Dataset:
    """The original with every identifier replaced, as the policy wants it."""
    d = pydicom.dcmread(BytesIO(write(original)))
    _, _, person, days = PATIENTS[original.PatientID]
    image = next(study[2] for study in STUDIES if study[1] == original.AccessionNumber)
    d.SpecificCharacterSet = "ISO_IR 192"
    d.PatientID, d.AccessionNumber, d.PatientName = str(person), str(image), ""
    d.walk(lambda owner, element: _replace(element, days))
    for keyword in ("InstitutionName", "InstitutionAddress", "StationName", "DeviceSerialNumber", "OperatorsName"):
        delattr(d, keyword)
    del d.PatientTelephoneNumbers
    d.ReferringPhysicianName, d.StudyID = "", ""
    del d.RequestAttributesSequence
    d.remove_private_tags()
    d.PatientIdentityRemoved, d.DeidentificationMethod = "YES", "by hand"
    d.LongitudinalTemporalInformationModified = "MODIFIED"
    if boxes:
        frame = d.pixel_array.copy()
        x0, y0, x1, y1 = map(int, boxes.split(","))
        frame[y0:y1, x0:x1] = 0
        d.compress(RLELossless, arr=frame, generate_instance_uid=False)
    return d


def _replace(element: pydicom.DataElement, days: int) -> None:
    if element.VR in ("DA", "DT") and element.value:
        date = datetime.datetime.strptime(element.value[:8], "%Y%m%d") + datetime.timedelta(days=days)
        element.value = f"{date:%Y%m%d}{element.value[8:]}"
    elif element.VR == "UI" and "ClassUID" not in element.keyword and element.value:
        element.value = new_uid(element.value)


def new_uid(old: str) -> str:
    return f"2.25.{int.from_bytes(hashlib.sha256(old.encode()).digest()[:15])}"


def write(d: Dataset) -> bytes:
    sink = BytesIO()
    d.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def target_of(d: Dataset) -> str:
    folder = f"{d.PatientID}/Images/{d.Modality}/{d.AccessionNumber}/{d.SeriesInstanceUID}"
    return f"{folder}/{int(d.InstanceNumber):03d}.dcm"


# --- tables -----------------------------------------------------------------------------------------------------------


def catalog_row(source_path: str, content: bytes, original: Dataset) -> dict[str, object]:
    row: dict[str, object] = {"source_path": source_path, "status": "dicom", "size": len(content), "modified_ns": 1}
    row |= {"has_preamble": True, "has_pixels": True, "pixel_bytes": 512, "private_elements": 1, "sequences": 2}
    row |= {"us_regions": 0, "overlay_groups": 0, "frame_places": 0}
    for keyword in ("PatientID", "AccessionNumber", "SeriesInstanceUID", "Manufacturer", *ANATOMY):
        row[keyword] = str(original.get(keyword, ""))
    return row


def outcome_row(
    source_path: str, target_path: str, original: Dataset, content: bytes, released: bytes
) -> dict[str, object]:
    return {
        "source_path": source_path,
        "status": "released",
        "target_path": target_path,
        "sop_class": str(original.SOPClassUID),
        "modality": original.Modality,
        "source_digest": blake3(content).hexdigest(),
        "target_digest": blake3(released).hexdigest(),
        "seconds": 0.0,
    }


def _write_lookups(folder: Path) -> None:
    persons = "".join(f"{patient},{person},{days}\n" for patient, (_, _, person, days) in PATIENTS.items())
    (folder / "Personal_map.csv").write_text("PatientID,person_id,Days_Shifted\n" + persons)
    images = "".join(f"{study[0]},{study[1]},{study[2]}\n" for study in STUDIES)
    (folder / "Image_map.csv").write_text("PatientID,AccessionNumber,image_occurence_id\n" + images)


def _write_linkage(workspace: Workspace, omop: Path) -> None:
    rows, visits = [], []
    for patient, accession, image, date, time, modality, files, visit in STUDIES:
        _, _, person, days = PATIENTS[patient]
        start = datetime.datetime.strptime(date, "%Y%m%d") + datetime.timedelta(days=days)
        row = {"PatientID": patient, "AccessionNumber": accession, "files": files, "modalities": modality}
        row |= {"person_id": person, "days_shifted": days, "image_occurrence_id": image, "visit_occurrence_id": visit}
        rows.append({**row, "visit_link": "overlap", "procedure_occurrence_id": None, "acquired": f"{date} {time}"})
        visits.append(f"{visit},{person},9201,{start:%Y-%m-%d},,{start + datetime.timedelta(days=2):%Y-%m-%d},,32817")
    workspace.write(tables.LINKAGE, tables.frame(tables.LINKAGE, rows))
    heading = "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,"
    heading += "visit_end_date,visit_end_datetime,visit_type_concept_id"
    (omop / "visit_occurrence.csv").write_text("\n".join([heading, *visits, ""]))


def _write_registry(workspace: Workspace) -> None:
    rows = []
    for number, path in enumerate(sorted(workspace.release.rglob("*.dcm")), 1):
        d = pydicom.dcmread(path)
        stamp = datetime.datetime.strptime(d.AcquisitionDateTime[:14], "%Y%m%d%H%M%S")
        row = {"image_registry_id": number, "file_id": hashlib.md5(d.SOPInstanceUID.encode()).hexdigest()[:16]}
        row |= {"proc_id": 2000000000 + int(d.AccessionNumber), "person_id": int(d.PatientID), "visit_id": 71}
        row |= {"group_id": int(d.AccessionNumber), "datetime": f"{stamp:%Y-%m-%d %H:%M:%S}"}
        rows.append({**row, "src_file": path.relative_to(workspace.release).as_posix()})
    workspace.write(tables.IMAGE_REGISTRY, tables.frame(tables.IMAGE_REGISTRY, rows))


def burn(d: Dataset, text: str, box: tuple[int, int, int, int] | None = None) -> None:
    """Make the picture one that shows ``text``: all of it, or the part in ``box`` of the picture that was there."""
    canvas = Image.new("L", (480, 64), 30)
    ImageDraw.Draw(canvas).text((8, 16), text, 230, ImageFont.load_default(24))
    shown = np.asarray(canvas, np.uint16) * 4
    if box:
        x0, y0, x1, y1 = box
        frame = d.pixel_array.copy()
        frame[y0:y1, x0:x1] = shown[: y1 - y0, : x1 - x0]
        shown = frame
    syntax = d.file_meta.TransferSyntaxUID
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.Rows, d.Columns = shown.shape
    d.PixelData = shown.tobytes()
    d["PixelData"].VR, d["PixelData"].is_undefined_length = "OW", False
    if syntax.is_compressed:
        d.compress(syntax, generate_instance_uid=False)


# --- sabotage ---------------------------------------------------------------------------------------------------------


def first(workspace: Workspace, modality: str = "CT") -> Path:
    """The first released file of a modality."""
    return sorted(workspace.release.glob(f"*/Images/{modality}/*/*/*.dcm"))[0]


def rewrite(workspace: Workspace, change: Callable[[Dataset], object], path: Path | None = None) -> None:
    """Change a released file through pydicom."""
    path = path or first(workspace)
    with pydicom.config.disable_value_validation():
        d = pydicom.dcmread(path)
        change(d)
        sink = BytesIO()
        d.save_as(sink)
    path.write_bytes(sink.getvalue())
    record(workspace, path)


def patch(workspace: Workspace, change: Callable[[bytes], bytes], path: Path | None = None) -> None:
    """Change the bytes of a released file."""
    path = path or first(workspace)
    path.write_bytes(change(path.read_bytes()))
    record(workspace, path)


def record(workspace: Workspace, path: Path) -> None:
    """As if 03 itself had written these bytes: the digest alone must not give the sabotage away."""
    outcomes = workspace.read(tables.OUTCOMES)
    own = outcomes.target_path == path.relative_to(workspace.release).as_posix()
    outcomes.loc[own, "target_digest"] = blake3(path.read_bytes()).hexdigest()
    workspace.write(tables.OUTCOMES, outcomes)


def rename(workspace: Workspace, path: Path, target_path: str) -> None:
    """Move a released file, and say so in the outcomes."""
    target = workspace.release / target_path
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    outcomes = workspace.read(tables.OUTCOMES)
    own = outcomes.target_path == path.relative_to(workspace.release).as_posix()
    outcomes.loc[own, "target_path"] = target_path
    workspace.write(tables.OUTCOMES, outcomes)
