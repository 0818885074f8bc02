"""The chest phantom and what is seen of it: a CT volume, and its projections as radiographs and scout."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from chorus_nb.demo.phantoms import PhantomVolume, Space, both, ellipsoid, noise, space

HEIGHT, FIELD = (-150.0, 150.0), 400.0


@lru_cache(maxsize=2)
def chest_ct(slices: int, size: int) -> PhantomVolume:
    """Hounsfield units of a chest with contrast: lungs with vessels, heart, aorta, liver, ribs, spine and a table."""
    at = space(slices, size, HEIGHT, FIELD)
    shoulder = np.clip((at.z - 70) / 80, 0, 1) ** 2
    flank = np.float32(2.6)  # between an ellipse and a box
    body = np.abs(at.x / (160 + 34 * shoulder)) ** flank + np.abs(at.y / (108 - 22 * shoulder)) ** flank
    body = (body ** (1 / flank) - 1) * 108
    hu = np.full(at.shape, -1000, "f4")
    grain = noise(at.shape, (20, 40, 40), 21)
    _paint(hu, body < 0, -100)  # fat under the skin
    _paint(hu, body < -14, 52)
    _paint(hu, (body < 0) & (body > -2), 20)
    cage = ellipsoid(at, (-10, 4, 0), (185, 88, 132))
    _paint(hu, (cage < 3) & (cage > -8) & (grain > 0.35), -80)  # fat between the muscles

    heart = ellipsoid(Space(at.z + at.x * 0.35, at.y + at.x * 0.2, at.x), (-38, -26, 26), (56, 46, 54))
    right, left = np.hypot(at.x + 70, at.y - 10), np.hypot(at.x - 70, at.y)
    dome = np.where(at.x < 0, -62 - 0.0035 * right**2, -70 - 0.0035 * left**2)  # of the diaphragm
    apex = np.clip(1.15 - np.clip(at.z + 20, 0, None) / 190, 0.2, 1.15)
    lung = both(at, lambda s: ellipsoid(Space(s.z * 0, s.y / apex, (s.x - 66) / apex), (0, 4, 0), (np.inf, 76, 54)))
    mediastinum = ellipsoid(at, (0, 2, 0), (np.inf, 62, 27))
    lung = np.maximum.reduce(np.broadcast_arrays(lung, cage + 9, -heart, -mediastinum, dome - at.z, at.z - 132))
    inside = lung < 0
    hu[inside] = (-860 + 35 * grain + 60 * np.clip(at.y / 80, 0, 1))[inside]
    hu[inside] += _vessels(at, inside)
    _organs(at, hu, dome, cage, heart, inside)
    _bones(at, hu, cage)
    table = abs(np.hypot(at.x, at.y + 700) - 825) < 3
    _paint(hu, table & (abs(at.x) < 190), -250)
    hu = (np.roll(hu, 1, 1) + 2 * hu + np.roll(hu, -1, 1)) / 4  # partial volume
    return np.asarray(hu + np.random.default_rng(29).normal(0, 11, hu.shape).astype("f4"))


def _vessels(at: Space, inside: NDArray[np.bool_]) -> PhantomVolume:
    """What the vessels add to the lung: branches that leave the hilum and thin out."""
    z, y, x = (np.broadcast_to(a, inside.shape)[inside] for a in at)
    z, y, side = z - 4, y - 6, abs(x) - 14
    distance = np.sqrt(z**2 + y**2 + side**2)
    polar, azimuth = np.arccos(z / (distance + 1)) / np.pi, (np.arctan2(y, side) / np.pi + 1) / 2
    added = np.zeros_like(distance)
    for branches, seed, calibre, first in ((9, 22, 3.2, 0), (20, 24, 2.0, 34), (40, 26, 1.3, 64)):
        fields = [noise((64, 192, 192), (7, branches, branches), seed + offset) for offset in (0, 1)]
        at_ray = (np.clip(distance / 2.6, 0, 63).astype(int), (polar * 191).astype(int), (azimuth * 191).astype(int))
        off_axis = np.hypot(*(values[at_ray] for values in fields)) * distance * np.pi / branches  # mm, about
        width = calibre * np.clip(1.25 - distance / 150, 0.25, 1)
        added = np.maximum(added, np.clip((width - off_axis) * 500, 0, 950) * (distance > first))
    return added


def _organs(
    at: Space,
    hu: PhantomVolume,
    dome: PhantomVolume,
    cage: PhantomVolume,
    heart: PhantomVolume,
    lung: NDArray[np.bool_],
) -> None:
    below = (at.z < dome - 3) & (cage < -9)
    liver = below & (at.x < 45 + at.z * 0.2 + at.y * 0.2)
    _paint(hu, below, -90)
    _paint(hu, liver, 105)
    spleen = ellipsoid(at, (-120, 50, 88), (55, 36, 26))
    _paint(hu, (spleen < 0) & below, 125)
    _paint(hu, (ellipsoid(at, (-120, -20, 70), (46, 34, 40)) < 0) & below, 15)
    _paint(hu, (heart < 4) & ~lung & (at.z > dome), -60)  # fat around the heart
    _paint(hu, (heart < 0) & (at.z > dome), 90)
    for centre in ((-40, -34, 6), (-40, -14, 38), (-18, 4, 10)):  # chambers with contrast
        _paint(hu, ellipsoid(at, centre, (30, 21, 19)) < 0, 250)
    descending = ellipsoid(at, (0, 42, 22), (np.inf, 13, 13))
    _paint(hu, (descending < 0) & (at.z < 62), 240)
    ascending = ellipsoid(at, (0, -18, -12), (np.inf, 16, 16))
    _paint(hu, (ascending < 0) & (at.z < 62) & (at.z > -20), 240)
    arch = np.hypot(np.hypot(at.y - 12, at.z - 56) - 29, at.x - 5 - (at.y - 12) * 0.55) - 13
    _paint(hu, (arch < 0) & (at.z > 54), 240)
    trunk = np.hypot(np.hypot(at.x - 2, (at.y + 28) * 0.9) - 26, at.z - 22) - 11
    _paint(hu, (trunk < 0) & (at.y > -26), 260)
    trachea = ellipsoid(at, (0, 14, 0), (np.inf, 9, 9))
    _paint(hu, (trachea < 1.5) & (at.z > 32), 40)
    _paint(hu, (trachea < 0) & (at.z > 32), -1000)
    bronchi = np.hypot(at.y - 14, abs(at.x) - (36 - at.z) * 0.8) - 6
    _paint(hu, (bronchi < 1.5) & (at.z <= 34) & (at.z > 2), 30)
    _paint(hu, (bronchi < 0) & (at.z <= 34) & (at.z > 2), -1000)


def _bones(at: Space, hu: PhantomVolume, cage: PhantomVolume) -> None:
    slope = at.z + 0.75 * at.y - 0.0012 * at.x**2  # ribs fall from back to front
    ribs = (
        (abs(cage + 4) < 4.2)
        & (np.cos(slope * 2 * np.pi / 27) > 0.52)
        & ((at.y > -62) | (abs(at.x) > 70))
        & (at.z > -125)
    )
    _paint(hu, ribs & (abs(at.x) > 14), 520)
    _paint(hu, ribs & (abs(cage + 4) < 2.2) & (abs(at.x) > 14), 180)
    sternum = (ellipsoid(at, (0, -92, 0), (np.inf, 6, 17)) < 0) & (at.z > -70) & (at.z < 100)
    _paint(hu, sternum, 300)
    disc = np.cos(at.z * 2 * np.pi / 25) > -0.82
    vertebra = ellipsoid(at, (0, 54, 0), (np.inf, 17, 19))
    _paint(hu, vertebra < 0, 80)
    _paint(hu, (vertebra < 0) & disc, 520)
    _paint(hu, (vertebra < -3) & disc, 230)
    arch = ellipsoid(at, (0, 76, 0), (np.inf, 12, 14))
    _paint(hu, (arch < 0) & disc, 480)
    process = ellipsoid(at, (0, 92, 0), (np.inf, 14, 3.5))
    _paint(hu, (process < 0) & disc, 450)
    wing = ellipsoid(at, (0, 72, 0), (np.inf, 4.5, 42))
    _paint(hu, (wing < 0) & (np.cos(at.z * 2 * np.pi / 25) > 0.6), 420)
    _paint(hu, ellipsoid(at, (0, 74, 0), (np.inf, 8, 9)) < 0, 20)  # canal
    scapula = both(at, lambda s: ellipsoid(Space(s.z, s.y - (92 - s.x) * 0.55, s.x), (62, 62, 96), (62, 4.5, 44)))
    _paint(hu, scapula < 0, 420)
    clavicle = both(at, lambda s: np.hypot(s.z - 99.4 - s.x * 0.18, s.y + 67 - s.x * 0.25) - 6.5)
    _paint(hu, (clavicle < 0) & (abs(at.x) > 14) & (abs(at.x) < 150), 560)


def _paint(hu: PhantomVolume, where: NDArray[np.bool_], value: float) -> None:
    hu[np.broadcast_to(where, hu.shape)] = value


@lru_cache(maxsize=2)
def radiograph(size: int, lateral: bool = False) -> PhantomVolume:
    """Attenuation from 0 (air) to 1 seen from the front, or from the side, ``size`` pixels square."""
    voxels = 192 if size > 512 else 64
    volume = chest_ct(voxels, voxels)[::-1]
    depth = voxels * 122 // 200 + voxels // 5  # leaves out the table
    density = np.clip(volume[:, :depth] + 1000, 0, None) / 1000
    density[density > 1.3] = 1.3 + 9 * (density[density > 1.3] - 1.3)  # bone stops more of a soft beam
    view = enlarge(density.sum(axis=2 if lateral else 1), size)
    low, high = np.percentile(view[view > view.max() / 4], (1, 99.5))
    return np.asarray(np.clip((view - low * 0.6) / (high - low * 0.6), 0, 1))


def enlarge(image: PhantomVolume, size: int) -> PhantomVolume:
    """``image`` brought to ``size`` pixels square, interpolated."""
    for axis in (0, 1):
        length = image.shape[axis]
        position = np.clip((np.arange(size, dtype="f4") + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.minimum(position.astype(int), length - 2)
        weight = np.expand_dims(position - low, 1 - axis)
        image = np.take(image, low, axis) * (1 - weight) + np.take(image, low + 1, axis) * weight
    return image
