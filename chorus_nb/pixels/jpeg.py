"""Filling boxes in 8-bit JPEG Baseline among its DCT coefficients: what lies outside stays bit-identical.

The approach of Clunie and Gebow, J. Med. Imaging 2:016501 (2015): whole blocks of coefficients are replaced, nothing
is quantised a second time, and the file does not grow as it would when it were decompressed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import jpeglib
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames

from chorus_nb.pixels.boxes import Box

RIM = 2  # pixels around a box that may change where chroma is shared by neighbours and smoothed by the decoder


def fill_jpeg(dataset: Dataset, boxes: Sequence[Box]) -> bool:
    """Fill ``boxes`` in place; False, and nothing changed, when the stream is not one that can be filled this way."""
    white = dataset.PhotometricInterpretation == "MONOCHROME1"
    if not white and dataset.PhotometricInterpretation not in ("MONOCHROME2", "YBR_FULL", "YBR_FULL_422"):
        return False  # a rewritten RGB stream is taken for YCbCr by decoders that go by its markers
    filled = []
    for frame in generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)):
        new = _fill_frame(frame, boxes, white)
        if new is None:
            return False
        filled.append(new)
    dataset.PixelData = encapsulate(filled)
    return True


def _fill_frame(frame: bytes, boxes: Sequence[Box], white: bool) -> bytes | None:
    with tempfile.TemporaryDirectory() as folder:  # jpeglib reads and writes files only
        path = Path(folder, "frame.jpg")
        path.write_bytes(frame)
        image = jpeglib.read_dct(str(path))
        if image.progressive_mode:
            return None
        components = [part for part in (image.Y, image.Cb, image.Cr) if part is not None]
        factors = [(int(v), int(h)) for v, h in image.samp_factor[: len(components)]]
        unit_rows, unit_columns = (8 * max(factor) for factor in zip(*factors, strict=True))
        units = [
            Box(box.x0 // unit_columns, box.y0 // unit_rows, -(-box.x1 // unit_columns), -(-box.y1 // unit_rows))
            for box in boxes
        ]
        for number, (part, (down, across)) in enumerate(zip(components, factors, strict=True)):
            level = 0 if number else round((1016 if white else -1024) / image.get_component_qt(number)[0, 0])
            for unit in units:
                block = part[unit.y0 * down : unit.y1 * down, unit.x0 * across : unit.x1 * across]
                block[...] = 0
                block[..., 0, 0] = level
        image.write_dct(str(path))
        new = path.read_bytes()
    kept = np.ones(imagecodecs.jpeg8_decode(frame).shape[:2], bool)
    rim = RIM if len(set(factors)) > 1 else 0
    for unit in units:
        kept[
            max(0, unit.y0 * unit_rows - rim) : unit.y1 * unit_rows + rim,
            max(0, unit.x0 * unit_columns - rim) : unit.x1 * unit_columns + rim,
        ] = False
    return new if _same_blocks(frame, new, kept) else None


def _same_blocks(before: bytes, after: bytes, where: NDArray[np.bool_]) -> bool:
    return np.array_equal(imagecodecs.jpeg8_decode(before)[where], imagecodecs.jpeg8_decode(after)[where])
