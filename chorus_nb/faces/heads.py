"""Is there a head in this volume? Asked of its pixels, in about a second; what the header says is not known here.

CT: a skull is soft tissue enclosed by bone, wider than any spine. What has no Hounsfield units, what noise drowns and
what the edge of its field cuts is asked as any other volume: by a coarse pose of the template, and how like a head the
volume then is. Limits: ``heads.csv``; a value in between is no answer, and the series goes the way of a head.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Mask
from chorus_nb.faces.braincase import BONE, LIMITS_OF_HEADS, Enclosed, enclosed_tissue
from chorus_nb.faces.coils import evened
from chorus_nb.faces.registration import CoarseSearch
from chorus_nb.faces.sizes import in_other_shapes, in_other_sizes, is_of_no_body
from chorus_nb.faces.volume import Grid, Volume, cubes, head
from chorus_nb.morphology import ball_opening

FINE, COARSE = 3.0, 6.0  # mm: cubes in which bone is looked for, and a head
NO_MEASUREMENT = -1100.0  # Hounsfield units; what is below is no measurement
# mm that a head reaches beyond its braincase: down and up, to front and back, to the sides
AROUND = np.array([(130.0, 60.0), (110.0, 60.0), (60.0, 60.0)])
TALL, WINDOW, APART = 330.0, 260.0, 130.0  # mm: what is higher than a head on its neck is asked window by window
BRAINCASES = 4  # that bone encloses: a pelvis may hold more than a skull
BRAINCASE = 800.0  # ml that are seen of one
REFINED = 2  # windows in which the start is best
FACE_FIELD = 90.0  # mm: a face needs a field of more than that in two directions
NECK, ROUND = 48.0, (0.7, 0.95)  # mm: half of its width; share of the rectangle around it that a round body fills
WITH_ENDS = 5  # slices: of so many the first and the last, half out of the field and rounded off, do not count
SMALLEST = 100.0  # ml in a window: less is no body


class HeadAnswer(NamedTuple):
    """Whether there ``may_be`` a head, and ``why`` (no header values); NaN = not measured."""

    may_be: bool
    why: str
    enclosed: float = float("nan")
    """millilitres of soft tissue enclosed by bone"""
    likeness: float = float("nan")
    """normalised mutual information with the template plus overlap of the outlines, in the likeliest place"""
    asked_of: str = ""
    """the series of the same frame of reference whose pixels answered, "" = its own"""


class _Few(NamedTuple):
    """Whether the slices are few, and how like a head they have to be then."""

    thin: bool
    likeness: float


def head_in(stacks: Sequence[Volume], *, thin: bool = False, crossed: bool = False) -> HeadAnswer:
    """What the volumes of a series show; ``thin``: few slices; ``crossed``: in several directions, which tells more.

    Where no body is of the size that they have, they are asked in others, too.
    """
    answer = HeadAnswer(False, "of no body's size")
    if not is_of_no_body(stacks):
        answer = _asked(stacks, _Few(thin, LIMITS_OF_HEADS["crossed" if crossed else "thin" if thin else "likeness"]))
    whole = _Few(False, LIMITS_OF_HEADS["crossed" if crossed else "likeness"])
    for other in () if answer.may_be else in_other_sizes(stacks):
        again = _asked(other, whole)
        if again.may_be:
            return again._replace(why=f"of no body's size, in that of a head {again.why}")
    if answer.may_be or thin or crossed or stacks[0].modality == "CT":
        return answer
    return _misshapen_head(stacks) or answer


def _misshapen_head(stacks: Sequence[Volume]) -> HeadAnswer | None:
    """A head whose slices are said to lie closer than they do, or whose pixels to be half or twice as large."""
    modality = stacks[0].modality
    for other in in_other_shapes(stacks, COARSE):
        even = cubes(other, COARSE)
        even = even._replace(head=head(even.values, even.field, modality, COARSE))
        seen = even.values[even.head & even.field]
        if not len(seen) or _spread(seen, float(even.values[even.field].min())) < LIMITS_OF_HEADS["spread"]:
            continue
        likeness = CoarseSearch(even, "MR").likeness()
        if likeness >= LIMITS_OF_HEADS["pressed"]:
            return HeadAnswer(True, f"in another shape {likeness:.2f} like a head", likeness=likeness)
    return None


def _asked(stacks: Sequence[Volume], how: _Few) -> HeadAnswer:
    modality = stacks[0].modality
    if modality == "CT":
        even = cubes(stacks, FINE)
        if _in_hounsfield_units(even):
            bone_shows = _noise(even) < LIMITS_OF_HEADS["noise"]
            coarse = cubes(stacks, COARSE)
            return _asked_of_bone(even, coarse, how) if bone_shows else _asked_of_all(coarse, "CT", how)
    coarse = cubes(stacks, COARSE)
    if sorted(np.array(coarse.values.shape) * COARSE)[1] < FACE_FIELD:
        return HeadAnswer(False, "the field of view is smaller than a face")
    answer = _asked_of_all(coarse, "MR", how)
    if not answer.may_be and _is_bright_around(coarse):
        values = coarse.values.max() - coarse.values
        inverted = _asked_of_all(coarse._replace(values=values), "MR", how)
        answer = inverted if inverted.may_be else answer
    for even in evened(coarse) if modality == "MR" and not answer.may_be else ():
        heard = _asked_of_all(even, "MR", how._replace(likeness=max(how.likeness, LIMITS_OF_HEADS["faded"])))
        answer = heard if heard.may_be else answer
    return answer


def _is_bright_around(even: Grid) -> bool:
    """Whether the rim of the field is brighter than its middle: dark for bright, as MONOCHROME1 may be stored."""
    rim = even.field & ~_inner(even.field)
    rest = even.values[even.field & ~rim]
    return bool(rim.any() and len(rest) and np.median(even.values[rim]) > np.median(rest))


def no_braincase(stacks: Sequence[Volume]) -> HeadAnswer | None:
    """No head, for a CT of which only some slices were decoded. None is doubt: then more are.

    Bone has to show, and to enclose nothing at all; half of what else is asked as if there were no bone is too much.
    """
    if in_other_sizes(stacks):
        return None
    even = cubes(stacks, FINE)
    if not _in_hounsfield_units(even) or _noise(even) >= LIMITS_OF_HEADS["noise"]:
        return None
    bone, field = _bone(even)
    if 2 * _cut_by_field(bone, field) * even.step >= LIMITS_OF_HEADS["cut"] or enclosed_tissue(
        even.values, bone, field, FINE
    ):
        return None
    return _encloses(0.0)


def _in_hounsfield_units(even: Grid) -> bool:
    """Air, water and bone lie where they have to; what was windowed, has no scale or no bone lacks one of them."""
    values = even.values[even.field]
    return bool((values < -700).mean() > 0.01 and (abs(values) < 150).mean() > 0.01 and (values > BONE).any())


def _noise(even: Grid) -> float:
    """Hounsfield units between neighbours in soft tissue."""
    left, right = even.values[:, :, :-1], even.values[:, :, 1:]
    return float(np.median(abs(right - left)[(abs(left) < 300) & (abs(right) < 300)]))


def _asked_of_bone(even: Grid, coarse: Grid, how: _Few) -> HeadAnswer:
    bone, field = _bone(even)
    parts = enclosed_tissue(even.values, bone, field, even.step)
    most = parts[0].millilitres if parts else 0.0
    for part in parts:
        if part.is_skull:
            return HeadAnswer(True, f"bone close under the skin encloses {part.millilitres:.0f} ml", part.millilitres)
    open_to_doubt = [part for part in parts if not part.is_pelvis]
    places = [_place(coarse, part.low // 2, part.high // 2) for part in open_to_doubt[:BRAINCASES]]
    small = (part for part in open_to_doubt[:BRAINCASES] if part.millilitres < LIMITS_OF_HEADS["shell_ml"])
    places += [_grown(even, part) for part in small]
    if _cut_by_field(bone, field) * even.step >= LIMITS_OF_HEADS["cut"]:
        places.append(coarse)
    if how.thin and not places:  # below the braincase a slab of a head encloses no more than any other
        places, how = [coarse], how._replace(likeness=max(how.likeness, LIMITS_OF_HEADS["likeness"]))
    said = [_asked_of_all(place, "CT", how, most) for place in places]
    return max(said, key=lambda answer: np.nan_to_num(answer.likeness), default=_encloses(most))


def _bone(even: Grid) -> tuple[Mask, Mask]:
    """Bone, and where the scanner measured."""
    field = even.field & (even.values > NO_MEASUREMENT)
    return (even.values > BONE) & field, field


def _encloses(millilitres: float) -> HeadAnswer:
    return HeadAnswer(False, f"bone encloses {millilitres:.0f} ml of soft tissue", millilitres)


def _cut_by_field(bone: Mask, field: Mask) -> int:
    """Axial slices in which bone goes on where the field ends."""
    return int((bone & ~_inner(field)).any(axis=(1, 2)).sum())


def _inner(field: Mask) -> Mask:
    """Without the rim of each axial slice."""
    around = np.pad(field, ((0, 0), (1, 1), (1, 1)))
    return around[:, 2:, 1:-1] & around[:, :-2, 1:-1] & around[:, 1:-1, 2:] & around[:, 1:-1, :-2]


def _place(even: Grid, low: NDArray[np.int_], high: NDArray[np.int_]) -> Grid:
    """Where a head would lie around its braincase: couch, arms and trunk are mostly left out."""
    before, behind = np.rint(AROUND / even.step).astype(int).T
    first, last = np.maximum(low - before, 0), high + behind + 1
    return _part(even, tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True)))


def _grown(even: Grid, part: Enclosed) -> Grid:
    """The same around a small braincase, in the size of an adult's: as a child born early has one."""
    by = (BRAINCASE / part.millilitres) ** (1 / 3)
    before, behind = np.rint(AROUND / by / even.step).astype(int).T
    first, last = np.maximum(part.low - before, 0), part.high + behind + 1
    place = _part(even, tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True)))
    return place._replace(origin=place.origin * by, step=even.step * by)


def _part(even: Grid, part: tuple[slice, ...]) -> Grid:
    origin = even.origin + np.array([piece.start for piece in part[::-1]]) * even.step
    return Grid(even.values[part], even.head[part], even.field[part], origin, even.step)


def _windows(even: Grid) -> Iterator[Grid]:
    """The grid, or parts of it as high as a head."""
    height, apart, whole = (round(length / even.step) for length in (WINDOW, APART, TALL))
    levels = len(even.values)
    for start in range(0, levels - height + apart, apart) if levels > whole else [0]:
        end = start + height if levels > whole else levels
        yield _part(even, (slice(start, end), slice(0, None), slice(0, None)))


def _asked_of_all(even: Grid, modality: str, how: _Few, enclosed: float = float("nan")) -> HeadAnswer:
    """How like a head the likeliest part of the volume is."""
    searches, uniform, wide = list[CoarseSearch](), False, True
    for window in _windows(even):
        if not window.field.any():
            continue
        window = window._replace(head=head(window.values, window.field, modality, window.step, goes_on=how.thin))
        seen = window.values[window.head & window.field]
        if len(seen) * (window.step / 10) ** 3 < SMALLEST:
            continue
        if modality != "CT" and _spread(seen, float(window.values[window.field].min())) < LIMITS_OF_HEADS["spread"]:
            uniform = True
            continue
        wide &= how.thin and wider_than_a_head(window)
        searches.append(CoarseSearch(window, modality))
    if not searches:
        return HeadAnswer(False, "one substance everywhere" if uniform else "nothing but air", enclosed)
    searches.sort(key=lambda search: -search.begun)
    likeness = max(search.likeness() for search in searches[:REFINED])
    may_be = likeness >= (max(how.likeness, LIMITS_OF_HEADS["likeness"]) if wide else how.likeness)
    alone = not how.thin and len(even.values) * even.step <= TALL
    if not may_be and alone and likeness >= LIMITS_OF_HEADS["to_turn"]:
        upside_down = (CoarseSearch(one, modality) for one in _upside_down(searches[0].volume))
        turned = max(searches[0].turned(), *(search.likeness("turned") for search in upside_down))
        may_be = turned >= max(how.likeness, LIMITS_OF_HEADS["turned"])
        likeness = max(likeness, turned)
    return HeadAnswer(may_be, f"{likeness:.2f} like a head", enclosed, likeness)


def _upside_down(even: Grid) -> list[Grid]:
    """Feet for head, about either axis across: what a wrong PatientPosition does."""

    def flipped(part: NDArray[Any], axis: int) -> NDArray[Any]:
        return np.ascontiguousarray(np.flip(part, (0, axis)))

    return [
        even._replace(values=flipped(even.values, axis), head=flipped(even.head, axis), field=flipped(even.field, axis))
        for axis in (1, 2)
    ]


def wider_than_a_head(even: Grid) -> bool:
    """Whether each slice (of some, each but the ends) shows one round body wider than any head: a trunk, or a pelvis.

    Arms beside a head and the bridge to them are narrower than a neck, and go; shoulders under a chin leave it a slice
    that is narrow, or one that is not round.
    """
    radius = round(NECK / even.step)
    body = np.pad(even.head, ((0, 0), (radius + 1, radius + 1), (radius + 1, radius + 1)))
    parts = ball_opening(body, radius, flat=True)
    levels = np.flatnonzero(body.any(axis=(1, 2)))
    for level in levels[1:-1] if len(levels) >= WITH_ENDS else levels:
        whole, part = body[level], parts[level]
        rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        if not len(rows) or (np.ptp(columns) + 1) * even.step < LIMITS_OF_HEADS["ring_width"]:
            return False
        if not ROUND[0] <= whole.sum() / ((np.ptp(columns) + 1) * (np.ptp(rows) + 1)) <= ROUND[1]:
            return False
    return bool(body.any())


def _spread(signal: NDArray[np.float32], air: float) -> float:
    """From the weak to the strong tenth of the signal, to its middle."""
    low, middle, high = (float(value) for value in np.percentile(signal, (10, 50, 90)))
    return (high - low) / max(middle - air, 1e-6)
