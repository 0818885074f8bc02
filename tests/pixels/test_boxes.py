"""Boxes: read, written, grown and joined."""

from __future__ import annotations

import pytest

from chorus_nb.errors import WorkbenchError
from chorus_nb.pixels import Box, format_boxes, parse_boxes
from chorus_nb.pixels.boxes import merge, whole_lines


def test_boxes_read_as_they_are_written() -> None:
    assert parse_boxes("5,6,20,30; 1,2,3,4;") == [Box(5, 6, 20, 30), Box(1, 2, 3, 4)]
    assert format_boxes([Box(5, 6, 20, 30), Box(1, 2, 3, 4), Box(5, 6, 20, 30)]) == "1,2,3,4;5,6,20,30"
    assert parse_boxes("") == []


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,x", "5,5,5,9", "9,0,1,9"])
def test_a_box_that_is_none_is_an_error_without_a_traceback(text: str) -> None:
    with pytest.raises(WorkbenchError):
        parse_boxes(text)


def test_a_box_at_the_edge_stays_in_the_image() -> None:
    assert Box(-5, 90, 50, 130).within(rows=100, columns=40) == Box(0, 90, 40, 100)


def test_pieces_of_one_line_are_joined_and_lines_are_not() -> None:
    line = [Box(10, 10, 50, 30), Box(65, 12, 90, 32)]
    assert merge([*line, Box(10, 50, 90, 70)]) == [Box(10, 10, 90, 32), Box(10, 50, 90, 70)]
    assert len(merge([Box(10, 10, 50, 30), Box(200, 10, 240, 30)])) == 2


def test_what_a_line_goes_on_in_is_filled_with_it() -> None:
    """`Name: MAX LONG  70 GAIN`: found in four pieces, of which the first tells and the others are technical words."""
    label, first, last, beside = (
        Box(x0, y0, x1, 30).padded() for x0, y0, x1 in ((10, 10, 60), (70, 12, 100), (112, 10, 150), (230, 10, 290))
    )
    below = Box(10, 40, 60, 60).padded()
    assert whole_lines([label], [first, last, beside, below, label]) == [label, first, last]
    assert merge(whole_lines([label], [first, last, beside, below])) == [label.hull(last)]


@pytest.mark.parametrize(
    ("line", "padded"),
    [
        (Box(100, 100, 300, 120), Box(67, 94, 333, 126)),
        (Box(100, 100, 120, 300), Box(94, 67, 126, 333)),  # turned by 90 degrees, or its letters below each other
        (Box(100, 100, 120, 130), Box(67, 67, 153, 163)),  # two letters, of which nobody knows the direction
    ],
)
def test_a_line_is_padded_by_letters_in_its_own_direction(line: Box, padded: Box) -> None:
    assert line.padded() == padded


def test_pieces_of_a_turned_line_are_joined_and_what_is_between_two_of_them_is_not_filled() -> None:
    line = [Box(10, 10, 30, 80), Box(12, 95, 32, 170)]
    assert merge([*line, Box(60, 10, 80, 170)]) == [Box(10, 10, 32, 170), Box(60, 10, 80, 170)]
    assert whole_lines([line[0].padded()], [line[1].padded()]) == [box.padded() for box in line]


def test_a_small_line_beside_a_large_one_is_not_made_as_high() -> None:
    large, small = Box(10, 10, 200, 90), Box(210, 40, 400, 60)
    assert merge([large, small]) == [large, small]
