"""Several images at one place (time points, echoes, weightings, phases): those that go together make a layer each.

Which of them go together is told by what they show, not by their order: files may lie in any, and a head that is laid
out of every third slice of a head, and noise, is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.runs import levels_of
from chorus_nb.faces.stacks import FEWEST, SliceSeries, StackedFrame, in_columns

PATCHES = 32  # to a side: what of a picture is compared
SHOW_ONE_THING = 0.95  # correlation of two layers that show one thing: a time point later, not a phase or noise

Vector = NDArray[np.float32]


class Layer(NamedTuple):
    """One image of each place, and how it looks there."""

    series: SliceSeries
    looks: dict[object, Vector]

    def is_like(self, other: Layer) -> bool:
        """Whether it shows what the other does, wherever it has slices."""
        if not self.looks.keys() <= other.looks.keys():
            return False
        pairs = [(look, other.looks[place]) for place, look in self.looks.items()]
        shared = sum(float(mine @ theirs) for mine, theirs in pairs)  # each place by itself: one may be brighter
        return shared > SHOW_ONE_THING * sum(
            float(np.linalg.norm(mine) * np.linalg.norm(theirs)) for mine, theirs in pairs
        )


def distinct_layers(series: SliceSeries) -> list[Layer]:
    """The layers of a series but those that are like one before; none where each place has one image."""
    found: list[Layer] = []
    for layer in _layers(series):
        if not any(layer.is_like(other) for other in found):
            found.append(layer)
    return found


def extremes(series: SliceSeries) -> list[SliceSeries]:
    """The brightest and the darkest that the images of each place show; none where each place has one."""
    at: dict[object, list[int]] = defaultdict(list)
    for number, place in enumerate(places_of(series)):
        at[place].append(number)
    if len(at) == len(series.slices):
        return []
    slices = [series.slices[numbers[0]] for numbers in at.values()]
    found = []
    for extreme in (np.maximum, np.minimum):
        shown = [reduce(extreme, (series.pictures[number].values for number in numbers)) for numbers in at.values()]
        found.append(series._replace(slices=slices, pictures=[StackedFrame(one, 1.0, 0.0) for one in shown]))
    return found


def _layers(series: SliceSeries) -> Iterator[Layer]:
    """Where one way of lying has fewer layers than another, its last stands in each of the rest."""
    places = places_of(series)
    if len(set(places)) == len(places):
        return
    looks = [_look(picture.stored) for picture in series.pictures]
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(series.slices):
        kinds[one.kind].append(number)
    piles: dict[object, list[list[int]]] = defaultdict(list)
    for numbers in kinds.values():
        at: dict[object, list[int]] = defaultdict(list)
        for number in numbers:
            at[places[number]].append(number)
        piles[places[numbers[0]][0]] += _chains(list(at.values()), looks)
    for piled in range(max(map(len, piles.values()))):
        chosen = [_whole(pile, min(piled, len(pile) - 1), places) for pile in piles.values()]
        numbers = sorted(number for one in chosen for number in one)
        own = series._replace(
            slices=[series.slices[number] for number in numbers],
            pictures=[series.pictures[number] for number in numbers],
        )
        yield Layer(own, {places[number]: looks[number] for number in numbers})


def places_of(series: SliceSeries) -> list[tuple[object, ...]]:
    """Where each slice lies: which way and of which size, in which column, how high."""
    ways: dict[object, list[int]] = defaultdict(list)
    for number, one in enumerate(series.slices):
        ways[one.rows, one.columns, *np.round(one.affine[:3, :2], 2).ravel() + 0.0].append(number)
    found: list[tuple[object, ...]] = [()] * len(series.slices)
    for way, numbers in ways.items():
        slices = [series.slices[number] for number in numbers]
        column, level = in_columns(slices), levels_of(np.array([one.height for one in slices]))
        for number, place in zip(numbers, zip(column.tolist(), level.tolist(), strict=True), strict=True):
            found[number] = (way, *place)
    return found


def _look(picture: NDArray[np.generic]) -> Vector:
    """Means of patches, around their mean."""
    rows, columns = (max(1, size // PATCHES) for size in picture.shape)
    high, wide = picture.shape[0] // rows, picture.shape[1] // columns
    parts = picture[: high * rows, : wide * columns].astype(np.float32).reshape(high, rows, wide, columns)
    means = parts.mean(axis=(1, 3)).ravel()
    return np.asarray(means - means.mean(), np.float32)


def _chains(places: Sequence[Sequence[int]], looks: Sequence[Vector]) -> list[list[int]]:
    """From place to place the images that look most alike, each once; as many as the place with most images has."""
    chains: list[list[int]] = []
    for numbers in places:
        left, ends = list(numbers), list(range(len(chains)))
        if ends:
            near = _unit([looks[chains[end][-1]] for end in ends]) @ _unit([looks[number] for number in left]).T
        while left and ends:
            end, number = divmod(int(near.argmax()), near.shape[1])
            chains[ends.pop(end)].append(left.pop(number))
            near = np.delete(np.delete(near, end, axis=0), number, axis=1)
        chains.extend([number] for number in left)
    return chains


def unit_looks(pictures: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
    """How pictures of one size look (number, patches); the product of two is their correlation."""
    return _unit([_look(picture) for picture in pictures])


def _unit(looks: Sequence[Vector]) -> NDArray[np.float32]:
    found = np.stack(looks)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6), np.float32)


def _whole(pile: Sequence[list[int]], number: int, places: Sequence[object]) -> list[int]:
    """A layer; what is no volume by itself with the first one's slices around it."""
    if len(pile[number]) >= FEWEST:
        return pile[number]
    return list({places[one]: one for one in (*pile[0], *pile[number])}.values())
