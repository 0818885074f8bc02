"""What has been done so far, file by file, so that a rerun skips it: an SQLite file with one writer.

A row is written only after the file stands in the release, so a killed run repeats at most what it had not recorded.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType

import pandas as pd
import pyarrow as pa

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.workspace import Workspace

LEDGER_FILE = "ledger.sqlite"  # below local/
PATIENCE = 10.0  # seconds another process may take to read
DAMAGED = "local/ledger.sqlite is damaged; delete it and run 03_run_deid again, which examines all files again"
RESUME = "what is done is kept; run again, it goes on where it stopped"
FAULTS = {  # by the beginning of SQLite's name for it
    "SQLITE_BUSY": "another run is at work in this workspace; wait for it or stop it",
    "SQLITE_LOCKED": "another run is at work in this workspace; wait for it or stop it",
    "SQLITE_FULL": f"local/ledger.sqlite cannot be written: the disk is full; {RESUME}",
    "SQLITE_IOERR": f"local/ledger.sqlite cannot be read or written on this disk; {RESUME}",
    "SQLITE_CANTOPEN": f"local/ledger.sqlite cannot be opened: look at its permissions; {RESUME}",
    "SQLITE_READONLY": f"local/ledger.sqlite cannot be written: look at its permissions; {RESUME}",
}
_SCHEMA = pa.schema(
    [*tables.OUTCOMES.schema, ("fingerprint", pa.string()), ("target_size", pa.int64()), ("part", pa.string())]
)

MADE_FROM = (
    *("known", "size", "modified_ns", "target_path", "person_id", "days_shifted", "image_occurrence_id"),
    *("boxes", "face_mask", "text_checked"),
)
"""Columns of the worklist of which a fingerprint is made, with what is the same for all files (``run_settings``)."""
_RESTED = ("fingerprint", *MADE_FROM, "settings")

_NOTHING = {column.name: "" if column.type == pa.string() else 0 for column in _SCHEMA}


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    """What a damaged file does to its reader, in one line: SQLite's and Arrow's own words may quote a value."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):  # ours, not the file's
        raise
    except (sqlite3.DatabaseError, pa.ArrowException, UnicodeDecodeError) as error:
        name = getattr(error, "sqlite_errorname", "")
        fault = next((words for start, words in FAULTS.items() if name.startswith(start)), DAMAGED)
        raise WorkbenchError(fault) from None


class Ledger:
    """Outcomes of files that were read, with the fingerprint of what each depends on."""

    def __init__(self, workspace: Workspace) -> None:
        self.path = workspace.local / LEDGER_FILE

    def __enter__(self) -> Ledger:
        self.connection = sqlite3.connect(self.path, timeout=PATIENCE)
        with _whole(), contextlib.ExitStack() as closing:
            closing.callback(self.connection.close)
            # One process at a time; and without shared memory, which a network file system may not have.
            self.connection.execute("pragma locking_mode = exclusive")
            # Write-ahead: a commit survives a killed process; after a power cut the last ones may be done again.
            self.connection.execute("pragma journal_mode = wal")
            self.connection.execute("pragma synchronous = normal")
            self.connection.execute("pragma secure_delete = on")  # no byte stays of what a row said before
            found = [row[1] for row in self.connection.execute("pragma table_info(outcome)")]
            if found and found != _SCHEMA.names:  # of another version: everything is examined again
                self.connection.execute("drop table outcome")
            columns = ", ".join(f'"{name}"' for name in _SCHEMA.names[1:])
            self.connection.execute(f"create table if not exists outcome (source_path text primary key, {columns})")
            columns = ", ".join(_RESTED[1:])
            self.connection.execute(f"create table if not exists rested (fingerprint text primary key, {columns})")
            closing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    @_whole()
    def record(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add or replace rows, all or none."""
        marks = ", ".join("?" * len(_SCHEMA.names))
        values = [tuple(row.get(name, nothing) for name, nothing in _NOTHING.items()) for row in rows]
        with contextlib.closing(self.connection.cursor()) as cursor, self.connection:
            cursor.executemany(f"insert or replace into outcome values ({marks})", values)

    @_whole()
    def note_rests(self, files: pd.DataFrame) -> None:
        """Keep what the fingerprints of these rows of the worklist are made of."""
        values = zip(*(files[name].tolist() for name in _RESTED), strict=True)
        with self.connection:
            self.connection.executemany(
                f"insert or ignore into rested values ({', '.join('?' * len(_RESTED))})", values
            )

    @_whole()
    def forget(self, source_paths: Iterable[str]) -> None:
        with self.connection:
            self.connection.executemany("delete from outcome where source_path = ?", ((path,) for path in source_paths))

    @_whole()
    def rename_part(self, old: str, new: str) -> None:
        """Files whose changes stood in part ``old`` of the crosswalk have them in ``new``."""
        with self.connection:
            self.connection.execute("update outcome set part = ? where part = ?", (new, old))

    @_whole()
    def shred(self, source_paths: Iterable[str]) -> None:
        """:meth:`forget`, so that nothing of these rows stands in the bytes of the file any more."""
        self.forget(source_paths)
        self.tidy()
        self.connection.execute("vacuum")
        self.connection.execute("pragma wal_checkpoint(truncate)")

    @_whole()
    def tidy(self) -> set[str]:
        """Keep only what a row rests on; returns the settings among it."""
        with self.connection:
            self.connection.execute("delete from rested where fingerprint not in (select fingerprint from outcome)")
        return {name for (name,) in self.connection.execute("select distinct settings from rested")}

    @_whole()
    def rested(self) -> pd.DataFrame:
        """What the rows rest on: ``source_path`` and the columns of the worklist as they were."""
        columns = ", ".join(f"rested.{name}" for name in _RESTED[1:])
        rows = self.connection.execute(f"select source_path, {columns} from outcome join rested using (fingerprint)")
        return pd.DataFrame(rows.fetchall(), columns=["source_path", *_RESTED[1:]])

    def known(self) -> pd.DataFrame:
        """Of every file what tells whether it is to be done again."""
        return self._read(("source_path", "fingerprint", "status", "reason", "target_path", "target_size"))

    def rows(self) -> pd.DataFrame:
        """Every row, as in ``outcomes``."""
        return self._read(tables.OUTCOMES.column_names)

    def parts(self, source_paths: Collection[str] | None = None) -> pd.DataFrame:
        """Which part of the crosswalk holds a file: each of these, or every one."""
        columns, held = ("source_path", "part"), "part <> ''"
        if source_paths is None:
            return self._read(columns, held)
        asked = json.dumps(list(source_paths))
        return self._read(columns, f"{held} and source_path in (select value from json_each(?))", (asked,))

    def kept(self) -> pd.DataFrame:
        """Of every released file the digest of its original, and the part that keeps the rest of it."""
        found = self._read(("source_path", "source_digest", "part"), "status = 'released' and part <> ''")
        return found.rename(columns={"source_digest": "digest"})

    @_whole()
    def part_names(self) -> set[str]:
        """Every part of the crosswalk that holds a file."""
        return {part for (part,) in self.connection.execute("select distinct part from outcome where part <> ''")}

    @_whole()
    def _read(self, columns: Sequence[str], where: str = "true", values: Sequence[str] = ()) -> pd.DataFrame:
        """Text is held by Arrow, several times smaller than Python's, so that millions of rows fit into memory."""
        schema = pa.schema([_SCHEMA.field(name) for name in columns])
        sql = f"select {', '.join(columns)} from outcome where {where} order by source_path"
        cursor = self.connection.execute(sql, values)
        held = [schema.empty_table()]
        while rows := cursor.fetchmany(10_000):
            arrays = [
                pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
            ]
            held.append(pa.table(arrays, schema))
        return pa.concat_tables(held).to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)
