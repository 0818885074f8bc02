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
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.verify.bodies import CUBE, Body, body_of, stack_of

SKIN_FROM = -300.0  # Hounsfield units
WEAKER = (1.0, 0.6)  # parts of Otsu's threshold: the skin of a face is weaker than its head
LEAST_BODY = 150.0  # ml of body
INNER, INNER_FROM = (0.35, 0.55, 0.7), 0.0  # parts of the way to the skin, mm above the middle: brain
CROWN = 82.0  # mm from the middle of the average head to its crown
TURNS = 0.45  # radians that a start is turned up or down, or to a side
SIZES_TRIED = (0.72, 1.2)  # of the average head, along each axis
SIZES_ALIKE = 400.0  # mm²: how strongly the three sizes hold together
NEAR, SLOPE = 6.0, 0.6  # mm and cosine: skin lies at a point, and looks the same way
TAKEN_FURTHER = 4  # best starts of either order
IS_HEAD, SEEN = 0.6, 0.4  # share of the skull's points in view that lie on skin, and that are in view
CERTAIN = 0.7  # the same, to say more than perhaps
IS_FACE, MAY_BE_FACE = 0.4, 0.3  # the same of the face
FACE_IN_VIEW = 0.2  # share of a face that has to be in view to say more than perhaps
LEFT, MAY_BE_LEFT = 0.2, 0.1  # share of a face where the source shows one; right masks leave 0.05 and less
HOLLOW = 0.03  # of what the skull encloses; right masks leave nothing empty
SMALL, LARGE = 0.76, 1.18  # of an average head: a brain without its skin is smaller, a trunk larger

Points = NDArray[np.float64]


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
    """whether its source shows where the face was"""

    @property
    def is_head(self) -> bool:
        return self.skull >= IS_HEAD and self.seen >= SEEN

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
    def is_hollow(self) -> bool:
        """A mask that met the brain."""
        return self.placed and self.hollow >= HOLLOW


NO_FRONT = Front(0.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class HeadPlace(NamedTuple):
    """Where the average head lies: turned, its size along its own axes, and the patient mm of its middle."""

    turn: Points
    size: Points
    place: Points

    def of(self, points: Points) -> Points:
        return (points * self.size) @ self.turn.T + self.place


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

    def __init__(self, body: Body, weaker: float) -> None:
        import SimpleITK as sitk

        self.strong = _strong(body, weaker)
        inside = _outline(body, self.strong)
        image = sitk.GetImageFromArray(inside.astype("u1"))
        self.apart = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, False, False, False)) * np.float32(CUBE)
        self.growth = np.stack(list(np.gradient(self.apart, CUBE))[::-1], axis=-1)
        self.inside, self.axes, self.origin = inside, body.axes, body.origin
        self.shape = np.array(inside.shape[::-1])

    @property
    def millilitres(self) -> float:
        return float(self.inside.sum()) * (CUBE / 10) ** 3

    def at(self, points: Points) -> tuple[Points, Points, NDArray[np.bool_]]:
        """Distance, direction of growth, and whether the field reaches there."""
        index = (points - self.origin) @ self.axes / CUBE
        nearest = np.rint(index).astype(int)
        there = np.asarray(((nearest >= 0) & (nearest < self.shape)).all(axis=1))
        i, j, k = np.clip(nearest, 0, self.shape - 1).T
        growth = self.growth[k, j, i]
        apart = self.apart[k, j, i] + ((index - nearest) * CUBE * growth).sum(axis=1)
        return apart, growth @ self.axes.T, there


def front_in(paths: Sequence[Path], original: Callable[[Path], bytes] | None = None) -> Front | str:
    """Of the files of a series; a text says why it could not be asked.

    ``original``: the source of a file from which a face is said to be removed. A head without its face lies on its
    skin in more ways than one; where it lay before is known from the source.
    """
    if importlib.util.find_spec("SimpleITK") is None:
        return "SimpleITK is not installed"
    stack = stack_of(paths)
    body = stack if isinstance(stack, str) else body_of(stack)
    if isinstance(stack, str) or isinstance(body, str):
        return str(body)
    before = body_of(stack, lambda path: BytesIO(original(path))) if original else ""
    whole = None if isinstance(before, str) else laid_on(before)
    if whole and whole.front.has_face:
        return left_of(whole, body)
    laid = laid_on(body)
    return laid.front if laid else NO_FRONT


def left_of(whole: Laid, body: Body) -> Front:
    """What is left where a head with its face was."""
    return _measured(Skin(body, whole.weaker), whole.pose, average_head())._replace(placed=True)


class Laid(NamedTuple):
    """The best fit on a body."""

    front: Front
    pose: HeadPlace
    skin: Skin
    is_ct: bool
    weaker: float
    """part of Otsu's threshold"""


def laid_on(body: Body) -> Laid | None:
    """The average head on the skin of a body, where it fits best; None where there is hardly anything."""
    head, few = average_head(), average_head().some(3)
    best: tuple[float, Laid] | None = None
    for weaker in (1.0,) if body.is_ct else WEAKER:
        skin = Skin(body, weaker)
        if skin.millilitres < LEAST_BODY:
            continue
        begun = [_fitted(skin, start, few, [25.0] * 5 + [15.0] * 4) for start in _starts(skin)]
        for pose in _most_promising(skin, begun, few):
            end = _fitted(skin, pose, head, [15.0] * 6 + [8.0] * 8)
            front = _measured(skin, end, head)
            worth = front.skull * min(1.0, front.seen / 0.7) + 0.2 * front.face * front.in_view
            if best is None or worth > best[0]:
                best = worth, Laid(front, end, skin, body.is_ct, weaker)
    return best[1] if best else None


def _strong(body: Body, weaker: float) -> NDArray[np.bool_]:
    """What is no air; of MR and PT what is stronger (Otsu, of roots)."""
    import SimpleITK as sitk

    values = body.values
    if body.is_ct:
        return np.asarray(values > SKIN_FROM)
    low, high = np.percentile(values, (2, 99.5))
    roots = np.sqrt(np.clip((values - low) / max(high - low, 1e-6), 0, 1))
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(roots))
    return np.asarray(roots > otsu.GetThreshold() * weaker)


def _outline(body: Body, strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest body in the field, without holes."""
    import SimpleITK as sitk

    image: Any = sitk.BinaryMorphologicalOpening(sitk.GetImageFromArray(strong.astype("u1")), [1] * 3)
    image = sitk.RelabelComponent(sitk.ConnectedComponent(image)) == 1
    image = sitk.BinaryMorphologicalClosing(sitk.ConstantPad(image, [3] * 3, [3] * 3, 0), [2] * 3)
    inside = sitk.GetArrayFromImage(image)[3:-3, 3:-3, 3:-3] > 0
    deep = 2 - int(abs(body.axes[1]).argmax())  # the axis of the array that runs from front to back
    one, other = (_between_walls(inside, axis) for axis in range(3) if axis != deep)
    # airways, bone and sinuses; a wall in front is asked for, so that no orbit is levelled
    return np.asarray(inside | (_between_walls(inside, deep) & (one | other)))


def _between_walls(inside: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Where the body lies on both sides along an axis."""
    before = np.maximum.accumulate(inside, axis=axis)
    behind = np.flip(np.maximum.accumulate(np.flip(inside, axis), axis=axis), axis)
    return np.asarray(before & behind)


def _turned(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Points:
    """A rotation by a vector (radians)."""
    vector = np.array([x, y, z])
    angle = float(np.linalg.norm(vector))
    if angle < 1e-9:
        return np.eye(3)
    a, b, c = vector / angle
    cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _starts(skin: Skin) -> Iterator[HeadPlace]:
    """Heads below the top of the body, and lower: arms may be raised, and the crown may lie outside the field."""
    places = np.argwhere(skin.inside)[:, ::-1] * CUBE @ skin.axes.T + skin.origin
    low, top = float(places[:, 2].min()), float(np.percentile(places[:, 2], 99.8))
    crowns = [top + 40, top, *np.arange(top - 60, low + 60, -60)]
    for crown in [top + 70, *crowns] if top - low < 160 else crowns:
        here = places[(places[:, 2] < min(crown, top)) & (places[:, 2] > crown - 150)]
        if len(here) < 50:
            continue
        middle = np.array([np.median(here[:, 0]), np.median(here[:, 1]), crown - CROWN])
        for up in (-TURNS, 0.0, TURNS):
            for aside in (-TURNS, 0.0, TURNS):
                for tilt in (-0.3, 0.3) if not up or not aside else (0.0,):
                    turn = _turned(x=up) @ _turned(z=aside) @ _turned(y=tilt)
                    yield HeadPlace(turn, np.ones(3), middle)


def _fitted(skin: Skin, pose: HeadPlace, head: Head, reach: Sequence[float]) -> HeadPlace:
    """Gauss-Newton steps on the distances of the skull; what is further than ``reach`` mm counts little."""
    points = head.points[head.skull]
    turn, size, place = pose
    for far in reach:
        scaled = points * size
        there = scaled @ turn.T
        apart, growth, seen = skin.at(there + place)
        weight = seen / (1 + (apart / far) ** 2) ** 2
        slopes = np.concatenate([np.cross(there, growth), growth, (growth @ turn) * scaled], axis=1)
        total = max(float(weight.sum()), 1.0)
        normal = (slopes * weight[:, None]).T @ slopes
        normal += np.diag([20.0] * 3 + [0.001] * 3 + [150.0] * 3) * total
        normal[6:, 6:] += SIZES_ALIKE * total * (np.eye(3) - 1 / 3)
        wanted = -(slopes * weight[:, None]).T @ apart
        wanted[6:] -= SIZES_ALIKE * total * (np.log(size) - np.log(size).mean())
        step = np.linalg.solve(normal, wanted)
        turn = _turned(*np.clip(step[:3], -0.2, 0.2)) @ turn
        place = place + step[3:6]
        size = np.clip(size * np.exp(np.clip(step[6:], -0.05, 0.05)), *SIZES_TRIED)
    return HeadPlace(turn, size, place)


def on_skin(skin: Skin, pose: HeadPlace, head: Head) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points are in view, and which of these lie on skin that looks the same way."""
    apart, growth, seen = skin.at(pose.of(head.points))
    normals = (head.normals / pose.size) @ pose.turn.T
    lengths = np.linalg.norm(growth, axis=1) * np.linalg.norm(normals, axis=1)
    along = (normals * growth).sum(axis=1) / np.maximum(lengths, 1e-6)
    return seen, seen & (abs(apart) < NEAR) & (along > SLOPE)


def _most_promising(skin: Skin, poses: Sequence[HeadPlace], head: Head) -> Iterator[HeadPlace]:
    """The best by the skull, and by skull and face; each place once."""
    worths = []
    for pose in poses:
        seen, on = on_skin(skin, pose, head)
        skull = 1.5 * (on & head.skull).sum() - 0.5 * (seen & head.skull).sum()
        worths.append((skull, skull + 3 * (on & head.face).sum()))
    taken: list[Points] = []
    for order in (0, 1):
        count = 0
        for number in sorted(range(len(poses)), key=lambda number: -worths[number][order]):
            corners = poses[number].of(head.points[::20])
            if count < TAKEN_FURTHER and all(abs(corners - other).max() > 12 for other in taken):
                taken.append(corners)
                count += 1
                yield poses[number]


def _hollow(skin: Skin, pose: HeadPlace, head: Head) -> float:
    """Of the places deep within the skull that the field shows, those where nothing is."""
    upper = head.points[head.skull & (head.points[:, 2] > INNER_FROM)]
    index = (pose.of(np.concatenate([upper * depth for depth in INNER])) - skin.origin) @ skin.axes / CUBE
    nearest = np.rint(index).astype(int)
    i, j, k = nearest[((nearest >= 0) & (nearest < skin.shape)).all(axis=1)].T
    return float((~skin.strong[k, j, i]).mean()) if len(i) else 0.0


def _measured(skin: Skin, pose: HeadPlace, head: Head) -> Front:
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
