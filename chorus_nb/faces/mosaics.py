"""Mosaics: the slices of a volume side by side in one picture, their number and places in private headers.

Siemens (MOSAIC in ImageType). How many: NumberOfImagesInMosaic, (0019,xx0A) of SIEMENS MR HEADER. Which way they go:
SliceNormalVector of the CSA image header, (0029,xx10) of SIEMENS CSA HEADER, in its form SV10. The position of the
picture is that of a slice as large as the whole mosaic, about the same centre (nibabel, "Siemens mosaic format"; seen
to be so on a real one).

United Imaging (VFRAME in ImageType). An item for each slice, with its position, in (0065,xx51) of Image Private Header
(seen on real ones); the picture has none.

A word may be lost on the way and a number wrong: the private headers tell a mosaic too, and so do its pixels, for a
head lies in the middle of its slice, with air along the seams between slices. What contradicts them is no volume.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from chorus_nb.faces.atlas import Matrix

SIEMENS_COUNT, UNITED_IMAGING_SLICES = (0x0019, "SIEMENS MR HEADER", 0x0A), (0x0065, "Image Private Header", 0x51)
MOST_IN_A_ROW, FEWEST_IN_A_ROW = 16, 3  # slices in a row; in two an ordinary picture may lie about its middle
DARK_SEAM = 0.6  # of the mean of the picture: brighter is no seam
NO_SLICE = 0.1  # of the spread of the picture: less is no slice
NAME, TAG_HEAD, ITEM_HEAD = 64, 20, 16  # bytes of the CSA header


TileOrigin = Callable[[int, int, int], NDArray[np.float64]]
"""Patient millimetres of the first pixel of a slice, by its number and the rows and columns of one."""


class Tile(NamedTuple):
    """A slice of a mosaic: its first row and column, its size in pixels, and where it lies (see ``stacks.Slice``)."""

    row: int
    column: int
    rows: int
    columns: int
    affine: Matrix


def is_mosaic(dataset: Dataset) -> bool:
    """Whether the picture is one, by ImageType or by its private headers."""
    return _says(dataset, "MOSAIC") or _is_of_united_imaging(dataset) or _private(dataset, SIEMENS_COUNT) is not None


def _is_of_united_imaging(dataset: Dataset) -> bool:
    return _says(dataset, "VFRAME") or len(_private(dataset, UNITED_IMAGING_SLICES) or ()) > 1


def _private(dataset: Dataset, place: tuple[int, str, int]) -> Any:
    """A private value; None where there is none."""
    group, creator, element = place
    try:
        return dataset.private_block(group, creator)[element].value
    except (KeyError, ValueError):
        return None


def _says(dataset: Dataset, word: str) -> bool:
    return word in str(dataset.get("ImageType", ""))


def tiles(dataset: Dataset, affine: Matrix) -> Iterator[Tile]:
    """The slices of a mosaic whose whole picture lies at ``affine``; :class:`ValueError` if it does not say enough."""
    try:
        if _is_of_united_imaging(dataset):
            count, along = _of_united_imaging(dataset)
        else:
            count, along = _of_siemens(dataset, affine)
    except (KeyError, AttributeError, TypeError, ValueError, struct.error):
        raise ValueError("a mosaic that does not say how its slices lie") from None
    across = int(np.ceil(np.sqrt(count)))
    down = int(np.ceil(count / across)) if _is_of_united_imaging(dataset) else across
    rows, columns = int(dataset.Rows) // max(down, 1), int(dataset.Columns) // max(across, 1)
    if count < 1 or down * rows != dataset.Rows or across * columns != dataset.Columns:
        raise ValueError("a mosaic whose slices do not fill it")
    for number in range(count):
        place = affine.copy()
        place[:3, 3] = along(number, rows, columns)
        yield Tile(number // across * rows, number % across * columns, rows, columns, place)


def seams(picture: NDArray[Any]) -> tuple[int, int] | None:
    """Rows of slices and slices in a row, as many as there are dark seams from edge to edge; None where none show.

    As many rows as slices in a row, or one less (United Imaging).
    """
    signal = picture.astype(np.float32)
    signal -= signal.min()
    least = DARK_SEAM * float(signal.mean())
    rows, columns = (_counts(signal.mean(axis=axis), least) for axis in (1, 0))
    seen = [(down, across) for across in columns for down in (across, across - 1) if down in rows]
    return max(seen, default=None)


def _counts(profile: NDArray[np.float32], least: float) -> set[int]:
    """Into how many even parts dark lines cut it."""
    found = set()
    for parts in range(FEWEST_IN_A_ROW - 1, MOST_IN_A_ROW + 1):
        cuts = np.arange(1, parts) * (len(profile) // parts)
        if len(profile) % parts == 0 and max(profile[cuts].max(), profile[cuts - 1].max()) < least:
            found.add(parts)
    return found


def is_rows_of_slices(picture: NDArray[Any]) -> bool:
    """Whether a picture that no header calls a mosaic shows one."""
    seen = seams(picture)
    return seen is not None and min(seen) >= FEWEST_IN_A_ROW


def is_as_said(picture: NDArray[Any], windows: Sequence[tuple[slice, slice]]) -> bool:
    """Whether the pixels of a mosaic show these slices, which its header says, and no others."""
    rows, columns = (part.stop - part.start for part in windows[0])
    said = picture.shape[0] // rows, picture.shape[1] // columns
    seen, others = seams(picture), np.ones(picture.shape, bool)
    for window in windows:
        others[window] = False
    return seen in (None, said) and (
        not others.any() or float(picture[others].std()) <= NO_SLICE * float(picture.std())
    )


def _of_united_imaging(dataset: Dataset) -> tuple[int, TileOrigin]:
    """How many slices, and where each begins."""
    items = _private(dataset, UNITED_IMAGING_SLICES)
    places = [np.array(item.ImagePositionPatient, float).reshape(3) for item in items]
    return len(places), lambda number, rows, columns: places[number]


def _of_siemens(dataset: Dataset, affine: Matrix) -> tuple[int, TileOrigin]:
    """How many slices, and where each begins."""
    count = int(_private(dataset, SIEMENS_COUNT))
    normal = _normal(bytes(dataset.private_block(0x0029, "SIEMENS CSA HEADER")[0x10].value))
    apart = float(dataset.SpacingBetweenSlices)
    if not _upright(normal, affine):
        raise ValueError("the normal does not stand on the slices")

    def begins(number: int, rows: int, columns: int) -> NDArray[np.float64]:
        beside, below = (int(dataset.Columns) - columns) / 2, (int(dataset.Rows) - rows) / 2
        return np.asarray(affine[:3] @ (beside, below, 0, 1) + normal * apart * number)

    return count, begins


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
