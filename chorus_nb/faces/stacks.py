"""From the files of a series to slices in space and to stacks that can be registered (PS3.3 C.7.6.2, C.7.6.16)."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from chorus_nb.dicom import codecs
from chorus_nb.faces.atlas import Matrix
from chorus_nb.faces.mosaics import is_as_said, is_mosaic, tiles
from chorus_nb.faces.runs import columns, even_runs
from chorus_nb.faces.volume import Volume, corners
from chorus_nb.source import Source
from chorus_nb.standards import RELEASABLE, modality_code

FEWEST, THINNEST = 10, 60.0  # slices, and millimetres along them: less is no volume to find a face in
LONGEST_BODY = 4000.0  # mm from end to end: no body is longer, and cubes over more would take all memory
AIR_HU = -1000.0
WITH_LIMITS = ("CT", "MR", "PT")  # modalities with limits of their own
OFF_PLACE = 0.1  # of the distance between slices: so far away a slice is where it should be


class Unfit(Exception):
    """The series cannot be worked on; the text says why, free of header values."""


class Slice(NamedTuple):
    """A frame of a file and where it lies: ``affine`` takes (column, row, 0, 1) to patient millimetres."""

    source_path: str
    frame: int
    frames: int
    rows: int
    columns: int
    affine: Matrix
    kind: str
    """slices of one kind (orientation, geometry, echo) make a stack"""
    corner: tuple[int, int] = (0, 0)
    """row and column at which it begins in its frame: that of a mosaic holds many"""
    whole: tuple[int, int] = (0, 0)
    """rows and columns of the frame"""

    @property
    def window(self) -> tuple[slice, slice]:
        """Where it lies in its frame."""
        return slice(self.corner[0], self.corner[0] + self.rows), slice(self.corner[1], self.corner[1] + self.columns)

    @property
    def is_tile(self) -> bool:
        """Whether its frame is a mosaic."""
        return (self.rows, self.columns) != self.whole

    @property
    def corners(self) -> NDArray[np.float64]:
        """Patient millimetres of its four corners."""
        ends = [(i, j, 0, 1) for i in (-0.5, self.columns - 0.5) for j in (-0.5, self.rows - 0.5)]
        return np.asarray((self.affine @ np.array(ends).T)[:3].T)

    @property
    def centre(self) -> NDArray[np.float64]:
        """Patient millimetres of its middle."""
        return np.asarray(self.affine[:3] @ ((self.columns - 1) / 2, (self.rows - 1) / 2, 0, 1))

    @property
    def height(self) -> float:
        """Millimetres along the normal of the slice."""
        return float(self.affine[:3, 2] @ self.affine[:3, 3])


class StackedFrame(NamedTuple):
    """The pixels of a slice, as stored; a thousand of them must fit into memory."""

    stored: NDArray[np.generic]
    slope: float
    intercept: float

    @property
    def values(self) -> NDArray[np.float32]:
        """In Hounsfield units, or signal."""
        return self.stored.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)


class SliceSeries(NamedTuple):
    """A series in memory. ``left_out``: by path, what kept a file from being read as slices in space."""

    modality: str
    slices: list[Slice]
    pictures: list[StackedFrame]
    left_out: dict[str, Exception]


class PlacedFile(NamedTuple):
    """A file that is decoded as far as somebody looks: its slices, with slope and intercept of each."""

    path: str
    dataset: Dataset
    slices: list[tuple[Slice, float, float]]
    stored: dict[int, NDArray[np.generic]]
    """by number, the frames that were decoded so far"""


class PlacedSeries(NamedTuple):
    """A series of which only the headers were looked at. ``left_out``: as in :class:`SliceSeries`."""

    modality: str
    files: list[PlacedFile]
    left_out: dict[str, Exception]

    @property
    def slices(self) -> list[Slice]:
        """Of all its files."""
        return [one for file in self.files for one, *_ in file.slices]


def load(source: Source, paths: Sequence[str]) -> SliceSeries:
    """Read all files of a series. A fault costs its file; where no file is left, it is raised (:class:`Unfit`, ...)."""
    left_out: dict[str, Exception] = {}
    return _decoded(_placed_files(source, paths, left_out), left_out)


def placed(source: Source, paths: Sequence[str], known: Iterable[PlacedFile] = ()) -> PlacedSeries:
    """Where the slices of the files of a series lie, without their pixels; those ``known`` are not read again.

    Faults as in :func:`load`.
    """
    left_out: dict[str, Exception] = {}
    there = {file.path: file for file in known}
    others = _placed_files(source, [path for path in paths if path not in there], left_out)
    there |= {file.path: file for file in others}
    files = [there[path] for path in paths if path in there]
    _raise_if_empty(files, left_out)
    return PlacedSeries(_modality(files[0].dataset), files, left_out)


def with_pixels(series: PlacedSeries, wanted: Container[int] | None = None) -> SliceSeries:
    """The pixels of a series, or of its ``wanted`` slices only, by their number; faults as in :func:`load`."""
    return _decoded(series.files, dict(series.left_out), wanted)


def _placed_files(source: Source, paths: Sequence[str], left_out: dict[str, Exception]) -> Iterator[PlacedFile]:
    for path in paths:
        try:
            yield _placed(source, path)
        except Exception as error:  # whatever a damaged file does to a library
            left_out[path] = error


def _decoded(
    files: Iterable[PlacedFile], left_out: dict[str, Exception], wanted: Container[int] | None = None
) -> SliceSeries:
    found, number = SliceSeries("", [], [], left_out), 0
    for file in files:
        kept = [one for at, one in enumerate(file.slices, number) if wanted is None or at in wanted]
        number += len(file.slices)
        try:
            pictures = _pictures(file, kept) if kept else []
        except Exception as error:  # whatever a damaged file does to a library
            left_out[file.path] = error
            continue
        found.slices.extend(one for one, *_ in kept)
        found.pictures.extend(pictures)
        found = found._replace(modality=found.modality or _modality(file.dataset))
    _raise_if_empty(found.slices, left_out)
    return found


def _modality(dataset: Dataset) -> str:
    """Modality; where that names another device, what the SOP class says of CT, MR and PT."""
    said = modality_code(str(dataset.get("Modality", "")))
    of_class = RELEASABLE.get(str(dataset.get("SOPClassUID", "")), "")
    return of_class if said not in WITH_LIMITS and of_class in WITH_LIMITS else said


def _raise_if_empty(found: Sequence[object], left_out: dict[str, Exception]) -> None:
    if not found:
        raise next(iter(left_out.values()), Unfit("no files"))


def _placed(source: Source, path: str) -> PlacedFile:
    dataset = dcmread(io.BytesIO(source.read(path)), force=True)
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise Unfit("in colour")
    found = list(_slices(path, dataset))
    if is_mosaic(dataset):
        found = [part for whole in found for part in _unpacked(dataset, *whole)]
    return PlacedFile(path, dataset, found, {})


def _pictures(file: PlacedFile, slices: Sequence[tuple[Slice, float, float]]) -> list[StackedFrame]:
    """The pixels of some slices of a file; of many frames only theirs are decoded, and each once."""
    dataset, size = file.dataset, (int(file.dataset.Rows), int(file.dataset.Columns))
    frames = sorted({one.frame for one, *_ in slices} - file.stored.keys())
    if len(frames) == slices[0][0].frames:
        whole = codecs.decoder_of(dataset).as_array(dataset)[0]
        file.stored.update(enumerate(whole.reshape(len(frames), *size)))
    elif frames:
        for frame, (one, _) in zip(frames, codecs.decoder_of(dataset).iter_array(dataset, indices=frames), strict=True):
            file.stored[frame] = one.reshape(size)
    for frame in frames:
        parts = [one for one, *_ in file.slices if one.frame == frame]
        if parts[0].is_tile and not is_as_said(file.stored[frame], [one.window for one in parts]):
            raise Unfit("a mosaic that shows other slices than its header says")
    return [StackedFrame(file.stored[one.frame][one.window], slope, intercept) for one, slope, intercept in slices]


def _unpacked(dataset: Dataset, one: Slice, slope: float, intercept: float) -> Iterator[tuple[Slice, float, float]]:
    """The slices of a mosaic."""
    try:
        for row, column, rows, columns, affine in tiles(dataset, one.affine):
            yield one._replace(rows=rows, columns=columns, affine=affine, corner=(row, column)), slope, intercept
    except ValueError as fault:
        raise Unfit(str(fault)) from None


def _slices(path: str, dataset: Dataset) -> Iterator[tuple[Slice, float, float]]:
    frames = int(dataset.get("NumberOfFrames") or 1)
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if frames > 1 and len(groups) != frames:
        groups = _of_detector(dataset, frames)
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for number in range(frames):
        of_frame = groups[number] if len(groups) else Dataset()

        def get(sequence: str, keyword: str, of_frame: Dataset = of_frame) -> Any:
            for place in (of_frame, shared):
                items = place.get(sequence)
                if items and keyword in items[0]:
                    return items[0][keyword].value
            return dataset.get(keyword)

        position = get("PlanePositionSequence", "ImagePositionPatient") or ([0] * 3 if is_mosaic(dataset) else None)
        orientation = get("PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = get("PixelMeasuresSequence", "PixelSpacing")
        if position is None and frames == 1 and _modality(dataset) not in WITH_LIMITS:  # at one place: see piles.py
            position, orientation = [0.0] * 3, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
            spacing = spacing or dataset.get("ImagerPixelSpacing") or [1.0, 1.0]
        if position is None or orientation is None or spacing is None:
            raise Unfit("does not say where it lies in space")
        if not (np.isfinite(np.array(position, float)).all() and 0 < min(map(float, spacing)) < np.inf):
            raise Unfit("its place or its size is no number")  # what is compared with it would never end
        across, down = np.array(orientation, float).reshape(2, 3)
        if not np.isclose(np.linalg.norm(np.cross(across, down)), 1, atol=1e-2):
            raise Unfit("its orientation is none")
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1] = across * float(spacing[1]), down * float(spacing[0])
        affine[:3, 2], affine[:3, 3] = np.cross(across, down), np.array(position, float)
        echo = get("MREchoSequence", "EffectiveEchoTime") or dataset.get("EchoTime") or ""
        # seldom more than the last digit apart within a stack, where slices were tilted one by one
        geometry = np.round(orientation, 2), np.round(np.array(spacing, float), 3), dataset.Rows, dataset.Columns
        kind = f"{geometry} {echo}"
        slope = get("PixelValueTransformationSequence", "RescaleSlope")
        intercept = get("PixelValueTransformationSequence", "RescaleIntercept")
        size = int(dataset.Rows), int(dataset.Columns)
        one = Slice(path, number, frames, *size, affine, kind, whole=size)
        yield one, float(1 if slope in (None, "") else slope) or 1.0, float(intercept or 0)


def _of_detector(dataset: Dataset, frames: int) -> list[Dataset]:
    """Functional groups for the slices of a reconstructed NM volume (PS3.3 C.8.4.9, C.8.4.11; C.8.4.15 is older).

    Position and orientation of the first stand in the detector's item; the others follow along their normal.
    """
    detector = (dataset.get("DetectorInformationSequence") or [Dataset()])[0]
    first, ways = detector.get("ImagePositionPatient"), detector.get("ImageOrientationPatient")
    apart = dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness")
    if not (first and ways and apart):
        raise Unfit("many frames that do not say where they lie")
    normal = np.cross(*np.array(ways, float).reshape(2, 3)) * float(apart)
    made = []
    for number in range(frames):
        group, place, way = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [round(float(value), 4) for value in np.array(first, float) + number * normal]
        way.ImageOrientationPatient = ways
        group.PlanePositionSequence, group.PlaneOrientationSequence = [place], [way]
        made.append(group)
    return made


def stacks(series: SliceSeries, fewest: int = FEWEST, thinnest: float = THINNEST) -> list[Volume]:
    """The volumes of a series that lie as its largest, that first; :class:`Unfit` when there is none."""
    found = all_stacks(series)
    first = found[0]
    same = [volume for volume in found if np.allclose(volume.affine[:3, :2], first.affine[:3, :2], atol=1e-2)]
    if is_thin(same, fewest, thinnest):
        raise Unfit("too few slices")
    return same


def is_thin(found: Sequence[Volume], fewest: int = FEWEST, thinnest: float = THINNEST) -> bool:
    """Whether volumes are too few slices, or too thin together, to register a head."""
    return sum(len(one.values) for one in found) < fewest or sum(one.extent[2] for one in found) < thinnest


def all_stacks(series: SliceSeries, lone: float = 0.0) -> list[Volume]:
    """All volumes of three slices and more, whichever way they lie, largest first; :class:`Unfit` when there is none.

    Where several images lie at one place (time points, diffusion weightings), the first of them counts. ``lone``: mm
    that a slice without neighbours stands for, which else is no volume.
    """
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(series.slices):
        kinds[one.kind].append(number)
    found: list[Volume] = []
    for numbers in kinds.values():
        alike = [series.slices[number] for number in numbers]
        for run in even_runs(in_columns(alike), [one.height for one in alike], numbers):
            if len(run) < 3:
                found.extend(_slab(series, run[place], lone) for place in sorted(run) if lone)
                continue
            places = sorted(run)
            low, high = (series.slices[run[place]].affine for place in (places[0], places[-1]))
            affine = low.copy()
            affine[:3, 2] = (high - low)[:3, 3] / places[-1]  # not the normal: a tilted gantry shears
            found.append(Volume(_bridged(series, run), affine, series.modality))
    if not found:
        raise Unfit("too few slices")
    reach = np.ptp(np.concatenate([corners(volume) for volume in found]), axis=0)
    if not reach.max() <= LONGEST_BODY:  # NaN is no reach either
        raise Unfit("its slices lie further apart than a body is long")
    return sorted(found, key=lambda volume: -float(np.prod(volume.extent)))


def _slab(series: SliceSeries, number: int, thick: float) -> Volume:
    """A slice as a volume of ``thick`` millimetres."""
    affine = series.slices[number].affine.copy()
    affine[:3, 3] -= affine[:3, 2] * thick / 4
    affine[:3, 2] *= thick / 2
    return Volume(np.repeat(series.pictures[number].values[None], 2, axis=0), affine, series.modality)


def _bridged(series: SliceSeries, run: dict[int, int]) -> NDArray[np.float32]:
    """The slices of a run, evenly from its first to its last: between two slices their mean, by distance.

    A slice is missing, or the distances differ (a thick part behind a thin one): at most ``OFF_PLACE`` of a place away,
    a slice stands for that place.
    """
    order = [run[place] for place in sorted(run)]
    heights = np.array([series.slices[number].height for number in order])
    last = max(run)
    at = (heights - heights[0]) * last / (heights[-1] - heights[0])
    values = np.empty((last + 1, *series.pictures[order[0]].stored.shape), np.float32)
    for place in range(last + 1):
        after = int(np.clip(np.searchsorted(at, place), 1, len(at) - 1))
        near = after - 1 if place - at[after - 1] < at[after] - place else after
        if abs(at[near] - place) <= OFF_PLACE:
            values[place] = series.pictures[order[near]].values
            continue
        share = np.float32((place - at[after - 1]) / (at[after] - at[after - 1]))
        before, behind = (series.pictures[order[number]].values for number in (after - 1, after))
        values[place] = before * (1 - share) + behind * share
    return values


def in_columns(slices: Sequence[Slice]) -> NDArray[np.int_]:
    """The number of the column in which each stands, of slices that lie one way (:func:`columns`)."""
    across, down = (slices[0].affine[:3, axis] / np.linalg.norm(slices[0].affine[:3, axis]) for axis in (0, 1))
    return columns(np.array([one.centre for one in slices]), across, down)


def air(series: SliceSeries) -> int:
    """The stored value that shows as air: -1000 HU in CT, else the signal of the darkest hundredth of the pixels."""
    limits = [np.iinfo(str(kind)) for kind in {picture.stored.dtype for picture in series.pictures}]
    if series.modality == "CT":
        first = series.pictures[0]
        value = (AIR_HU - first.intercept) / first.slope
        darkest = min(int(picture.stored.min()) for picture in series.pictures)
        value = max(value, darkest)
    else:
        value = float(np.percentile(np.concatenate([picture.stored.ravel()[::17] for picture in series.pictures]), 1))
    return int(np.clip(round(value), max(limit.min for limit in limits), min(limit.max for limit in limits)))
