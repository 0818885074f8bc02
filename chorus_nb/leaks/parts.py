"""A CSV table in parts, each cell the text of its bytes: what searches and deliveries read it with."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa

ROWS_SEARCHED = 50_000  # of a table searched at a time
READ_ONCE = 32 << 20  # bytes of a table that is read once for the searches that follow each other
NUMBER = re.compile(r"[-+]?\d{1,20}(?:\.\d*)?(?:[eE][-+]?\d{1,2})?")
MOST_DIGITS = 20  # of a whole number: beyond it none is an id


def csv_parts(table: Path | bytes) -> Iterator[pa.Table]:
    """A CSV table in parts, each cell the text of its bytes (Latin-1); :class:`ValueError` if it is none.

    Pandas says what a table is. One that the reader of Python finds nothing odd in is the same to both, and read by
    that: in a quarter of the time where there are few rows.
    """
    if isinstance(table, bytes) or (state := table.stat()).st_size > READ_ONCE:
        yield from _read_parts(table)
    else:
        yield from _held_parts(table, state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=1)
def _held_parts(table: Path, *_identity: int) -> tuple[pa.Table, ...]:
    """Of a small table: several searches of it follow each other."""
    return tuple(_read_parts(table))


def _read_parts(table: Path | bytes) -> Iterator[pa.Table]:
    with io.BytesIO(table) if isinstance(table, bytes) else table.open("rb") as file:
        if any(b"\0" in block for block in iter(lambda: file.read(1 << 20), b"")):
            raise ValueError("wide characters")
        read = 0
        try:
            for part in _plain_parts(file):
                yield part
                read += 1
        except (csv.Error, _Odd):
            yield from islice(_parts(file), read, None)


def row_texts(part: pa.Table) -> Iterator[tuple[str, ...]]:
    """The rows of a part, each the texts of its cells."""
    return zip(*(column.to_pylist() for column in part.columns), strict=True)


def number_in_cell(cell: str) -> str:
    """The whole number that readers of numbers take a cell for, its digits alone: R writes 100000 as ``1e+05``; "" of
    what is none."""
    text = cell.strip()
    if not text.isascii():
        text = text.encode("latin-1").decode("utf-8", "replace").strip()
    if text.isdigit() and len(text) <= MOST_DIGITS:
        return str(int(text))
    number = Decimal(text) if NUMBER.fullmatch(text) else Decimal("NaN")
    whole = number.is_finite() and number.adjusted() < MOST_DIGITS and number == number.to_integral_value()
    return str(int(number)) if whole else ""


class _Odd(Exception):
    """Something that readers may take differently."""


def _begin(file: BinaryIO) -> None:
    """Behind a byte order mark: it is no part of the name of the first column."""
    file.seek(0)
    file.seek(len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0)


def _plain_parts(file: BinaryIO) -> Iterator[pa.Table]:
    _begin(file)
    # Latin-1 keeps every byte as it is, whatever the file is written in
    lines = io.TextIOWrapper(file, encoding="latin-1", newline="")
    try:
        records = filter(None, csv.reader(lines, strict=True))
        names = next(records, [])
        if not names or len({*names, ""}) != len(names) + 1 or _is_blank(names):
            raise _Odd
        yield _as_table(names, list(islice(records, ROWS_SEARCHED)))
        while rows := list(islice(records, ROWS_SEARCHED)):
            yield _as_table(names, rows)
    finally:
        lines.detach()


def _as_table(names: list[str], rows: list[list[str]]) -> pa.Table:
    width = len(names)
    for row in rows:
        if len(row) > width or _is_blank(row):
            raise _Odd
        row += [""] * (width - len(row))
    columns: Iterable[Iterable[str]] = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pa.table([pa.array(cells, pa.string()) for cells in columns], names)


def _is_blank(row: list[str]) -> bool:
    return len(row) == 1 and row[0] != "" and not row[0].strip(" \t")


def _parts(file: BinaryIO) -> Iterator[pa.Table]:
    _begin(file)
    for part in pd.read_csv(file, dtype=str, keep_default_na=False, chunksize=ROWS_SEARCHED, encoding="latin-1"):
        if not isinstance(part.index, pd.RangeIndex):
            raise ValueError("more cells than columns")
        columns = [pa.array(part.iloc[:, place].fillna("").array, pa.string()) for place in range(part.shape[1])]
        yield pa.table(columns, [str(name) for name in part.columns])  # of a row with fewer cells: blanks
