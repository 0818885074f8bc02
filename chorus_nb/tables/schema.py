"""What a table is, and the one way tables are checked, written and read."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from chorus_nb.errors import DamagedTable, SchemaError
from chorus_nb.tables.cells import FORMULA, LineFeeds, as_cell, as_lines, from_cell

Kind = Literal["text", "integer", "number", "truth"]
OF_DAMAGE = ("ConversionException", "Error", "IOException", "InvalidInputException", "SerializationException")
"""Kinds of DuckDB's errors that tell of a damaged file; their messages quote it."""
TEXT_DTYPE, INTEGER_DTYPE = pd.StringDtype("python"), pd.Int64Dtype()
INTEGER_TYPES = {pa.int64(): INTEGER_DTYPE}
ROWS_AS_VALUES = 8_192  # as Python's values
MANY = 1_000  # rows of which equal texts are worth looking for
ARROW = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "truth": pa.bool_()}


@dataclass(frozen=True)
class Column:
    """A column: ``text`` is never null ("" = nothing); other kinds may be null where ``nullable``.

    A nullable text column came later: what was written before it was there is read as "".
    """

    name: str
    kind: Kind
    meaning: str
    nullable: bool = False
    attribute: bool = False  # the header attribute whose keyword is its name; multi-values joined by a backslash


@dataclass(frozen=True)
class Table:
    """The schema of a table, where it is kept and which notebook makes it."""

    name: str
    a_row_is: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    made_by: str
    kept: Literal["local", "decisions", "metadata"] = "local"
    format: Literal["parquet", "csv"] = "parquet"
    lasting: bool = False  # holds numbers that were delivered: it cannot be made anew

    @property
    def if_damaged(self) -> str:
        """What a person does where its file cannot be read."""
        if self.kept == "decisions":
            return "put it back from a backup: it holds what people decided"
        if self.lasting:
            return "put it back from a backup: numbers that were delivered must not change"
        return f"delete it and run {self.made_by} again"

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def later(self) -> tuple[str, ...]:
        """Columns that a file of an earlier version lacks."""
        return tuple(c.name for c in self.columns if c.kind == "text" and c.nullable)

    @property
    def keywords(self) -> tuple[str, ...]:
        """Keywords of the header attributes among the columns."""
        return tuple(column.name for column in self.columns if column.attribute)

    @functools.cached_property  # a table is read by it a hundred times in a run
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, ARROW[c.kind], nullable=c.nullable) for c in self.columns])


# --- checking, writing, reading ---------------------------------------------------------------------------------------


def to_arrow(table: Table, frame: pd.DataFrame) -> pa.Table:
    """``frame`` as an Arrow table with the schema of ``table``; :class:`SchemaError` if it does not fit."""
    there, wanted = list(frame.columns), table.column_names
    missing = [name for name in wanted if name not in frame.columns]
    extra = [str(name) for name in there if name not in wanted] if there != wanted else []
    if missing or extra:
        raise SchemaError(f"{table.name}: columns missing {missing or 'none'}, not expected {extra or 'none'}")
    arrays = []
    for column in table.columns:
        values = frame[column.name]
        try:
            if column.kind == "integer" and values.dtype != INTEGER_DTYPE:
                values = values.astype(INTEGER_DTYPE)
            array = pa.array(_plain(values), ARROW[column.kind], from_pandas=True)
            array = pc.fill_null(array, "") if column.kind == "text" and array.null_count else array
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError):
            raise SchemaError(f"{table.name}: column {column.name} is not {column.kind}") from None
        if array.null_count and not column.nullable:
            raise SchemaError(f"{table.name}: column {column.name} has {array.null_count:,} empty values")
        arrays.append(array)
    return _unique(table, pa.Table.from_arrays(arrays, schema=table.schema))


def _plain(values: pd.Series) -> pd.Series | np.ndarray:
    """Python's texts as they lie in memory: pandas would first ask each whether it is there."""
    return np.asarray(values.array) if values.dtype == TEXT_DTYPE else values


def _unique(table: Table, rows: pa.Table) -> pa.Table:
    """``rows``; :class:`SchemaError` where two of them have one key."""
    if table.key and rows.num_rows:
        keys = rows.select(list(table.key))
        if keys.num_rows < MANY:  # to group takes longer to begin than so few take to tell apart
            different = len(set(zip(*(column.to_pylist() for column in keys.columns), strict=True)))
        else:
            different = keys.group_by(list(table.key)).aggregate([]).num_rows
        if different != rows.num_rows:
            raise SchemaError(f"{table.name}: {', '.join(table.key)} is not unique")
    return rows


def fitted(table: Table, found: pa.Table) -> pa.Table:
    """The columns of ``table`` among those of a query, with its types; text that is null is ""."""
    arrays = []
    for column in table.columns:
        array = found.column(column.name).cast(ARROW[column.kind])
        array = pc.fill_null(array, "") if column.kind == "text" and array.null_count else array
        if array.null_count and not column.nullable:
            raise SchemaError(f"{table.name}: column {column.name} has {array.null_count:,} empty values")
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=table.schema)


def encode(table: Table, frame: pd.DataFrame) -> bytes:
    """The bytes of ``table`` as it is kept: Parquet, or CSV (UTF-8, LF, RFC 4180, nulls blank)."""
    arrow = to_arrow(table, frame)
    return parquet_bytes(arrow) if table.format == "parquet" else csv_head(table) + as_lines(arrow)


def csv_head(table: Table) -> bytes:
    """The first line of ``table`` as CSV."""
    return f"{','.join(table.column_names)}\n".encode()


def parquet_bytes(arrow: pa.Table) -> bytes:
    """``arrow`` (of :func:`to_arrow`) as Parquet."""
    sink = io.BytesIO()
    pq.write_table(arrow, sink, compression="zstd")
    return sink.getvalue()


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """``frame`` in the CSV dialect of the project: UTF-8 without BOM, comma, LF, RFC 4180 quoting, blanks for null."""
    text, cells = io.StringIO(), _as_cells(frame)
    cells.to_csv(text, index=False, lineterminator="\n")
    if "\r" in text.getvalue():  # which Python 3.12 and before leave without quotes
        text = io.StringIO()
        cells.to_csv(LineFeeds(text), index=False, lineterminator="\r\n")
    return text.getvalue().encode("utf-8")


def _as_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with its texts as cells where they look like a formula: nearly never, so that most are only asked."""
    changed: dict[str, pd.Series] = {}
    for name, values in frame.items():
        if values.dtype == object or isinstance(values.dtype, pd.StringDtype):
            found = values.astype("string").str.match(FORMULA).fillna(value=False)
            if found.any():
                changed[name] = values.where(~found, values[found].map(as_cell))
    return frame.assign(**changed) if changed else frame


def decode(table: Table, content: bytes, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read what :func:`encode` wrote, or only some ``columns`` of it; CSV a person edited may have a BOM or CRLF."""
    if table.format == "parquet":
        arrow = pq.ParquetFile(io.BytesIO(content)).read()
        expect(table, arrow.schema)
    else:
        convert = pacsv.ConvertOptions(
            column_types={c.name: ARROW[c.kind] for c in table.columns}, strings_can_be_null=False, null_values=[""]
        )
        parse = pacsv.ParseOptions(newlines_in_values=True)
        try:
            arrow = pacsv.read_csv(
                io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")), parse_options=parse, convert_options=convert
            )
        except pa.ArrowInvalid:
            raise SchemaError(f"{table.name}: is not a CSV table with the expected column types") from None
        expect(table, arrow.schema)
        arrow = pa.table({name: _from_cells(arrow.column(name)) for name in arrow.column_names})
    return to_pandas(_unique(table, fitted(table, _with_later(table, arrow))).select(columns or table.column_names))


def _with_later(table: Table, arrow: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """``arrow`` with those ``columns`` (``None``: all) that a file of an earlier version lacks, each ""."""
    there = set(arrow.column_names)
    for name in columns or table.column_names:
        if name not in there:
            arrow = arrow.append_column(name, pa.array([""] * len(arrow), pa.string()))
    return arrow


def _from_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts of which ``column`` holds the cells: only one that begins with an apostrophe may be another."""
    if column.type != pa.string() or not pc.any(pc.starts_with(column, "'")).as_py():
        return column
    return pa.chunked_array([[from_cell(cell) for cell in column.to_pylist()]], pa.string())


def read(table: Table, path: Path, columns: Sequence[str] | None = None, *, compact: bool = False) -> pd.DataFrame:
    """Read and check the table kept at ``path``, or only some ``columns`` of it.

    ``compact``: text of a Parquet table stays with Arrow, in a third of the memory, and never becomes Python's.
    :class:`DamagedTable` where the file is damaged or of another version.
    """
    with reading(f"{path.parent.name}/{path.name}", table.if_damaged):
        if columns is None and not compact:
            return decode(table, path.read_bytes())
        if table.format == "csv":
            return decode(table, path.read_bytes(), columns)
        metadata = pq.read_metadata(path)
        there = metadata.schema.to_arrow_schema()
        expect(table, there, columns)
        known = set(there.names)
        names = [name for name in columns or table.column_names if name in known]
        repeated = None if compact else [name for name in names if there.field(name).type == pa.string()]
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=repeated) as file:
            arrow = file.read(names)  # each text once, as `_texts` wants it
        arrow = _with_later(table, arrow, columns)
        return to_compact(arrow) if compact else to_pandas(arrow)


def probe(table: Table, path: Path) -> None:
    """:class:`DamagedTable` where a Parquet file cannot be opened or is of another version; its rows are not read."""
    with reading(f"{path.parent.name}/{path.name}", table.if_damaged):
        expect(table, pq.read_schema(path))


@contextmanager
def reading(place: str, remedy: str) -> Iterator[None]:
    """What damage to ``place`` does to its reader becomes one line: what it is and what to do, never a value."""
    try:
        yield
    except SchemaError as error:
        fault = error.lines[0].partition(": ")[2]
        raise DamagedTable(f"{place}: {fault}; {remedy}") from None
    except Exception as error:
        if getattr(error, "errno", None):  # the disk or the rights, not the file
            raise DamagedTable(f"{place}: cannot be read ({getattr(error, 'strerror', '')})") from None
        kind = type(error)
        of_duckdb = kind.__module__.endswith("duckdb") and kind.__name__ in OF_DAMAGE and "space left" not in str(error)
        if isinstance(error, OSError | UnicodeDecodeError | pa.ArrowException) or of_duckdb:
            raise DamagedTable(f"{place}: is damaged; {remedy}") from None
        raise


def expect(table: Table, found: pa.Schema, columns: Sequence[str] | None = None) -> None:
    """:class:`SchemaError` unless a file has ``columns`` (``None``: these and no others); its own names stay unsaid.

    They may be values: of a table that lost its first line.
    """
    there, later = found.names, table.later
    known = set(there)
    wanted = [name for name in columns or table.column_names if name in known or name not in later]
    missing = [name for name in wanted if name not in known]
    if missing:
        raise SchemaError(f"{table.name}: lacks the columns {', '.join(missing)}")
    if columns is None and len(there) != len(wanted):
        raise SchemaError(f"{table.name}: has columns that it should not have")
    other = [name for name in wanted if found.field(name).type != table.schema.field(name).type]
    if other:
        raise SchemaError(f"{table.name}: columns of another type: {', '.join(other)}")


def empty(table: Table) -> pd.DataFrame:
    """The table without rows."""
    return to_pandas(table.schema.empty_table())


def frame(table: Table, rows: list[dict[str, object]]) -> pd.DataFrame:
    """A checked frame of ``rows``; a text column that is left out is ""."""
    try:
        found = _unique(table, fitted(table, pa.table({one.name: _array(one, rows) for one in table.columns})))
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):  # pandas may know what to make of it, or says it
        found = to_arrow(table, pd.DataFrame(rows, columns=table.column_names))
    return to_pandas(found)


def _array(column: Column, rows: list[dict[str, object]]) -> pa.Array:
    values = [row.get(column.name) for row in rows]
    if column.kind == "integer":  # by what it is first: Arrow would cut a fraction off
        return pa.array(values, from_pandas=True).cast(pa.int64())
    return pa.array(values, ARROW[column.kind], from_pandas=True)


def to_pandas(arrow: pa.Table) -> pd.DataFrame:
    """``arrow`` with nullable integers, and text as Python's."""
    if len(arrow) < MANY:
        return arrow.to_pandas(types_mapper=lambda kind: TEXT_DTYPE if _is_text(kind) else INTEGER_TYPES.get(kind))
    columns = zip(arrow.column_names, arrow.columns, strict=True)
    return pd.DataFrame(
        {
            name: _texts(each) if _is_text(each.type) else each.to_pandas(types_mapper=INTEGER_TYPES.get)
            for name, each in columns
        }
    )


def to_compact(arrow: pa.Table) -> pd.DataFrame:
    """``arrow`` with nullable integers, and text that stays with Arrow, in a third of the memory."""
    return arrow.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow"), **INTEGER_TYPES}.get)


def row_values(frame: pd.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    """Rows of these columns as Python's values, some thousand at a time: to ask a column for one after the other takes
    ten times as long, and all at once several times the memory."""
    for begin in range(0, len(frame), ROWS_AS_VALUES):
        part = frame.iloc[begin : begin + ROWS_AS_VALUES]
        yield from zip(*(part[name].tolist() for name in names), strict=True)


def _is_text(kind: pa.DataType) -> bool:
    return bool(kind == pa.string() or pa.types.is_dictionary(kind))


def _texts(column: pa.ChunkedArray) -> pd.api.extensions.ExtensionArray:
    """Equal texts become one Python object: most values of a header are those of the file before."""
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    known = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return pd.array(known[encoded.indices.fill_null(-1).to_numpy()], dtype=TEXT_DTYPE)


def describe(table: Table) -> pd.DataFrame:
    """The data dictionary of ``table``: a row per column."""
    return pd.DataFrame(
        [(c.name, c.kind, c.nullable, c.meaning) for c in table.columns],
        columns=["column", "type", "nullable", "meaning"],
    )
