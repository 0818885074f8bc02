"""A few images before and after, picked so that every kind is seen, at the window a reader would use."""

from __future__ import annotations

import contextlib
import functools
import io
import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from blake3 import blake3
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from chorus_nb import tables
from chorus_nb.drawn import Drawn, digests
from chorus_nb.errors import FileFault
from chorus_nb.guard import one_file, quiet
from chorus_nb.leaks import reading
from chorus_nb.memory import DECODERS, Recipe
from chorus_nb.verify.pictures import recorded_boxes
from chorus_nb.workspace import Workspace

SIDE = 192  # pixels of a thumbnail's longer side
FRAMES = 3  # of a multi-frame image: first, middle, last
_RECIPE = Recipe(__name__, (), DECODERS)


class Preview(NamedTuple):
    """Thumbnails (RGB, 8 bit) of one released image; ``boxes`` in thumbnail pixels."""

    title: str
    target_path: str
    before: np.ndarray
    after: np.ndarray
    difference: np.ndarray
    changed: int  # pixels that differ, all frames
    boxes: list[tuple[float, float, float, float]]


def preview_sample(workspace: Workspace, count: int = 12) -> pd.DataFrame:
    """Released images, one of each kind (modality, manufacturer, risk of text, redacted) before a second of any."""
    outcomes = workspace.read(tables.OUTCOMES)
    released = outcomes[outcomes.status == "released"].merge(
        workspace.read(tables.CATALOG, ["source_path", "Manufacturer", "PhotometricInterpretation", "NumberOfFrames"]),
        on="source_path",
    )
    risks = pd.DataFrame({"source_path": [], "risk": []}, dtype=str)
    if workspace.has(tables.IMAGE_VERDICTS):
        risks = workspace.read(tables.IMAGE_VERDICTS, ["source_path", "risk"])
    released = released.merge(risks, on="source_path", how="left").fillna({"risk": ""})
    released = released.assign(
        order=released.source_path.map(lambda path: blake3(path.encode()).hexdigest()),
        plain=released.boxes == "",
        frames=released.NumberOfFrames != "",
    ).sort_values("order")
    kind = ["modality", "Manufacturer", "risk", "plain", "PhotometricInterpretation", "frames"]
    turn = released.groupby(kind, sort=False, dropna=False).cumcount()
    return released.assign(turn=turn).sort_values(["turn", "plain", "order"]).head(count).reset_index(drop=True)


def previews(workspace: Workspace, count: int = 12) -> list[Preview]:
    """Before, after and difference of :func:`preview_sample`; undecodable ones are left out (the gate names them)."""
    made, drawn = [], Drawn(workspace, "previews")
    for row in preview_sample(workspace, count).itertuples():
        with contextlib.suppress(FileFault), one_file("a preview"):  # the gate's finding, not a traceback here
            source = tuple(workspace.source.identity(row.source_path))
            released = digests([workspace.release / row.target_path])
            title = " · ".join(filter(None, (row.modality, row.Manufacturer, "redacted" if row.boxes else "")))
            key = _RECIPE.key(None, row.source_path, source, row.target_path, released, row.boxes, title)
            if kept := drawn.of(key, functools.partial(_before_and_after, workspace, row, title)):
                made.append(Preview(*kept))
    drawn.forget_others()
    return made


def _before_and_after(workspace: Workspace, row: pd.Series, title: str) -> Preview:
    before = reading.parse_file(workspace.source.read(row.source_path)).dataset
    after = reading.parse_file((workspace.release / row.target_path).read_bytes()).dataset
    return _preview(title, row.target_path, before, after, row.boxes)


def thumbnails(before: bytes, after: bytes | None, boxes: str) -> tuple[bytes, bytes]:
    """A file before and after as two PNG, windowed alike; the second is empty for what was not released.

    For a child process: what a hostile file does to its decoder ends there.
    """
    old = reading.parse_file(before).dataset
    if after is None:
        pixels = reading.decode_pixels(old)
        return _png(_montage(old, pixels, window(old, pixels))), b""
    made = _preview("", "", old, reading.parse_file(after).dataset, boxes)
    return _png(made.before), _png(made.after)


def _png(picture: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return sink.getvalue()


def _preview(title: str, target_path: str, before: FileDataset, after: FileDataset, boxes: str) -> Preview:
    old, new = reading.decode_pixels(before), reading.decode_pixels(after)
    at = window(before, old)
    left, right = _montage(before, old, at), _montage(after, new, at)
    same_shape = np.squeeze(old).shape == np.squeeze(new).shape
    changed = int((np.squeeze(old) != np.squeeze(new)).sum()) if same_shape else new.size
    difference = np.abs(left.astype(int) - right.astype(int)).astype(np.uint8) if left.shape == right.shape else right
    scale = left.shape[0] / int(before.Rows)
    drawn = [(x0 * scale, y0 * scale, x1 * scale, y1 * scale) for x0, y0, x1, y1 in recorded_boxes(boxes)]
    return Preview(title, target_path, left, right, difference, changed, drawn)


def window(dataset: FileDataset, array: np.ndarray, from_header: bool = True) -> tuple[float, float]:
    """Centre and width from the header (the first pair), else the middle 99 % of the values."""
    if from_header:
        said = (np.atleast_1d(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
        with contextlib.suppress(TypeError, ValueError, IndexError):  # there is none, or no number
            centre, width = (float(value[0]) for value in said)
            if width >= 1 and math.isfinite(centre + width):
                return centre, width
    low, high = np.percentile(apply_modality_lut(array, dataset), [0.5, 99.5])
    return (low + high) / 2, max(high - low, 1)


def _montage(dataset: FileDataset, array: np.ndarray, at: tuple[float, float]) -> np.ndarray:
    count = int(dataset.get("NumberOfFrames") or 1)
    picks = sorted({0, count // 2, count - 1})[:FRAMES]
    frames = [array[pick] for pick in picks] if count > 1 else [array]
    return np.concatenate([_thumbnail(shown(dataset, frame, at)) for frame in frames], axis=1)


def shown(dataset: FileDataset, frame: np.ndarray, at: tuple[float, float]) -> np.ndarray:
    """A frame as a reader would see it: RGB, 8 bit."""
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        coloured = apply_color_lut(frame, dataset)
        return (coloured >> 8 if coloured.dtype.itemsize == 2 else coloured).astype(np.uint8)
    if frame.ndim == 3:
        return frame.astype(np.uint8)
    with quiet():
        values = apply_modality_lut(frame, dataset).astype(np.float64)
    centre, width = at
    grey = np.clip((values - (centre - width / 2)) / width, 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 1 - grey
    return np.repeat((grey * 255).astype(np.uint8)[..., None], 3, axis=2)


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image)
