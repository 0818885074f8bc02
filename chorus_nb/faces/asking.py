"""The series of one frame of reference, each asked by its pixels whether it may show a head, each place once.

The CT of a PET-CT answers for its PET: what lies where another series was asked has that one's answer, as far as
that is sure: a head there is one in all of them, but a picture of noise or of phases shows none of what lies there.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chorus_nb.faces import stacks
from chorus_nb.faces.heads import COARSE, FINE, HeadAnswer, head_in, no_braincase
from chorus_nb.faces.layers import distinct_layers
from chorus_nb.faces.mosaics import is_rows_of_slices
from chorus_nb.faces.parts import series_parts
from chorus_nb.faces.piles import MOST_IN_A_PILE, piles
from chorus_nb.faces.runs import columns, levels_of
from chorus_nb.faces.stacks import PlacedSeries, SliceSeries, Unfit
from chorus_nb.faces.volume import Volume, corners
from chorus_nb.guard import fault_of
from chorus_nb.source import Source

BEYOND = np.array([130.0, 130.0, 15.0])  # mm left and right, front and back, up and down: a PET is wider than its CT
LONE = 20.0  # mm that a slice without neighbours stands for, where few are asked together
WAYS = 3  # directions of a localizer; pictures in more of them are no slices (rotating projections)
FEWEST_TO_ASK = 3  # slices of a volume
ALL_READ = 40  # files: of fewer, all are read
ENOUGH = 24  # slices that are left of more, whatever millimetres the headers mean
HUNDREDTH = 0.01  # mm: headers round
LYING_ALIKE = ["ImageOrientationPatient", "Rows", "Columns", "PixelSpacing", "EchoTime", "NumberOfFrames"]
NO_VOLUME = HeadAnswer(False, "one or two slices are no volume")


class HeadQuestion(NamedTuple):
    """A series and the files that are enough to ask it; ``single``: see :func:`single`.

    ``coarse``: those of its files that are asked first, and are enough where they say that it is no head.
    """

    series: str
    paths: tuple[str, ...]
    single: bool = False
    coarse: tuple[str, ...] = ()


class _Place(NamedTuple):
    """Patient millimetres between which a series was asked, and what it answered."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    answer: HeadAnswer


class _Laid(NamedTuple):
    """Series to ask together, most often one, and where their slices lie; ``paths``: all files, if only some are known
    so far."""

    names: tuple[str, ...]
    series: PlacedSeries
    paths: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return len(self.paths or self.series.files)


def answers(source: Source, questions: Sequence[HeadQuestion]) -> dict[str, HeadAnswer]:
    """The answers of the series of one frame of reference, by Series Instance UID. Decoded is what has to be."""
    laid, pictures, found = _laid(source, questions)
    places: list[_Place] = []
    for one in sorted(laid, key=lambda one: (one.series.modality != "CT", -one.size, one.names)):
        low, high = _reach(one)
        known = next((place for place in places if _covers(place, low, high)), None)
        if known:
            found |= dict.fromkeys(one.names, known.answer)
            continue
        answer, volumes = _looked_at(source, one)
        first, *others = one.names
        found[first] = answer
        for_others = answer._replace(asked_of=first)
        found |= dict.fromkeys(others, for_others)
        sure = answer.may_be or not np.isnan(answer.enclosed)  # by its bone
        if sure and not all(map(stacks.is_thin, _by_direction(volumes))):  # a few slices speak for nobody else
            points = np.concatenate([corners(volume) for volume in volumes])
            places.append(_Place(points.min(axis=0), points.max(axis=0), for_others))
    for one in pictures:  # no volume; but a profile, where a head lies
        low, high = _reach(one)
        shown = (place.answer for place in places if place.answer.may_be and _meets(place, low, high))
        found |= dict.fromkeys(one.names, next(shown, NO_VOLUME))
    return found


def _reach(one: _Laid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Patient millimetres between which its slices lie."""
    points = np.concatenate([piece.corners for piece in one.series.slices])
    return points.min(axis=0), points.max(axis=0)


def _meets(place: _Place, low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    return bool((low <= place.high).all() and (high >= place.low).all())


def _covers(place: _Place, low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    return bool((low >= place.low - BEYOND).all() and (high <= place.high + BEYOND).all())


def _laid(source: Source, questions: Sequence[HeadQuestion]) -> tuple[list[_Laid], list[_Laid], dict[str, HeadAnswer]]:
    """What can be asked, the pictures that are too few for it, and the answers of what cannot.

    Series of one or two slices are looked at together: a volume may be sent slice by slice, each as a series.
    """
    laid, pictures, found = list[_Laid](), list[_Laid](), dict[str, HeadAnswer]()
    singles: dict[str, list[_Laid]] = defaultdict(list)
    for one in questions:
        try:
            series, paths = _first_placed(source, one)
            small = _places(series) < FEWEST_TO_ASK
            if small:
                decoded = stacks.with_pixels(series)  # what cannot be decoded is not known to be no volume
                _raise_if_in_rows(decoded)
                if piled := _piled(series, decoded):
                    found[one.series] = piled
                    continue
        except Exception as error:  # whatever a damaged file does to a library
            found[one.series] = NO_VOLUME if one.single and isinstance(error, Unfit) else _doubt(error)
            continue
        mine = _Laid((one.series,), series, paths)
        if small:
            singles[series.modality].append(mine)
        else:
            laid.append(mine)
    for modality, few in singles.items():
        together = PlacedSeries(modality, [file for one in few for file in one.series.files], {})
        if _places(together) >= FEWEST_TO_ASK:
            laid.append(_Laid(tuple(name for one in few for name in one.names), together))
            continue
        alone = [one for one in few if len(one.series.slices) < FEWEST_TO_ASK]  # what is more was asked by itself
        if piled := _piled_of(modality, alone):
            found |= dict.fromkeys((name for one in alone for name in one.names), piled)
        pictures += [one for one in few if one.names[0] not in found]
    return laid, pictures, found


def _first_placed(source: Source, one: HeadQuestion) -> tuple[PlacedSeries, tuple[str, ...]]:
    """Where the slices lie that are asked first; with the paths of all, where these are only some."""
    if one.coarse:
        with contextlib.suppress(Exception):  # whatever damaged files do to a library: others may be whole
            return stacks.placed(source, one.coarse), one.paths
    return stacks.placed(source, one.paths), ()


def _raise_if_in_rows(series: SliceSeries) -> None:
    """Slices side by side of which no header tells are not asked: where they lie is not known."""
    every = zip(series.slices, series.pictures, strict=True)
    if series.modality == "MR" and any(is_rows_of_slices(one.stored) for piece, one in every if not piece.is_tile):
        raise Unfit("a mosaic whose header does not say that it is one")


def _piled(placed: PlacedSeries, series: SliceSeries) -> HeadAnswer | None:
    """The answer of a volume that may be a head, whose pictures are all said to lie at one place."""
    try:
        for volume in piles(placed, series):
            answer = head_in([volume])
            if answer.may_be:
                return answer._replace(why=f"said to lie at one place, laid above one another {answer.why}")
    except Unfit as unfit:
        return _doubt(unfit)
    return None


def _piled_of(modality: str, alone: Sequence[_Laid]) -> HeadAnswer | None:
    """The same of pictures sent each as a series, as many as are enough."""
    files = [file for one in alone for file in one.series.files]
    if len(files) < stacks.FEWEST:
        return None
    placed = PlacedSeries(modality, files[:: -(-len(files) // MOST_IN_A_PILE)], {})
    return _piled(placed, stacks.with_pixels(placed))


def _doubt(error: Exception) -> HeadAnswer:
    """What could not be looked at may be a head."""
    return HeadAnswer(True, str(error) if isinstance(error, Unfit) else f"could not be looked at ({fault_of(error)})")


def _places(series: PlacedSeries | SliceSeries) -> int:
    return len({tuple(piece.affine.ravel().round(2)) for piece in series.slices})


def _looked_at(source: Source, laid: _Laid) -> tuple[HeadAnswer, list[Volume]]:
    """The answer, and the volumes whose it is: none where they could not be looked at."""
    try:
        if (sparse := _sparse(laid)) and (none := no_braincase(sparse)):
            return none, sparse
        series = stacks.placed(source, laid.paths, laid.series.files) if laid.paths else laid.series
        decoded = stacks.with_pixels(series)
        _raise_if_in_rows(decoded)
        volumes = _volumes(decoded)
        answer = _likeliest(decoded, _asked(volumes))
        if not answer.may_be and _places(series) < stacks.FEWEST:
            answer = _piled(series, decoded) or answer
        parts = () if answer.may_be else series_parts(decoded)
        return max([answer, *map(part_asked, parts if len(parts) > 1 else ())], key=weight), volumes
    except Exception as error:  # whatever a damaged file does to a library
        return _doubt(error), []


def part_asked(part: SliceSeries) -> HeadAnswer:
    """The answer of a part of a series by itself; what is no volume may be a head."""
    try:
        return _likeliest(part, _asked(_volumes(part)))
    except Unfit as unfit:
        return _doubt(unfit)


def _likeliest(series: SliceSeries, answer: HeadAnswer) -> HeadAnswer:
    """Of several images at one place the first gave the ``answer``; a head may follow noise, or lie between."""
    for layer in () if answer.may_be else distinct_layers(series):
        answer = max(answer, _asked(_volumes(layer.series)), key=weight)
        if answer.may_be:
            break
    return answer


def _sparse(laid: _Laid) -> list[Volume]:
    """A CT of slices as far apart as the coarse cubes; none where they are few, lie in more than one way or fail."""
    series = laid.series
    if series.modality != "CT" or series.left_out or len({piece.kind for piece in series.slices}) > 1:
        return []
    if _places(series) < len(series.slices) or stacks.in_columns(series.slices).any():
        return []
    wanted = sparse([piece.height for piece in series.slices], COARSE)
    if not stacks.FEWEST * WAYS <= len(wanted) < laid.size:
        return []
    try:
        few = stacks.with_pixels(series, wanted)
        volumes = [] if few.left_out else stacks.all_stacks(few)
    except Exception:  # whatever a damaged file does to a library: then all are decoded
        return []
    return volumes if len(volumes) == 1 else []


def _volumes(series: SliceSeries) -> list[Volume]:
    """All its volumes; of few slices, as in a localizer, also those that have no neighbours."""
    if _places(series) >= stacks.FEWEST * WAYS:
        return stacks.all_stacks(series)
    every = stacks.all_stacks(series, LONE)
    if len(_by_direction(every)) > WAYS:
        raise Unfit("few slices in many directions")
    return every


def _by_direction(volumes: Sequence[Volume]) -> list[list[Volume]]:
    """The volumes that can be laid into one, largest first."""
    ways: dict[tuple[float, ...], list[Volume]] = defaultdict(list)
    for volume in volumes:
        across, down = (volume.affine[:3, axis] / volume.spacing[axis] for axis in (0, 1))
        ways[tuple(np.round([*across, *down], 1) + 0.0)].append(volume)
    return list(ways.values())


def _asked(volumes: Sequence[Volume]) -> HeadAnswer:
    """The answer of the likeliest of the volumes of a series; few slices of several directions are asked as one."""
    groups = _by_direction(volumes)
    thin = [_is_thin(group) for group in groups]
    if all(thin) and len(groups) > 1:
        return head_in(volumes, thin=True, crossed=True)
    said = [head_in(group, thin=few) for group, few in zip(groups, thin, strict=True)]
    if not any(answer.may_be for answer in said):
        said += [head_in(alike, thin=_is_thin(alike)) for group in groups for alike in _of_one_size(group)]
    return max(said, key=weight)


def _of_one_size(group: Sequence[Volume]) -> list[list[Volume]]:
    """The volumes of a group by the size of their slices, of several: the wider hides what it lies over."""
    sizes: dict[tuple[float, ...], list[Volume]] = defaultdict(list)
    for volume in group:
        sizes[*volume.values.shape[1:], *np.round(volume.spacing[:2], 2)].append(volume)
    return list(sizes.values()) if len(sizes) > 1 else []


def _is_thin(group: Sequence[Volume]) -> bool:
    """By the slices, or whichever way: a coronal series may be no higher than a chin."""
    return stacks.is_thin(group) or min(group[0].extent[:2]) < stacks.THINNEST


def weight(answer: HeadAnswer) -> tuple[bool, float, float]:
    """Of two answers the one that counts has more."""
    return answer.may_be, float(np.nan_to_num(answer.likeness)), float(np.nan_to_num(answer.enclosed))


def sample(files: pd.DataFrame) -> tuple[str, ...]:
    """The paths of a series (rows of the catalog) that are enough to ask it: about 3 mm apart, of each place all."""
    if len(files) < ALL_READ:
        return tuple(sorted(files.source_path))
    kept: list[str] = []
    for _, rows in files.sort_values("source_path").groupby(LYING_ALIKE):
        heights = _heights(rows)
        if (rows.ImagePositionPatient == "").all() and not rows.Modality.isin(stacks.WITH_LIMITS).any():
            rows = rows.iloc[:: -(-len(rows) // MOST_IN_A_PILE)]
        elif np.isfinite(heights).all() and not _columns(rows).any():
            place = levels_of(heights)
            places = heights[np.unique(place, return_index=True)[1]]
            apart = float(np.median(np.diff(places))) if len(places) > 1 else FINE
            number = np.rint((places - places[0]) / apart).astype(int)
            every = max(1, min(int(FINE / apart), len(places) // ENOUGH))
            rows = rows[(number % every == 0)[place]]
        kept.extend(rows.source_path)
    return tuple(sorted(kept))


def sparse(heights: Sequence[float], step: float) -> set[int]:
    """The fewest of slices at these ``heights`` (mm) that leave no gap over ``step`` which is not there already."""
    order = sorted(range(len(heights)), key=lambda number: (round(heights[number], 2), number))
    kept = order[:1]
    for before, number in pairwise(order):
        if heights[number] - heights[kept[-1]] > step + HUNDREDTH and before != kept[-1]:
            kept.append(before)
    return {*kept, *order[-1:]}


def coarse(files: pd.DataFrame, paths: Collection[str]) -> tuple[str, ...]:
    """Of the ``paths`` of a series (rows of the catalog) those to ask first: of a CT that lies one way 6 mm apart."""
    rows = files[files.source_path.isin(paths)].sort_values("source_path")
    if (rows.Modality != "CT").any() or rows.groupby(LYING_ALIKE).ngroups != 1:
        return ()
    heights = _heights(rows)
    once = np.isfinite(heights).all() and len(set(heights)) == len(heights) and not _columns(rows).any()
    wanted = sparse(heights.tolist(), COARSE) if once else set()
    enough = stacks.FEWEST * WAYS <= len(wanted) < len(rows)
    return tuple(rows.source_path.iloc[sorted(wanted)]) if enough else ()


def single(files: pd.DataFrame) -> bool:
    """Whether the headers announce one or two pictures, and name another part of the body: without that a picture that
    is no slice (in colour, or without a place) may be a rendering of a head. One of MR may hold many (mosaics)."""
    frames = pd.to_numeric(files.NumberOfFrames, errors="coerce").fillna(1).clip(lower=1).sum()
    return bool(frames < FEWEST_TO_ASK and (files.Modality != "MR").all() and (files.need == "other").all())


def _heights(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Millimetres along the normal of the slices, to a hundredth; NaN where the header does not say."""
    places, across, down = _lie(rows)
    return np.asarray(np.round(places @ np.cross(across, down), 2))


def _columns(rows: pd.DataFrame) -> NDArray[np.int_]:
    """The columns in which the slices stand."""
    return columns(*_lie(rows))


def _lie(rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where slices begin, and which way they lie."""
    ways = _numbers(rows.ImageOrientationPatient.iloc[0], 6)
    return np.array([_numbers(text, 3) for text in rows.ImagePositionPatient]), ways[:3], ways[3:]


def _numbers(text: str, count: int) -> NDArray[np.float64]:
    try:
        found = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        return np.full(count, np.nan)
    return found if len(found) == count else np.full(count, np.nan)
