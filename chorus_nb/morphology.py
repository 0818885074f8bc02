"""Binary morphology of volumes: balls of voxels are grown, shrunk, opened and closed with, hollows are filled.

Each answer is ITK's, voxel for voxel, its balls (of a radius and a half) included; of runs along x it is made in a
twentieth of ITK's time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Voxels = NDArray[np.bool_]


def ball_dilation(mask: Voxels, radius: int, *, flat: bool = False) -> Voxels:
    """By a ball of ``radius`` voxels; ``flat``: by a disc, each slice across the first axis by itself."""
    reach = (radius + 0.5) ** 2
    runs = [mask]
    for width in range(1, radius + 1):
        runs.append(runs[-1].copy())
        _add_shifted(runs[-1], mask, width, 2)
    made = np.zeros_like(mask)
    for z in range(1 if flat else radius + 1):
        disc = np.zeros_like(mask)
        for y in range(radius + 1):
            if (left := reach - z**2 - y**2) > 0:
                _add_shifted(disc, runs[int(left**0.5)], y, 1)
        _add_shifted(made, disc, z, 0)
    return made


def ball_erosion(mask: Voxels, radius: int, *, flat: bool = False) -> Voxels:
    """To where a ball fits in; beyond the array it may reach."""
    return ~ball_dilation(~mask, radius, flat=flat)


def ball_opening(mask: Voxels, radius: int, *, flat: bool = False) -> Voxels:
    """What balls that fit in cover."""
    return ball_dilation(ball_erosion(mask, radius, flat=flat), radius, flat=flat)


def ball_closing(mask: Voxels, radius: int, *, flat: bool = False) -> Voxels:
    """With what no ball beside it reaches; beyond the array there is nothing."""
    rim = (0 if flat else radius, radius, radius)
    wider = np.pad(mask, [(width, width) for width in rim])
    made = ball_erosion(ball_dilation(wider, radius, flat=flat), radius, flat=flat)
    return made[tuple(slice(width, width + length) for width, length in zip(rim, mask.shape, strict=True))]


def filled(mask: NDArray[Any], axis: int = 0) -> Voxels:
    """Hollows closed in each slice across an axis.

    All slices lie in one picture, a rim of nothing around each: what is not joined to that is within.
    """
    import SimpleITK as sitk

    planes = np.pad(np.moveaxis(mask > 0, axis, 0), ((0, 0), (1, 1), (1, 1)))
    picture = sitk.GetImageFromArray((~planes).astype("u1").reshape(-1, planes.shape[2]))
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(picture))
    inner = (parts != parts[0, 0]).reshape(planes.shape)[:, 1:-1, 1:-1]
    return np.moveaxis(inner, 0, axis)


def _add_shifted(made: Voxels, part: Voxels, by: int, axis: int) -> None:
    """``part`` moved by so many voxels either way along an axis, into ``made``."""
    if by == 0:
        made |= part
        return
    ahead, behind = [slice(None)] * 3, [slice(None)] * 3
    ahead[axis], behind[axis] = slice(by, None), slice(None, -by)
    made[tuple(ahead)] |= part[tuple(behind)]
    made[tuple(behind)] |= part[tuple(ahead)]
