"""The slices of a released mosaic (Siemens, United Imaging), side by side in one picture: the picture says how many.

The private headers that say it seldom leave. A head lies in the middle of its slice, so there is air along the seams
between slices, and nowhere else from edge to edge. A word hides nothing: what has no seams is a slice like any other.
Shares nothing with 03's way (faces/mosaics.py), which reads headers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

MOSAICS = frozenset(("MOSAIC", "VFRAME"))  # in ImageType: of Siemens, of United Imaging
MOST_IN_A_ROW = 16  # slices in a row
UNNAMED = 3  # rows of slices of a picture without the word: two an ordinary one may show, about its middle
DARK = 0.6  # of the mean of the picture: brighter is no seam; a line through heads has 1.3 and more
THICK = ("SpacingBetweenSlices", "SliceThickness")  # mm from slice to slice, the first that is there


class Tiling(NamedTuple):
    """How slices stand in a picture."""

    down: int = 1
    """rows of slices"""
    across: int = 1
    """slices in a row"""

    @property
    def slices(self) -> int:
        return self.down * self.across


def tiling_of(picture: NDArray[Any]) -> Tiling | None:
    """As many rows of slices as slices in a row, or one less (United Imaging); None where no seams show."""
    signal = np.abs(picture.astype(np.float32))
    signal -= signal.min()
    profiles, least = (signal.mean(axis=1), signal.mean(axis=0)), DARK * float(signal.mean())
    for across in range(MOST_IN_A_ROW, 1, -1):
        for down in range(across, max(across - 2, 1), -1):
            if all(_has_seams(*profile, least) for profile in zip(profiles, (down, across), strict=True)):
                return Tiling(down, across)
    return None


def _has_seams(profile: NDArray[np.float32], parts: int, least: float) -> bool:
    """Whether the lines on both sides of each seam between so many parts are dark."""
    seams = np.arange(1, parts) * (len(profile) // parts)
    return len(profile) % parts == 0 and max(profile[seams].max(), profile[seams - 1].max()) < least


def tile(picture: NDArray[Any], tiling: Tiling, number: int) -> NDArray[Any]:
    """One slice of a picture."""
    height, width = picture.shape
    rows, columns = height // tiling.down, width // tiling.across
    down, across = number // tiling.across * rows, number % tiling.across * columns
    return picture[down : down + rows, across : across + columns]


def calls_itself_one(dataset: Dataset) -> bool:
    """Whether ImageType has the word: a hint, which hides nothing."""
    return not MOSAICS.isdisjoint(dataset.get("ImageType") or ())


def seen_apart(
    dataset: Dataset, picture: NDArray[Any], corner: NDArray[np.float64], ways: NDArray[np.float64], apart: Any
) -> list[tuple[Tiling, int, NDArray[np.float64]]]:
    """Tiling, number and corner (patient mm) of each slice of a mosaic; none if the picture is no mosaic.

    The position of the picture is that of a slice as large as the whole mosaic about the same centre (nibabel, "Siemens
    mosaic format"). Which way the slices go is not known: a head is laid onto one that is upside down as well.
    """
    tiling = tiling_of(picture)
    if tiling and not calls_itself_one(dataset) and tiling.down < UNNAMED:
        return []
    thick = next((float(dataset[name].value) for name in THICK if dataset.get(name)), 0.0)
    if not tiling or thick <= 0:
        return []
    below, beside = (np.array(picture.shape) - np.array(picture.shape) // tiling) / 2 * apart
    first = corner + ways[:3] * beside + ways[3:] * below
    normal = np.cross(ways[:3], ways[3:]) * thick
    shown = (number for number in range(tiling.slices) if np.ptp(tile(picture, tiling, number)))
    return [(tiling, number, first + normal * number) for number in shown]
