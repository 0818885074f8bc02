"""Does a face stand before a head, in a released volume of CT, MR or PT? The verifier's own look at the skin.

Shares nothing with what 03 asks (faces/): no registration of values, no atlas, no mask. The skin of an average head
(``head.csv``: 820 points) is laid onto the outside of the body by its distance to it, from many starts; of the fit
that takes most of the skull, it is asked how much of nose, mouth and cheeks lies on skin as well. A face that was
filled leaves the skin behind by one to four centimetres.
"""

from __future__ import annotations

import csv
import functools
import importlib.util
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.verify.bodies import CUBE, Body, PlacedSlice, Slices, body_of, with_planes_of
from chorus_nb.verify.outlines import WEAKER, body_outline, inverted, is_bright_around, thresholds

LEAST_BODY = 150.0  # ml of body
LEAST_PIECE, SAMPLED = 50, 75_000  # cubes of body for a start; most that are asked where it lies: a head has fewer
INNER, INNER_FROM = (0.35, 0.55, 0.7), 0.0  # parts of the way to the skin, mm above the middle: brain
CROWN = 82.0  # mm from the middle of the average head to its crown
TURNS, TILT = 0.45, 0.3  # radians that a start is turned up or down, or to a side; and tilted
SIZES_TRIED = (0.72, 1.2)  # of the average head, along each axis
SIZES_ALIKE = 400.0  # mm²: how strongly the three sizes hold together
NEAR, SLOPE = 6.0, 0.6  # mm and cosine: skin lies at a point, and looks the same way
NOWHERE = np.float32(1e4)  # mm
TAKEN_FURTHER = 4  # best starts of either order
IS_HEAD, SEEN, SEEN_OF_FEW = 0.6, 0.4, 0.1  # share of the skull's points in view that lie on skin; that are in view
CERTAIN = 0.7  # the same, to say more than perhaps
IS_FACE, MAY_BE_FACE = 0.4, 0.3  # the same of the face
FACE_IN_VIEW, ALL_IN_VIEW = 0.2, 0.8  # share of a face in view to say more than perhaps; to say that it is gone
LEFT, MAY_BE_LEFT = 0.2, 0.1  # share of a face where the source shows one; right masks leave 0.05 and less
HOLLOW = 0.03  # of what the skull encloses; right masks leave nothing empty
SMALL, LARGE = 0.76, 1.18  # of an average head: a brain without its skin is smaller, a trunk larger

Points = NDArray[np.floating[Any]]


class Front(NamedTuple):
    """How an average head lies on the skin of a volume."""

    skull: float
    """share of the skull's skin in view that lies on skin"""
    seen: float
    """share of the skull's skin that is in view"""
    face: float
    """share of nose, mouth and cheeks in view that lie on skin"""
    in_view: float
    """share of the face that is in view"""
    size: float
    """of an average head, along the axis in which it is least average"""
    hollow: float
    """share of what a skull encloses where nothing is"""
    placed: bool = False
    """whether its source, or another series of its head, shows where the face was"""
    few: bool = False
    """of too few slices to tell a head without its face"""

    @property
    def is_head(self) -> bool:
        if self.few:
            return self.skull >= IS_HEAD and self.seen >= SEEN_OF_FEW and self.face >= MAY_BE_FACE
        return self.placed or (self.skull >= IS_HEAD and self.seen >= SEEN)

    @property
    def has_face(self) -> bool:
        if self.placed:
            return self.face >= LEFT
        alike = self.skull >= CERTAIN and SMALL < self.size < LARGE
        return alike and self.may_have_face and self.face >= IS_FACE and self.in_view >= FACE_IN_VIEW

    @property
    def may_have_face(self) -> bool:
        if self.placed:
            return self.face >= MAY_BE_LEFT
        return self.is_head and self.face >= MAY_BE_FACE and self.in_view > 0

    @property
    def is_gone(self) -> bool:
        """Where the source shows a face, and nearly all of it in view, nothing of it is left."""
        return self.placed and not self.may_have_face and self.in_view >= ALL_IN_VIEW

    @property
    def is_hollow(self) -> bool:
        """A mask that met the brain."""
        return self.placed and self.hollow >= HOLLOW


NO_FRONT = Front(0.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class HeadPlace(NamedTuple):
    """Where the average head lies: turned, its size along its own axes, and the patient mm of its middle.

    Several at once where each has an axis more in front.
    """

    turn: Points
    size: Points
    place: Points

    def of(self, points: Points) -> Points:
        return self.turned(points * self.size[..., None, :]) + self.place[..., None, :]

    def turned(self, points: Points) -> Points:
        return np.asarray(points @ np.swapaxes(self.turn, -1, -2))

    def taken(self, numbers: int | Sequence[int]) -> HeadPlace:
        return HeadPlace(self.turn[numbers], self.size[numbers], self.place[numbers])


class Head(NamedTuple):
    """Points of the skin (mm from the middle of the head), which way it looks there, and which are skull or face."""

    points: Points
    normals: Points
    skull: NDArray[np.bool_]
    face: NDArray[np.bool_]

    def some(self, step: int) -> Head:
        return Head(self.points[::step], self.normals[::step], self.skull[::step], self.face[::step])


@functools.cache
def average_head() -> Head:
    """``head.csv``: see the room's README for how it was made."""
    text = resources.files(__package__).joinpath("head.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    numbers = np.array([[float(row[name]) for name in ("x", "y", "z", "nx", "ny", "nz")] for row in rows])
    part = np.array([row["part"] for row in rows])
    return Head(numbers[:, :3], numbers[:, 3:], part == "skull", part == "face")


class Skin:
    """Millimetres from the skin of a body (inside below 0), and which way they grow, at any place of its field."""

    def __init__(self, body: Body, strong_from: float) -> None:
        import SimpleITK as sitk

        self.strong = body.values > strong_from
        inside = body_outline(body, self.strong)
        image = sitk.GetImageFromArray(inside.astype("u1"))
        apart = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, False, False, False)) * np.float32(CUBE)
        self.apart = np.clip(apart, -NOWHERE, NOWHERE)  # of a field without skin ITK tells the largest number there is
        self.growth = np.stack(list(np.gradient(self.apart, CUBE))[::-1]).reshape(3, -1)
        self.inside, self.axes, self.origin = inside, body.axes, body.origin
        self.shape = np.array(inside.shape[::-1])
        self._to_index, self._to_patient = ((turn).astype(np.float32) for turn in (self.axes.T / CUBE, self.axes))
        self._last = (self.shape[:, None] - 1).astype(np.float32)

    @property
    def millilitres(self) -> float:
        return float(self.inside.sum()) * (CUBE / 10) ** 3

    def at(self, points: Points) -> tuple[Points, Points, NDArray[np.bool_]]:
        """Distance, direction of growth, and whether the field reaches there; ``points`` and growth: (…, 3, points),
        for numpy is slow along a last axis of three. In single precision: a ten-thousandth of a millimetre."""
        index = self._to_index @ (points - self.origin[:, None]).astype(np.float32)
        nearest = np.rint(index)
        clipped = np.clip(nearest, 0, self._last)
        outside = clipped != nearest
        there = ~(outside[..., 0, :] | outside[..., 1, :] | outside[..., 2, :])
        i, j, k = np.moveaxis(clipped.astype(np.intp), -2, 0)
        within = i + self.shape[0] * (j + self.shape[1] * k)
        growth = np.stack([along.take(within) for along in self.growth], axis=-2)
        beside = (index - nearest) * np.float32(CUBE) * growth
        apart = self.apart.take(within) + (beside[..., 0, :] + beside[..., 1, :] + beside[..., 2, :])
        return apart, self._to_patient @ growth, there


def front_in(sets: Sequence[Slices], original: Callable[[Path], bytes] | None = None) -> Front | str:
    """Of the slices of a series, in sets (``repeats.py``); a text says why it could not be asked.

    ``original``: the source of a file from which a face is said to be removed. A head without its face lies on its
    skin in more ways than one; where it lay before is known from the source.
    """
    if importlib.util.find_spec("SimpleITK") is None:
        return "SimpleITK is not installed"
    found = [slices.stacks() for slices in sets]
    stacks = [stack for some in found if not isinstance(some, str) for stack in some]
    if not stacks:
        return str(found[0])
    fronts: list[Front] = []
    for stack in stacks:
        fronts.append(_front_of(stack, original))
        if fronts[-1].has_face:
            break
    return max(fronts, key=lambda one: (one.has_face, one.may_have_face, one.is_hollow, one.is_head))


def _front_of(stack: list[PlacedSlice], original: Callable[[Path], bytes] | None) -> Front:
    body = body_of(stack)
    if isinstance(body, str):
        return NO_FRONT
    before = body_of(with_planes_of(stack, original)) if original else ""
    whole = None if isinstance(before, str) else laid_on(before)
    if whole and whole.front.has_face:
        return left_of(whole, body)
    laid = laid_on(body)
    return laid.front if laid else NO_FRONT


def left_of(whole: Laid, body: Body) -> Front:
    """What is left where a head with its face was."""
    body = inverted(body) if whole.inverted else body
    strong_from = next(thresholds(body.values, body.is_ct, [whole.weaker]))
    return measured(Skin(body, strong_from), whole.pose, average_head())._replace(placed=True)


class Laid(NamedTuple):
    """The best fit on a body."""

    front: Front
    pose: HeadPlace
    skin: Skin
    is_ct: bool
    weaker: float
    """part of Otsu's threshold"""
    inverted: bool = False
    """whether it is one in a picture that has dark for bright"""


def laid_on(body: Body) -> Laid | None:
    """The average head on the skin of a body, where it fits best; None where there is hardly anything."""
    laid = _laid_on(body)
    if (laid and laid.front.may_have_face) or not is_bright_around(body):
        return laid
    other = _laid_on(inverted(body))
    return other._replace(inverted=True) if other and other.front.may_have_face else laid


def _laid_on(body: Body) -> Laid | None:
    head, few = average_head(), average_head().some(3)
    best: tuple[float, Laid] | None = None
    parts = (1.0,) if body.is_ct else WEAKER
    for weaker, strong_from in zip(parts, thresholds(body.values, body.is_ct, parts), strict=True):
        skin = Skin(body, strong_from)
        if skin.millilitres < LEAST_BODY:
            continue
        starts = _starts(skin)
        if not len(starts.place):
            continue
        begun = _fitted(skin, starts, few, [25.0] * 5 + [15.0] * 4)
        promising = begun.taken(_most_promising(skin, begun, few))
        ends = _fitted(skin, promising, head, [15.0] * 6 + [8.0] * 8)
        for end in map(ends.taken, range(len(ends.place))):
            front = measured(skin, end, head)
            worth = front.skull * min(1.0, front.seen / 0.7) + 0.2 * front.face * front.in_view
            if best is None or worth > best[0]:
                best = worth, Laid(front, end, skin, body.is_ct, weaker)
    return best[1] if best else None


def _turned(vector: Points) -> Points:
    """A rotation by a vector (radians); several at once by their first axis."""
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    a, b, c = np.moveaxis(vector, -1, 0)
    none = np.zeros_like(a)
    cross = np.stack([none, -c, b, c, none, -a, -b, a, none], axis=-1).reshape(*vector.shape, 3)
    return np.asarray(np.eye(3) + np.sinc(angle / np.pi) * cross + np.sinc(angle / 2 / np.pi) ** 2 / 2 * cross @ cross)


@functools.cache
def _turns() -> Points:
    """How a head may lie when it is looked for: looking up or down, to a side, and tilted; face down or on its side."""
    about = [_turned(np.array([0, 0, aside])) for aside in (np.pi / 2, -np.pi / 2, np.pi)]
    upright = [
        _turned(np.array([up, 0, 0])) @ _turned(np.array([0, 0, aside])) @ _turned(np.array([0, tilt, 0]))
        for up in (-TURNS, 0.0, TURNS)
        for aside in (-TURNS, 0.0, TURNS)
        for tilt in ((-TILT, TILT) if not up or not aside else (0.0,))
    ]
    return np.array([*upright, *about])


def _starts(skin: Skin) -> HeadPlace:
    """Heads below the top of the body, and lower: arms may be raised, and the crown may lie outside the field."""
    within = np.flatnonzero(skin.inside)
    step = 1 + len(within) // SAMPLED
    k, j, i = (index * CUBE for index in np.unravel_index(within[::step], skin.inside.shape))
    x, y, z = (
        i * axis[0] + j * axis[1] + k * axis[2] + begun for axis, begun in zip(skin.axes, skin.origin, strict=True)
    )
    low, top = float(z.min()), float(np.percentile(z, 99.8))
    crowns = [top + 40, top, *np.arange(top - 60, low + 60, -60)]
    middles = []
    for crown in [top + 70, *crowns] if top - low < 160 else crowns:
        here = np.flatnonzero((z < min(crown, top)) & (z > crown - 150))
        if len(here) * step >= LEAST_PIECE:
            middles.append([np.median(x[here]), np.median(y[here]), crown - CROWN])
    turns = _turns()
    count = len(middles) * len(turns)
    middle = np.repeat(np.reshape(middles, (-1, 3)), len(turns), axis=0)
    return HeadPlace(np.tile(turns, (len(middles), 1, 1)), np.ones((count, 3)), middle)


def _fitted(skin: Skin, poses: HeadPlace, head: Head, reach: Sequence[float]) -> HeadPlace:
    """Gauss-Newton steps on the distances of the skull; what is further than ``reach`` mm counts little."""
    points = head.points[head.skull].T.astype(np.float32)
    for far in reach:
        turn, scaled = poses.turn.astype(np.float32), points * poses.size[..., None].astype(np.float32)
        there = turn @ scaled
        apart, growth, seen = skin.at(there + poses.place[..., None].astype(np.float32))
        weight = seen / (1 + (apart / far) ** 2) ** 2
        along = (np.swapaxes(turn, 1, 2) @ growth) * scaled
        slopes = np.concatenate([_crossed(there, growth), growth, along], axis=1)
        total = np.maximum(weight.sum(axis=1), 1.0)[:, None]
        weighed = slopes * weight[:, None]
        normal = (weighed @ np.swapaxes(slopes, 1, 2)).astype(np.float64)
        normal += np.diag([20.0] * 3 + [0.001] * 3 + [150.0] * 3) * total[..., None]
        normal[:, 6:, 6:] += SIZES_ALIKE * total[..., None] * (np.eye(3) - 1 / 3)
        wanted = -(weighed @ apart[..., None])[..., 0].astype(np.float64)
        sizes = np.log(poses.size)
        wanted[:, 6:] -= SIZES_ALIKE * total * (sizes - sizes.mean(axis=1, keepdims=True))
        step = np.linalg.solve(normal, wanted[..., None])[..., 0]
        poses = HeadPlace(
            _turned(np.clip(step[:, :3], -0.2, 0.2)) @ poses.turn,
            np.clip(poses.size * np.exp(np.clip(step[:, 6:], -0.05, 0.05)), *SIZES_TRIED),
            poses.place + step[:, 3:6],
        )
    return poses


def _crossed(one: Points, other: Points) -> Points:
    """Cross products along the last axis but one, as ``np.cross`` makes them in thrice the time."""
    (a, b, c), (x, y, z) = (np.moveaxis(vectors, -2, 0) for vectors in (one, other))
    return np.stack([b * z - c * y, c * x - a * z, a * y - b * x], axis=-2)


def on_skin(skin: Skin, poses: HeadPlace, head: Head) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points are in view, and which of these lie on skin that looks the same way."""
    apart, growth, seen = skin.at(np.swapaxes(poses.of(head.points), -1, -2))
    growth, normals = np.swapaxes(growth, -1, -2), poses.turned(head.normals / poses.size[..., None, :])
    lengths = np.linalg.norm(growth, axis=-1) * np.linalg.norm(normals, axis=-1)
    along = (normals * growth).sum(axis=-1) / np.maximum(lengths, 1e-6)
    return seen, seen & (abs(apart) < NEAR) & (along > SLOPE)


def _most_promising(skin: Skin, poses: HeadPlace, head: Head) -> list[int]:
    """The best by the skull, and by skull and face; each place once."""
    seen, on = on_skin(skin, poses, head)
    skull = 1.5 * (on & head.skull).sum(axis=1) - 0.5 * (seen & head.skull).sum(axis=1)
    corners = poses.of(head.points[::20])
    taken: list[int] = []
    for worth in (skull, skull + 3 * (on & head.face).sum(axis=1)):
        count = 0
        for number in np.argsort(-worth, kind="stable").tolist():
            if count < TAKEN_FURTHER and all(abs(corners[number] - corners[one]).max() > 12 for one in taken):
                taken.append(number)
                count += 1
    return taken


def _hollow(skin: Skin, pose: HeadPlace, head: Head) -> float:
    """Of the places deep within the skull that the field shows, those where nothing is."""
    upper = head.points[head.skull & (head.points[:, 2] > INNER_FROM)]
    index = (pose.of(np.concatenate([upper * depth for depth in INNER])) - skin.origin) @ skin.axes / CUBE
    nearest = np.rint(index).astype(int)
    i, j, k = nearest[((nearest >= 0) & (nearest < skin.shape)).all(axis=1)].T
    return float((~skin.strong[k, j, i]).mean()) if len(i) else 0.0


def measured(skin: Skin, pose: HeadPlace, head: Head) -> Front:
    seen, on = on_skin(skin, pose, head)

    def share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
        return round(float((part & whole).sum() / max(1, whole.sum())), 3)

    return Front(
        share(on, seen & head.skull),
        share(seen, head.skull),
        share(on, seen & head.face),
        share(seen, head.face),
        round(float(pose.size[abs(np.log(pose.size)).argmax()]), 3),
        round(_hollow(skin, pose, head), 3),
    )
