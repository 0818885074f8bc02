"""The last run of a MR or a cut CT: from wherever a search ended up to the top of one smooth hill, to its very end.

The runs of ``optimiser`` stop in flat valleys, up to 12 degrees of nodding apart; from any of these ends this one
reaches the same pose, so that some slices more or less move it by little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Mask, Matrix, Region, template
from chorus_nb.faces.optimiser import BINS, image_like
from chorus_nb.faces.volume import Grid, stature

Floats = NDArray[np.float64]

# What counts beside mutual information (nats, 0.4 to 0.7): overlap of the outlines, the share of what bone encloses
# that would go with the face, and how far the head is stretched out of its shape.
OVERLAP_COUNTS, LOSS_COUNTS, BENDING_COUNTS = {"CT": 2.0, "MR": 1.0}, 8.0, 4.0
SOFT = {Region.HEAD: 2.5, Region.FACE: 2.0}  # mm by which the edge of a region is softened
MOUTH, CROWN = 0.75, 20.0  # of the height of a head, from the crown; mm: what a head lacks that is cut
ARM = 80.0  # mm: a turn by so much moves the skin as a shift by one does
STRIDES, LONGEST_STRIDE, SHORTEST_STRIDE = 60, 4.0, 0.05  # at most; mm
TRIES, SHORTER = 8, 0.4  # of a stride that led down
RISE = 2e-6  # less is the top


def is_cut(volume: Grid) -> bool:
    """Whether the field of view ends within the head: above the mouth, or below the crown."""
    stands, seen = stature(volume), volume.head & volume.field
    front = seen[:, : round(float(np.argwhere(seen)[:, 1].mean()))]  # behind it a tilted field goes further down
    low = volume.origin[2] + np.flatnonzero(front.any(axis=(1, 2)))[0] * volume.step
    high = volume.origin[2] + np.flatnonzero(seen.any(axis=(1, 2)))[-1] * volume.step
    return bool(stands.crown - low < MOUTH * stands.height or stands.crown - high > CROWN)


class Climb(NamedTuple):
    """A pose at the top, and how high that is."""

    matrix: Matrix
    height: float


class Hill:
    """How well a pose fits the values of a volume in a region: smooth, with its slope."""

    def __init__(
        self,
        volume: Grid,
        values: NDArray[np.float32],
        region: Mask,
        upper: float,
        enclosed: Floats,
        modality: str = "CT",
    ) -> None:
        """``upper``: patient mm above which outlines are compared; ``enclosed``: points of what bone encloses."""
        self.outline = OVERLAP_COUNTS[modality]
        region = region if modality == "CT" else region & _every_other(volume)
        self.points, self.enclosed = volume.points(region), enclosed
        self.head, self.upper = volume.head[region], self.points[:, 2] >= upper
        shown = values[region]
        low, high = float(shown.min()), float(shown.max())
        self.bins = np.minimum((shown - low) * (BINS / ((high - low) or 1)), BINS - 1).astype(np.int64)

    def climbed(self, start: Matrix) -> Climb:
        """The top that is reached from a pose."""
        centre = _maps().centre
        begun, kept = (points @ start[:3, :3].T + start[:3, 3] for points in (self.points, self.enclosed))
        arms, kept_arms = (begun - centre) / ARM, (kept - centre) / ARM

        def moved(by: Floats) -> Matrix:
            made = np.eye(4)
            made[:3, :3] += by[:, :3] / ARM
            made[:3, 3] = by[:, 3] - by[:, :3] @ centre / ARM
            return np.asarray(made @ start)

        def at(by: Floats) -> tuple[float, Floats]:
            by = by.reshape(3, 4)
            height, pull = self._likeness(begun + arms @ by[:, :3].T + by[:, 3])
            slope = np.column_stack([pull.T @ arms, pull.sum(axis=0)])
            if len(kept):
                [face], [push], _ = _sampled(_maps().face, kept + kept_arms @ by[:, :3].T + by[:, 3])
                height -= LOSS_COUNTS * float(face.mean())
                slope -= LOSS_COUNTS / len(kept) * np.column_stack([push.T @ kept_arms, push.sum(axis=0)])
            bent, bending = _bent(moved(by)[:3, :3])
            slope[:, :3] -= BENDING_COUNTS * bending @ start[:3, :3].T / ARM
            return height - BENDING_COUNTS * bent, slope.ravel()

        top, height = _uphill(at, np.zeros(12))
        return Climb(moved(top.reshape(3, 4)), height)

    def _likeness(self, places: Floats) -> tuple[float, Floats]:
        """Mutual information and overlap of the outlines at template millimetres, and what each point pulls at it."""
        (shown, other), (shown_slope, other_slope), inside = _sampled(_maps().shown, places)
        information, gain = _information(self.bins[inside], shown[inside])
        pull = np.zeros_like(places)
        pull[inside] = gain[:, None] * shown_slope[inside]
        known = inside & self.upper
        both = float(other[known].sum() + self.head[known].sum())
        overlap = 2 * float(other[known & self.head].sum()) / both
        gained = self.outline * (2 * self.head[known] - overlap) / both
        pull[known] += gained[:, None] * other_slope[known]
        return information + self.outline * overlap, pull


def _every_other(volume: Grid) -> Mask:
    """Half of the cubes, as on a chessboard that lies where it does whatever slices there are."""
    k, j, i = np.ogrid[tuple(map(slice, volume.field.shape))]
    return np.asarray((k + j + i + np.rint(volume.origin / volume.step).astype(int).sum()) % 2 == 0)


def _information(bins: NDArray[np.int64], shown: Floats) -> tuple[float, Floats]:
    """Mutual information of ``bins`` and values, each of which counts for the four bins beside it; its slope by value.

    The weights are cubic splines, so that it is smooth.
    """
    first = np.floor(shown).astype(np.int64)
    weights, slopes = _spline(shown - first)
    width = BINS + 3
    places = bins * width + first
    joint = np.sum([np.bincount(places + k, weights[k], BINS * width) for k in range(4)], axis=0)
    joint = joint.reshape(BINS, width) / len(bins)
    some = joint > 0
    said = np.log(joint, where=some, out=np.zeros_like(joint))
    own, theirs = (np.log(np.maximum(joint.sum(axis=axis), 1e-300)) for axis in (1, 0))
    information = float((joint * (said - own[:, None] - theirs))[some].sum())
    gain = np.where(some, said - theirs, 0).ravel()
    return information, np.sum([slopes[k] * gain[places + k] for k in range(4)], axis=0) / len(bins)


def _spline(share: Floats) -> tuple[list[Floats], list[Floats]]:
    """Weights of the bins one below to two above, and their slopes."""
    x, rest = share, 1 - share
    inner = (3 * x**3 - 6 * x**2 + 4) / 6, (3 * rest**3 - 6 * rest**2 + 4) / 6
    slopes = [-(rest**2) / 2, (3 * x**2 - 4 * x) / 2, (4 * rest - 3 * rest**2) / 2, x**2 / 2]
    return [rest**3 / 6, *inner, x**3 / 6], slopes


def _bent(linear: Floats) -> tuple[float, Floats]:
    """How far a linear map is from one that keeps shapes (squared logarithms of its stretches, nearly); its slope."""
    squared = linear.T @ linear
    size = float(np.cbrt(np.linalg.det(squared)))
    first, second = float(np.trace(squared)) / size, float((squared * squared).sum()) / size**2
    inverse = np.linalg.inv(squared)
    slope = 2 * squared / size**2 - 2 / 3 * second * inverse - 2 * np.eye(3) / size + 2 / 3 * first * inverse
    return (second - 2 * first + 3) / 4, np.asarray(linear @ slope / 2)


def _uphill(at: Callable[[Floats], tuple[float, Floats]], place: Floats) -> tuple[Floats, float]:
    """The top of a smooth hill (BFGS, with shorter strides where one leads down), and its height."""
    height, slope = at(place)
    same = np.eye(len(place))
    bend = same / max(float(np.linalg.norm(slope)), 1e-9)  # the first step is a millimetre
    for number in range(STRIDES):
        way = bend @ slope
        if way @ slope <= 0:
            way = slope / np.linalg.norm(slope)
        way *= min(1.0, LONGEST_STRIDE / max(float(np.abs(way).max()), 1e-9))
        for _ in range(TRIES):
            higher, next_slope = at(place + way)
            if higher >= height + 1e-4 * float(way @ slope):
                break
            way *= SHORTER
        else:
            break
        turned = slope - next_slope
        if (along := float(turned @ way)) > 1e-12:
            bend = same * along / float(turned @ turned) if number == 0 else bend
            part = same - np.outer(way, turned) / along
            bend = part @ bend @ part.T + np.outer(way, way) / along
        ended = higher - height < RISE and float(np.abs(way).max()) < SHORTEST_STRIDE
        place, height, slope = place + way, higher, next_slope
        if ended:
            break
    return place, height


class _Maps(NamedTuple):
    """The template as smooth pictures (number, k, j, i): what it shows, in bins, and its head; and its face."""

    shown: NDArray[np.float32]
    face: NDArray[np.float32]
    to_index: Matrix
    centre: Floats


@lru_cache(maxsize=1)
def _maps() -> _Maps:
    import SimpleITK as sitk

    shape = template()
    like = image_like(shape)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(like.GetDirection(), (3, 3)) * like.GetSpacing()
    affine[:3, 3] = like.GetOrigin()
    values = sitk.GetArrayFromImage(like)
    values = (values - values.min()) * np.float32((BINS - 1) / np.ptp(values))
    edges = {region: image_like(shape, region, soft) for region, soft in SOFT.items()}
    head, face = (sitk.GetArrayFromImage(edges[region]) for region in (Region.HEAD, Region.FACE))
    voxels = np.argwhere(head > 0.5)[:, ::-1]
    centre = voxels.mean(axis=0) @ affine[:3, :3].T + affine[:3, 3]
    return _Maps(np.stack([values, head]), face[None], np.asarray(np.linalg.inv(affine)), centre)


def _sampled(maps: NDArray[np.float32], places: Floats) -> tuple[Floats, Floats, Mask]:
    """Values (number, n) and slopes per millimetre (number, n, 3) at template millimetres, and which lie inside."""
    to_index = _maps().to_index
    index = (places @ to_index[:3, :3].T + to_index[:3, 3]).astype(np.float32)
    last = np.array(maps.shape[:0:-1], np.float32) - np.float32(1.001)
    inside: Mask = np.all((index >= 0) & (index < last), axis=1)
    index = np.clip(index, 0, last)
    whole = index.astype(np.int32)
    x, y, z = np.ascontiguousarray((index - whole).astype(np.float32).T)
    _, _, rows, columns = maps.shape
    base, flat = (whole[:, 2] * rows + whole[:, 1]) * columns + whole[:, 0], maps.reshape(len(maps), -1)
    a, b, c, d = ((k * rows + j) * columns for k, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
    lows, highs = ([flat.take(base + at + i, axis=1) for at in (a, b, c, d)] for i in (0, 1))
    edges = [low + (high - low) * x for low, high in zip(lows, highs, strict=True)]
    across = [high - low for low, high in zip(lows, highs, strict=True)]
    lower, upper = (edges[n] + (edges[n + 1] - edges[n]) * y for n in (0, 2))
    left, right = (across[n] + (across[n + 1] - across[n]) * y for n in (0, 2))
    down = (edges[1] - edges[0]) * (1 - z) + (edges[3] - edges[2]) * z
    slopes = np.stack([left + (right - left) * z, down, upper - lower], axis=-1)
    return np.asarray(lower + (upper - lower) * z), np.asarray(slopes @ to_index[:3, :3]), inside
