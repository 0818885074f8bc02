"""What two versions of the code find in the same pictures, and in how much CPU time, in one run.

    python -m tests.benchmarks.burned_in_before BEFORE [--set last] [--images 10] [--sizes 12] [KIND ...]

``BEFORE`` is a checkout of another version, such as ``git worktree add --detach BEFORE f6cc358``. Each picture is
drawn once, and both look at the same bytes, beside each other. ``--sizes N``: instead of kinds, identifiers on N
pictures of each class of size, for what a picture costs. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pickle
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from chorus_nb.pixels.boxes import Box
from tests.benchmarks.burned_in import CONTRASTS, plant
from tests.benchmarks.burned_in_kinds import STOCKS, kinds, stage
from tests.benchmarks.images import SETS, Background, backgrounds, without_text

CLASSES = {"below 1 MP": (0.0, 1.0), "1 to 5 MP": (1.0, 5.0), "above 5 MP": (5.0, 99.0)}  # megapixels
KINDS = [name for name in kinds(STOCKS["bench"]) if "loop" not in name and "MP" not in name]
_LOOK = """
import json, sys, time
from pathlib import Path
from chorus_nb.pixels.detection import look
for path in sorted(Path(sys.argv[1]).glob("*.dcm"))[int(sys.argv[2]) :: int(sys.argv[3])]:
    content = path.read_bytes()
    start = time.process_time()
    found = [(list(map(int, one.box)), one.tier) for one in look(content)]
    print(json.dumps([path.name, time.process_time() - start, found]), flush=True)
"""


def write(folder: Path, which: str, chosen: list[str], images: int) -> None:
    """The pictures with their lines, and every picture of the set without any."""
    place = itertools.count()
    for name in chosen:
        for number in range(images):
            seed = zlib.crc32(f"{which} {name}".encode()) + number
            _draw(folder / f"{next(place):04}.pickle", stage(which, name, number), seed, which, name)
    for background in without_text(which):
        content = background.file(background.pixels.astype(np.float32), {})
        _put(folder / f"{next(place):04}.pickle", background.size, content, "", [])


def write_sizes(folder: Path, which: str, each: int) -> None:
    """Identifiers on so many pictures of each class of size: of all sets, and enlarged ones above 5 megapixels."""
    stills = [(one.size / 1e6, one) for name in SETS for one in backgrounds(name)[:-1]]
    place = itertools.count()
    for low, high in CLASSES.values():
        fit = [one for size, one in stills if low <= size < high]
        for number in range(each):
            large = stage(which, "MP", number) if low >= 5 else fit[number * len(fit) // each % len(fit)]
            _draw(folder / f"{next(place):04}.pickle", large, 7000 + number, which, "identifiers")


def _draw(path: Path, background: Background, seed: int, which: str, name: str) -> None:
    content, planted = plant(background, seed, kinds(STOCKS[which])[name])
    _put(path, background.size, content, name, planted)


def _put(path: Path, pixels: int, content: bytes, name: str, planted: list[object]) -> None:
    path.with_suffix(".dcm").write_bytes(content)  # what was drawn is not for the versions: one may not know its form
    path.write_bytes(pickle.dumps({"pixels": pixels, "name": name, "planted": planted}))


def looked(folder: Path, trees: dict[str, Path], workers: int) -> Iterator[dict[str, object]]:
    """A row per version and line, and one per version and picture without lines; so many processes a version."""
    running = [
        (
            version,
            subprocess.Popen(
                [sys.executable, "-c", _LOOK, str(folder), str(worker), str(workers)],
                env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=tree,
                stdout=subprocess.PIPE,
                text=True,
            ),
        )
        for worker in range(workers)
        for version, tree in trees.items()
    ]
    written = [(version, process.communicate()[0]) for version, process in running]
    for version, lines in written:
        for name, seconds, found in map(json.loads, lines.splitlines()):
            made = pickle.loads((folder / name).with_suffix(".pickle").read_bytes())
            yield {
                "version": version,
                "contrast": "",
                "seconds": seconds,
                "mp": made["pixels"] / 1e6,
                "drawn": made["name"],
            }
            if not made["name"]:
                yield {"version": version, "contrast": "none", "told": sum(tier != "low" for _, tier in found)}
            for line in made["planted"]:
                place = Box(line.columns.start, line.rows.start, line.columns.stop, line.rows.stop)
                told = any(tier != "low" and Box(*box).common(place).area for box, tier in found)
                yield {"version": version, "contrast": line.contrast, "told": told, "drawn": made["name"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("kinds", nargs="*", default=KINDS)
    parser.add_argument("--set", default="last", choices=list(STOCKS), dest="which")
    parser.add_argument("--images", type=int, default=10, help="images a kind (10)")
    parser.add_argument("--sizes", type=int, default=0, help="pictures of each class of size, instead of kinds")
    parser.add_argument("--workers", type=int, default=1, help="processes a version (1)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.sizes:
            write_sizes(Path(folder), chosen.which, chosen.sizes)
        else:
            write(Path(folder), chosen.which, chosen.kinds, chosen.images)
        trees = {"before": chosen.before.resolve(), "now": Path(__file__).parents[2]}
        rows = pd.DataFrame(looked(Path(folder), trees, chosen.workers))
    rows["told"] = rows.told.astype(float)
    print("| | number | before | now |\n|---|---|---|---|")
    clear = rows.contrast.isin(("strong", "medium"))
    groups = {f"{contrast} lines": rows[rows.contrast == contrast] for contrast in CONTRASTS}
    groups |= {f"strong and medium: {name}": rows[clear & (rows.drawn == name)] for name in chosen.kinds}
    groups |= {"strong and medium": rows[clear], "tiered boxes a picture without text": rows[rows.contrast == "none"]}
    for name, part in groups.items():
        if not len(part):
            continue
        of = part.groupby("version").told.mean()
        print(f"| {name} | {len(part) // 2} | {of.get('before', np.nan):.3f} | {of.get('now', np.nan):.3f} |")
    pictures = rows[rows.contrast == ""]
    for name, (low, high) in CLASSES.items():
        part = pictures[(pictures.mp >= low) & (pictures.mp < high)]
        of = part.groupby("version").seconds.median()
        seconds = f"{of.get('before', np.nan):.2f} | {of.get('now', np.nan):.2f}"
        print(f"| CPU s at the median, {name} | {len(part) // 2} | {seconds} |")


if __name__ == "__main__":
    main()
