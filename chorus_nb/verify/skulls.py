"""Is there a head in a released CT series, and does a face stand before it? The verifier's own look at the pixels.

Shares nothing with what 03 asks (faces/) but the fact it rests on: a skull is soft tissue enclosed by bone. Slices are
binned into cubes along the patient's axes, bone is closed and filled level by level, and what lies above, in and before
the largest part tells a skull from a pelvis and a face from none.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any, NamedTuple

import numpy as np
from pydicom import Dataset

from chorus_nb.morphology import ball_closing, ball_opening, filled

CUBE, THICKEST = 4.0, 10.0  # mm: cubes are as large as the slices are apart, between these
BONE_FROM, TISSUE_FROM, SKIN_FROM = 250.0, -50.0, -300.0  # Hounsfield units
GAPS, WIDTH = 14.0, 24.0  # mm: what is closed in a skull, and the radius of a disc within it
SKULL_ML = 60.0  # soft tissue; a head has 180 and more, chests have none, pelves as much
SOLID = 0.85  # of what bone encloses is no fat and no air in a skull
ABOVE = (16.0, 60.0)  # mm over the enclosed part: air over a skull, belly over a pelvis
FACE = (10.0, 90.0)  # mm below the middle of the braincase: from the brow down
BESIDE = 20.0  # mm to either side of it
# mm before the braincase: brow, nose and lips stand so far and more, a front that was removed lies behind it; between
# the two lies a skull that was opened at its front, of which less is enclosed than there was (one real head: 8)
JUTS, STANDS = 8.0, 16.0
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

    @property
    def may_be_opened(self) -> bool:
        """Whether what stands before it may be its own front: a measure of what else is seen is to be believed."""
        return self.juts < STANDS


class Lattice(NamedTuple):
    """Hounsfield units (down, across) at points of a slice, and patient mm: of the first, and from one to the next."""

    first: np.ndarray
    down: np.ndarray
    across: np.ndarray
    values: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        rows, columns = self.values.shape
        ends = [(row, column) for row in (0, rows - 1) for column in (0, columns - 1)]
        return np.array([self.first + column * self.across + row * self.down for row, column in ends])


class Sampling(NamedTuple):
    """Which points of a slice are taken, and mm from one to the next; of a series the same for each slice."""

    steps: tuple[int, int]
    down: np.ndarray
    across: np.ndarray
    rescale: tuple[float, float]


class Levels:
    """What the files of a series show, taken in one by one; of many every other or fewer, as ``count`` says."""

    def __init__(self, count: int) -> None:
        self._every, self._given = 1 + count // MOST_SLICES, 0
        self._taken: list[Lattice] | None = []

    def add(self, pixels: np.ndarray, sampling: Sampling | None, corner: np.ndarray | None) -> None:
        """A file by its decoded ``pixels``, what :func:`sampling_of` says of it, and where it begins (patient mm); one
        that is no CT slice in space makes the series none."""
        wanted = self._given % self._every == 0
        self._given += 1
        if wanted and self._taken is not None:
            placed = None if sampling is None or corner is None else _placed(pixels, sampling, corner)
            self._taken = None if placed is None else [*self._taken, placed]

    def skull(self) -> Skull | None:
        """None where they are no CT slices in space, or without SimpleITK."""
        near = _near(self._taken or [])
        if len(near) < LEAST_SLICES or importlib.util.find_spec("SimpleITK") is None:
            return None
        return _skull(*_binned(near))


def sampling_of(dataset: Dataset) -> Sampling | None:
    """Of a slice of CT by all of its header but its corner; None where it is none."""
    if dataset.get("Modality") != "CT" or int(dataset.get("NumberOfFrames") or 1) > 1 or _lacks_place(dataset):
        return None
    apart = [float(value) for value in dataset.PixelSpacing]
    rows, columns = (max(1, int(CUBE / distance / 2)) for distance in apart)
    ways = np.array(dataset.ImageOrientationPatient, float)
    rescale = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    return Sampling((rows, columns), rows * apart[0] * ways[3:], columns * apart[1] * ways[:3], rescale)


def _placed(pixels: np.ndarray, sampling: Sampling, corner: np.ndarray) -> Lattice:
    """Points of a slice, of which some are left out."""
    (down, across), (slope, intercept) = sampling.steps, sampling.rescale
    picture = np.squeeze(pixels)[::down, ::across].astype(np.float32)
    picture *= slope
    picture += intercept
    return Lattice(corner, sampling.down, sampling.across, picture)


def _lacks_place(dataset: Dataset) -> bool:
    wanted = {"ImageOrientationPatient": 6, "PixelSpacing": 2}
    return any(len(dataset.get(name) or ()) != count for name, count in wanted.items())


def _near(slices: list[Lattice]) -> list[Lattice]:
    """Those that lie where most do: one position of nonsense must hide no head, nor take all memory."""
    if not slices:
        return []
    middle = np.nanmedian([one.first for one in slices], axis=0)
    return [one for one in slices if abs(one.first - middle).max() <= FARTHEST_SLICE]


def _binned(slices: list[Lattice]) -> tuple[np.ndarray, float]:
    """Mean values in cubes (z, y, x) along the patient's axes, and millimetres of a cube; -1000 where nothing lies."""
    firsts = np.array([one.first for one in slices])
    apart = np.sort(np.linalg.norm(np.diff(firsts[np.lexsort(firsts.T)], axis=0), axis=1))
    size = float(np.clip(np.median(apart) * 1.01, CUBE, THICKEST))
    ends = np.concatenate([one.corners for one in slices])
    low = ends.min(axis=0)
    shape = tuple(int(length) + 1 for length in ((ends.max(axis=0) - low) / size)[::-1])
    count, sums = np.zeros(int(np.prod(shape))), np.zeros(int(np.prod(shape)))
    grid = _Grid(low, size, shape)
    for one in slices:
        start, at, points = grid.cubes(one)
        there = slice(start, start + len(points))  # the cubes of a slice lie near each other
        count[there] += points
        sums[there] += np.bincount(at, one.values.ravel())
    return np.where(count > 0, sums / np.maximum(count, 1), -1000.0).reshape(shape), size


class _Grid:
    """Which cubes the points of a slice meet; of slices that lie above each other this is reckoned once."""

    def __init__(self, low: np.ndarray, size: float, shape: tuple[int, ...]) -> None:
        self._of = functools.partial(_cubes_of, low=low, size=size, shape=shape)
        self._low, self._size, self._levels, self._of_level = low, size, shape[0], shape[1] * shape[2]
        self._known: tuple[object, tuple[int, np.ndarray, np.ndarray]] = None, (0, np.empty(0), np.empty(0))

    def cubes(self, one: Lattice) -> tuple[int, np.ndarray, np.ndarray]:
        """The first cube, that of each point counted from there, and how many points each of them gets."""
        if one.down[2] or one.across[2]:
            return _from_first(self._of(one))
        place = (*one.first[:2], *one.down, *one.across, one.values.shape)
        if place != self._known[0]:
            self._known = place, _from_first(self._of(one._replace(first=np.array([*one.first[:2], self._low[2]]))))
        start, at, points = self._known[1]
        level = np.clip((one.first[2] - self._low[2]) / self._size, 0, self._levels - 1)
        return int(level) * self._of_level + start, at, points


def _from_first(cubes: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    start = int(cubes.min())
    return start, cubes - start, np.bincount(cubes - start)


def _cubes_of(one: Lattice, low: np.ndarray, size: float, shape: tuple[int, ...]) -> np.ndarray:
    """The cube of each point of a slice, counted through the whole grid."""
    rows, columns = (np.arange(length, dtype=float) for length in one.values.shape)
    at = np.zeros(one.values.shape, np.intp)
    for axis, length in zip((2, 1, 0), shape, strict=True):
        begun = (one.first[axis] - low[axis]) / size
        down, across = rows * (one.down[axis] / size), columns * (one.across[axis] / size)
        index = (begun + down[:, None] + across[None, :]) if down.any() and across.any() else None
        if index is None:  # as most slices lie: it changes along one side only
            index = (begun + down)[:, None] if down.any() else (begun + across)[None, :]
        at = at * length + np.clip(index, 0, length - 1).astype(np.intp)
    return at.ravel()


def _skull(cubes: np.ndarray, size: float) -> Skull:
    bone, radius, wide = cubes > BONE_FROM, max(1, round(GAPS / size)), max(1, round(WIDTH / size))
    inside, part = np.zeros_like(bone), np.zeros(bone.shape, np.uint32)
    box = _around(bone)  # nothing beyond it is enclosed
    inside[box] = filled(ball_closing(bone[box], radius, flat=True)) & ~bone[box]
    part[box] = _numbered(inside[box] & (cubes[box] > TISSUE_FROM), wide)
    found = [_judged(cubes, part == number, inside, size) for number in range(1, min(4, int(part.max())) + 1)]
    return max(found, key=lambda skull: (skull.is_head, skull.enclosed), default=Skull(0.0, False, False, 0.0))


def _around(there: np.ndarray) -> tuple[slice, ...]:
    """The box of what is there, and a cube more to each side."""
    lines = (np.flatnonzero(there.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    return tuple(slice(max(0, line[0] - 1), line[-1] + 2) if len(line) else slice(0, 1) for line in lines)


def _numbered(tissue: np.ndarray, wide: int) -> np.ndarray:
    """The parts of ``tissue`` where a disc of ``wide`` cubes fits in, numbered from the largest, else 0."""
    import SimpleITK as sitk

    solid: Any = sitk.GetImageFromArray(ball_opening(tissue, wide, flat=True).astype("u1"))
    return np.asarray(sitk.GetArrayFromImage(sitk.RelabelComponent(sitk.ConnectedComponent(solid))))


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
