"""The series of one frame of reference, each asked by its pixels whether it may show a head, each place once.

The CT of a PET-CT answers for its PET: what lies where another series was asked has that one's answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chorus_nb.faces import stacks
from chorus_nb.faces.heads import FINE, HeadAnswer, head_in
from chorus_nb.faces.stacks import SliceSeries, Unfit
from chorus_nb.faces.volume import Volume, corners
from chorus_nb.guard import fault_of
from chorus_nb.source import Source

BEYOND = np.array([130.0, 130.0, 15.0])  # mm left and right, front and back, up and down: a PET is wider than its CT
LONE = 20.0  # mm that a slice without neighbours stands for, where few are asked together
WAYS = 3  # directions of a localizer; pictures in more of them are no slices (rotating projections)
ALL_READ = 40  # files: of fewer, all are read
NO_VOLUME = HeadAnswer(False, "one or two slices are no volume")


class HeadQuestion(NamedTuple):
    """A series and the files that are enough to ask it; ``single``: its headers announce one or two pictures."""

    series: str
    paths: tuple[str, ...]
    single: bool = False


class _Place(NamedTuple):
    """Patient millimetres between which a series was asked, and what it answered."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    answer: HeadAnswer


def answers(source: Source, questions: Sequence[HeadQuestion]) -> dict[str, HeadAnswer]:
    """The answers of the series of one frame of reference, by Series Instance UID."""
    loaded = _loaded(source, questions)
    found: dict[str, HeadAnswer] = {}
    places: list[_Place] = []

    def order(one: HeadQuestion) -> tuple[bool, int, str]:
        volumes = loaded[one.series]
        return isinstance(volumes, HeadAnswer) or volumes[0].modality != "CT", -len(one.paths), one.series

    for one in sorted(questions, key=order):
        volumes = loaded.pop(one.series)
        if isinstance(volumes, HeadAnswer):
            found[one.series] = volumes
            continue
        points = np.concatenate([corners(volume) for volume in volumes])
        low, high = points.min(axis=0), points.max(axis=0)
        known = next((place for place in places if _covers(place, low, high)), None)
        if known:
            found[one.series] = known.answer
            continue
        answer = _asked(volumes)
        found[one.series] = answer
        if not all(map(stacks.is_thin, _by_direction(volumes))):  # a few slices speak for nobody else
            places.append(_Place(low, high, answer._replace(asked_of=answer.asked_of or one.series)))
    return found


def _covers(place: _Place, low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    return bool((low >= place.low - BEYOND).all() and (high <= place.high + BEYOND).all())


def _loaded(source: Source, questions: Sequence[HeadQuestion]) -> dict[str, list[Volume] | HeadAnswer]:
    """The volumes of each series, or the answer where it has none.

    Series of one or two slices are looked at together: a volume may be sent slice by slice, each as a series.
    """
    found: dict[str, list[Volume] | HeadAnswer] = {}
    singles: dict[str, SliceSeries] = {}
    for one in questions:
        try:
            series = stacks.load(source, one.paths)
            if _places(series) < 3:
                singles[one.series] = series
            else:
                found[one.series] = _volumes(series)
        except Unfit as unfit:
            found[one.series] = NO_VOLUME if one.single else HeadAnswer(True, str(unfit))
        except Exception as error:  # whatever a damaged file does to a library
            found[one.series] = HeadAnswer(True, f"could not be looked at ({fault_of(error)})")
    for modality in {series.modality for series in singles.values()}:
        mine = {name: series for name, series in singles.items() if series.modality == modality}
        found |= dict.fromkeys(mine, _together(list(mine.values())))
    return found


def _together(singles: Sequence[SliceSeries]) -> list[Volume] | HeadAnswer:
    pieces = [piece for series in singles for piece in series.slices]
    pictures = [picture for series in singles for picture in series.pictures]
    whole = singles[0]._replace(slices=pieces, pictures=pictures)
    if _places(whole) < 3:
        return NO_VOLUME
    try:
        return _volumes(whole)
    except Unfit as unfit:
        return HeadAnswer(True, str(unfit))


def _places(series: SliceSeries) -> int:
    return len({tuple(piece.affine.ravel().round(2)) for piece in series.slices})


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
    thin = [stacks.is_thin(group) for group in groups]
    if all(thin) and len(groups) > 1:
        return head_in(volumes, thin=True, crossed=True)
    said = [head_in(group, thin=few) for group, few in zip(groups, thin, strict=True)]
    return max(said, key=lambda answer: (answer.may_be, np.nan_to_num(answer.likeness), np.nan_to_num(answer.enclosed)))


def sample(files: pd.DataFrame) -> tuple[str, ...]:
    """The paths of a series (rows of the catalog) that are enough to ask it: slices about 3 mm apart."""
    if len(files) < ALL_READ:
        return tuple(sorted(files.source_path))
    kept: list[str] = []
    ways = ["ImageOrientationPatient", "Rows", "Columns", "PixelSpacing", "EchoTime"]
    for _, rows in files.sort_values("source_path").groupby(ways):
        heights = _heights(rows)
        apart = np.diff(np.unique(heights[np.isfinite(heights)]))
        every = int(FINE / np.median(apart)) if len(apart) else 1
        if np.isfinite(heights).all() and every > 1:
            place = np.rint((heights - heights.min()) / np.median(apart)).astype(int)
            rows = rows[place % every == 0]
        kept.extend(rows.source_path)
    return tuple(sorted(kept))


def _heights(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Millimetres along the normal of the slices, to a hundredth; NaN where the header does not say."""
    places = np.array([_numbers(text, 3) for text in rows.ImagePositionPatient])
    ways = _numbers(rows.ImageOrientationPatient.iloc[0], 6)
    return np.asarray(np.round(places @ np.cross(ways[:3], ways[3:]), 2))


def _numbers(text: str, count: int) -> NDArray[np.float64]:
    try:
        found = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        return np.full(count, np.nan)
    return found if len(found) == count else np.full(count, np.nan)
