"""Cells of a CSV table. Text that a spreadsheet takes for a formula stands behind an apostrophe, read without it."""

from __future__ import annotations

import csv
import re
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

FORMULA = r"'*[=+\-@\t\r]"
_FORMULA = re.compile(FORMULA)
_ODD = rf"^{FORMULA}|[\",\r\n]"  # what is not written as it stands
MAX_LINES = 50_000  # made at once: Arrow joins up to 2 GB
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_ONE_NUMBER = re.compile(_NUMBER, re.ASCII)
_NUMBERS = re.compile(rf"{_NUMBER}(\\{_NUMBER})*", re.ASCII)  # several as DICOM joins them: a place, a direction


def as_cell(text: str) -> str:
    """``text`` as it is written; a number is none of what could run, nor are several.

    >>> as_cell("=1+1"), as_cell("-1024.0"), as_cell(r"-128.0\\-9.5"), as_cell("CT HEAD")
    ("'=1+1", '-1024.0', '-128.0\\\\-9.5', 'CT HEAD')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBERS.fullmatch(text) else text


def from_cell(cell: str) -> str:
    """The text that :func:`as_cell` wrote.

    >>> from_cell(as_cell("'=1")), from_cell("'t Hart")
    ("'=1", "'t Hart")
    """
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell[1:]) and not _ONE_NUMBER.fullmatch(cell[1:]) else cell


class LineFeeds:
    """A text file for ``csv.writer`` with ``lineterminator="\\r\\n"``: it ends lines with LF.

    Told of LF alone, the writer of Python 3.12 and before leaves a CR within a cell without quotes: a line end to most.
    """

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def write(self, line: str) -> int:
        """One line as the writer made it."""
        return self.file.write(line.removesuffix("\r\n") + "\n")


def csv_writer(file: IO[str], delimiter: str = ",") -> Any:
    """A ``csv.writer`` of lines that end with LF, and of cells that every reader takes whole."""
    return csv.writer(LineFeeds(file), delimiter=delimiter, lineterminator="\r\n")


def as_lines(rows: pa.Table) -> bytes:
    """The lines of ``rows``, LF after each: RFC 4180, blanks for null. What is not text is asked once per value.

    >>> as_lines(pa.table({"a": ["x", "y, z", "-1"], "b": [1.5, None, 120.0], "c": [True, False, None]}))
    b'x,1.5,True\\n"y, z",,False\\n-1,120.0,\\n'
    """
    return b"".join(_lines(batch.columns) for batch in rows.combine_chunks().to_batches(MAX_LINES))


def _lines(columns: list[pa.Array]) -> bytes:
    lines = pc.binary_join_element_wise(*map(_cells, columns), ",", null_handling="replace", null_replacement="")
    every = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return bytes(pc.binary_join(every, "\n")[0].as_buffer()) + b"\n"


def _cells(column: pa.Array) -> pa.Array:
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "True", "False")
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    encoded = column.dictionary_encode()
    known = encoded.dictionary
    if pa.types.is_floating(column.type):
        known = pa.array([repr(number) for number in known.to_pylist()], pa.string())
    else:
        odd = pc.match_substring_regex(known, _ODD)
        known = pc.replace_with_mask(known, odd, pa.array(map(_quoted, known.filter(odd).to_pylist()), known.type))
    return known.take(encoded.indices)


def _quoted(text: str) -> str:
    cell = as_cell(text)
    return f'"{cell.replace(chr(34), 2 * chr(34))}"' if set(cell) & set('",\r\n') else cell
