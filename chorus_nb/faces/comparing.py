"""A series beside the head that was found in another of its frame of reference: is it the same, in the same place?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import LEEWAY, Mask, Matrix
from chorus_nb.faces.stacks import Slice, SliceSeries
from chorus_nb.faces.volume import Grid, head
from chorus_nb.morphology import ball_dilation

SAME, CLOSE = 0.85, 0.93  # overlap of two series' heads in their common field: the same head, in the same place
INSIDE = 0.9  # of what a series shows, inside the head of another
BARE = 0.75  # of the outline of that head: less is a head without its skin, which lies somewhere within
AIRY = 0.3  # spread of the darker pixels beside the head, to that within: more is noise, which has no outline
FEW_POINTS = 500  # pixels of the head a series must show to be compared, of pictures thinned to THINNED a side
THINNED, PLANES = 64, 24


class Comparison(NamedTuple):
    """A series beside the head found in another of its frame of reference, in the field of both."""

    shown: int
    """pixels of the series that show that head; few = it is not about it"""
    overlap: float
    """of both outlines"""
    size: float
    """of the series' own outline, beside the head's"""
    inside: float
    """share of the series' own outline that lies within that head and a margin around it"""
    quiet: bool
    """beside the head there is air: the series has an outline"""

    @property
    def agrees(self) -> bool:
        """The series shows the same skin in the same place."""
        return self.shown > FEW_POINTS and self.overlap >= SAME

    @property
    def silent(self) -> bool:
        """The series has no skin (diffusion, perfusion, phases): its frame of reference says where the head lies."""
        return self.shown > FEW_POINTS and (not self.quiet or (self.inside >= INSIDE and self.size <= BARE))


def beside_head(series: SliceSeries, even: Grid, moved: Matrix) -> Comparison:
    """``even``: the head that was found; ``moved`` takes patient millimetres of the series to its own."""
    both = mine = theirs = within = 0
    shape, near = np.array(even.head.shape[::-1]), _near(even)
    beside, inner = list[NDArray[Any]](), list[NDArray[Any]]()
    planes = slice(None, None, max(1, len(series.slices) // PLANES))
    for piece, picture in zip(series.slices[planes], series.pictures[planes], strict=True):
        thin = (slice(None, None, max(1, piece.rows // THINNED)), slice(None, None, max(1, piece.columns // THINNED)))
        points = _points(piece)[thin] @ moved[:3, :3].T + moved[:3, 3]
        index = np.rint((points - even.origin) / even.step).astype(int)
        held = np.clip(index, 0, shape - 1)
        at = held[..., 2], held[..., 1], held[..., 0]
        known = (index == held).all(axis=-1) & even.field[at]
        other, around = even.head[at] & known, near[at] & known
        values = picture.values[thin]
        own = _outline(values, series.modality) & known
        both, mine, theirs = both + (own & other).sum(), mine + own.sum(), theirs + other.sum()
        within += (own & around).sum()
        beside.append(values[known & ~around])
        inner.append(values[other])
    return Comparison(
        shown=int(theirs),
        overlap=float(2 * both / (mine + theirs)) if theirs else 0.0,
        size=float(mine / theirs) if theirs else 0.0,
        inside=float(within / mine) if mine else 1.0,
        quiet=_spread(beside, 5, 35) <= AIRY * _spread(inner, 25, 75),
    )


def _near(even: Grid) -> Mask:
    """The head in its grid, with ``LEEWAY``."""
    return ball_dilation(even.head, round(LEEWAY / even.step))


def _points(piece: Slice) -> NDArray[np.float64]:
    """Patient millimetres (rows, columns, 3) of the pixels."""
    across = np.arange(piece.columns)[None, :, None] * piece.affine[:3, 0]
    down = np.arange(piece.rows)[:, None, None] * piece.affine[:3, 1]
    return np.asarray(across + down + piece.affine[:3, 3])


def _spread(parts: Sequence[NDArray[Any]], low: float, high: float) -> float:
    """Between two percentiles; 0 of nothing."""
    values = np.concatenate([*parts, []])
    return float(np.subtract(*np.percentile(values, (high, low)))) if len(values) else 0.0


def _outline(values: NDArray[np.float32], modality: str) -> Mask:
    plane = np.ascontiguousarray(values)[None]
    if plane.std() == 0:
        return np.zeros(values.shape, bool)
    return np.asarray(head(plane, np.ones(plane.shape, bool), modality, 3.0)[0])
