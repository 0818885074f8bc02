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
from sqlalchemy import Engine, MetaData, Select, create_engine, inspect, select
from sqlalchemy import Table as DatabaseTable
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from chorus_nb.errors import InputError
from chorus_nb.omop.cdm import cdm, in_cdm_order
from chorus_nb.tables.cells import csv_writer

ROWS_FETCHED = 10_000
SYSTEM_SCHEMAS = ("information_schema", "pg_", "mysql", "performance_schema", "sys")
ANSWERS_WITHIN = 20  # seconds in which a server is connected to; drivers would wait for minutes
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}


class OmopDatabase:
    """The tables of one ``schema`` of a database; "" is the one that its user sees first."""

    def __init__(self, value: str, schema: str = "") -> None:
        self.value, self.schema = value, schema
        with engine("omop", value) as opened:
            inspector = inspect(opened)
            self._called = _omop_names(inspector, schema or None)
            self._place = _place(opened.url) + f", schema {schema}" * bool(schema)
            self._elsewhere = (
                {} if self._called else {name: _omop_names(inspector, name) for name in _schemas(inspector)}
            )

    def names(self) -> dict[str, str]:
        """The tables of CDM 5.4 by name, and what they are called there."""
        return self._called

    def form(self, table: str) -> str:
        return self._place

    def hint(self, table: str) -> str:
        return schema_hint({schema for schema, names in self._elsewhere.items() if table in names})

    def read(self, table: str, wanted: set[str]) -> pd.DataFrame:
        """The wanted columns as text, their names in small letters."""
        with engine("omop", self.value) as opened, opened.connect() as connection:
            asked = self._select(opened, table, wanted)
            if asked is None:
                return pd.DataFrame()
            found = connection.execution_options(yield_per=ROWS_FETCHED).execute(asked)
            rows = [["" if value is None else str(value) for value in row] for row in found]
            return pd.DataFrame(rows, columns=[column.name.lower() for column in asked.selected_columns], dtype=str)

    def digest(self, table: str, read: pd.DataFrame) -> str:
        return content_digest(read)

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
                writer.writerows(found)

    def _select(self, opened: Engine, table: str, wanted: set[str] | None = None) -> Select[Any] | None:
        reflected = DatabaseTable(
            self._called[table], MetaData(), schema=self.schema or None, autoload_with=opened, resolve_fks=False
        )
        names = [column.name for column in reflected.c if wanted is None or column.name.lower() in wanted]
        columns = [reflected.c[name] for name in in_cdm_order(table, names)]
        return select(*columns).order_by(*reflected.primary_key or reflected.c) if columns else None


def content_digest(read: pd.DataFrame) -> str:
    """BLAKE3 of what was read of a table that is no file."""
    return blake3(read.to_csv(index=False).encode("utf-8", "surrogatepass")).hexdigest()


def schema_hint(schemas: set[str]) -> str:
    """What to do about a table that lies in other schemas than the one that was asked."""
    return f"; it is in schema {', '.join(sorted(schemas))}: set omop_schema" if schemas else ""


def _omop_names(inspector: Inspector, schema: str | None) -> dict[str, str]:
    found = (*inspector.get_view_names(schema=schema), *inspector.get_table_names(schema=schema))
    known = set(cdm()["table"])
    return {name.lower(): name for name in found if name.lower() in known}


def _schemas(inspector: Inspector) -> list[str]:
    """The schemas of the database that this user may see."""
    return [name for name in inspector.get_schema_names() if not name.startswith(SYSTEM_SCHEMAS)]


@contextlib.contextmanager
def engine(name: str, value: str) -> Iterator[Engine]:
    """The engine for parameter ``name``, whose ``value`` is a URL or ``env:NAME``; disposed of when the block ends.

    What the database refuses inside the block becomes an :class:`InputError`: rights, a missing table, another shape.
    """
    url = _url(name, value)
    try:
        opened = create_engine(url, pool_pre_ping=True, connect_args=_limits(url))
    except (ImportError, NoSuchModuleError):  # also of a driver whose own library is not on the system
        raise InputError(f"{name}: no driver for {url.drivername}; {_driver(url.get_backend_name())}") from None
    try:
        yield opened
    except DBAPIError as error:
        raise InputError(f"{name}: {_fault(error)} ({_place(url)})") from None
    except SQLAlchemyError:
        raise InputError(f"{name}: the database refused ({_place(url)})") from None
    finally:
        opened.dispose()


def _url(name: str, value: str) -> URL:
    if value.startswith("env:"):
        value = os.environ.get(value[4:], "")
    try:
        url = make_url(value)
    except ArgumentError:
        raise InputError(f"{name}: is not an SQLAlchemy URL such as postgresql://user@host/database") from None
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def _place(url: URL) -> str:
    """Where the database is, without the user and the password."""
    return f"{url.get_backend_name()} at {url.host or 'this machine'}, database {url.database or 'default'}"


def _limits(url: URL) -> dict[str, int]:
    """How long a driver of ours tries to connect, where the URL does not say it."""
    ours = url.drivername in DRIVERS.values() and "connect_timeout" not in url.query
    return {"connect_timeout": ANSWERS_WITHIN} if ours else {}


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
    return "the database refused"
