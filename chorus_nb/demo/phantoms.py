"""The head and chest phantoms: smooth bodies made of ellipsoids, good enough to look at and to register against.

Volumes are (z, y, x) in millimetres: z towards the head, y towards the back, x towards the patient's left (DICOM's
patient coordinates). Bodies are signed distances in millimetres: below 0 is inside.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PhantomVolume = NDArray[np.floating[Any]]
Point = tuple[float, float, float]


class Space(NamedTuple):
    """Coordinates of the voxels, open for broadcasting."""

    z: PhantomVolume
    y: PhantomVolume
    x: PhantomVolume

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.z.shape[0], self.y.shape[1], self.x.shape[2]


def space(slices: int, size: int, height: tuple[float, float], field: float) -> Space:
    """``slices`` from the lower to the upper ``height``, ``size`` rows and columns across ``field`` millimetres."""
    z = np.linspace(*height, slices, dtype="f4")[:, None, None]
    y = np.linspace(-field / 2, field / 2, size, dtype="f4")[None, :, None]
    return Space(z, y, y.transpose(0, 2, 1))


def ellipsoid(at: Space, centre: Point, radii: Point) -> PhantomVolume:
    """Distance to an ellipsoid; a radius of infinity makes a cylinder."""
    scaled = [(a - c) / r for a, c, r in zip(at, centre, radii, strict=True)]
    return np.asarray((np.sqrt(scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2) - 1) * np.float32(min(radii)))


def both(at: Space, body: Callable[[Space], PhantomVolume]) -> PhantomVolume:
    """``body`` on the left side and its mirror image on the right."""
    return body(Space(at.z, at.y, abs(at.x)))


def union(*bodies: PhantomVolume, soft: float = 0.0) -> PhantomVolume:
    """All ``bodies``; with ``soft`` millimetres the joins are rounded like flesh."""
    joined = bodies[0]
    for body in bodies[1:]:
        if soft:
            blend = np.clip(0.5 + 0.5 * (body - joined) / soft, 0, 1)
            joined = body * (1 - blend) + joined * blend - soft * blend * (1 - blend)
        else:
            joined = np.minimum(joined, body)
    return joined


def noise(shape: tuple[int, ...], cells: tuple[int, ...], seed: int) -> PhantomVolume:
    """Smooth noise between -1 and 1: random values on a coarse grid of ``cells``, interpolated along every axis."""
    values = np.random.default_rng(seed).uniform(-1, 1, [cell + 2 for cell in cells]).astype("f4")
    for axis, (length, cell) in enumerate(zip(shape, cells, strict=True)):
        position = np.linspace(0, cell, length, dtype="f4")
        low = position.astype(int)
        weight = (position - low).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        weight = weight * weight * (3 - 2 * weight)
        values = np.take(values, low, axis) * (1 - weight) + np.take(values, low + 1, axis) * weight
    return values


# --- head -------------------------------------------------------------------------------------------------------------

HEAD_HEIGHT, HEAD_FIELD = (-112.0, 116.0), 256.0
# Tissue: Hounsfield units, MR T1 intensity, MR T2 intensity.
TISSUES = {
    "air": (-1000, 4, 4),
    "skin": (30, 150, 90),
    "fat": (-90, 235, 150),
    "muscle": (55, 95, 50),
    "bone": (1150, 18, 14),
    "marrow": (350, 150, 80),
    "csf": (8, 32, 245),
    "grey": (39, 112, 135),
    "white": (29, 172, 92),
    "eye": (12, 40, 230),
    "tooth": (2200, 8, 8),
}
NAMES = list(TISSUES)


@lru_cache(maxsize=1)
def head_phantom(slices: int, size: int) -> NDArray[np.uint8]:
    """Tissues (indices into :data:`NAMES`) of a head with a face: brow, eyes, nose, lips, chin, cheeks and ears."""
    at = space(slices, size, HEAD_HEIGHT, HEAD_FIELD)
    vault = ellipsoid(at, (28, 8, 0), (84, 96, 75))
    face = union(
        vault,
        ellipsoid(at, (-40, -36, 0), (62, 54, 55)),  # middle of the face
        ellipsoid(at, (-84, -62, 0), (22, 28, 34)),  # jaw
        ellipsoid(at, (-95, -80, 0), (11, 11, 16)),  # chin
        both(at, lambda s: ellipsoid(s, (-28, -72, 32), (19, 16, 17))),  # cheeks
        ellipsoid(at, (22, -84, 0), (8, 9, 42)),  # brow
        ellipsoid(at, (0, 28, 0), (np.inf, 52, 50)) + np.maximum(at.z + 45, 0),  # neck
        soft=14,
    )
    socket = both(at, lambda s: ellipsoid(s, (3, -94, 32), (12, 17, 17)))
    face = np.maximum(face, -socket)
    bridge = np.clip((-at.z - 2) / 45, 0.0, 1.0)  # the nose grows from bridge to tip
    nose = np.sqrt(((at.y + 84) / (10 + 26 * bridge)) ** 2 + (at.x / (7 + 9 * bridge)) ** 2) - 1
    nose = np.maximum(nose * 8, ellipsoid(at, (-20, -90, 0), (26, 40, 30)))
    lips = union(ellipsoid(at, (-62, -88, 0), (4.5, 6, 21)), ellipsoid(at, (-70, -87, 0), (5, 6, 18)))
    ears = both(at, lambda s: ellipsoid(Space(s.z, s.y, s.x - (s.y - 12) * 0.35), (-8, 14, 75), (29, 16, 7)))
    eyes = both(at, lambda s: ellipsoid(s, (3, -66, 32), (12, 12.5, 12)))
    lids = both(at, lambda s: ellipsoid(s, (3, -67, 32), (13, 13.5, 15)))
    skin = union(union(face, nose, lips, lids, soft=5), ears, soft=2)

    tissue = np.full(at.shape, NAMES.index("air"), "u1")

    def paint(name: str, where: NDArray[np.bool_]) -> None:
        tissue[np.broadcast_to(where, at.shape)] = NAMES.index(name)

    paint("skin", skin < 0)
    paint("fat", skin < -2.2)
    paint("muscle", (skin < -6.5) & ((at.z < 0) | (vault > -4)))
    paint("muscle", (skin < -2) & (ears < 0) & (vault > 2))
    cranium = vault + 6
    floor = _skull_floor(at)  # bone at 0, the brain above
    paint("bone", (cranium < 0) & (cranium > -7) & (at.z > -48))
    paint("marrow", (cranium < -2.4) & (cranium > -5) & (at.z > -40))
    paint("bone", (cranium < 0) & (abs(floor) < 4))
    orbit = both(at, lambda s: ellipsoid(s, (3, -56, 31), (18, 26, 18)))
    _face_bones(at, face, orbit, paint)
    _brain_tissue(at, vault + 13.5, paint)
    paint("fat", (orbit < 0) & (skin < -2))
    paint("eye", eyes < 0)
    return tissue


def _skull_floor(at: Space) -> PhantomVolume:
    """Millimetres above the floor of the skull, which in front lies over the orbits: no brain behind the nose."""
    forward = np.clip((-at.y - 12) / 40, 0, 1)
    return np.asarray(at.z + 26 + at.y * 0.12 - 36 * forward**2 * (3 - 2 * forward))


def _face_bones(
    at: Space, face: PhantomVolume, orbit: PhantomVolume, paint: Callable[[str, NDArray[np.bool_]], None]
) -> None:
    """Maxilla, mandible, teeth, spine of the neck, and the air of sinuses, nose and throat."""
    maxilla = ellipsoid(at, (-28, -44, 0), (30, 38, 44))
    mandible = ellipsoid(at, (-82, -46, 0), (16, 44, 45))
    inner = ellipsoid(at, (-82, -40, 0), (26, 40, 36))
    ramus = both(at, lambda s: ellipsoid(s, (-55, -8, 46), (36, 13, 5)))
    arch = both(at, lambda s: ellipsoid(s, (-20, -38, 60), (6, 38, 5)))
    paint("bone", ((abs(maxilla + 3) < 3) | (union(ramus, arch) < 0)) & (face < -5))
    paint("bone", (mandible < 0) & (inner > 0) & (face < -4))
    tooth = np.hypot((at.y + 42) / 1.15, at.x)
    paint("tooth", (abs(tooth - 33) < 4.5) & (abs(at.z + 66) < 9) & (abs(at.z + 66) > 0.8) & (at.y < -46) & (face < -3))
    paint("bone", abs(orbit) < 1.6)
    sinus = both(at, lambda s: ellipsoid(s, (-26, -50, 27), (15, 16, 13)))
    nasal = both(at, lambda s: ellipsoid(s, (-32, -62, 7), (22, 34, 5)))
    throat = ellipsoid(at, (0, -4, 0), (np.inf, 9, 12)) + np.maximum(at.z + 38, 0)
    paint("air", (union(sinus, nasal, throat) < 0) & (face < -1))
    paint("air", ellipsoid(at, (28, -80, 0), (9, 5, 18)) < 0)  # frontal sinus
    spine = ellipsoid(at, (0, 32, 0), (np.inf, 10, 13)) + np.maximum(at.z + 50, 0) * 2
    canal = ellipsoid(at, (0, 50, 0), (np.inf, 8, 11)) + np.maximum(at.z + 50, 0) * 2
    gaps = np.cos(at.z * 2 * np.pi / 17) > -0.75
    paint("bone", ((spine < 0) & gaps) | (abs(canal - 3) < 3) & gaps)
    paint("csf", canal < 0)
    petrous = both(at, lambda s: ellipsoid(Space(s.z, s.y + (s.x - 45) * 0.4, s.x), (-22, 18, 45), (11, 12, 26)))
    cells = noise(at.shape, (30, 40, 40), 7) > 0.15
    paint("bone", petrous < 0)
    paint("air", (petrous < -2) & cells & (abs(at.x) > 42))


def _brain_tissue(at: Space, surface: PhantomVolume, paint: Callable[[str, NDArray[np.bool_]], None]) -> None:
    """A folded cortex around white matter, deep grey matter, ventricles, cerebellum and brain stem."""
    cut = np.maximum(surface, 4 - _skull_floor(at))
    stem = ellipsoid(Space(at.z, at.y - at.z * 0.12, at.x), (-45, 26, 0), (60, 13, 14))
    cerebellum = ellipsoid(at, (-28, 56, 0), (26, 31, 50))
    inside = union(cut, np.maximum(cerebellum, surface), np.maximum(stem, surface))
    paint("csf", inside < 0)
    fold = noise(at.shape, (17, 19, 19), 3) + 0.55 * noise(at.shape, (31, 35, 35), 4)
    depth = -cut
    cortex = np.where(abs(fold) < 0.36, 24 - 48 * abs(fold), 5.5)  # grey matter follows the folds inward
    sulcus = (abs(fold) < 0.05 + 0.07 * np.exp(-depth / 4)) & (depth < 18)
    callosum = np.hypot(at.z - 16, (at.y - 4) / 1.9) - 20
    bend = 2.4 * noise((*at.shape[:2], 1), (9, 9, 0), 8)
    fissure = (abs(at.x - bend) < 0.9) & (callosum > 0)
    tissue = (depth > 1.5) & ~sulcus & ~fissure
    paint("grey", tissue)
    paint("white", tissue & (depth > cortex) & ((abs(at.x) > 4.5) | (callosum < 0)))
    paint("white", tissue & (abs(callosum + 3) < 3) & (at.z > 12) & (abs(at.x) < 12))
    folia = np.sin((cerebellum + at.z * 0.3) * 1.6) > 0.2
    paint("grey", np.maximum(cerebellum, surface + 1) < 0)
    paint("white", (np.maximum(cerebellum, surface + 1) < -3) & folia & (abs(at.x) > 3))
    paint("white", np.maximum(stem, surface) < 0)
    paint("white", both(at, lambda s: ellipsoid(s, (20, 0, 26), (26, 44, 20))) < 0)
    paint("grey", both(at, lambda s: ellipsoid(s, (14, -4, 22), (13, 19, 9))) < 0)  # basal ganglia
    paint("grey", both(at, lambda s: ellipsoid(s, (14, 16, 11), (11, 14, 8))) < 0)  # thalamus
    horn = both(at, lambda s: ellipsoid(Space(s.z, s.y, s.x - abs(s.y - 4) * 0.22), (29, 4, 7), (10, 40, 5.5)))
    third = ellipsoid(at, (10, 10, 0), (12, 14, 2.2))
    fourth = ellipsoid(at, (-26, 40, 0), (12, 6, 8))
    paint("csf", union(horn, third, fourth) < 0)


def head_ct(slices: int, size: int) -> PhantomVolume:
    """Hounsfield units of the head."""
    return _rendered_tissue(head_phantom(slices, size), 0, seed=11, grain=9)


def head_mr(slices: int, size: int, weighting: str) -> PhantomVolume:
    """MR intensities of the head, ``weighting`` T1 or T2, with a coil's uneven sensitivity and Rician noise."""
    volume = _rendered_tissue(head_phantom(slices, size), {"T1": 1, "T2": 2}[weighting], seed=12, grain=0)
    volume *= 1 + 0.16 * noise(volume.shape, (2, 2, 2), 5)
    grain = np.random.default_rng(6).normal(0, 5, (2, *volume.shape)).astype("f4")
    return np.asarray(np.hypot(volume + grain[0], grain[1]) * 4)


def _rendered_tissue(tissue: NDArray[np.uint8], column: int, seed: int, grain: float) -> PhantomVolume:
    values = np.array([properties[column] for properties in TISSUES.values()], "f4")[tissue]
    for axis in (1, 2):  # partial volume within the slice
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    if grain:
        values += np.random.default_rng(seed).normal(0, grain, values.shape).astype("f4")
    return values
