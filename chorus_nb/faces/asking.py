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
from chorus_nb.faces.stacks import Unfit
from chorus_nb.faces.volume import Volume, corners
from chorus_nb.guard import fault_of
from chorus_nb.source import Source

BEYOND = np.array([130.0, 130.0, 15.0])  # mm left and right, front and back, up and down: a PET is wider than its CT
FEW_SAID = "a few slices, and the header says another part of the body"
ALL_READ = 40  # files: of fewer, all are read


class Question(NamedTuple):
    """A series and the files that are enough to ask it; ``other_part``: its header names another part of the body."""

    series: str
    paths: tuple[str, ...]
    other_part: bool = False


class _Place(NamedTuple):
    """Patient millimetres between which a series was asked, and what it answered."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    answer: HeadAnswer


def answers(source: Source, questions: Sequence[Question]) -> dict[str, HeadAnswer]:
    """The answers of the series of one frame of reference, by Series Instance UID."""
    loaded = {one.series: _volumes(source, one) for one in questions}
    found: dict[str, HeadAnswer] = {}
    places: list[_Place] = []

    def order(one: Question) -> tuple[bool, int, str]:
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
        answer = _asked(volumes, one.other_part)
        found[one.series] = answer
        if not all(map(stacks.is_thin, _by_direction(volumes))):  # a few slices speak for nobody else
            places.append(_Place(low, high, answer._replace(asked_of=answer.asked_of or one.series)))
    return found


def _covers(place: _Place, low: NDArray[np.float64], high: NDArray[np.float64]) -> bool:
    return bool((low >= place.low - BEYOND).all() and (high <= place.high + BEYOND).all())


def _volumes(source: Source, one: Question) -> list[Volume] | HeadAnswer:
    """The volumes of a series, or the answer where it has none."""
    places = 0
    try:
        series = stacks.load(source, one.paths)
        places = len({tuple(piece.affine.ravel().round(2)) for piece in series.slices})
        return stacks.all_stacks(series)
    except Unfit as unfit:
        if 0 < places < 3:
            return HeadAnswer(False, "one or two slices are no volume")
        few = 0 < places < stacks.FEWEST
        return HeadAnswer(False, FEW_SAID) if few and one.other_part else HeadAnswer(True, str(unfit))
    except Exception as error:  # whatever a damaged file does to a library
        return HeadAnswer(True, f"could not be looked at ({fault_of(error)})")


def _by_direction(volumes: Sequence[Volume]) -> list[list[Volume]]:
    """The volumes that can be laid into one, largest first."""
    ways: dict[tuple[float, ...], list[Volume]] = defaultdict(list)
    for volume in volumes:
        across, down = (volume.affine[:3, axis] / volume.spacing[axis] for axis in (0, 1))
        ways[tuple(np.round([*across, *down], 1) + 0.0)].append(volume)
    return list(ways.values())


def _asked(volumes: Sequence[Volume], other_part: bool) -> HeadAnswer:
    """The answer of the likeliest of the volumes of a series."""
    said = []
    for group in _by_direction(volumes):
        thin = stacks.is_thin(group)
        answer = head_in(group, thin=thin)
        few = sum(len(volume.values) for volume in group) < stacks.FEWEST
        if answer.may_be and few and other_part:
            answer = answer._replace(may_be=False, why=FEW_SAID)
        said.append(answer)
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
