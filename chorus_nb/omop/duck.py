"""Parquet and DuckDB files, read by DuckDB: every value as the text that it stands for."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import available_timezones

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chorus_nb.errors import InputError
from chorus_nb.omop.cdm import cdm, in_cdm_order
from chorus_nb.omop.databases import content_digest, schema_hint
from chorus_nb.processes.queries import connected

ALONE = {  # a run opens no connection
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
UNIVERSAL = {"UTC", "Etc/UTC", "Universal", "Etc/Universal", "Zulu", "Etc/Zulu", "UCT", "Etc/UCT", "GMT", "Etc/GMT"}
_TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_catalog = current_database() AND table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY ALL
"""


class OmopDuckDB:
    """A DuckDB file; ``schema`` "" is its own default."""

    def __init__(self, path: Path, schema: str = "") -> None:
        self.path, self.schema = path, schema or "main"
        with self._opened() as connection:
            found = connection.execute(_TABLES).fetchall()
        known = set(cdm()["table"])
        self._found = [(schema, name) for schema, name in found if name.lower() in known]

    def names(self) -> dict[str, str]:
        """The tables of CDM 5.4 by name, and what they are called there."""
        return {name.lower(): name for schema, name in self._found if schema.lower() == self.schema.lower()}

    def form(self, table: str) -> str:
        return f"DuckDB, schema {self.schema}"

    def hint(self, table: str) -> str:
        return schema_hint({schema for schema, name in self._found if name.lower() == table})

    def read(self, table: str, wanted: set[str]) -> pd.DataFrame:
        """The wanted columns as text, their names in small letters."""
        with self._opened() as connection:
            return texts_of(self._relation(connection, table), wanted)

    def left_out(self, table: str) -> dict[int, str]:
        return {}

    def digest(self, table: str, read: pd.DataFrame) -> str:
        return content_digest(read)

    def file_digest(self, table: str) -> str:
        return ""

    def plain(self, table: str) -> None:
        return None

    def write_plain(self, table: str, target: Path) -> None:
        """The table as CSV, in the order of the CDM."""
        with self._opened() as connection:
            found = self._relation(connection, table)
            write_csv(found, in_cdm_order(table, found.columns), target)

    def _relation(self, connection: duckdb.DuckDBPyConnection, table: str) -> duckdb.DuckDBPyRelation:
        return connection.table(f"{_quoted(self.schema)}.{_quoted(self.names()[table])}").order("ALL")

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with connected(str(self.path), access_mode="READ_ONLY", **ALONE) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                yield connection
        except duckdb.IOException:
            raise InputError(
                f"omop: cannot be opened; another program may be writing to it: {self.path.name}"
            ) from None
        except duckdb.Error:
            raise InputError(f"omop: {self.path.name} is not a readable DuckDB file") from None


@contextmanager
def parquet(name: str, parts: list[Path]) -> Iterator[duckdb.DuckDBPyRelation]:
    """The rows of a Parquet table; instants as the clock of the zone that the file names shows them, else of UTC."""
    try:
        with connected(**ALONE) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            files = [glob.escape(str(part)) for part in parts]
            said = [f"timezone('{zone}', {_quoted(name)}) AS {_quoted(name)}" for name, zone in _zones(parts).items()]
            columns = f"* REPLACE ({', '.join(said)})" if said else "*"
            yield connection.from_query(
                f"SELECT {columns} FROM read_parquet(?, binary_as_string = true, union_by_name = true)", params=[files]
            )
    except duckdb.Error:
        raise InputError(f"omop: {name} is not a readable Parquet table") from None


def _zones(parts: list[Path]) -> dict[str, str]:
    """The columns of instants for which the writer named a zone of its own: a site's clock, not UTC."""
    try:
        schemas = [pq.read_schema(part) for part in parts]
    except (pa.ArrowException, OSError):  # DuckDB says what it finds
        return {}
    named = {field.name: str(getattr(field.type, "tz", None) or "") for schema in schemas for field in schema}
    return {name: zone for name, zone in named.items() if zone in available_timezones() - UNIVERSAL}


def texts_of(found: duckdb.DuckDBPyRelation, wanted: set[str]) -> pd.DataFrame:
    """The wanted columns of a relation as text, nothing as ""."""
    names = [name for name in found.columns if name.strip().lower() in wanted]
    if not names:
        return pd.DataFrame()
    frame = found.project(", ".join(f"coalesce({_text(name)}, '')" for name in names)).df()
    frame.columns = pd.Index([name.strip().lower() for name in names])
    return frame


def write_csv(found: duckdb.DuckDBPyRelation, names: list[str], target: Path) -> None:
    """The columns ``names`` of a relation as CSV with commas, nothing blank."""
    project = ", ".join(f"{_text(name)} AS {_quoted(name.strip().lower())}" for name in names)
    found.project(project).write_csv(str(target), header=True)


def _text(name: str) -> str:
    return f"CAST({_quoted(name)} AS VARCHAR)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
