"""What a surface coil shows of a body: its fading with depth, taken back as far as it stands out of the noise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.volume import Grid

FADING = 80.0  # mm in which signal falls to a third at most: of what fades less the outline is seen
STRAIGHT = 0.95  # correlation of its logarithm with depth
BRIGHTEST, QUIETEST = 97, 20  # percentiles: what is bright in a plane; of the field: noise
HEARD, DEEP_ENOUGH = 5.0, 5  # times the noise: deeper down nothing is known; planes


def evened(even: Grid) -> Iterator[Grid]:
    """As a coil would show it that hears all of it alike, for each way in which the signal fades; most often none."""
    noise = max(float(np.percentile(even.values[even.field], QUIETEST)), 1.0)
    for axis, way in product(range(3), (1, -1)):
        bright = _brightness(even, axis)
        top = int(bright.argmax())
        faint = np.flatnonzero(bright[top::way] < HEARD * noise)
        heard = bright[top::way][: faint[0] if len(faint) else None]
        if len(heard) < DEEP_ENOUGH:
            continue
        depth, signal = np.arange(len(heard)) * even.step, np.log(heard)
        slope = float(np.polyfit(depth, signal, 1)[0])
        if slope * FADING <= -1 and np.corrcoef(depth, -signal)[0, 1] >= STRAIGHT:
            yield _taken_back(even, axis, (np.arange(len(bright)) - top) * way, -slope * even.step, len(heard))


def _brightness(even: Grid, axis: int) -> NDArray[np.float64]:
    """Of each plane across an axis."""
    planes = zip(np.moveaxis(even.values, axis, 0), np.moveaxis(even.field, axis, 0), strict=True)
    return np.array([np.percentile(values[field], BRIGHTEST) if field.any() else 0.0 for values, field in planes])


def _taken_back(even: Grid, axis: int, depth: NDArray[np.int_], fading: float, heard: int) -> Grid:
    """``depth`` of the planes, in planes; ``fading`` from each to the next; ``heard``: so many."""
    shape = [-1 if one == axis else 1 for one in range(3)]
    field = even.field & (depth < heard).reshape(shape)
    gain = np.exp(fading * np.clip(depth, 0, heard)).reshape(shape)
    return even._replace(values=np.where(field, even.values * gain, 0).astype(np.float32), field=field)
