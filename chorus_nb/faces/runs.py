"""Which slices of one kind make a stack: they stand above one another, at even distances.

Slices that stand beside one another, as of a head that moved between two time points, would interleave by their heights
alone, and make a volume of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

ASIDE, TILT = 5.0, 0.7  # mm by which a slice may lie aside of the one below it, and for each mm between: gantries tilt
BRIDGED = 16.0  # mm between slices with others missing between them: a head hardly changes on the way
HEADERS_ROUND = 0.1  # mm: headers round, and two images closer than that lie at one place
UNEVEN = 0.35  # of the distance between slices: how far one may stand from its place


def columns(places: NDArray[np.float64], across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.int_]:
    """The number of the column in which each slice stands; ``places``: mm (n, 3), ``across`` and ``down``: its axes."""
    each, of_place = np.unique(np.round(places, 2), axis=0, return_inverse=True)
    heights, beside = each @ np.cross(across, down), each @ np.stack([across, down], axis=1)
    found = np.zeros(len(each), int)
    tops: list[int] = []  # the highest slice so far of each column
    for number in np.argsort(heights, kind="stable").tolist():
        aside = np.hypot(*(beside[tops] - beside[number]).T)
        nearest = int(aside.argmin()) if tops else 0
        if not tops or aside[nearest] > ASIDE + TILT * (heights[number] - heights[tops[nearest]]):
            nearest = len(tops)
            tops.append(number)
        tops[nearest] = number
        found[number] = nearest
    return found[of_place.ravel()]


def levels_of(heights: NDArray[np.float64]) -> NDArray[np.int_]:
    """The number of the place, from below, at which each of some heights (mm) lies."""
    order = np.argsort(heights, kind="stable")
    found, start, number = np.zeros(len(heights), int), -np.inf, -1
    for at in order.tolist():
        if heights[at] - start > HEADERS_ROUND:
            start, number = heights[at], number + 1
        found[at] = number
    return found


def even_runs(column: NDArray[np.int_], heights: Sequence[float], numbers: Sequence[int]) -> Iterator[dict[int, int]]:
    """``numbers`` of slices by their place, from 0, each place once; cut where the distance changes or too many miss.

    ``column`` and ``heights`` are those of each.
    """
    for one in range(int(column.max()) + 1):
        mine = np.flatnonzero(column == one).tolist()
        for run in _even_runs([heights[at] for at in mine]):
            yield {place: numbers[mine[at]] for place, at in run.items()}


def _even_runs(heights: Sequence[float]) -> list[dict[int, int]]:
    seen: set[float] = set()
    ordered = []
    for number in sorted(range(len(heights)), key=lambda number: (round(heights[number], 2), number)):
        height = round(heights[number], 2)
        if height not in seen:
            seen.add(height)
            ordered.append(number)
    runs: list[dict[int, int]] = []
    step = 0.0
    for number in ordered:
        run = runs[-1] if runs else {}
        last = max(run, default=-1)
        apart = heights[number] - heights[run[last]] if run else 0.0
        places = max(1, round(apart / step)) if step else 1
        if len(run) >= 2 and not _goes_on(apart, step, places):
            run = {0: run[last]} if len(run) == 2 else {}
            runs.append(run)
            apart, places = heights[number] - heights[run[0]] if run else 0.0, 1
            last = max(run, default=-1)
        elif not run:
            runs.append(run)
        step = apart / places if run else 0.0
        run[last + places] = number
    return runs


def _goes_on(apart: float, step: float, places: int) -> bool:
    """Whether the next slice belongs to a run: at the same distance, or behind a short gap."""
    return abs(apart - places * step) <= UNEVEN * step and (places == 1 or apart <= BRIDGED)
