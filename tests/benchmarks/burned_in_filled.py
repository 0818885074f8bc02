"""What ``redact`` fills of pictures with lines, run as a site runs it: looked at, filled, looked at again.

    python -m tests.benchmarks.burned_in_filled [--set next] [--images 3] [--workers N] [KIND ...]

For each picture: whether it is filled or held, how much of it is filled, and how much of that is neither a line that
was drawn nor its margins, but something that the picture shows; and what the program itself, which does not know the
lines, says of that (``measured``). The same of all pictures of the set without lines.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydicom.uid import generate_uid

from chorus_nb import tables
from chorus_nb.explore import scan
from chorus_nb.parameters import Parameters
from chorus_nb.pixels import judge, parse_boxes
from chorus_nb.workspace import Workspace
from tests.benchmarks.burned_in import Planted, plant
from tests.benchmarks.burned_in_kinds import STOCKS, kinds, stage
from tests.benchmarks.images import Background, without_text
from tests.benchmarks.mixed_site import CLASSES

KINDS = [name for name in kinds(STOCKS["bench"]) if "loop" not in name and "MP" not in name]
SHOWN = 8  # grey levels of 256 from which on something is no air
ALONG, ACROSS = 2.0, 0.5  # heights of a letter that belong to the margin of a line
LIMIT = 0.02  # share of a picture: no more of what it shows is filled beside the lines


def drawn(which: str, names: list[str], images: int) -> Iterator[tuple[str, Background, bytes, list[Planted]]]:
    """The pictures with lines, by kind, and every one of the set without."""
    for number, name in enumerate(itertools.chain.from_iterable([name] * images for name in names)):
        background = stage(which, name, number)
        seed = zlib.crc32(f"{which} {name}".encode()) + number
        yield name, background, *plant(background, seed, kinds(STOCKS[which])[name], of_site(background))
    for background in without_text(which):
        yield "", background, background.file(background.pixels.astype(np.float32), of_site(background)), []


def of_site(background: Background) -> dict[str, str]:
    """What a file of a site says besides: a picture of its own series and device."""
    own = {name: generate_uid() for name in ("SeriesInstanceUID", "StudyInstanceUID", "SOPInstanceUID")}
    own["SOPClassUID"] = f"1.2.840.10008.5.1.4.1.1.{CLASSES.get(background.modality, '7')}"
    return {**own, "Manufacturer": "Invented", "ManufacturerModelName": own["SeriesInstanceUID"][-12:]}


def beside(background: Background, filled: NDArray[np.bool_], planted: list[Planted]) -> float:
    """The share of a picture that is filled, shows something, and is no line nor its margin."""
    step, low, _ = background.window
    frame = background.pixels[0].astype(np.float32)
    left = filled & ((frame.max(axis=-1) if frame.ndim == 3 else frame) > low + SHOWN * step)
    for line in planted:
        rows, columns = line.rows, line.columns
        sides = rows.stop - rows.start, columns.stop - columns.start
        letter = min(sides)
        down, across = (round((ALONG if side == max(sides) else ACROSS) * letter) + 3 for side in sides)
        left[max(0, rows.start - down) : rows.stop + down, max(0, columns.start - across) : columns.stop + across] = 0
    return float(left.mean())


def rows_of(folder: Path, which: str, names: list[str], images: int, workers: int) -> pd.DataFrame:
    """A row per picture."""
    made = dict[str, tuple[str, Background, list[Planted]]]()
    source = folder / "source"
    source.mkdir()
    for place, (name, background, content, planted) in enumerate(drawn(which, names, images)):
        (source / f"{place:04}.dcm").write_bytes(content)
        made[f"{place:04}.dcm"] = name, background, planted
    chosen = {"source": str(source), "workspace": str(folder / "workspace"), "workers": workers}
    workspace = Workspace(Parameters.of({**chosen, "burned_in_text": "redact"})).create()
    scan(workspace)
    rows = []
    for verdict in judge(workspace, workspace.read(tables.CATALOG)).itertuples():
        name, background, planted = made[str(verdict.source_path)]
        filled = np.zeros(background.pixels.shape[1:3], bool)
        for box in parse_boxes(str(verdict.boxes)):
            filled[max(0, box.y0) : box.y1, max(0, box.x0) : box.x1] = True
        row = {"path": verdict.source_path, "drawn": name, "verdict": verdict.verdict, "small": background.size < 2**18}
        row |= {"reason": verdict.reason, "measured": float(str(verdict.beside) or 0)}
        rows.append({**row, "filled": filled.mean(), "beside": beside(background, filled, planted)})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=KINDS, help="some of them")
    parser.add_argument("--set", default="next", choices=list(STOCKS), dest="which")
    parser.add_argument("--images", type=int, default=3, help="images a kind (3)")
    parser.add_argument("--workers", type=int, default=0, help="0 = all cores")
    parser.add_argument("--rows", help="a CSV file that every picture is written to")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(Path(folder), chosen.which, chosen.kinds, chosen.images, chosen.workers)
    if chosen.rows:
        rows.to_csv(chosen.rows, index=False)
    print("| pictures | number | filled and released | held | of these for what is beside | ", end="")
    print("filled at the median | beside lines at most | over 2 % | as measured at most |")
    print("|---|---|---|---|---|---|---|---|---|")
    groups = {name: rows[rows.drawn == name] for name in chosen.kinds}
    groups |= {"with lines, below 512 x 512": rows[(rows.drawn != "") & rows.small]}
    groups |= {"with lines": rows[rows.drawn != ""], "without lines": rows[rows.drawn == ""]}
    for name, part in groups.items():
        done = part[part.verdict == "redact"]
        counts = f"{len(part)} | {len(done)} | {(part.verdict == 'hold').sum()}"
        counts += f" | {(part.reason == 'filled_beside_text').sum()}"
        most = f"{done.filled.median():.3f} | {done.beside.max():.3f} | {(done.beside > LIMIT).sum()}"
        print(f"| {name} | {counts} | {most} | {done.measured.max():.3f} |")


if __name__ == "__main__":
    main()
