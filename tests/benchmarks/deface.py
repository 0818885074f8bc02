"""How well faces are found and removed: ``python -m tests.benchmarks.deface [--markdown] [--slices]``.

Heads: the demo's (CT, T1, T2, PT) and, where ../shared is, a GE and a UIH T1 MR, a 5 mm T1 MR and a tilted GE CT cut
off at the orbits; each as it is and under stress. Recall: share of the face that is removed, moved along with the head
and as far as it is in view; of the demo the skin known to be its face, of a real head what its own mask covers while
unharmed. A case is *bad* when it is accepted with a recall below 0.9. Negatives must never be accepted with a face in
view. CPU seconds are those of one volume on this machine. ``--slices``: instead of all that, each head without its
first or last slice, five of either end or one in the middle, beside the whole.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces import stacks
from chorus_nb.faces.acceptance import IN_VIEW, Measures, measure, posed, refusals
from chorus_nb.faces.atlas import Matrix
from chorus_nb.faces.registration import Pose, register_head
from chorus_nb.faces.volume import Grid, Volume, grid
from chorus_nb.source import open_source
from tests import heads

SHARED = Path(__file__).parents[3] / "shared" / "dicom"
REAL = {
    "GE T1 MR, 2.5 mm coronal": "commontk__CTKData/Data/DICOM/MRHEAD",
    "T1 MR after contrast, 6.5 mm": "plotly__dash-vtk/demos/data/mri_brain",
    "UIH T1 MR, 1 mm sagittal": "neurolabusc__dcm_qa_uih/In/DTI_132225/t1_gre_fsp_3d_sag__132750",
    "GE CT 4 and 7 mm, tilted, cut at the orbits": "neurolabusc__dcm_qa_ct/In/GE",
}


class Result(NamedTuple):
    """What became of a volume."""

    even: Grid
    pose: Pose
    measures: Measures
    reasons: list[str]
    seconds: float


def found(volumes: list[Volume]) -> Result:
    """Find the face in one volume."""
    begun = time.process_time()
    even = grid(volumes)
    pose = register_head(even, volumes[0].modality)
    measures = measure(even, pose, posed(even, pose))
    reasons = refusals(measures, volumes[0].modality)
    return Result(even, pose, measures, reasons, time.process_time() - begun)


def real() -> Iterator[tuple[str, list[Volume]]]:
    """The heads of ../shared."""
    for name, folder in REAL.items():
        if (SHARED / folder).is_dir():
            paths = sorted(path.name for path in (SHARED / folder).iterdir() if path.is_file())
            yield name, stacks.stacks(stacks.load(open_source(SHARED / folder), paths))


class Truth(NamedTuple):
    """Points (n, 3) in patient millimetres of the unharmed head."""

    face: NDArray[np.float64]
    brain: NDArray[np.float64]
    millilitres: float
    """of a point of the brain"""


def truth(name: str, volume: Volume, result: Result) -> Truth:
    """Where face and brain are."""
    if not name.startswith("demo"):
        regions = posed(result.even, result.pose)
        seen = result.even.head & result.even.field
        brain = result.even.points(regions.brains[0] & seen)
        return Truth(result.even.points(regions.face & seen), brain, (result.even.step / 10) ** 3)
    index = [np.argwhere(part)[:, ::-1] for part in (heads.face(), np.isin(heads.tissues(), ("grey", "white")))]
    face, brain = (part @ volume.affine[:3, :3].T + volume.affine[:3, 3] for part in index)
    return Truth(face, brain, float(np.prod(volume.spacing)) / 1000)


def recall(result: Result, known: Truth, moved: Matrix) -> tuple[float, float]:
    """Share of the face in view that is removed, and millilitres of the brain."""
    removed = posed(result.even, result.pose).face

    def of(points: NDArray[np.float64]) -> NDArray[np.bool_]:
        there = points @ moved[:3, :3].T + moved[:3, 3]
        index = np.rint((there - result.even.origin) / result.even.step).astype(int)[:, ::-1]
        index = index[((index >= 0) & (index < removed.shape)).all(axis=1)]
        return removed[tuple(index[result.even.field[tuple(index.T)]].T)]

    face, brain = of(known.face), of(known.brain)
    millilitres = brain.sum() * known.millilitres * abs(np.linalg.det(moved[:3, :3]))
    return float(face.mean()) if len(face) else 1.0, float(millilitres)


def fewer_slices(whole: Volume) -> Iterator[tuple[str, Volume]]:
    """The volume without some of its slices; one that is missing in the middle is bridged, as in a series."""
    values, affine = whole.values, whole.affine
    for name, kept in {
        "first": slice(1, None),
        "last": slice(0, -1),
        "five first": slice(5, None),
        "five last": slice(0, -5),
    }.items():
        moved = affine.copy()
        moved[:3, 3] += affine[:3, 2] * kept.start
        yield name, whole._replace(values=values[kept], affine=moved)
    middle, bridged = len(values) // 2, values.copy()
    bridged[middle] = (values[middle - 1] + values[middle + 1]) / 2
    yield "middle", whole._replace(values=bridged)


def main_slices(markdown: bool) -> None:
    """Verdicts, and the overlap of the masks with those of the whole where both have slices."""
    for name, [volume, *others] in every_head():
        if others:
            continue
        whole = found([volume])
        mask = posed(whole.even, whole.pose).face & whole.even.head
        for case, part in fewer_slices(volume):
            result = found([part])
            own = posed(result.even, result.pose).face & result.even.head
            both = result.even.points(np.ones_like(own))
            at = np.rint((both - whole.even.origin) / whole.even.step).astype(int)[:, ::-1]
            inside = ((at >= 0) & (at < mask.shape)).all(axis=1)
            theirs, seen = mask[tuple(at[inside].T)], result.even.field.ravel()[inside]
            mine = own.ravel()[inside] & seen
            dice = 2 * (mine & theirs & seen).sum() / max((mine.sum() + (theirs & seen).sum()), 1)
            line(name, f"without {case}", f"dice {dice:.3f}", said(whole), said(result), markdown=markdown)


def line(*cells: object, markdown: bool) -> None:
    """A row of the table."""
    print(("| " + " | ".join(map(str, cells)) + " |") if markdown else "  ".join(map(str, cells)), flush=True)


def said(result: Result) -> str:
    """Accepted, or the measures that refused."""
    if result.reasons:
        return "held: " + ", ".join(reason.rpartition("(")[2].rstrip(")") for reason in result.reasons)
    return "accepted" if result.measures.face >= IN_VIEW else "no face in view"


def every_head() -> Iterator[tuple[str, list[Volume]]]:
    """The demo's heads, and the real ones."""
    yield from ((f"demo {kind}", [heads.head(kind)]) for kind in ("CT", "T1", "T2"))
    yield "demo PT", [heads.pet()]
    yield from real()


def main(markdown: bool) -> None:
    """Print all tables."""
    every: list[tuple[str, float, bool]] = []
    seconds = []
    for name, volumes in every_head():
        result = found(volumes)
        m = result.measures
        numbers = (
            f"dice {m.dice:.3f}, nmi {m.nmi:.3f}, agreement {m.agreement:.2f}, nose {m.nose:.2f}, front {m.front:.2f}"
        )
        line(name, said(result), numbers, f"brain {m.brain:.4f}", f"{result.seconds:.0f} s", markdown=markdown)
        if len(volumes) > 1:
            seconds.append(result.seconds)
            continue
        known = truth(name, volumes[0], result)
        stressed = ((case.name, found([case.volume]), case.moved) for case in heads.stress(volumes[0]))
        for case, under, moved in itertools.chain([("as it is", result, np.eye(4))], stressed):
            seconds.append(under.seconds)
            share, brain = recall(under, known, moved)
            every.append((case, share, not under.reasons))
            bad = "BAD" if share < 0.9 and not under.reasons else ""
            line(name, case, f"{share:.3f}", f"brain {brain:.1f} ml", said(under), bad, markdown=markdown)
    print()
    for name in dict.fromkeys(name for name, _, _ in every):
        shares = [share for case, share, _ in every if case == name]
        taken = [share for case, share, accepted in every if case == name and accepted]
        least = f"{min(taken):.3f}" if taken else "-"
        line(
            name, len(shares), f"{np.median(shares):.3f}", f"{len(taken)} accepted", f"least {least}", markdown=markdown
        )
    print()
    for name, volume in heads.negatives().items():
        result = found([volume])
        line(name, said(result), markdown=markdown)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\nCPU seconds a volume: median {np.median(seconds):.1f}, most {max(seconds):.1f}; peak memory {peak:,.0f} MB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print tables for a README")
    parser.add_argument("--slices", action="store_true", help="heads with some slices less")
    asked = parser.parse_args()
    (main_slices if asked.slices else main)(asked.markdown)
