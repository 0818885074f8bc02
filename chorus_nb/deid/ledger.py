"""What has been done so far, file by file, so that a rerun skips it: an SQLite file with one writer.

A row is written only after the file stands in the release, so a killed run repeats at most what it had not recorded.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType

import pandas as pd
import pyarrow as pa

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.workspace import Workspace

PATIENCE = 10.0  # seconds another process may take to read
_COLUMNS = (*tables.OUTCOMES.column_names, "fingerprint", "target_size", "part")


class Ledger:
    """Outcomes of files that were read, with the fingerprint of what each depends on."""

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.local / "ledger.sqlite"

    def __enter__(self) -> Ledger:
        self.connection = sqlite3.connect(self.path, timeout=PATIENCE)
        try:
            # One process at a time; and without shared memory, which a network file system may not have.
            self.connection.execute("pragma locking_mode = exclusive")
            # Write-ahead: a commit survives a killed process; after a power cut the last ones may be done again.
            self.connection.execute("pragma journal_mode = wal")
            self.connection.execute("pragma synchronous = normal")
            found = [row[1] for row in self.connection.execute("pragma table_info(outcome)")]
            if found and found != list(_COLUMNS):  # of another version: everything is examined again
                self.connection.execute("drop table outcome")
            columns = ", ".join(f'"{name}"' for name in _COLUMNS[1:])
            self.connection.execute(f"create table if not exists outcome (source_path text primary key, {columns})")
        except sqlite3.DatabaseError as error:
            self.connection.close()
            if "locked" in str(error):
                raise WorkbenchError("another run is at work in this workspace; wait for it or stop it") from None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def record(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add or replace rows, all or none."""
        marks = ", ".join("?" * len(_COLUMNS))
        values = [tuple(row.get(name, "") for name in _COLUMNS) for row in rows]
        with contextlib.closing(self.connection.cursor()) as cursor, self.connection:
            cursor.executemany(f"insert or replace into outcome values ({marks})", values)

    def forget(self, source_paths: Iterable[str]) -> None:
        with self.connection:
            self.connection.executemany("delete from outcome where source_path = ?", ((path,) for path in source_paths))

    def known(self) -> pd.DataFrame:
        """Of every file what tells whether it is to be done again."""
        return self._read(("source_path", "fingerprint", "status", "reason", "target_path", "target_size"))

    def rows(self) -> pd.DataFrame:
        """Every row, as in ``outcomes``."""
        return self._read(tables.OUTCOMES.column_names)

    def _read(self, columns: Sequence[str]) -> pd.DataFrame:
        """Text is held by Arrow, several times smaller than Python's, so that millions of rows fit into memory."""
        query = f"select {', '.join(columns)} from outcome order by source_path"
        chunks = pd.read_sql_query(query, self.connection, chunksize=10_000)
        held = [pa.Table.from_pandas(chunk, preserve_index=False) for chunk in chunks]
        texts = {pa.string(): pd.StringDtype("pyarrow"), pa.large_string(): pd.StringDtype("pyarrow")}
        return pa.concat_tables(held, promote_options="permissive").to_pandas(types_mapper=texts.get)

    def parts(self) -> pd.DataFrame:
        """Which part of the crosswalk holds a file."""
        return pd.read_sql_query("select source_path, part from outcome where part <> ''", self.connection)
