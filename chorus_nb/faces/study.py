"""One study, one frame of reference: find the face once, then remove it from every series that shows the same head."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces import masks, stacks
from chorus_nb.faces.acceptance import IN_VIEW, Measures, measure, posed, refusals
from chorus_nb.faces.atlas import Mask, Matrix, sampled_volume, template
from chorus_nb.faces.masks import FaceMask
from chorus_nb.faces.registration import Pose, register_head
from chorus_nb.faces.stacks import Slice, SliceSeries, Unfit
from chorus_nb.faces.volume import Grid, grid, head
from chorus_nb.guard import fault_of
from chorus_nb.source import Source

SAME = 0.85  # overlap of two series' heads in their common field: they show the same head in the same place
TORSO, LIMB = 280.0, 100.0  # mm: what is wider or narrower nearly everywhere is no head
FEW_POINTS = 500  # voxels two series must share to be compared


class Asked(NamedTuple):
    """A series to look at, and what was decided about it."""

    series: str
    need: str
    paths: tuple[str, ...]
    decision: str = ""
    start: tuple[float, float, float] | None = None
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


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


def remove_faces(source: Source, folder: Path, asked: Sequence[Asked], ears: bool) -> list[FaceFound]:
    """Look at the series of one frame of reference, those with most to register first; masks go into ``folder``."""
    accepted: list[_Face] = []
    answers = []
    for one in sorted(asked, key=lambda one: (one.need != "face", -len(one.paths), one.series)):
        begun = time.perf_counter()
        try:
            answer = _face_of_series(source, folder, one, accepted, ears)
        except Unfit as unfit:
            answer = _unfit(one, str(unfit))
        except Exception as error:  # whatever a damaged file does to a library, it costs this series and tells no value
            answer = not_looked_at(one, fault_of(error))
        answers.append(answer._replace(seconds=time.perf_counter() - begun))
    return answers


def _unfit(one: Asked, why: str) -> FaceFound:
    return FaceFound(one.series, "not_a_head" if one.need == "doubt" else "not_defaced", why)


def _face_of_series(source: Source, folder: Path, one: Asked, accepted: list[_Face], ears: bool) -> FaceFound:
    series = stacks.load(source, one.paths)
    answer = _face_of_slices(series, folder, one, accepted, ears)
    again = any(not isinstance(fault, Unfit) for fault in series.left_out.values())
    return answer._replace(left_out=tuple(series.left_out), remembered=not again)


def _face_of_slices(series: SliceSeries, folder: Path, one: Asked, accepted: list[_Face], ears: bool) -> FaceFound:
    if not one.start:  # a person who gives a start wants a search of its own
        for face in accepted:
            if _agrees(series, face):
                return _cut(series, one, folder, face, ears)
    volumes = stacks.stacks(series)
    even = grid(volumes)
    if one.need in ("unknown", "doubt") and not _may_be_head(even):
        return FaceFound(one.series, "not_a_head", "the body is wider or narrower than a head")
    if not even.head.any():
        return _unfit(one, "nothing but air")
    pose = _shifted(register_head(even, series.modality, one.start), one.shift)
    measures = measure(even, pose, posed(even, pose, ears=ears))
    reasons = refusals(measures, series.modality)
    face = _Face(one.series, even, pose, measures)
    refused = bool(reasons) and one.decision != "deface"
    if refused and one.need == "doubt":
        return FaceFound(one.series, "not_a_head", "; ".join(reasons), measures=measures)
    found = _cut(series, one, folder, face, ears)
    if refused:  # the mask is kept for a reviewer to look at; nothing is released
        return found._replace(status="not_defaced", reason="; ".join(reasons))
    accepted.append(face)
    return found


def _cut(series: SliceSeries, one: Asked, folder: Path, face: _Face, ears: bool) -> FaceFound:
    """Masks for every slice of the series by the pose of ``face``."""
    value = stacks.air(series)
    pose = _shifted(face.pose, one.shift) if face.series != one.series else face.pose
    cut: dict[str, list[Mask]] = {}
    removed = brain = total = 0.0
    for piece, picture in zip(series.slices, series.pictures, strict=True):
        inside, mind = _slice_regions(piece, pose, ears)
        cut.setdefault(piece.source_path, []).append(inside)
        removed += inside.sum()
        total += inside.size
        lost = inside & mind & (picture.stored != value)
        brain += lost.sum() * abs(np.linalg.det(piece.affine[:3, :3]))
    name = masks.write(folder, {path: FaceMask(np.stack(planes), value) for path, planes in cut.items()})
    share = removed / total
    shared = "" if face.series == one.series else face.series
    status = "defaced" if share > 0 and (face.measures.face >= IN_VIEW or shared) else "no_face_in_view"
    if status == "no_face_in_view":
        name, share = "", 0.0
    return FaceFound(one.series, status, "", name, shared, share, brain / 1000, face.measures)


def _points(piece: Slice) -> NDArray[np.float64]:
    """Patient millimetres (rows, columns, 3) of the pixels."""
    across = np.arange(piece.columns)[None, :, None] * piece.affine[:3, 0]
    down = np.arange(piece.rows)[:, None, None] * piece.affine[:3, 1]
    return np.asarray(across + down + piece.affine[:3, 3])


def _slice_regions(piece: Slice, pose: Pose, ears: bool) -> tuple[Mask, Mask]:
    """What is removed of a slice, as in :func:`acceptance.posed`; and where the template's brain lies."""
    shape = template()
    zone = shape.face | shape.ears if ears else shape.face
    points = _points(piece)
    moved = [points @ matrix[:3, :3].T + matrix[:3, 3] for matrix in (pose.matrix, *pose.rivals)]
    brain = sampled_volume(shape.brain, shape.to_index, moved[0], replicate=False)
    faces = [sampled_volume(zone, shape.to_index, one, replicate=True) for one in moved]
    return np.logical_or.reduce(faces) & ~brain, brain


def _shifted(pose: Pose, shift: tuple[float, float, float]) -> Pose:
    """The pose with the mask moved by ``shift`` millimetres of the patient (left, back, up)."""

    def moved(matrix: Matrix) -> Matrix:
        made = matrix.copy()
        made[:3, 3] -= matrix[:3, :3] @ np.array(shift)
        return made

    return pose._replace(matrix=moved(pose.matrix), rivals=tuple(map(moved, pose.rivals)))


def _agrees(series: SliceSeries, face: _Face) -> bool:
    """Whether the slices of a series show the head of ``face`` where that is: their outlines overlap."""
    both = mine = theirs = 0
    thinned = slice(None, None, max(1, len(series.slices) // 24))
    for piece, picture in zip(series.slices[thinned], series.pictures[thinned], strict=True):
        index = np.rint((_points(piece)[::4, ::4] - face.grid.origin) / face.grid.step).astype(int)
        inside = ((index >= 0) & (index < face.grid.head.shape[::-1])).all(axis=-1)
        held = np.clip(index, 0, np.array(face.grid.head.shape[::-1]) - 1)
        known = inside & face.grid.field[held[..., 2], held[..., 1], held[..., 0]]
        other = face.grid.head[held[..., 2], held[..., 1], held[..., 0]] & known
        own = _outline(picture.values[::4, ::4], series.modality) & known
        both, mine, theirs = both + (own & other).sum(), mine + own.sum(), theirs + other.sum()
    return theirs > FEW_POINTS and 2 * both / (mine + theirs) >= SAME


def _outline(values: NDArray[np.float32], modality: str) -> Mask:
    plane = np.ascontiguousarray(values)[None]
    if plane.std() == 0:
        return np.zeros(values.shape, bool)
    return np.asarray(head(plane, np.ones(plane.shape, bool), modality, 3.0)[0])


def _may_be_head(even: Grid) -> bool:
    """Whether some of the body has the width of a head; a head on shoulders has."""
    widths = [np.ptp(np.flatnonzero(level)) + 1 for level in np.asarray(even.head.any(axis=1)) if level.any()]
    if not widths:
        return True
    narrow, wide = (float(np.percentile(widths, share)) * even.step for share in (10, 90))
    return narrow <= TORSO and wide >= LIMB
