"""Volumes of heads and of what is none, as arrays and as DICOM series; and what can happen to a head in a scanner."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, MRImageStorage

from chorus_nb.demo import chests, phantoms
from chorus_nb.faces.atlas import Matrix
from chorus_nb.faces.registration import Pose, register_head, rotated
from chorus_nb.faces.volume import Grid, Volume, grid, resampled
from tests.deid.conftest import encoded, image

LOW, HIGH = phantoms.HEAD_HEIGHT
SLICES, SIZE = 72, 96
Given, Made = ParamSpec("Given"), TypeVar("Made")


def _affine(slices: int, size: int, height: tuple[float, float], field: float) -> Matrix:
    step = (height[1] - height[0]) / (slices - 1)
    made = np.diag([field / (size - 1), field / (size - 1), step, 1.0])
    made[:3, 3] = -field / 2, -field / 2, height[0]
    return made


@cache
def head(kind: str = "CT") -> Volume:
    """The demo's head: ``CT``, ``T1`` or ``T2``."""
    values = phantoms.head_ct(SLICES, SIZE) if kind == "CT" else phantoms.head_mr(SLICES, SIZE, kind)
    affine = _affine(SLICES, SIZE, (LOW, HIGH), phantoms.HEAD_FIELD)
    return Volume(values.astype("f4"), affine, "CT" if kind == "CT" else "MR")


@cache
def tissues() -> NDArray[np.str_]:
    """What each voxel of :func:`head` is made of."""
    return np.array(phantoms.NAMES)[phantoms.head_phantom(SLICES, SIZE)]


def places() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Millimetres (z, y, x) of the voxels of :func:`head`."""
    at = phantoms.space(SLICES, SIZE, (LOW, HIGH), phantoms.HEAD_FIELD)
    return at.z, at.y, at.x


@cache
def face() -> NDArray[np.bool_]:
    """The skin that makes a face known: eyes, nose, lips and cheeks, from under the brow to above the chin."""
    z, y, _ = places()
    return np.isin(tissues(), ("skin", "fat", "eye")) & (z < 8) & (z > -75) & (y < -72)


@cache
def negatives() -> dict[str, Volume]:
    """What is no head with a face, by its name."""
    return dict(_negatives())


def _negatives() -> Iterator[tuple[str, Volume]]:
    chest = chests.chest_ct(60, 96)
    yield "chest", Volume(chest.astype("f4"), _affine(60, 96, chests.HEIGHT, chests.FIELD), "CT")
    t1 = head("T1")
    brain = np.isin(tissues(), ("grey", "white", "csf"))
    yield "skull-stripped brain", t1._replace(values=np.where(brain, t1.values, 0).astype("f4"))
    z, y, x = np.ogrid[-80:80:60j, -120:120:96j, -120:120:96j]
    affine = _affine(60, 96, (-80, 80), 240)
    noise = np.random.default_rng(0).normal(0, 20, (60, 96, 96))
    yield "sphere", Volume(((x**2 + y**2 + z**2 < 75**2) * 500 + noise).astype("f4"), affine, "MR")
    inside = np.broadcast_to(x**2 + y**2 < 100**2, noise.shape)
    yield "cylinder of water", Volume(np.where(inside, 0, -1000).astype("f4"), affine, "CT")
    knees = ((x - 60) ** 2 + y**2 < 50**2) | ((x + 60) ** 2 + y**2 < 50**2)
    yield "two knees", Volume((np.broadcast_to(knees, noise.shape) * 300 + np.abs(noise)).astype("f4"), affine, "MR")
    yield "noise", Volume((noise + 100).astype("f4"), affine, "MR")


def on_a_body(head: Volume, *, arms: bool = False, couch: bool = False) -> Volume:
    """A head on neck and trunk with ribs, spine and pelvis, on cubes of 4 mm; ``arms`` are raised beside it."""
    ct, step = head.modality == "CT", 4.0
    air, soft, bone, lung, plate = (-1000, 50, 700, -850, -300) if ct else (5, 100, 20, 10, 5)
    z, y, x = np.ogrid[-620:130:step, -180:180:step, -240:240:step]  # type: ignore[misc]
    values = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), air, "f4")

    def paint(value: float, where: NDArray[np.bool_]) -> None:
        values[np.broadcast_to(where, values.shape)] = value

    trunk, radius = z < -130, np.hypot(x / 145, (y - 20) / 85)
    paint(soft, trunk & (np.hypot(x / 160, (y - 20) / 98) < 1))
    paint(soft, (z < -80) & ~trunk & (np.hypot(x / 58, (y - 20) / 60) < 1))
    paint(lung, (z < -170) & (z > -400) & (np.hypot((abs(x) - 70) / 55, (y - 20) / 75) < 1))
    paint(bone, (z < -150) & (z > -420) & (abs(radius - 1) < 0.05) & ((z + 0.3 * y) % 28 < 9) & (abs(x) > 30))
    paint(bone, (z < -500) & (z > -600) & (abs(np.hypot(x / 130, (y - 30) / 75) - 1) < 0.12))
    paint(bone, (z < -60) & (np.hypot(x, y - 75) < 18))
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = -240, -180, -620
    own, field = resampled(head, affine[:3, 3], values.shape, step)
    shown = field & (own > (-300 if ct else 40))
    values[shown] = own[shown]
    if arms:
        raised = (z > -250) & (np.hypot(abs(x) - 150, y - 10) < 38)
        paint(soft, raised)
        paint(bone, raised & (np.hypot(abs(x) - 150, y - 10) < 12))
    if couch:
        paint(plate, (abs(y - 150) < 8) & (abs(x) < 220))
    grain = np.random.default_rng(1).normal(0, 12 if ct else 3, values.shape)
    values = values + grain if ct else abs(values + grain)
    return Volume(values.astype("f4"), affine, head.modality)


def turned(volume: Volume, pitch: float, turn: float, tilt: float) -> Volume:
    """About its middle, by degrees: as a person lies otherwise than their header says."""
    return volume._replace(affine=about_middle(volume, rotated(pitch, turn, tilt)) @ volume.affine)


def wrapped(volume: Volume, millimetres: float, value: float = -100) -> Volume:
    """A CT with something of ``value`` HU wound around it, in a wider field."""
    import SimpleITK as sitk

    rim = 24
    around = np.pad(volume.values, ((0, 0), (rim, rim), (rim, rim)), constant_values=-1000)
    body = sitk.GetImageFromArray((around > -300).astype("u1"))
    thick = [round(millimetres / step) for step in volume.spacing]
    bandage = (sitk.GetArrayFromImage(sitk.BinaryDilate(body, thick)) > 0) & (around <= -300)
    affine = volume.affine.copy()
    affine[:3, 3] -= affine[:3, :2].sum(axis=1) * rim
    return Volume(np.where(bandage, np.float32(value), around), affine, volume.modality)


def above(volume: Volume, height: float) -> Volume:
    """What lies above ``height`` (patient mm)."""
    return _cut(volume, 2, lambda z: z > height)


def below(volume: Volume, height: float) -> Volume:
    """What lies below ``height`` (patient mm)."""
    return _cut(volume, 2, lambda z: z < height)


def in_front(volume: Volume, depth: float) -> Volume:
    """What lies in front of ``depth`` (patient mm)."""
    return _cut(volume, 1, lambda y: y < depth)


def pet() -> Volume:
    """The demo's head as FDG shows it: a bright brain, a faint face, blurred."""
    uptake = {"air": 0.02, "skin": 0.8, "fat": 0.4, "muscle": 1.2, "bone": 0.7, "marrow": 1, "csf": 2.5, "grey": 11}
    uptake |= {"white": 5, "eye": 0.9, "tooth": 0.4}
    names, places = np.unique(tissues(), return_inverse=True)
    values = np.array([uptake[name] * 1000 for name in names])[places].reshape(tissues().shape)
    for axis in range(3):
        wide = np.pad(values, [(2, 2) if one == axis else (0, 0) for one in range(3)], "edge")  # no neck over the crown
        values = sum(wide.take(range(at, at + values.shape[axis]), axis) for at in range(5)) / 5
    grain = np.random.default_rng(0).normal(0, 60, values.shape)
    return Volume((values + abs(grain)).astype("f4"), head("T1").affine, "PT")


# --- made once --------------------------------------------------------------------------------------------------------


def can_register() -> bool:
    """Whether the extra ``deface`` is there."""
    return all(importlib.util.find_spec(name) for name in ("SimpleITK", "pydeface"))


def remembered(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """The same; what was once made of the same pixels is not made again for the tests that follow."""
    known: dict[str, Made] = {}

    def made(*args: Given.args, **how: Given.kwargs) -> Made:
        seen = hashlib.sha256()
        _add((args, sorted(how.items())), seen)
        key = seen.hexdigest()
        if key not in known:
            known[key] = function(*args, **how)
        return known[key]

    return made


def _add(given: Any, seen: Any) -> None:
    if isinstance(given, np.ndarray):
        seen.update(repr((given.shape, given.dtype)).encode() + np.ascontiguousarray(given).tobytes())
    elif isinstance(given, (tuple, list)):
        seen.update(str(len(given)).encode())
        for part in given:
            _add(part, seen)
    else:
        seen.update(repr(given).encode())


_registered = remembered(register_head)


def registered(volume: Grid, modality: str, start: tuple[float, float, float] | None = None) -> Pose:
    """:func:`register_head`, remembered."""
    return _registered(volume, modality, start)


# --- what can happen to a head ----------------------------------------------------------------------------------------


class Case(NamedTuple):
    """``volume`` after something happened to it, and ``moved``: where its points went (patient mm to patient mm)."""

    name: str
    volume: Volume
    moved: Matrix


def stress(volume: Volume, seed: int = 5) -> Iterator[Case]:
    """Rotations, sizes, noise, contrast, cut fields of view and thick slices."""
    random = np.random.default_rng(seed)
    for _ in range(4):
        angles = random.uniform(-30, 30), random.uniform(-20, 20), random.uniform(-30, 30)
        moved = about_middle(volume, rotated(*angles))
        moved[:3, 3] += random.uniform(-60, 60, 3)
        yield Case("rotated by up to 30°", volume._replace(affine=moved @ volume.affine), moved)
    for size in (0.82, 1.12):
        moved = about_middle(volume, np.eye(3) * size)
        yield Case(f"{size} times the size", volume._replace(affine=moved @ volume.affine), moved)
    same = np.eye(4)
    spread = float(np.ptp(np.percentile(volume.values, (1, 99.5))))
    grainy = volume.values + random.normal(0, 0.08 * spread, volume.values.shape)
    yield Case("8 % noise", volume._replace(values=grainy.astype("f4")), same)
    if volume.modality == "MR":
        body = volume.values > 2 * np.percentile(volume.values, 40)
        turned = np.where(body, np.percentile(volume.values, 99.5) * 1.1 - volume.values, volume.values)
        yield Case("contrast inverted", volume._replace(values=np.maximum(turned, 0).astype("f4")), same)
    even = grid([volume])
    crown = float(even.points(even.head)[:, 2].max())
    front = float(even.points(even.head)[:, 1].min())
    for cut in (30, 55):
        yield Case(f"top {cut} mm cut off", _cut(volume, 2, lambda z, cut=cut: z < crown - cut), same)
    yield Case("cut off below 130 mm", _cut(volume, 2, lambda z: z > crown - 130), same)
    yield Case("6 mm slices", _thick(volume, 6), same)
    yield Case("nose outside the field of view", _cut(volume, 1, lambda y: y > front + 20), same)


def about_middle(volume: Volume, linear: NDArray[np.float64]) -> Matrix:
    """A linear map of patient millimetres that leaves the middle of the volume where it is."""
    middle = volume.affine[:3, :3] @ (np.array(volume.values.shape[::-1]) / 2) + volume.affine[:3, 3]
    made = np.eye(4)
    made[:3, :3] = linear
    made[:3, 3] = middle - linear @ middle
    return made


def _axis(volume: Volume, direction: int) -> int:
    """The index that runs most along patient axis ``direction`` (0 left, 1 back, 2 up)."""
    return int(np.argmax(np.abs(volume.affine[direction, :3] / volume.spacing)))


def _cut(volume: Volume, direction: int, kept: Callable[[NDArray[np.float64]], NDArray[np.bool_]]) -> Volume:
    axis = _axis(volume, direction)
    count = volume.values.shape[2 - axis]
    places = np.flatnonzero(kept(volume.affine[direction, axis] * np.arange(count) + volume.affine[direction, 3]))
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, axis] * places[0]
    values = np.take(volume.values, np.arange(places[0], places[-1] + 1), axis=2 - axis)
    return Volume(np.ascontiguousarray(values), affine, volume.modality)


def _thick(volume: Volume, millimetres: float) -> Volume:
    axis = _axis(volume, 2)
    factor = max(1, round(millimetres / volume.spacing[axis]))
    values = np.moveaxis(volume.values, 2 - axis, 0)
    count = len(values) // factor
    values = values[: count * factor].reshape(count, factor, *values.shape[1:]).mean(axis=1)
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (factor - 1) / 2
    affine[:3, axis] *= factor
    return Volume(np.ascontiguousarray(np.moveaxis(values, 0, 2 - axis)), affine, volume.modality)


# --- as DICOM ---------------------------------------------------------------------------------------------------------


def slices(volume: Volume, **attributes: object) -> list[bytes]:
    """A DICOM file for each slice; CT stored with an intercept of -1024."""
    ct = volume.modality == "CT"
    across, down, along = (volume.affine[:3, axis] for axis in range(3))
    uid = f"1.2.3.{int(hashlib.sha256(repr(sorted(attributes.items())).encode()).hexdigest()[:10], 16)}"
    made = []
    for number, plane in enumerate(volume.values):
        values = {
            "SOPClassUID": CTImageStorage if ct else MRImageStorage,
            "Modality": volume.modality,
            "SOPInstanceUID": f"{uid}.{number}",
            "SeriesInstanceUID": uid,
            "FrameOfReferenceUID": "1.2.3.9",
            "BodyPartExamined": "HEAD",
            "InstanceNumber": number + 1,
            "Rows": plane.shape[0],
            "Columns": plane.shape[1],
            "PixelSpacing": [float(np.linalg.norm(down)), float(np.linalg.norm(across))],
            "ImageOrientationPatient": [*(across / np.linalg.norm(across)), *(down / np.linalg.norm(down))],
            "ImagePositionPatient": list(np.round(volume.affine[:3, 3] + number * along, 4)),
            "RescaleIntercept": -1024 if ct else 0,
            "RescaleSlope": 1,
            **attributes,
        }
        values["ImageOrientationPatient"] = [round(float(value), 6) for value in values["ImageOrientationPatient"]]  # type: ignore[attr-defined]
        dataset = image(**values)
        stored = np.clip(np.rint(plane + (1024 if ct else 0)), 0, 4095).astype("<u2")
        dataset.PixelData = stored.tobytes()
        made.append(encoded(dataset))
    return made


def write(volume: Volume, folder: Path, **attributes: object) -> list[str]:
    """The files of :func:`slices` in a folder; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, content in enumerate(slices(volume, **attributes)):
        (folder / f"{number:03d}.dcm").write_bytes(content)
        names.append(f"{number:03d}.dcm")
    return names


def enhanced(volume: Volume, **attributes: object) -> bytes:
    """The slices of a volume as the frames of one file, each with its place in functional groups."""
    files = [dcmread(io.BytesIO(content)) for content in slices(volume, **attributes)]
    made, groups = files[0], []
    for one in files:
        group, place, way, measures = (Dataset() for _ in range(4))
        place.ImagePositionPatient, way.ImageOrientationPatient = one.ImagePositionPatient, one.ImageOrientationPatient
        measures.PixelSpacing = one.PixelSpacing
        group.PlanePositionSequence, group.PlaneOrientationSequence = [place], [way]
        group.PixelMeasuresSequence = [measures]
        groups.append(group)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(made, keyword)
    made.NumberOfFrames, made.PerFrameFunctionalGroupsSequence = len(files), groups
    made.PixelData = b"".join(one.PixelData for one in files)
    return encoded(made)


def mosaic(volume: Volume, **attributes: object) -> bytes:
    """The slices of a volume in one picture, as Siemens writes them, with what that takes of private headers."""
    dataset = dcmread(io.BytesIO(slices(volume, **attributes)[0]))
    count, rows, columns = volume.values.shape
    side = math.ceil(math.sqrt(count))
    picture = np.zeros((side * side, rows, columns), "<u2")
    picture[:count] = np.clip(np.rint(volume.values), 0, 4095)
    across, down, along = (volume.affine[:3, axis] for axis in range(3))
    corner = volume.affine[:3, 3] - across * columns * (side - 1) / 2 - down * rows * (side - 1) / 2
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    dataset.Rows, dataset.Columns = side * rows, side * columns
    dataset.ImagePositionPatient = [round(float(value), 4) for value in corner]
    dataset.SpacingBetweenSlices = float(np.linalg.norm(along))
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", count)
    csa = _csa_normal(along / np.linalg.norm(along))
    dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", csa)
    tiled = picture.reshape(side, side, rows, columns).transpose(0, 2, 1, 3)
    dataset.PixelData = tiled.reshape(side * rows, side * columns).tobytes()
    sink = io.BytesIO()
    dataset.save_as(sink)
    return sink.getvalue()


def _csa_normal(normal: NDArray[np.float64]) -> bytes:
    """A CSA header (SV10) that says the normal of the slices; six items, of which three are empty."""
    made = b"SV10\4\3\2\1" + struct.pack("<ii", 1, 77)
    made += b"SliceNormalVector".ljust(64, b"\0") + struct.pack("<i4siii", 3, b"FD\0\0", 4, 6, 77)
    for text in [*(f"{value:.8f}".encode() for value in normal), b"", b"", b""]:
        made += struct.pack("<iiii", len(text), len(text), 77, 0) + text.ljust(-(-len(text) // 4) * 4, b"\0")
    return made
