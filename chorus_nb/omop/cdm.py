"""The site's OMOP CDM 5.4 tables, read from a folder of CSV files or from a database."""

from __future__ import annotations

import codecs
import csv
import functools
import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters, resolve
from chorus_nb.standards import DATA

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from chorus_nb.workspace import Workspace

IMAGE_OCCURRENCE = "image_occurrence"  # read for its links, never released: central makes it, its paths may identify
VISIT_TABLE = "visit_occurrence"  # what decides which images are of interest
LARGEST_INTEGER = 2**31 - 1  # `integer` of the CDM and of the registry
LARGEST_EXACT = 2**53  # the central loader casts text -> float -> bigint: beyond it, ids are silently corrupted
SEPARATORS = ",;\t|"
TABLE_SUFFIXES = ("csv", "csv.gz", "tsv", "tsv.gz")
LAST_SECOND = pd.Timedelta(hours=23, minutes=59, seconds=59)


@functools.cache
def cdm() -> pd.DataFrame:
    """The fields of OMOP CDM 5.4 and of MI-CDM's ``image_occurrence``: table, column, type, required (yes or no)."""
    with (DATA / "omop_cdm_5_4.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#", dtype=str)


def cdm_fields(table: str) -> pd.DataFrame:
    """The fields of one CDM table, in the order in which it is loaded."""
    fields = cdm()[cdm()["table"] == table]
    if fields.empty:
        raise ValueError(f"{table} is not a table of OMOP CDM 5.4")
    return fields


def read_omop(source: Workspace | Parameters, table: str) -> pd.DataFrame:
    """A table of the site with the columns of CDM 5.4 in order: ``Int64``, ``Float64``, all else text.

    Empty, with the right columns, when the site does not have it. Dates and times stay as the site wrote them
    (:func:`moments` reads them). A table that cannot be
    read is an :class:`InputError`, and so is an id beyond 2^31-1: it fits neither the CDM nor the registry.
    """
    parameters = source if isinstance(source, Parameters) else source.parameters
    fields = cdm_fields(table)
    if parameters.omop.startswith("env:"):
        from chorus_nb.omop.databases import engine  # few sites need it, and every worker would import SQLAlchemy

        with engine("omop", parameters.omop) as opened:
            found = _from_database(opened, table)
    else:
        path = omop_files(parameters).get(table)
        found = pd.DataFrame() if path is None else _from_file(path, set(fields["column"]))
    if not found.columns.empty:
        _refuse_missing(table, fields, found)
    typed = _typed(table, fields, found)
    if table == VISIT_TABLE:
        _refuse_unreadable_dates(table, typed)
    key = f"{table}_id"
    if table != IMAGE_OCCURRENCE and key in typed and typed[key].duplicated().any():
        raise InputError(
            f"omop: {table}.{key} is not unique: {int(typed[key].duplicated().sum())} rows repeat another's"
        )
    return typed


def omop_files(parameters: Parameters) -> dict[str, Path]:
    """The tables of CDM 5.4 in the site's folder, CSV or TSV, gzipped or not, by name (upper or lower case on disk)."""
    known = set(cdm()["table"])
    by_name: dict[str, Path] = {}
    for path in sorted(resolve(parameters.omop).iterdir()):
        name, _, suffix = path.name.lower().partition(".")
        if suffix in TABLE_SUFFIXES and name in known and path.is_file():
            if name in by_name:
                raise InputError(f"omop: two files for table {name}: {by_name[name].name} and {path.name}")
            by_name[name] = path
    return by_name


def moments(dates: pd.Series, datetimes: pd.Series, *, end_of_day: bool = False) -> pd.Series:
    """Local wall-clock times of a CDM date and datetime column; NaT where neither can be read.

    An offset is dropped, not applied: CHoRUS writes local time (Date-Shifting SOP). A date alone means its first
    second, or its last with ``end_of_day`` (a visit that ends on a day lasts through it; facts: chorus.md §3.5).
    """
    day = pd.to_datetime(dates.astype("string").str[:10], format="%Y-%m-%d", errors="coerce")
    clock = datetimes.astype("string").str.strip().str.slice(0, 19).str.replace("T", " ", regex=False)
    timed = pd.to_datetime(clock.where(clock.str.len() == 19), format="%Y-%m-%d %H:%M:%S", errors="coerce")
    if not end_of_day:
        return timed.fillna(day)
    # a datetime column filled from a date reads 00:00:00: for the end of a visit it means that day
    return timed.where(timed.notna() & (timed != day), day + LAST_SECOND)


def table_form(path: Path) -> tuple[str, str]:
    """Encoding and separator of a CSV table, gzipped or not; :class:`InputError` if it can be neither."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as file:
            marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
            try:
                with opener(path, "rt", encoding=encoding, newline="") as text:
                    header = next((line for line in text if line.strip()), "")
                    while text.read(1 << 20):
                        pass
                return encoding, max(SEPARATORS, key=header.count)
            except UnicodeDecodeError:
                continue
    except (OSError, EOFError, zlib.error):
        pass
    raise InputError(f"omop: {path.name} is not a readable CSV table with a header")


def plain_table(path: Path) -> bool:
    """Whether a table stands as it is delivered: commas, UTF-8, not packed."""
    return path.suffix.lower() == ".csv" and table_form(path)[0] != "utf-16" and table_form(path)[1] == ","


def write_plain(path: Path, target: Path) -> None:
    """A table of any form written anew with commas, in UTF-8, row by row."""
    encoding, separator = table_form(path)
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with (
        opener(path, "rt", encoding=encoding, newline="") as read,
        target.open("w", newline="", encoding="utf-8") as made,
    ):
        csv.writer(made, lineterminator="\n").writerows(csv.reader(read, delimiter=separator))


def _from_file(path: Path, wanted: set[str]) -> pd.DataFrame:
    """The wanted columns as text."""
    encoding, separator = table_form(path)
    try:
        frame = pd.read_csv(
            path,
            dtype=str,
            keep_default_na=False,
            encoding=encoding,
            sep=separator,
            usecols=lambda name: name.strip().lower() in wanted,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OSError):
        raise InputError(f"omop: {path.name} is not a readable CSV table with a header") from None
    return frame.rename(columns=lambda name: name.strip().lower())


def _refuse_unreadable_dates(table: str, typed: pd.DataFrame) -> None:
    """A visit with dates of another form would pass as one without dates: each column is told with a count."""
    lines = []
    for name in (name for name in typed if name.endswith(("_date", "_datetime"))):
        text = typed[name].str.strip()
        read = pd.to_datetime(text.str[:10], format="%Y-%m-%d", errors="coerce")
        wrong = int((read.isna() & (text != "")).sum())
        if wrong:
            lines.append(f"omop: {table}.{name}: {wrong} dates cannot be read; the CDM writes YYYY-MM-DD")
    if lines:
        raise InputError(*lines)


def _from_database(opened: Engine, table: str) -> pd.DataFrame:
    from sqlalchemy import MetaData, inspect, select
    from sqlalchemy import Table as DatabaseTable

    inspector = inspect(opened)
    names = {name.lower(): name for name in (*inspector.get_view_names(), *inspector.get_table_names())}
    if table not in names:
        return pd.DataFrame()
    reflected = DatabaseTable(names[table], MetaData(), autoload_with=opened)
    with opened.connect() as connection:
        result = connection.execute(select(reflected))
        rows = [[_as_text(value) for value in row] for row in result]
    return pd.DataFrame(rows, columns=[column.name.lower() for column in reflected.columns], dtype=str)


def _as_text(value: object) -> str:
    return "" if value is None else str(value)


def _refuse_missing(table: str, fields: pd.DataFrame, found: pd.DataFrame) -> None:
    """Ids and dates that the CDM requires must be there; a missing concept is the site's business, not ours."""
    required = fields[(fields["required"] == "yes") & ~fields["column"].str.endswith("concept_id")]["column"]
    missing = [name for name in required if name not in found.columns]
    if missing:
        raise InputError(f"omop: {table} lacks the columns {', '.join(missing)}")


def _typed(table: str, fields: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    typed = {}
    for name, kind in zip(fields["column"], fields["type"], strict=True):
        text = found[name] if name in found else pd.Series("", index=found.index, dtype=str)
        text = text.str.strip().mask(lambda values: values.str.upper() == "NULL", "")
        if kind in ("integer", "float"):
            typed[name] = _numbers(table, name, text, whole=kind == "integer")
        else:
            typed[name] = text.astype(pd.StringDtype("python"))
    return pd.DataFrame(typed, index=found.index)


def _numbers(table: str, name: str, text: pd.Series, *, whole: bool) -> pd.Series:
    numbers = pd.to_numeric(text.mask(text == ""), errors="coerce").astype("Float64")
    wrong = numbers.isna() & (text != "")
    if whole:
        wrong |= (numbers % 1 != 0).fillna(False)
        if (numbers.abs() >= LARGEST_EXACT).any():
            raise InputError(f"omop: {table}.{name} has numbers beyond 2^53, which the central loader would corrupt")
        if (numbers.abs() > LARGEST_INTEGER).any():
            raise InputError(f"omop: {table}.{name} has numbers beyond 2^31-1, which do not fit the registry's integer")
    if wrong.any():
        raise InputError(f"omop: {table}.{name} has {int(wrong.sum())} values that are not {'whole ' * whole}numbers")
    return numbers.astype("Int64") if whole else numbers
