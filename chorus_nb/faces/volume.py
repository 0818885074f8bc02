"""A stack of slices as a volume with its full affine, gantry tilt included, and on an even grid of millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Mask, Matrix
from chorus_nb.morphology import ball_closing, ball_opening, filled

AIR, WATER_LIKE = -300.0, (-200.0, 300.0)  # Hounsfield units: what is head, what the registration looks at
HEAD_HEIGHT, HEAD_WIDTH = 200.0, 170.0  # mm, the width with ears: what lies further below the crown is neck and trunk
SIZES = (0.75, 1.25)  # of a head, beside those
FILLED, NOISY = 0.05, 0.4  # of the picture has one value; of its edge would be body, more than any neck: it is noise
ROUND, DOME = 85.0, 0.85  # mm: radius of the top of a head; where it is wider than this share it tells no crown


class Volume(NamedTuple):
    """``values`` (k, j, i) in Hounsfield units or signal; ``affine`` takes (i, j, k) to patient millimetres (LPS)."""

    values: NDArray[np.float32]
    affine: Matrix
    modality: str

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Millimetres between neighbours along i, j and k."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def extent(self) -> NDArray[np.float64]:
        """Millimetres covered along i, j and k."""
        return self.spacing * self.values.shape[::-1]


class Grid(NamedTuple):
    """A volume on a grid along the patient's axes; ``field`` is where the volume has values at all."""

    values: NDArray[np.float32]
    head: Mask
    field: Mask
    origin: NDArray[np.float64]
    """patient millimetres of the first voxel"""
    step: float

    @property
    def affine(self) -> Matrix:
        """Takes (i, j, k) to patient millimetres."""
        made = np.diag([self.step, self.step, self.step, 1.0])
        made[:3, 3] = self.origin
        return made

    def points(self, where: Mask) -> NDArray[np.float64]:
        """Patient millimetres (n, 3) of the voxels in ``where``."""
        return self.points_of(np.argwhere(where))

    def points_of(self, places: NDArray[np.int_]) -> NDArray[np.float64]:
        """Patient millimetres of voxels (n, 3), given as (k, j, i)."""
        return places[:, ::-1] * self.step + self.origin


def grid(stacks: Sequence[Volume], step: float = 3.0) -> Grid:
    """Resample stacks of one series to cubes of ``step`` millimetres, averaged first where they are finer.

    A head scanned in two slice thicknesses is one head: where stacks overlap, the first one counts.
    """
    even = cubes(stacks, step)
    return even._replace(head=head(even.values, even.field, stacks[0].modality, step))


def cubes(stacks: Sequence[Volume], step: float) -> Grid:
    """:func:`grid` without the search for its head, of which nothing is marked."""
    ends = np.concatenate([corners(stack) for stack in stacks])
    low, high = np.floor(ends.min(axis=0) / step) * step, ends.max(axis=0)
    shape = tuple(int(n) for n in (np.ceil((high - low) / step).astype(int) + 1)[::-1])
    values = np.full(shape, min(float(stack.values.min()) for stack in stacks), np.float32)
    field = np.zeros(shape, bool)
    for stack in stacks:
        own, covered = resampled(stack, low, shape, step)
        new = covered & ~field
        values[new] = own[new]
        field |= covered
    return Grid(values, np.zeros(shape, bool), field, low, step)


def corners(volume: Volume) -> NDArray[np.float64]:
    """Patient millimetres of the eight corners."""
    size = volume.values.shape[::-1]
    index = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in size], indexing="ij")).reshape(3, -1)
    return np.asarray((volume.affine[:3, :3] @ index).T + volume.affine[:3, 3])


def resampled(
    volume: Volume, low: NDArray[np.float64], shape: tuple[int, ...], step: float
) -> tuple[NDArray[np.float32], Mask]:
    """The values at the cubes of a grid (first corner, shape, mm), and where there are any."""
    import SimpleITK as sitk

    factors = [max(1, int(step / spacing / 1.5)) for spacing in volume.spacing]
    plain = sitk.GetImageFromArray(_shrunk(volume.values, factors))  # in index coordinates: sheared stacks are too
    coarser = np.diag([*map(float, factors), 1.0])
    coarser[:3, 3] = [(factor - 1) / 2 for factor in factors]
    inverse = np.linalg.inv(volume.affine @ coarser)
    to_index = sitk.AffineTransform(3)
    to_index.SetMatrix(inverse[:3, :3].ravel().tolist())
    to_index.SetTranslation(inverse[:3, 3].tolist())
    where = (list(shape[::-1]), to_index, sitk.sitkLinear, low.tolist(), [step] * 3, np.eye(3).ravel().tolist())
    values = sitk.GetArrayFromImage(sitk.Resample(plain, *where, 0.0, sitk.sitkFloat32))
    everywhere = sitk.GetImageFromArray(np.ones(plain.GetSize()[::-1], "u1"))
    return values, sitk.GetArrayFromImage(sitk.Resample(everywhere, *where, 0, sitk.sitkUInt8)) > 0


def _shrunk(values: NDArray[np.float32], factors: Sequence[int]) -> NDArray[np.float32]:
    """Means of so many columns, rows and slices, without what is left at the ends."""
    for axis, factor in zip((1, 0, 2), (factors[1], factors[2], factors[0]), strict=True):
        if factor > 1:
            ends = values.shape[axis] // factor * factor
            parts = [values[(slice(None),) * axis + (slice(start, ends, factor),)] for start in range(factor)]
            values = np.asarray(sum(parts[1:], parts[0]) / np.float32(factor), np.float32)
    return values


def head(values: NDArray[np.float32], field: Mask, modality: str, step: float, *, goes_on: bool = False) -> Mask:
    """The largest body in the picture, its hollows filled slice by slice, without table and head rest.

    ``goes_on``: so it may beyond the field, which is as thin as what else would be taken for a table.
    """
    import SimpleITK as sitk

    if modality == "CT":
        body = (values > AIR) & field
    else:
        body = _brighter_than_air(values, field)
    radius = max(1, round(4 / step))
    solid = ball_opening(body | ~field, radius) & field if goes_on else ball_opening(body, radius)
    parts = sitk.ConnectedComponent(sitk.GetImageFromArray(solid.astype("u1")))
    largest = sitk.GetArrayFromImage(sitk.RelabelComponent(parts)) == 1
    if not largest.any():
        return np.zeros(field.shape, bool)
    part, found = bounds(largest, radius + 2), np.zeros(field.shape, bool)
    found[part] = filled(filled(ball_closing(largest[part], radius + 1)), 1)  # air passages open to one side only
    return found


def bounds(mask: NDArray[Any], margin: int) -> tuple[slice, ...]:
    """The part of an array, ``margin`` wider each way, that holds all that is marked; something has to be."""
    places = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(slice(max(0, int(one[0]) - margin), int(one[-1]) + 1 + margin) for one in places)


def _brighter_than_air(values: NDArray[np.float32], field: Mask) -> Mask:
    """Signal of a body; where part of the picture was filled with one value, the noise of the rest is no body."""
    low = max(float(np.percentile(values[field], 1)), 0.0)
    signal = np.log1p(np.maximum(values - low, 0))
    body = (signal > _otsu(signal[field])) & field
    rest = field & (values > low)
    around = np.pad(field, 1)  # of the field, not of the grid, which may be wider
    inner = np.logical_and.reduce([np.roll(around, shift, axis) for axis in range(3) for shift in (-1, 1)])
    edge = field & ~inner[1:-1, 1:-1, 1:-1]
    if rest.sum() < (1 - FILLED) * field.sum() and body[edge].sum() > NOISY * edge.sum():
        body = (signal > _otsu(signal[rest])) & field
    return np.asarray(body)


def _otsu(values: NDArray[np.float32]) -> float:
    import SimpleITK as sitk

    chosen = sitk.OtsuThresholdImageFilter()
    chosen.Execute(sitk.GetImageFromArray(values.reshape(1, -1)))
    return float(chosen.GetThreshold())


class Stature(NamedTuple):
    """How a head stands in its grid, from its outline alone."""

    crown: float
    """patient millimetres (z), also where the top is cut off"""
    height: float
    """millimetres from crown to chin"""
    size: float
    """beside an adult's"""


def stature(volume: Grid) -> Stature:
    """Crown and height of the head; :class:`ValueError` when there is none."""
    seen = volume.head & volume.field
    levels = np.flatnonzero(seen.any(axis=(1, 2)))
    if not len(levels):
        raise ValueError("no head")
    top = levels[-1]
    low = max(0, top - round(HEAD_HEIGHT / volume.step))
    upper, above = seen[low : top + 1], np.pad(volume.field, ((0, 1), (0, 0), (0, 0)))[low + 1 : top + 2]
    across = np.asarray(upper.any(axis=1))
    widths = np.array([np.ptp(np.flatnonzero(level)) + 1 if level.any() else 0 for level in across])
    widths = widths * volume.step
    width = float(np.percentile(widths[widths > 0], 80))
    size = float(np.clip(width / HEAD_WIDTH, *SIZES))
    radius = ROUND * size
    halves = np.minimum(np.minimum(widths, width) / 2, radius)
    domes = volume.origin[2] + np.arange(low, top + 1) * volume.step + (radius - np.sqrt(radius**2 - halves**2))
    cut = (upper & ~above).any(axis=(1, 2)) & (halves < DOME * radius)  # a tilted field ends in a wedge, narrow above
    cut[-1] = True
    return Stature(float(domes[cut].max()), HEAD_HEIGHT * size, size)
