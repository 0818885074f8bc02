"""Measure the whole chain: ``python -m tests.benchmarks.chain [--site ct|small|mixed] [--before CHECKOUT]``.

* ``ct``: slices of 512 x 512 with a real header (``deid.template``), each with pixels of its own, 100 to a series;
* ``small``: the same of 64 x 64; * ``mixed``: that of ``mixed_site``, a visit for each patient.

``chorus-nb run`` with all six notebooks, of this checkout and of those named with ``--before``, in turn: first, again
with nothing changed, and with another description in one file; ``--by-notebook``: one at a time. Text is looked for by
sampling, faces are flagged. CPU seconds are those of every process of the run, also of those that nobody waited for (on
Linux; elsewhere of those that were waited for); the clock says less where others are at work. Peak: of the largest.
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
from pathlib import Path

import numpy as np
import pydicom
from pydicom.filebase import DicomBytesIO

from tests.benchmarks import deid, mixed_site

UIDS = "1.2.826.0.1.3680043.10.1596"
PERSONAL_MAP, IMAGE_MAP = "PatientID,person_id,Days_Shifted", "PatientID,AccessionNumber,image_occurence_id"
COMMAND = """
import sys
try:
    from chorus_nb.__main__ import command  # what a site calls
except ImportError:  # of an earlier revision
    from chorus_nb.workbench.commands import main as command
sys.exit(command())
"""
STEPS = ("01", "02", "03", "04", "05", "06")
HERE = Path(__file__).parents[2]
VISITS = "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_start_datetime,visit_end_date,"
VISITS += "visit_end_datetime,visit_type_concept_id"
PERSONS = "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id"


def make_site(site: Path, count: int, edge: int) -> None:
    """``count`` CT slices of a chest (an ellipse with lungs, its noise new in each slice) with a real header
    (``deid.template``) in series of 100, an accession each; patients, persons and a long visit for each."""
    made = pydicom.dcmread(DicomBytesIO(deid.template(edge)))
    made.BodyPartExamined, made.StudyDescription, made.SeriesDescription = "CHEST", "CT CHEST WO CONTRAST", "AXIAL LUNG"
    made.ProtocolName, made.SliceThickness, made.PixelSpacing = "5.1 Chest", "3", [400 / edge] * 2
    made.ImageOrientationPatient, made.PatientName = [1, 0, 0, 0, 1, 0], "Zimmerwald^Oktavia"
    made.RescaleSlope, made.RescaleIntercept, made.BitsStored, made.HighBit, made.PixelRepresentation = (
        1,
        -1024,
        16,
        15,
        0,
    )
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue"):
        made.pop(keyword, None)
    y, x = np.mgrid[-1 : 1 : edge * 1j, -1 : 1 : edge * 1j]
    body = (x / 0.9) ** 2 + (y / 0.6) ** 2 < 1
    lungs = ((abs(x) - 0.4) / 0.3) ** 2 + (y / 0.4) ** 2 < 1
    if edge < 128:  # two holes in an oval this small are a letter to who looks for text
        lungs = np.zeros_like(body)
    picture = np.where(lungs & body, 200, np.where(body, 1060, 24)).astype(np.uint16)
    random = np.random.default_rng(7)
    noise = random.integers(0, 24, (2 * edge, edge), np.uint16)
    for number in range(count):
        series, slice_number = divmod(number, deid.SERIES)
        at = int(random.integers(0, edge))
        made.PixelData = (picture + noise[at : at + edge]).tobytes()
        made.StudyInstanceUID, made.SeriesInstanceUID = f"1.2.826.0.1.3680043.10.1596.3.{series}", f"{UIDS}.2.{series}"
        made.FrameOfReferenceUID, made.SOPInstanceUID = f"{UIDS}.4.{series}", f"{UIDS}.1.{number}"
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        made.PatientID, made.AccessionNumber = f"MRN{7000001 + series // 2}", f"ACC{8000001 + series}"
        made.InstanceNumber, made.ImagePositionPatient = str(slice_number + 1), [-200, -200, 3 * slice_number - 150]
        made.SliceLocation = str(3 * slice_number - 150)
        path = site / "dicom" / f"{series:05d}" / f"{number:07d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        made.save_as(path, enforce_file_format=True)
    write_tables(site, [(series // 2, series) for series in range(-(-count // deid.SERIES))])


def write_tables(site: Path, accessions: list[tuple[int, int]]) -> None:
    """Lookup and OMOP tables: ``accessions`` are the numbers of patient and accession."""
    patients = sorted({patient for patient, _ in accessions})
    long = "1990-01-01,1990-01-01 00:00:00,2035-01-01,2035-01-01 00:00:00"
    for name, header, lines in (
        ("lookup/Personal_map", PERSONAL_MAP, [f"MRN{7000001 + n},{1001 + n},{-100 - n % 200}" for n in patients]),
        ("lookup/Image_map", IMAGE_MAP, [f"MRN{7000001 + p},ACC{8000001 + n},{501 + n}" for p, n in accessions]),
        ("omop/person", PERSONS, [f"{1001 + n},8507,1960,0,0" for n in patients]),
        ("omop/visit_occurrence", VISITS, [f"{900000 + n},{1001 + n},9201,{long},32817" for n in patients]),
    ):
        (site / name).parent.mkdir(exist_ok=True)
        (site / f"{name}.csv").write_text("\n".join([header, *lines, ""]))


def make_mixed(site: Path) -> None:
    """The pictures of ``mixed_site``, each kind of them a patient with an accession, a person and a long visit."""
    patients: dict[str, int] = {}
    for name, content in mixed_site.images(np.random.default_rng(1)):
        number = patients.setdefault(name.partition("/")[0], len(patients))
        dataset = pydicom.dcmread(DicomBytesIO(content))
        dataset.PatientID, dataset.AccessionNumber = f"MRN{7000001 + number}", f"ACC{8000001 + number}"
        dataset.StudyDate = dataset.get("StudyDate") or "20210314"
        path = site / "dicom" / f"{name}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path)
    write_tables(site, [(n, n) for n in patients.values()])


def parameters(site: Path, workspace: Path) -> Path:
    """The parameter file of a run on ``site``."""
    path = workspace.with_suffix(".yaml")
    lines = {"site": "bench", "source": site / "dicom", "omop": site / "omop", "lookup": site / "lookup"}
    lines |= {"workspace": workspace, "deface": "flag"}
    path.write_text("".join(f'{key}: "{value}"\n' for key, value in lines.items()) + "workers: 2\n")
    return path


def run(checkout: Path, given: Path, only: str) -> tuple[float, float, float]:
    """CPU seconds, seconds and peak in MB of the notebooks ``only`` (``01,02``)."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(checkout), "PYTHONPYCACHEPREFIX": str(given.parent / "bytecode" / checkout.name)}
    command = [sys.executable, "-c", COMMAND, "run", str(given), "--only", only]  # --quiet: not in every revision
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
    cpu = seconds = peak = 0.0
    with contextlib.suppress(ChildProcessError):  # none is left
        while True:
            ended, status, used = os.wait4(-1, 0)
            cpu, peak = cpu + used.ru_utime + used.ru_stime, max(peak, used.ru_maxrss / 1024)
            if ended == child.pid:
                seconds = time.perf_counter() - began
                if status:
                    sys.exit(f"{checkout.name}: {only} ended with {os.waitstatus_to_exitcode(status)}; no figure holds")
    return cpu, seconds, peak


def adopt() -> None:
    """Let processes whose parent is gone become children of this one, where the system can (Linux)."""
    set_child_subreaper = 36  # of linux/prctl.h
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def copied(site: Path, target: Path) -> tuple[float, float]:
    """CPU seconds and seconds of ``cp -r``, the better of three."""
    best = (float("inf"), float("inf"))
    for _ in range(3):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(["cp", "-r", str(site / "dicom"), str(target)], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, (cpu, time.perf_counter() - began))
        shutil.rmtree(target)
    return best


def change_one(site: Path) -> None:
    """Another description in the middle one of the files."""
    files = sorted(path for path in (site / "dicom").rglob("*") if path.is_file())
    path = files[len(files) // 2]
    dataset = pydicom.dcmread(path)
    dataset.SeriesDescription = f"{dataset.get('SeriesDescription', '')} 2".strip()
    dataset.save_as(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", choices=("ct", "small", "mixed"), default="ct")
    parser.add_argument("--files", type=int, default=2000, help="of the sites ct and small")
    parser.add_argument("--before", type=Path, action="append", default=[], help="another checkout to measure")
    parser.add_argument("--by-notebook", action="store_true", help="a command for each")
    parser.add_argument("--folder", type=Path, help="where the files are made (kept)")
    chosen = parser.parse_args()
    adopt()
    folder = (chosen.folder or Path(tempfile.mkdtemp())).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    site = folder / "site"
    if not site.exists() and chosen.site == "mixed":
        make_mixed(site)
    elif not site.exists():
        make_site(site, chosen.files, 512 if chosen.site == "ct" else 64)
    cpu, seconds = copied(site, folder / "copy")
    count = sum(path.is_file() for path in (site / "dicom").rglob("*"))
    print(f"{count} files; cp -r {cpu:.2f} CPU s, {seconds:.2f} s", flush=True)
    checkouts = {folder / f"workspace{number}": path for number, path in enumerate([HERE, *chosen.before])}
    steps = STEPS if chosen.by_notebook else (",".join(STEPS),)
    for what in ("first run", "nothing new", "one changed"):
        if what == "one changed":
            change_one(site)
        for workspace, checkout in checkouts.items():
            if what == "first run":
                shutil.rmtree(workspace, ignore_errors=True)
            given, total, clock = parameters(site, workspace), 0.0, 0.0
            for step in steps:
                used, took, peak = run(checkout, given, step)
                print(
                    f"{checkout.name:10} {what:12} {step:17} {used:8.1f} CPU s {took:8.1f} s {peak:6.0f} MB", flush=True
                )
                total, clock = total + used, clock + took
            ratios = f"({total / cpu:.0f} x cp -r) {clock:8.1f} s ({clock / seconds:.0f} x)"
            print(f"{checkout.name:10} {what:12} all {total:7.1f} CPU s {ratios}", flush=True)


if __name__ == "__main__":
    main()
