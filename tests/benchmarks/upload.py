"""Measures the upload: ``python -m tests.benchmarks.upload [files]`` to a real Azurite, against a plain loop.

The plain loop calls ``BlobClient.upload_blob`` for one file after the other and proves nothing. Time and peak memory.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chorus_nb import tables
from chorus_nb.parameters import Parameters
from chorus_nb.release import sign_off, upload
from chorus_nb.workspace import Workspace
from tests.release.azurite_service import Azurite, azurite

SIZE = 20_000  # bytes of a file
PER_SERIES = 200


def packed(folder: Path, count: int, url: str) -> Workspace:
    """A workspace with ``count`` made-up files and their manifest."""
    workspace = Workspace(Parameters(workspace=str(folder), upload_url=url)).create()
    rows: list[dict[str, object]] = []
    for number in range(count):
        path = f"501/Images/CT/9001/2.25.{number // PER_SERIES}/{number % PER_SERIES:03d}.dcm"
        content = hashlib.shake_128(str(number).encode()).digest(SIZE)
        target = workspace.release / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        digests = {"md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
        rows.append({"path": path, "size": SIZE, "delta": "added", **digests})
    workspace.write(tables.MANIFEST, tables.frame(tables.MANIFEST, rows))
    sign_off(workspace, "a benchmark")
    return workspace


def plain_loop(service: Azurite, workspace: Workspace, container: str) -> None:
    client = service.client().get_container_client(container)
    for path in workspace.read(tables.MANIFEST)["path"]:
        with open(workspace.release / path, "rb") as file:
            client.upload_blob(path, file)


def timed(name: str, count: int, call: Callable[[], object]) -> None:
    began = time.perf_counter()
    call()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:34s} {seconds:7.1f} s   {count / seconds:6.0f} files/s   peak {peak:5.0f} MB", flush=True)


def main(count: int) -> None:
    with azurite() as service, tempfile.TemporaryDirectory() as folder:
        os.environ["AZURE_STORAGE_CONNECTION_STRING"] = service.connection()
        workspace = packed(Path(folder), count, f"az://{service.container()}")
        other = service.container()
        timed(f"{count:,} files, upload with proof", count, lambda: upload(workspace))
        timed("again, all there", count, lambda: upload(workspace))
        timed("plain loop of upload_blob", count, lambda: plain_loop(service, workspace, other))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
