"""Heads and other parts, and what lies around them, is cut off or is said: ``python -m tests.benchmarks.face_cases``.

A row a volume: under how many wordings of the header it is asked (``tests/faces/test_face_heads.py``), whether 03's
pixels say that it may be a head, what 04 sees in it, and what 04 sees when its face was filled. Heads: the demo's and,
where ../shared is, three real ones; each with a couch, raised arms, neck and shoulders, and in slices of 1 to 6 mm.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from chorus_nb.faces.acceptance import posed
from chorus_nb.faces.heads import head_in
from chorus_nb.faces.needs import need
from chorus_nb.faces.volume import Volume
from chorus_nb.verify import bodies, fronts
from chorus_nb.verify.face_looks import FaceLook
from tests import heads
from tests.benchmarks.deface import found, real
from tests.faces.test_face_heads import OTHERS, WORDS
from tests.verify.test_faces import as_body

APART = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)  # mm


def sliced(volume: Volume, apart: float) -> Volume:
    """Axial slices, or those of the volume's own direction, as far apart as asked, linear between the own ones."""
    own = volume.spacing[2]
    heights = np.arange(len(volume.values)) * own
    wanted = np.arange(0, heights[-1], apart)
    values = bodies._between(volume.values, heights, wanted)
    affine = volume.affine.copy()
    affine[:3, 2] *= apart / own
    return volume._replace(values=values.astype("f4"), affine=affine)


def around(name: str, volume: Volume) -> Iterator[tuple[str, Volume]]:
    """A head as it is, on a body, and in slices of other distances."""
    yield name, volume
    if volume.modality != "PT":
        on_body = heads.on_a_body(volume, arms=True, couch=True)
        yield f"{name}, whole body, couch, arms", on_body
        yield f"{name}, neck and shoulders", heads.above(on_body, -260)
    for apart in APART:
        yield f"{name}, slices of {apart:.0f} mm", sliced(volume, apart)


def defaced(volume: Volume) -> Volume:
    """As ``deface: apply`` leaves it."""
    result = found([volume])
    face = posed(result.even, result.pose).face
    index = np.stack(np.meshgrid(*map(np.arange, volume.values.shape), indexing="ij"), axis=-1)[..., ::-1]
    places = index.reshape(-1, 3) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    voxel = np.rint((places - result.even.origin) / result.even.step).astype(int)[:, ::-1]
    there = ((voxel >= 0) & (voxel < face.shape)).all(axis=1)
    mask = np.zeros(len(voxel), bool)
    mask[there] = face[tuple(voxel[there].T)]
    air = -1000 if volume.modality == "CT" else np.percentile(volume.values, 1)
    return volume._replace(values=np.where(mask.reshape(volume.values.shape), air, volume.values).astype("f4"))


def seen(volume: Volume, before: fronts.Laid | None = None) -> tuple[str, fronts.Laid | None, float]:
    """What 04 sees by the skin, how the average head lies there, and the CPU seconds it took."""
    begun = time.process_time()
    body = as_body(volume)
    laid = None if before and before.front.has_face else fronts.laid_on(body)
    front = fronts.left_of(before, body) if before and laid is None else laid.front if laid else fronts.NO_FRONT
    return FaceLook(None, front).answer, laid, time.process_time() - begun


def main() -> None:
    """Print the table."""
    volumes = {"demo CT": heads.head("CT"), "demo T1": heads.head("T1"), "demo PT": heads.pet()}
    volumes |= {name: of[0] for name, of in real() if len(of) == 1}
    print("| volume | asked under wordings | 03 | 04 | 04, face filled | CPU s of 04 |\n|---|---|---|---|---|---|")
    for name, head in volumes.items():
        cut = dict(around(name, defaced(head)))
        for case, volume in around(name, head):
            row(case, volume, cut[case])
    for name, made in OTHERS.items():
        row(name, made())


def row(case: str, volume: Volume, cut: Volume | None = None) -> None:
    asked = sum(need(volume.modality, "ORIGINAL", *words)[0] != "none" for words in WORDS.values())
    may_be = "may be a head" if head_in([volume]).may_be else "no head"
    answer, laid, seconds = seen(volume)
    after = seen(cut, laid)[0] if cut else "-"
    print(f"| {case} | {asked} of {len(WORDS)} | {may_be} | {answer} | {after} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
