"""Volumes of sizes that no body has, as they may be meant.

Centimetres or tenths for millimetres, one pixel spacing for another: what is a head by its shape may be one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Mask, Matrix
from chorus_nb.faces.volume import Volume, corners, cubes, head

FIELD_SIZES = (60.0, 900.0)  # mm: the second longest side of what a scanner shows of a body
BODY_DEPTH, HEAD_DEPTH = 480.0, 195.0  # mm from front to back: more than any body has; what a head has
SQUARE_ENOUGH = 1.5  # between the sides of a pixel: more is seldom true
FLAT_HEAD = (60.0, 110.0)  # mm along its slices: thinner ones go the way of heads sooner; a head is thicker
ROUNDED_OFF = 0.25  # of the widest level is an end of a whole head, or less; a slab of what goes on is wider
PULLED_APART = (2.0, 2.5, 3.0)  # by how much slices may lie further apart than their header says
HALF_OR_TWICE = (0.5, 2.0)  # of a matrix that was interpolated, or whose header tells of another
HEAD_WIDTHS, HEAD_DEPTHS, DEEPER = (110.0, 210.0), (150.0, 270.0), 1.05  # mm; heads are deeper than they are wide
BLOCKS = 40  # to the second longest side of a field, to see how large the body in it is


def is_of_no_body(stacks: Sequence[Volume]) -> bool:
    """Whether a scanner shows no part of a body in a field of that size."""
    return not FIELD_SIZES[0] <= np.sort(_sides(stacks))[1] <= FIELD_SIZES[1]


def in_other_sizes(stacks: Sequence[Volume]) -> list[list[Volume]]:
    """The volumes in the sizes they may have; none where those of their headers may be true."""
    sides, found = _sides(stacks), list[list[Volume]]()
    across, down, _ = stacks[0].spacing
    if max(across, down) > SQUARE_ENOUGH * min(across, down):
        found += [_stretched(stacks, np.diag([side / across, side / down, 1, 1])) for side in (across, down)]
    if is_of_no_body(stacks) or sides[1] > BODY_DEPTH:
        depth = _depth(stacks, float(np.sort(sides)[1]) / BLOCKS)
        if depth and (is_of_no_body(stacks) or depth > BODY_DEPTH):
            by = HEAD_DEPTH / depth
            found.append([stack._replace(affine=np.diag([by, by, by, 1]) @ stack.affine) for stack in stacks])
            found.append(_stretched(stacks, np.diag([by, by, 1, 1])))
    return found


def in_other_shapes(stacks: Sequence[Volume], step: float) -> list[list[Volume]]:
    """What may be a head of which the header tells another shape, in that of a head; ``step``: mm."""
    even = cubes(stacks, step)
    body = head(even.values, even.field, stacks[0].modality, step)
    along = 2 - int(np.argmax(np.abs(stacks[0].affine[:3, 2])))
    return [*_pulled_apart(stacks, body, even.field, along), *_with_other_pixels(stacks, body, even.field, along, step)]


def _pulled_apart(stacks: Sequence[Volume], body: Mask, field: Mask, along: int) -> list[list[Volume]]:
    """A slab that rounds off at an end, as a head does whose slices are said to lie closer than they do."""
    first = stacks[0]
    is_flat = first.modality == "MR" and FLAT_HEAD[0] <= float(first.extent[2]) <= FLAT_HEAD[1]
    if not (is_flat and _rounds_off(body, field, along)):
        return []
    return [_stretched(stacks, np.diag([1, 1, by, 1])) for by in PULLED_APART]


def _with_other_pixels(
    stacks: Sequence[Volume], body: Mask, field: Mask, along: int, step: float
) -> list[list[Volume]]:
    """What has a crown and would be as wide and deep as a head, were its pixels half or twice as large."""
    if not _rounds_off(body, field, 0):
        return []
    depth, width = (float(np.ptp(np.flatnonzero(body.any(axis=axes))) + 1) * step for axes in ((0, 2), (0, 1)))
    found = []
    for by in HALF_OR_TWICE:
        deep, wide = depth * (1 if along == 1 else by), width * (1 if along == 2 else by)
        fits = HEAD_DEPTHS[0] <= deep <= HEAD_DEPTHS[1] and HEAD_WIDTHS[0] <= wide <= HEAD_WIDTHS[1]
        if fits and deep >= DEEPER * wide:
            found.append(_stretched(stacks, np.diag([by, by, 1, 1])))
    return found


def _rounds_off(body: Mask, field: Mask, axis: int) -> bool:
    """Whether an end of the body along an axis of the grid is narrow, as a crown or a nose is."""
    others = tuple({0, 1, 2} - {axis})
    areas = body.sum(axis=others)[field.any(axis=others)]
    return bool(body.any() and min(*areas[:2], *areas[-2:]) <= ROUNDED_OFF * areas.max())


def _sides(stacks: Sequence[Volume]) -> NDArray[np.float64]:
    """Millimetres along the patient's axes."""
    return np.asarray(np.ptp(np.concatenate([corners(stack) for stack in stacks]), axis=0))


def _stretched(stacks: Sequence[Volume], by: Matrix) -> list[Volume]:
    return [stack._replace(affine=stack.affine @ by) for stack in stacks]


def _depth(stacks: Sequence[Volume], step: float) -> float:
    """Millimetres from front to back of the body in them; 0 where none is seen."""
    even = cubes(stacks, step)
    rows = np.flatnonzero(head(even.values, even.field, stacks[0].modality, 6.0).any(axis=(0, 2)))
    return float(np.ptp(rows) + 1) * step if len(rows) else 0.0
