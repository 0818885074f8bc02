"""The site's OMOP tables as files: CSV with any separator, in any encoding, gzipped or not, and Parquet."""

from __future__ import annotations

import codecs
import csv
import functools
import gzip
import io
import mmap
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd
from blake3 import blake3

from chorus_nb.errors import InputError
from chorus_nb.omop.cdm import cdm, cdm_fields, in_cdm_order
from chorus_nb.tables.cells import csv_writer

TEXT_SUFFIXES = ("csv", "tsv", "txt", "csv.gz", "tsv.gz", "txt.gz")
PARQUET = "parquet"  # also a folder of parts, as Spark writes it
READ_AS = "CSV, gzipped or not, or as Parquet"
NO_ROW = re.compile(r"sep=.\s*|#(\s.*)?", re.DOTALL)  # Excel's own, and what a tool says of the table
NO_CELLS = re.compile(r"[-=\s,\x1a]*|\(\d+ rows?( affected)?\)\s*")  # rules, fillings and footers of database clients
ODD_LINE = re.compile(rb'\0|^(?:[ \t,"]*#|[-= \t,"\x1a]+\r?$|\(\d+ rows?)', re.MULTILINE)  # may be one of these
PLAIN_FORMS = {("utf-8-sig", ","), ("cp1252", ",")}  # as tables are delivered
SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "^": "carets", "~": "tildes"}
TOO_LONG, TOO_SHORT = "more cells than the header", "fewer cells than it must"
JOINED = "a quotation mark that is not closed, so that the next row is a part of its cell"
TOO_MANY_ROWS, FEW_ROWS = 0.01, 5  # faults of single rows are no more than one of these
LONGEST_CELL_READ = 1 << 30  # characters: notes are longer than the 131,072 that Python's reader takes by itself
ENCODING_NAMES = {
    "utf-8-sig": "UTF-8",
    "utf-32": "UTF-32",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}


class OmopFolder:
    """A folder with a file for each table, or a folder of Parquet parts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @functools.cached_property
    def files(self) -> dict[str, Path]:
        """The tables of CDM 5.4 by name, upper or lower case on disk; :class:`InputError` if one has two files."""
        known, by_name = set(cdm()["table"]), dict[str, Path]()
        for path in sorted(self.folder.iterdir()):
            name, _, suffix = path.name.lower().partition(".")
            if name not in known or not (suffix in (*TEXT_SUFFIXES, PARQUET) if path.is_file() else _parts(path)):
                continue
            if name in by_name:
                raise InputError(f"omop: two files for table {name}: {by_name[name].name} and {path.name}")
            by_name[name] = path
        return by_name

    def names(self) -> dict[str, str]:
        return {table: path.name for table, path in self.files.items()}

    def form(self, table: str) -> str:
        """The form of the file, in words."""
        path = self.files[table]
        if _is_parquet(path):
            return "Parquet"
        encoding, separator = table_form(path)
        packed = ", gzipped" * (path.suffix.lower() == ".gz")
        return f"CSV, {SEPARATOR_NAMES[separator]}, {ENCODING_NAMES.get(encoding, 'UTF-16')}{packed}"

    def hint(self, table: str) -> str:
        """What may be meant to be ``table`` but is of no form that is read."""
        others = [path.name for path in self.folder.iterdir() if path.name.lower().partition(".")[0] == table]
        return f"; {others[0]} is not read: save it as {READ_AS}" if others else ""

    def read(self, table: str, wanted: set[str]) -> pd.DataFrame:
        """The wanted columns as text, their names in small letters."""
        path = self.files[table]
        if not _is_parquet(path):
            return _from_text(path, wanted, table)
        from chorus_nb.omop import duck  # most sites have CSV, and every worker would import DuckDB

        with duck.parquet(path.name, _parts(path) or [path]) as found:
            return duck.texts_of(found, wanted)

    def digest(self, table: str, read: pd.DataFrame) -> str:
        return self.file_digest(table)

    def file_digest(self, table: str) -> str:
        """BLAKE3 of the file, or of its parts."""
        path, made = self.files[table], blake3()
        for part in _parts(path) or [path]:
            made.update_mmap(part)
        return made.hexdigest()

    def left_out(self, table: str) -> dict[int, str]:
        """The rows that are no whole rows, by number as a spreadsheet counts, and what is wrong with each."""
        path = self.files[table]
        return {} if _is_parquet(path) else table_rows(path, table).left_out

    def plain(self, table: str) -> Path | None:
        """The file itself if it stands as tables are delivered: commas, UTF-8, not packed; else ``None``."""
        path = self.files[table]
        if path.suffix.lower() != ".csv" or table_form(path) not in PLAIN_FORMS or _may_hold_more_than_rows(path):
            return None
        stand = table_rows(path, table)
        return None if stand.left_out or stand.long else path

    def write_plain(self, table: str, target: Path) -> None:
        """The table written anew with commas, in UTF-8; Parquet in the order of the CDM."""
        path = self.files[table]
        if not _is_parquet(path):
            with open_text(path) as (text, separator), target.open("w", newline="", encoding="utf-8") as made:
                csv_writer(made).writerows(_rows(path, text, separator, table))
            return
        from chorus_nb.omop import duck

        with duck.parquet(path.name, _parts(path) or [path]) as found:
            duck.write_csv(found, in_cdm_order(table, found.columns), target)


def _is_parquet(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() == f".{PARQUET}"


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*.{PARQUET}")) if folder.is_dir() else []


# --- CSV --------------------------------------------------------------------------------------------------------------


def possible_encodings(start: bytes) -> tuple[str, ...]:
    """In what a table that begins with these bytes may be written, the likeliest first."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):  # the first begins with the mark of UTF-16
        return ("utf-32",)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ("utf-16",)
    if start.count(b"\0") * 4 > len(start):  # of every other letter, and no mark
        return ("utf-16-be" if start[:1] == b"\0" else "utf-16-le",)
    return ("utf-8-sig", "cp1252")


def is_before_header(line: str) -> bool:
    """Whether a line before the header says nothing of the table: it is blank, Excel's own ``sep=;`` or a ``# comment``
    (``#PatientID`` is a column)."""
    return not line.strip() or bool(NO_ROW.fullmatch(line))


def is_no_row(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a record behind the header says nothing of the table: nothing is in its cells, it is a ``# comment``, a
    rule or a footer of a database client, or the header again (files put together)."""
    if NO_CELLS.fullmatch(",".join(cells)):
        return True
    if NO_ROW.fullmatch(cells[0].strip()):
        return len(cells) < len(header) or header[0].strip().lower().endswith("id")  # else it may be a text
    return [*cells] == [*header]


def _rows(path: Path, text: IO[str], separator: str, table: str) -> Iterator[list[str]]:
    """The header, and the rows with a cell for each of its columns; without zero bytes, which no text has and no
    database takes."""
    left_out = table_rows(path, table).left_out
    records = csv.reader((line.replace("\0", "") for line in text), delimiter=separator)
    header = next(records, [])
    yield header
    for number, cells in enumerate(records, 2):
        if cells and number not in left_out and not is_no_row(cells, header):
            yield [*cells[: len(header)], *[""] * (len(header) - len(cells))]


def _may_hold_more_than_rows(path: Path) -> bool:
    """Whether a plain table has a line that looks as if it were no row, or its header twice."""
    with path.open("rb") as file:
        header = file.readline().rstrip(b"\r\n")
        if not header:
            return bool(file.read(1))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return (
                bool(ODD_LINE.search(content))
                or is_before_header(header.decode("utf-8-sig", "replace"))
                or (content.find(b"\n" + header.removeprefix(codecs.BOM_UTF8)) >= 0)
            )


def table_form(path: Path) -> tuple[str, str]:
    """Encoding and separator of a CSV table, gzipped or not; :class:`InputError` if it can be neither."""
    try:
        with _opener(path)(path, "rb") as file:
            encodings = possible_encodings(file.read(200))
        for encoding in encodings:
            try:
                with _opener(path)(path, "rt", encoding=encoding, newline="") as text:
                    lines = (line for line in text if not is_before_header(line))
                    header = next(lines, "")
                    while text.read(1 << 20):
                        pass
                return encoding, max(SEPARATOR_NAMES, key=header.count)
            except UnicodeDecodeError:
                continue
    except (gzip.BadGzipFile, EOFError, zlib.error):
        pass
    except OSError as error:  # it may not be opened, or its disk fails
        raise InputError(f"omop: {path.name} cannot be read ({error.strerror})") from None
    raise InputError(f"omop: {path.name} is not a readable CSV table with a header")


@contextmanager
def open_text(path: Path) -> Iterator[tuple[IO[str], str]]:
    """A CSV table from its header on, and its separator."""
    encoding, separator = table_form(path)
    usual = csv.field_size_limit(LONGEST_CELL_READ)
    try:
        with _opener(path)(path, "rt", encoding=encoding, newline="") as text:
            start = 0
            while line := text.readline():
                if not is_before_header(line):
                    break
                start = text.tell()
            text.seek(start)
            yield text, separator
    finally:
        csv.field_size_limit(usual)  # elsewhere such a cell is a quotation mark that is not closed


def _opener(path: Path) -> Any:
    return gzip.open if path.suffix.lower() == ".gz" else open


def _refuse_twice(path: Path, text: IO[str], separator: str, wanted: set[str]) -> None:
    """Of two columns of one name pandas would call the second another."""
    start = text.tell()
    names = [name.strip().lower() for name in next(csv.reader([text.readline()], delimiter=separator), [])]
    text.seek(start)
    if twice := sorted({name for name in names if name in wanted and names.count(name) > 1}):
        raise InputError(f"omop: {path.name} has a column twice: {', '.join(twice)}")


@dataclass(frozen=True)
class TableRows:
    """How the records of a CSV table stand to its header."""

    left_out: dict[int, str]  # by number, as a spreadsheet counts: records that are no whole row, and why
    long: int = 0  # rows with nothing behind the last column but separators
    others: bool = False  # records that say nothing of the table


def table_rows(path: Path, table: str) -> TableRows:
    """What is to be known of the rows of a CSV table before it is read or delivered.

    A row with a cell too many or too few would stand in other columns, and one that a quotation mark without its
    counterpart joins to the next is none: each is left out. :class:`InputError` where they are more than single faults,
    or where the last row is cut off, for nobody knows how many came behind it.
    """
    state = path.stat()
    return _table_rows(path, table, state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=32)
def _table_rows(path: Path, table: str, *_: int) -> TableRows:
    fields = cdm_fields(table)
    required = set(fields.loc[fields["required"] == "yes", "column"])
    with open_text(path) as (text, separator):
        return _stand(path, csv.reader(text, delimiter=separator), separator, required)


def _stand(path: Path, records: Any, separator: str, required: Collection[str]) -> TableRows:
    header: list[str] = next(records, [])
    width, line = len(header), records.line_num
    least = max((n + 1 for n, name in enumerate(header) if name.strip().lower() in required), default=0)
    begins = re.compile(rf"\n\s*\"?\d+\"?{re.escape(separator)}")
    left_out, long, number, joined, others = dict[int, str](), list[int](), 1, 0, False
    try:
        for number, row in enumerate(records, 2):  # as a spreadsheet counts
            count, begun, line = len(row), line, records.line_num
            if count == width and line - begun < 2 and row[0][:1].isalnum() and row != header:
                continue
            if not count or is_no_row(row, header):
                others = others or bool(count)
            elif line - begun > 1 and any(_holds_a_row(cell, separator, width, begins) for cell in row):
                left_out[number], joined = JOINED, joined + line - begun - 1
            elif count > width and any(map(str.strip, row[width:])):
                left_out[number] = TOO_LONG
            elif count > width:
                long.append(number)
            elif count < least:
                left_out[number] = TOO_SHORT
    except csv.Error:
        pass  # a cell longer than this reader takes: pandas says what it finds
    if 2 * len(long) < number - 1:  # not the manner of the table: a text with a separator may have moved the others
        left_out |= dict.fromkeys(long, TOO_LONG)
        long = []
    lost, rows = len(left_out) + joined, number - 1 + joined
    if lost > max(FEW_ROWS, TOO_MANY_ROWS * rows) or 2 * lost >= rows > 0 or left_out.get(number) == TOO_SHORT:
        found = {why: sorted(at for at, said in left_out.items() if said == why) for why in left_out.values()}
        told = (f"rows with {why}: {len(at):,}, the first is row {at[0]}" for why, at in found.items() if at)
        raise InputError(f"omop: {path.name}: {'; '.join(told)}")
    return TableRows(left_out, len(long), others)


def _holds_a_row(cell: str, separator: str, width: int, begun: re.Pattern[str]) -> bool:
    """Whether a quotation mark that is not closed made a cell of the end of one row and the beginning of another."""
    lines = cell.split("\n")
    ends = lines[0].count(separator) + lines[-1].count(separator)
    return len(lines) > 1 and width > 2 and ends == width - 1 and begun.search(f"\n{lines[-1]}") is not None


def _rows_alone(path: Path, text: IO[str], separator: str, table: str) -> IO[str]:
    """The table again with its whole rows alone."""
    made = io.StringIO()
    csv_writer(made, separator).writerows(_rows(path, text, separator, table))
    made.seek(0)
    return made


def _from_text(path: Path, wanted: set[str], table: str) -> pd.DataFrame:
    """The wanted columns as text, of whole rows."""
    try:
        stand = table_rows(path, table)
        with open_text(path) as (text, separator):
            _refuse_twice(path, text, separator, wanted)
            frame = pd.read_csv(
                _rows_alone(path, text, separator, table) if stand.others or stand.left_out else text,
                dtype=str,
                keep_default_na=False,
                sep=separator,
                index_col=False,  # a separator at the end of each row makes no index of the first column
                usecols=lambda name: name.strip().lower() in wanted,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OSError):
        raise InputError(f"omop: {path.name} is not a readable CSV table with a header") from None
    return frame.rename(columns=lambda name: name.strip().lower()).fillna("")
