"""Is there a head in a released CT series, and does a face stand before it? The verifier's own look at the pixels.

Shares nothing with what 03 asks (faces/) but the fact it rests on: a skull is soft tissue enclosed by bone. Slices are
binned into cubes along the patient's axes, bone is closed and filled level by level, and what lies above, in and before
the largest part tells a skull from a pelvis and a face from none.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydicom import Dataset, dcmread

from chorus_nb.guard import quiet
from chorus_nb.leaks import reading

CUBE, THICKEST = 4.0, 10.0  # mm: cubes are as large as the slices are apart, between these
BONE_FROM, TISSUE_FROM, SKIN_FROM = 250.0, -50.0, -300.0  # Hounsfield units
GAPS, WIDTH = 14.0, 24.0  # mm: what is closed in a skull, and the radius of a disc within it
SKULL_ML = 60.0  # soft tissue; a head has 180 and more, chests have none, pelves as much
SOLID = 0.85  # of what bone encloses is no fat and no air in a skull
ABOVE = (16.0, 60.0)  # mm over the enclosed part: air over a skull, belly over a pelvis
FACE = (10.0, 90.0)  # mm below the middle of the braincase: from the brow down
BESIDE = 20.0  # mm to either side of it
JUTS = 8.0  # mm before the braincase: brow, nose and lips stand 16 and more, a front that was removed lies behind it
FARTHEST_SLICE = 2000.0  # mm from the middle of a series: a slice further away is no part of the same body
LEAST_SLICES, MOST_SLICES = 3, 150  # of more, every other or fewer are read


class Skull(NamedTuple):
    """The largest part of a series that bone encloses as a skull does."""

    enclosed: float
    """millilitres of soft tissue"""
    is_head: bool
    """as solid as a head, and nothing above it"""
    has_crown: bool
    """air above it, not the end of the field"""
    juts: float
    """mm that what stands before it reaches further to the front"""

    @property
    def has_face(self) -> bool:
        return self.is_head and self.juts >= JUTS


def skull_in(paths: Sequence[Path]) -> Skull | None:
    """Of the files of a series in their order; None where they are no CT slices in space, or without SimpleITK."""
    if importlib.util.find_spec("SimpleITK") is None:
        return None
    points, values = [], []
    for path in paths[:: 1 + len(paths) // MOST_SLICES]:
        placed = _placed(path)
        if placed is None:
            return None
        points.append(placed[0])
        values.append(placed[1])
    near = _near(points)
    if len(near) < LEAST_SLICES:
        return None
    cubes, size = _binned([points[at] for at in near], [values[at] for at in near])
    return _skull(cubes, size)


def _placed(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Patient millimetres (n, 3) and Hounsfield units of the pixels of a slice, of which some are left out."""
    with quiet():
        dataset = dcmread(path)
    if dataset.get("Modality") != "CT" or int(dataset.get("NumberOfFrames") or 1) > 1 or _lacks_place(dataset):
        return None
    picture = np.squeeze(reading.decode_pixels(dataset)).astype(np.float32)
    picture = picture * float(dataset.get("RescaleSlope") or 1) + float(dataset.get("RescaleIntercept") or 0)
    down, across = (float(value) for value in dataset.PixelSpacing)
    j, i = (
        np.arange(0, length, max(1, int(CUBE / apart / 2)))
        for length, apart in zip(picture.shape, (down, across), strict=True)
    )
    ways = np.array(dataset.ImageOrientationPatient, float)
    start = np.array(dataset.ImagePositionPatient, float)
    places = start + i[None, :, None] * across * ways[:3] + j[:, None, None] * down * ways[3:]
    return places.reshape(-1, 3), picture[np.ix_(j, i)].ravel()


def _lacks_place(dataset: Dataset) -> bool:
    wanted: dict[str, int] = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
    return any(len(dataset.get(name) or ()) != count for name, count in wanted.items())


def _near(points: list[np.ndarray]) -> list[int]:
    """Which slices lie where most do: one position of nonsense must hide no head, nor take all memory."""
    if not points:
        return []
    middle = np.nanmedian([place[0] for place in points], axis=0)
    return [at for at, place in enumerate(points) if abs(place - middle).max() <= FARTHEST_SLICE]


def _binned(points: list[np.ndarray], values: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Mean values in cubes (z, y, x) along the patient's axes, and millimetres of a cube; -1000 where nothing lies."""
    firsts = np.array([place[0] for place in points])
    apart = np.sort(np.linalg.norm(np.diff(firsts[np.lexsort(firsts.T)], axis=0), axis=1))
    size = float(np.clip(np.median(apart) * 1.01, CUBE, THICKEST))
    where, what = np.concatenate(points), np.concatenate(values)
    low = where.min(axis=0)
    index = ((where - low) / size).astype(int)[:, ::-1]
    shape = tuple(index.max(axis=0) + 1)
    flat = np.ravel_multi_index(tuple(index.T), shape)
    count = np.bincount(flat, minlength=int(np.prod(shape)))
    sums = np.bincount(flat, what, minlength=int(np.prod(shape)))
    return np.where(count > 0, sums / np.maximum(count, 1), -1000.0).reshape(shape), size


def _skull(cubes: np.ndarray, size: float) -> Skull:
    import SimpleITK as sitk

    bone = cubes > BONE_FROM
    radius, wide = max(1, round(GAPS / size)), max(1, round(WIDTH / size))
    pad = radius + 1
    filled = np.zeros(bone.shape, bool)
    for level, plane in enumerate(bone):
        if plane.any():
            image: Any = sitk.GetImageFromArray(np.pad(plane, pad).astype("u1"))
            closed = sitk.BinaryFillhole(sitk.BinaryMorphologicalClosing(image, [radius] * 2))
            filled[level] = sitk.GetArrayFromImage(closed)[pad:-pad, pad:-pad] > 0
    inside = filled & ~bone
    tissue = sitk.GetImageFromArray((inside & (cubes > TISSUE_FROM)).astype("u1"))
    opened = sitk.ConnectedComponent(sitk.BinaryMorphologicalOpening(tissue, [wide, wide, 0]))
    part = sitk.GetArrayFromImage(sitk.RelabelComponent(opened))
    found = [_judged(cubes, part == number, inside, size) for number in range(1, min(4, int(part.max())) + 1)]
    return max(found, key=lambda skull: (skull.is_head, skull.enclosed), default=Skull(0.0, False, False, 0.0))


def _judged(cubes: np.ndarray, part: np.ndarray, inside: np.ndarray, size: float) -> Skull:
    """What one enclosed part is."""
    places = np.argwhere(part)
    (z0, y0, x0), (z1, y1, x1) = places.min(axis=0), places.max(axis=0) + 1
    enclosed = len(places) * (size / 10) ** 3
    solid = len(places) / max(1, int(inside[z0:z1, y0:y1, x0:x1].sum()))
    over = cubes[z1 + round(ABOVE[0] / size) : z1 + round(ABOVE[1] / size), y0:y1, x0:x1]
    free = over.size == 0 or float((over > SKIN_FROM).mean()) < 0.5
    middle, centre = (z0 + z1) / 2, (x0 + x1) / 2
    low, high = (int(max(0, middle - reach / size)) for reach in FACE[::-1])
    left, right = int(centre - BESIDE / size), int(centre + BESIDE / size) + 1
    front = cubes[low:high, :, max(0, left) : right] > SKIN_FROM
    rows = front.any(axis=(1, 2))
    firsts = front.any(axis=2).argmax(axis=1)[rows]
    juts = float(np.median(y0 - firsts)) * size if len(firsts) else 0.0
    is_head = enclosed >= SKULL_ML and solid >= SOLID and free
    return Skull(round(enclosed, 1), is_head, is_head and over.size > 0, round(juts, 1))
