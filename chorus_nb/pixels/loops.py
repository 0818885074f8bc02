"""Text that comes and goes in a loop: every frame is compared with those that were looked at, for strokes that none of
them has. What is looked at is then only where they are, which costs little.

Strokes are thin and brighter or darker than what is around them (top hats at two scales); letters make many of them
side by side. On an 87-frame heart loop without text the most in any frame were 26 edges of strokes within a window of a
word, three letters 32, a name 70; what moves and is taken for letters costs a look, no more.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from chorus_nb.pixels.boxes import Box

Plane = NDArray[np.uint8]
LONGEST = 1280  # pixels: frames are compared no larger
STROKE = np.ones((9, 9), np.uint8)  # wider than the strokes of a letter, at full and at half size
JITTER = np.ones((3, 3), np.uint8)  # a stroke may move by a pixel and be the same
STANDS_OUT = 20  # grey levels of 255 by which a stroke must stand out beyond what was seen there
WORD = (32, 12)  # pixels: columns and rows of the window in which edges of strokes are counted
EDGES = 16  # edges in such a window that may be letters
REMEMBERED = 3  # frames looked at with each of which a frame is compared
MARGIN = 24  # pixels around what is new: the rest of its line
CLIPPED, NARROWER = 0.25, 0.5  # of a range of values: what may be cut off, and the least that a frame must fill of it
EVERY_SO_MANY = 2  # every so many rows and columns tell the range of a frame


class _Strokes(NamedTuple):
    maps: tuple[Plane, ...]  # bright and dark strokes at full size, and at half
    scale: float  # of the first of them to the frame
    seen: deque[tuple[Plane, ...]]  # strokes of the frames looked at that have the same range of values


class Loop:
    """The frames of one loop, in their order; :meth:`unseen` of each, and :meth:`looked` after it was looked at."""

    def __init__(self) -> None:
        self._seen: dict[tuple[float, float], deque[tuple[Plane, ...]]] = {}
        self._now: _Strokes | None = None

    def unseen(self, frame: NDArray[np.generic]) -> Box | None:
        """Where ``frame`` may show letters that no frame looked at shows, None if nowhere."""
        self._now = now = self._strokes(frame)
        found = [_new(now, seen) for seen in now.seen]
        if not found:
            rows, columns = frame.shape[:2]
            return Box(0, 0, columns, rows)
        return None if None in found else min((box for box in found if box), key=lambda box: box.area)

    def looked(self) -> None:
        """The frame last asked about was looked at."""
        assert self._now
        self._now.seen.append(tuple(np.asarray(cv2.dilate(plane, JITTER), np.uint8) for plane in self._now.maps))

    def _strokes(self, frame: NDArray[np.generic]) -> _Strokes:
        (grey, values), scale = self._grey(frame), 1.0
        if max(grey.shape) > LONGEST:
            scale = LONGEST / max(grey.shape)
            grey = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) if min(grey.shape) > 1 else grey
        hats = cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT
        maps = (cv2.morphologyEx(plane, hat, STROKE) for plane in (grey, half) for hat in hats)
        seen = self._seen.setdefault(values, deque(maxlen=REMEMBERED))
        return _Strokes(tuple(np.asarray(plane, np.uint8) for plane in maps), scale, seen)

    def _grey(self, frame: NDArray[np.generic]) -> tuple[Plane, tuple[float, float]]:
        """Lightness in 8 bits, and the values that are its ends: equal values of two frames of one range stay equal."""
        if frame.ndim == 3:
            exact = frame.dtype in (np.uint8, np.uint16)  # others cv2 does not know
            colours = [np.ascontiguousarray(frame[..., place]) for place in range(3)]
            red, green, blue = colours if exact else (colour.astype(np.float32) for colour in colours)
            darkest, brightest = (mix(mix(red, green), blue) for mix in (cv2.min, cv2.max))
            frame = np.asarray(cv2.addWeighted(darkest, 0.5, brightest, 0.5, 0))
        if frame.dtype == np.uint8:
            return np.asarray(frame, np.uint8), (0, 255)
        values = frame.astype(np.float32)
        low, high = self._range(values[::EVERY_SO_MANY, ::EVERY_SO_MANY])
        return np.asarray(np.clip((values - low) * (255 / (high - low)), 0, 255), np.uint8), (low, high)

    def _range(self, values: NDArray[np.float32]) -> tuple[float, float]:
        """Of the ranges of earlier frames the first that shows this one, too; else its own, as after a blank frame."""
        low, high = (float(value) for value in np.percentile(values, (0.5, 99.9)))
        high = max(high, low + 1)
        for least, most in self._seen:
            cut = CLIPPED * (most - least)
            if least - cut <= low and high <= most + cut and high - low >= NARROWER * (most - least):
                return least, most
        return low, high


def _new(now: _Strokes, seen: tuple[Plane, ...]) -> Box | None:
    """The box around all windows in which strokes are that ``seen`` has not, in pixels of the frame."""
    boxes = []
    for plane, before, reduced in zip(now.maps, seen, (1.0, 1.0, 0.5, 0.5), strict=True):
        new = cv2.threshold(cv2.subtract(plane, before), STANDS_OUT, 1, cv2.THRESH_BINARY)[1]
        edges = new.copy()
        edges[:, 1:] = cv2.subtract(new[:, 1:], new[:, :-1])  # where strokes begin
        counts = cv2.boxFilter(edges, -1, WORD, normalize=False, borderType=cv2.BORDER_CONSTANT)
        rows, columns = np.nonzero(counts > EDGES)
        if len(rows):
            grown = 1 / (now.scale * reduced)
            pad_x, pad_y = (WORD[0] // 2 + MARGIN) * grown, (WORD[1] // 2 + MARGIN) * grown
            low_x, high_x, low_y, high_y = (float(f(a) * grown) for a in (columns, rows) for f in (np.min, np.max))
            boxes.append((low_x - pad_x, low_y - pad_y, high_x + pad_x, high_y + pad_y))
    if not boxes:
        return None
    x0, y0 = (min(box[side] for box in boxes) for side in (0, 1))
    x1, y1 = (max(box[side] for box in boxes) for side in (2, 3))
    return Box(round(x0), round(y0), round(x1), round(y1))
