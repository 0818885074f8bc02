"""Measure the run against ``cp -r`` and three other tools: ``python tests/benchmarks/deid.py [--flat COUNT ...]``.

A CT slice of 512 x 512 with a real header (from ../shared/dicom, else from pydicom) is multiplied with new UIDs; the
small files are the same header with 96 x 96 pixels. The tools take turns on the same machine and of each the best of
some rounds counts, so that the ratios tell even where others are at work; files are made in a temporary folder and
removed. The peers are installed once, into a virtual environment in the user's cache. ``--flat 1000 100000``: instead,
cost per file and peak of memory for that many small files.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.filebase import DicomBytesIO

from tests.benchmarks.explore import measured

SERIES = 100  # images in one
SHARED = Path(__file__).parents[3] / "shared" / "dicom" / "neurolabusc__dcm_qa_ct"
PEERS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chorus-nb" / "peers"
MARKS = {  # replaced in the bytes by values of the same length
    "SOPInstanceUID": "1.2.826.0.1.3680043.10.1596.1.9999999999",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.10.1596.2.9999999999",
    "StudyInstanceUID": "1.2.826.0.1.3680043.10.1596.3.9999999999",
    "PatientID": "MRN9999999999",
    "AccessionNumber": "ACC9999999999",
    "InstanceNumber": "9999999999",
}

WORKSPACE = """
import sys, time
from chorus_nb import deid, explore
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace

site = sys.argv[1]
workspace = Workspace(Parameters(
    source=site + "/dicom", omop=site + "/omop", lookup=site + "/lookup", workspace=site + "/workspace",
    workers=2, visit_policy="blank", burned_in_text="skip"))
"""
PLAN = f"""{WORKSPACE}
if __name__ == "__main__":
    workspace.create()
    explore.scan(workspace)
    began = time.perf_counter()
    deid.make_worklist(workspace)
    print(time.perf_counter() - began)
"""
RUN = f"""{WORKSPACE}
if __name__ == "__main__":
    began = time.perf_counter()
    outcomes = deid.deidentify(workspace)
    print(time.perf_counter() - began)
    assert (outcomes.status == "released").all(), outcomes.groupby(["status", "reason"]).size()
"""
COPY = """
import subprocess, sys, time
began = time.perf_counter()
subprocess.run(["cp", "-r", sys.argv[1] + "/dicom", sys.argv[1] + "/copy"], check=True)
print(time.perf_counter() - began)
"""
DICOM_ANONYMIZER = """
import io, os, sys, time
from dicomanonymizer import anonymize
began, out = time.perf_counter(), sys.stdout
sys.stdout = sys.stderr = io.StringIO()
os.makedirs(sys.argv[1] + "/peer")
for folder in sorted(os.scandir(sys.argv[1] + "/dicom"), key=lambda entry: entry.name):
    os.makedirs(sys.argv[1] + "/peer/" + folder.name)
    anonymize(folder.path, sys.argv[1] + "/peer/" + folder.name, {}, True)
print(time.perf_counter() - began, file=out)
"""
DCMANON = """
import os, sys, time
from pathlib import Path
from dcmanon import Anonymizer
began, anonymizer = time.perf_counter(), Anonymizer()
for path in sorted(Path(sys.argv[1], "dicom").rglob("*.dcm")):
    target = Path(sys.argv[1], "other", *path.parts[-2:])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(anonymizer.anonymize(str(path)))
print(time.perf_counter() - began)
"""

FW_FILE_RS = """
import os, sys, time
from pathlib import Path
from fw_file_rs.dcm import DeidProfile
named = ("PatientID", "PatientName", "StudyID", "AccessionNumber", "InstitutionName", "ReferringPhysicianName",
         "StudyDescription", "OperatorsName", "StationName", "DeviceSerialNumber")
fields = "".join(f"    - name: {name}\\n      replace-with: REMOVED\\n" for name in named)
began = time.perf_counter()
profile = DeidProfile.from_yaml(f"version: 1\\nname: ten\\ndicom:\\n  fields:\\n{fields}")
for path in sorted(Path(sys.argv[1], "dicom").rglob("*.dcm")):
    target = Path(sys.argv[1], "third", *path.parts[-2:])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(profile.deid_file(path.name, path.read_bytes()))
print(time.perf_counter() - began)
"""
REAPS = 36  # PR_SET_CHILD_SUBREAPER of prctl(2): what a measured script leaves behind becomes a child of this process


def with_cpu(script: str, *arguments: str, python: str) -> tuple[float, float, float]:
    """:func:`measured`, and the CPU seconds of it and all its processes, the start of the interpreters among them."""
    ctypes.CDLL(None).prctl(REAPS, 1, 0, 0, 0)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, peak = measured(script, *arguments, python=python)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, peak, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def template(edge: int) -> bytes:
    """A CT slice with :data:`MARKS`, its pixels cut to ``edge`` x ``edge``."""
    found = (path for path in sorted(SHARED.rglob("*.dcm")) if 400e3 < path.stat().st_size < 600e3)
    made = pydicom.dcmread(next(found, None) or pydicom.data.get_testdata_file("CT_small.dcm"))
    if made.Rows < edge:
        made.Rows = made.Columns = 512
        made.PixelData = os.urandom(512 * 512 * 2)
    made.PixelData = made.PixelData[: edge * edge * 2]
    made.Rows = made.Columns = edge
    for keyword, mark in MARKS.items():
        setattr(made, keyword, mark)
    made.StudyDate = made.get("StudyDate") or "20240105"  # without any an image is held back
    made.file_meta.MediaStorageSOPInstanceUID = MARKS["SOPInstanceUID"]
    sink = DicomBytesIO()
    made.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def make_site(site: Path, count: int, edge: int, content: bytes = b"") -> None:
    """``count`` files in series of 100, an accession a series, a patient each two accessions; and the lookup tables.

    ``content``: the file to multiply instead of :func:`template`.
    """
    content = content or template(edge)
    for number in range(count):
        series = number // SERIES
        numbers = {"SOPInstanceUID": number, "PatientID": series // 2, "InstanceNumber": number % SERIES}
        made = content
        for keyword, mark in MARKS.items():
            value = f"{10**9 + numbers.get(keyword, series):010d}" if "UID" in keyword else ""
            value = value or f"{numbers.get(keyword, series) + (keyword == 'InstanceNumber'):010d}"
            made = made.replace(mark.encode(), (mark[:-10] + value).encode())
        path = site / "dicom" / f"{series:05d}" / f"{number:07d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made)
    (site / "lookup").mkdir()
    (site / "omop").mkdir()
    every = range((count + SERIES - 1) // SERIES)
    persons = [
        f"MRN{patient:010d},{1001 + patient},{-100 - patient % 200}" for patient in sorted({n // 2 for n in every})
    ]
    images = [f"MRN{n // 2:010d},ACC{n:010d},{501 + n}" for n in every]
    for name, header, rows in (
        ("Personal_map", "PatientID,person_id,Days_Shifted", persons),
        ("Image_map", "PatientID,AccessionNumber,image_occurence_id", images),
    ):
        (site / "lookup" / f"{name}.csv").write_text("\n".join([header, *rows, ""]))


def peers() -> str:
    """The Python in which the other tools are installed."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "dicom-anonymizer", "dcmanon", "fw-file-rs"], check=True)
    return str(python)


def compare(name: str, count: int, edge: int, slow: int, rounds: int) -> None:
    """One table. dicom-anonymizer gets the first ``slow`` files only."""
    with tempfile.TemporaryDirectory() as folder:
        site, part, one = Path(folder, "site"), Path(folder, "part"), Path(folder, "one")
        for path, files in ((site, count), (part, slow), (one, 1)):
            make_site(path, files, edge)
        size = sum(path.stat().st_size for path in (site / "dicom").rglob("*.dcm"))
        print(f"\n{name}: {count:,} files of {size / count / 1e3:,.0f} kB, {os.cpu_count()} cores, 2 workers")
        measured(COPY, str(site))  # brings the source into the page cache
        steps = {
            "cp -r": (COPY, site, sys.executable, ("copy",)),
            "worklist": (PLAN, site, sys.executable, ()),
            "chorus-nb": (RUN, site, sys.executable, ()),
            "chorus-nb again": (RUN, site, sys.executable, ("workspace",)),
            "dcmanon": (DCMANON, site, peers(), ("other",)),
            "fw-file-rs": (FW_FILE_RS, site, peers(), ("third",)),
            "dicom-anonymizer": (DICOM_ANONYMIZER, part, peers(), ("peer",)),
            "its worklist": (PLAN, one, sys.executable, ()),
            "one file": (RUN, one, sys.executable, ("workspace",)),
        }
        runs: dict[str, list[tuple[float, float, float]]] = {step: [] for step in steps}
        shutil.rmtree(site / "copy")
        for _ in range(rounds):
            for step, (script, of, python, made) in steps.items():
                runs[step].append(with_cpu(script, str(of), python=python))
                for left in made:
                    shutil.rmtree(of / left)
        best = {step: min(found) for step, found in runs.items()}
        cpu = {step: min(seconds for *_, seconds in found) for step, found in runs.items()}
        per_file = {step: best[step][0] / (slow if of == part else count) for step, (_, of, *_) in steps.items()}
        print(
            f"{'':18}{'ms/file':>10}{'files/s':>10}{'MB/s':>8}{'x cp -r':>9}{'x ours':>9}{'peak MB':>9}{'worst ms':>10}"
            f"{'CPU ms':>9}{'x cp -r':>9}"
        )
        for step, (_, of, *_) in steps.items():
            if of == one:
                continue
            each, worst = per_file[step], max(runs[step])[0] / best[step][0] * per_file[step]
            rates = f"{1e3 * each:10.3f}{1 / each:10,.0f}{size / count / each / 1e6:8,.0f}"
            ratios = f"{each / per_file['cp -r']:9.2f}{each / per_file['chorus-nb']:9.2f}"
            burnt = 1e3 * cpu[step] / (slow if of == part else count)
            copied = 1e3 * cpu["cp -r"] / count
            print(f"{step:18}{rates}{ratios}{best[step][1]:9,.0f}{1e3 * worst:10.3f}{burnt:9.3f}{burnt / copied:9.2f}")
        start = best["one file"][0]
        steady = (best["chorus-nb"][0] - start) / count
        print(
            f"of it {start:.2f} s for the start (a run of one file); without it {1e3 * steady:.3f} ms/file, "
            f"{steady / per_file['cp -r']:.2f} x cp -r; CPU {cpu['one file']:.2f} s, without it "
            f"{1e3 * (cpu['chorus-nb'] - cpu['one file']) / count:.3f} ms/file"
        )


def breakdown(edge: int, count: int = 200, rounds: int = 15) -> None:
    """Where a worker's time goes, each step by itself: the best of some rounds, file by file."""
    from blake3 import blake3

    from chorus_nb import deid, explore, workspace
    from chorus_nb.deid import crosswalk, job, worker
    from chorus_nb.parameters import Parameters

    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        make_site(site, count, edge)
        folders = {name: str(site / name) for name in ("omop", "lookup", "workspace")}
        parameters = Parameters(
            source=str(site / "dicom"), **folders, workers=1, visit_policy="blank", burned_in_text="skip"
        )
        run = workspace.Workspace(parameters).create()
        explore.scan(run)
        tasks = tuple(job._tasks(deid.make_worklist(run), run))
        packed = job._job(run)
        known, engine = worker._ready(packed)
        contents = [known.source.look(task.source_path)[0] for task in tasks]
        made = [engine.apply(*pair) for pair in zip(contents, (task.subject for task in tasks), strict=True)]
        targets = [workspace.below(site, task.target_path) for task in tasks]
        changes = [(task.source_path, task.target_path, each.changes) for task, each in zip(tasks, made, strict=True)]

        def hashes(at: int) -> None:
            blake3(contents[at])
            blake3(made[at].pixel_value)
            blake3(made[at].header).update(made[at].pixels)

        def write(at: int) -> None:
            workspace.put(targets[at], made[at].header, made[at].pixels)
            Path(targets[at]).unlink()

        steps: dict[str, tuple[int, Callable[[int], object]]] = {
            "read": (count, lambda at: known.source.look(tasks[at].source_path)),
            "decide": (count, lambda at: engine.apply(contents[at], tasks[at].subject)),
            "hash (three times)": (count, hashes),
            "write (and remove)": (count, write),
            "crosswalk": (1, lambda _: crosswalk.write_part(known.crosswalk, changes)),
        }
        parts = {}
        for step, (times, act) in steps.items():
            best = [1e9] * times
            for _ in range(rounds):
                for at in range(times):
                    began = time.perf_counter()
                    act(at)
                    best[at] = min(best[at], time.perf_counter() - began)
            parts[step] = 1e3 * sum(best) / count
        print("of a worker's time a file: " + ", ".join(f"{step} {each:.3f} ms" for step, each in parts.items()))


def flat(edge: int, count: int) -> None:
    """Cost per file and peak of memory of all processes for so many files."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        make_site(site, count, edge)
        plan, planning = measured(PLAN, str(site))
        run, running = measured(RUN, str(site))
        again, _ = measured(RUN, str(site))
        print(
            f"{count:,} files: worklist {1e3 * plan / count:.3f} ms/file, {planning:,.0f} MB; run "
            f"{1e3 * run / count:.3f} ms/file, {running:,.0f} MB; again {1e3 * again / count:.4f} ms/file",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", type=int, default=4000, help="CT slices of 512 x 512 (4000)")
    parser.add_argument("--small", type=int, default=10_000, help="files of 20 kB (10000)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts (3)")
    parser.add_argument("--flat", type=int, nargs="+", help="only this: cost and memory for so many small files")
    chosen = parser.parse_args()
    for files in chosen.flat or ():
        flat(96, files)
    if not chosen.flat:
        compare("CT slices", chosen.ct, 512, min(chosen.ct, 200), chosen.rounds)
        compare("small files", chosen.small, 96, min(chosen.small, 400), chosen.rounds)
        breakdown(512)  # last: it begins processes of this one, for whose end a comparison would wait
        breakdown(96)
