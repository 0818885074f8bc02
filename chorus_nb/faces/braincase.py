"""Soft tissue enclosed by bone in a CT, and how it lies in its body: a braincase, or a pelvis.

A braincase is a shell of bone close under the skin all around; the ring of a pelvis lies deep in a wide body, and that
of ribs has gaps. None of it depends on which way the head lies.
"""

from __future__ import annotations

import csv
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Mask, OwnBrain, Region
from chorus_nb.faces.volume import AIR, Grid, bounds
from chorus_nb.morphology import ball_closing, ball_dilation, ball_erosion, ball_opening, filled

TISSUE, BONE = -50.0, 250.0  # Hounsfield units
POLES, DEEP = 2, 3  # voxels: poles of the brain are narrower than what is taken for a braincase; what lies under skin
UNDER_SKIN, GLOWS = 2, 0.4  # voxels; of the uptake of the brain: skin, muscle and eyes have 0.25 of it and less
FAR_UNDER = 4  # voxels under the skin: what makes a face known is no deeper
CLOSED = 12.0  # mm: foramina and orbital fissures are narrower than twice that

LIMITS_OF_HEADS = {
    row["limit"]: float(row["value"])
    for row in csv.DictReader(resources.files(__package__).joinpath("heads.csv").read_text("utf-8").splitlines())
}


class Enclosed(NamedTuple):
    """A part of the soft tissue within bone, from voxel ``low`` to ``high`` (k, j, i)."""

    millilitres: float
    low: NDArray[np.int_]
    high: NDArray[np.int_]
    depth: float
    """median mm from the outside of the ring to the air around the body; NaN where the field shows none"""
    width: float
    """median mm over the slices from side to side of the ring, or from front to back"""
    bony: float
    """share of the outside of the ring that is bone, and no gap that was closed"""
    places: NDArray[np.int_] = np.zeros((0, 3), int)
    """its voxels (n, 3)"""

    @property
    def is_skull(self) -> bool:
        """A shell of bone, as a rule close under the skin, whichever way it lies."""
        limits = LIMITS_OF_HEADS
        close = self.depth <= limits["shell_depth"] and self.bony >= limits["shell_bony"]
        wrapped = self.width < limits["ring_width"] and self.bony >= limits["shell_whole"]
        return self.millilitres >= limits["shell_ml"] and (close or wrapped)

    @property
    def is_pelvis(self) -> bool:
        """A ring wider than any head, deep within a body."""
        return self.depth >= LIMITS_OF_HEADS["ring_depth"] and self.width >= LIMITS_OF_HEADS["ring_width"]


def enclosed_tissue(values: NDArray[np.float32], bone: Mask, field: Mask, step: float) -> list[Enclosed]:
    """What bone encloses in axial slices, as wide and large as a braincase, largest first; ``step``: mm."""
    import SimpleITK as sitk

    if not bone.any():
        return []
    within = bounds(bone, 0)
    radius, wide = round(CLOSED / step), round(LIMITS_OF_HEADS["narrowest"] / step)
    whole = filled(ball_closing(bone[within], radius))
    tissue = whole & ~bone[within] & (values[within] > TISSUE)
    if not tissue.any():
        return []
    part = bounds(tissue, 1)
    solid = sitk.GetImageFromArray(ball_opening(tissue[part], wide, flat=True).astype("u1"))
    voxel = (step / 10) ** 3
    least = round(LIMITS_OF_HEADS["enclosed"] / voxel)
    parts = sitk.GetArrayFromImage(sitk.RelabelComponent(sitk.ConnectedComponent(solid), least))
    first = np.array([piece.start for piece in part])
    start = np.array([piece.start for piece in within])
    found = []
    for number in range(1, int(parts.max()) + 1):
        places = np.argwhere(parts == number) + first
        low, high = places.min(axis=0), places.max(axis=0)
        levels = slice(int(low[0]), int(high[0]) + 1)
        upright = slice(levels.start + start[0], levels.stop + start[0])
        ring = np.zeros(values[upright].shape, bool)
        ring[:, within[1], within[2]] = whole[levels]
        seed = places[len(places) // 2] + start - (upright.start, 0, 0)
        lies = _lies(ring, tuple(seed), bone[upright], values[upright] > AIR, field[upright], step)
        found.append(Enclosed(len(places) * voxel, low + start, high + start, *lies, places + start))
    return found


def _lies(
    rings: Mask, seed: tuple[int, ...], bone: Mask, body: Mask, field: Mask, step: float
) -> tuple[float, float, float]:
    """Depth, width and bony share of the ring (bone and what it encloses) that holds the voxel ``seed``."""
    import SimpleITK as sitk

    ring = _joined(rings, seed)
    edge = ring & ~_all_beside(ring)
    air = ~body & field
    if not air.any():
        return float("nan"), float("nan"), float("nan")
    apart = sitk.SignedMaurerDistanceMap(sitk.GetImageFromArray(air.astype("u1")), False, False, False)
    depth = float(np.median(sitk.GetArrayFromImage(apart)[edge])) * step
    return depth, max(_across(ring, 1), _across(ring, 2)) * step, float(bone[edge].mean())


def _across(ring: Mask, axis: int) -> float:
    """From one side of a ring to the other, in voxels: median over the slices."""
    levels: Mask = np.any(ring[ring.any(axis=(1, 2))], axis=3 - axis)
    return float(np.median([np.ptp(np.flatnonzero(level)) + 1 for level in levels]))


def _joined(mask: Mask, seed: tuple[int, ...]) -> Mask:
    """The part of a mask that holds a voxel."""
    import SimpleITK as sitk

    parts: Any = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.astype("u1")))
    numbers = sitk.GetArrayFromImage(parts)
    return np.asarray(numbers == numbers[seed])


def _all_beside(mask: Mask) -> Mask:
    """Where the four neighbours within a slice are marked, too."""
    around = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    return around[:, 2:, 1:-1] & around[:, :-2, 1:-1] & around[:, 1:-1, 2:] & around[:, 1:-1, :-2]


def braincase(volume: Grid) -> Mask:
    """What the skull of a CT encloses, if one shows."""
    bone, found = (volume.values > BONE) & volume.field, np.zeros(volume.field.shape, bool)
    for part in enclosed_tissue(volume.values, bone, volume.field, volume.step):
        if part.is_skull:
            found[tuple(part.places.T)] = True
    return found


def own_brain(volume: Grid, within: Mask) -> OwnBrain | None:
    """What the skull encloses with its poles, and the rim of bone that cubes mix with brain; None where none shows."""
    if not within.any():
        return None
    soft, brain = (volume.values > TISSUE) & (volume.values <= BONE) & volume.field, within
    for _ in range(POLES):
        brain = ball_dilation(brain, 1) & soft
    return _kept(volume, ball_dilation(brain, 1) & ball_erosion(volume.head, DEEP))


def glowing_brain(volume: Grid, brain: Mask) -> OwnBrain | None:
    """Of a PT what takes up as much as the ``brain`` of a pose, in one piece with it and deep under the skin."""
    import SimpleITK as sitk

    seen = brain & volume.field
    least = GLOWS * float(np.median(volume.values[seen])) if seen.any() else np.inf
    bright = ball_erosion(volume.head, UNDER_SKIN) & (volume.values >= least)
    inside = np.argwhere(bright & seen)
    if not len(inside):
        return None
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(bright.astype("u1"))))
    glows = _kept(volume, parts == np.bincount(parts[tuple(inside.T)]).argmax())
    return glows._replace(within=Region.NEAR_GLOWING)


def deep_in_head(volume: Grid, face: Mask) -> OwnBrain:
    """What lies deep under the skin and is no ``face`` of the best pose: a rival has no say there."""
    return _kept(volume, ball_erosion(volume.head, FAR_UNDER) & ~face)


def _kept(volume: Grid, places: Mask) -> OwnBrain:
    return OwnBrain(np.asarray(places & volume.field), np.asarray(np.linalg.inv(volume.affine), np.float64))
