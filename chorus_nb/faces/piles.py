"""Many pictures that are said to lie at one place: one slice many times, or a volume whose headers lost its places?

Pictures of one slice (phases of a heart, time points) look alike. The slices of a volume do not, from one end to the
other; they are laid above one another, by their numbers or by what they show, to be asked as any other volume.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from chorus_nb.faces.layers import places_of, unit_looks
from chorus_nb.faces.stacks import FEWEST, THINNEST, PlacedSeries, SliceSeries, Unfit
from chorus_nb.faces.volume import Volume

ONE_SLICE, OF_PAIRS = 0.8, 10  # correlation of all but so many percent of the pairs: one slice, many times
HEIGHTS = (150.0, 220.0)  # mm of a head in slices whose distance is not known
MOST_IN_A_PILE = 120  # pictures that are enough
TURNING = 0.03  # of its range: by so much the profile of a turning projection changes, that of other pictures more


def piles(placed: PlacedSeries, series: SliceSeries) -> Iterator[Volume]:
    """The volumes that its pictures of one place may be; ``series``: the same with pixels.

    :class:`Unfit` where they are no slices, but projections from many sides.
    """
    headers = {file.path: file.dataset for file in placed.files}
    at: dict[object, list[int]] = defaultdict(list)
    for number, place in enumerate(places_of(series)):
        at[place].append(number)
    for numbers in at.values():
        every = -(-len(numbers) // MOST_IN_A_PILE)
        numbers = numbers[::every]
        if len(numbers) < FEWEST:
            continue
        looks = unit_looks([series.pictures[number].stored for number in numbers])
        if np.percentile(looks @ looks.T, OF_PAIRS) >= ONE_SLICE:
            continue
        if any(is_turning([series.pictures[number].values for number in numbers], axis) for axis in (0, 1)):
            raise Unfit("projections from many sides that are said to lie at one place")
        first = series.slices[numbers[0]]
        as_numbered = sorted(range(len(numbers)), key=lambda n: _number(headers, series, numbers[n]))
        for order in (as_numbered, by_their_looks(looks)):
            values = np.stack([series.pictures[numbers[place]].values for place in order])
            for apart in _distances(headers[first.source_path], len(numbers), every):
                affine = first.affine.copy()
                affine[:3, 2] *= apart
                yield Volume(values, affine, series.modality)


def is_turning(pictures: Sequence[NDArray[np.float32]], axis: int) -> bool:
    """Whether they may be one body projected (MIP) from many sides, about an ``axis`` of the pictures.

    From wherever it is looked at, the brightest of each height is the same.
    """
    if len({picture.shape for picture in pictures}) > 1:
        return False
    brightest = np.stack([picture.max(axis=1 - axis) for picture in pictures])
    middle = np.median(brightest, axis=0)
    changes = np.abs(brightest - middle).mean(axis=1)
    return bool(np.percentile(changes, 100 - OF_PAIRS) < TURNING * np.ptp(middle))


def by_their_looks(looks: NDArray[np.float32]) -> list[int]:
    """Pictures from one end to the other: the shortest of the ways from each picture always to the most alike."""
    apart = 1 - np.asarray(looks @ looks.T, np.float64)
    ways = []
    for first in range(len(looks)):
        way, left = [first], apart.copy()
        left[:, first] = np.inf
        while len(way) < len(looks):
            way.append(int(left[way[-1]].argmin()))
            left[:, way[-1]] = np.inf
        ways.append(way)
    return min(ways, key=lambda way: apart[way[:-1], way[1:]].sum())


def _number(headers: dict[str, Dataset], series: SliceSeries, number: int) -> tuple[int, str, int]:
    one, said = series.slices[number], 0
    with contextlib.suppress(TypeError, ValueError):
        said = int(headers[one.source_path].get("InstanceNumber") or 0)
    return said, one.source_path, one.frame


def _distances(header: Dataset, count: int, every: int) -> Sequence[float]:
    """Millimetres between neighbours: what the header says, where that makes a volume; and those of a head."""
    said = []
    with contextlib.suppress(TypeError, ValueError):
        said = [every * float(header.get("SpacingBetweenSlices") or header.get("SliceThickness") or 0)]
    return [one for one in said if one * count >= THINNEST] + [height / count for height in HEIGHTS]
