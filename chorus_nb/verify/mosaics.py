"""The slices of a released mosaic (Siemens), side by side in one picture: how many, the picture itself says.

The private headers that say it seldom leave. A head lies in the middle of its slice, so there is air along the seams
between slices, and nowhere else from edge to edge. A word hides nothing: what has no seams is a slice like any other.
Shares nothing with 03's way (faces/mosaics.py), which reads headers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

MOSAIC = "MOSAIC"  # in ImageType
MOST_IN_A_ROW = 16  # slices in a row
DARK = 0.6  # of the mean of the picture: brighter is no seam; a line through heads has 1.3 and more
THICK = ("SpacingBetweenSlices", "SliceThickness")  # mm from slice to slice, the first that is there


def side_of(picture: NDArray[Any]) -> int:
    """Slices in a row, and rows of them; 0 where no seams show."""
    signal = np.abs(picture.astype(np.float32))
    signal -= signal.min()
    profiles = [signal.mean(axis=1), signal.mean(axis=0)]
    least = DARK * float(signal.mean())
    for side in range(MOST_IN_A_ROW, 1, -1):
        if not any(length % side for length in picture.shape) and all(
            profile[np.arange(1, side) * (len(profile) // side) - before].max() < least
            for profile in profiles
            for before in (0, 1)
        ):
            return side
    return 0


def tile(picture: NDArray[Any], side: int, number: int) -> NDArray[Any]:
    """One slice of so many in a row."""
    rows, columns = (length // side for length in picture.shape)
    down, across = number // side * rows, number % side * columns
    return picture[down : down + rows, across : across + columns]


def seen_apart(
    dataset: Dataset, picture: NDArray[Any], corner: NDArray[np.float64], ways: NDArray[np.float64], apart: Any
) -> list[tuple[int, int, NDArray[np.float64]]]:
    """Slices in a row, number and corner (patient mm) of each slice of a mosaic; none if the picture is no mosaic.

    The position of the picture is that of a slice as large as the whole mosaic about the same centre (nibabel, "Siemens
    mosaic format"). Which way the slices go is not known: a head is laid onto one that is upside down as well.
    """
    if MOSAIC not in (dataset.get("ImageType") or ()):
        return []
    side = side_of(picture)
    thick = next((float(dataset[name].value) for name in THICK if dataset.get(name)), 0.0)
    if not side or thick <= 0:
        return []
    below, beside = (np.array(picture.shape) - np.array(picture.shape) // side) / 2 * apart
    first = corner + ways[:3] * beside + ways[3:] * below
    normal = np.cross(ways[:3], ways[3:]) * thick
    shown = (number for number in range(side * side) if np.ptp(tile(picture, side, number)))
    return [(side, number, first + normal * number) for number in shown]
