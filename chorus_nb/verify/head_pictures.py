"""What the verifier thinks it sees of a face in a released volume, as pictures in the position of an average head."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chorus_nb import tables
from chorus_nb.drawn import Drawn, digests
from chorus_nb.errors import FileFault
from chorus_nb.guard import one_file
from chorus_nb.memory import DECODERS, Recipe
from chorus_nb.verify.bodies import CUBE, body_of, slices_of
from chorus_nb.verify.fronts import Laid, Points, average_head, laid_on, on_skin
from chorus_nb.workspace import Workspace

FINE = 2.0  # mm a pixel
HIGH, DEEP, WIDE = (96.0, -112.0), (-136.0, 112.0), (-92.0, 92.0)  # mm from the middle of an average head
_RECIPE = Recipe(__name__, (), (*DECODERS, "SimpleITK"))
SHADED_FROM = np.array([-0.35, -0.8, 0.5])  # from above the patient's right shoulder


class HeadPicture(NamedTuple):
    """Grey pictures, the crown above: the released skin from the front, and the middle plane from the left.

    ``skull``, ``face_there``, ``face_gone``: points of an average head's skin, as pixels (column, row) of ``plane``
    where they lie near it, and of ``front`` for the two of the face.
    """

    title: str
    beside: str
    said: str
    front: NDArray[np.uint8]
    plane: NDArray[np.uint8]
    skull: Points
    face_there: tuple[Points, Points]
    face_gone: tuple[Points, Points]


def head_pictures(workspace: Workspace, count: int = 8) -> list[HeadPicture]:
    """Heads of ``tables.FACE_LOOKS`` that are in the release, those at odds with 03 first, one of each head before a
    second. Shows what is left of faces: for local reports only."""
    looks = workspace.read_or_empty(tables.FACE_LOOKS)
    looks = looks[looks.own_look.isin(("face", "may_be_face", "no_face")) & looks.skull.notna()]
    turn = looks.groupby(["beside", "head"]).cumcount()
    order = looks.beside.map({"disagrees": 0, "unsure": 1}).fillna(2)
    made, drawn = list[HeadPicture](), Drawn(workspace, "heads")
    for row in looks.assign(turn=turn, order=order).sort_values(["order", "turn", "folder"]).itertuples():
        if len(made) < count and (picture := _drawn_once(workspace, row, drawn)):
            made.append(HeadPicture(*picture))
    drawn.forget_others()
    return made


def _drawn_once(workspace: Workspace, row: pd.Series, drawn: Drawn) -> Sequence[Any] | None:
    folder = (workspace.quarantine if row.held else workspace.release) / row.folder
    with contextlib.suppress(OSError):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        said = row.modality, row.files, row.held, row.status, row.own_look, row.beside, row.face
        key = _RECIPE.key(None, [path.name for path in files], digests(files), *map(str, said))
        return drawn.of(key, functools.partial(_picture, row, files))
    return None


def _picture(row: pd.Series, files: list[Path]) -> HeadPicture | None:
    """None where the files cannot be read: the gate's finding, not a traceback here."""
    try:
        with one_file("a picture"):
            stack = slices_of((path, path) for path in files).stack()
            body = stack if isinstance(stack, str) else body_of(stack)
            laid = None if isinstance(body, str) else laid_on(body)
            if laid is None or isinstance(body, str):
                return None
            title = f"{row.modality}, {row.files} files" + ", held back" * bool(row.held)
            said = tables.code_in_words(f"03: {row.status or 'nothing'}; 04: {row.own_look}")
            return head_picture(title, str(row.beside), f"{said} ({row.face:.2f})", laid, body.values)
    except (FileFault, OSError):
        return None


def head_picture(title: str, beside: str, said: str, laid: Laid, values: NDArray[np.float32]) -> HeadPicture:
    """The pictures of one fit."""
    high, wide, deep = np.arange(HIGH[0], HIGH[1], -FINE), np.arange(*WIDE, FINE), np.arange(*DEEP, FINE)
    inside = _sampled(laid, laid.skin.inside, high, wide, deep) > 0
    plane = _sampled(laid, values, high, np.zeros(1), deep)[:, 0]
    low, top = (-200.0, 300.0) if laid.is_ct else np.percentile(values, (2, 99.5))
    grey = np.clip((plane - low) / max(float(top - low), 1e-6), 0, 1) * 255
    head = average_head()
    _, on = on_skin(laid.skin, laid.pose, head)
    near = abs(head.points[:, 0]) < 8

    def pixels(part: NDArray[np.bool_], axis: int, first: float) -> Points:
        points = head.points[part]
        return np.stack([(points[:, axis] - first) / FINE, (HIGH[0] - points[:, 2]) / FINE], axis=1)

    there, gone = (
        (pixels(part, 0, WIDE[0]), pixels(part & near, 1, DEEP[0])) for part in (head.face & on, head.face & ~on)
    )
    skull = pixels(head.skull & near, 1, DEEP[0])
    return HeadPicture(title, beside, said, _shaded(inside), grey.astype(np.uint8), skull, there, gone)


def _sampled(laid: Laid, values: NDArray[np.generic], high: Points, wide: Points, deep: Points) -> Points:
    """Values at places of the average head (levels, across, deep); the least where the field does not reach."""
    z, x, y = np.meshgrid(high, wide, deep, indexing="ij")
    points = laid.pose.of(np.stack([x, y, z], axis=-1).reshape(-1, 3))
    index = np.rint((points - laid.skin.origin) @ laid.skin.axes / CUBE).astype(int)
    there = ((index >= 0) & (index < laid.skin.shape)).all(axis=1)
    i, j, k = np.clip(index, 0, laid.skin.shape - 1).T
    return np.asarray(np.where(there, values[k, j, i], values.min()).reshape(z.shape), np.float64)


def _shaded(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The skin from the front, shaded by the slope of its depth."""
    seen = inside.any(axis=2)
    depth = np.where(seen, inside.argmax(axis=2), inside.shape[2]).astype(float)
    for axis in (0, 1):
        depth = np.roll(depth, 1, axis) / 4 + depth / 2 + np.roll(depth, -1, axis) / 4
    down, across = np.gradient(depth)
    normal = np.stack([across, -np.ones_like(across), -down], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    shade = np.clip(normal @ (SHADED_FROM / np.linalg.norm(SHADED_FROM)), 0.05, 1)
    return np.asarray(np.where(seen, shade * 235 + 15, 0).astype(np.uint8))
