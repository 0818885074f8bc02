"""Siemens mosaics: the slices of a volume side by side in one picture, their number and order in private headers.

How many: NumberOfImagesInMosaic, (0019,xx0A) of SIEMENS MR HEADER. Which way they go: SliceNormalVector of the CSA
image header, (0029,xx10) of SIEMENS CSA HEADER, in its form SV10. The position of the picture is that of a slice as
large as the whole mosaic, about the same centre (nibabel, "Siemens mosaic format"; seen to be so on a real one).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from chorus_nb.faces.atlas import Matrix

NAME, TAG_HEAD, ITEM_HEAD = 64, 20, 16  # bytes of the CSA header


class Tile(NamedTuple):
    """A slice of a mosaic: its first row and column, its size in pixels, and where it lies (see ``stacks.Slice``)."""

    row: int
    column: int
    rows: int
    columns: int
    affine: Matrix


def is_mosaic(dataset: Dataset) -> bool:
    """Whether the picture is one (ImageType)."""
    return "MOSAIC" in str(dataset.get("ImageType", ""))


def tiles(dataset: Dataset, affine: Matrix) -> Iterator[Tile]:
    """The slices of a mosaic whose whole picture lies at ``affine``; :class:`ValueError` if it does not say enough."""
    try:
        count = int(dataset.private_block(0x0019, "SIEMENS MR HEADER")[0x0A].value)
        normal = _normal(bytes(dataset.private_block(0x0029, "SIEMENS CSA HEADER")[0x10].value))
        apart = float(dataset.SpacingBetweenSlices)
    except (KeyError, AttributeError, TypeError, ValueError, struct.error):
        raise ValueError("a mosaic that does not say how its slices lie") from None
    side = int(np.ceil(np.sqrt(count)))
    rows, columns = int(dataset.Rows) // side, int(dataset.Columns) // side
    if count < 1 or side * rows != dataset.Rows or side * columns != dataset.Columns or not _upright(normal, affine):
        raise ValueError("a mosaic whose slices do not fill it")
    first = affine.copy()
    first[:3, 3] += affine[:3, 0] * (dataset.Columns - columns) / 2 + affine[:3, 1] * (dataset.Rows - rows) / 2
    for number in range(count):
        place = first.copy()
        place[:3, 3] += normal * apart * number
        yield Tile(number // side * rows, number % side * columns, rows, columns, place)


def _upright(normal: NDArray[np.float64], affine: Matrix) -> bool:
    """Whether the normal, of length 1, stands on the slices, in either direction."""
    return bool(
        np.isclose(abs(normal @ affine[:3, 2]), 1, atol=1e-2) and np.isclose(np.linalg.norm(normal), 1, atol=1e-2)
    )


def _normal(header: bytes) -> NDArray[np.float64]:
    """SliceNormalVector of a CSA header."""
    start = header.index(b"SliceNormalVector\0") + NAME
    (items,) = struct.unpack_from("<i", header, start + TAG_HEAD - 8)
    place, numbers = start + TAG_HEAD, []
    for _ in range(min(items, 3)):
        (length,) = struct.unpack_from("<i", header, place + 4)
        place += ITEM_HEAD
        numbers.append(float(header[place : place + length].split(b"\0")[0]))
        place += -(-length // 4) * 4
    return np.array(numbers).reshape(3)
