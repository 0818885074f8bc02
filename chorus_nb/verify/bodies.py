"""The slices of a released series as one body: values on cubes along the series' own axes, and where it begins.

The verifier's own way from files to a volume; shares nothing with 03's (faces/stacks.py).
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from chorus_nb.guard import quiet
from chorus_nb.leaks import reading
from chorus_nb.standards import RELEASABLE
from chorus_nb.verify import mosaics

CUBE = 4.0  # mm
SLICES_APART = 3.0  # mm: of slices that are closer, every second, third … is decoded
FEWEST_SLICES, LEAST_HEIGHT = 10, 50.0  # slices, mm: less cannot be told from another part of the body
SLAB = 3  # slices: in less no skin is seen from its side
SIDEWAYS = 10.0  # mm: slices so far aside of the next below, or above, are another column
LARGEST_GAP = 20.0  # mm: where more is missing, two parts are apart
MODALITIES = ("CT", "MR", "PT", "XA", "NM")
PLACE = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
ELSEWHERE = frozenset((0x52009229, 0x52009230, 0x00540022))  # functional groups, detectors: of frames
SAYS_WHERE = frozenset(  # all elements that placing_of asks for
    (0x00080008, 0x00080016, 0x00080060, 0x00200037, 0x00200052, 0x00280008, 0x00280030, 0x00281052, 0x00281053)
)
FRAME_GROUPS = (
    *("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"),
    "PixelValueTransformationSequence",
)


class Body(NamedTuple):
    """``values`` (k, j, i) on cubes; ``axes``: its columns are where i, j, k point; ``origin``: patient mm."""

    values: NDArray[np.float32]
    axes: NDArray[np.float64]
    origin: NDArray[np.float64]
    is_ct: bool


class Placing(NamedTuple):
    """What a header says of one slice but its corner: in a series each slice says the same."""

    ways: NDArray[np.float64]
    apart: tuple[float, float]
    rescale: tuple[np.float32, np.float32]
    is_ct: bool
    space: str


class PlacedSlice(NamedTuple):
    """One slice in space: ``corner`` in patient mm, ``ways`` along rows and columns, ``apart``: mm of a pixel."""

    path: Path
    frame: int
    corner: NDArray[np.float64]
    ways: NDArray[np.float64]
    apart: tuple[float, float]
    plane: NDArray[np.float32]
    """in blocks of about a cube, in the units that its header says"""
    is_ct: bool
    tiling: mosaics.Tiling = mosaics.Tiling()
    """of the mosaic in which it is number ``frame``"""
    space: str = ""
    """its frame of reference: places of two are not beside each other, whatever their numbers are"""


class Slices:
    """What the files of a series show, taken in one by one, each read and decoded once."""

    def __init__(self, slices: Iterable[PlacedSlice] = ()) -> None:
        self._slices = list(slices)
        self._why = ""

    def add(self, path: Path, dataset: Dataset, pixels: NDArray[Any]) -> None:
        """A file with its decoded ``pixels``."""
        if not may_be_slice(dataset):
            self._why = self._why or "no volume"
        else:
            self._slices.extend(_slices(path, dataset, pixels))

    def add_placed(self, path: Path, pixels: NDArray[Any], placing: Placing, corner: NDArray[np.float64]) -> None:
        """A file of which the header says so much."""
        ways, apart, rescale, is_ct, space = placing
        plane = _rescaled(np.squeeze(pixels), apart, *rescale)
        self._slices.append(PlacedSlice(path, 0, corner, ways, apart, plane, is_ct, space=space))

    def stack(self) -> list[PlacedSlice] | str:
        """The largest of :meth:`stacks`; a text says why there is none."""
        found = self.stacks()
        return found if isinstance(found, str) else found[0]

    def stacks(self) -> list[list[PlacedSlice]] | str:
        """All stacks of parallel slices that are enough for a head, 3 mm apart, the largest first.

        A series may hold more than one volume, and files that show none. Of several slices at one place the first
        counts. Frames of reference are asked apart and together: each slice may name one of its own. A text says why
        there is no stack.
        """
        runs = _runs(self._slices)
        if len({one.space for one in self._slices}) > 1:
            runs += _runs([one._replace(space="") for one in self._slices])
        runs.sort(key=len, reverse=True)
        none = "fewer than ten slices or 50 mm" if self._slices else self._why or "no place in space"
        return [_thinned(run) for run in runs if _is_tall(run)] or none

    def slabs(self, *, thin: bool = False) -> list[list[PlacedSlice]]:
        """All stacks of three slices and more; of several at one place the first. ``thin``: not enough for a head."""
        runs = (run for run in _runs(self._slices) if len(run) >= SLAB)
        return [_thinned(run) for run in runs if not (thin and _is_tall(run))]

    @property
    def every(self) -> Sequence[PlacedSlice]:
        """All that were taken in."""
        return self._slices

    @property
    def repeat(self) -> bool:
        """Whether several lie at one place, or nearly: see ``repeats.py``."""
        places = {(*np.rint(one.corner * 2), *one.ways.round(2)) for one in self._slices}
        return len(places) < len(self._slices)


def modality_of(dataset: Dataset) -> str:
    """Modality; where that names another device, what the SOP class says: it hides no volume."""
    said = str(dataset.get("Modality", ""))
    return said if said in MODALITIES else RELEASABLE.get(str(dataset.get("SOPClassUID", "")), said)


def may_be_slice(dataset: Dataset) -> bool:
    """Whether a file may be one of a volume: by its modality, or because it, or a frame of it, says where it lies,
    whatever made it."""
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    placed = bool(dataset.get("ImagePositionPatient")) or any("PlanePositionSequence" in one for one in frames)
    return placed or modality_of(dataset) in MODALITIES


def placing_of(dataset: Dataset) -> Placing | None:
    """What a header says, where it says all at its root, of one picture that is no mosaic."""
    ways, apart = (_numbers([dataset], name, PLACE[name]) for name in ("ImageOrientationPatient", "PixelSpacing"))
    if ways is None or apart is None or apart.min() <= 0 or not ELSEWHERE.isdisjoint(dataset.keys()):
        return None
    if int(dataset.get("NumberOfFrames") or 1) > 1 or mosaics.calls_itself_one(dataset) or _may_be_tiled(dataset):
        return None
    spaced = float(apart[0]), float(apart[1])
    is_ct, space = modality_of(dataset) == "CT", str(dataset.get("FrameOfReferenceUID") or "")
    return Placing(ways, spaced, _rescale([dataset]), is_ct, space)


def _may_be_tiled(dataset: Dataset) -> bool:
    """Whether a picture may be a mosaic without the word."""
    return modality_of(dataset) == "MR"


def slices_of(files: Iterable[tuple[Path, Path | BytesIO]]) -> Slices:
    """The slices of files, each with what is to be read for it."""
    taken = Slices()
    for path, content in files:
        with quiet():
            dataset = dcmread(content)
        if may_be_slice(dataset):
            taken.add(path, dataset, reading.decode_pixels(dataset))
        else:
            taken.add(path, dataset, np.empty(0))
    return taken


def with_planes_of(stack: Sequence[PlacedSlice], original: Callable[[Path], bytes]) -> list[PlacedSlice]:
    """The stack with the pixels that its files had in the source."""
    planes: dict[tuple[Path, int], NDArray[np.float32]] = {}
    for path, slices in itertools.groupby(stack, lambda one: one.path):
        with quiet():
            dataset = reading.name_syntax(dcmread(BytesIO(original(path)), force=True))
        pixels = reading.decode_pixels(dataset)
        for one in slices:
            frame = 0 if one.tiling.slices > 1 else one.frame
            picture = mosaics.tile(_frame(dataset, pixels, frame), one.tiling, one.frame - frame)
            planes[path, one.frame] = _plane(_parts(dataset, frame), picture, one.apart)
    return [one._replace(plane=planes[one.path, one.frame]) for one in stack]


def body_of(stack: Sequence[PlacedSlice]) -> Body | str:
    """The pixels of a stack; a text says why there is none."""
    if len({one.plane.shape for one in stack}) > 1:
        return "slices of several sizes"
    return _on_cubes(stack)


def _slices(path: Path, dataset: Dataset, pixels: NDArray[Any]) -> Iterator[PlacedSlice]:
    """What does not call itself a mosaic is taken apart as well, if it shows one."""
    for frame in range(_placed_frames(dataset)):
        parts = _parts(dataset, frame)
        corner, ways, apart = (_numbers(parts, name, count) for name, count in PLACE.items())
        if corner is None and mosaics.calls_itself_one(dataset):
            corner = np.zeros(3)  # United Imaging says none: its slices lie above each other, wherever that is
        if corner is not None and ways is not None and apart is not None and apart.min() > 0:
            spaced, is_ct = (float(apart[0]), float(apart[1])), modality_of(dataset) == "CT"
            space = str(dataset.get("FrameOfReferenceUID") or "")
            picture = _frame(dataset, pixels, frame)
            named, itself = mosaics.calls_itself_one(dataset), [(mosaics.Tiling(), frame, corner)]
            may_be_one = named or _may_be_tiled(dataset)
            tiles = mosaics.seen_apart(dataset, picture, corner, ways, apart) if may_be_one else []
            for tiling, number, begins in tiles if named and tiles else itself + tiles:
                plane = _plane(parts, mosaics.tile(picture, tiling, number - frame), spaced)
                yield PlacedSlice(path, number, begins, ways, spaced, plane, is_ct, tiling, space)


def _placed_frames(dataset: Dataset) -> int:
    """How many frames may say where they lie."""
    if groups := dataset.get("PerFrameFunctionalGroupsSequence"):
        return len(groups)
    return int(dataset.get("NumberOfFrames") or 1) if _detector(dataset) is not None else 1


def _detector(dataset: Dataset) -> Dataset | None:
    """Of NM, that of a reconstructed volume (ImageType: RECON TOMO); projections lie nowhere."""
    found = dataset.get("DetectorInformationSequence")
    return found[0] if found and "RECON" in str(dataset.get("ImageType")) else None


def _of_detector(detector: Dataset, dataset: Dataset, frame: int) -> Dataset:
    """The place of a frame of a reconstructed NM volume: its detector's is the first's (PS3.3 C.8.4.11), the others
    follow along the normal."""
    place = Dataset()
    apart = dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness")
    corner, ways = (_numbers([dataset, detector], name, PLACE[name]) for name in list(PLACE)[:2])
    if apart and corner is not None and ways is not None:
        corner = corner + frame * float(apart) * np.cross(ways[:3], ways[3:])
        place.ImagePositionPatient = [round(float(value), 4) for value in corner]
        place.ImageOrientationPatient = [float(value) for value in ways]
    return place


def _parts(dataset: Dataset, frame: int) -> list[Dataset]:
    """Where the attributes of a frame stand, the last counts."""
    if (detector := _detector(dataset)) is not None:
        return [dataset, _of_detector(detector, dataset, frame)]
    shared, own = (dataset.get(f"{whose}FunctionalGroupsSequence") for whose in ("Shared", "PerFrame"))
    return [dataset, *(_items(shared[0]) if shared else ()), *(_items(own[frame]) if own else ())]


def _frame(dataset: Dataset, pixels: NDArray[Any], frame: int) -> NDArray[Any]:
    return np.squeeze(pixels[frame] if int(dataset.get("NumberOfFrames") or 1) > 1 else pixels)


def _plane(parts: list[Dataset], picture: NDArray[Any], apart: tuple[float, float]) -> NDArray[np.float32]:
    return _rescaled(picture, apart, *_rescale(parts))


def _rescale(parts: list[Dataset]) -> tuple[np.float32, np.float32]:
    """Slope and intercept."""
    slope, intercept = (_numbers(parts, name, 1) for name in ("RescaleSlope", "RescaleIntercept"))
    scale = np.float32(1.0 if slope is None or not slope[0] else slope[0])
    return scale, np.float32(0.0 if intercept is None else intercept[0])


def _rescaled(
    picture: NDArray[Any], apart: tuple[float, float], slope: np.float32, intercept: np.float32
) -> NDArray[np.float32]:
    return _blocks(picture, apart) * slope + intercept


def _numbers(parts: list[Dataset], name: str, count: int) -> NDArray[np.float64] | None:
    """The values of an element in the last of ``parts`` that has it; None unless they are ``count`` numbers."""
    said = (part.get(name) for part in reversed(parts))
    values: Any = next((value for value in said if value not in (None, "", [])), ())
    numbers = np.atleast_1d(np.array(values, float))
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def _items(group: Dataset) -> Iterator[Dataset]:
    """The first items of the sequences in a functional group."""
    for name in FRAME_GROUPS:
        if group.get(name):
            yield group[name].value[0]


def _height(one: PlacedSlice) -> float:
    a, b, c, x, y, z = one.ways.tolist()  # in plain numbers: numpy's cross product of one pair takes ten times as long
    return float(one.corner @ np.array((b * z - c * y, c * x - a * z, a * y - b * x)))


def _is_tall(run: list[PlacedSlice]) -> bool:
    return len(run) >= FEWEST_SLICES and _height(run[-1]) - _height(run[0]) >= LEAST_HEIGHT


def _runs(slices: list[PlacedSlice]) -> list[list[PlacedSlice]]:
    """Parallel slices of one size without a gap, each place once, in their order; of a gantry's tilt or in a column."""
    groups: dict[tuple[object, ...], list[PlacedSlice]] = collections.defaultdict(list)
    for one in slices:
        alike = one.space, one.plane.shape, *(np.round([*one.ways, *one.apart], 2) + 0.0)
        groups[alike].append(one)
    runs: list[list[PlacedSlice]] = [[]]
    for group in (part for whole in groups.values() for part in (whole, *_columns(whole))):
        by_height: dict[float, PlacedSlice] = {}
        for one in group:
            by_height.setdefault(round(_height(one), 1), one)
        before = -np.inf
        for height in sorted(by_height):
            if height - before > LARGEST_GAP:
                runs.append([])
            runs[-1].append(by_height[height])
            before = height
    return runs


def _columns(group: list[PlacedSlice]) -> list[list[PlacedSlice]]:
    """Parallel slices by where they stand, if some stand beside others: a head that moved between two time points."""
    ways = group[0].ways.reshape(2, 3)
    corners = np.array([one.corner for one in group])
    aside, heights = corners @ ways.T, corners @ np.cross(*ways)
    order = np.argsort(heights, kind="stable")
    steps = np.hypot(*np.diff(aside[order], axis=0).T)
    if not (steps > SIDEWAYS + np.diff(heights[order])).any():
        return []
    columns: dict[tuple[float, ...], list[PlacedSlice]] = collections.defaultdict(list)
    for one, place in zip(group, np.rint(aside / SIDEWAYS).tolist(), strict=True):
        columns[tuple(place)].append(one)
    return list(columns.values())


def _thinned(run: list[PlacedSlice]) -> list[PlacedSlice]:
    kept = [run[0]]
    for one in run[1:]:
        if _height(one) - _height(kept[-1]) >= SLICES_APART:
            kept.append(one)
    return kept


def _factors(apart: tuple[float, float]) -> tuple[int, int]:
    return max(1, int(CUBE / apart[0])), max(1, int(CUBE / apart[1]))


def _blocks(plane: NDArray[Any], apart: tuple[float, float]) -> NDArray[np.float32]:
    """Means of blocks, of which whole ones count. Row added to row: three times as fast as numpy's sums of blocks."""
    down, across = _factors(apart)
    height, width = plane.shape
    rows, columns = height // down * down, width // across * across
    exact = plane.dtype.kind in "iu" and plane.dtype.itemsize <= 2
    sums: NDArray[Any] = plane[:rows:down].astype(np.int32 if exact else np.float32)
    for row in range(1, down):
        sums += plane[row:rows:down]
    made = sums[:, :columns:across].copy()
    for column in range(1, across):
        made += sums[:, column:columns:across]
    return np.asarray(made.astype(np.float32) / np.float32(down * across))


def _on_cubes(stack: Sequence[PlacedSlice]) -> Body:
    """Linear between the slices and within them; a gantry's tilt shifts them against each other."""
    import SimpleITK as sitk

    first, ways = stack[0], stack[0].ways
    axes = np.stack([ways[:3], ways[3:], np.cross(ways[:3], ways[3:])], axis=1)
    axes /= np.linalg.norm(axes, axis=0)
    heights = np.array([_height(one) for one in stack]) - _height(first)
    levels = np.arange(0, heights[-1] + 0.1, CUBE)
    even = _between(np.stack([one.plane for one in stack]), heights, levels)
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
    return Body(sitk.GetArrayFromImage(made), axes, first.corner + middle, first.is_ct)


def _between(
    planes: NDArray[np.float32], heights: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Slices at ``levels``, linear between those at ``heights``."""
    after = np.clip(np.searchsorted(heights, levels), 1, len(heights) - 1)
    share = (levels - heights[after - 1]) / (heights[after] - heights[after - 1])
    part = np.clip(share, 0, 1)[:, None, None].astype(np.float32)
    return np.asarray(planes[after - 1] * (1 - part) + planes[after] * part, np.float32)
