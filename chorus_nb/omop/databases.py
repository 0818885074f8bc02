"""A database behind an SQLAlchemy URL: opened, and its faults told in one line without password or value."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

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


# PostgreSQL tells by SQLSTATE, MySQL and MariaDB by number; SQLite and a refused connection only by their text.
_BY_CODE = {
    **dict.fromkeys(("28P01", "28000", "1045"), "user or password refused"),
    **dict.fromkeys(("42501", "1142", "1044"), "rights are missing"),
    **dict.fromkeys(("3D000", "1049"), "no such database"),
    **dict.fromkeys(("42P01", "1146"), "no such table"),
    **dict.fromkeys(("42703", "1054"), "a table has other columns than expected"),
    **dict.fromkeys(("23502", "23503", "23505", "1048", "1062", "1452"), "a row breaks a constraint of the table"),
    **dict.fromkeys(("22003", "1264"), "a number does not fit its column"),
    **dict.fromkeys(("2002", "2003"), "cannot be reached"),
}
_BY_TEXT = {
    "password authentication failed": "user or password refused",
    "permission denied": "rights are missing",
    "readonly database": "rights are missing",
    "no such table": "no such table",
    "no such column": "a table has other columns than expected",
    "has no column": "a table has other columns than expected",
    "constraint failed": "a row breaks a constraint of the table",
    "unable to open": "cannot be opened",
    "does not exist": "no such database",
    "refused": "cannot be reached",
    "resolve": "cannot be reached",
    "timeout": "cannot be reached",
}


def _fault(error: DBAPIError) -> str:
    original = error.orig
    codes = [str(code) for code in (*getattr(original, "args", ())[:1], getattr(original, "sqlstate", ""))]
    if known := [_BY_CODE[code] for code in codes if code in _BY_CODE]:
        return known[0]
    text = str(original)
    return next((words for mark, words in _BY_TEXT.items() if mark in text), type(original).__name__)
