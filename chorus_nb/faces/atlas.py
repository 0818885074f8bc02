"""The head that all others are compared with: pydeface's average T1 head and its face mask, read from its wheel.

Nothing of it is copied: without the extra ``deface`` there is no template. Points are millimetres in DICOM's patient
coordinates (x to the left, y to the back, z to the head); the template has axes of its own, close to those.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import zlib
from enum import IntFlag
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

GROWN = 14.0  # mm around pydeface's mask: it leaves brow and upper orbit
LEEWAY = 8.0  # mm more where a series does not show for itself where its head lies: people move between series
SPARED = 7.0  # mm around the brain stay
BESIDE_BRAIN = 15.0  # mm around the brain: what lies further off is none of it, whatever a volume shows there
BESIDE_GLOWING = 22.0  # mm, of a PT: the pose of a large or noisy one is too small, and what glows is told from a face
EARS = ((30, 115), (55, 145), 58.0)  # voxels from below, voxels from the back, mm from the middle: the ears lie beyond
UPPER, SKULL, SCALP = 120, (2.0, 5.0), (6.0, 12.0)  # voxels from below, and mm from the brain
MIDDLE = 88  # voxel of the template's middle plane, from the right


class Region(IntFlag):
    """What a place of the template is part of."""

    HEAD = 1
    FACE = 2  # what is removed
    WIDE = 4  # the same with ``LEEWAY``
    EARS = 8
    BRAIN = 16
    SKULL = 32  # over the upper brain
    SCALP = 64  # over the skull
    CORE = 128  # pydeface's own mask, where the template has skin or what lies under it
    FIELD = 256  # the template's field of view
    NEAR = 512  # within ``BESIDE_BRAIN`` of the brain
    NEAR_GLOWING = 1024  # within ``BESIDE_GLOWING`` of it


BEYOND_FIELD = Region.FACE | Region.WIDE | Region.EARS  # these go on as at the edge of the template's field


class Template(NamedTuple):
    """Arrays are (k, j, i); ``to_index`` takes template millimetres to (i, j, k)."""

    values: NDArray[np.float32]
    regions: NDArray[np.uint16]
    """flags of :class:`Region`"""
    to_index: Matrix

    def shows(self, region: Region) -> Mask:
        """Where the template is part of ``region``."""
        return (self.regions & region) > 0


class OwnBrain(NamedTuple):
    """What a volume shows by itself to be brain, whatever the template says; ``to_index``: patient mm to (i, j, k)."""

    mask: Mask
    to_index: Matrix
    within: Region = Region.NEAR
    """of the template: beyond it what the volume shows has no say"""

    def among(self, places: Mask, regions: NDArray[np.uint16], affine: Matrix) -> Mask:
        """Which of the marked voxels of a grid, which ``affine`` takes to patient millimetres, lie in it.

        ``regions``: of the template there.
        """
        places = places & ((regions & self.within) > 0)
        found = np.zeros_like(places)
        points = np.argwhere(places)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
        found[places] = sampled_volume(self.mask, self.to_index, points)
        return found


@lru_cache(maxsize=1)
def template() -> Template:
    """Read once per process (2 s)."""
    import SimpleITK as sitk

    spec = importlib.util.find_spec("pydeface")
    assert spec and spec.origin
    data = Path(spec.origin).parent / "data"
    image = sitk.ReadImage(str(data / "mean_reg2mean.nii.gz"), sitk.sitkFloat32)
    values = sitk.GetArrayFromImage(image)
    zone = sitk.GetArrayFromImage(sitk.ReadImage(str(data / "facemask.nii.gz"))) < 0.5
    brain = _brain(values.shape)
    beyond = _distance(zone, image)
    apart = _distance(brain, image)
    spared = apart <= SPARED
    upper = np.arange(len(values))[:, None, None] >= UPPER
    head = _whole(values > 60)
    ears = np.zeros_like(zone)
    (low, high), (back, front), beside = EARS
    across = np.abs(np.arange(values.shape[2]) - MIDDLE) * image.GetSpacing()[0]
    ears[low:high, back:front, across > beside] = True
    skull, scalp = ((apart > low) & (apart <= high) & upper for low, high in (SKULL, SCALP))
    face, wide = (beyond <= GROWN) & ~spared, (beyond <= GROWN + LEEWAY) & ~spared
    parts = {
        Region.HEAD: head,
        Region.FACE: face,
        Region.WIDE: wide,
        Region.EARS: ears & ~spared,
        Region.BRAIN: brain,
        Region.SKULL: skull,
        Region.SCALP: scalp,
        Region.CORE: zone & head,
        Region.NEAR: apart <= BESIDE_BRAIN,
        Region.NEAR_GLOWING: apart <= BESIDE_GLOWING,
    }
    regions = np.full(values.shape, Region.FIELD, np.uint16)
    for region, part in parts.items():
        regions[part] |= np.uint16(region)
    return Template(values, regions, np.asarray(np.linalg.inv(_affine(image)), np.float64))


def regions_on(matrix: Matrix, affine: Matrix, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Flags of :class:`Region` at the voxels of a grid (k, j, i) that ``affine`` takes to patient millimetres."""
    made = template().to_index @ matrix @ affine
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return _regions([row[0] * i + row[1] * j + row[2] * k + row[3] for row in made[:3]])


def regions_at(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Flags of :class:`Region` at patient millimetres (n, 3)."""
    made = template().to_index @ matrix
    return _regions(list((points @ made[:3, :3].T + made[:3, 3]).T))


def _regions(index: list[NDArray[np.float64]]) -> NDArray[np.uint16]:
    """At (i, j, k) of the template, nearest."""
    regions = template().regions
    outside: NDArray[np.bool_] = np.zeros(index[0].shape, bool)
    flat = np.zeros(index[0].shape, np.int32)
    for place, length in zip(index[::-1], regions.shape, strict=True):
        nearest = np.rint(place).astype(np.int32)
        held = np.clip(nearest, 0, length - 1)
        outside |= held != nearest
        flat = flat * np.int32(length) + held
    found = regions.ravel()[flat]
    found[outside] &= np.uint16(BEYOND_FIELD)
    return np.asarray(found)


def _whole(head: Mask) -> Mask:
    """The head without its hollows and without what flies around it."""
    import SimpleITK as sitk

    image = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray(head.astype("u1")))) == 1
    array = sitk.GetArrayFromImage(image)
    for level in array:
        level[...] = sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(level)))
    return np.asarray(array > 0)


def _affine(image: Any) -> Matrix:
    """(i, j, k, 1) to millimetres."""
    made = np.eye(4)
    made[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    made[:3, 3] = image.GetOrigin()
    return made


def _distance(mask: Mask, like: Any) -> NDArray[np.float32]:
    """Millimetres from each voxel to the mask, 0 inside."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(mask.astype("u1"))
    image.SetSpacing(like.GetSpacing())
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    return np.asarray(np.maximum(sitk.GetArrayFromImage(distance), 0))


def _brain(shape: tuple[int, ...]) -> Mask:
    """The brain, on a coarse grid in ``brain.json``, at the template's own."""
    said = json.loads(Path(__file__).with_name("brain.json").read_text(encoding="utf-8"))
    bits = np.frombuffer(zlib.decompress(base64.b64decode(said["packed"])), "u1")
    coarse = np.unpackbits(bits, count=int(np.prod(said["shape"]))).reshape(said["shape"]).astype(bool)
    for axis in range(3):
        coarse = coarse.repeat(said["voxels"], axis)
    assert coarse.shape == shape
    return coarse


def sampled_volume(array: NDArray[Any], to_index: Matrix, points: NDArray[np.float64]) -> NDArray[Any]:
    """Nearest values of a template array at ``points`` (n, 3) in template millimetres; zero beyond its field."""
    flat, beyond = np.zeros(len(points), np.int32), np.zeros(len(points), bool)
    index = np.rint(to_index[:3, :3] @ points.T + to_index[:3, 3:]).astype(np.int32)
    for place, length in zip(index[::-1], array.shape, strict=True):
        beyond |= (place < 0) | (place >= length)
        flat = flat * np.int32(length) + place
    found = array.ravel().take(flat, mode="clip")
    found[beyond] = 0
    return found
