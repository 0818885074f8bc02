"""Two decoders on one image: what GDCM makes of a released file, and whether both agree."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

PATIENCE = 120.0  # seconds before a reader that hangs is ended
LOSSY_MEAN, LOSSY_SHARE = 1.0, 0.01  # lossy JPEG: decoders may round apart, on average and in this share by more than 8


class SecondReader:
    """A child process that reads with GDCM; started anew when a file killed it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    @staticmethod
    def available() -> bool:
        return importlib.util.find_spec("SimpleITK") is not None

    def pixels(self, path: Path) -> np.ndarray | None:
        """The decoded, rescaled pixels; None if GDCM cannot (or died of it)."""
        answer, content = self._ask("pixels", path)
        if "shape" not in answer:
            return None
        return np.frombuffer(content, answer["type"]).reshape(answer["shape"])

    def series(self, folder: Path) -> list[int]:
        """Files in each series GDCM assembles from ``folder``."""
        answer, _ = self._ask("series", folder)
        return list(answer.get("files", []))

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _ask(self, verb: str, path: Path) -> tuple[dict[str, Any], bytes]:
        if self._child is None or self._child.poll() is not None:
            script = Path(__file__).with_name("second_reader.py")
            self._child = subprocess.Popen(
                [sys.executable, "-I", str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # GDCM's complaints quote header values
            )
        child = self._child
        assert child.stdin and child.stdout
        timer = threading.Timer(PATIENCE, child.kill)
        timer.start()
        try:
            with contextlib.suppress(OSError, ValueError):
                child.stdin.write(json.dumps([verb, str(path)]).encode() + b"\n")
                child.stdin.flush()
                answer = json.loads(child.stdout.readline())
                content = child.stdout.read(answer["bytes"])
                if len(content) == answer["bytes"]:
                    return answer, content
        finally:
            timer.cancel()
        self.close()
        return {"error": "the reader died"}, b""


def agree(dataset: Dataset, first: np.ndarray, second: np.ndarray) -> bool | None:
    """Whether both decoders saw the same image; None where they cannot be compared (a palette one of them applied)."""
    first, second = np.squeeze(first), np.squeeze(second)
    if first.shape != second.shape:
        return None
    values = first.astype(np.float64)
    return any(_equal(dataset, values * slope + intercept, second) for slope, intercept in _rescales(dataset))


def _rescales(dataset: Dataset) -> list[tuple[float, float]]:
    """What GDCM may have done to grey values: nothing, the rescale of the header, CT's usual one, or turned them over.

    Per-frame rescales differ from frame to frame and are not applied by it.
    """
    if int(dataset.get("SamplesPerPixel", 1)) > 1:
        return [(1.0, 0.0)]
    slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    inverse = (-1.0, 2.0 ** int(dataset.BitsStored) - 1)  # compressed MONOCHROME1
    return list(dict.fromkeys([(slope, intercept), (1.0, 0.0), (1.0, -1024.0), inverse]))


def _equal(dataset: Dataset, values: np.ndarray, second: np.ndarray) -> bool:
    if np.array_equal(values, second):
        return True
    difference = np.abs(values - second)
    if str(dataset.get("LossyImageCompression", "00")) == "01" and dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return bool(difference.mean() <= LOSSY_MEAN and (difference > 8).mean() <= LOSSY_SHARE)
    return bool(np.allclose(values, second, rtol=1e-6, atol=0.51 if second.dtype.kind in "iu" else 1e-3))
