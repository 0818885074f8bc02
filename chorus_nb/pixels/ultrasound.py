"""Ultrasound by its geometry: what lies above and below the regions of the picture is the console's frame.

Where a name stands there, fainter ones may: the whole band goes, but for what was read and is technique. Beside the
regions stand scales and colour bars, within them callipers: nothing there is touched but lines that tell.
Regions: PS3.3 C.8.5.5 (US Region Calibration); where a file has none, the outline of the fan, if there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from pydicom import Dataset

from chorus_nb.pixels.boxes import Box

CONSOLE = "[the console's frame above or below the picture]"
ECHO = 8  # grey levels of 256: less is the black around the fan
JOINED, THICKER = (
    0.02,
    0.07,
)  # of the shorter side: gaps within a fan, and what is thinner than any fan: letters, scales
FAN, OF_ITS_BOX, HIGH = (0.15, 0.9), 0.35, 0.3  # a fan's share of the picture, of its box, and of the height, at least
MOST_OF_A_PICTURE = 0.2  # share of the picture: a larger frame is no frame, and only its lines are filled


def bands(dataset: Dataset, telling: Iterable[Box], harmless: Iterable[Box], shown: Any = None) -> list[Box]:
    """The bands above and below all regions in which a ``telling`` line stands, without the ``harmless`` ones.

    ``shown``: the first frame, 0 to 255, in which the fan is looked for where the header has no region.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    regions = [region for region in _regions(dataset) if region.within(rows, columns) == region and region.area]
    modality = str(dataset.get("Modality", "")).strip(" \0").upper()  # no table of standards/: each change of one would
    if not regions and shown is not None and modality == "US":  # have every picture read again
        regions = [box.scaled(columns / shown.shape[1]).within(rows, columns) for box in outline(shown)]
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


def outline(shown: Any) -> list[Box]:
    """The box around the fan of an ultrasound picture (grey or colour, 0 to 255); none where nothing looks like one.

    What is bright is joined over the gaps of its speckle; what is then thinner than a fan (text, scales, colour bars)
    goes, and the largest that is left is the fan.
    """
    import cv2

    grey = shown if shown.ndim == 2 else shown.max(axis=2)
    short = min(grey.shape)
    bright = np.pad((grey > ECHO).astype(np.uint8), short)
    for how, share in ((cv2.MORPH_CLOSE, JOINED), (cv2.MORPH_OPEN, THICKER)):
        side = max(3, round(share * short)) | 1
        bright = np.asarray(cv2.morphologyEx(bright, how, np.ones((side, side), np.uint8)))
    bright = np.ascontiguousarray(bright[short:-short, short:-short])
    _, _, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
    if len(stats) < 2:
        return []
    left, top, width, height, area = (int(value) for value in max(stats[1:], key=lambda one: int(one[4])))
    share = area / grey.size
    if not (FAN[0] <= share <= FAN[1] and area >= OF_ITS_BOX * width * height and height >= HIGH * grey.shape[0]):
        return []
    margin = max(2, round(JOINED * short))
    return [Box(left - margin, top - margin, left + width + margin, top + height + margin).within(*grey.shape)]


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
