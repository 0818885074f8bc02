"""Where the template's head lies in a volume: many starting poses scored coarsely, the best refined, the winner kept.

Always one thread and fixed sampling, so that the same volume gives the same transform on every run and worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import compress, product
from operator import not_
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Mask, Matrix, OwnBrain, Region, regions_at, regions_on, sampled_volume, template
from chorus_nb.faces.braincase import braincase, deep_in_head, glowing_brain, own_brain
from chorus_nb.faces.foremost import foremost
from chorus_nb.faces.optimiser import BINS, RIGID, Fixed, image_of, refine
from chorus_nb.faces.settling import Hill, is_cut
from chorus_nb.faces.volume import WATER_LIKE, Grid, stature
from chorus_nb.morphology import ball_dilation

PITCHES, TURNS, TILTS = (-30, -15, 0, 15, 30), (-20, 0, 20), (-20, 0, 20)  # degrees: nodding, turning, tilting
COARSE_STARTS, COARSELY = ((-20, 0, 0), (0, 0, 0), (20, 0, 0)), 2  # degrees, and how many are refined for a first look
# degrees: of a head that lies otherwise than its header says
TURNED_STARTS = ((0, 90, 0), (0, -90, 0), (0, 180, 0), (90, 0, 0), (-90, 0, 0))
RISES = (-30, 0, 30)  # mm up and down from where crown or centre of the two heads meet
POINTS = 6000  # of the volume at which a starting pose is scored
STARTS, FINALS = 6, 2  # poses that are refined, first by a similarity transform, then by an affine one
APART = 0.1  # radians or decimetres: how different they have to be
NODS = (-12, 12)  # degrees by which the best is pushed away, to see whether it comes back
BETWEEN = (0.25, 0.5, 0.75)  # of the way from the best end of the search to another
ROUND_ABOUT = 0.06  # below the best fit: with its front behind a true pose is less, a wrong one is not
NEARLY = 0.002  # below the best fit: what is a rival
ONE_PLACE = 0.05  # radians or decimetres from the best: less than lies between brain and skin
PER_DEGREE, PER_STRETCH = 0.0002, 0.05  # of fit: a smooth head looks much the same in several poses
PER_LOST = 2.0  # of fit: a face that takes some of what bone encloses is none
TURNED = 30.0  # degrees: from there on every pose is as unlikely as another
OUTLINE = 160.0  # mm from the crown: below it necks differ too much to compare outlines
SCALES = (0.8, 1.35)  # to begin with
SAME_STARTS, SAME_ENDS = (-12, 0, 12), 0.06  # degrees of nodding; radians or decimetres between ends that are one
SAME_NODS, PUSHES = (-6, 6), 2  # degrees by which the best is pushed away, and again what is better than that
SAME_NMI = 1.04  # of two series of one head: 1.06 and more; beside another part 1.03 and less

Degrees = tuple[float, float, float]


class Pose(NamedTuple):
    """``matrix`` takes patient millimetres to template millimetres; ``nmi``: normalised mutual information, 1 = none.

    ``rivals`` are other ends of the search that are nearly as good: what any of them calls face is removed. ``beside``
    are those within ``ONE_PLACE`` of the best: one place, known to so many millimetres; the brain of each is spared.
    """

    matrix: Matrix
    nmi: float
    dice: float
    """overlap of the outlines of the two heads, as far down as heads are alike"""
    rivals: tuple[Matrix, ...] = ()
    beside: tuple[Matrix, ...] = ()
    lost: float = 0.0
    """share of what bone encloses that would go with the face; 0 where none shows"""
    own: OwnBrain | None = None
    """stays, where it is near the template's brain; of the series that was searched, not of those that follow it"""

    @property
    def ends(self) -> tuple[Matrix, ...]:
        """All of them, the best first, then those beside it."""
        return (self.matrix, *self.beside, *self.rivals)

    def mapped(self, how: Callable[[Matrix], Matrix]) -> Pose:
        """The same with each of its ends changed alike."""
        rivals, beside = tuple(map(how, self.rivals)), tuple(map(how, self.beside))
        return self._replace(matrix=how(self.matrix), rivals=rivals, beside=beside)

    @property
    def fit(self) -> float:
        """What decides between poses: inside and outline of the head; all else equal, the one that changes least."""
        _, stretch, _ = np.linalg.svd(self.matrix[:3, :3])
        least = min(self.rotation, TURNED) * PER_DEGREE + float(np.log(stretch[0] / stretch[2])) * PER_STRETCH
        return self.nmi + self.dice - least - self.lost * PER_LOST

    @property
    def rotation(self) -> float:
        """Degrees between the patient's axes and the template's."""
        left, _, right = np.linalg.svd(self.matrix[:3, :3])
        return float(np.degrees(np.arccos(np.clip((np.trace(left @ right) - 1) / 2, -1, 1))))


def register_head(volume: Grid, modality: str, start: tuple[float, float, float] | None = None) -> Pose:
    """The best affine pose; ``start`` = degrees of nodding, turning and tilting to begin from instead of a grid."""
    region = _region(volume)
    values = _comparable(volume.values, modality, volume.head)
    scorer, fixed = _Scorer(volume, values, region, modality), Fixed(volume, values, region)
    begun = _starts(volume, [start], ["crown"]) if start else _starts(volume, [*product(PITCHES, TURNS, TILTS)])
    coarse = [Pose(matrix, scorer.nmi(matrix), 0) for matrix in begun]
    poses = sorted(coarse, key=lambda pose: -pose.nmi)

    def refined(chosen: list[Pose], kind: str) -> list[Pose]:
        made = [scorer.pose(refine(fixed, pose.matrix, kind)) for pose in chosen]
        return sorted(made, key=lambda pose: -pose.fit)

    rigid = refined(_diverse(poses, volume, STARTS), "similarity")
    seconds = _diverse(rigid, volume, FINALS)
    nodded = [rigid[0]._replace(matrix=_nodded(rigid[0].matrix, degrees, volume)) for degrees in NODS]
    ends = refined([*seconds, *nodded, *_turned_round(rigid[0], volume, scorer, refined)], "affine")
    between = max(_between(scorer, ends), key=lambda pose: pose.fit)
    ends = [between, *ends] if between.fit > ends[0].fit + NEARLY else ends
    if modality == "CT" and is_cut(volume):
        ends = _settled(Hill(volume, values, region, scorer.lowest, scorer.enclosed), scorer, ends)
    elif modality not in ("CT", "PT"):
        tops = _settled(Hill(volume, values, region, scorer.lowest, scorer.enclosed, "MR"), scorer, ends)
        lost = foremost(volume, tops[0].matrix) < foremost(volume, ends[0].matrix)
        ends = ends if lost else tops  # a pose that leaves more of the most forward point is none to settle at
    centre = volume.points(volume.head).mean(axis=0)
    best, nearly = ends[0], [other.matrix for other in ends[1:] if other.fit >= ends[0].fit - NEARLY]
    same = [_difference(best.matrix, end, centre) <= ONE_PLACE for end in nearly]
    best = best._replace(rivals=tuple(compress(nearly, map(not_, same))), beside=tuple(compress(nearly, same)))
    return best._replace(own=_own_brain(volume, modality, best, scorer.braincase))


def _own_brain(volume: Grid, modality: str, best: Pose, in_bone: Mask) -> OwnBrain | None:
    """What the volume shows by itself to be brain: by its bone, by what glows, or by its depth where poses differ."""
    if modality == "CT":
        return own_brain(volume, in_bone)
    here = [regions_on(matrix, volume.affine, volume.head.shape) for matrix in (best.matrix, *best.beside)]
    if modality == "PT":
        return glowing_brain(volume, (here[0] & Region.BRAIN) > 0)
    return deep_in_head(volume, (np.bitwise_or.reduce(here) & Region.FACE) > 0) if best.rivals else None


def _settled(hill: Hill, scorer: _Scorer, ends: Sequence[Pose]) -> list[Pose]:
    """Where the ends lead to, of a head whose pose a slice more or less would move by millimetres."""
    tops = sorted((hill.climbed(end.matrix) for end in ends[: FINALS + len(NODS)]), key=lambda top: -top.height)
    return [scorer.pose(top.matrix) for top in tops]


def _turned_round(
    best: Pose, volume: Grid, scorer: _Scorer, refined: Callable[[list[Pose], str], list[Pose]]
) -> list[Pose]:
    """A pose turned to a side or right round, where the best one fits hardly better than with its front behind.

    A dome looks alike from all sides. Of a head that lies otherwise than its header says such a pose is the true one,
    and it is turned too far to be accepted.
    """
    behind = best._replace(matrix=_about_centre(best.matrix, rotated(0, 180, 0), volume))
    [end] = refined([behind], "similarity")
    if end.fit < best.fit - ROUND_ABOUT:
        return []
    turns = [(nod, aside + turn, 0) for nod in (-20, 0, 20) for aside in (-90, 90, 180) for turn in (-20, 0, 20)]
    begun = [Pose(matrix, scorer.nmi(matrix), 0) for matrix in _starts(volume, turns)]
    likeliest = _diverse(sorted(begun, key=lambda pose: -pose.nmi), volume, FINALS + 1)
    return refined([behind, *likeliest], "similarity")[:1]


def _between(scorer: _Scorer, ends: Sequence[Pose]) -> list[Pose]:
    """Poses on the way from the best end to each other.

    A search ends anywhere in a flat valley; where what lies between is clearly better, its ends were one place.
    """
    first, *others = (end.matrix for end in ends)
    return [scorer.pose(first + share * (other - first)) for other in others for share in BETWEEN]


class CoarseSearch:
    """How like a head a grid of 6 mm is, not where its face lies: from few starting poses."""

    def __init__(self, volume: Grid, modality: str) -> None:
        self.volume, region = volume, _region(volume)
        values = _comparable(volume.values, modality, volume.head)
        self._scorer, self._fixed = _Scorer(volume, values, region), Fixed(volume, values, region)
        starts = [Pose(matrix, self._scorer.nmi(matrix), 0) for matrix in _starts(volume, COARSE_STARTS)]
        self._starts = sorted(starts, key=lambda pose: -pose.nmi)
        self.begun = self._starts[0].nmi + self._scorer.dice(self._starts[0].matrix)
        """of the best start: which part of a body is worth the rest"""

    def likeness(self, kind: str = "coarse") -> float:
        """Of the best of two similarity poses; ``kind`` of search: of ``optimiser.RUNS``."""
        return self._best(self._starts, kind)

    def turned(self) -> float:
        """The same of a head on its side, its face down, or looking up or down: laid otherwise than its header says."""
        begun = _starts(self.volume, TURNED_STARTS, ["centre"])
        starts = [Pose(matrix, self._scorer.nmi(matrix), 0) for matrix in begun]
        return self._best(sorted(starts, key=lambda pose: -pose.nmi), "turned")

    def _best(self, starts: list[Pose], kind: str) -> float:
        begun = _diverse(starts, self.volume, COARSELY)
        poses = [self._scorer.pose(refine(self._fixed, start.matrix, kind)) for start in begun]
        return max(pose.nmi + pose.dice for pose in poses)


def same_head(volume: Grid, modality: str, other: Grid, other_modality: str) -> Matrix | None:
    """Takes patient millimetres of ``volume`` to those of ``other``, the same head in another frame of reference.

    None where no two starts (one frame on the other, one centre on the other, the best pushed away) end at one place
    that is alike.
    """
    centre = volume.points(volume.head & _region(volume)).mean(axis=0)
    meets = np.eye(4)
    meets[:3, 3] = other.points(other.head & _region(other)).mean(axis=0) - centre
    starts = [np.eye(4), *(_nodded(meets, degrees, volume) for degrees in SAME_STARTS)]
    ends = _rigid_ends(volume, modality, other, other_modality, starts)
    for _ in range(PUSHES):
        first, _ = max(ends, key=lambda end: end[1])
        ends += _rigid_ends(volume, modality, other, other_modality, [_nodded(first, by, volume) for by in SAME_NODS])
        best, shared = max(ends, key=lambda end: end[1])
        together = sum(_difference(best, end, centre) <= SAME_ENDS for end, _ in ends)
        if together > 1 or best is first:
            break
    return best if shared >= SAME_NMI and together > 1 else None


def same_place(volume: Grid, modality: str, other: Grid, other_modality: str) -> Matrix | None:
    """The same within one frame of reference, where that and the pixels say nearly the same; else None."""
    [(end, shared)] = _rigid_ends(volume, modality, other, other_modality, [np.eye(4)])
    centre = volume.points(volume.head & _region(volume)).mean(axis=0)
    return end if shared >= SAME_NMI and _difference(np.eye(4), end, centre) <= SAME_ENDS else None


def _rigid_ends(
    volume: Grid, modality: str, other: Grid, other_modality: str, starts: Sequence[Matrix]
) -> list[tuple[Matrix, float]]:
    """Where each start ends, and the normalised mutual information there."""
    values, region = _comparable(volume.values, modality, volume.head), _region(volume)
    theirs = _comparable(other.values, other_modality, other.head)
    points, own = volume.points(region), _binned(values[region])
    bins, to_index = _binned(theirs), np.asarray(np.linalg.inv(other.affine), np.float64)
    image, fixed, found = image_of(theirs, other), Fixed(volume, values, region), []
    for end in starts:
        for kind in RIGID:
            end = refine(fixed, end, kind, image)
        there = np.asarray(points @ end[:3, :3].T + end[:3, 3], np.float64)
        found.append((end, _shared_information(own, sampled_volume(bins, to_index, there))))
    return found


def _nodded(matrix: Matrix, degrees: float, volume: Grid) -> Matrix:
    """The pose turned about the axis through the ears, where heads are most alike and registrations go astray."""
    return _about_centre(matrix, rotated(degrees, 0, 0), volume)


def _about_centre(matrix: Matrix, rotation: NDArray[np.float64], volume: Grid) -> Matrix:
    """The pose after the head was turned about its middle."""
    centre = volume.points(volume.head).mean(axis=0)
    turned = matrix.copy()
    turned[:3, :3] = matrix[:3, :3] @ rotation
    turned[:3, 3] = (matrix[:3, :3] - turned[:3, :3]) @ centre + matrix[:3, 3]
    return turned


def _region(volume: Grid) -> Mask:
    """The head and a rim of air, from the crown down as far as a head goes."""
    rim = ball_dilation(volume.head, 4)
    rim[: _lowest(volume)] = False
    return np.asarray(rim & volume.field)


def _lowest(volume: Grid) -> int:
    """The level of the grid down to which a head goes."""
    stands = stature(volume)
    return int(max(0, round((stands.crown - stands.height - volume.origin[2]) / volume.step)))


def _comparable(values: NDArray[np.float32], modality: str, head: Mask) -> NDArray[np.float32]:
    """Values without the extremes that would take all bins."""
    if modality == "CT":
        return np.clip(values, *WATER_LIKE)
    inside = values[head] if head.any() else values
    return np.clip(values, 0 if values.min() >= 0 else values.min(), np.percentile(inside, 99.5))


def _starts(volume: Grid, angles: Sequence[Degrees], meets: Sequence[str] = ("crown", "centre")) -> list[Matrix]:
    """Crowns or centres of both heads meet, at the same width; then every combination of turning and rising."""
    stands = stature(volume)
    top = volume.head.copy()
    top[: _lowest(volume)] = False
    centre = volume.points(top).mean(axis=0)
    mean, highest = _template_landmarks()
    scale = float(np.clip(1 / stands.size, *SCALES))
    made = []
    for pitch, turn, tilt in angles:
        rotation = scale * rotated(pitch, turn, tilt)
        for rise in RISES:
            for meet in meets:
                target = mean.copy()
                target[2] = mean[2] if meet == "centre" else highest - scale * (stands.crown - centre[2])
                target[2] += rise
                matrix = np.eye(4)
                matrix[:3, :3] = rotation
                matrix[:3, 3] = target - rotation @ centre
                made.append(matrix)
    return made


def rotated(pitch: float, turn: float, tilt: float) -> NDArray[np.float64]:
    """Rotation by degrees about the axis through the ears, from feet to head, and from back to front."""
    a, b, c = np.radians((pitch, turn, tilt))
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(c), 0, np.sin(c)], [0, 1, 0], [-np.sin(c), 0, np.cos(c)]])
    return np.asarray(about_y @ about_z @ about_x)


@lru_cache(maxsize=1)
def _template_landmarks() -> tuple[NDArray[np.float64], float]:
    """Centre of the template's head, and how high its crown lies, in template millimetres."""
    shape = template()
    voxels = np.argwhere(shape.shows(Region.HEAD))[::97, ::-1]
    to_millimetres = np.linalg.inv(shape.to_index)
    points = voxels @ to_millimetres[:3, :3].T + to_millimetres[:3, 3]
    return points.mean(axis=0), float(np.percentile(points[:, 2], 99.9))


class _Scorer:
    """Normalised mutual information of the volume with the template, at fixed points."""

    def __init__(self, volume: Grid, values: NDArray[np.float32], region: Mask, modality: str = "") -> None:
        places = np.flatnonzero(region)
        chosen = places[np.linspace(0, len(places) - 1, min(len(places), POINTS * 4)).astype(int)]
        where = np.zeros(region.shape, bool)
        where.ravel()[chosen] = True
        self.points = volume.points(where)
        self.bins = _binned(values[where])
        thinned = volume.field.copy()
        thinned[1::2], thinned[:, 1::2], thinned[:, :, 1::2] = False, False, False
        self.places, self.head = volume.points(thinned), volume.head[thinned]
        self.lowest = stature(volume).crown - OUTLINE * stature(volume).size
        self.template_bins = _template_bins()
        self.braincase = braincase(volume) if modality == "CT" else np.zeros(region.shape, bool)
        within = np.argwhere(self.braincase)
        self.enclosed = volume.points_of(within[:: max(1, len(within) // POINTS)])

    def pose(self, matrix: Matrix) -> Pose:
        return Pose(matrix, self.nmi(matrix), self.dice(matrix), lost=self.lost(matrix))

    def lost(self, matrix: Matrix) -> float:
        """Share of what bone encloses that would go with the face."""
        return float(((regions_at(matrix, self.enclosed) & Region.FACE) > 0).mean()) if len(self.enclosed) else 0.0

    def dice(self, matrix: Matrix) -> float:
        """Twice the common part of both heads, to the sum of both."""
        regions = regions_at(matrix, self.places)
        other, known = (regions & Region.HEAD) > 0, ((regions & Region.FIELD) > 0) & (self.places[:, 2] >= self.lowest)
        whole = (self.head & known).sum() + (other & known).sum()
        return float(2 * (self.head & other & known).sum() / whole) if whole else 0.0

    def nmi(self, matrix: Matrix) -> float:
        moved = self.points @ matrix[:3, :3].T + matrix[:3, 3]
        other = sampled_volume(self.template_bins, template().to_index, moved)
        return _shared_information(self.bins, other)


def _shared_information(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Normalised mutual information of binned values."""
    joint = np.bincount(one * BINS + other, minlength=BINS * BINS).reshape(BINS, BINS) / len(other)
    both = _entropy(joint.ravel())
    return float((_entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))) / both) if both else 1.0


def _binned(values: NDArray[np.float32]) -> NDArray[np.int64]:
    low, high = float(values.min()), float(values.max())
    return np.asarray(np.minimum((values - low) * (BINS / ((high - low) or 1)), BINS - 1), np.int64)


@lru_cache(maxsize=1)
def _template_bins() -> NDArray[np.int64]:
    return _binned(np.clip(template().values, 0, 450))


def _entropy(shares: NDArray[np.float64]) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())


def _diverse(poses: list[Pose], volume: Grid, most: int) -> list[Pose]:
    """The best poses of which no two are nearly the same."""
    centre = volume.points(volume.head).mean(axis=0)
    kept: list[Pose] = []
    for pose in poses:
        if all(_difference(pose.matrix, other.matrix, centre) > APART for other in kept):
            kept.append(pose)
        if len(kept) == most:
            break
    return kept


def _difference(one: Matrix, other: Matrix, centre: NDArray[np.float64]) -> float:
    """Decimetres by which the poses move the centre apart, or more than it a point a decimetre away from it."""
    turned = np.linalg.norm((one - other)[:3, :3], 2)
    shift = np.linalg.norm((one - other)[:3, :3] @ centre + (one - other)[:3, 3])
    return float(max(turned, shift / 100))
