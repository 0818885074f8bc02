"""Two decoders on one image: what GDCM makes of a released file, and whether both agree."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from chorus_nb.errors import ChildFault
from chorus_nb.leaks import gdcm
from chorus_nb.leaks.reading import Reading
from chorus_nb.processes.child import in_child
from chorus_nb.verify.findings import Finding

GDCM_SECONDS = 120.0  # seconds before a reader that hangs is ended
LOSSY_MEAN, LOSSY_SHARE = 1.0, 0.01  # lossy JPEG: decoders may round apart, on average and in this share by more than 8


CLASSES = frozenset((0x00080016, 0x00020010))  # SOP class and transfer syntax
OF_DISPLAY = frozenset((0x00281050, 0x00281051, 0x00281055, 0x00280106, 0x00280107))  # windows, extreme values


def gdcm_available() -> bool:
    return importlib.util.find_spec("SimpleITK") is not None


def gdcm_pixels(path: Path) -> np.ndarray | None:
    """The decoded, rescaled pixels of a file by GDCM; None if it cannot (or died of it)."""
    try:
        return in_child(gdcm.decoded_pixels, str(path), seconds=GDCM_SECONDS)
    except ChildFault:
        return None


class SecondDecoder:
    """GDCM on the files of a series: on coded pixels each time, on others once for each description of them."""

    def __init__(self) -> None:
        self.read = 0  # files it decoded
        self._agreed: set[object] = set()

    def pixels(self, path: Path) -> np.ndarray | None:
        """As :func:`gdcm_pixels`, counted."""
        self.read += 1
        return gdcm_pixels(path)

    def agrees_on(self, released: Reading) -> None:
        """It sees the pixels of this file as the first one does."""
        self._agreed.add(native_description(released))

    def agreed_on(self, released: Reading) -> bool:
        """Whether it does so of another file of which the header says the same about pixels that are no code."""
        described = native_description(released)
        return described is not None and described in self._agreed


def describes_pixels(tag: int) -> bool:
    """Whether an element says how pixels are to be read, and not only how to show them."""
    return tag in CLASSES or (tag >> 16 == 0x0028 and tag not in OF_DISPLAY)


def native_description(released: Reading) -> frozenset[tuple[str, int, bytes]] | None:
    """All that says how to read pixels that are numbers to the last byte; None of coded ones, and of floats."""
    return released.once(_native_description, describes_pixels)


def _native_description(released: Reading) -> frozenset[tuple[str, int, bytes]] | None:
    if released.dataset.file_meta.TransferSyntaxUID.is_encapsulated or "PixelData" not in released.dataset:
        return None
    length = len(released.dataset.PixelData).to_bytes(8, "little")
    said = [(path, tag, leaf.value) for (path, tag), leaf in released.leaves.items() if describes_pixels(tag)]
    return frozenset((*said, ("", 0x7FE00010, length)))


def gdcm_series(folder: Path) -> list[int] | str:
    """Files in each series GDCM assembles from ``folder``; a code says what it died of, twice."""
    code = ""
    for _ in range(2):  # on a machine at its limits a child may be killed that had nothing wrong with it
        try:
            return in_child(gdcm.series_files, str(folder), seconds=GDCM_SECONDS)
        except ChildFault as fault:
            code = fault.code
    return code


def assembled(release: Path, folder: str) -> Iterator[Finding]:
    """GDCM sorts the folder into one series of as many files as there are images in it (SOP step 14, automated)."""
    if not gdcm_available() or not (release / folder).is_dir():
        return
    files = gdcm_series(release / folder)
    present = sum(1 for path in (release / folder).iterdir() if path.is_file())
    if isinstance(files, str):
        detail = f"GDCM did not say what it assembles from a folder of {present:,} ({files})"
        yield Finding("geometry", "high", folder, "(0020,000E)", detail)
    elif len(files) != 1 or sum(files) != present:
        detail = f"GDCM assembles {len(files):,} series of {sum(files):,} files from a folder of {present:,}"
        yield Finding("geometry", "high", folder, "(0020,000E)", detail)


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
