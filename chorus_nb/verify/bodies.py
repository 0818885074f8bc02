"""The slices of a released series as one body: values on cubes along the series' own axes, and where it begins.

The verifier's own way from files to a volume; shares nothing with 03's (faces/stacks.py).
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from chorus_nb.guard import quiet
from chorus_nb.leaks import reading

CUBE = 4.0  # mm
SLICES_APART = 3.0  # mm: of slices that are closer, every second, third … is decoded
FEWEST_SLICES, LEAST_HEIGHT = 10, 50.0  # slices, mm: less cannot be told from another part of the body
LARGEST_GAP = 20.0  # mm: where more is missing, two parts are apart
MODALITIES = ("CT", "MR", "PT")
PLACE = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
TO_IGNORE = "MOSAIC"  # its slices stand beside each other in one picture


class Body(NamedTuple):
    """``values`` (k, j, i) on cubes; ``axes``: its columns are where i, j, k point; ``origin``: patient mm."""

    values: NDArray[np.float32]
    axes: NDArray[np.float64]
    origin: NDArray[np.float64]
    is_ct: bool


class PlacedSlice(NamedTuple):
    """One slice in space: ``corner`` in patient mm, ``ways`` along rows and columns, ``apart``: mm of a pixel."""

    path: Path
    frame: int
    corner: NDArray[np.float64]
    ways: NDArray[np.float64]
    apart: tuple[float, float]


def stack_of(paths: Sequence[Path]) -> list[PlacedSlice] | str:
    """The largest stack of parallel slices among the files of a series, 3 mm apart; a text says why there is none."""
    slices: list[PlacedSlice] = []
    for path in paths:
        with quiet():
            dataset = dcmread(path, stop_before_pixels=True)
        if dataset.get("Modality") not in MODALITIES:
            return "no volume"
        if TO_IGNORE in (dataset.get("ImageType") or ()):
            return "mosaics are not unpacked here"
        slices.extend(_slices(path, dataset))
    stack = _thinned(_largest_run(slices))
    if not stack:
        return "fewer than ten slices or 50 mm" if slices else "no place in space"
    return stack


def body_of(stack: Sequence[PlacedSlice], opened: Callable[[Path], Path | BytesIO] = lambda path: path) -> Body | str:
    """The pixels of a stack, of its own files or of those ``opened`` in their place; a text says why there is none."""
    planes, is_ct = _decoded(stack, opened)
    if len({plane.shape for plane in planes}) > 1:
        return "slices of several sizes"
    return _on_cubes(stack, planes, is_ct=is_ct)


def _slices(path: Path, dataset: Dataset) -> Iterator[PlacedSlice]:
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    own = dataset.get("PerFrameFunctionalGroupsSequence") or [dataset]
    for frame, group in enumerate(own):
        parts = [dataset, *(_items(shared)), *(_items(group))]
        corner, ways, apart = (_numbers(parts, name, count) for name, count in PLACE.items())
        if corner is not None and ways is not None and apart is not None and apart.min() > 0:
            yield PlacedSlice(path, frame, corner, ways, (float(apart[0]), float(apart[1])))


def _numbers(parts: list[Dataset], name: str, count: int) -> NDArray[np.float64] | None:
    """The values of an element in the last of ``parts`` that has it; None unless they are ``count`` numbers."""
    values: Any = next((part[name].value for part in reversed(parts) if part.get(name)), ())
    numbers = np.array(values, float)
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def _items(group: Dataset) -> Iterator[Dataset]:
    """The first items of the sequences in a functional group."""
    for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"):
        if group.get(name):
            yield group[name].value[0]


def _height(one: PlacedSlice) -> float:
    return float(one.corner @ np.cross(one.ways[:3], one.ways[3:]))


def _largest_run(slices: list[PlacedSlice]) -> list[PlacedSlice]:
    """Parallel slices without a gap, each place once, in their order; those of most places."""
    groups: dict[tuple[float, ...], dict[float, PlacedSlice]] = collections.defaultdict(dict)
    for one in slices:
        groups[tuple(np.round([*one.ways, *one.apart], 2) + 0.0)].setdefault(round(_height(one), 1), one)
    runs: list[list[PlacedSlice]] = [[]]
    for group in groups.values():
        before = -np.inf
        for height in sorted(group):
            if height - before > LARGEST_GAP:
                runs.append([])
            runs[-1].append(group[height])
            before = height
    return max(runs, key=len)


def _thinned(run: list[PlacedSlice]) -> list[PlacedSlice]:
    if len(run) < FEWEST_SLICES or _height(run[-1]) - _height(run[0]) < LEAST_HEIGHT:
        return []
    kept = [run[0]]
    for one in run[1:]:
        if _height(one) - _height(kept[-1]) >= SLICES_APART:
            kept.append(one)
    return kept


def _decoded(
    stack: Sequence[PlacedSlice], opened: Callable[[Path], Path | BytesIO]
) -> tuple[list[NDArray[np.float32]], bool]:
    """Each slice in blocks of about a cube, in the units that its header says, and whether it is CT; read once."""
    frames: dict[Path, dict[int, int]] = collections.defaultdict(dict)
    for place, one in enumerate(stack):
        frames[one.path][one.frame] = place
    planes: dict[int, NDArray[np.float32]] = {}
    is_ct = False
    for path, wanted in frames.items():
        with quiet():
            dataset = dcmread(opened(path))
        is_ct = dataset.get("Modality") == "CT"
        pixels = reading.decode_pixels(dataset)
        several = int(dataset.get("NumberOfFrames") or 1) > 1
        slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
        for frame, place in wanted.items():
            plane = np.squeeze(pixels[frame] if several else pixels)
            planes[place] = _blocks(plane, stack[place].apart) * np.float32(slope) + np.float32(intercept)
    return [planes[place] for place in range(len(stack))], is_ct


def _factors(apart: tuple[float, float]) -> tuple[int, int]:
    return max(1, int(CUBE / apart[0])), max(1, int(CUBE / apart[1]))


def _blocks(plane: NDArray[Any], apart: tuple[float, float]) -> NDArray[np.float32]:
    down, across = _factors(apart)
    rows, columns = plane.shape[0] // down, plane.shape[1] // across
    cut = plane[: rows * down, : columns * across].astype(np.float32)
    return np.asarray(cut.reshape(rows, down, columns, across).mean(axis=(1, 3)))


def _on_cubes(stack: Sequence[PlacedSlice], planes: list[NDArray[np.float32]], *, is_ct: bool) -> Body:
    """Linear between the slices and within them; a gantry's tilt shifts them against each other."""
    import SimpleITK as sitk

    first, ways = stack[0], stack[0].ways
    axes = np.stack([ways[:3], ways[3:], np.cross(ways[:3], ways[3:])], axis=1)
    axes /= np.linalg.norm(axes, axis=0)
    heights = np.array([_height(one) for one in stack]) - _height(first)
    levels = np.arange(0, heights[-1] + 0.1, CUBE)
    even = _between(np.stack(planes), heights, levels)
    block = np.array(_factors(first.apart)) * first.apart  # mm of a block: down, across
    shift = (stack[-1].corner - first.corner) @ axes / max(heights[-1], 1e-6) * CUBE  # of a level, along the axes
    image = sitk.GetImageFromArray(even)
    to_index = np.linalg.inv(np.array([[block[1], 0, shift[0]], [0, block[0], shift[1]], [0, 0, CUBE]]))
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(to_index.ravel().tolist())
    counts = np.ceil(np.array([even.shape[2] * block[1], even.shape[1] * block[0], len(levels) * CUBE]) / CUBE)
    made = sitk.Resample(
        image,
        [int(count) for count in counts],
        transform,
        sitk.sitkLinear,
        [0.0, 0.0, 0.0],
        [CUBE, CUBE, CUBE],
        np.eye(3).ravel().tolist(),
        float(even.min()),
    )
    middle = (np.array([block[1] - first.apart[1], block[0] - first.apart[0]]) / 2) @ axes[:, :2].T
    return Body(sitk.GetArrayFromImage(made), axes, first.corner + middle, is_ct)


def _between(
    planes: NDArray[np.float32], heights: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Slices at ``levels``, linear between those at ``heights``."""
    after = np.clip(np.searchsorted(heights, levels), 1, len(heights) - 1)
    share = (levels - heights[after - 1]) / (heights[after] - heights[after - 1])
    part = np.clip(share, 0, 1)[:, None, None].astype(np.float32)
    return np.asarray(planes[after - 1] * (1 - part) + planes[after] * part, np.float32)
