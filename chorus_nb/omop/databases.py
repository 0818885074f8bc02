"""A database behind an SQLAlchemy URL: opened, and its faults told in one line without password or value."""

from __future__ import annotations

import contextlib
import csv
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from chorus_nb.errors import InputError

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}


@contextlib.contextmanager
def engine(name: str, value: str) -> Iterator[Engine]:
    """The engine for parameter ``name``, whose ``value`` is a URL or ``env:NAME``; disposed of when the block ends.

    What the database refuses inside the block becomes an :class:`InputError`: rights, a missing table, another shape.
    """
    url = _url(name, value)
    try:
        opened = create_engine(url, pool_pre_ping=True)
    except (ModuleNotFoundError, NoSuchModuleError):
        raise InputError(f"{name}: no driver for {url.drivername}; pip install 'chorus-nb[databases]'") from None
    try:
        yield opened
    except DBAPIError as error:
        raise InputError(f"{name}: {_fault(error)} ({_place(url)})") from None
    except SQLAlchemyError as error:
        raise InputError(f"{name}: {type(error).__name__} ({_place(url)})") from None
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


@functools.cache
def _faults(by: str) -> dict[str, str]:
    """``database_faults.csv``: what a code, or else a text, means."""
    lines = Path(__file__).with_name("database_faults.csv").read_text(encoding="utf-8").splitlines()[1:]
    return {row["mark"]: row["words"] for row in csv.DictReader(lines) if row["by"] == by}


def _fault(error: DBAPIError) -> str:
    original = error.orig
    codes = [str(code) for code in (*getattr(original, "args", ())[:1], getattr(original, "sqlstate", ""))]
    if known := [_faults("code")[code] for code in codes if code in _faults("code")]:
        return known[0]
    text = str(original)
    return next((words for mark, words in _faults("text").items() if mark in text), type(original).__name__)
