"""Small letters in large pictures: where they may stand, so that only there is looked closely."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from chorus_nb.pixels.boxes import Box

GROWN_BELOW = 680  # pixels of the shorter side: smaller pictures are grown as a whole
SQUARE = 32  # pixels
INK_OF_TWO = 40  # of the 1,024 pixels of a square: as many as the strokes of two small letters
# times the usual detail of squares around it, and grey levels of 256. Of ten radiographs and mammograms with letters
# of 6 to 12 pixels the letters had 9 and more, 999 of 1,000 other squares up to 3.5; others of 6 to 8 pixels had 3.9 to
# 5.3. What stands out by less than the second is letters only where it is no edge, which is two pixels wide: of letters
# it is 4 and more, either way
STANDS_OUT, SURELY, LEAST_DETAIL = 3.8, 5.0, 5.0
EDGE_WIDTH = 3  # pixels
# A round shutter or the frame of a collimator is one piece as large as the picture, with whatever line stands at it. Of
# such a piece squares are left in which ink and what is between follow each other as often in two rows or columns: of
# 857 squares of two round shutters three in a hundred have 1, of 43 of letters of 6 to 12 pixels nine in ten 2 and more
TURNS = 2
SQUARES_AROUND = 15  # a column of lines is no more than half of them
AIR = 16  # pixels around them
WIDEST_PART = 800  # pixels of a part: it is grown threefold, and no picture is read that is longer than 2,560
MOST_PIXELS = 500_000  # pixels in all: what stands out most comes first


def small_letters(shown: NDArray[np.floating[Any]]) -> list[Box]:
    """Where a large grey picture, mostly 0 to 255, has detail unlike what is around it; :data:`MOST_PIXELS` at most."""
    if min(shown.shape) < GROWN_BELOW:
        return []
    rows, columns = (-(-side // SQUARE) for side in shown.shape)
    fine = np.zeros((rows * SQUARE, columns * SQUARE), np.float32)
    fine[: shown.shape[0], : shown.shape[1]] = shown - cv2.GaussianBlur(shown, (0, 0), 2)
    blocks = np.abs(fine).reshape(rows, SQUARE, columns, SQUARE).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    strokes = np.partition(blocks, -INK_OF_TWO, axis=2)[:, :, -INK_OF_TWO].astype(np.float32)
    quarters = np.minimum(255, 4 * strokes).astype(np.uint8)  # what OpenCV has medians of so many blocks for
    told = strokes / (cv2.medianBlur(quarters, SQUARES_AROUND) / 4 + 1)
    mask = ((told > STANDS_OUT) & (strokes > LEAST_DETAIL)).astype(np.uint8)
    for row, column in np.argwhere((mask > 0) & (told <= SURELY)):
        ink = (blocks[row, column] >= strokes[row, column]).reshape(SQUARE, SQUARE)
        mask[row, column] = min(ink.any(axis=axis).sum() for axis in (0, 1)) > EDGE_WIDTH
    count, labels, stats = _pieces(mask)
    for label in 1 + np.flatnonzero(stats[1:, 2] * stats[1:, 3] * SQUARE**2 > MOST_PIXELS):
        for row, column in np.argwhere((mask > 0) & (labels == label)):
            y, x = row * SQUARE, column * SQUARE
            mask[row, column] = _turns(fine[y : y + SQUARE, x : x + SQUARE], strokes[row, column] / 2) >= TURNS
    count, labels, stats = _pieces(mask)
    strongest = [(float(told[labels == label].max()), stats[label]) for label in range(1, count)]
    found, area = list[Box](), 0
    for _, place in sorted(strongest, key=lambda one: -one[0]):
        left, top, width, height = (int(value) for value in place[:4])
        box = Box(left * SQUARE, top * SQUARE, (left + width) * SQUARE, (top + height) * SQUARE).grown(AIR)
        box = box.within(*shown.shape)
        if area + box.area <= MOST_PIXELS:
            found += _narrow(box)
            area += box.area
    return found


def _pieces(mask: NDArray[np.uint8]) -> tuple[int, Any, Any]:
    """How many pieces the squares make, of which piece each is, and where these lie; 0 is what is none."""
    joined: Any = cv2.dilate(mask, np.ones((1, 3), np.uint8))  # letters of a line stand beside each other
    return cv2.connectedComponentsWithStats(joined, connectivity=8)[:3]


def _turns(detail: NDArray[np.float32], least: float) -> int:
    """How often detail of at least so much turns from bright to dark in two of its rows, or of its columns."""
    sign = np.where(np.abs(detail) >= least, np.sign(detail), 0)
    along = [(sign[:, 1:] * sign[:, :-1] < 0).sum(axis=1), (sign[1:] * sign[:-1] < 0).sum(axis=0)]
    return max(int(np.sort(counts)[-2]) for counts in along)


def _narrow(box: Box) -> list[Box]:
    """A wide part as some of :data:`WIDEST_PART`, of which two have a quarter in common."""
    if box.x1 - box.x0 <= WIDEST_PART:
        return [box]
    starts = range(box.x0, box.x1 - WIDEST_PART // 4, WIDEST_PART - WIDEST_PART // 4)
    return [box._replace(x0=start, x1=min(box.x1, start + WIDEST_PART)) for start in starts]
