"""Measure the whole chain, notebook by notebook: ``python -m tests.benchmarks.chain [--before CHECKOUT]``.

CT slices of 512 x 512 with a real header (``deid.template``), each with pixels of its own, 100 to a series; every study
in a visit. ``chorus-nb run --only NN`` in a process of its own for each notebook, of this checkout and of those named
with ``--before``, in turn; then again with nothing changed. Text is looked for by sampling, faces are flagged. CPU
seconds are those of every process of the run; the clock says less where others are at work. Peak: of the largest
process.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from pydicom.filebase import DicomBytesIO

from tests.benchmarks import deid

UIDS = "1.2.826.0.1.3680043.10.1596"
PERSONAL_MAP, IMAGE_MAP = "PatientID,person_id,Days_Shifted", "PatientID,AccessionNumber,image_occurence_id"
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
    every, patients = range(-(-count // deid.SERIES)), range(-(-count // (2 * deid.SERIES)))
    long = "1990-01-01,1990-01-01 00:00:00,2035-01-01,2035-01-01 00:00:00"
    for name, header, lines in (
        ("lookup/Personal_map", PERSONAL_MAP, [f"MRN{7000001 + n},{1001 + n},{-100 - n % 200}" for n in patients]),
        ("lookup/Image_map", IMAGE_MAP, [f"MRN{7000001 + n // 2},ACC{8000001 + n},{501 + n}" for n in every]),
        ("omop/person", PERSONS, [f"{1001 + n},8507,1960,0,0" for n in patients]),
        ("omop/visit_occurrence", VISITS, [f"{900000 + n},{1001 + n},9201,{long},32817" for n in patients]),
    ):
        (site / name).parent.mkdir(exist_ok=True)
        (site / f"{name}.csv").write_text("\n".join([header, *lines, ""]))


def parameters(site: Path, workspace: Path) -> Path:
    """The parameter file of a run on ``site``."""
    path = workspace.with_suffix(".yaml")
    lines = {"site": "bench", "source": site / "dicom", "omop": site / "omop", "lookup": site / "lookup"}
    lines |= {"workspace": workspace, "deface": "flag"}
    path.write_text("".join(f'{key}: "{value}"\n' for key, value in lines.items()) + "workers: 2\n")
    return path


def run(checkout: Path, given: Path) -> Iterator[tuple[str, float, float, float]]:
    """Notebook, CPU seconds, seconds, peak in MB, of each notebook."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    for step in STEPS:
        began = time.perf_counter()
        command = [sys.executable, "-m", "chorus_nb", "run", str(given), "--only", step, "--quiet"]
        child = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        yield step, used.ru_utime + used.ru_stime, seconds, used.ru_maxrss / 1024
        if status:
            print(f"{step} ended with {os.waitstatus_to_exitcode(status)}", flush=True)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=2000)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--before", type=Path, action="append", default=[], help="another checkout to measure")
    parser.add_argument("--folder", type=Path, help="where the files are made (kept)")
    chosen = parser.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    site = folder / "site"
    if not site.exists():
        make_site(site, chosen.slices, chosen.edge)
    cpu, seconds = copied(site, folder / "copy")
    print(f"{chosen.slices} files; cp -r {cpu:.2f} CPU s, {seconds:.2f} s", flush=True)
    for number, checkout in enumerate([HERE, *chosen.before]):
        workspace = folder / f"workspace{number}"
        shutil.rmtree(workspace, ignore_errors=True)
        given = parameters(site, workspace)
        for what in ("first run", "nothing new"):
            total = clock = 0.0
            for step, used, took, peak in run(checkout, given):
                print(f"{checkout.name:10} {what:12} {step} {used:8.1f} CPU s {took:8.1f} s {peak:7.0f} MB", flush=True)
                total, clock = total + used, clock + took
            ratios = f"({total / cpu:.0f} x cp -r) {clock:8.1f} s ({clock / seconds:.0f} x)"
            print(f"{checkout.name:10} {what:12} all {total:7.1f} CPU s {ratios}", flush=True)


if __name__ == "__main__":
    main()
