"""Measure the survey against a plain loop of pydicom: ``python tests/benchmarks/explore.py [--large]``.

20,000 small files and 2,000 CT slices of 512 x 512; ``--large`` adds 200,000 small files. Files are made in a temporary
folder and removed. Printed: files per second (imports not counted, start of the workers counted) and the peak of memory
of all processes together (proportional set size).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

UID_MARK = "1.2.826.0.1.3680043.10.1596.9999999999"  # replaced in the bytes, so that every file has its own UID

LOOP = """
import pathlib, pydicom, sys, time, warnings
warnings.simplefilter("ignore")
began = time.perf_counter()
for path in pathlib.Path(sys.argv[1]).rglob("*"):
    if path.is_file():
        pydicom.dcmread(path, stop_before_pixels=True)
print(time.perf_counter() - began)
"""
SURVEY = """
import sys, time
from chorus_nb import explore
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace

if __name__ == "__main__":
    began = time.perf_counter()
    workspace = Workspace(Parameters(source=sys.argv[1], workspace=sys.argv[2], workers=2)).create()
    for verb in sys.argv[3:]:
        getattr(explore, verb)(workspace)
    print(time.perf_counter() - began)
"""


def template(rows: int) -> bytes:
    """A CT slice with about 150 elements, among them 40 private ones and two sequences."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, UID_MARK
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.826.0.1.3680043.10.1596.1", "1.2.826.0.1.3680043.10.1596.2"
    made.Modality, made.PatientID, made.AccessionNumber = "CT", "MRN0012345", "ACC001"
    made.PatientName, made.StudyDescription = "Example^Erica", "CT CHEST WO CONTRAST"
    for element in pydicom.datadict.DicomDictionary:
        vr, _, _, retired, keyword = pydicom.datadict.DicomDictionary[element]
        plain = {"DS": "1.5", "IS": "3", "DA": "20240105", "TM": "101530", "LO": "Example value", "CS": "EXAMPLE"}
        if (
            len(made) < 105
            and 0x00080020 < element < 0x00200052
            and vr in plain
            and not retired
            and keyword not in made
        ):
            setattr(made, keyword, plain[vr])
    for group, creator in ((0x0019, "GEMS_ACQU_01"), (0x0043, "GEMS_PARM_01")):
        block = made.private_block(group, creator, create=True)
        for offset in range(20):
            block.add_new(offset, "DS", f"{offset}.25")
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, "1.2.3.4"
    made.ReferencedImageSequence, made.SourceImageSequence = [item, item], [item]
    made.Rows = made.Columns = rows
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    made.PixelData = bytes(2 * rows * rows)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPInstanceUID = UID_MARK
    sink = pydicom.filebase.DicomBytesIO()
    made.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def fill(folder: Path, count: int, rows: int) -> None:
    """``count`` files, 500 a folder, each with its own SOP Instance UID."""
    content, stem = template(rows), UID_MARK[:-10].encode()
    for number in range(count):
        path = folder / f"{number // 500:04d}" / f"{number:06d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.replace(UID_MARK.encode(), stem + b"%010d" % (10**9 + number)))


def measured(script: str, *arguments: str, python: str = sys.executable) -> tuple[float, float]:
    """The seconds that ``script`` prints, and the peak of memory of it and its children, MB."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "script.py")
        file.write_text(script)
        command = [python, str(file), *arguments]
        with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True) as process:
            peak: list[float] = [0.0]
            watcher = threading.Thread(target=watch, args=(process.pid, peak, lambda: process.poll() is None))
            watcher.start()
            printed, _ = process.communicate()
            watcher.join()
        if process.returncode:
            raise SystemExit(f"the measured script ended with {process.returncode}")
    return float(printed), peak[0]


def watch(session: int, peak: list[float], running: Callable[[], bool]) -> None:
    """Keep the largest sum of proportional set sizes of the processes of a session, sampled five times a second."""
    while running():
        total = 0
        for entry in Path("/proc").iterdir():
            try:
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                    rollup = (entry / "smaps_rollup").read_text()
                    total += int(rollup.split("Pss:")[1].split()[0])
            except (OSError, IndexError, ValueError):
                continue
        peak[0] = max(peak[0], total / 1024)
        time.sleep(0.2)


def compare(name: str, count: int, rows: int) -> None:
    """Print one line: the loop, the survey (scan and profile), their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        fill(source, count, rows)
        survey = (SURVEY, str(source), str(Path(folder, "workspace")))
        measured(LOOP, str(source))  # warms the cache of the disk
        loop, _ = measured(LOOP, str(source))
        first, memory = measured(*survey, "scan", "profile")
        again, _ = measured(*survey, "scan", "profile")
        rules, more = measured(*survey, "assess")
    print(
        f"{name}: pydicom loop {count / loop:,.0f} files/s; survey {count / first:,.0f} files/s, "
        f"{loop / first:.1f} times; again {count / again:,.0f} files/s; quality rules {rules:.1f} s; "
        f"peak {max(memory, more):,.0f} MB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also 200,000 small files")
    chosen = parser.parse_args()
    compare("20,000 small files", 20_000, 16)
    compare("2,000 CT slices", 2_000, 512)
    if chosen.large:
        compare("200,000 small files", 200_000, 16)
