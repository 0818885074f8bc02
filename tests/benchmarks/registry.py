"""Measures the registry: ``python tests/benchmarks/registry.py [rows]`` into SQLite and CSV, first and unchanged.

Made-up rows go the way of a release: number the files, store them, fetch them, write the CSV. Time and peak memory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from chorus_nb import tables
from chorus_nb.parameters import Parameters
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.registry import database
from chorus_nb.registry.identifiers import file_id, number_files
from chorus_nb.workspace import Workspace

FILES_PER_SERIES = 200
COLUMNS = ", ".join(tables.IMAGE_REGISTRY.column_names)


def made_up(count: int) -> pd.DataFrame:
    number = np.arange(count)
    series = number // FILES_PER_SERIES
    path = pd.Series(series).astype("string[pyarrow]")
    names = pd.Series(number % FILES_PER_SERIES).astype("string[pyarrow]").str.zfill(3)
    return pd.DataFrame(
        {
            "file_id": pd.array([file_id(f"2.25.{n}") for n in number], dtype="string[pyarrow]"),
            "proc_id": 2_000_000_000 + series,
            "person_id": 10_000_000 + series // 8,
            "group_id": 1 + series,
            "visit_id": 500_000 + series // 8,
            "datetime": "2024-03-02 08:15:30",
            "src_file": "10000001/Images/CT/" + path + "/2.25.123456789012345678901234567890123456/" + names + ".dcm",
            "trg_file": "",
        }
    )


def timed(name: str, call: Callable[[], object]) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds, of_cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{name:36s} {seconds:7.1f} s   of CPU {of_cpu:6.1f} s   peak {peak:6.0f} MB", flush=True)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Parameters(workspace=folder)).create()
        rows = made_up(count)

        def build() -> None:
            with in_bounded_memory() as connection, database.registry_database(workspace) as opened:
                connection.register("rows", rows)
                connection.execute("CREATE VIEW present AS SELECT file_id, src_file AS place FROM rows")
                number_files(workspace, connection)
                connection.execute(
                    f"CREATE TABLE registered AS SELECT {COLUMNS} FROM rows JOIN numbered USING (file_id)"
                )
                database.store(opened, connection, visit_required=True)
                database.export(opened, workspace.path(tables.IMAGE_REGISTRY))

        timed(f"{count:,} rows, nothing imported yet", lambda: None)
        timed("to SQLite and CSV, first time", build)
        timed("again, nothing changed", build)
        size = (Path(folder) / "release" / "Metadata" / "image_registry.csv").stat().st_size
        print(f"CSV {size / 1e6:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
