"""The front of a head, and how much of it a mask takes, whatever the registration says."""

from __future__ import annotations

import numpy as np

from chorus_nb.faces.atlas import Mask, Matrix, Region, regions_on
from chorus_nb.faces.volume import Grid, stature

BAND = (0.55, 0.95)  # of the height of a head, from the crown: nose to chin
NOSE = 12.0  # mm around the most forward point


def front_measures(volume: Grid, removed: Mask) -> tuple[float, float]:
    """Share of the nose tip removed, and of the rays from the front that meet another surface afterwards.

    Looks at the head alone: its most forward surface in the band of the face, in the patient's own axes (PS3.3
    C.7.6.2.1.1), whatever the registration says.
    """
    seen = volume.head & volume.field
    stands = stature(volume)
    heights = volume.origin[2] + np.arange(len(seen)) * volume.step
    below = (stands.crown - heights) / stands.height
    band = ((below >= BAND[0]) & (below <= BAND[1]))[:, None, None]
    face = seen & band
    if not face.any():
        return float("nan"), float("nan")
    forward = np.where(face.any(axis=1), face.argmax(axis=1), seen.shape[1])  # (k, i): the first voxel from the front
    k, i = np.unravel_index(forward.argmin(), forward.shape)
    tip = np.array([k, forward[k, i], i])
    around = np.argwhere(face)
    near = around[np.linalg.norm(around - tip, axis=1) <= NOSE / volume.step]
    nose = removed[tuple(near.T)].mean()
    middle = np.flatnonzero(face.any(axis=(0, 1)))
    centre = (middle[0] + middle[-1]) / 2
    across = np.abs(np.arange(seen.shape[2]) - centre) * volume.step <= 45
    reached = np.take_along_axis(volume.field, np.clip(forward - 1, 0, seen.shape[1] - 1)[:, None], axis=1)[:, 0]
    # a ray that enters the head where the field of view begins does not see its front
    ks, is_ = np.nonzero((forward > 0) & (forward < seen.shape[1]) & reached & across)
    front = removed[ks, forward[ks, is_], is_].mean() if len(ks) else float("nan")
    return float(nose), float(front)


def foremost(volume: Grid, matrix: Matrix) -> float:
    """Share of the most forward point of a head that would go with the face of a pose."""
    regions = regions_on(matrix, volume.affine, volume.head.shape)
    nose, _ = front_measures(volume, ((regions & Region.FACE) > 0) & ((regions & Region.BRAIN) == 0))
    return nose
