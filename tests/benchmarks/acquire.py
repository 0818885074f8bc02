"""Measures pulling: ``python -m tests.benchmarks.acquire [studies] [images] [kills]`` from a real Orthanc on loopback.

The same studies by turns with DCMTK's movescu, over C-MOVE (one study and two at once), C-GET and DICOMweb: seconds,
MB/s, and the share of movescu's. With ``TCP_NODELAY=1`` in the environment DCMTK, in movescu and in Orthanc, waits for
no packet to fill: a movescu as fast as can be. Then a pull that is killed at random moments until it is done: how
many images, and of how many studies, came twice.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from chorus_nb import acquire, tables
from chorus_nb.acquire import incoming
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.acquire.faulty import image
from tests.acquire.real import AET, Pacs, orthanc, store

SIDE = 512
ROUNDS = 3
LOG = "CHORUS_NB_CAME"  # environment variable: the file that gets a line for each image that was kept


def studies(folder: Path, count: int, images: int) -> list[Path]:
    """Files of CT studies of two series, half a megabyte each, of one patient, an accession a study."""
    paths, draw = list[Path](), np.random.default_rng(1)
    for study in range(count):
        for number in range(images):
            made = image(f"1.2.3.{study}", 1 + number % 2, number, accession=f"A{study}")
            made.Rows = made.Columns = SIDE
            made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
            made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
            made.add_new("PixelData", "OW", draw.integers(0, 4096, (SIDE, SIDE), np.uint16).tobytes())
            made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
            made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
            paths.append(folder / f"{study}-{number}.dcm")
            made.save_as(paths[-1], enforce_file_format=True)
    return paths


def expecting(folder: Path, pacs: Pacs, place: str, count: int, **more: object) -> Workspace:
    """A workspace that expects these studies, and has asked for them."""
    values = {
        "site": "x",
        "source": "pacs:",
        "workspace": str(folder),
        "pacs": [place],
        "pacs_port": pacs.our_port,
        **more,
    }
    workspace = Workspace(Parameters.of(values)).create()
    row = dict.fromkeys(("person_id", "visit_occurrence_id", "procedure_occurrence_id", "image_occurrence_id"))
    row |= {"PatientID": "P1", "series": None, "instances": None}
    rows = [row | {"number": number, "AccessionNumber": f"A{number}"} for number in range(count)]
    workspace.write(tables.EXPECTED_STUDIES, tables.frame(tables.EXPECTED_STUDIES, rows))
    acquire.ask_archives(workspace, lambda *_: None)
    return workspace


def by_movescu(folder: Path, pacs: Pacs, count: int) -> float:
    """Seconds that movescu takes for the studies, one call each as its manual has it."""
    began = time.perf_counter()
    for study in range(count):
        subprocess.run(
            ["movescu", "-S", "-pdu", "131072", "-aet", "CHORUS", "-aec", AET, "-aem", "CHORUS",
             "+P", str(pacs.our_port), "-od", folder,
             "-k", "0008,0052=STUDY", "-k", f"0020,000D=1.2.3.{study}", "127.0.0.1", str(pacs.port)],
            check=True, capture_output=True,
        )  # fmt: skip
    return time.perf_counter() - began


def by_us(workspace: Workspace) -> float:
    began = time.perf_counter()
    pulled = acquire.pull(workspace, lambda *_: None)
    assert set(pulled["state"]) == {"complete"}, pulled
    return time.perf_counter() - began


def compared(folder: Path, pacs: Pacs, count: int, images: int) -> None:
    """Each way by turns, the best of :data:`ROUNDS`."""
    ways = {
        "C-MOVE, one study at once": (pacs.dimse, 1),
        "C-MOVE, two at once": (pacs.dimse, 2),
        "C-GET, two at once": (pacs.dimse.replace("dimse", "dimse+get"), 2),
        "DICOMweb, two at once": (pacs.web, 2),
    }
    taken: dict[str, list[float]] = {}
    for turn in range(ROUNDS):
        (folder / "moved").mkdir()
        taken.setdefault("movescu", []).append(by_movescu(folder / "moved", pacs, count))
        assert len(list((folder / "moved").iterdir())) == count * images
        shutil.rmtree(folder / "moved")
        for name, (place, at_once) in ways.items():
            workspace = expecting(folder / f"{turn}", pacs, place, count, pacs_associations=at_once)
            taken.setdefault(name, []).append(by_us(workspace))
            assert len(list((workspace.local / "incoming").rglob("*.dcm"))) == count * images
            shutil.rmtree(folder / f"{turn}")
    size, best = count * images * SIDE * SIDE * 2 / 1e6, {name: min(seconds) for name, seconds in taken.items()}
    for name, seconds in best.items():
        print(f"{name:28s} {seconds:6.2f} s  {size / seconds:6.1f} MB/s  {best['movescu'] / seconds:5.2f} of movescu")


def killed(folder: Path, pacs: Pacs, place: str, count: int, images: int, kills: int) -> None:
    """A pull that is killed at random moments of its work, ``kills`` times, and then let go on to its end."""
    workspace = expecting(folder, pacs, place, count)
    came, draw, hit = folder / "came", random.Random(20), 0
    came.touch()
    command = [sys.executable, "-m", "tests.benchmarks.acquire", "--pull", str(folder), place, str(pacs.our_port)]
    last = kills
    while True:
        before = len(came.read_text().splitlines())
        child = subprocess.Popen(command, env={**os.environ, LOG: str(came)})
        if not last:
            assert child.wait() == 0
            break
        more = draw.randrange(1, max(2, count * images // (kills + 1)))
        while child.poll() is None and len(came.read_text().splitlines()) < before + more:
            time.sleep(0.005)
        time.sleep(draw.random() * 0.05)
        hit += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        last -= 1
    lines = Counter(came.read_text().splitlines())
    again = {line.split()[0] for line, times in lines.items() if times > 1}
    twice = sum(times - 1 for times in lines.values())
    here = len(list((workspace.local / "incoming").rglob("*.dcm")))
    whole = [study for study in again if all(times > 1 for line, times in lines.items() if line.split()[0] == study)]
    print(f"{place.split(':')[0]:10s} {hit} kills amid the pull: {here} of {count * images} images here")
    print(f"{'':10s} {twice} came twice, of {len(again)} studies; fetched again as a whole: {len(whole)}")


def pull_and_tell(folder: str, place: str, port: str) -> None:
    """What the killed process does: pull, and a line for each image kept."""
    kept = incoming.Arrival._store

    def told(self: incoming.Arrival, name: str, content: bytes) -> None:
        kept(self, name, content)
        with open(os.environ[LOG], "a") as file:
            file.write(f"{self.study} {name}\n")

    incoming.Arrival._store = told  # type: ignore[method-assign]
    values = {"site": "x", "source": "pacs:", "workspace": folder, "pacs": [place], "pacs_port": int(port)}
    pulled: pd.DataFrame = acquire.pull(Workspace(Parameters.of(values)).create(), lambda *_: None)
    sys.exit(set(pulled["state"]) != {"complete"})


def main(count: int = 12, images: int = 40, kills: int = 10) -> None:
    with tempfile.TemporaryDirectory() as name, orthanc(Path(name)) as pacs:
        folder = Path(name) / "made"
        folder.mkdir()
        assert len(store(pacs, studies(folder, count, images))) == count * images
        compared(Path(name), pacs, count, images)
        for number, place in enumerate((pacs.dimse, pacs.dimse.replace("dimse", "dimse+get"), pacs.web)):
            killed(Path(name) / f"killed{number}", pacs, place, count, images, kills)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pull"]:
        pull_and_tell(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
