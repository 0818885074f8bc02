"""A series whose files lie in several frames of reference: each is looked at by itself, and their answers are made one.

Places in two of them are not beside each other, whatever their numbers say: laid into one volume, what lies between the
slices of a head hides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chorus_nb.faces import asking, masks, stacks
from chorus_nb.faces.heads import HeadAnswer
from chorus_nb.faces.masks import FaceMask
from chorus_nb.faces.study import GRAVEST_STATUS_FIRST, Asked, FaceFound, remove_faces
from chorus_nb.source import Source

MOSAIC = "MOSAIC|VFRAME"  # in ImageType: a picture that holds many slices


def by_frame(files: pd.DataFrame, frames: pd.Series) -> list[tuple[str, pd.DataFrame]]:
    """The files of a series (rows of the catalog) in the parts that are looked at, each with the name of its frame.

    Frames of reference of a few slices stay together, for each slice may name one of its own; where these are few in
    all, they go with the largest.
    """
    pictures = pd.to_numeric(files.NumberOfFrames, errors="coerce").fillna(1).clip(lower=1)
    pictures = pictures.mask(files.ImageType.str.contains(MOSAIC), stacks.FEWEST)
    counts = pictures.groupby(frames).sum()
    others = ~frames.isin(counts.index[counts >= stacks.FEWEST])
    if others.any():
        few = not others.all() and pictures[others].sum() < stacks.FEWEST
        frames = frames.mask(others, counts.idxmax() if few else frames[others].iloc[0])
    return [(str(frame), part) for frame, part in files.groupby(frames, sort=False)]


def spread_heads(
    source: Source, asked: Iterable[Asked], said: Mapping[tuple[str, str], HeadAnswer]
) -> dict[tuple[str, str], HeadAnswer]:
    """Answers of the series no part of which may be a head, where all their slices together may: one cut in pieces."""
    found: dict[tuple[str, str], HeadAnswer] = {}
    for parts in _of_one_series(asked):
        if len(parts) > 1 and not any(said[part.key].may_be for part in parts):
            paths = tuple(path for part in parts for path in part.sample)
            answers = asking.answers(source, [asking.HeadQuestion(parts[0].series, paths)])
            found |= {part.key: answer for part in parts for answer in answers.values() if answer.may_be}
    return found


def remove_from(source: Source, folder: Path, parts: Sequence[Asked], ears: bool) -> FaceFound:
    """What becomes of a series looked at alone."""
    [found] = joined(source, folder, parts, remove_faces(source, folder, parts, ears))
    return found


def joined(source: Source, folder: Path, asked: Sequence[Asked], found: Sequence[FaceFound]) -> list[FaceFound]:
    """One answer a series, of those ``found`` of what was ``asked``: the gravest of its parts counts."""
    answers = {part.key: answer for part, answer in zip(asked, found, strict=True)}
    return [_one(source, folder, parts, [answers[part.key] for part in parts]) for parts in _of_one_series(asked)]


def _of_one_series(asked: Iterable[Asked]) -> list[list[Asked]]:
    series: dict[str, list[Asked]] = {}
    for part in asked:
        series.setdefault(part.series, []).append(part)
    return list(series.values())


def _one(source: Source, folder: Path, parts: Sequence[Asked], found: Sequence[FaceFound]) -> FaceFound:
    if len(found) == 1:
        return found[0]
    gravest = min(found, key=lambda one: GRAVEST_STATUS_FIRST.index(one.status))
    left_out = {path for one in found for path in one.left_out}
    cut = {path: mask for one in found if one.mask for path, mask in masks.all_of(folder, one.mask).items()}
    if cut:  # what has no face has an empty mask, as slices above one have
        whole = [path for part, one in zip(parts, found, strict=True) if not one.mask for path in part.paths]
        cut |= _empty(source, whole)
        left_out |= {path for part in parts for path in part.paths} - cut.keys()
    counts = np.array([len(part.paths) for part in parts])
    return gravest._replace(
        mask=masks.write(folder, cut) if cut else "",
        removed=float(counts @ [one.removed for one in found] / counts.sum()),
        brain_ml=sum(one.brain_ml for one in found),
        seconds=sum(one.seconds for one in found),
        remembered=all(one.remembered for one in found),
        answer=max((one.answer for one in found if one.answer), key=asking.weight, default=None),
        left_out=tuple(sorted(left_out)),
    )


def _empty(source: Source, paths: Sequence[str]) -> dict[str, FaceMask]:
    """Masks of nothing for the files that can be read."""
    try:
        files = stacks.placed(source, paths).files
    except Exception:  # whatever damaged files do to a library: then none can
        return {}
    firsts = {file.path: file.slices[0][0] for file in files}
    return {path: FaceMask(np.zeros((one.frames, *one.whole), bool), 0) for path, one in firsts.items()}
