"""What a console draws that is no writing: the marks of rulers, callipers with the dots between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from chorus_nb.pixels.boxes import Box

INKED = 8  # levels of 256 from what is around: from then on something is drawn; the faintest text that is seen has 15
# Pixels around a mark in which what is less than this share of it is its shade, or what JPEG left of its edge
SHADED, SHADE = 2, 0.4
SPECK = 3  # pixels: what is no longer has no form
# Share of its hull that a mark fills. No two letters joined fill it: they leave corners, or differ within
FILLS_HULL = 0.85
CROSSED = 1.25  # a cross is as wide as high, and its own mirror image both ways, in this share
MIRRORED = 0.9
FREE_AROUND = 1.0  # times the longer side of a mark that is free around it: letters of one word stand closer
IN_ROW = 5  # marks in one row, at equal distances: fewer may be letters
OFF_ROW = 1.5  # pixels from the row, or from their distance, or that share of it
OFF_SHARE = 0.15


class _Piece(NamedTuple):
    box: Box
    simple: bool


def are_marks(picture: NDArray[np.uint8], place: Box) -> bool:
    """Whether all that is drawn in a place that was outlined are marks: solid or crossed pieces, of which each is alone
    or all stand in a row at equal distances. A piece is no more than one letter, and so tells nothing.

    Nothing else may be there, however faint: of what lies in tissue nothing is known.
    """
    around = place.grown(round(FREE_AROUND * _longer(place))).within(*picture.shape[:2])
    part = picture[around.y0 : around.y1, around.x0 : around.x1].reshape(
        around.y1 - around.y0, around.x1 - around.x0, -1
    )
    inner = Box(place.x0 - around.x0, place.y0 - around.y0, place.x1 - around.x0, place.y1 - around.y0)
    inner = inner.within(*part.shape[:2])
    within = slice(inner.y0, inner.y1), slice(inner.x0, inner.x1)
    ground = np.median(part[within].reshape(-1, part.shape[2]), axis=0)
    away = np.abs(part.astype(np.float32) - ground.astype(np.float32)).max(axis=2)
    bright = away >= max(INKED, SHADE * away[within].max(initial=0))
    shaded = cv2.dilate(bright.astype(np.uint8), np.ones((2 * SHADED + 1,) * 2, np.uint8)).astype(bool)
    faint = (away >= INKED) & ~shaded
    pieces = _pieces(part, bright | faint, inner)
    here = [piece for piece in pieces if piece.box.common(inner).area]
    if not all(piece.simple for piece in here) or all(_longer(piece.box) <= SPECK for piece in here):
        return False
    return _in_a_row(here) or all(_is_alone(piece, pieces) for piece in here)


def _pieces(part: NDArray[np.uint8], drawn: NDArray[np.bool_], inner: Box) -> list[_Piece]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(drawn.astype(np.uint8), connectivity=8)
    pieces = []
    for label in range(1, count):
        x, y, wide, high = (int(value) for value in stats[label][:4])
        box, window = Box(x, y, x + wide, y + high), (slice(y, y + high), slice(x, x + wide))
        asked = box.common(inner).area > 0
        pieces.append(_Piece(box, asked and _is_simple(labels[window] == label, part[window])))
    return pieces


def _is_simple(ink: NDArray[np.bool_], values: NDArray[np.uint8]) -> bool:
    """Whether a piece is a bar, a dot, an arrowhead or a cross, of one colour within and without a hole."""
    if max(ink.shape) <= SPECK:
        return True
    mask = ink.astype(np.uint8)
    inside = cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=0).astype(bool)
    if inside.any() and np.ptp(values[inside].astype(int), axis=0).max() >= INKED:
        return False  # letters on a bar, or small ones that flow into each other
    if cv2.connectedComponents(np.pad(1 - mask, 1, constant_values=1), connectivity=4)[0] > 2:
        return False
    hull: Any = cv2.convexHull(cv2.findNonZero(mask))
    if ink.sum() >= FILLS_HULL * cv2.fillConvexPoly(np.zeros_like(mask), hull, 1).sum():
        return True
    short, long = sorted(ink.shape)
    both = (ink[::-1], ink[:, ::-1])
    return long <= CROSSED * short and all((ink & other).sum() >= MIRRORED * ink.sum() for other in both)


def _is_alone(piece: _Piece, pieces: Sequence[_Piece]) -> bool:
    free = FREE_AROUND * _longer(piece.box)
    return all(other is piece or _gap(piece.box, other.box) >= free for other in pieces)


def _longer(box: Box) -> int:
    return max(box.x1 - box.x0, box.y1 - box.y0)


def _gap(one: Box, other: Box) -> int:
    """Pixels between two boxes, along rows or columns, whichever is more."""
    across = max(one.x0, other.x0) - min(one.x1, other.x1)
    return max(across, max(one.y0, other.y0) - min(one.y1, other.y1))


def _in_a_row(pieces: Sequence[_Piece]) -> bool:
    """Whether pieces stand in one straight row at equal distances, by their middles or by one of their ends; the first
    and the last, which may be of another kind, are asked for no distance."""
    if len(pieces) < IN_ROW:
        return False
    boxes = np.array([piece.box for piece in pieces], float)
    low, high = boxes[:, :2], boxes[:, 2:]
    middle = (low + high) / 2
    ends = [np.column_stack([one[:, 0], middle[:, 1]]) for one in (low, high)]
    ends += [np.column_stack([middle[:, 0], one[:, 1]]) for one in (low, high)]
    return any(_is_even(points) for points in (middle, *ends))


def _is_even(points: NDArray[np.float64]) -> bool:
    centred = points - points.mean(axis=0)
    along, beside = np.linalg.svd(centred, full_matrices=False)[2]
    steps = np.diff(np.sort(centred @ along))[1:-1]
    usual = float(np.median(steps))
    even = np.abs(steps - usual) <= max(OFF_ROW, OFF_SHARE * usual)
    return bool(np.abs(centred @ beside).max() <= OFF_ROW and even.all())
