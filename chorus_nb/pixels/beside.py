"""What filling takes of a picture beside the lines of text themselves, where the picture shows something."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from chorus_nb.pixels.boxes import Box

MOST_BESIDE = 0.02  # share of a picture: more than that of what it shows is filled by a person only
UNSEEN_TO = 8  # grey levels of 256, as a reader sees them: up to here nothing is shown
TOUCHING = np.ones((3, 3), np.uint8)  # what equals all that is around it, exactly, was drawn and not measured


def taken_beside(before: bytes, after: bytes, lines: Sequence[Box]) -> float:
    """The share of a picture that differs in ``after``, is not of ``lines``, and is neither black nor flat; of the
    frame with the most of it, among those that are looked at in any case."""
    source, filled = (dcmread(io.BytesIO(content), force=True) for content in (before, after))
    pairs = zip(_frames(source), _frames(filled), strict=True)
    return max((_share(*pair, source, lines) for pair in pairs), default=0.0)


def _frames(dataset: Dataset) -> Iterator[NDArray[np.generic]]:
    from chorus_nb.dicom import codecs  # the extra `pixels`, which the caller may do without
    from chorus_nb.pixels.renders import frame_numbers

    numbers = frame_numbers(int(dataset.get("NumberOfFrames") or 1))
    for frame, _ in codecs.decoder_of(dataset).iter_array(dataset, indices=numbers, as_rgb=True):
        yield frame


def _share(before: NDArray[np.generic], after: NDArray[np.generic], source: Dataset, lines: Sequence[Box]) -> float:
    from chorus_nb.pixels.renders import as_shown

    changed = before != after
    taken = changed.any(axis=-1) if changed.ndim == 3 else changed
    for line in lines:
        taken[max(0, line.y0) : line.y1, max(0, line.x0) : line.x1] = False
    if not taken.any():
        return 0.0
    seen = as_shown(before, source)
    taken &= (seen.max(axis=-1) if seen.ndim == 3 else seen) > UNSEEN_TO
    values = before.astype(np.float32)
    measured = cv2.dilate(values, TOUCHING) != cv2.erode(values, TOUCHING)
    return float((taken & (measured.any(axis=-1) if measured.ndim == 3 else measured)).mean())
