"""A year of a made-up site on the OMOP demo: twelve deliveries, each killed once and compared with one from scratch.

``python -m tests.benchmarks.year FOLDER`` prints a row a month: is the gate open, is the release that of a new
workspace with all that was ever delivered, is it what a receiver has who applied every delta, and what central has by
the consortium's tool (``tests.release.consortium_tool``), how many files that did not change were written again.
"""

from __future__ import annotations

import argparse
import hashlib
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
from pydicom.uid import MRImageStorage

from chorus_nb import deid, explore, tables
from chorus_nb.mapping import make_plan
from chorus_nb.parameters import Parameters
from chorus_nb.release import pack
from chorus_nb.release.signature import sign_off
from chorus_nb.verify import checks, require_pass, verify
from chorus_nb.workbench import backup
from chorus_nb.workbench.site_keys import rotate_key
from chorus_nb.workbench.withdrawal import withdraw_for_good
from chorus_nb.workspace import Workspace
from tests.deid.conftest import encoded, image
from tests.deid.small_run import tree
from tests.release.consortium_tool import Tool
from tests.small_release import ready

DEMO = Path(__file__).parents[3] / "shared" / "data" / "omop_demo"
OMOP = ("person", "visit_occurrence", "procedure_occurrence")
SYLLABLES = ("ba", "do", "fu", "ge", "hi", "jo", "ku", "la", "me", "ni")
KEPT = ("site.key", "retired_keys", "registry_ids.parquet", "procedure_ids.parquet", "deliveries", "decisions")
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
        self.said: dict[str, object] = {"delivery": "full", "batch": "", "kinds": ["CT"], "deface": "skip"}
        self.workspace = "workspace"
        self.dropped: dict[tuple[str, str], int] = {}

    def study(self, number: int, slices: int = 3, *, patient: str = "", **values: object) -> None:
        """A study in visit ``number``, in the source; what came of it before is not what counts any more."""
        visit = self.visits[number]
        patient = patient or patient_of(visit)
        _, shift = self.persons.setdefault(patient, (visit["person_id"], -10 - number))
        accession = f"ACC-{number:05d}"
        self.images[patient, accession] = 7000 + number
        for before in [*self.all.rglob(accession)]:
            shutil.rmtree(before)
        moment = pd.Timestamp(visit["visit_start_datetime"]) + pd.Timedelta(minutes=1) - pd.Timedelta(days=shift)
        for slice_ in range(1, slices + 1):
            place = f"{patient}/{accession}/{slice_:03d}"
            self.write(place, patient, accession, number, slice_, moment, **{"KVP": "120", **values})

    def write(
        self, path: str, patient: str, accession: str, number: int, slice_: int, moment: pd.Timestamp, **values: object
    ) -> None:
        dataset = image(
            PatientID=patient,
            PatientName=name_of(patient),
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
        self.said |= {"delivery": "append", "batch": batch}

    def tables(self) -> None:
        persons = [f"{patient},{person},{shift}" for patient, (person, shift) in sorted(self.persons.items())]
        images = [f"{patient},{accession},{number}" for (patient, accession), number in sorted(self.images.items())]
        for name, head, rows in (
            ("Personal_map", "PatientID,person_id,Days_Shifted", persons),
            ("Image_map", "PatientID,AccessionNumber,image_occurence_id", images),
        ):
            (self.folder / "lookup" / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")

    def parameters(self, **others: str) -> Parameters:
        named = {name: str(self.folder / name) for name in ("omop", "lookup", "source")}
        named |= {"workspace": str(self.folder / self.workspace), "site": "year"}
        skipped = {"burned_in_text": "skip", "visit_policy": "blank"}
        return Parameters.of({**named, **self.said, **skipped, "workers": 1, **others})

    def shift(self, patient: str, days: int) -> None:
        self.persons[patient] = (self.persons[patient][0], days)


def patient_of(visit: dict[str, str]) -> str:
    """A PatientID that is nothing like the person_id."""
    return f"MRN-{7919 * (int(visit['person_id']) % 1000) % 90001 + 10000:05d}"


def name_of(patient: str) -> str:
    """A name for nobody else: a syllable for each digit of the PatientID."""
    spoken = "".join(SYLLABLES[int(digit)] for digit in patient if digit.isdigit())
    return f"{spoken.title()}^{spoken[::-1].title()}"


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


@event(1, "four patients, one with a study of a kind that stays (full)")
def _first(year: Year) -> None:
    for number in (0, 2, 4, 6):
        year.study(number)
    year.study(7, Modality="MR", SOPClassUID=MRImageStorage)


@event(2, "kinds widened; a new patient and a new study; in a folder made from the backup (full)")
def _grows(year: Year) -> None:
    year.said["kinds"] = ["CT", "MR"]
    year.study(8)
    year.study(3)
    old = Workspace(year.parameters())
    backup.back_up(old, year.folder / "backup", "a passphrase of the year")
    year.workspace = "moved"
    moved = Workspace(year.parameters())
    backup.restore(moved, year.folder / "backup", "a passphrase of the year")
    shutil.copytree(old.release, moved.release, dirs_exist_ok=True)  # with its times
    shutil.rmtree(old.root)


@event(3, "deface: flag; a new month only, with a report that stays (append)")
def _third(year: Year) -> None:
    year.said["deface"] = "flag"
    year.append("march")
    year.study(10)
    year.study(11, slices=1, Modality="SR")


@event(4, "a wrong shift corrected, its source long gone (append)")
def _shift(year: Year) -> None:
    year.append("april")
    year.study(12)
    year.shift(patient_of(year.visits[0]), -77)


@event(5, "a person mapped to another person_id (append)")
def _person(year: Year) -> None:
    year.append("may")
    year.study(14)
    patient = patient_of(year.visits[6])
    year.persons[patient] = ("10001099", year.persons[patient][1])


@event(6, "an accession no longer of interest; two patients are one person (append)")
def _accession(year: Year) -> None:
    year.append("june")
    year.study(16)
    dropped = (patient_of(year.visits[2]), "ACC-00002")
    year.dropped[dropped] = year.images.pop(dropped)
    year.persons[patient_of(year.visits[10])] = year.persons[patient_of(year.visits[14])]


@event(7, "a correction: instances with other values; a patient is two persons (append)")
def _corrected(year: Year) -> None:
    year.append("july")
    year.study(16, KVP="100")
    year.images.pop((patient_of(year.visits[3]), "ACC-00003"))
    year.persons["MRN-99001"] = ("10001058", -91)
    year.study(3, patient="MRN-99001")


@event(8, "the same month again, under other paths; shift_code: 1, all shifts anew (append)")
def _again(year: Year) -> None:
    year.append("august")
    year.study(14)
    year.said["shift_code"] = 1
    for patient, (_, days) in [*year.persons.items()]:
        year.shift(patient, days // 7 * 7)


@event(9, "nothing new but a slice; kinds narrowed (append)")
def _nothing(year: Year) -> None:
    year.append("september")
    year.said["kinds"] = ["CT"]
    year.study(18, slices=1)
    year.shift(patient_of(year.visits[18]), -28)


@event(10, "the key rotated; kinds widened, an accession of interest again, their sources long gone (append)")
def _back(year: Year) -> None:
    year.append("october")
    year.said["kinds"] = ["CT", "MR"]
    year.study(20)
    year.shift(patient_of(year.visits[20]), -35)
    year.images |= year.dropped
    workspace = Workspace(year.parameters())
    before = {row.split("/")[4] for row in workspace.read(tables.OUTCOMES).target_path if row}
    rotate_key(workspace, by="A. Reviewer", note="the key was seen")
    said = pd.read_csv(workspace.local / "uid_map.csv")
    if missing := before - set(said.old):
        raise RuntimeError(f"the map of the rotation lacks {len(missing)} series")


@event(11, "a patient withdraws, and comes again in the same month (append)")
def _withdrawn(year: Year) -> None:
    year.append("november")
    year.study(9)
    workspace = Workspace(year.parameters())
    patient = patient_of(year.visits[4])
    done = withdraw_for_good(workspace, by="A. Reviewer", note="consent", person=int(year.visits[4]["person_id"]))
    if done.standing:
        raise RuntimeError(f"of whoever withdrew there stand\n{done.proof[done.proof.identifiers > 0]}")
    for folder in [*year.all.rglob(patient)]:
        shutil.rmtree(folder)  # as the page asks of the site
    year.study(5)


@event(12, "uid_method: ctp; a large one (append)")
def _last(year: Year) -> None:
    year.append("december")
    for folder in [*year.all.rglob(patient_of(year.visits[4]))]:
        shutil.rmtree(folder)
    year.said["uid_method"] = "ctp"
    for number in range(22, 30):
        year.study(number)
        year.shift(patient_of(year.visits[number]), -7 * number)


def month(year: Year, number: int, rng: random.Random) -> dict[str, object]:
    """One delivery, killed once, finished, signed, received twice, and made again from scratch."""
    said, happens = EVENTS[number]
    happens(year)
    year.tables()
    workspace = Workspace(year.parameters()).create()
    before = {path: (workspace.release / path).stat().st_mtime_ns for path in tree(workspace.release)}
    content = tree(workspace.release)
    killed = delivered(workspace.parameters, rng.uniform(3, 9))
    if delivered(workspace.parameters, 600):
        raise RuntimeError(f"month {number}: the run that goes on after the kill did not end well")
    after, other = tree(workspace.release), tree(from_scratch(year, workspace, number).release)
    same = [path for path, digest in content.items() if after.get(path) == digest]
    sign_off(workspace, "looked at", "A. Reviewer")
    receive(workspace, copy := year.folder / "receiver")
    gate = workspace.read(tables.REGISTRY_CHECKS)
    return {
        "month": number,
        "mode": year.said["delivery"],
        "killed": killed,
        "gate": bool((checks(workspace).result == "fail").sum() == 0 and (gate.result == "fail").sum() == 0),
        "files": len(after),
        "unchanged": len(same),
        "of these written again": sum((workspace.release / p).stat().st_mtime_ns != before[p] for p in same),
        "as from scratch": different(after, other) or "equal",
        "receiver": different(after, tree(copy)) or "equal",
        "tool": different(after, through_tool(year, workspace, number)) or "equal",
        "event": said,
    }


def different(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def from_scratch(year: Year, workspace: Workspace, number: int) -> Workspace:
    """A new workspace with all that was ever delivered, the key of now, and what stands for no input."""
    whole = year.parameters(
        source=str(year.all), workspace=str(year.folder / f"whole{number}"), delivery="full", batch=""
    )
    scratch = Workspace(whole).create()
    for name in KEPT:
        source = workspace.local / name
        if source.is_dir():
            shutil.copytree(source, scratch.local / name, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copy2(source, scratch.local / name)
    if delivered(whole, 600):
        raise RuntimeError(f"month {number}: the run from scratch did not end well")
    return scratch


def through_tool(year: Year, workspace: Workspace, number: int) -> dict[str, str]:
    """What central has after the consortium's tool took the release; what it never takes is added."""
    folder = workspace.local / "chorus-upload"
    tool = Tool(folder / "config.toml", year.folder / "container", page=20)
    removed = folder / "mark_as_deleted.txt"
    tool.mark_as_deleted(removed.read_text().splitlines() if removed.is_file() else [])
    tool.update(f"2026{number:02d}01")
    tool.upload()
    never = {path: digest for path, digest in tree(workspace.release).items() if "/" not in path}
    return never | {path: hashlib.sha256(content).hexdigest() for path, content in tool.central().items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--months", type=int, default=12)
    chosen = parser.parse_args()
    shutil.rmtree(chosen.folder, ignore_errors=True)
    year, rng, begun = Year(chosen.folder), random.Random(1), time.monotonic()
    for number in range(1, chosen.months + 1):
        row = month(year, number, rng)
        if number == 1:
            print(*row, "seconds", sep=" | ")
        print(*row.values(), f"{time.monotonic() - begun:.0f}", sep=" | ", flush=True)


if __name__ == "__main__":
    main()
