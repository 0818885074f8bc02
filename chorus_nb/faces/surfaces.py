"""What a series looks like before and after: its surface from the front and the side, and three planes with the mask.

Before is read from the source, after from the release: what was really written, not what was meant. For a series that
was held back, after is what its mask would make of it.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chorus_nb import tables
from chorus_nb.drawn import Drawn, digests
from chorus_nb.errors import ChildFault, WorkbenchError
from chorus_nb.faces import masks, stacks
from chorus_nb.faces.atlas import Mask
from chorus_nb.faces.decisions import pose
from chorus_nb.faces.frames import by_frame, remove_from
from chorus_nb.faces.judge import SURFACES, head_of, volumes
from chorus_nb.faces.registration import rotated
from chorus_nb.faces.stacks import SliceSeries, Unfit
from chorus_nb.faces.stacks import StackedFrame as Stored
from chorus_nb.faces.study import Asked
from chorus_nb.faces.volume import AIR, Grid, Volume, cubes, grid
from chorus_nb.memory import DECODERS, Recipe
from chorus_nb.processes.child import in_child
from chorus_nb.source import open_source
from chorus_nb.workspace import Workspace

Picture = NDArray[np.uint8]
STEP = 1.5  # mm a pixel
SURFACES_SHOWN = 8
VOXELS_SHOWN = 16_000_000  # 32 MB at most travel to the browser
RENDER_SECONDS = 600.0  # for one series
VIEWS = (0.0, 50.0)  # degrees the head is turned: from the front, half from the side
LIGHT = np.array([-0.35, -0.8, 0.5])  # from above the patient's right shoulder
_OF_FRAMES = (
    "source_path",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "NumberOfFrames",
    "ImageType",
)
_RECIPE = Recipe(__name__, (), (*DECODERS, "SimpleITK"))


class Surfaces(NamedTuple):
    """Grey pictures, rows from the head down; ``planes`` = (picture, outline of the mask) from three sides.

    Without a mask there is no ``after``, and the planes lie through the middle of the volume."""

    title: str
    status: str
    reason: str
    before: list[Picture]
    after: list[Picture]
    planes: list[tuple[Picture, Mask]]
    written: bool
    """whether ``after`` was read from the release"""


def surfaces(workspace: Workspace) -> list[Surfaces]:
    """The first ``SURFACES_SHOWN`` series of ``face_verdicts`` that were or would be defaced, the doubtful ones first.

    Shows faces: for local reports only. What cannot be read is left out. What was drawn before of the same files
    and mask is not drawn again.
    """
    verdicts = workspace.read_or_empty(tables.FACE_VERDICTS)
    shown = verdicts[(verdicts["mask"] != "") & (verdicts["files"] > 0)]
    shown = shown.sort_values(["status", "series_uid"], ascending=[False, True])
    made, drawn = [], Drawn(workspace, SURFACES)
    for row in shown.head(SURFACES_SHOWN).itertuples():
        with contextlib.suppress(ChildFault, masks.DamagedMask):
            paths, written = _files_of(workspace, str(row.mask))
            key = _RECIPE.key(None, row.mask, *_as_they_are(workspace, paths, written))
            title = f"{row.modality}, {row.files} {'file' if row.files == 1 else 'files'}"
            if one := drawn.of(key, partial(in_child, _render, workspace, str(row.mask), paths, written)):
                made.append(Surfaces(*one)._replace(title=title, status=str(row.status), reason=str(row.reason)))
    drawn.forget_others()
    return made


def render(workspace: Workspace, series_uid: str, mask: str, *, intended: bool = False) -> Surfaces:
    """One series with one mask, "" = as it is; ``intended``: what the mask would do, also where a release exists."""
    if mask:
        return in_child(_render, workspace, mask, *_files_of(workspace, mask, intended=intended))
    try:
        return in_child(_render, workspace, "", _whole(workspace, series_uid), [])
    except ChildFault:
        raise WorkbenchError("its files make no volume that can be drawn") from None


def _files_of(workspace: Workspace, mask: str, *, intended: bool = False) -> tuple[list[str], list[str]]:
    """The files of a mask that are released or wait for nothing else, and where they stand in the release.

    Of several frames of reference those of the largest: the others lie in no picture of it.
    """
    catalog = workspace.read(tables.CATALOG, list(_OF_FRAMES))
    masked = catalog.source_path.isin(masks.paths(workspace.local / masks.MASKS_FOLDER, mask))
    known = set(_largest(catalog[masked]).source_path)
    worklist = workspace.read(tables.WORKLIST, ["source_path", "status", "reason"])
    waiting = (worklist["status"] == "release") | (worklist["reason"] == "face_not_removed")
    paths = sorted(known.intersection(worklist.loc[waiting, "source_path"]))
    written: list[str] = []
    if not intended and workspace.has(tables.OUTCOMES):
        outcomes = workspace.read(tables.OUTCOMES, ["source_path", "target_path", "face_mask"])
        outcomes = outcomes[outcomes["source_path"].isin(paths) & (outcomes["face_mask"] == mask)]
        written = sorted(path for path in outcomes["target_path"] if path)
    return paths, written


def _largest(images: pd.DataFrame) -> pd.DataFrame:
    """The files of a series (rows of the catalog) that lie in the frame of reference of most of them."""
    return max((part for _, part in by_frame(images, head_of(images))), key=len, default=images)


def _as_they_are(workspace: Workspace, paths: list[str], written: list[str]) -> tuple[object, ...]:
    """What these files hold: originals by size and time as 01 found them, released ones by their digest now."""
    catalog = workspace.read(tables.CATALOG, ["source_path", "size", "modified_ns"])
    found = catalog[catalog["source_path"].isin(paths)].sort_values("source_path")
    released = digests(workspace.release / path for path in written)
    return found.to_numpy().tolist(), list(zip(written, released, strict=True))


def face_preview(workspace: Workspace, series_uid: str, start: str, shift: str) -> Surfaces:
    """What 03 would make of a series with this decision, before it is taken (10 to 35 CPU seconds with a ``start``)."""
    images, how = _looked_at(workspace, series_uid), pose(start, shift)
    parts = by_frame(images, head_of(images))
    asked = [Asked(series_uid, "face", tuple(part.source_path), "deface", *how, frame=frame) for frame, part in parts]
    folder = workspace.local / masks.MASKS_FOLDER
    folder.mkdir(exist_ok=True)
    ears = workspace.parameters.deface_ears
    found = in_child(remove_from, workspace.source, folder, asked, ears, seconds=RENDER_SECONDS)
    if not found.mask:
        raise WorkbenchError(found.reason or "no face in view")
    return render(workspace, series_uid, found.mask, intended=True)


class ShownVolume(NamedTuple):
    """A series as NIfTI-1 for a viewer, its mask in the same voxels (b"" = none), and a window of its values."""

    image: bytes
    mask: bytes
    low: float
    high: float


def shown_volume(workspace: Workspace, series_uid: str, mask: str = "") -> ShownVolume:
    """The largest stack of a series of the source. Shows faces: never to be kept in an output."""
    return in_child(_shown_volume, workspace, _whole(workspace, series_uid, mask), mask)


def _whole(workspace: Workspace, series_uid: str, mask: str = "") -> list[str]:
    """The files of a series, or those of them that have a mask, that lie where most of them do."""
    paths: list[str] = _largest(_looked_at(workspace, series_uid)).source_path.tolist()
    if mask:
        paths = sorted(masks.paths(workspace.local / masks.MASKS_FOLDER, mask).intersection(paths))
    if not paths:
        raise WorkbenchError("this series is no volume of CT, MR or PT")
    return paths


def _shown_volume(workspace: Workspace, paths: list[str], mask: str) -> ShownVolume:
    series = stacks.load(workspace.source, paths)
    whole = max(_volumes(series), key=lambda volume: volume.values.size)
    cut = b""
    if mask:
        inside = [volume for volume in _volumes(_cut(workspace, series, mask)) if _same_place(volume, whole)]
        cut = nifti(inside[0], "u1") if inside else b""
    low, high = (-200.0, 300.0) if series.modality == "CT" else np.percentile(whole.values, (5, 99.5))
    return ShownVolume(nifti(whole, "i2"), cut, float(low), float(high))


def _same_place(one: Volume, other: Volume) -> bool:
    return one.values.shape == other.values.shape and np.allclose(one.affine, other.affine)


def nifti(volume: Volume, kind: str, most: int = VOXELS_SHOWN) -> bytes:
    """NIfTI-1 in one piece, every ``step``-th voxel where a browser could not hold all; axes to the patient's (RAS)."""
    import nibabel

    step = int(np.ceil((volume.values.size / most) ** (1 / 3)))
    values = volume.values[::step, ::step, ::step].transpose(2, 1, 0)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine @ np.diag([step, step, step, 1.0])
    limits = np.iinfo(kind)
    whole = limits.min <= values.min() and values.max() <= limits.max and bool((values == np.rint(values)).all())
    image = nibabel.Nifti1Image(values.astype(kind) if whole else values, affine)
    image.set_data_dtype(np.dtype(kind))  # with a slope where values are no whole numbers
    return bytes(image.to_bytes())


def _cut(workspace: Workspace, series: SliceSeries, mask: str) -> SliceSeries:
    """The series with 1 where its mask lies and 0 elsewhere."""
    folder = workspace.local / masks.MASKS_FOLDER
    cut = series._replace(pictures=[])
    for piece in series.slices:
        plane = masks.read_mask(folder, mask, piece.source_path).mask[piece.frame][piece.window]
        cut.pictures.append(Stored(plane, 1.0, 0.0))
    return cut


def _looked_at(workspace: Workspace, series_uid: str) -> pd.DataFrame:
    """The files of a series that 03 looked at for a face: all of them, also those that are held back."""
    catalog = workspace.read(tables.CATALOG)
    images = volumes(catalog, catalog.index[catalog["SeriesInstanceUID"] == series_uid])
    mine = (images["SeriesInstanceUID"] == series_uid) & (images["need"] != "rendering")
    return images[mine].sort_values("source_path")


def _render(workspace: Workspace, mask: str, paths: list[str], written: list[str]) -> Surfaces:
    series = stacks.load(workspace.source, paths)
    shown = grid(_volumes(series), STEP)
    before = skin_from_sides(shown.head)
    if not mask:
        planes = _three_planes(shown, np.zeros_like(shown.head), series.modality)
        return Surfaces("", "", "", before, [], planes, False)
    cut = _cut(workspace, series, mask)
    whole = len(written) == len(paths) and not any(piece.corner != (0, 0) for piece in series.slices)  # no mosaic
    inside = cubes(_volumes(cut), STEP).values > 0.5
    if whole:
        after = cubes(_volumes(stacks.load(open_source(workspace.release), written)), STEP)
    else:
        after = shown._replace(values=np.where(inside, shown.values.min(), shown.values).astype(np.float32))
    air = AIR if series.modality == "CT" else 0.5 * float(np.percentile(shown.values[shown.head], 10))
    return Surfaces(
        "",
        "",
        "",
        before,
        skin_from_sides(shown.head & (after.values > air)),
        _three_planes(shown, inside, series.modality),
        whole,
    )


def _volumes(series: SliceSeries) -> list[Volume]:
    try:
        return stacks.stacks(series)
    except Unfit:
        return stacks.stacks(series, fewest=2, thinnest=0.0)


def skin_from_sides(body: Mask) -> list[Picture]:
    """The skin as seen from the front after turning the head by each of ``VIEWS``."""
    import SimpleITK as sitk

    image = sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(body.astype(np.float32)), 1.0)
    return [_shaded(_turned(image, turn)) for turn in VIEWS]


def _turned(image: Any, turn: float) -> Mask:
    import SimpleITK as sitk

    if turn:
        centre = (np.array(image.GetSize()) - 1) / 2
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(rotated(0, turn, 0).ravel().tolist())
        transform.SetCenter(centre.tolist())
        image = sitk.Resample(image, image, transform, sitk.sitkLinear, 0.0)
    return np.asarray(sitk.GetArrayFromImage(image) > 0.5)


def _shaded(turned: Mask) -> Picture:
    """What is seen from the front, shaded by the slope of its depth."""
    depth = np.where(turned.any(axis=1), turned.argmax(axis=1), np.nan)[::-1]
    down, across = np.gradient(_smooth(depth))
    normal = np.stack([across, -np.ones_like(across), -down], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    shade = np.clip(normal @ (LIGHT / np.linalg.norm(LIGHT)), 0.05, 1)
    return np.where(np.isfinite(depth), np.nan_to_num(shade) * 235 + 15, 0).astype(np.uint8)


def _smooth(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half voxels by averaging over the neighbours that are there."""
    known = np.isfinite(depth).astype(float)
    values = np.nan_to_num(depth)
    for axis in (0, 1):
        values, known = (
            array / 2 + np.roll(array, 1, axis) / 4 + np.roll(array, -1, axis) / 4 for array in (values, known)
        )
    return np.where(known > 0.3, values / np.maximum(known, 1e-6), np.nan)


def _three_planes(volume: Grid, inside: Mask, modality: str) -> list[tuple[Picture, Mask]]:
    """From the side, from the front, from below: through the middle of what is removed of the head."""
    values = volume.values
    looked_at = values[volume.head | inside] if volume.head.any() else values
    low, high = (-200.0, 300.0) if modality == "CT" else np.percentile(looked_at, (1, 99.5))
    grey = (np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    cut = np.argwhere(inside & volume.head)
    z, y, x = np.median(cut, axis=0).astype(int) if len(cut) else np.array(values.shape) // 2
    x = int(np.median(np.argwhere(volume.head)[:, 2])) if volume.head.any() else x
    return [
        (grey[::-1, :, x], inside[::-1, :, x]),
        (grey[::-1, y, :], inside[::-1, y, :]),
        (grey[z, :, :], inside[z, :, :]),
    ]
