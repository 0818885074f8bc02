"""A database behind an SQLAlchemy URL: opened, its OMOP tables, and its faults told without password or value."""

from __future__ import annotations

import contextlib
import csv
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from blake3 import blake3
from sqlalchemy import JSON, Engine, MetaData, Select, Text, create_engine, event, inspect, select
from sqlalchemy import Table as DatabaseTable
from sqlalchemy.dialects.postgresql.base import PGInspector
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.types import NullType

from chorus_nb.errors import InputError
from chorus_nb.omop.cdm import cdm, in_cdm_order
from chorus_nb.tables.cells import csv_writer

ROWS_FETCHED = 10_000
SYSTEM_SCHEMAS = ("information_schema", "pg_", "mysql", "performance_schema", "sys")
ANSWERS_WITHIN = 20  # seconds in which a server is connected to; drivers would wait for minutes
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}


ENCODE = "cannot be told apart into user, password, host and port: write @ : / ? # of a password as %40 %3A %2F %3F %23"
WITHOUT_ORDER = (JSON, NullType)  # types that PostgreSQL sorts no rows by: json, xml, and what SQLAlchemy does not know


class OmopDatabase:
    """The tables of one ``schema`` of a database; "" is the one that its user sees first."""

    def __init__(self, value: str, schema: str = "") -> None:
        self.value, self.schema = value, schema
        with engine("omop", value) as opened:
            inspector = inspect(opened)
            found = _omop_tables(inspector, schema or None)
            self._called = {name.lower(): name for name in found}
            self._place = _place(opened.url) + f", schema {schema}" * bool(schema)
            self._elsewhere = (
                {} if self._called else {name: _omop_tables(inspector, name) for name in _schemas(inspector)}
            )
        for name in found:
            if name != self._called[name.lower()]:  # in quotation marks, letters count
                raise InputError(f"omop: two tables for {name.lower()}: {self._called[name.lower()]} and {name}")

    def names(self) -> dict[str, str]:
        """The tables of CDM 5.4 by name, and what they are called there."""
        return self._called

    def form(self, table: str) -> str:
        return self._place

    def hint(self, table: str) -> str:
        return schema_hint({schema for schema, names in self._elsewhere.items() if table in map(str.lower, names)})

    def read(self, table: str, wanted: set[str]) -> pd.DataFrame:
        """The wanted columns as text, their names in small letters."""
        with engine("omop", self.value) as opened, opened.connect() as connection:
            asked = self._select(opened, table, wanted)
            if asked is None:
                return pd.DataFrame()
            found = connection.execution_options(yield_per=ROWS_FETCHED).execute(asked)
            rows = [["" if value is None else str(_said(value)) for value in row] for row in found]
            return pd.DataFrame(rows, columns=[column.name.lower() for column in asked.selected_columns], dtype=str)

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
        with engine("omop", self.value) as opened, opened.connect() as connection:
            asked = self._select(opened, table)
            assert asked is not None
            found = connection.execution_options(yield_per=ROWS_FETCHED).execute(asked)
            with target.open("w", newline="", encoding="utf-8") as file:
                writer = csv_writer(file)
                writer.writerow(column.name.lower() for column in asked.selected_columns)
                writer.writerows(map(_said, row) for row in found)

    def _select(self, opened: Engine, table: str, wanted: set[str] | None = None) -> Select[Any] | None:
        reflected = DatabaseTable(
            self._called[table], MetaData(), schema=self.schema or None, autoload_with=opened, resolve_fks=False
        )
        names = [column.name for column in reflected.c if wanted is None or column.name.lower() in wanted]
        columns = [reflected.c[name] for name in in_cdm_order(table, names)]
        order = reflected.primary_key or (c.cast(Text) if isinstance(c.type, WITHOUT_ORDER) else c for c in reflected.c)
        return select(*columns).order_by(*order) if columns else None


def _said(value: Any) -> Any:
    """A value of a database; bytes as the text that they are."""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | bytearray | memoryview) else value


def content_digest(read: pd.DataFrame) -> str:
    """BLAKE3 of what was read of a table that is no file."""
    return blake3(read.to_csv(index=False).encode("utf-8", "surrogatepass")).hexdigest()


def schema_hint(schemas: set[str]) -> str:
    """What to do about a table that lies in other schemas than the one that was asked."""
    return f"; it is in schema {', '.join(sorted(schemas))}: set omop_schema" if schemas else ""


def _omop_tables(inspector: Inspector, schema: str | None) -> list[str]:
    """The tables of CDM 5.4, as they are called there: tables, views, and what PostgreSQL has besides."""
    names = [*inspector.get_table_names(schema=schema), *inspector.get_view_names(schema=schema)]
    if isinstance(inspector, PGInspector):
        names += [*inspector.get_materialized_view_names(schema=schema), *inspector.get_foreign_table_names(schema)]
    known = set(cdm()["table"])
    return sorted(name for name in {*names} if name.lower() in known)


def _schemas(inspector: Inspector) -> list[str]:
    """The schemas of the database that this user may see."""
    return [name for name in inspector.get_schema_names() if not name.startswith(SYSTEM_SCHEMAS)]


@contextlib.contextmanager
def engine(name: str, value: str, within: int = ANSWERS_WITHIN) -> Iterator[Engine]:
    """The engine for parameter ``name``, whose ``value`` is a URL or ``env:NAME``; disposed of when the block ends.
    ``within``: seconds in which the server is connected to.

    What the database refuses inside the block becomes an :class:`InputError`: rights, a missing table, another shape.
    """
    url = _url(name, value)
    try:
        opened = create_engine(url, pool_pre_ping=True, connect_args=_settings(url, within))
    except (ImportError, NoSuchModuleError):  # also of a driver whose own library is not on the system
        raise InputError(f"{name}: no driver for {url.drivername}; {_driver(url.get_backend_name())}") from None
    if url.drivername == DRIVERS["postgresql"]:
        event.listen(opened, "connect", _dates_as_they_are)
    try:
        yield opened
    except DBAPIError as error:
        raise InputError(f"{name}: {_fault(error)} ({_place(url)})") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: a text is not in the encoding that the database names ({_place(url)})") from None
    except SQLAlchemyError:
        raise InputError(f"{name}: the database refused ({_place(url)})") from None
    finally:
        opened.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file; put together by hand, ``%20`` or ``?`` in the name of a folder would lead elsewhere."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def _url(name: str, value: str) -> URL:
    if value.startswith("env:") and not (value := os.environ.get(variable := value[4:], "")):
        raise InputError(f"{name}: environment variable {variable} is not set")
    try:
        url = make_url(value)
    except ArgumentError:
        raise InputError(f"{name}: is not an SQLAlchemy URL such as postgresql://user@host/database") from None
    except ValueError:  # of a port that is no number
        raise InputError(f"{name}: {ENCODE}") from None
    if url.host and value.count("@") > 1:  # a part of the password would pass for the host, the database or a setting
        raise InputError(f"{name}: {ENCODE}")
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def _place(url: URL) -> str:
    """Where the database is, without the user and the password."""
    return f"{url.get_backend_name()} at {url.host or 'this machine'}, database {url.database or 'default'}"


def _settings(url: URL, within: int) -> dict[str, int | str]:
    """How long a driver of ours tries to connect, and that PostgreSQL gives text, where the URL does not say it."""
    made: dict[str, int | str] = {"connect_timeout": within} if url.drivername in DRIVERS.values() else {}
    if url.drivername == DRIVERS["postgresql"]:
        made["client_encoding"] = "utf8"  # of a database in SQL_ASCII psycopg gives bytes
    return {name: value for name, value in made.items() if name not in url.query}


def _dates_as_they_are(connection: Any, _: object) -> None:
    """Have psycopg give a date that Python has none for (``infinity``, before the year 1) as its text."""
    import psycopg
    from psycopg.types import datetime as loaders

    def lenient(kind: Any) -> Any:
        def load(self: Any, data: Any) -> Any:
            try:
                return kind.load(self, data)
            except psycopg.DataError:
                return bytes(data).decode("utf-8", "replace")

        return type(kind.__name__, (kind,), {"load": load})

    for name, kind in (
        ("date", loaders.DateLoader),
        ("timestamp", loaders.TimestampLoader),
        ("timestamptz", loaders.TimestamptzLoader),
    ):
        connection.adapters.register_loader(name, lenient(kind))


def _driver(backend: str) -> str:
    """What to install and how the URL begins, from ``database_drivers.csv``."""
    for row in _rows("database_drivers"):
        if row["backend"] == backend:
            return f"{row['install']}; the URL then is {row['url']}"
    known = ", ".join(row["backend"] for row in _rows("database_drivers"))
    return f"install its dialect of SQLAlchemy, or use one of {known}"


@functools.cache
def _rows(name: str) -> list[dict[str, str]]:
    lines = Path(__file__).with_name(f"{name}.csv").read_text(encoding="utf-8").splitlines()[1:]
    return list(csv.DictReader(lines))


def _fault(error: DBAPIError) -> str:
    """The first row of ``database_faults.csv`` that the driver's error meets."""
    original, text = error.orig, str(error.orig)
    codes = {str(code) for code in (*getattr(original, "args", ())[:1], getattr(original, "sqlstate", ""))}
    for row in _rows("database_faults"):
        mark, _, number = row["mark"].partition(" ") if row["by"] == "sql_server" else (row["mark"], "", "")
        if (mark in text) if row["by"] == "text" else mark in codes and (not number or f"({number})" in text):
            return row["words"]
    return "the connection was lost; run it again" if error.connection_invalidated else "the database refused"
