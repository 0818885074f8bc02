"""Compare 03 with another revision, on images that need no cleaning: ``python -m tests.benchmarks.deid_before FOLDER``.

Both de-identify the same files, a folder a transfer syntax, in turns on the same machine; of each the best CPU time of
some rounds counts (user and system, of the run with its workers), less that of a run of one file, so that others at
work on the machine and the start of the interpreter do not tell.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import encapsulate

from tests.benchmarks import deid
from tests.pixel_carriers import J, packed

MARGIN = 0.10  # slower than before at most
PREPARE = f"""{deid.WORKSPACE}
if __name__ == "__main__":
    explore.scan(workspace.create())
    deid.make_worklist(workspace)
"""
RUN = f"""{deid.WORKSPACE}
if __name__ == "__main__":
    outcomes = deid.deidentify(workspace)
    assert (outcomes.status == "released").all(), outcomes.groupby(["status", "reason"]).size()
"""
# counts the workers too: as a subreaper it inherits what its child leaves behind, and waits for all of it
MEASURE = """
import ctypes, os, resource, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
code = subprocess.run([sys.executable, "-c", *sys.argv[1:]]).returncode
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)
sys.exit(code)
"""
Frame = Callable[[np.ndarray], bytes]
SYNTAXES: dict[str, tuple[str, Frame | None]] = {
    "native": ("1.2.840.10008.1.2.1", None),
    "RLE": ("1.2.840.10008.1.2.5", packed),
    "JPEG lossless": (J + "70", imagecodecs.ljpeg_encode),
    "JPEG-LS": (J + "80", imagecodecs.jpegls_encode),
    "JPEG 2000": (J + "90", lambda frame: imagecodecs.jpeg2k_encode(frame, codecformat="j2k", reversible=True)),
}


def template(syntax: str, encode: Frame | None, edge: int = 512) -> bytes:
    """The CT slice of :mod:`tests.benchmarks.deid` in another transfer syntax, its streams walked clean once."""
    from chorus_nb.dicom.streams import WALKERS

    made = pydicom.dcmread(BytesIO(deid.template(edge)))
    if encode is None:
        return deid.template(edge)
    pixels = np.frombuffer(made.PixelData, "<u2").reshape(made.Rows, made.Columns)
    made.PixelRepresentation = 0
    stream = encode(pixels)
    walker = WALKERS.get(syntax)
    made.PixelData = encapsulate([walker(stream).content if walker else stream])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    made.file_meta.TransferSyntaxUID = syntax
    sink = BytesIO()
    made.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def cpu_seconds(checkout: Path, site: Path) -> float:
    """Of one run of 03 by the code in ``checkout``."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "PYTHONDONTWRITEBYTECODE": "",
        "ORT_DISABLE_TELEMETRY": "1",
    }
    for command in (["-c", PREPARE], ["-c", MEASURE, RUN]):
        made = subprocess.run(
            [sys.executable, *command, str(site)], cwd=checkout, env=environment, capture_output=True, text=True
        )
        if made.returncode:
            raise SystemExit(f"{checkout}: {made.stderr[-2000:]}")
    shutil.rmtree(site / "workspace", ignore_errors=True)
    return float(made.stdout.splitlines()[-1])


def compare(before: Path, name: str, count: int, rounds: int) -> float:
    """How much slower, as a share; printed with both figures."""
    syntax, encode = SYNTAXES[name]
    now = Path(__file__).parents[2]
    content = template(syntax, encode)
    with tempfile.TemporaryDirectory() as folder:
        sites = Path(folder, "one"), Path(folder, "all")
        for site, files in zip(sites, (1, count), strict=True):
            deid.make_site(site, files, 0, content)
        best = {checkout: [1e9, 1e9] for checkout in (before, now)}
        for _ in range(rounds):
            for checkout, found in best.items():
                for at, site in enumerate(sites):
                    found[at] = min(found[at], cpu_seconds(checkout, site))
        each = {checkout: 1e3 * (every - one) / (count - 1) for checkout, (one, every) in best.items()}
    slower = each[now] / each[before] - 1
    print(f"{name:14} {each[before]:8.3f} ms/file before {each[now]:8.3f} now {slower:+8.1%}", flush=True)
    return slower


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="a checkout of the other revision")
    parser.add_argument("--count", type=int, default=1000, help="files a transfer syntax (1000)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the best counts (5)")
    parser.add_argument("--only", nargs="+", default=list(SYNTAXES), help="transfer syntaxes")
    chosen = parser.parse_args()
    found = [compare(chosen.before.resolve(), name, chosen.count, chosen.rounds) for name in chosen.only]
    sys.exit(max(found) > MARGIN)
