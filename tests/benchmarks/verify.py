"""Measure 04 against 03 on the same files: ``python tests/benchmarks/verify.py [--slices 400] [--size 512]``.

Makes a site of CT slices from the pydicom wheel's ``CT_small.dcm`` in a temporary folder, de-identifies it without a
look at the pixels, and verifies it: in all, a second time when nothing changed, and without the decoders and dciodvfy
(parse, compare, leak search). Printed: seconds, files and megabytes per second, peak of memory of this process.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pydicom
from pydicom.data import get_testdata_file

from chorus_nb.deid import deidentify, make_worklist
from chorus_nb.explore import link, scan
from chorus_nb.parameters import Parameters
from chorus_nb.verify import iods, pictures, verify
from chorus_nb.workspace import Workspace

VISIT = "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date,visit_type_concept_id\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=400, help="CT slices, 100 to a series")
    parser.add_argument("--size", type=int, default=512, help="rows and columns")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = make(Path(folder), chosen.slices, chosen.size)
        megabytes = sum(path.stat().st_size for path in (Path(folder) / "dicom").iterdir()) / 1e6
        scan(workspace)
        link(workspace)
        make_worklist(workspace)
        print(f"{chosen.slices} files, {megabytes:.0f} MB, one process")
        report("03 de-identify", lambda: deidentify(workspace), chosen.slices, megabytes)
        report("04 in all", lambda: verify(workspace), chosen.slices, megabytes)
        report("04 again, unchanged", lambda: verify(workspace), chosen.slices, megabytes)
        shutil.rmtree(workspace.local / "verified")  # last: what no decoder can read is held back
        no_tools = patch.object(pictures, "gdcm_available", lambda: False), patch.object(iods, "program", lambda: None)
        with no_tools[0], no_tools[1], patch.object(pictures.FirstDecoder, "pixels", lambda *_: None):
            report("04 parse, compare, search", lambda: verify(workspace), chosen.slices, megabytes)


def report(name: str, run: Callable[[], object], files: int, megabytes: float) -> None:
    began = time.perf_counter()
    run()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rates = f"{files / seconds:6.0f} files/s {megabytes / seconds:6.0f} MB/s"
    print(f"{name:28} {seconds:6.1f} s {rates}   peak {peak:.0f} MB")


def make(folder: Path, slices: int, size: int) -> Workspace:
    for name in ("dicom", "lookup", "omop"):
        (folder / name).mkdir()
    d = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    d.Rows = d.Columns = size
    d.PixelData = np.random.default_rng(1).integers(0, 2000, (size, size), np.int16).tobytes()
    d.PatientID, d.AccessionNumber = "MRN77120034", "ACC4471982"
    for number in range(slices):
        d.SeriesInstanceUID = f"1.2.826.0.1.3680043.8.498.{number // 100}"
        d.SOPInstanceUID = f"{d.SeriesInstanceUID}.{number}"
        d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
        d.InstanceNumber = str(number % 100)
        d.ImagePositionPatient = [0, 0, number % 100]
        d.save_as(folder / "dicom" / f"{number:06d}.dcm")
    (folder / "lookup" / "Personal_map.csv").write_text("PatientID,person_id,Days_Shifted\nMRN77120034,501,-100\n")
    images = "PatientID,AccessionNumber,image_occurence_id\nMRN77120034,ACC4471982,9001\n"
    (folder / "lookup" / "Image_map.csv").write_text(images)
    (folder / "omop" / "visit_occurrence.csv").write_text(VISIT)
    names = {name: str(folder / part) for name, part in (("source", "dicom"), ("lookup", "lookup"), ("omop", "omop"))}
    place = str(folder / "workspace")
    return Workspace(
        Parameters(workspace=place, workers=1, burned_in_text="skip", visit_policy="blank", **names)
    ).create()


if __name__ == "__main__":
    main()
