"""Volumes of sizes that no body has, as they may be meant.

Centimetres or tenths for millimetres, one pixel spacing for another: what is a head by its shape may be one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Matrix
from chorus_nb.faces.volume import Volume, corners, cubes, head

FIELD_SIZES = (60.0, 900.0)  # mm: the second longest side of what a scanner shows of a body
BODY_DEPTH, HEAD_DEPTH = 480.0, 195.0  # mm from front to back: more than any body has; what a head has
SQUARE_ENOUGH = 1.5  # between the sides of a pixel: more is seldom true
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
