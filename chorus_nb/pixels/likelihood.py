"""How likely each pixel of a picture belongs to a line of text, by the model that finds lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from chorus_nb.pixels.boxes import Box

TILE, OVERLAP = 1408, 128  # pixels that are looked at in one pass, and those that two have in common
# What the model says of a place depends on all that it is shown: it weighs by means over the whole. Where parts of this
# size (pixels; two have so many in common) are looked at alone it finds lines that the rest hides, and more of anatomy:
# 14 boxes in 93 grey pictures without text, so it is not asked where no line is. Of a part that holds a line which was
# missed the model notices at least so much in the whole
PART, SHARED, FAINTLY = 256, 64, 0.005
FLAT = 4 * 2 / 255  # a block whose values are no further apart than four levels of 256 holds nothing


class Finder:
    """The model that finds lines, in a thread of its own, where what is smaller than the smallest normal number is 0.

    Two thirds of its time went where such numbers are multiplied, which takes a processor a hundred times as long, and
    without them it answers the same to the bit. What else this process does keeps them: a value in a header may be one.
    """

    def __init__(self, path: str) -> None:
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self.thread = ThreadPoolExecutor(1, "finds lines")
        self._model = self.thread.submit(InferenceSession, path, options, providers=["CPUExecutionProvider"]).result()
        self._name = self._model.get_inputs()[0].name

    def __call__(self, blob: Any) -> Any:
        return self.thread.submit(self._model.run, None, {self._name: blob}).result()[0]


def map_of_text(finder: Callable[[Any], Any], picture: Any, alone: bool = False) -> Any:
    """How likely each pixel belongs to a line; sides are those of the picture to the next multiple of 32.

    Made of tiles, for the memory of one picture is that of its largest part, or of parts that are each looked at
    ``alone``; where nothing is there is no text.
    """
    blob = _blob(picture)
    size, overlap = (PART, SHARED) if alone else (TILE, OVERLAP)
    likely = np.zeros((1, 1, *blob.shape[2:]), np.float32)
    top, bottom, left, right = _busy(blob[0])
    for down in _spans(top, bottom, size, overlap):
        for across in _spans(left, right, size, overlap):
            part = np.ascontiguousarray(blob[:, :, down, across])
            place = likely[:, :, down, across]
            np.maximum(place, finder(part), out=place)
    return likely


def _blob(picture: Any) -> Any:
    """A picture as the model wants it."""
    rows, columns = (max(32, 32 * round(side / 32)) for side in picture.shape[:2])
    return cv2.dnn.blobFromImage(picture, 2 / 255, (columns, rows), (127.5, 127.5, 127.5))


def _busy(blob: Any) -> tuple[int, int, int, int]:
    """First and last rows and columns of the blocks of 32 pixels that hold anything, and of those beside them."""
    colours, rows, columns = blob.shape
    blocks = blob.reshape(colours, rows // 32, 32, columns // 32, 32)
    busy = (np.ptp(blocks, axis=(2, 4)) > FLAT).any(axis=0)
    ends = []
    for axis in (1, 0):
        places = np.flatnonzero(busy.any(axis=axis))
        low, high = (places[0], places[-1] + 1) if len(places) else (0, 0)
        ends += [32 * max(0, low - 1), 32 * min(busy.shape[1 - axis], high + 1)] if high else [0, 0]
    return ends[0], ends[1], ends[2], ends[3]


def _spans(start: int, stop: int, most: int, overlap: int) -> list[slice]:
    """From ``start`` to ``stop`` in as few steps of at most so many pixels as there have to be, with an overlap."""
    length = stop - start
    if length <= 0:
        return []
    count = 1 if length <= most else -(-(length - overlap) // (most - overlap))
    size = 32 * -(-(length + (count - 1) * overlap) // (32 * count))
    firsts = [start + 32 * round(number * (length - size) / (32 * max(1, count - 1))) for number in range(count)]
    return [slice(first, min(stop, first + size)) for first in firsts]


def map_of_parts(finder: Callable[[Any], Any], picture: Any, likely: Any, done: Sequence[Box], most: int) -> Any:
    """The same in so many parts that are looked at alone: those in which most is noticed beside what is ``done``."""
    blob, (rows, columns) = _blob(picture), likely.shape[2:]
    left, alone = likely[0, 0].copy(), np.zeros_like(likely)
    for box in (box.padded().within(*picture.shape[:2]) for box in done):
        x0, x1 = (round(x * columns / picture.shape[1]) for x in (box.x0, box.x1))
        y0, y1 = (round(y * rows / picture.shape[0]) for y in (box.y0, box.y1))
        left[y0:y1, x0:x1] = 0
    for _ in range(most):
        y, x = np.unravel_index(int(left.argmax()), left.shape)
        if left[y, x] < FAINTLY:
            break
        down, across = _around(int(y), rows), _around(int(x), columns)
        found = finder(np.ascontiguousarray(blob[:, :, down, across]))
        np.maximum(alone[:, :, down, across], found, out=alone[:, :, down, across])
        left[max(0, y - PART // 4) : y + PART // 4, max(0, x - PART // 3) : x + PART // 3] = 0
    return alone


def _around(place: int, side: int) -> slice:
    """A part around a place, within a side of so many pixels."""
    first = 32 * round(min(max(0, place - PART // 2), max(0, side - PART)) / 32)
    return slice(first, min(side, first + PART))
