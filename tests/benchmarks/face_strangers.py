"""Heads that come in other shapes than usual, 03 then 04: ``python -m tests.benchmarks.face_strangers [WORD …]``.

Each is a study of its own whose words name another part of the body, so that its pixels alone speak. A row a case: what
03 and 04 say of its series, how many of its files are in the release after both, and how much of the face that is known
to be there (the demo's skin from brow to chin) still stands in them. More than 0.1 is a leak.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom import Sequence as Items
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    MRImageStorage,
    NuclearMedicineImageStorage,
)
from pydicom.uid import XRay3DAngiographicImageStorage as XA_3D

from chorus_nb import tables
from chorus_nb.faces.registration import rotated
from chorus_nb.faces.volume import Volume
from chorus_nb.verify import verify
from chorus_nb.workspace import Workspace
from tests import heads
from tests.benchmarks.face_cases import defaced, sliced
from tests.deid.small_run import SmallSite, run
from tests.faces.test_face_misplaced import projected

LEAK = 0.1
WORDS = {"BodyPartExamined": "HIP", "SeriesDescription": "AX HIP", "StudyDescription": "HIP LEFT"}
Planes = NDArray[np.bool_]


class Shown(NamedTuple):
    """A file, and which of its pixels are skin of a face."""

    content: bytes
    face: Planes


class Head(NamedTuple):
    """A volume, and the same place by place: is it face?"""

    volume: Volume
    face: Volume

    def both(self, change: Callable[[Volume], Volume]) -> Head:
        return Head(change(self.volume), change(self.face))

    def files(self, **attributes: object) -> list[Shown]:
        made = heads.slices(self.volume, **{**WORDS, **attributes})
        return [Shown(one, plane > 0.5) for one, plane in zip(made, self.face.values, strict=True)]


def demo(kind: str) -> Head:
    """The demo's head of a kind."""
    volume = heads.pet() if kind == "PT" else heads.head(kind)
    return Head(volume, volume._replace(values=heads.face().astype("f4")))


def across(axes: tuple[int, int, int]) -> Callable[[Volume], Volume]:
    """The same head in slices along another axis: (k, j, i) of the array from these of its own."""

    def change(volume: Volume) -> Volume:
        columns = [2 - axis for axis in axes[::-1]]
        values = np.ascontiguousarray(volume.values.transpose(axes))
        return volume._replace(values=values, affine=volume.affine[:, [*columns, 3]])

    return change


def backwards(axis: int) -> Callable[[Volume], Volume]:
    """The same head with an axis of its array counted from the other end."""

    def change(volume: Volume) -> Volume:
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, axis] * (volume.values.shape[2 - axis] - 1)
        affine[:3, axis] *= -1
        return volume._replace(values=np.ascontiguousarray(np.flip(volume.values, 2 - axis)), affine=affine)

    return change


def reformatted(pitch: float, turn: float, tilt: float) -> Callable[[Volume], Volume]:
    """The head where it is, in slices that lie obliquely through it, of pixels of 2.5 mm."""
    import SimpleITK as sitk

    def change(volume: Volume) -> Volume:
        whole = Volume(np.zeros((100, 110, 110), "f4"), np.diag([2.5, 2.5, 2.5, 1.0]), volume.modality)
        whole.affine[:3, 3] = volume.affine[:3, :3] @ (np.array(volume.values.shape[::-1]) / 2) + volume.affine[:3, 3]
        whole.affine[:3, 3] -= 2.5 * np.array([55, 55, 50])
        affine = heads.about_middle(whole, rotated(pitch, turn, tilt)) @ whole.affine
        to_index = np.linalg.inv(volume.affine) @ affine
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(to_index[:3, :3].ravel().tolist())
        transform.SetTranslation(to_index[:3, 3].tolist())
        air = float(volume.values.min())
        grid = ([110, 110, 100], transform, sitk.sitkLinear, [0.0] * 3, [1.0] * 3, np.eye(3).ravel().tolist(), air)
        values = sitk.GetArrayFromImage(sitk.Resample(sitk.GetImageFromArray(volume.values), *grid))
        return volume._replace(values=values, affine=affine)

    return change


def from_to(first: int, last: int) -> Callable[[Volume], Volume]:
    """Some of the slices."""

    def change(volume: Volume) -> Volume:
        affine = volume.affine.copy()
        affine[:3, 3] += affine[:3, 2] * first
        return volume._replace(values=volume.values[first:last], affine=affine)

    return change


def drawn(columns: int, rows: int) -> Callable[[Volume], Volume]:
    """Each so many columns and rows become one pixel."""

    def change(volume: Volume) -> Volume:
        affine = volume.affine.copy()
        affine[:3, :2] *= columns, rows
        return volume._replace(values=np.ascontiguousarray(volume.values[:, ::rows, ::columns]), affine=affine)

    return change


def changed(files: Sequence[Shown], change: Callable[[Dataset], None]) -> list[Shown]:
    """The same with something else in each header."""
    made = []
    for one in files:
        dataset = dcmread(io.BytesIO(one.content))
        change(dataset)
        made.append(one._replace(content=_written(dataset)))
    return made


def _written(dataset: Dataset) -> bytes:
    sink = io.BytesIO()
    dataset.save_as(sink)
    return sink.getvalue()


def without_scale(dataset: Dataset) -> None:
    del dataset.RescaleSlope, dataset.RescaleIntercept


def scaled(slope: float, intercept: float) -> Callable[[Dataset], None]:
    """Pixels stored by another scale, that show the same."""

    def change(dataset: Dataset) -> None:
        shown = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        dataset.PixelData = np.clip(np.rint((shown - intercept) / slope), 0, 65535).astype("<u2").tobytes()
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:.6g}", f"{intercept:.6g}"

    return change


def inverted(dataset: Dataset) -> None:
    """Dark for bright, and MONOCHROME1, so that it looks as it did."""
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.PixelData = (4095 - dataset.pixel_array).astype("<u2").tobytes()


def monochrome1(dataset: Dataset) -> None:
    dataset.PhotometricInterpretation = "MONOCHROME1"


def of_another_frame(dataset: Dataset) -> None:
    dataset.FrameOfReferenceUID = "1.2.9"


def padded(dataset: Dataset) -> None:
    """-2000 outside a circle, signed."""
    rows, columns = np.ogrid[: dataset.Rows, : dataset.Columns]
    beyond = np.hypot(rows - dataset.Rows / 2, columns - dataset.Columns / 2) > dataset.Rows / 2
    shown = dataset.pixel_array.astype("i4") + int(dataset.RescaleIntercept)
    dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = np.where(beyond, -2000, shown).astype("<i2").tobytes()


def of_class(sop_class: str, modality: str) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
        dataset.Modality = modality

    return change


def enhanced(head: Head, order: Sequence[int], sop_class: str) -> list[Shown]:
    """All slices as frames of one file, in any order, each with its own place, orientation and scale."""
    files = head.files()
    whole = dcmread(io.BytesIO(files[0].content))
    of_class(sop_class, head.volume.modality)(whole)
    parts = [dcmread(io.BytesIO(files[number].content)) for number in order]
    groups = []
    for part in parts:
        group, place, way, measures, scale = (Dataset() for _ in range(5))
        place.ImagePositionPatient = part.ImagePositionPatient
        way.ImageOrientationPatient = part.ImageOrientationPatient
        measures.PixelSpacing, measures.SliceThickness = part.PixelSpacing, 3
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = part.RescaleSlope, part.RescaleIntercept, "US"
        group.PlanePositionSequence, group.PlaneOrientationSequence = Items([place]), Items([way])
        group.PixelMeasuresSequence, group.PixelValueTransformationSequence = Items([measures]), Items([scale])
        groups.append(group)
    whole.PerFrameFunctionalGroupsSequence, whole.SharedFunctionalGroupsSequence = Items(groups), Items([Dataset()])
    whole.NumberOfFrames = len(parts)
    whole.PixelData = b"".join(part.PixelData for part in parts)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        del whole[name]
    return [Shown(_written(whole), np.stack([files[number].face for number in order]))]


def beside(first: Sequence[Shown], *others: Sequence[Shown]) -> list[Shown]:
    """Lots of files as one series, with instance numbers and identifiers of their own."""
    made = list(first)
    for lot, then in enumerate(others, 2):
        for one in then:
            dataset = dcmread(io.BytesIO(one.content))
            dataset.InstanceNumber = len(made) + 1
            dataset.SOPInstanceUID += f".{lot}"
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            made.append(one._replace(content=_written(dataset)))
    return made


def echo(number: int) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset.EchoTime = 10 * number

    return change


def without_face(head: Head) -> Head:
    """Filled by one that is known, with what lies around it."""
    return Head(defaced(head.volume), head.face._replace(values=head.face.values * 0))


def with_pixels_said(by: float) -> Callable[[Volume], Volume]:
    """Columns and rows whose header says that they are so much larger."""

    def change(volume: Volume) -> Volume:
        return volume._replace(affine=volume.affine @ np.diag([by, by, 1, 1]))

    return change


def turning(head: Head, sides: int) -> list[Shown]:
    """The brightest along the way (MIP) from so many sides; of the face that shows, from any."""
    seen, shown = (projected(volume, sides) for volume in head)
    flat = Head(head.volume._replace(values=seen), head.face._replace(values=shown))

    def at_one_place(dataset: Dataset) -> None:
        dataset.ImagePositionPatient = [0, 0, 0]

    return changed(flat.files(ImageType=["DERIVED", "SECONDARY", "MIP"]), at_one_place)


def _noise(head: Head, seed: int = 2) -> Head:
    values = np.random.default_rng(seed).uniform(0, 900, head.volume.values.shape).astype("f4")
    return Head(head.volume._replace(values=values), head.face._replace(values=head.face.values * 0))


def lost_word(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]


def lost_all(dataset: Dataset) -> None:
    lost_word(dataset)
    dataset.remove_private_tags()


def wrong_count(dataset: Dataset) -> None:
    dataset[0x0019, 0x100A].value = 65


def _mosaic(head: Head, change: Callable[[Dataset], None]) -> list[Shown]:
    face = dcmread(io.BytesIO(heads.mosaic(head.face))).pixel_array > 0
    return changed([Shown(heads.mosaic(head.volume, **WORDS), face)], change)


def moved(head: Head, *millimetres: float) -> Head:
    def change(volume: Volume) -> Volume:
        affine = volume.affine.copy()
        affine[:3, 3] += millimetres
        return volume._replace(affine=affine)

    return head.both(change)


def cases() -> Iterator[tuple[str, list[Shown]]]:
    """The files of each case."""
    ct, t1, pt = demo("CT"), demo("T1"), demo("PT")
    yield "CT as it is", ct.files()
    yield "T1 as it is", t1.files()
    yield "T1, sagittal", t1.both(across((2, 0, 1))).files()
    yield "T1, coronal", t1.both(across((1, 0, 2))).files()
    yield (
        "CT, oblique reformat (DERIVED MPR)",
        ct.both(reformatted(25, 35, 10)).files(ImageType=["DERIVED", "SECONDARY", "MPR"]),
    )
    yield "T1, oblique", t1.both(reformatted(20, -30, 15)).files()
    for name, head in (("CT", ct), ("T1", t1)):
        slab = head.both(reformatted(25, 35, 10)).both(from_to(30, 46))
        yield f"{name}, slab of 40 mm of an oblique reformat", slab.files()
    noise = changed(moved(_noise(t1), 0, 0, 1.5).files(), of_another_frame)
    yield "T1, noise of another frame of reference between its slices", beside(t1.files(), noise)
    yield "T1, its slices between those of noise of another frame of reference", beside(noise, t1.files())
    again = changed(moved(t1, 40, 0, 1.5).files(), of_another_frame)
    yield "T1, between its slices those of the same head in another frame of reference", beside(t1.files(), again)
    profile = t1.both(across((2, 0, 1))).both(from_to(42, 54))
    yield (
        "T1, noise and twelve sagittal slices through the middle of a head",
        beside(_noise(t1).files(), profile.files()),
    )
    yield (
        "T1, coronal, the lowest 40 mm",
        t1.both(lambda v: heads.below(heads.above(v, -80), -40)).both(across((1, 0, 2))).files(),
    )
    yield "T1, a mosaic that lost its word", _mosaic(t1, lost_word)
    yield "T1, a mosaic that lost its word and its private headers", _mosaic(t1, lost_all)
    yield "T1, a mosaic that counts 65 of its 72 slices", _mosaic(t1, wrong_count)
    yield "CT, feet first", ct.both(backwards(0)).both(backwards(2)).files(PatientPosition="FFS")
    yield "T1, columns and rows counted backwards", t1.both(backwards(0)).both(backwards(1)).files()
    yield "CT, slices numbered from the feet and the crown at once", ct.files()[::2] + ct.files()[1::2][::-1]
    yield "CT, each place twice", beside(ct.files(), ct.files())
    yield "T1, noise and then the head at each place", beside(_noise(t1).files(), t1.files())
    yield "T1, the head and then noise at each place", beside(t1.files(), _noise(t1).files())
    noises = [_noise(t1, seed).files() for seed in (2, 3)]
    yield (
        "T1, the head in the middle of three at each place, the others noise",
        beside(noises[0], t1.files(), noises[1]),
    )
    turns = [
        [lots[(place + turn) % 3] for place, lots in enumerate(zip(t1.files(), *noises, strict=True))]
        for turn in range(3)
    ]
    yield "T1, the head in another of three at each place, the others noise", beside(*turns)
    echoes = [changed(lot, echo(number)) for number, lot in enumerate((noises[0], t1.files(), noises[1]), 1)]
    yield "T1, the head in the second of three echoes, the others noise", beside(*echoes)
    faceless = without_face(t1).files()
    yield "T1, without its face but in the middle of three at each place", beside(faceless, t1.files(), faceless)
    away = t1.both(lambda v: v._replace(values=np.roll(v.values, round(40 / v.spacing[0]), axis=2))).files()
    yield "T1, the middle of three 40 mm away, said to lie at the same places", beside(t1.files(), away, t1.files())
    yield "T1, a head above another", beside(moved(t1, 0, 0, 290).files(), t1.files())
    yield "T1, a second time point 40 mm away", beside(t1.files(), moved(t1, 40, 0, 0.7).files())
    for aside, where in (((40, 0, 0.7), "40 mm away between its slices"), ((40, 0, 0), "40 mm away at its heights")):
        yield f"T1, noise and then the head {where}", beside(_noise(t1).files(), moved(t1, *aside).files())
    lying = t1.both(across((2, 0, 1)))
    yield "T1, noise and then the head in sagittal slices", beside(_noise(t1).files(), lying.files())
    other = moved(lying, 60, 0, 0)
    yield "T1, the head and then another in sagittal slices 60 mm away", beside(t1.files(), other.files())
    nameless = [*_mosaic(_noise(t1), lost_all), *_mosaic(t1, lost_all)]
    yield "T1, noise and then the head, mosaics without word and private headers", beside(nameless[:1], nameless[1:])
    yield "T1, pixels of 2.7 x 10.7 mm", t1.both(drawn(4, 1)).files()
    yield "CT, nose and mouth only", ct.both(lambda v: heads.in_front(heads.below(v, 10), -40)).files()
    yield "T1, face only", t1.both(lambda v: heads.in_front(heads.below(v, 30), 0)).files()
    yield "T1, slices of 8 mm", t1.both(lambda v: sliced(v, 8)).files()
    yield "CT, MONOCHROME1", changed(ct.files(), monochrome1)
    yield "CT, MONOCHROME1, dark for bright", changed(ct.files(), inverted)
    yield "T1, MONOCHROME1, dark for bright", changed(t1.files(), inverted)
    yield "CT, no rescale", changed(ct.files(), without_scale)
    yield "CT, a slope of 0.1", changed(ct.files(), scaled(0.1, -1024))
    yield "CT, -2000 beyond a circle", changed(ct.files(), padded)
    yield "PT, a slope of 0.00032", changed(pt.files(), scaled(0.25, 0.03))
    yield "T1, enhanced, frames in any order", enhanced(t1, [(7 * n) % 72 for n in range(72)], EnhancedMRImageStorage)
    yield "CT, enhanced, a scale in each frame", enhanced(ct, range(72), EnhancedCTImageStorage)
    for name, head in (("CT", ct), ("T1", t1)):
        for how, angles in (("on its side", (0, 90, 0)), ("face down", (0, 180, 0)), ("upside down", (180, 0, 0))):
            yield f"{name}, {how}, said to lie on its back", head.both(lambda v, a=angles: heads.turned(v, *a)).files()
    yield (
        "CT in bandages of 20 mm",
        [
            Shown(one, np.pad(plane > 0.5, 24))
            for one, plane in zip(heads.slices(heads.wrapped(ct.volume, 20), **WORDS), ct.face.values, strict=True)
        ],
    )
    for sop_class, modality in ((CTImageStorage, "CR"), (CTImageStorage, "US"), (MRImageStorage, "MG")):
        head = ct if sop_class == CTImageStorage else t1
        yield (
            f"{head.volume.modality}, whose Modality says {modality}",
            changed(head.files(), of_class(sop_class, modality)),
        )
    for name, head in (("T1", t1), ("PT", pt), ("T1, coronal", t1.both(across((1, 0, 2))))):
        for by in (0.5, 2.0):
            yield f"{name}, pixels said to be {by:g} times as large", head.both(with_pixels_said(by)).files()
    yield "T1, a projection from 24 sides, said to lie at one place", turning(t1, 24)
    yield "T1, XA in 3D", changed(t1.files(), of_class(XA_3D, "XA"))
    yield "CT, as NM", changed(ct.files(), of_class(NuclearMedicineImageStorage, "NM"))


def main(wanted: Sequence[str]) -> None:
    """Run both and print the table."""
    chosen = [
        (number, name, files)
        for number, (name, files) in enumerate(cases())
        if not wanted or any(word in name for word in wanted)
    ]
    with tempfile.TemporaryDirectory() as folder:
        site, faces = SmallSite(Path(folder)), dict[str, Planes]()
        rows = ["PatientID,AccessionNumber,image_occurence_id"]
        for number, _, files in chosen:
            rows.append(f"MRN-1,A-{number},{600 + number}")
            faces |= placed(site, number, files)
        site.lookup("Image_map", "\n".join(rows) + "\n")
        workspace = site.open(deface="apply", kinds=["CT", "MR", "CR", "DX", "MG", "US", "PT", "XA", "NM"])
        begun = time.process_time()
        run(workspace)
        verify(workspace)
        verdicts = workspace.read(tables.FACE_VERDICTS).set_index("series_uid")
        outcomes = workspace.read(tables.OUTCOMES)
        looks = workspace.read(tables.FACE_LOOKS)
        said = {row.folder.split("/")[3]: row for row in looks.itertuples()}
        print("| case | 03 | 04 | released | face left |\n|---|---|---|---|---|")
        for number, name, _ in chosen:
            mine = outcomes[outcomes.source_path.str.startswith(f"{number}/")]
            left, released = standing(workspace, mine, faces)
            verdict = verdicts.status.get(f"1.2.6.{number}", "not asked")
            look = said.get(str(600 + number))
            own = f"{look.own_look}{', held' if look.held else ''} {look.why}".strip() if look else "-"
            reasons = ", ".join(sorted(set(mine.reason) - {"", None}))
            told = f"{released} of {len(mine)}" + (f" ({reasons})" if reasons else "")
            print(f"| {name} | {verdict} | {own} | {told} | {left:.3f}{' LEAK' if left > LEAK else ''} |", flush=True)
        print(f"\n{time.process_time() - begun:.0f} CPU s in this process")


def placed(site: SmallSite, number: int, files: Sequence[Shown]) -> dict[str, Planes]:
    """The files of a case as a study of its own; the face of each by its path."""
    (site.dicom / str(number)).mkdir()
    made = {}
    for place, one in enumerate(files):
        dataset = dcmread(io.BytesIO(one.content))
        dataset.PatientID, dataset.AccessionNumber = "MRN-1", f"A-{number}"
        uid = dataset.SOPInstanceUID.replace("1.2.3.", f"1.2.4.{number}.", 1)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.2.5.{number}", f"1.2.6.{number}"
        if dataset.get("FrameOfReferenceUID") != "1.2.9":
            dataset.FrameOfReferenceUID = f"1.2.7.{number}"
        path = f"{number}/{place:04d}.dcm"
        (site.dicom / path).write_bytes(_written(dataset))
        made[path] = one.face
    return made


def standing(workspace: Workspace, outcomes: pd.DataFrame, faces: dict[str, Planes]) -> tuple[float, int]:
    """The share of the face's pixels that stand in the release as they were, of those that are in it; and files."""
    kept = whole = count = 0
    for row in outcomes[outcomes.status == "released"].itertuples():
        before = dcmread(Path(workspace.parameters.source) / row.source_path)
        path = workspace.release / row.target_path
        if not path.exists():
            continue
        count += 1
        face = faces[row.source_path]
        same = dcmread(path).pixel_array == before.pixel_array
        kept, whole = kept + int((same & face).sum()), whole + int(face.sum())
    return kept / max(whole, 1), count


if __name__ == "__main__":
    main(sys.argv[1:])
