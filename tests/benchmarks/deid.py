"""Measure the run against ``cp -r`` and two other tools: ``python tests/benchmarks/deid.py [--flat]``.

A CT slice of 512 x 512 with a real header (from ../shared/dicom, else from pydicom) is multiplied with new UIDs; the
small files are the same header with 96 x 96 pixels. All runs of one table follow each other on the same machine, so
that only the ratios tell; files are made in a temporary folder and removed. The peers are installed once, into a
virtual environment in the user's cache. ``--flat``: cost per file and memory at 1,000 and at 20,000 files.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pydicom
from explore import measured
from pydicom.filebase import DicomBytesIO

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
    made.file_meta.MediaStorageSOPInstanceUID = MARKS["SOPInstanceUID"]
    sink = DicomBytesIO()
    made.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def make_site(site: Path, count: int, edge: int) -> None:
    """``count`` files in series of 100, an accession a series, a patient each two accessions; and the lookup tables."""
    content = template(edge)
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
        subprocess.run([python, "-m", "pip", "install", "-q", "dicom-anonymizer", "dcmanon"], check=True)
    return str(python)


def compare(name: str, count: int, edge: int, slow: int) -> None:
    """One table. dicom-anonymizer gets the first ``slow`` files only."""
    with tempfile.TemporaryDirectory() as folder:
        site, part = Path(folder, "site"), Path(folder, "part")
        make_site(site, count, edge)
        make_site(part, slow, edge)
        size = sum(path.stat().st_size for path in (site / "dicom").rglob("*.dcm"))
        print(f"\n{name}: {count:,} files of {size / count / 1e3:,.0f} kB, {os.cpu_count()} cores, 2 workers")
        measured(COPY, str(site))  # brings the source into the page cache
        shutil.rmtree(site / "copy")
        results = {"cp -r": (*measured(COPY, str(site)), count)}
        shutil.rmtree(site / "copy")
        results["worklist"] = (*measured(PLAN, str(site)), count)
        results["chorus-nb"] = (*measured(RUN, str(site)), count)
        results["chorus-nb again"] = (*measured(RUN, str(site)), count)
        shutil.rmtree(site / "workspace")
        results["cp -r once more"] = (*measured(COPY, str(site)), count)
        results["dcmanon"] = (*measured(DCMANON, str(site), python=peers()), count)
        results["dicom-anonymizer"] = (*measured(DICOM_ANONYMIZER, str(part), python=peers()), slow)
        copy = min(results[key][0] for key in ("cp -r", "cp -r once more")) / count
        ours = results["chorus-nb"][0] / count
        print(f"{'':18}{'ms/file':>10}{'files/s':>10}{'MB/s':>8}{'x cp -r':>9}{'x ours':>9}{'peak MB':>9}")
        for tool, (seconds, memory, files) in results.items():
            each = seconds / files
            rates = f"{1e3 * each:10.3f}{1 / each:10,.0f}{size / count / each / 1e6:8,.0f}"
            print(f"{tool:18}{rates}{each / copy:9.2f}{each / ours:9.2f}{memory:9,.0f}")


def breakdown(edge: int, count: int = 300) -> None:
    """Where a worker's time goes: read, decide, hash, write."""
    from chorus_nb import deid, explore
    from chorus_nb.deid import job, worker
    from chorus_nb.mapping import read_lookups
    from chorus_nb.parameters import Parameters
    from chorus_nb.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        make_site(site, count, edge)
        folders = {name: str(site / name) for name in ("omop", "lookup", "workspace")}
        parameters = Parameters(
            source=str(site / "dicom"), **folders, workers=1, visit_policy="blank", burned_in_text="skip"
        )
        workspace = Workspace(parameters).create()
        explore.scan(workspace)
        tasks = tuple(job._tasks(deid.make_worklist(workspace), read_lookups(workspace).persons))
        packed = job._job(workspace)
        worker.process(packed, tasks[:20])
        began = time.process_time()
        rows = worker.process(packed, tasks[20:])
        spent = (time.process_time() - began) / len(rows)
        shutil.rmtree(workspace.release)
        profile = cProfile.Profile(time.process_time)
        profile.runcall(worker.process, packed, tasks[20:])
        names = {
            "read": "read",
            "decide": "apply",
            "hash": "_digest",
            "write and hash": "_write",
            "crosswalk": "write_part",
        }
        times = {row[2]: values[3] for row, values in pstats.Stats(profile).stats.items()}  # type: ignore[attr-defined]
        total = times["process"]
        parts = ", ".join(f"{part} {times[name] / total:.0%}" for part, name in names.items())
        before = os.times()
        subprocess.run(["cp", "-r", site / "dicom", site / "copy"], check=True)
        after = os.times()
        copy = (after.children_user + after.children_system - before.children_user - before.children_system) / count
        print(f"processor time a file: worker {1e3 * spent:.2f} ms ({parts}); cp -r {1e3 * copy:.2f} ms")


def flat(edge: int, counts: tuple[int, int]) -> None:
    """Cost per file and peak of memory for few and for many files."""
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder)
            make_site(site, count, edge)
            plan, planning = measured(PLAN, str(site))
            run, running = measured(RUN, str(site))
            again, _ = measured(RUN, str(site))
            print(
                f"{count:,} files: worklist {1e3 * plan / count:.3f} ms/file, {planning:,.0f} MB; run "
                f"{1e3 * run / count:.3f} ms/file, {running:,.0f} MB; again {1e3 * again / count:.4f} ms/file"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ct", type=int, default=4000, help="CT slices of 512 x 512 (4000)")
    parser.add_argument("--small", type=int, default=10_000, help="files of 20 kB (10000)")
    parser.add_argument("--flat", action="store_true", help="also 1,000 against 20,000 small files")
    chosen = parser.parse_args()
    compare("CT slices", chosen.ct, 512, min(chosen.ct, 200))
    breakdown(512)
    compare("small files", chosen.small, 96, min(chosen.small, 400))
    breakdown(96)
    if chosen.flat:
        flat(96, (1000, 20_000))
