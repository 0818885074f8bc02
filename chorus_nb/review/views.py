"""Parts of images as the browser draws them: real values, never more of them than fit on the screen."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from chorus_nb.dicom import codecs
from chorus_nb.guard import one_file

LARGEST = 1024  # pixels of a side sent at once


class Image:
    """A DICOM file opened for looking at. Frames are decoded one at a time."""

    def __init__(self, content: bytes) -> None:
        with one_file("this image cannot be shown"):
            self._dataset = pydicom.dcmread(io.BytesIO(content), force=True)
            self.frames = int(self._dataset.get("NumberOfFrames") or 1)
            self.rows, self.columns = int(self._dataset.Rows), int(self._dataset.Columns)
        self._decoded: tuple[int, NDArray[Any]] | None = None

    def view(self, frame: int, x0: int = 0, y0: int = 0, x1: int = 0, y1: int = 0) -> tuple[dict[str, Any], bytes]:
        """The part of a frame between two corners (0 = to the edge): how to window it, and every ``step``-th pixel.

        Pixels are 16-bit values (grey) or 8-bit RGB.
        """
        with one_file("the pixels of this image cannot be decoded"):
            return self._view(frame, x0, y0, x1, y1)

    def _view(self, frame: int, x0: int, y0: int, x1: int, y1: int) -> tuple[dict[str, Any], bytes]:
        pixels = self._frame(min(max(frame, 0), self.frames - 1))
        x0, y0 = max(0, x0), max(0, y0)
        x1, y1 = min(x1 or self.columns, self.columns), min(y1 or self.rows, self.rows)
        step = max(1, -(-max(x1 - x0, y1 - y0) // LARGEST))
        part = _shrunk(pixels[y0:y1, x0:x1], step)
        low, high = self._window(pixels)
        facts = {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "width": part.shape[1], "height": part.shape[0], "step": step}
        facts |= {"rows": self.rows, "columns": self.columns, "frames": self.frames, "colour": part.ndim == 3}
        facts |= {"low": low, "high": high, "lowest": int(pixels.min()), "highest": int(pixels.max())}
        facts["rate"] = self._rate()
        facts["invert"] = self._dataset.get("PhotometricInterpretation") == "MONOCHROME1"
        kind = np.uint8 if part.ndim == 3 else np.int16
        return facts, np.ascontiguousarray(part, dtype=kind).tobytes()

    def _rate(self) -> float:
        """Frames a second (PS3.3 C.7.6.5: recommended, as acquired, or by the time of one in ms); 10 if unknown."""
        for name in ("RecommendedDisplayFrameRate", "CineRate", "FrameTime"):
            try:
                value = float(self._dataset.get(name))
            except (TypeError, ValueError):
                continue
            if value > 0:
                return min(60.0, max(1.0, 1000 / value if name == "FrameTime" else value))
        return 10.0

    def _frame(self, number: int) -> NDArray[Any]:
        if self._decoded is None or self._decoded[0] != number:
            self._decoded = (number, self._values(number))
        return self._decoded[1]

    def _values(self, number: int) -> NDArray[Any]:
        data = self._dataset
        array, _ = codecs.decoder_of(data).as_array(data, index=number)
        if data.PhotometricInterpretation == "PALETTE COLOR":
            array = apply_color_lut(array, data)
        if array.ndim == 3:
            return (array >> 8 if array.dtype == np.uint16 else array).astype(np.uint8)
        values = np.rint(apply_modality_lut(array, data)).astype(np.int32)
        over = max(0, int(values.max()) - 32767)
        return np.asarray(np.clip(values - over, -32768, 32767), np.int16)

    def _window(self, pixels: NDArray[Any]) -> tuple[int, int]:
        if pixels.ndim == 3:
            return 0, 255
        centre, width = (np.atleast_1d(self._dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
        try:
            middle, half = float(centre[0]), float(width[0]) / 2
            low, high = round(middle - half), round(middle + half)
        except (TypeError, ValueError, IndexError, OverflowError):
            low = high = 0
        if low >= high:  # none, or one that shows nothing
            low, high = (int(end) for end in np.percentile(pixels[::4, ::4], (1, 99)))
        return low, max(high, low + 1)


def _shrunk(part: NDArray[Any], step: int) -> NDArray[Any]:
    """Each block of ``step`` x ``step`` pixels by its mean: thin letters stay visible, as in plain subsampling not."""
    if step == 1:
        return part
    rows, columns = part.shape[0] // step, part.shape[1] // step
    blocks = part[: rows * step, : columns * step].reshape(rows, step, columns, step, -1)
    return np.asarray(blocks.mean(axis=(1, 3)).reshape(rows, columns, *part.shape[2:]), part.dtype)
