"""How well a surface is matched to its head before and after defacing: ``python -m tests.benchmarks.reidentify``.

The attacker has a surface of each of N heads as they are (a photograph turned into depth, at best) and one surface of a
release, perfectly aligned; he takes the one that differs least. Heads: those of ../shared and the demo's; each also
bent by smooth random displacements of some millimetres, so that there are N that differ as heads of a kind do. Both
scans of a head differ by a small movement and by where their voxels lie. Rank 1: share of heads whose own surface is
the nearest; by chance 1 / N. Three attackers: one who compares all that he sees; one who knows where the mask lies
and leaves that out; and one who does, and has a photograph, which shows the face and no skull under its hair.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from chorus_nb.faces.acceptance import posed
from chorus_nb.faces.atlas import Matrix
from chorus_nb.faces.registration import rotated
from tests import heads
from tests.benchmarks import deface

STEP = 2.0  # mm a pixel of a surface, and along its rays
BENT, SMOOTH = 3.0, 40.0  # mm: standard deviation of the displacements, and how far apart they are drawn
MOVED, TURNED = 1.0, 1.0  # mm and degrees between two scans of a head
UNSEEN, MOST = 1e6, 20.0  # mm: no depth; the most that a place counts
Surface = NDArray[np.float64]


class Scanned(NamedTuple):
    """A head's outline, what is removed of it, and where both lie in the template's millimetres."""

    name: str
    outline: NDArray[np.bool_]
    removed: NDArray[np.bool_]
    to_index: Matrix
    """template millimetres to (i, j, k) of the outline"""


def scanned() -> Iterator[Scanned]:
    """The heads at hand that are accepted as they are."""
    for name, volumes in [("demo", [heads.head("T1")]), *deface.real()]:
        found = deface.found(volumes)
        if not found.reasons:
            removed = posed(found.even, found.pose).face
            to_index = np.linalg.inv(found.pose.matrix @ found.even.affine)
            yield Scanned(name, found.even.head, removed, to_index)


class Surfaces(NamedTuple):
    """Depth (mm) from the front; ``hidden``: where what is seen was laid open by the mask."""

    before: Surface
    after: Surface
    hidden: NDArray[np.bool_]


def surfaces(head: Scanned, bent: NDArray[np.float64], scan: np.random.Generator) -> Surfaces:
    """One scan of a head that is bent as ``bent`` says (3, a, b, c: millimetres at places ``SMOOTH`` apart)."""
    z, y, x = np.meshgrid(np.arange(-110, 90, STEP), np.arange(-130, 20, STEP), np.arange(-80, 80, STEP), indexing="ij")
    points = np.stack([x, y, z], axis=-1) + scan.uniform(-STEP / 2, STEP / 2, 3)
    points = points @ rotated(*scan.normal(0, TURNED, 3)).T + scan.normal(0, MOVED, 3)
    places = [(points[..., axis] + 200) / SMOOTH for axis in (2, 1, 0)]
    points = points + np.stack([map_coordinates(part, places, order=1, mode="nearest") for part in bent], axis=-1)
    index = points @ head.to_index[:3, :3].T + head.to_index[:3, 3]
    last = head.outline.shape
    nearest = [np.clip(np.rint(index[..., axis]).astype(int), 0, last[2 - axis] - 1) for axis in (2, 1, 0)]
    outline, removed = head.outline[tuple(nearest)], head.removed[tuple(nearest)]
    return Surfaces(_depth(outline), _depth(outline & ~removed), (outline & removed).any(axis=1))


def _depth(body: NDArray[np.bool_]) -> Surface:
    """Along the rays from the front, ``UNSEEN`` where they meet nothing."""
    return np.where(body.any(axis=1), body.argmax(axis=1) * STEP, UNSEEN)


def apart(one: Surface, other: Surface, shown: NDArray[np.bool_]) -> float:
    """Median difference of two surfaces where both are seen, and a penalty where one is."""
    both, either = (one < UNSEEN) & (other < UNSEEN) & shown, ((one < UNSEEN) | (other < UNSEEN)) & shown
    if not both.any():
        return UNSEEN
    difference = one[both] - other[both]
    lacking = 1 - both.sum() / either.sum()
    return float(np.mean(np.minimum(abs(difference - np.median(difference)), MOST)) + MOST * lacking)


def rank_one(probes: list[Surface], gallery: list[Surface], shown: list[NDArray[np.bool_]] | None = None) -> float:
    """Share of ``probes`` whose own entry of the ``gallery`` is nearest, of each as far as it is ``shown``."""
    nearest = []
    for number, probe in enumerate(probes):
        seen = shown[number] if shown else np.ones(probe.shape, bool)
        nearest.append(int(np.argmin([apart(probe, other, seen) for other in gallery])) == number)
    return float(np.mean(nearest))


def photographed(hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The frame of what was laid open: a face from brow to chin."""
    places = np.argwhere(hidden)
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
    made = np.zeros_like(hidden)
    made[top : bottom + 1, left : right + 1] = True
    return made


def main(variants: int) -> None:
    """Print the rates, for the heads at hand alone and with their bent ones."""
    found = list(scanned())
    random = np.random.default_rng(11)
    for count, sd in ((1, 0.0), (variants, BENT)):
        gallery, probes = [], []
        for head in found:
            for _ in range(count):
                bent = random.normal(0, 1, (3, 12, 12, 12)) * sd
                gallery.append(surfaces(head, bent, random).before)
                probes.append(surfaces(head, bent, random))
        after, hidden = [one.after for one in probes], [one.hidden for one in probes]
        rates = {
            "before": rank_one([one.before for one in probes], gallery),
            "before, face alone": rank_one([one.before for one in probes], gallery, [photographed(h) for h in hidden]),
            "after": rank_one(after, gallery),
            "after, mask left out": rank_one(after, gallery, [~laid_open for laid_open in hidden]),
            "after, mask left out, face alone": rank_one(after, gallery, [photographed(h) & ~h for h in hidden]),
            "by chance": 1 / len(gallery),
        }
        said = "; ".join(f"{name} {rate:.2f}" for name, rate in rates.items())
        print(f"{len(gallery)} heads, {len(found)} at hand, bent by {sd:.0f} mm: rank 1 {said}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", type=int, default=8, help="bent heads of each head at hand")
    main(parser.parse_args().variants)
