"""Questions by SQL to tables as long as the release: in bounded memory, whatever the number of files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from chorus_nb.processes.programs import scratch

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"  # of DuckDB; what needs more goes to the run's scratch


@contextlib.contextmanager
def in_bounded_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over tables as long as the release: in bounded memory, what needs more goes to the run's scratch."""
    import duckdb  # slow to import, and the commands that need none of it wait for nobody

    with scratch() as folder, duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": folder}) as connection:
        yield connection


def in_parts(answer: duckdb.DuckDBPyRelation, most: int) -> Iterator[pa.Table]:
    """The rows of ``answer``, ``most`` at a time, however they come: what is made of them is the same in every run."""
    reader = answer.to_arrow_reader(most)
    held = reader.schema.empty_table()
    for batch in reader:
        held = pa.concat_tables([held, pa.Table.from_batches([batch])])
        while held.num_rows > most:
            yield held.slice(0, most)
            held = held.slice(most)
    yield held
