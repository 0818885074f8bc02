"""The parts of a series that are looked at each by itself: in other directions, or beside one another."""

from __future__ import annotations

import numpy as np

from chorus_nb.faces.stacks import FEWEST, SliceSeries, in_columns

ONE_WAY = 0.02  # of their axes: slices that lie one way
IN_COMMON = 0.5  # of the height of the lower of two columns: less in common, and one stands above the other


def series_parts(series: SliceSeries) -> list[SliceSeries]:
    """The parts of a series, that of most slices first. Fewer slices than make a volume go with that one."""
    parts = [part for way in _ways(series) for part in _beside_one_another(series, way)]
    first, *others = sorted(parts, key=len, reverse=True)
    whole = [part for part in others if len(part) >= FEWEST]
    few = [number for part in others if len(part) < FEWEST for number in part]
    return [_part(series, sorted(part)) for part in ([*first, *few], *whole)]


def _part(series: SliceSeries, numbers: list[int]) -> SliceSeries:
    if len(numbers) == len(series.slices):
        return series
    slices = [series.slices[number] for number in numbers]
    return series._replace(slices=slices, pictures=[series.pictures[number] for number in numbers])


def _ways(series: SliceSeries) -> list[list[int]]:
    """The numbers of the slices that lie one way."""
    axes = np.array([one.affine[:3, :2] for one in series.slices])
    axes = (axes / np.linalg.norm(axes, axis=1, keepdims=True)).reshape(-1, 6)
    ways, left = list[list[int]](), np.arange(len(axes))
    while len(left):
        alike = np.abs(axes[left] - axes[left[0]]).max(axis=1) <= ONE_WAY
        ways.append(left[alike].tolist())
        left = left[~alike]
    return ways


def _beside_one_another(series: SliceSeries, way: list[int]) -> list[list[int]]:
    """The numbers of slices that lie one way, in layers: within one, columns stand above each other."""
    slices = [series.slices[number] for number in way]
    column, heights = in_columns(slices), np.array([one.height for one in slices])
    layers: list[list[int]] = []
    for _, one in sorted((-int((column == one).sum()), one) for one in range(column.max() + 1)):
        mine = np.flatnonzero(column == one).tolist()
        layer = next((layer for layer in layers if not _stand_beside(heights[layer], heights[mine])), None)
        if layer is None:
            layers.append(layer := [])
        layer.extend(mine)
    return [[way[at] for at in layer] for layer in layers]


def _stand_beside(some: np.ndarray, others: np.ndarray) -> bool:
    common = min(some.max(), others.max()) - max(some.min(), others.min())
    return bool(common > IN_COMMON * min(np.ptp(some), np.ptp(others)))
