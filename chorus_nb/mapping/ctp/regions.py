"""DicomPixelAnonymizer scripts: signatures, and the regions blanked in the images that fit (facts: ctp.md §3)."""

from __future__ import annotations

import re
from typing import NamedTuple

from chorus_nb.mapping.ctp.expressions import Values
from chorus_nb.mapping.ctp.filters import Filter, parse_filter

_PART = re.compile(r"\{([^}]*)\}|\(\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)")

PixelRegion = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, exclusive ends


class Signature(NamedTuple):
    """Images that fit ``which`` have ``regions`` (left, top, width, height; negative from the right or bottom edge)."""

    which: Filter
    regions: tuple[tuple[int, int, int, int], ...]


def parse_regions(text: str) -> tuple[Signature, ...]:
    """The signatures of a script in their order; the first that fits counts."""
    found: list[tuple[Filter, list[tuple[int, int, int, int]]]] = []
    for match in _PART.finditer(text):
        if match[1] is not None:
            found.append((parse_filter(match[1]), []))
        elif found:
            left, top, width, height = (int(number) for number in match.groups()[1:])
            found[-1][1].append((left, top, width, height))
    return tuple(Signature(which, tuple(regions)) for which, regions in found)


def boxes(signatures: tuple[Signature, ...], values: Values, columns: int, rows: int) -> list[PixelRegion] | None:
    """Boxes to blank in an image of this size; ``None`` = no signature fits.

    CTP counts both ends: a region of width w covers w + 1 columns. So does this, or a line of text would stay.
    """
    for signature in signatures:
        if signature.which(values):
            return [box for region in signature.regions if (box := _box(region, columns, rows))]
    return None


def _box(region: tuple[int, int, int, int], columns: int, rows: int) -> PixelRegion | None:
    left, top, width, height = region
    x0, y0 = left if left >= 0 else columns + left, top if top >= 0 else rows + top
    x1, y1 = min(x0 + width + 1, columns), min(y0 + height + 1, rows)
    x0, y0 = max(x0, 0), max(y0, 0)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
