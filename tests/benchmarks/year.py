"""A year of a made-up site on the OMOP demo: twelve deliveries, each killed once and compared with one from scratch.

``python -m tests.benchmarks.year FOLDER`` prints a row a month: is the gate open, is the release that of a new
workspace with all that was ever delivered, is it what a receiver has who applied every delta, how many files were
rewritten.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from chorus_nb import deid, explore, tables
from chorus_nb.mapping import make_plan
from chorus_nb.parameters import Parameters
from chorus_nb.release import pack
from chorus_nb.release.signature import sign_off
from chorus_nb.verify import checks, require_pass, verify
from chorus_nb.workbench.withdrawal import withdraw_for_good
from chorus_nb.workspace import Workspace
from tests.deid.conftest import encoded, image
from tests.deid.small_run import tree
from tests.small_release import ready

DEMO = Path(__file__).parents[3] / "shared" / "data" / "omop_demo"
OMOP = ("person", "visit_occurrence", "procedure_occurrence")
KEPT = ("site.key", "registry_ids.parquet", "procedure_ids.parquet", "deliveries", "decisions")
"""What a workspace made from scratch is given: it stands for no input but cannot be made anew."""


class Year:
    """The site: patients of the demo, what was delivered so far, and the lookup tables."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source, self.all = folder, folder / "source", folder / "all"
        for name in ("source", "all", "omop", "lookup"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name in OMOP:
            shutil.copy(DEMO / f"{name}.csv", folder / "omop")
        visits = pd.read_csv(DEMO / "visit_occurrence.csv", dtype=str)
        long = visits[visits.visit_end_datetime > visits.visit_start_datetime].sort_values("visit_occurrence_id")
        self.visits = long.groupby("person_id").head(2).iloc[:48].to_dict("records")
        self.persons: dict[str, tuple[str, int]] = {}
        self.images: dict[tuple[str, str], int] = {}
        self.said = {"delivery": "full", "batch": ""}

    def study(self, number: int, slices: int = 3, kvp: str = "120") -> None:
        """A study in visit ``number``, in the source."""
        visit = self.visits[number]
        patient = patient_of(visit)
        _, shift = self.persons.setdefault(patient, (visit["person_id"], -10 - number))
        accession = f"ACC-{number:05d}"
        self.images[patient, accession] = 7000 + number
        moment = pd.Timestamp(visit["visit_start_datetime"]) + pd.Timedelta(minutes=1) - pd.Timedelta(days=shift)
        for slice_ in range(1, slices + 1):
            place = f"{patient}/{accession}/{slice_:03d}"
            self.write(place, patient, accession, number, slice_, moment, KVP=kvp)

    def write(
        self, path: str, patient: str, accession: str, number: int, slice_: int, moment: pd.Timestamp, **values: str
    ) -> None:
        dataset = image(
            PatientID=patient,
            PatientName=f"Quellbrook^Nr{number}",
            AccessionNumber=accession,
            StudyInstanceUID=f"1.2.3.{number}",
            SeriesInstanceUID=f"1.2.3.{number}.1",
            SOPInstanceUID=f"1.2.3.{number}.1.{slice_}",
            InstanceNumber=slice_,
            StudyDate=moment.strftime("%Y%m%d"),
            StudyTime=moment.strftime("%H%M%S"),
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            **values,
        )
        for root in (self.source, self.all):
            file = root / (f"{self.said['batch']}/" if root == self.all and self.said["batch"] else "") / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(dataset))
            os.utime(file, ns=(10**18 + number, 10**18 + number))

    def append(self, batch: str) -> None:
        """From now on the source holds a new delivery only."""
        shutil.rmtree(self.source)
        self.source.mkdir()
        self.said = {"delivery": "append", "batch": batch}

    def tables(self) -> None:
        persons = [f"{patient},{person},{shift}" for patient, (person, shift) in sorted(self.persons.items())]
        images = [f"{patient},{accession},{number}" for (patient, accession), number in sorted(self.images.items())]
        for name, head, rows in (
            ("Personal_map", "PatientID,person_id,Days_Shifted", persons),
            ("Image_map", "PatientID,AccessionNumber,image_occurence_id", images),
        ):
            (self.folder / "lookup" / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")

    def parameters(self, workspace: str, **others: str) -> Parameters:
        named = {name: str(self.folder / name) for name in ("omop", "lookup")}
        named |= {"source": str(self.source), "workspace": str(self.folder / workspace), "site": "year"} | self.said
        skipped = {"burned_in_text": "skip", "deface": "skip", "visit_policy": "blank"}
        return Parameters.of({**named, **skipped, "workers": 1, **others})


def patient_of(visit: dict[str, str]) -> str:
    """A PatientID that is nothing like the person_id."""
    return f"MRN-{7919 * (int(visit['person_id']) % 1000) % 90001 + 10000:05d}"


def chain(workspace: Workspace) -> None:
    """The six notebooks' verbs, one after the other."""
    explore.scan(workspace)
    explore.profile(workspace)
    explore.link(workspace)
    explore.assess(workspace)
    make_plan(workspace)
    deid.make_worklist(workspace)
    deid.deidentify(workspace)
    verify(workspace)
    require_pass(checks(workspace))
    ready(workspace)
    pack(workspace)


def delivered(parameters: Parameters, seconds: float) -> bool:
    """Run the chain in a process of its own, killed after ``seconds``; whether it was killed before its end."""
    code = "import sys, json; from tests.benchmarks import year; year.child(json.loads(sys.argv[1]))"
    said = json.dumps(parameters.model_dump())
    process = subprocess.Popen([sys.executable, "-c", code, said], start_new_session=True)
    try:
        return process.wait(timeout=seconds) != 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def child(values: dict[str, object]) -> None:
    chain(Workspace(Parameters.of(values)).create())


def receive(workspace: Workspace, copy: Path) -> None:
    """What a receiver does with a delivery: add, replace, delete; the manifest comes last."""
    manifest = workspace.read(tables.MANIFEST)
    for row in manifest.itertuples():
        if row.delta == "removed":
            (copy / row.path).unlink(missing_ok=True)  # a delta may be applied twice
        elif row.delta in ("added", "modified"):
            (copy / row.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(workspace.release / row.path, copy / row.path)
    shutil.copy(workspace.path(tables.MANIFEST), copy / "Metadata" / "manifest.csv")


EVENTS: dict[int, tuple[str, Callable[[Year], None]]] = {}


def event(month: int, said: str) -> Callable[[Callable[[Year], None]], Callable[[Year], None]]:
    def note(happens: Callable[[Year], None]) -> Callable[[Year], None]:
        EVENTS[month] = (said, happens)
        return happens

    return note


@event(1, "four patients")
def _first(year: Year) -> None:
    for number in (0, 2, 4, 6):
        year.study(number)


@event(2, "a new patient, a new study of a known one (full)")
def _grows(year: Year) -> None:
    year.study(8)
    year.study(1)


@event(3, "a new month only (append)")
def _third(year: Year) -> None:
    year.append("march")
    year.study(10)


@event(4, "a wrong shift corrected, its source long gone (append)")
def _shift(year: Year) -> None:
    year.append("april")
    year.study(12)
    patient = next(iter(year.persons))
    year.persons[patient] = (year.persons[patient][0], -77)


@event(5, "a person mapped to another person_id (append)")
def _person(year: Year) -> None:
    year.append("may")
    year.study(14)
    patient = sorted(year.persons)[1]
    year.persons[patient] = ("10001099", year.persons[patient][1])


@event(6, "an accession that is no longer of interest (append)")
def _accession(year: Year) -> None:
    year.append("june")
    year.study(16)
    year.images.pop(sorted(year.images)[2])


@event(7, "a correction: the same instances with other values (append)")
def _corrected(year: Year) -> None:
    year.append("july")
    for folder in list(year.all.glob("june/*")) + list(year.all.glob("*/MRN-*")):
        if folder.is_dir() and list(folder.glob("ACC-00016")):
            shutil.rmtree(folder)
    year.study(16, kvp="100")


@event(8, "the same month again, under other paths (append)")
def _again(year: Year) -> None:
    year.append("august")
    for folder in year.all.glob("*/MRN-*"):
        if list(folder.glob("ACC-00014")):
            shutil.rmtree(folder)
    year.study(14)


@event(9, "nothing new (append)")
def _nothing(year: Year) -> None:
    year.append("september")
    year.study(18, slices=1)


@event(10, "an accession that is of interest again (append)")
def _back(year: Year) -> None:
    year.append("october")
    year.study(20)
    for number in (0, 1, 2, 4, 6, 8):
        visit = year.visits[number]
        year.images.setdefault((patient_of(visit), f"ACC-{number:05d}"), 7000 + number)


@event(11, "a patient withdraws, and comes again in the same month (append)")
def _withdrawn(year: Year) -> None:
    year.append("november")
    year.study(9)
    workspace = Workspace(year.parameters("workspace"))
    withdraw_for_good(workspace, by="A. Reviewer", note="consent", person=int(year.visits[4]["person_id"]))
    year.study(5)


@event(12, "a large one (append)")
def _last(year: Year) -> None:
    year.append("december")
    for number in range(22, 30):
        year.study(number)


def month(year: Year, number: int, rng: random.Random) -> dict[str, object]:
    """One delivery, killed once, finished, signed, received, and made again from scratch."""
    said, happens = EVENTS[number]
    happens(year)
    year.tables()
    parameters = year.parameters("workspace")
    workspace = Workspace(parameters).create()
    before = {path: (workspace.release / path).stat().st_mtime_ns for path in tree(workspace.release)}
    content = tree(workspace.release)
    killed = delivered(parameters, rng.uniform(3, 9))
    if delivered(parameters, 600):
        raise RuntimeError(f"month {number}: the run that goes on after the kill did not end well")
    after = tree(workspace.release)
    rewritten = [
        path
        for path, digest in content.items()
        if after.get(path) == digest and (workspace.release / path).stat().st_mtime_ns != before[path]
    ]
    whole = year.parameters(f"whole{number}", source=str(year.all), delivery="full", batch="")
    scratch = Workspace(whole).create()
    for name in KEPT:
        source = workspace.local / name
        if source.is_dir():
            shutil.copytree(source, scratch.local / name, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copy2(source, scratch.local / name)
    delivered(whole, 600)
    other = tree(scratch.release)
    sign_off(workspace, "looked at", "A. Reviewer")
    copy = year.folder / "receiver"
    receive(workspace, copy)
    gate = workspace.read(tables.REGISTRY_CHECKS)
    return {
        "month": number,
        "event": said,
        "killed": killed,
        "gate": bool((checks(workspace).result == "fail").sum() == 0 and (gate.result == "fail").sum() == 0),
        "files": len(after),
        "differ from scratch": sorted(p for p in after.keys() | other.keys() if after.get(p) != other.get(p)),
        "receiver differs": sorted(p for p in after.keys() | tree(copy).keys() if after.get(p) != tree(copy).get(p)),
        "rewritten": len(rewritten),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--months", type=int, default=12)
    chosen = parser.parse_args()
    shutil.rmtree(chosen.folder, ignore_errors=True)
    year, rng, begun = Year(chosen.folder), random.Random(1), time.monotonic()
    for number in range(1, chosen.months + 1):
        row = month(year, number, rng)
        print(json.dumps(row), f"{time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
