"""A table of the site's OMOP data with the columns and types of CDM 5.4, wherever it lies."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from chorus_nb.errors import InputError
from chorus_nb.omop.cdm import IMAGE_OCCURRENCE, LARGEST_EXACT, LARGEST_INTEGER, VISIT_TABLE, cdm_fields
from chorus_nb.omop.files import OmopFolder
from chorus_nb.parameters import Parameters, resolve
from chorus_nb.tables.schema import INTEGER_DTYPE, TEXT_DTYPE

if TYPE_CHECKING:
    from chorus_nb.workspace import Workspace

NULL_WORDS = ("NULL", r"\N")  # what databases write for it into a file
NO_NUMBERS = (
    *NULL_WORDS,
    "NA",
    "N/A",
    "NAN",
    "NONE",
    "<NA>",
    "NAT",
    "INFINITY",
    "-INFINITY",
    "(NULL)",
    ".",
)  # R, pandas, PostgreSQL, SAS, clients: no number
CLOCK = (
    r"^(?P<day>\d{4}-\d\d-\d\d)[ T](?P<minute>\d?\d:\d\d)(?P<second>:\d\d)?(?:[.,]\d+)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm](?:\.|\b))?(?: ?(?:[Zz]|[+-]\d\d(?::?\d\d){0,2}|[A-Za-z][\w/+-]+))?$"
)
NOON = pd.Timedelta(hours=12)
LAST_SECOND = pd.Timedelta(hours=23, minutes=59, seconds=59)
CARERS = ("provider_id", "care_site_id", "location_id")
TOO_MANY = 0.01  # of the dates of a table that decides: beyond it nothing is linked on them; and of its ids
FEW_IDS = 5  # ids whose rows contradict each other are faults of single rows, unless half of a small table's are
NUMBER_TYPES = {"integer": "Int64", "float": "Float64"}
SHORT_INTEGER = "^(-?[0-9]{1,15})?$"  # what is written so is exact in any reader, and "" is none
SQLITE, DUCKDB = b"SQLite format 3", b"DUCK"  # what a file begins with, and has at its byte 8


class OmopTables(Protocol):
    """The site's tables of CDM 5.4, in whatever they are kept."""

    def names(self) -> dict[str, str]:
        """The tables that are there, and what each is called there."""

    def form(self, table: str) -> str:
        """What form the table has, in words."""

    def hint(self, table: str) -> str:
        """What may be the matter with a table that is not there, behind a semicolon; or ""."""

    def read(self, table: str, wanted: set[str]) -> pd.DataFrame:
        """The wanted columns as text, their names in small letters; nothing is ""."""

    def left_out(self, table: str) -> Mapping[int, str]:
        """The rows that are not read, by number as a spreadsheet counts, and what is wrong with each."""

    def digest(self, table: str, read: pd.DataFrame) -> str:
        """BLAKE3 of the file, or of what was ``read``."""

    def file_digest(self, table: str) -> str:
        """BLAKE3 of the file; "" where a database has the table, which may take rows at any time."""

    def plain(self, table: str) -> Path | None:
        """The file that may be delivered as it stands."""

    def write_plain(self, table: str, target: Path) -> None:
        """The table written anew as CSV with commas, in UTF-8."""


def open_omop(parameters: Parameters) -> OmopTables:
    """The tables of parameter ``omop``: a folder, a DuckDB or SQLite file, or the URL in an environment variable."""
    value, schema = parameters.omop, parameters.omop_schema
    url = os.environ.get(value[4:], "") if value.startswith("env:") else ""
    path = Path(url.removeprefix("duckdb:///")) if url.startswith("duckdb:") else resolve(value)
    if path.is_dir() and not url:
        return OmopFolder(path)
    if url.startswith("duckdb:") or (not url and _magic(path)[8:12] == DUCKDB):
        from chorus_nb.omop.duck import OmopDuckDB  # few sites need it, and every worker would import DuckDB

        return OmopDuckDB(path, schema)
    if not value.startswith("env:") and not _magic(path).startswith(SQLITE):
        raise InputError(f"omop: is no folder, and no DuckDB or SQLite file: {value}")
    from chorus_nb.omop.databases import OmopDatabase, sqlite_url  # as above

    return OmopDatabase(value if value.startswith("env:") else sqlite_url(path), schema)


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        return b""


def read_omop(source: Workspace | Parameters, table: str, *, contradicting: bool = False) -> pd.DataFrame:
    """A table of the site with the columns of CDM 5.4 in order: ``Int64``, ``Float64``, all else text.

    Empty, with the right columns, when the site does not have it. Dates and times stay as the site wrote them
    (:func:`moments` reads them). A row that repeats another is one; of rows of one id that say different things none
    is read, unless ``contradicting`` ones are asked for. A table that cannot be
    read is an :class:`InputError`, and so is an id beyond 2^31-1: it fits neither the CDM nor the registry.
    """
    parameters = source if isinstance(source, Parameters) else source.parameters
    fields, found = cdm_fields(table), pd.DataFrame()
    if parameters.omop:
        opened = open_omop(parameters)
        if table in opened.names():
            found = opened.read(table, set(fields["column"]))
            _refuse_missing(table, fields, found)
            if not isinstance(source, Parameters):
                source.note(f"omop/{opened.names()[table]}", len(found), lambda: opened.digest(table, found))
    typed = _typed(table, fields, found)
    if table == VISIT_TABLE:
        _refuse_unreadable_dates(table, typed)
    typed, wrong = _once(table, typed)
    return (pd.concat([typed, wrong]).sort_index() if contradicting else typed).reset_index(drop=True)


def contradict(table: str, rows: pd.DataFrame) -> pd.Series:
    """Which of the rows of a table, each there once, are of an id that others of them give otherwise."""
    key = f"{table}_id"
    if table == IMAGE_OCCURRENCE or key not in rows:
        return pd.Series(False, rows.index)
    return rows[key].duplicated(keep=False)


def _once(table: str, typed: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a table, each once, and those of an id that others give otherwise; :class:`InputError` where these
    are so many that the column is no id."""
    key, several = f"{table}_id", typed[contradict(table, typed)]
    if several.empty:
        return typed, several
    typed = typed.drop(several.index[several.duplicated()])
    wrong = typed[contradict(table, typed)]
    ids, every = wrong[key].nunique(dropna=False), typed[key].nunique(dropna=False)
    if ids > max(FEW_IDS, TOO_MANY * every) or 2 * ids > every:
        raise InputError(f"omop: {table}.{key} is not unique: {len(wrong) - ids:,} rows contradict another's")
    return typed.drop(wrong.index), wrong


def absent_line(opened: OmopTables, table: str) -> str:
    """What is to be said of a table that is not there."""
    there = opened.names()
    others = f"found {', '.join(sorted(there)[:5])}" if there else "no table of OMOP CDM 5.4 is there"
    return f"omop: {table} is not there{opened.hint(table) or f' ({others})'}"


def empty_line(opened: OmopTables, table: str) -> str:
    """What is to be said of a table that is there and has no row."""
    return f"omop: {table} is there and holds no row ({opened.names()[table]})"


# --- dates ------------------------------------------------------------------------------------------------------------


def moments(dates: pd.Series, datetimes: pd.Series, *, end_of_day: bool = False) -> pd.Series:
    """Local wall-clock times of a CDM date and datetime column; NaT where neither can be read.

    An offset is dropped, not applied: CHoRUS writes local time (Date-Shifting SOP). A date alone means its first
    second, or its last with ``end_of_day`` (a visit that ends on a day lasts through it; facts: chorus.md §3.5).
    """
    day, timed = days(dates), _clocks(datetimes)
    if not end_of_day:
        return timed.fillna(day)
    # a datetime column filled from a date reads 00:00:00: for the end of a visit it means that day
    return timed.where(timed.notna() & (timed != day), day + LAST_SECOND)


def unreadable_dates(table: str, typed: pd.DataFrame, kinds: Collection[str] = ("date", "datetime")) -> dict[str, int]:
    """How many values of each date column cannot be read at all, and of each datetime column not to the minute.

    A datetime that is nothing but a date is one.
    """
    found = {}
    for name, kind in cdm_fields(table)[["column", "type"]].itertuples(index=False):
        if kind in kinds and len(typed):
            text = typed[name].str.strip()
            read = days(text) if kind == "date" else _clocks(text).fillna(days(text.where(text.str.len() == 10)))
            found[str(name)] = int((read.isna() & (text != "")).sum())
    return {name: count for name, count in found.items() if count}


def days(texts: pd.Series) -> pd.Series:
    """The days of a CDM date column, also where a time stands behind them; NaT where none can be read."""
    return pd.to_datetime(texts.astype("string").str.strip().str[:10], format="%Y-%m-%d", errors="coerce")


def _clocks(texts: pd.Series) -> pd.Series:
    """``YYYY-MM-DD HH:MM``, with or without seconds, fractions, AM or PM and a zone, with a blank or a T."""
    parts = texts.astype("string").str.strip().str.extract(CLOCK)
    clock = parts["day"] + " " + parts["minute"] + parts["second"].fillna(":00")
    times = pd.to_datetime(clock, format="%Y-%m-%d %H:%M:%S", errors="coerce")
    if parts["half"].notna().any():  # noon is 12 PM, midnight 12 AM
        half = parts["half"].str.upper()
        times = times.where(~((half == "P") & (times.dt.hour < 12)).fillna(False), times + NOON)
        times = times.where(~((half == "A") & (times.dt.hour == 12)).fillna(False), times - NOON)
    return times.set_axis(texts.index)  # extract gives no rows an index of their own


def _refuse_unreadable_dates(table: str, typed: pd.DataFrame) -> None:
    """A visit with dates of another form would pass as one without dates; a few bad ones cost their own rows."""
    dates = cdm_fields(table).query("type == 'date'")["column"]
    filled = int((typed[dates.tolist()] != "").sum().sum())
    wrong = unreadable_dates(table, typed, ("date",))
    if sum(wrong.values()) > TOO_MANY * filled:
        columns = ", ".join(f"{table}.{name}: {count}" for name, count in wrong.items())
        raise InputError(f"omop: {sum(wrong.values()):,} dates cannot be read; the CDM writes YYYY-MM-DD ({columns})")


# --- columns and types ------------------------------------------------------------------------------------------------


def _refuse_missing(table: str, fields: pd.DataFrame, found: pd.DataFrame) -> None:
    """Ids and dates that the CDM requires must be there; a missing concept is the site's business, not ours."""
    required = fields[(fields["required"] == "yes") & ~fields["column"].str.endswith("concept_id")]["column"]
    missing = [name for name in required if name not in found.columns]
    if missing:
        raise InputError(f"omop: {table} lacks the columns {', '.join(missing)}")
    if found.columns.has_duplicates:
        raise InputError(f"omop: {table} has a column twice: {', '.join(found.columns[found.columns.duplicated()])}")


def _typed(table: str, fields: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    typed = dict[str, pd.Series]()
    blank = {kind: pd.Series(pd.NA, found.index, dtype) for kind, dtype in NUMBER_TYPES.items()}
    no_text = pd.Series("", found.index, TEXT_DTYPE)
    for name, kind in zip(fields["column"], fields["type"], strict=True):
        if name not in found:  # most columns of most sites
            typed[name] = blank.get(kind, no_text)
            continue
        cells = _cells(found[name], NULL_WORDS if kind not in (*NUMBER_TYPES, "date", "datetime") else NO_NUMBERS)
        if kind in NUMBER_TYPES and not pc.any(pc.not_equal(cells, "")).as_py():
            typed[name] = blank[kind]
        elif kind == "integer" and pc.all(pc.match_substring_regex(cells, SHORT_INTEGER)).as_py():
            whole = pc.if_else(pc.equal(cells, ""), None, cells).cast(pa.int64())
            typed[name] = _in_range(table, name, pd.Series(INTEGER_DTYPE.__from_arrow__(whole), found.index))
        else:
            text = pd.Series(TEXT_DTYPE.__from_arrow__(cells), found.index)
            typed[name] = _numbers(table, name, text, whole=kind == "integer") if kind in NUMBER_TYPES else text
    return pd.DataFrame(typed, index=found.index)


def _cells(column: pd.Series, nothing: Collection[str]) -> pa.Array:
    """The texts of a column without blanks around them, ``nothing`` as ""; Arrow needs a tenth of pandas' time."""
    cells = pc.utf8_trim_whitespace(pa.array(column.array))
    null = pc.is_in(pc.utf8_upper(cells), pa.array(nothing, cells.type))
    return pc.if_else(null, "", cells) if pc.any(null).as_py() else cells


def _numbers(table: str, name: str, text: pd.Series, *, whole: bool) -> pd.Series:
    """The numbers of a column that has fractions, exponents, long ones or what is none."""
    numbers = pd.to_numeric(text.mask(text == ""), errors="coerce").astype("Float64")
    wrong = numbers.isna() & (text != "")
    if whole:
        wrong |= (numbers % 1 != 0).fillna(False)
        numbers = _in_range(table, name, numbers)
    if wrong.any() and _links(name):
        raise InputError(f"omop: {table}.{name} has {int(wrong.sum()):,} values that are not {'whole ' * whole}numbers")
    numbers = numbers.mask(wrong)
    return numbers.astype("Int64") if whole else numbers


def _links(name: str) -> bool:
    """Whether a column of numbers leads to other rows: ids, but not concepts nor who and what gave care. Nothing here
    rests on the others: what is no number there is none, and 05, which delivers the cell or empties it, tells."""
    return name.endswith("_id") and not name.endswith(("_concept_id", *CARERS))


def _in_range(table: str, name: str, numbers: pd.Series) -> pd.Series:
    if not _links(name):
        return numbers.mask((numbers.abs() > LARGEST_INTEGER).fillna(False))
    largest = numbers.abs().max()
    if pd.notna(largest) and largest >= LARGEST_EXACT:
        raise InputError(f"omop: {table}.{name} has numbers beyond 2^53, which the central loader would corrupt")
    if pd.notna(largest) and largest > LARGEST_INTEGER:
        raise InputError(f"omop: {table}.{name} has numbers beyond 2^31-1, which do not fit the registry's integer")
    return numbers
