"""Several slices at one place, as of time points, echoes or phases: sets of one for each place, each looked at.

A head may follow noise or lie between, and a face may stand in one of many pictures of a head. The verifier's own way;
shares nothing with 03's (faces/layers.py).
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.verify.bodies import PlacedSlice, Slices
from chorus_nb.verify.outlines import WEAKER, thresholds

LIE_ALIKE = 0.3  # mm: slices that close lie at one place
LUMP = 15  # squares of four blocks of about 4 mm that stand out by more than one: a nose is more, noise has none
MUCH_ALIKE = 0.9  # of the outlines: what fills its whole field has no outline that others stand out of


def distinct_sets(slices: Slices) -> list[Slices]:
    """The slices as they are where each place has one; else sets of one for each place, but those whose outline
    another has."""
    if not slices.repeat:
        return [slices]
    found: list[tuple[list[PlacedSlice], _Outline]] = []
    for one in _sets(slices.every):
        outline = _Outline.of(one)
        if not any(outline.is_that_of(other) for _, other in found):
            found.append((one, outline))
    return [Slices(one) for one, _ in found]


def _sets(slices: Sequence[PlacedSlice]) -> Iterator[list[PlacedSlice]]:
    """From place to place the slices that differ least belong together, whatever order their files lie in."""
    groups: dict[object, list[PlacedSlice]] = collections.defaultdict(list)
    for one in slices:
        groups[one.plane.shape, *(np.round([*one.ways, *one.apart], 2) + 0.0)].append(one)
    piles = [_chains(_by_place(group)) for group in groups.values()]
    for number in range(max(map(len, piles))):
        yield [one for pile in piles for one in pile[min(number, len(pile) - 1)]]


def _by_place(group: Sequence[PlacedSlice]) -> list[list[PlacedSlice]]:
    """From below; slices that lie alike."""
    normal = np.cross(group[0].ways[:3], group[0].ways[3:])
    corners = np.array([one.corner for one in group])
    found: list[list[PlacedSlice]] = []
    for number in np.lexsort([*corners.T, np.round(corners @ normal, 1)]):
        one = group[int(number)]
        near = (place for place in found[-1:-9:-1] if np.abs(place[0].corner - one.corner).max() <= LIE_ALIKE)
        place = next(near, None)
        if place is None:
            found.append(place := [])
        place.append(one)
    return found


def _chains(places: Sequence[Sequence[PlacedSlice]]) -> list[list[PlacedSlice]]:
    chains: list[list[PlacedSlice]] = [[one] for one in places[0]]
    for here in places[1:]:
        if len(here) == len(chains) == 1:
            chains[0] += here
            continue
        ends = np.array([chain[-1].plane.ravel() for chain in chains])
        planes = np.array([one.plane.ravel() for one in here])
        apart = (ends**2).sum(axis=1)[:, None] + (planes**2).sum(axis=1) - 2 * ends @ planes.T
        left = set(range(len(here)))
        for _ in range(min(apart.shape)):
            chain, number = divmod(int(apart.argmin()), len(here))
            chains[chain].append(here[number])
            apart[chain], apart[:, number] = np.inf, np.inf
            left.discard(number)
        chains += [[here[number]] for number in sorted(left)]
    return chains


class _Outline(NamedTuple):
    """Where a set shows more than air, and the same a block wider; by where its slices lie."""

    strong: dict[tuple[float, object], NDArray[np.bool_]]
    wide: dict[tuple[float, object], NDArray[np.bool_]]

    @classmethod
    def of(cls, slices: Sequence[PlacedSlice]) -> _Outline:
        strong: dict[tuple[float, object], NDArray[np.bool_]] = {}
        values = np.concatenate([one.plane.ravel() for one in slices])[None]
        for weaker, least in zip(WEAKER, thresholds(values, slices[0].is_ct, WEAKER), strict=True):
            for one in slices:
                place = one.plane.shape, *np.rint([*one.corner, *one.ways * 10]).tolist()
                strong[weaker, place] = one.plane > least
        return cls(strong, {place: _wider(mask) for place, mask in strong.items()})

    def is_that_of(self, other: _Outline) -> bool:
        if not self.strong.keys() <= other.strong.keys():
            return False
        pairs = [(mask, other.strong[place]) for place, mask in self.strong.items() if place[0] == WEAKER[0]]
        both = sum(int((mine & theirs).sum()) for mine, theirs in pairs)
        whole = sum(int(mine.sum() + theirs.sum()) for mine, theirs in pairs)
        beyond = sum(_squares(mask & ~other.wide[place]) for place, mask in self.strong.items())
        return beyond < LUMP and 2 * both >= MUCH_ALIKE * whole


def _wider(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    around = np.pad(mask, 1)
    parts = [
        around[1 + a : around.shape[0] - 1 + a, 1 + b : around.shape[1] - 1 + b] for a in (-1, 0, 1) for b in (-1, 0, 1)
    ]
    return np.asarray(np.logical_or.reduce(parts))


def _squares(mask: NDArray[np.bool_]) -> int:
    pairs = mask[1:] & mask[:-1]
    return int((pairs[:, 1:] & pairs[:, :-1]).sum())
