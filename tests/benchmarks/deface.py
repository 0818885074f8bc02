"""How well faces are found and removed: ``python -m tests.benchmarks.deface [--markdown] [--slices] [WORD …]``.

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
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces import stacks
from chorus_nb.faces.acceptance import IN_VIEW, Measures, measure, posed, refusals
from chorus_nb.faces.atlas import Matrix
from chorus_nb.faces.registration import Pose, register_head
from chorus_nb.faces.stacks import SliceSeries
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


def real_series() -> Iterator[tuple[str, SliceSeries]]:
    """The heads of ../shared."""
    for name, folder in REAL.items():
        if (SHARED / folder).is_dir():
            paths = sorted(path.name for path in (SHARED / folder).iterdir() if path.is_file())
            yield name, stacks.load(open_source(SHARED / folder), paths)


def real() -> Iterator[tuple[str, list[Volume]]]:
    """The same as volumes."""
    yield from ((name, stacks.stacks(series)) for name, series in real_series())


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


def lacking(count: int) -> dict[str, list[int]]:
    """Which of so many slices, from below, are there in each case."""
    every = list(range(count))
    middle = every[: count // 2] + every[count // 2 + 1 :]
    ends = {"first": every[1:], "last": every[:-1], "five first": every[5:], "five last": every[:-5]}
    return ends | {"middle": middle}


def of_demo(whole: Volume, kept: Sequence[int]) -> list[Volume]:
    """Some of its slices; one that is missing in the middle is bridged, as in a series."""
    affine, low = whole.affine.copy(), kept[0]
    affine[:3, 3] += affine[:3, 2] * low
    values = whole.values[low : kept[-1] + 1].copy()
    for gone in set(range(len(values))) - {place - low for place in kept}:
        values[gone] = (values[gone - 1] + values[gone + 1]) / 2
    return [whole._replace(values=values, affine=affine)]


def of_series(series: SliceSeries, kept: Sequence[int]) -> list[Volume]:
    """Some of the slices of a series, counted from below."""
    order = sorted(range(len(series.slices)), key=lambda number: series.slices[number].height)
    chosen = sorted(order[place] for place in kept)
    slices, pictures = ([many[number] for number in chosen] for many in (series.slices, series.pictures))
    return stacks.stacks(series._replace(slices=slices, pictures=pictures))


def main_slices(markdown: bool, wanted: Sequence[str]) -> None:
    """Verdicts, and the overlap of the masks with those of the whole where both have slices: of what is filled, as the
    pixels get it, with the air before the face, and of what of it is head."""
    every: list[tuple[str, int, Callable[[Sequence[int]], list[Volume]]]] = []
    for kind in ("CT", "T1", "T2", "PT"):
        volume = heads.pet() if kind == "PT" else heads.head(kind)
        every.append((f"demo {kind}", len(volume.values), partial(of_demo, volume)))
    every += [(name, len(series.slices), partial(of_series, series)) for name, series in real_series()]
    for name, count, made in every:
        if not is_wanted(name, wanted):
            continue
        whole = found(made(range(count)))
        for case, kept in lacking(count).items():
            result = found(made(kept))
            shares = " ".join(f"{share:.3f}" for share in overlaps(whole, result))
            line(name, f"without {case}", f"dice {shares}", said(whole), said(result), markdown=markdown)


def overlaps(whole: Result, result: Result) -> tuple[float, float]:
    """Dice of what both fill where both have slices, and of what of it each has in its head."""
    filled = [posed(one.even, one.pose).face for one in (whole, result)]
    at = np.rint((result.even.points(result.even.field) - whole.even.origin) / whole.even.step).astype(int)[:, ::-1]
    inside = ((at >= 0) & (at < whole.even.field.shape)).all(axis=1)
    there = tuple(at[inside].T)

    def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
        theirs, mine = (first & whole.even.field)[there], second[result.even.field][inside]
        return float(2 * (mine & theirs).sum() / max(mine.sum() + theirs.sum(), 1))

    return dice(*filled), dice(filled[0] & whole.even.head, filled[1] & result.even.head)


def is_wanted(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


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


def main(markdown: bool, wanted: Sequence[str]) -> None:
    """Print all tables."""
    every: list[tuple[str, float, bool]] = []
    seconds = []
    for name, volumes in every_head():
        if not is_wanted(name, wanted):
            continue
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
        if not is_wanted(name, wanted):
            continue
        result = found([volume])
        line(name, said(result), markdown=markdown)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if seconds:
        print(
            f"\nCPU seconds a volume: median {np.median(seconds):.1f}, most {max(seconds):.1f}; {peak:,.0f} MB at most"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print tables for a README")
    parser.add_argument("--slices", action="store_true", help="heads with some slices less")
    parser.add_argument("wanted", nargs="*", help="words of the names of heads; none: all")
    asked = parser.parse_args()
    (main_slices if asked.slices else main)(asked.markdown, asked.wanted)
