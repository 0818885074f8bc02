"""Ultrasound by its geometry: what lies above and below the regions of the picture is the console's frame.

Where a name stands there, fainter ones may: the whole band goes, but for what was read and is technique. Beside the
regions stand scales and colour bars, within them callipers: nothing there is touched but lines that tell.
Regions: PS3.3 C.8.5.5 (US Region Calibration).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydicom import Dataset

from chorus_nb.pixels.boxes import Box

CONSOLE = "[the console's frame above or below the picture]"
MOST_OF_A_PICTURE = 0.2  # share of the picture: a larger frame is no frame, and only its lines are filled


def bands(dataset: Dataset, telling: Iterable[Box], harmless: Iterable[Box]) -> list[Box]:
    """The bands above and below all regions in which a ``telling`` line stands, without the ``harmless`` ones."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    regions = [region for region in _regions(dataset) if region.within(rows, columns) == region and region.area]
    if not regions:
        return []
    top, bottom = min(region.y0 for region in regions), max(region.y1 for region in regions)
    around = [Box(0, 0, columns, top), Box(0, bottom, columns, rows)]
    lines = list(telling)
    told = [band for band in around if any(2 * band.common(line).area > line.area for line in lines)]
    if sum(band.area for band in told) > MOST_OF_A_PICTURE * rows * columns:
        return []
    kept = list(harmless)
    return [part for band in told for part in _without(band, kept)]


def _regions(dataset: Dataset) -> Iterator[Box]:
    for item in dataset.get("SequenceOfUltrasoundRegions") or ():
        ends = [item.get(f"RegionLocation{end}") for end in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        if all(isinstance(end, int) for end in ends):
            x0, y0, x1, y1 = ends
            yield Box(x0, y0, x1 + 1, y1 + 1)  # the last column and row belong to it


def _without(band: Box, holes: list[Box]) -> list[Box]:
    """What is left of a rectangle, as rectangles."""
    parts = [band]
    for hole in holes:
        left = []
        for part in parts:
            cut = part.common(hole)
            if cut.x0 >= cut.x1 or cut.y0 >= cut.y1:
                left.append(part)
                continue
            left += [
                Box(part.x0, part.y0, part.x1, cut.y0),
                Box(part.x0, cut.y1, part.x1, part.y1),
                Box(part.x0, cut.y0, cut.x0, cut.y1),
                Box(cut.x1, cut.y0, part.x1, cut.y1),
            ]
        parts = [part for part in left if part.x0 < part.x1 and part.y0 < part.y1]
    return parts
