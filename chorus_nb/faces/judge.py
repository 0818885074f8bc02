"""``find_faces``: every series that may show a face, in parallel by study, remembered; what it means for its files."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from chorus_nb import processes, tables
from chorus_nb.drawn import Drawn
from chorus_nb.errors import ChildFault
from chorus_nb.faces import asking, frames, masks
from chorus_nb.faces.acceptance import Measures
from chorus_nb.faces.decisions import FaceDecision, face_decisions
from chorus_nb.faces.heads import HeadAnswer
from chorus_nb.faces.needs import NEEDED_COLUMNS, needs
from chorus_nb.faces.study import Asked, FaceFound, not_looked_at, remove_faces
from chorus_nb.memory import DECODERS, Recipe, closure_digest, digest
from chorus_nb.processes.child import each_in_child
from chorus_nb.source import Source
from chorus_nb.workspace import Workspace

FACES_RECIPE = Recipe("chorus_nb.faces.study", ("deface", "deface_ears"), ("SimpleITK", "pydeface", *DECODERS))
SURFACES = "surfaces"  # the kind of what 04 draws of heads before and after
NOT_TO_DEFACE = "a picture of a face cannot be defaced"
STUDY_SECONDS = 3600.0  # for all series of a study; 10 to 35 CPU seconds are usual for one
# what may be released, and why not: the status of a series to (verdict, reason) of its files
VERDICTS = {
    "defaced": ("deface", ""),
    "no_face_in_view": ("clean", ""),
    "came_without_face": ("clean", ""),
    "no_head": ("clean", ""),
    "as_it_is": ("clean", ""),
    "may_be_head": ("clean", ""),  # deface: flag, as the next
    "not_asked": ("clean", ""),
    "not_defaced": ("hold", "face_not_removed"),
    "rendering": ("hold", "face_not_removed"),
    "held": ("hold", "rejected_by_review"),
}


class _Group(NamedTuple):
    """Series of one study, their rows, and all that their result depends on."""

    series: tuple[str, ...]
    rows: pd.Index
    fingerprint: str


ASKED_COLUMNS = (
    *("source_path", "status", "size", "modified_ns", "has_pixels", "StudyInstanceUID", "SeriesInstanceUID"),
    *("FrameOfReferenceUID", "ImagePositionPatient", "frame_places", "SamplesPerPixel"),
    *(*asking.LYING_ALIKE, *NEEDED_COLUMNS),
)
"""What is read of the catalog here, in :mod:`~chorus_nb.faces.needs` and :mod:`~chorus_nb.faces.asking`."""
FACTS = tuple(dict.fromkeys((*ASKED_COLUMNS, "need")))
"""What an answer depends on of each file: all of these, and what its words say."""


def find_faces(
    workspace: Workspace, catalog: pd.DataFrame, wanted: pd.Index, progress: processes.Progress | None = None
) -> pd.DataFrame:
    """What may show a face among the ``wanted`` rows of the ``catalog``; writes ``face_verdicts``, a row a series.

    A face is searched for in all files of a series and of those beside it, whatever becomes of single files: what
    is decided about one of them (text, a visit) changes the face of no other.
    Returns a row per wanted file of those series: ``source_path``, ``verdict`` (clean, deface or hold), ``reason``,
    ``detail`` and ``face_mask``. Files of other series have none. Remembered: only what changed is looked at again.
    """
    images = volumes(catalog, wanted)
    decided = face_decisions(workspace, dict(zip(images.SeriesInstanceUID, head_of(images), strict=True)))
    flagged = FACES_RECIPE.seen(workspace.parameters).deface == "flag"
    verdicts = {row["series_uid"]: row for row in _settled(images, decided, flagged)}
    groups = list(_groups(images[~images.SeriesInstanceUID.isin(verdicts)], workspace, decided))
    known = _known_verdicts(workspace)
    for group in groups:
        kept = [known.get((group.fingerprint, series)) for series in group.series]
        if all(row is not None and _there(workspace, row) for row in kept):
            verdicts |= {row["series_uid"]: row for row in kept if row}
    waiting = images.wanted.groupby(images.SeriesInstanceUID).sum()  # changes with what is decided, the rest does not
    verdicts |= {series: row | {"files": int(waiting[series])} for series, row in verdicts.items()}
    missing = [group for group in groups if group.series[0] not in verdicts]
    keep = partial(_keep, workspace, verdicts)
    if missing:
        _look(workspace, missing, verdicts, images, decided, keep, progress)
    else:
        keep()
    masks.keep_masks(workspace.local / masks.MASKS_FOLDER, {row["mask"] for row in verdicts.values()})
    return _files(images[images.wanted], verdicts)


def forget(workspace: Workspace) -> None:
    """Nobody asks any more (``deface: skip``): what was found and removed earlier is said of no release."""
    if workspace.has(tables.FACE_VERDICTS):
        _keep(workspace, {})
    masks.keep_masks(workspace.local / masks.MASKS_FOLDER, set())
    Drawn(workspace, SURFACES).forget_others()


def volumes(catalog: pd.DataFrame, wanted: pd.Index) -> pd.DataFrame:
    """The files that may show a face, of every series in a study with ``wanted`` ones; with ``need`` and ``wanted``."""
    studies = catalog.StudyInstanceUID.isin(catalog.StudyInstanceUID[wanted])
    images = catalog[(catalog.status == "dicom") & catalog.has_pixels & studies]
    images = images.join(needs(images)).assign(wanted=images.index.isin(wanted))
    images = images[images.need != "none"]
    return images[images.wanted.groupby(head_of(images)).transform("any")]


def head_of(images: pd.DataFrame) -> pd.Series:
    """The head each file shows: its study and its frame of reference; a series without one has its own."""
    frame = images.FrameOfReferenceUID.where(images.FrameOfReferenceUID != "", images.SeriesInstanceUID)
    return images.StudyInstanceUID + " " + frame


def _settled(images: pd.DataFrame, decided: dict[str, FaceDecision], flagged: bool = False) -> Iterator[dict[str, Any]]:
    """Series that need no look: somebody decided, their kind says it, or there is nothing to look with or at."""
    cannot = flagged and not can_look()
    for series, rows in images.groupby("SeriesInstanceUID"):
        decision = decided.get(series)
        found, picture = None, (rows.need == "rendering").all()
        if decision and picture and decision.lead != series and decision.decision == "release":
            decision = None  # who releases a head has not seen the pictures of it
        if decision and decision.decision in ("release", "hold"):
            status = {"release": "as_it_is", "hold": "held"}[decision.decision]
            found = FaceFound(series, status, "decided by a reviewer")
        elif picture:
            found = FaceFound(series, "rendering", NOT_TO_DEFACE)
        elif cannot:
            found = FaceFound(series, "not_asked", "the extra deface is not installed", remembered=False)
        if found:
            yield _verdict_row(found, rows, "")


def can_look() -> bool:
    """Whether the extra ``deface`` is installed."""
    return all(importlib.util.find_spec(name) for name in ("SimpleITK", "pydeface"))


def _groups(images: pd.DataFrame, workspace: Workspace, decided: dict[str, FaceDecision]) -> Iterator[_Group]:
    """What is asked of a series follows from its rows, so it is made only where the answer is not known (`_asked`)."""
    key = FACES_RECIPE.key(workspace.parameters, closure_digest(frames.__name__))
    slices = images[images.need != "rendering"].sort_values("source_path")
    for _, rows in slices.groupby("StudyInstanceUID"):
        series = tuple(sorted(rows.SeriesInstanceUID.unique()))
        facts = list(zip(*(rows[name].tolist() for name in FACTS), strict=True))
        yield _Group(series, rows.index, digest(key, facts, [decided.get(one) for one in series]))


def _asked(rows: pd.DataFrame, decided: dict[str, FaceDecision]) -> Iterator[Asked]:
    for series, files in rows.groupby("SeriesInstanceUID"):
        decision = decided.get(series, FaceDecision("", None, (0.0, 0.0, 0.0)))
        for frame, part in frames.by_frame(files, head_of(files)):
            paths, sample = tuple(part.source_path), asking.sample(part)
            first = asking.coarse(part, sample)
            yield Asked(series, files.need.iloc[0], paths, *decision, sample, frame, asking.single(part), first)


def _look(
    workspace: Workspace,
    groups: list[_Group],
    verdicts: dict[str, dict[str, Any]],
    images: pd.DataFrame,
    decided: dict[str, FaceDecision],
    keep: Callable[[], None],
    progress: processes.Progress | None,
) -> None:
    folder = workspace.local / masks.MASKS_FOLDER
    folder.mkdir(exist_ok=True)
    seen = FACES_RECIPE.seen(workspace.parameters)
    how = seen.deface, seen.deface_ears
    rows = dict(iter(images.groupby("SeriesInstanceUID")))
    asked = (tuple(_asked(images.loc[group.rows], decided)) for group in groups)
    tasks = [(workspace.source, folder, one, how, group.fingerprint) for group, one in zip(groups, asked, strict=True)]
    looks = each_in_child(
        workspace.parameters, _faces_of_group, tasks, progress, "looking for faces", seconds=STUDY_SECONDS, keep=keep
    )
    for (*_, mine, _, fingerprint), found, _ in looks:
        if isinstance(found, ChildFault):
            found = [not_looked_at(one, found.code) for one in mine]
        verdicts.update({one.series: _verdict_row(one, rows[one.series], fingerprint) for one in found})


def _faces_of_group(
    source: Source, folder: Path, asked: tuple[Asked, ...], how: tuple[str, bool], _: str
) -> list[FaceFound]:
    """What no words name as a head is asked by its pixels, with ``deface: flag`` all; then faces are removed."""
    deface, ears = how
    open_to_ask = [one for one in asked if deface == "flag" or (one.need in ("pixels", "other") and not one.decision)]
    said: dict[tuple[str, str], HeadAnswer] = {}
    for frame in dict.fromkeys(one.frame for one in open_to_ask):
        mine = [one for one in open_to_ask if one.frame == frame]
        questions = [asking.HeadQuestion(one.series, one.sample, one.single, one.coarse) for one in mine]
        said |= {(series, frame): answer for series, answer in asking.answers(source, questions).items()}
    said |= frames.spread_heads(source, open_to_ask, said)
    none = {key for key, answer in said.items() if not answer.may_be}
    others = [one for one in asked if one.need == "face" or one.key not in none]
    if deface == "flag":
        looked = [FaceFound(one.series, "may_be_head", said[one.key].why) for one in others]
    else:
        looked = remove_faces(source, folder, others, ears)
    found = {one.key: answer for one, answer in zip(others, looked, strict=True)}
    for one in asked:
        answer = found.get(one.key) or FaceFound(one.series, "no_head", said[one.key].why)
        found[one.key] = answer._replace(answer=said.get(one.key))
    return frames.joined(source, folder, asked, [found[one.key] for one in asked])


def _verdict_row(found: FaceFound, files: pd.DataFrame, fingerprint: str) -> dict[str, Any]:
    first, answer = files.iloc[0], found.answer
    measured = found.measures._asdict() if found.measures else dict.fromkeys(Measures._fields, math.nan)
    return {
        **{name: _number(value) for name, value in measured.items()},
        "series_uid": found.series,
        "head": head_of(files).iloc[0],
        "modality": first.Modality,
        "files": int(files.wanted.sum()),
        "left_out": json.dumps(found.left_out),
        "need": first.need,
        "need_reason": first.need_reason,
        "status": found.status,
        "reason": found.reason,
        "asked_of": answer.asked_of or found.series if answer else "",
        "enclosed_ml": _number(answer.enclosed) if answer else None,
        "likeness": _number(answer.likeness) if answer else None,
        "shared_from": found.shared_from,
        "mask": found.mask,
        "removed": float(found.removed),
        "brain_ml": float(found.brain_ml),
        "seconds": round(found.seconds, 2),
        "fingerprint": fingerprint if found.remembered else "",
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _known_verdicts(workspace: Workspace) -> dict[tuple[str, str], dict[str, Any]]:
    table = workspace.read_or_empty(tables.FACE_VERDICTS)
    table = table[table.fingerprint != ""]
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return {(row["fingerprint"], row["series_uid"]): row for row in rows}


def _there(workspace: Workspace, row: dict[str, Any]) -> bool:
    return not row["mask"] or masks.are_whole(workspace.local / masks.MASKS_FOLDER, row["mask"])


def _keep(workspace: Workspace, verdicts: dict[str, dict[str, Any]]) -> None:
    rows = [verdicts[series] for series in sorted(verdicts)]
    workspace.write(tables.FACE_VERDICTS, tables.frame(tables.FACE_VERDICTS, rows))


def _files(images: pd.DataFrame, verdicts: dict[str, dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for path, series, own in tables.row_values(images, "source_path", "SeriesInstanceUID", "need"):
        said = verdicts[series]
        status = "rendering" if own == "rendering" and said["status"] not in ("as_it_is", "held") else said["status"]
        verdict, reason = VERDICTS[status]
        detail = "" if verdict != "hold" else said["reason"] if status == said["status"] else NOT_TO_DEFACE
        if path in json.loads(said["left_out"]) and verdict != "hold":
            verdict, reason, detail = "hold", "face_not_removed", "this file could not be looked at"
        rows.append((path, verdict, reason, detail, said["mask"] if verdict == "deface" else ""))
    return pd.DataFrame(rows, columns=["source_path", "verdict", "reason", "detail", "face_mask"])
