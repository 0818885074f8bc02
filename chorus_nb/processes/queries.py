"""Questions by SQL to tables as long as the release: in bounded memory, whatever the number of files."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from chorus_nb import tables
from chorus_nb.errors import SchemaError
from chorus_nb.processes.programs import scratch

if TYPE_CHECKING:
    import duckdb

SQL_TYPES = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "truth": "BOOLEAN"}
MEMORY = "1GB"  # of DuckDB; what needs more goes to the run's scratch


@contextlib.contextmanager
def in_bounded_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over tables as long as the release: in bounded memory, what needs more goes to the run's scratch."""
    import duckdb  # slow to import, and the commands that need none of it wait for nobody

    with scratch() as folder, duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": folder}) as connection:
        yield connection


def load_csv(connection: duckdb.DuckDBPyConnection, path: Path, table: tables.Table) -> None:
    """A CSV table of the release, by its name: no cell of it is another text than it says, and DuckDB goes by the
    columns' order."""
    kinds = {column.name: SQL_TYPES[column.kind] for column in table.columns}
    with tables.reading(f"{path.parent.name}/{path.name}", table.if_damaged):
        with path.open("rb") as file:
            if file.readline().rstrip() != tables.csv_head(table).rstrip():
                raise SchemaError(f"{table.name}: its columns are not those of the table, in their order")
        written = connection.read_csv(glob.escape(str(path)), columns=kinds, header=True, sep=",", quotechar='"')
        written.create(table.name)


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
