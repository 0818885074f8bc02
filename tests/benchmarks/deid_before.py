"""Compare 03 with another revision, on images that need no cleaning: ``python -m tests.benchmarks.deid_before FOLDER``.

What a worker does with a file (read, decide, hash, write, crosswalk), in CPU time, for a folder of files a transfer
syntax. Both take turns on the same machine; of each batch the best of all rounds counts, so that others at work there
do not tell.
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

from chorus_nb.dicom.streams import WALKERS
from tests.benchmarks import deid
from tests.pixel_carriers import J, packed

MARGIN = 0.10  # slower than before at most
REPEATS = 15  # of a round
RUN = f"""{deid.WORKSPACE}
import inspect
from chorus_nb.deid import job, worker
explore.scan(workspace.create())
worklist, packed = deid.make_worklist(workspace), job._job(workspace)
by_workspace = "workspace" in inspect.signature(job._tasks).parameters
tasks = tuple(job._tasks(worklist, workspace if by_workspace else job.read_lookups(workspace).persons))
batches = [tasks[at : at + 5] for at in range(0, len(tasks), 5)]
best = [1e9] * len(batches)
for _ in range({REPEATS}):
    for number, batch in enumerate(batches):
        began = time.process_time()
        rows = worker.process(packed, batch)
        best[number] = min(best[number], time.process_time() - began)
        assert set(row["status"] for row in rows) == set(["released"]), rows[0]
        for row in rows:
            (workspace.release / row["target_path"]).unlink()
print(1e3 * sum(best) / len(tasks))
"""
Frame = Callable[[np.ndarray], bytes]
SYNTAXES: dict[str, tuple[str, Frame | None]] = {
    "native": ("1.2.840.10008.1.2.1", None),
    "RLE": ("1.2.840.10008.1.2.5", packed),
    "JPEG lossless": (J + "70", imagecodecs.ljpeg_encode),
    "JPEG-LS": (J + "80", imagecodecs.jpegls_encode),
    "JPEG 2000": (J + "90", lambda frame: imagecodecs.jpeg2k_encode(frame, codecformat="j2k", reversible=True)),
}


def template(name: str) -> bytes:
    """The CT slice of :mod:`tests.benchmarks.deid` in another transfer syntax, its stream walked clean once."""
    syntax, encode = SYNTAXES[name]
    content = deid.template(512)
    if encode is None:
        return content
    made = pydicom.dcmread(BytesIO(content))
    stream = encode(np.frombuffer(made.PixelData, "<u2").reshape(made.Rows, made.Columns))
    walker = WALKERS.get(syntax)
    made.PixelData = encapsulate([walker(stream).content if walker else stream])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    made.file_meta.TransferSyntaxUID, made.PixelRepresentation = syntax, 0
    sink = BytesIO()
    made.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def per_file(checkout: Path, site: Path) -> float:
    """Milliseconds of CPU a file for the code in ``checkout``."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "ORT_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", RUN, str(site)]
    made = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"{checkout}: {made.stderr[-2000:]}")
    shutil.rmtree(site / "workspace")
    return float(made.stdout.splitlines()[-1])


def compare(before: Path, name: str, count: int, rounds: int) -> float:
    """How much slower, as a share; printed with both figures."""
    now = Path(__file__).parents[2]
    best = dict.fromkeys((before, now), 1e9)
    with tempfile.TemporaryDirectory() as folder:
        deid.make_site(Path(folder), count, 0, template(name))
        for _ in range(rounds):
            best = {checkout: min(found, per_file(checkout, Path(folder))) for checkout, found in best.items()}
    slower = best[now] / best[before] - 1
    print(f"{name:14} {best[before]:8.3f} ms/file before {best[now]:8.3f} now {slower:+8.1%}", flush=True)
    return slower


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="a checkout of the other revision")
    parser.add_argument("--count", type=int, default=100, help="files a transfer syntax (100)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts (3)")
    parser.add_argument("--only", nargs="+", default=list(SYNTAXES), help="transfer syntaxes")
    chosen = parser.parse_args()
    slower = [compare(chosen.before.resolve(), name, chosen.count, chosen.rounds) for name in chosen.only]
    sys.exit(max(slower) > MARGIN)
