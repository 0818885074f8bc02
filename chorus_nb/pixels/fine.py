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
    fine[: shown.shape[0], : shown.shape[1]] = cv2.absdiff(shown, cv2.GaussianBlur(shown, (0, 0), 2))
    blocks = fine.reshape(rows, SQUARE, columns, SQUARE).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    strokes = np.partition(blocks, -INK_OF_TWO, axis=2)[:, :, -INK_OF_TWO].astype(np.float32)
    quarters = np.minimum(255, 4 * strokes).astype(np.uint8)  # what OpenCV has medians of so many blocks for
    told = strokes / (cv2.medianBlur(quarters, SQUARES_AROUND) / 4 + 1)
    mask = ((told > STANDS_OUT) & (strokes > LEAST_DETAIL)).astype(np.uint8)
    for row, column in np.argwhere((mask > 0) & (told <= SURELY)):
        ink = (blocks[row, column] >= strokes[row, column]).reshape(SQUARE, SQUARE)
        mask[row, column] = min(ink.any(axis=axis).sum() for axis in (0, 1)) > EDGE_WIDTH
    joined: Any = cv2.dilate(mask, np.ones((1, 3), np.uint8))  # letters of a line stand beside each other
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
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


def _narrow(box: Box) -> list[Box]:
    """A wide part as some of :data:`WIDEST_PART`, of which two have a quarter in common."""
    if box.x1 - box.x0 <= WIDEST_PART:
        return [box]
    starts = range(box.x0, box.x1 - WIDEST_PART // 4, WIDEST_PART - WIDEST_PART // 4)
    return [box._replace(x0=start, x1=min(box.x1, start + WIDEST_PART)) for start in starts]
