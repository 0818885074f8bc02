"""Whether a face was really found: measures of a pose, and the limits beyond which nothing is called defaced.

Five measures compare the posed template with the volume; two look at the front of the head alone and know nothing of
the registration (facts: pixels.md §C.4). A pose that fails any of them is ``not defaced`` with the reason.
"""

from __future__ import annotations

import csv
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Mask, Region, regions_on, template
from chorus_nb.faces.foremost import front_measures
from chorus_nb.faces.registration import Pose
from chorus_nb.faces.volume import Grid

IN_VIEW = 0.02  # of the head in view that has to be face, for there to be anything to remove
PLACING = ("scale_low", "scale_high", "rotation")  # have to be sure where no front of a head says that a pose is wrong
IN_VIEW_TO_TELL, NOTHING_LEFT = 0.5, 0.1  # of pydeface's face zone: has to be in view; may not be filled
GRAIN = 1e-4  # of the range of values: what differs by less is one value
BARE_DICE = 0.85  # overlap of the outlines of a head without a face, or without skin


class Measures(NamedTuple):
    """What is known of a pose. Shares are 0 to 1; NaN = could not be measured."""

    dice: float
    """overlap of the head in the volume and the template's"""
    nmi: float
    """normalised mutual information with the template; 1 = none"""
    scale_low: float
    scale_high: float
    """least and greatest stretch from the volume to the template"""
    rotation: float
    """degrees"""
    brain: float
    """share of the template's brain in view over which ends of the search contradict each other, where it is most"""
    face: float
    """share of the head in view that is removed"""
    scalp: float
    """difference of scalp and skull, beside the brain: a brain without both has none"""
    agreement: float
    """least overlap of the face with what other ends of the search would remove"""
    nose: float
    """share of the head around its most forward point that is removed"""
    front: float
    """share of the rays from the front whose first surface is removed, in the band of the face"""


class Limit(NamedTuple):
    """``measure`` must lie between ``low`` and ``high``; ``modality`` "" = any.

    As far as ``doubt`` it may miss that, where every other measure is as good as ``sure``: they are weighed together.
    """

    measure: str
    low: float
    high: float
    doubt: float
    sure: float
    modality: str
    reason: str

    def keeps(self, value: float) -> bool:
        """Whether it is within the limit; NaN is not."""
        return self.low <= value <= self.high

    def doubtful(self, value: float) -> bool:
        """Whether it misses the limit by so little that the others may outvote it."""
        return self.doubt <= value < self.low

    def surely(self, value: float) -> bool:
        """Whether it is good enough to vote for another that is in doubt."""
        return value >= self.sure if self.high == np.inf else value <= self.sure


def _limit(row: dict[str, str]) -> Limit:
    low, high, doubt = (float(row[name] or none) for name, none in (("low", "-inf"), ("high", "inf"), ("doubt", "inf")))
    return Limit(row["measure"], low, high, doubt, float(row["sure"]), row["modality"], row["reason"])


# Measured on the volumes of the tests, with the starting values of facts/pixels.md §C.4: see MEASURED.md.
LIMITS = tuple(
    _limit(row)
    for row in csv.DictReader(resources.files(__package__).joinpath("limits.csv").read_text("utf-8").splitlines())
)


class Posed(NamedTuple):
    """The template's regions at the voxels of a grid."""

    face: Mask
    """what is removed: what any of the poses calls face, but no brain: of the best, of those beside it, or the own"""
    faces: list[Mask]
    """the face of each pose"""
    brains: list[Mask]
    same: int
    """how many of them, from the first, are one place: their brains are spared"""
    skull: Mask
    scalp: Mask


def posed(volume: Grid, pose: Pose, *, ears: bool = False) -> Posed:
    """The template's regions in the volume's grid."""
    found = [regions_on(matrix, volume.affine, volume.head.shape) for matrix in pose.ends]
    zone = Region.FACE | Region.EARS if ears else Region.FACE
    faces, brains = [(one & zone) > 0 for one in found], [(one & Region.BRAIN) > 0 for one in found]
    same = 1 + len(pose.beside)
    face = np.logical_or.reduce(faces) & ~np.logical_or.reduce(brains[:same])
    if pose.own:
        face &= ~pose.own.among(face, found[0], volume.affine)
    return Posed(face, faces, brains, same, (found[0] & Region.SKULL) > 0, (found[0] & Region.SCALP) > 0)


def measure(volume: Grid, pose: Pose, regions: Posed) -> Measures:
    """All measures of a pose."""
    seen = volume.head & volume.field
    _, stretch, _ = np.linalg.svd(pose.matrix[:3, :3])
    brains = [brain & volume.field for brain in regions.brains]
    others_face = np.logical_or.reduce([np.zeros_like(seen), *regions.faces[regions.same :]])
    any_face = np.logical_or.reduce(regions.faces)
    over = [others_face if number < regions.same else any_face for number in range(len(brains))]
    first, *others = (face & seen for face in regions.faces)
    nose, front = front_measures(volume, regions.face)
    return Measures(
        dice=pose.dice,
        nmi=pose.nmi,
        scale_low=float(stretch[2]),
        scale_high=float(stretch[0]),
        rotation=pose.rotation,
        brain=max(_share((face & brain).sum(), brain.sum()) for face, brain in zip(over, brains, strict=True)),
        face=_share((regions.face & seen).sum(), seen.sum()),
        scalp=_scalp(volume, regions),
        agreement=min((_overlap(first, other, seen) for other in others), default=1.0),
        nose=nose,
        front=front,
    )


def _scalp(volume: Grid, regions: Posed) -> float:
    shown = [volume.values[part & volume.field] for part in (regions.brains[0], regions.skull, regions.scalp)]
    if not all(len(part) for part in shown):
        return float("nan")
    brain, skull, scalp = (float(np.median(part)) for part in shown)
    return abs(scalp - skull) / max(abs(brain), 1e-6)


def face_left(volume: Grid, pose: Pose) -> float:
    """Share of pydeface's own face zone that does not have one value, in whichever pose it is most.

    NaN where less than half of the zone is in view. What was filled has one value, whatever that is (pydeface writes 0,
    in CT water); a face, faint as it may be, and the noise of air do not.
    """
    values = volume.values
    grains = np.rint((values - values.min()) / (max(float(np.ptp(values)), 1e-6) * GRAIN)).astype(np.int64)
    shares = []
    for matrix in pose.ends:
        core = ((regions_on(matrix, volume.affine, volume.head.shape) & Region.CORE) > 0) & volume.field
        to_template = template().to_index @ matrix @ volume.affine
        whole = template().shows(Region.CORE).sum() / abs(np.linalg.det(to_template))
        if core.sum() < IN_VIEW_TO_TELL * whole:
            return float("nan")
        shares.append(1 - float(np.bincount(grains[core]).max() / core.sum()))
    return max(shares)


def came_without_face(measures: Measures, left: float) -> bool:
    """Whether a head is there, and where its face would be the picture was filled: it was removed before.

    What is asked of the head is less than of one whose face is to be removed, for it lacks part of its outline or,
    skull-stripped, all skin; where a pose is wrong, tissue and noise lie in the zone.
    """
    return (
        left <= NOTHING_LEFT
        and measures.dice >= BARE_DICE
        and all(
            limit.keeps(getattr(measures, limit.measure))
            for limit in LIMITS
            if limit.measure in ("scale_low", "scale_high", "rotation", "nmi")
        )
    )


def _overlap(one: Mask, other: Mask, seen: Mask) -> float:
    """Dice of what would be removed; 1 where neither would remove more than a trifle."""
    whole = one.sum() + other.sum()
    return float(2 * (one & other).sum() / whole) if whole > IN_VIEW * seen.sum() else 1.0


def _share(part: NDArray[np.int_] | int, whole: NDArray[np.int_] | int) -> float:
    return float(part / whole) if whole else float("nan")


def refusals(measures: Measures, modality: str) -> list[str]:
    """Why the pose is not accepted; empty = it is.

    One measure in doubt is outvoted where all others are sure. With hardly any face in view the two looks at its front
    are left out, and a pose that is turned far or much too small or large is none: the face may lie elsewhere.
    """
    modality = modality if modality in {limit.modality for limit in LIMITS} else "MR"  # of XA and NM none were measured
    skipped = () if measures.face >= IN_VIEW else ("nose", "front")
    asked = [
        (limit, float(getattr(measures, limit.measure)))
        for limit in LIMITS
        if limit.measure not in skipped and limit.modality in ("", modality)
    ]
    to_be_sure = PLACING if skipped else ()
    missed = [
        (limit, value)
        for limit, value in asked
        if not limit.keeps(value) or (limit.measure in to_be_sure and not limit.surely(value))
    ]
    others = (limit.surely(value) for limit, value in asked if limit.keeps(value))
    if len(missed) == 1 and missed[0][0].doubtful(missed[0][1]) and all(others):
        return []
    return list(dict.fromkeys(f"{limit.reason} ({limit.measure} {value:.3g})" for limit, value in missed))
