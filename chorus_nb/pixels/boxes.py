"""Rectangles of pixels: ``x0,y0,x1,y1`` with exclusive ends, several joined by ``;``, meant for every frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chorus_nb.errors import WorkbenchError

UPRIGHT = 2.0  # times as high as wide: a line that is read from above or from below


class Box(NamedTuple):
    """Columns ``x0`` up to but without ``x1``, rows ``y0`` up to but without ``y1``, counted from the upper left."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def area(self) -> int:
        return max(0, self.x1 - self.x0) * max(0, self.y1 - self.y0)

    def within(self, rows: int, columns: int) -> Box:
        """The part of the box that lies in an image of this size."""
        return Box(max(0, self.x0), max(0, self.y0), min(columns, self.x1), min(rows, self.y1))

    def scaled(self, scale: float) -> Box:
        """The same in a picture that was grown by ``scale``."""
        return Box(*(round(value * scale) for value in self))

    def padded(self, letters: float = 1.5) -> Box:
        """Grown so that accents and anti-aliased edges go too, and first or last letters that were not made out.

        By 3 pixels and 15 % of its height above and below, by ``letters`` times its height to the left and right; of a
        line that is turned, or whose letters stand below each other, the other way round. What is about as high as
        wide may be either.
        """
        wide, high = self.x1 - self.x0, self.y1 - self.y0
        letter = min(wide, high)
        along, beside = 3 + round(letters * letter), 3 + round(0.15 * letter)
        across = along if high < UPRIGHT * wide else beside
        down = along if high > wide else beside
        return Box(self.x0 - across, self.y0 - down, self.x1 + across, self.y1 + down)

    def grown(self, pixels: int) -> Box:
        return Box(self.x0 - pixels, self.y0 - pixels, self.x1 + pixels, self.y1 + pixels)

    def common(self, other: Box) -> Box:
        """The rectangle that both cover (its area is 0 when there is none)."""
        return Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    @property
    def letter(self) -> int:
        """The height of the letters of a line in it, however it is turned."""
        return min(self.x1 - self.x0, self.y1 - self.y0)

    def level_with(self, other: Box) -> tuple[Box, Box]:
        """Both, with rows for columns where both are lines that are read from above or from below."""
        upright = all(box.y1 - box.y0 >= UPRIGHT * (box.x1 - box.x0) for box in (self, other))
        return (Box(*self.turned), Box(*other.turned)) if upright else (self, other)

    @property
    def turned(self) -> tuple[int, int, int, int]:
        return self.y0, self.x0, self.y1, self.x1

    def continues(self, other: Box) -> bool:
        """Whether ``other`` stands on the same line and at most the height of a letter away."""
        one, two = self.level_with(other)
        level = min(one.y1, two.y1) - max(one.y0, two.y0)
        gap = max(one.x0, two.x0) - min(one.x1, two.x1)
        return level >= 0.6 * min(one.y1 - one.y0, two.y1 - two.y0) and gap <= min(one.letter, two.letter)

    def goes_on_in(self, other: Box) -> bool:
        """Whether ``other`` is the rest of this line; both :meth:`padded`, so that at most two letters lie between."""
        one, two = self.level_with(other)
        common = min(one.x1, two.x1) - max(one.x0, two.x0)
        return self.continues(other) and common >= min(one.letter, two.letter)

    def as_high_as(self, other: Box) -> bool:
        return 2 * min(self.letter, other.letter) >= max(self.letter, other.letter)

    def hull(self, other: Box) -> Box:
        """The smallest rectangle around both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))


def parse_boxes(text: str) -> list[Box]:
    """Read the text form; :class:`WorkbenchError` when a box is not four whole numbers in order.

    >>> parse_boxes("0,0,10,5; 2,8,4,9")
    [Box(x0=0, y0=0, x1=10, y1=5), Box(x0=2, y0=8, x1=4, y1=9)]
    """
    boxes = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        try:
            box = Box(*map(int, part.split(",")))
        except (TypeError, ValueError):
            raise WorkbenchError("a box must be four whole numbers x0,y0,x1,y1") from None
        if box.area == 0:
            raise WorkbenchError("a box must have x0 < x1 and y0 < y1")
        boxes.append(box)
    return boxes


def format_boxes(boxes: Iterable[Box]) -> str:
    """The text form, sorted and without repeats, so that equal sets of boxes read equal.

    >>> format_boxes([Box(2, 8, 4, 9), Box(0, 0, 10, 5), Box(2, 8, 4, 9)])
    '0,0,10,5;2,8,4,9'
    """
    return ";".join(",".join(map(str, box)) for box in sorted(set(boxes)))


def merge(boxes: Iterable[Box]) -> list[Box]:
    """Boxes on one line of text joined, also over a gap of their height, where letters were not made out.

    Not a small line to a large one: what is beside the small one, as high as the large, is the picture."""
    merged: list[Box] = []
    for box in sorted(boxes):
        for position, other in enumerate(merged):
            if other.continues(box) and other.as_high_as(box):
                merged[position] = other.hull(box)
                break
        else:
            merged.append(box)
    return sorted(merged)


def whole_lines(boxes: Iterable[Box], others: Iterable[Box]) -> list[Box]:
    """``boxes``, and those of ``others`` that their lines go on in: a name may be read as harmless words beside one."""
    whole, rest = list(boxes), list(others)
    for box in whole:  # grows as the lines do
        whole += [other for other in rest if other not in whole and box.goes_on_in(other)]
    return whole
