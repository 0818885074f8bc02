"""A brain study of one person, all of its series in one frame of reference: ``python -m tests.benchmarks.face_study``.

A row a series: what 03 says of it, whose face it got, how much of the skin of the demo's face went, and how much of
the template's brain. Made of the demo's T1 and, where ../shared is, three real ones: T2, FLAIR, diffusion and its map,
SWI and its minimum projections, BOLD drawn out by 8 mm with a ghost, a localizer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chorus_nb.faces.atlas import Region, regions_on
from chorus_nb.faces.masks import read_mask
from chorus_nb.faces.registration import register_head
from chorus_nb.faces.study import Asked, remove_faces
from chorus_nb.faces.volume import Volume, grid
from chorus_nb.source import open_source
from tests import heads
from tests.benchmarks.deface import real


def series_of(t1: Volume) -> Iterator[tuple[str, NDArray[np.float32], range]]:
    """The series of a study: what each shows at the places of the T1, and which slices of it it has."""
    values, random = t1.values.astype("f4"), np.random.default_rng(3)
    bright = float(np.percentile(values, 99.5))
    pose = register_head(grid([t1]), "MR")
    brain = (regions_on(pose.matrix, t1.affine, values.shape) & Region.BRAIN) > 0
    body = values > 2 * np.percentile(values, 40)
    grain = np.abs(random.normal(0, 0.02 * bright, values.shape))
    noise = random.uniform(0, bright, values.shape)
    t2 = np.where(body, np.maximum(1.1 * bright - values, 0), values)
    susceptible = np.where(brain, 0.6 * t2, 0.35 * t2) + grain
    least = np.minimum(np.minimum(np.roll(susceptible, 1, 0), susceptible), np.roll(susceptible, -1, 0))
    faint = np.where(brain, t2, 0.1 * t2) + grain
    made = {
        "T1": (values, 1),
        "T2": (t2 + grain, 2),
        "FLAIR": (np.sqrt(values * bright) * np.where(brain, 0.8, 0.5) + grain, 2),
        "DWI": (np.where(brain, t2, grain * 2), 3),
        "ADC": (np.where(brain, 0.3 * bright + grain, noise), 3),
        "SWI": (susceptible, 1),
        "SWI, minimum projections": (least, 2),
        "BOLD": (_echo_planar(faint, t1), 3),
    }
    for name, (shown, apart) in made.items():
        yield name, shown, range(0, len(values), apart)
    middle = len(values) // 2
    yield "localizer", values, range(middle - 8, middle + 9, 8)


def _echo_planar(values: NDArray[np.float32], t1: Volume) -> NDArray[np.float32]:
    """Drawn out by up to 8 mm along the rows of a slice, with a ghost half a field away."""
    rows = np.arange(values.shape[1])
    third = len(rows) / 4
    drawn = rows + 8 / t1.spacing[1] * np.exp(-(((rows - third) / (30 / t1.spacing[1])) ** 2))
    stretched = values[:, np.rint(np.clip(drawn, 0, len(rows) - 1)).astype(int)]
    return stretched + 0.06 * np.roll(stretched, len(rows) // 2, axis=1)


def main() -> None:
    """Print the table."""
    volumes = {"demo T1": heads.head("T1")} | {name: of[0] for name, of in real() if of[0].modality == "MR"}
    print("| head | series | 03 | face of | of the demo's face removed | brain, ml |\n|---|---|---|---|---|---|")
    passed = count = 0
    for head, t1 in volumes.items():
        with tempfile.TemporaryDirectory() as folder:
            source, asked, places = Path(folder) / "source", list[Asked](), dict[str, range]()
            for name, shown, chosen in series_of(t1):
                affine = t1.affine.copy()
                affine[:3, 3] += affine[:3, 2] * chosen.start
                affine[:3, 2] *= chosen.step
                bright = 3000 / max(float(np.percentile(shown, 99.5)), 1e-6)
                volume = t1._replace(values=(shown[list(chosen)] * bright).astype("f4"), affine=affine)
                files = heads.write(volume, source / name, SeriesDescription=name)
                asked.append(Asked(name, "face", tuple(f"{name}/{file}" for file in files)))
                places[name] = chosen
            for found in remove_faces(open_source(source), Path(folder) / "faces", asked, ears=False):
                passed, count = passed + (found.status == "defaced"), count + 1
                share = "-"
                if head.startswith("demo") and found.mask:
                    paths = next(one.paths for one in asked if one.series == found.series)
                    removed = np.stack([read_mask(Path(folder) / "faces", found.mask, path).mask[0] for path in paths])
                    share = f"{removed[heads.face()[list(places[found.series])]].mean():.3f}"
                said = f"{found.status} {found.reason}".strip()
                row = (head, found.series, said, found.shared_from or "its own", share, f"{found.brain_ml:.1f}")
                print("| " + " | ".join(row) + " |", flush=True)
    print(f"\n{passed} of {count} defaced")


if __name__ == "__main__":
    main()
