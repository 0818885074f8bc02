"""Tables as long as the release, asked by SQL: in bounded memory, whatever the number of files."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from chorus_nb import tables
from chorus_nb.processes.queries import in_bounded_memory, in_parts, load_csv
from chorus_nb.workspace import Workspace, replacing

ROWS_WRITTEN = 1 << 20  # of what is written, in memory at once and in a row group
PATHS_HELD = 50_000


@contextlib.contextmanager
def asking(workspace: Workspace, *asked: tables.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows these tables by their names."""
    with in_bounded_memory() as connection:
        for table in asked:
            if table.format == "parquet":
                connection.read_parquet(glob.escape(str(workspace.opened(table)))).create_view(table.name)
            else:
                load_csv(connection, workspace.made(table), table)
        yield connection


def hold_paths(connection: duckdb.DuckDBPyConnection, name: str, paths: Iterable[str]) -> None:
    """A table ``name`` with the one column ``path``."""
    connection.execute(f"CREATE TABLE {name} (path VARCHAR)")
    held: list[str] = []
    for path in paths:
        held.append(path)
        if len(held) == PATHS_HELD:
            add_rows(connection, name, pa.table({"path": held}))
            held = []
    add_rows(connection, name, pa.table({"path": pa.array(held, pa.string())}))


def add_rows(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Add ``rows`` to the table ``name``."""
    connection.register("added", rows)
    connection.execute(f"INSERT INTO {name} SELECT * FROM added")
    connection.unregister("added")


def write_answer(workspace: Workspace, table: tables.Table, answer: duckdb.DuckDBPyRelation) -> None:
    """Make ``answer`` the ``table`` (Parquet); left alone where it is so already."""
    with (
        replacing(workspace.path(table), if_changed=True) as new,
        pq.ParquetWriter(new, table.schema, compression="zstd") as writer,
    ):
        for part in in_parts(answer, ROWS_WRITTEN):
            writer.write_table(tables.fitted(table, part).combine_chunks())
