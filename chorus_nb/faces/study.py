"""One study: find the face once, then remove it from every series that shows the same head.

What shares its frame of reference lies where that says; what has another is registered to a head that was accepted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces import masks, stacks
from chorus_nb.faces.acceptance import (
    IN_VIEW,
    NOTHING_LEFT,
    Measures,
    came_without_face,
    face_left,
    measure,
    posed,
    refusals,
)
from chorus_nb.faces.asking import part_asked
from chorus_nb.faces.atlas import Mask, Matrix, Region, regions_on
from chorus_nb.faces.comparing import CLOSE, FEW_POINTS, beside_head
from chorus_nb.faces.heads import HeadAnswer
from chorus_nb.faces.layers import extremes
from chorus_nb.faces.masks import FaceMask
from chorus_nb.faces.parts import series_parts
from chorus_nb.faces.registration import Pose, register_head, same_head, same_place
from chorus_nb.faces.sizes import is_of_no_body
from chorus_nb.faces.stacks import Slice, SliceSeries, Unfit
from chorus_nb.faces.volume import Grid, cubes, grid
from chorus_nb.guard import fault_of
from chorus_nb.source import Source

NECK = 40.0  # mm below the template's field that a face may reach
FORWARD, SLACK = 0.7, 8.0  # share of an axis that runs from front to back; mm by which a face may differ from another
COARSER = 4  # pixels to a side of which one is looked at first
COARSELY_PLACED = np.diag([float(COARSER), COARSER, 1, 1])
REPEATED = 1 << 16  # pixels: slices up to this size come again at the same place, for many times or weightings

GRAVEST_STATUS_FIRST = ("not_defaced", "may_be_head", "defaced", "came_without_face", "no_face_in_view", "no_head")


class Asked(NamedTuple):
    """A series to look at, and what was decided about it."""

    series: str
    need: str
    paths: tuple[str, ...]
    decision: str = ""
    start: tuple[float, float, float] | None = None
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lead: str = ""
    """the series whose mask a person looked at, deciding about the whole head; start and shift are those of its pose"""
    sample: tuple[str, ...] = ()
    """the files that are enough to ask whether it shows a head"""
    frame: str = ""
    """series of one frame of reference lie in one space"""
    single: bool = False
    """its headers announce one or two pictures"""
    coarse: tuple[str, ...] = ()
    """those of the sample that are asked first"""

    @property
    def key(self) -> tuple[str, str]:
        """A series is asked once in each of its frames."""
        return self.series, self.frame

    @property
    def follows(self) -> bool:
        """Somebody decided about the head by another of its series."""
        return self.lead not in ("", self.series)


class FaceFound(NamedTuple):
    """What became of a series; see the table ``face_verdicts``."""

    series: str
    status: str
    reason: str
    mask: str = ""
    shared_from: str = ""
    removed: float = 0.0
    brain_ml: float = 0.0
    measures: Measures | None = None
    seconds: float = 0.0
    remembered: bool = True  # what went wrong once (a full memory, a codec since installed) is tried again
    answer: HeadAnswer | None = None
    """what its pixels said, where they were asked"""
    left_out: tuple[str, ...] = ()
    """files that could not be looked at: they have no mask"""


def not_looked_at(one: Asked, why: str) -> FaceFound:
    """The answer for a series that something went wrong with; ``why`` tells no value."""
    return FaceFound(one.series, "not_defaced", f"could not be looked at ({why})", remembered=False)


class _Face(NamedTuple):
    """A face that was found: the series, its grid, and where the template's head lies."""

    series: str
    grid: Grid
    pose: Pose
    measures: Measures
    modality: str = ""
    moved: Matrix = np.eye(4)
    """takes patient millimetres of the series compared to those of the grid"""

    def seen_from(self, moved: Matrix) -> _Face:
        """The same in another frame of reference, from which ``moved`` leads to its own."""
        return self._replace(pose=self.pose.mapped(lambda end: end @ moved), moved=moved)


def remove_faces(source: Source, folder: Path, asked: Sequence[Asked], ears: bool) -> list[FaceFound]:
    """Look at the series of a study, an answer for each that is asked; masks go into ``folder``.

    One head, one mask: a face that was found serves the series that show none by themselves, in its own frame of
    reference, and in others as far as they can be registered to it.
    """
    answers: dict[tuple[str, str], FaceFound] = {}
    heads: dict[str, list[_Face]] = {}
    for frame in dict.fromkeys(one.frame for one in asked):
        of_frame, heads[frame] = _of_frame(source, folder, [one for one in asked if one.frame == frame], ears)
        answers |= {(series, frame): answer for series, answer in of_frame.items()}
    every = [face for faces in heads.values() for face in faces]
    for one in asked if every else []:
        if answers[one.key].status == "not_defaced" and not one.decision:
            answers[one.key] = _registered(source, folder, one, every, heads[one.frame], ears) or answers[one.key]
    return [answers[one.key] for one in asked]


def _of_frame(
    source: Source, folder: Path, asked: Sequence[Asked], ears: bool
) -> tuple[dict[str, FaceFound], list[_Face]]:
    """The series of one frame of reference, those with most to register first; and the faces that were accepted."""
    accepted: list[_Face] = []
    answers: dict[str, FaceFound] = {}
    leads = {one.lead for one in asked if one.follows}
    ordered = sorted(asked, key=lambda one: (one.series not in leads, one.need != "face", -len(one.paths), one.series))
    early = []
    for one in ordered:
        if not accepted:
            early.append(one)
        answers[one.series] = _answer(source, folder, one, accepted, ears)
    for one in early if accepted else []:
        if answers[one.series].status == "not_defaced":
            answers[one.series] = _answer(source, folder, one, accepted, ears)
    return answers, accepted


def _registered(
    source: Source, folder: Path, one: Asked, heads: Sequence[_Face], beside: Sequence[_Face], ears: bool
) -> FaceFound | None:
    """A series that was refused by itself, registered to a head that its study has accepted.

    ``beside``: those of its own frame of reference. Where that says nearly what the pixels say, both faces go; in
    another, or where they contradict each other, the outlines have to say the same as the registration.
    """
    begun = time.perf_counter()
    try:
        series = stacks.load(source, one.paths)
        even = _even(series)
    except Exception:  # told by what it was refused for
        return None
    if len(series_parts(series)) > 1:  # one pose says nothing of what lies elsewhere
        return None
    found = None
    for face in beside if even.head.any() else []:
        moved = same_place(even, series.modality, face.grid, face.modality)
        if moved is not None and beside_head(series, face.grid, face.moved).shown > FEW_POINTS:
            seen = face.seen_from(moved).pose
            both = seen._replace(rivals=(*seen.rivals, *face.pose.ends))
            found = _cut(series, one, folder, face._replace(pose=both), ears, wide=True)
            break
    for face in heads if even.head.any() and not found else []:
        moved = same_head(even, series.modality, face.grid, face.modality)
        if moved is None:
            continue
        there = face.seen_from(moved)
        comparison = beside_head(series, there.grid, there.moved)
        if comparison.agrees or comparison.silent:
            found = _cut(series, one, folder, there, ears, wide=True)
            break
    left_out = tuple(series.left_out)
    seconds = time.perf_counter() - begun
    return found and found._replace(left_out=left_out, remembered=not left_out, seconds=seconds)


def _answer(source: Source, folder: Path, one: Asked, accepted: list[_Face], ears: bool) -> FaceFound:
    begun = time.perf_counter()
    try:
        answer = _face_of_series(source, folder, one, accepted, ears)
    except Unfit as unfit:
        answer = FaceFound(one.series, "not_defaced", str(unfit))
    except Exception as error:  # whatever a damaged file does to a library, it costs this series and tells no value
        answer = not_looked_at(one, fault_of(error))
    return answer._replace(seconds=time.perf_counter() - begun)


def _face_of_series(source: Source, folder: Path, one: Asked, accepted: list[_Face], ears: bool) -> FaceFound:
    series = stacks.load(source, one.paths)
    parts = series_parts(series)
    if len(parts) > 1 and one.need != "face":
        parts = [part for part in parts if part_asked(part).may_be] or [series]
    if len(parts) == 1 and parts[0] is series:
        answer = _face_of_slices(series, folder, one, accepted, ears)
    else:
        answer = _joined(series, folder, [_face_of_part(part, folder, one, accepted, ears) for part in parts])
    again = any(not isinstance(fault, Unfit) for fault in series.left_out.values())
    return answer._replace(left_out=tuple(series.left_out), remembered=not again)


def _face_of_part(series: SliceSeries, folder: Path, one: Asked, accepted: list[_Face], ears: bool) -> FaceFound:
    try:
        return _face_of_slices(series, folder, one, accepted, ears)
    except Unfit as unfit:
        return FaceFound(one.series, "not_defaced", str(unfit))


def _joined(series: SliceSeries, folder: Path, found: Sequence[FaceFound]) -> FaceFound:
    """One answer of those of its parts: the gravest counts, and all that any of them removes goes."""
    cut = {one.source_path: FaceMask(np.zeros((one.frames, *one.whole), bool), 0) for one in series.slices}
    for one in found:
        for path, own in masks.all_of(folder, one.mask).items() if one.mask else ():
            cut[path] = FaceMask(own.mask | cut[path].mask, own.value)
    removed = sum(int(own.mask.sum()) for own in cut.values())
    return min(found, key=lambda one: GRAVEST_STATUS_FIRST.index(one.status))._replace(
        mask=masks.write(folder, cut) if removed else "",
        removed=removed / sum(own.mask.size for own in cut.values()),
        brain_ml=sum(one.brain_ml for one in found),
    )


def _face_of_slices(series: SliceSeries, folder: Path, one: Asked, accepted: list[_Face], ears: bool) -> FaceFound:
    if one.follows or not one.start:  # a person who gives a start wants a search of its own, of the series looked at
        seen = [(beside_head(series, face.grid, face.moved), face) for face in accepted]
        for comparison, face in sorted(seen, key=lambda pair: (pair[1].series != one.lead, -pair[0].overlap)):
            decided = one.follows and face.series == one.lead and comparison.shown > FEW_POINTS
            if comparison.agrees or comparison.silent or decided:
                return _cut(series, one, folder, face, ears, wide=comparison.overlap < CLOSE)
    try:
        even = _even(series)
    except Unfit:
        if accepted and not one.decision and not any(_reaches(series, face) for face in accepted):
            beside = accepted[0].series
            return FaceFound(one.series, "no_face_in_view", "it lies away from the face of its head", "", beside)
        raise
    if not even.head.any():
        raise Unfit("nothing but air")
    mine = one._replace(decision="", start=None, shift=(0.0, 0.0, 0.0)) if one.follows else one
    pose = _shifted(register_head(even, series.modality, mine.start), mine.shift)
    measures = measure(even, pose, posed(even, pose, ears=ears))
    reasons = refusals(measures, series.modality)
    face = _Face(one.series, even, pose, measures, series.modality)
    left = _face_left(series, even, pose)
    if not (mine.decision or mine.start) and came_without_face(measures, left):
        accepted.append(face)  # its head serves those beside it
        said = f"no face is left in it: where one lies, {1 - left:.0%} has one value"
        return FaceFound(one.series, "came_without_face", said, measures=measures)
    refused = bool(reasons) and mine.decision != "deface"
    others = [matrix for other in accepted for matrix in other.pose.ends]
    union = pose._replace(rivals=(*pose.rivals, *others))  # two series of one head contradict each other: both faces go
    found = _cut(series, one, folder, face._replace(pose=union), ears)
    if refused:  # the mask is kept for a reviewer to look at; nothing is released
        return found._replace(status="not_defaced", reason="; ".join(reasons))
    accepted.append(face)
    return found


def _even(series: SliceSeries) -> Grid:
    """The series in cubes; of a size that no body has they would take all memory."""
    found = stacks.stacks(series)
    if is_of_no_body(found):
        raise Unfit("of no body's size")
    return grid(found)


def _face_left(series: SliceSeries, even: Grid, pose: Pose) -> float:
    """In whichever of several images at one place it is most; ``even``: of the first of them."""
    left = face_left(even, pose)
    others = extremes(series) if left <= NOTHING_LEFT else []
    return max([left, *(face_left(cubes(stacks.stacks(one), even.step), pose) for one in others)])


def _reaches(series: SliceSeries, face: _Face) -> bool:
    """Whether any of its slices comes near the face that was found: the mask goes on for ever below the template."""
    for piece in series.slices:
        for rise in (0.0, NECK):
            affine = piece.affine.copy()
            affine[2, 3] += rise
            found = regions_on(face.pose.matrix, affine, (1, piece.rows, piece.columns))
            if ((found & Region.WIDE > 0) & (found & Region.FIELD > 0)).any():
                return True
    return False


def _cut(series: SliceSeries, one: Asked, folder: Path, face: _Face, ears: bool, *, wide: bool = False) -> FaceFound:
    """Masks for every slice of the series by the pose of ``face``, ``wide``: with a margin."""
    zone = (Region.WIDE if wide else Region.FACE) | (Region.EARS if ears else Region(0))
    value = stacks.air(series)
    pose = face.pose if one.follows or face.series == one.series else _shifted(face.pose, one.shift)
    cut: dict[str, Mask] = {}
    known: dict[tuple[bytes, int, int], tuple[Mask, Mask]] = {}
    removed = brain = total = 0.0
    deep = _field_deep(series)
    for piece, picture in zip(series.slices, series.pictures, strict=True):
        place = piece.affine.tobytes(), piece.rows, piece.columns
        inside, mind = known.get(place) or _slice_regions(piece, pose, zone, deep)
        if piece.rows * piece.columns <= REPEATED:
            known[place] = inside, mind
        frames = cut.setdefault(piece.source_path, np.zeros((piece.frames, *piece.whole), bool))
        frames[piece.frame][piece.window] = inside
        removed += inside.sum()
        total += inside.size
        lost = inside & mind & (picture.stored != value)
        brain += lost.sum() * abs(np.linalg.det(piece.affine[:3, :3]))
    name = masks.write(folder, {path: FaceMask(frames, value) for path, frames in cut.items()})
    share = removed / total
    shared = "" if face.series == one.series else face.series
    status = "defaced" if share > 0 and (face.measures.face >= IN_VIEW or shared) else "no_face_in_view"
    if status == "no_face_in_view":
        name, share = "", 0.0
    return FaceFound(one.series, status, "", name, shared, share, brain / 1000, face.measures)


def _slice_regions(piece: Slice, pose: Pose, zone: Region, deep: NDArray[np.float64] | None) -> tuple[Mask, Mask]:
    """What is removed of a slice, as in :func:`acceptance.posed`; and where the template's brain lies.

    ``deep``: so far behind, in the air, stands what lies before the field, and goes, too.
    """
    size = 1, piece.rows, piece.columns
    found = [regions_on(matrix, piece.affine, size) for matrix in pose.ends]
    brain = (np.bitwise_or.reduce(found[: 1 + len(pose.beside)]) & Region.BRAIN) > 0
    inside = (np.bitwise_or.reduce(found) & zone) > 0
    if deep is not None:
        inside |= _wrapped(piece, pose.matrix, deep) & ((found[0] & Region.HEAD) == 0)
    inside &= ~brain
    if pose.own and not zone & Region.WIDE:  # with a margin the head may have moved
        inside &= ~pose.own.among(inside, found[0], piece.affine)
    return inside[0], brain[0]


def _field_deep(series: SliceSeries) -> NDArray[np.float64] | None:
    """Millimetres from the front of the field to its back, and which way, of an MR: what lies before it goes round."""
    first = series.slices[0]
    heights = np.array([one.height for one in series.slices])
    apart = np.diff(np.unique(heights.round(1)))
    through = np.ptp(heights) + (np.median(apart) if len(apart) else 0.0)
    lengths = np.array([first.columns, first.rows, through])
    side = max((first.affine[:3, axis] * lengths[axis] for axis in range(3)), key=lambda one: abs(one[1]))
    forward = abs(side[1]) >= FORWARD * np.linalg.norm(side)
    return side * np.sign(side[1]) if forward and series.modality == "MR" else None


def _wrapped(piece: Slice, matrix: Matrix, deep: NDArray[np.float64]) -> Mask:
    """Pixels behind the head that show what of the face lies before the field."""
    size = 1, piece.rows, piece.columns
    found = np.zeros(size, bool)
    for slack in (-SLACK, 0.0, SLACK):  # heads differ
        on = np.eye(4)
        on[:3, 3] = -deep * (1 + slack / np.linalg.norm(deep))
        if not _is_face(matrix @ on, piece.affine @ COARSELY_PLACED, (1, *(-(-n // COARSER) for n in size[1:]))).any():
            break
        found |= _is_face(matrix @ on, piece.affine, size)
    return found


def _is_face(matrix: Matrix, affine: Matrix, size: tuple[int, ...]) -> Mask:
    """Face, and head: not the air before it."""
    regions = regions_on(matrix, affine, size)
    return np.asarray(((regions & Region.FACE) > 0) & ((regions & Region.HEAD) > 0))


def _shifted(pose: Pose, shift: tuple[float, float, float]) -> Pose:
    """The pose with the mask moved by ``shift`` millimetres of the patient (left, back, up)."""

    def moved(matrix: Matrix) -> Matrix:
        made = matrix.copy()
        made[:3, 3] -= matrix[:3, :3] @ np.array(shift)
        return made

    return pose.mapped(moved)
