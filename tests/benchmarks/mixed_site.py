"""How many files of a mixed site have to be looked at for burned-in text, and how long that takes.

    python tests/benchmarks/mixed_site.py [--workers N]

The site is made of real pictures without text (see ``images.py``): of each CT, MR and PT picture a series of 60 to 150
slices (moved and dimmed from slice to slice), beside single radiographs, mammograms and captures and some ultrasound
series. Of the latter two kinds half carry a name. By files it is what an archive holds: mostly slices.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from pydicom.uid import generate_uid

from chorus_nb import tables
from chorus_nb.explore import scan
from chorus_nb.parameters import Parameters
from chorus_nb.pixels import judge
from chorus_nb.pixels.layouts import decisions_that_free
from chorus_nb.workspace import Workspace
from tests.benchmarks.images import Background, backgrounds

SLICED = ("CT", "MR", "PT", "NM")
CLASSES = {"CT": "2", "MR": "4", "PT": "128", "NM": "20", "US": "6.1", "US loop": "3.1", "CR": "1", "OT": "7"}
CLASSES |= {"DX": "1.1", "MG": "1.2", "XA": "12.1"}
SLICES = (60, 151)
PERSON = "ZIMMERWALD OKTAVIA 04/11/1957"


def images(random: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Every file of the site: its name and content."""
    for number, background in enumerate(backgrounds()[:-1]):  # the last is a loop of one that is there already
        modality = background.modality
        sliced = modality in SLICED and background.pixels.ndim == 3
        count = int(random.integers(*SLICES)) if sliced else 12 if modality == "US" else 1
        header = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid(), "PatientID": "17"}
        header |= {"PatientName": "Zimmerwald^Oktavia", "Manufacturer": "Invented", "ManufacturerModelName": "One"}
        header |= {"SOPClassUID": f"1.2.840.10008.5.1.4.1.1.{CLASSES.get(modality, '7')}"}
        named = not sliced and number % 2 == 0
        for slice_number in range(1, count + 1):
            own = {"SOPInstanceUID": generate_uid(), "InstanceNumber": str(slice_number)}
            yield (
                f"{number:02} {modality}/{slice_number:03}",
                background.file(_slice(background, slice_number, named, random), header | own),
            )


def _slice(background: Background, number: int, named: bool, random: np.random.Generator) -> np.ndarray:
    """The picture a little further on: moved, dimmed and with new noise, as the next slice would be."""
    pixels = np.roll(background.pixels[:1].astype(np.float32), (number % 11, number % 7), (1, 2))
    step, low, high = background.window
    pixels = pixels + random.normal(0, step, pixels.shape).astype(np.float32) - step * (number % 7)
    if named:
        ink = np.zeros(pixels.shape[1:3], np.uint8)
        cv2.putText(ink, PERSON, (8, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1, cv2.LINE_AA)
        pixels[0, ink > 127] = high
    return pixels if background.pixels.ndim == 4 else pixels.clip(low - 50 * step, None)


def report(
    catalog: pd.DataFrame, checks: pd.DataFrame, verdicts: pd.DataFrame, layouts: pd.DataFrame, wall: float
) -> Iterator[str]:
    """The figures as Markdown."""
    files = catalog.assign(kind=catalog.source_path.str.split("/").str[0].str[3:])
    looked = files.source_path.isin(checks.source_path)
    series = files.assign(looked=looked).groupby("kind")
    held = files.source_path.isin(verdicts.source_path[verdicts.verdict == "hold"])
    yield f"{len(files)} files in {files.SeriesInstanceUID.nunique()} series.\n"
    yield "| kind | series | files | looked at | held back |\n|---|---|---|---|---|"
    for kind, rows in series:
        counts = rows.SeriesInstanceUID.nunique(), len(rows), int(rows.looked.sum()), int(held[rows.index].sum())
        yield f"| {kind} | {' | '.join(map(str, counts))} |"
    yield f"\nShare of files looked at: {looked.mean():.3f}; held for a person: {held.mean():.3f} ({held.sum()})"
    together = layouts[layouts.decision != ""]
    freed, decisions = int(together.held.sum()), len(together)
    yield f"{decisions} decisions on devices free {freed} of them, the other {held.sum() - freed} take one each"
    seconds = checks.seconds.sum()
    yield f"Seconds a picture: {seconds / len(checks):.1f}; {len(files) / wall * 3600:,.0f} files an hour"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=0, help="0 = all cores")
    workers = parser.parse_args().workers
    with tempfile.TemporaryDirectory() as folder:
        for name, content in images(np.random.default_rng(1)):
            path = Path(folder, "source", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        places = {"source": f"{folder}/source", "workspace": f"{folder}/workspace"}
        workspace = Workspace(Parameters.of({**places, "workers": workers})).create()
        scan(workspace)
        catalog = workspace.read(tables.CATALOG)
        start = time.monotonic()
        verdicts = judge(workspace, catalog)
        wall = time.monotonic() - start
        print(
            "\n".join(
                report(catalog, workspace.read(tables.TEXT_CHECKS), verdicts, decisions_that_free(workspace), wall)
            )
        )


if __name__ == "__main__":
    main()
