"""Bar codes and QR codes in a picture: they hold what identifies a person, and no reader of text reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from chorus_nb.pixels.boxes import Box

SMALL = 1 << 20  # pixels: pictures up to this size are grown twice, so that modules of 2 pixels are seen
EDGE = 4  # pixels around a code that are filled with it
# of bars: grey levels of 256 from one pixel to the next; pixels of a code (a line of small letters is lower); times
# that it changes between dark and light (a code of four digits has as many)
STRONG, WIDTH, HEIGHT, CHANGES = 50, 40, 16, 24
# spread down a bar by that across; share of the columns that are clearly dark or light; widest bar by the usual one.
# Real codes have 0.12, a line of text 0.27; of 388 real images none shows a code by these, 4 boxes of text did at 0.3
EVEN, APART, WIDEST = 0.2, 0.75, 1.7


def codes(picture: NDArray[np.uint8]) -> list[Box]:
    """Where a picture, grey or in colour, shows bar codes, upright or lying, and QR codes."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture, np.uint8)
    lying = (Box(box.y0, box.x0, box.y1, box.x1) for box in _bars(np.ascontiguousarray(grey.T)))
    return [*_squares(grey), *_bars(grey), *lying]


def _squares(grey: NDArray[np.uint8]) -> Iterator[Box]:
    grown = 2 if grey.size <= SMALL else 1
    picture = cv2.resize(grey, None, fx=grown, fy=grown, interpolation=cv2.INTER_CUBIC) if grown > 1 else grey
    found, corners = cv2.QRCodeDetector().detectMulti(picture)
    for square in corners if found and corners is not None else ():
        low, high = np.floor(square.min(axis=0) / grown), np.ceil(square.max(axis=0) / grown)
        if (high > low).all():
            yield Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])).within(*grey.shape)


def _bars(grey: NDArray[np.uint8]) -> Iterator[Box]:
    """Runs of upright edges that go on for twelve rows, closed over the widest bar, and then looked at closely."""
    across = np.abs(cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=1)) > STRONG
    mask: Any = cv2.morphologyEx(across.astype(np.uint8), cv2.MORPH_OPEN, np.ones((HEIGHT - 4, 1), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, 25), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((HEIGHT - 4, WIDTH), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    for left, top, width, height, _ in stats[1:]:
        if _is_code(grey[top : top + height, left : left + width].astype(np.float32)):
            yield Box(int(left), int(top), int(left + width), int(top + height))


def _is_code(part: NDArray[np.float32]) -> bool:
    """Whether the columns of a rectangle are dark or light from top to bottom, in an order without period."""
    rows = len(part)
    inner = part[rows // 5 : rows - rows // 5]
    columns = np.median(inner, axis=0)
    low, high = np.percentile(columns, (10, 90))
    if high - low < 2 * STRONG:
        return False
    light = columns > (low + high) / 2
    places = np.flatnonzero(np.diff(light.astype(int)))
    runs = np.diff(places)
    apart = np.mean(np.abs(columns - (low + high) / 2) > (high - low) / 5)
    even = inner.std(axis=0).mean() < EVEN * columns.std()
    return len(places) >= CHANGES and bool(even and apart >= APART and runs.max() > WIDEST * np.median(runs))
