"""Questions by SQL to tables as long as the release: in bounded memory, whatever the number of files."""

from __future__ import annotations

import atexit
import contextlib
import functools
import glob
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from chorus_nb import tables
from chorus_nb.errors import SchemaError
from chorus_nb.parameters import Parameters
from chorus_nb.processes.pool import Progress, Result, each, threads
from chorus_nb.processes.programs import scratch
from chorus_nb.workspace import Workspace, digest_of, replacing

if TYPE_CHECKING:
    import duckdb

SQL_TYPES = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "truth": "BOOLEAN"}
MEMORY = "1GB"  # of DuckDB; what needs more goes to the run's scratch
ROWS_WRITTEN = 1 << 20  # of what is written, in memory at once and in a row group
ROWS_TOLD = 50_000  # of what is asked of the system, or told to Python, in memory at once
TEXTS_A_CALL = 64
READ_AT_ONCE = 1_000_000  # bytes of a table that is read once, not for each question
DATABASE = "question_"  # begins the name of a question's own database
_numbers = itertools.count()


def connected(place: str = ":memory:", **settings: str | int) -> duckdb.DuckDBPyConnection:
    """DuckDB that draws no bar of its own over the lines of a run: it does where a question takes seconds."""
    import duckdb  # slow to import, and the commands that need none of it wait for nobody

    connection = duckdb.connect(place, config=dict(settings))
    connection.execute("SET enable_progress_bar = false")
    return connection


@contextlib.contextmanager
def in_bounded_memory(memory: str = MEMORY, threads: int = 0) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over tables as long as the release: in bounded memory, what needs more goes to the run's scratch.

    A database of its own, empty and gone when closed, in the one instance that this process has of so much ``memory``
    and so many ``threads`` (0: as many as cores): to open another takes as long as ten questions. What is ``SET``, or a
    function that is made, is the instance's, so whoever does it takes it back.
    """
    shared, _ = _instance(os.getpid(), tempfile.gettempdir(), memory, threads)
    name = f"{DATABASE}{next(_numbers)}"
    with contextlib.closing(shared.cursor()) as connection:
        connection.execute(f"ATTACH ':memory:' AS {name}")
        try:
            connection.execute(f"USE {name}")
            yield connection
        finally:
            shared.cursor().execute(f"DETACH {name}")


@functools.cache
def _instance(
    _process: int, _place: str, memory: str, threads: int
) -> tuple[duckdb.DuckDBPyConnection, TemporaryDirectory[str]]:
    """Of this process, and of the place where its scratch is; a fork has one of its own."""
    folder = scratch()
    settings: dict[str, str | int] = {"threads": threads} if threads else {}
    opened = connected(":memory:", memory_limit=memory, temp_directory=folder.name, **settings)
    atexit.register(opened.close)  # or its binding tells on the terminal what it found open
    return opened, folder


@contextlib.contextmanager
def asking(workspace: Workspace, *asked: tables.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows these tables by their names."""
    with in_bounded_memory() as connection:
        for table in asked:
            if table.format == "parquet":
                path = workspace.opened(table)
                read = connection.read_parquet(glob.escape(str(path)))
                made = read.create if path.stat().st_size < READ_AT_ONCE else read.create_view
                made(table.name)
            else:
                path = workspace.made(table)
                load_csv(connection, path, table)
                ((rows,),) = connection.table(table.name).count("*").fetchall()
                workspace.note(path.relative_to(workspace.root).as_posix(), rows, functools.partial(digest_of, path))
        yield connection


def load_csv(connection: duckdb.DuckDBPyConnection, path: Path, table: tables.Table, name: str = "") -> None:
    """A CSV table of the release, by its name (or ``name``): no cell of it is another text than it says, and DuckDB
    goes by the columns' order."""
    with tables.reading(f"{path.parent.name}/{path.name}", table.if_damaged):
        with path.open("rb") as file:
            there = file.readline().decode().rstrip().split(",")
        columns = [column for column in table.columns if column.name in there or column.name not in table.later]
        if [column.name for column in columns] != there:
            raise SchemaError(f"{table.name}: its columns are not those of the table, in their order")
        kinds = {column.name: SQL_TYPES[column.kind] for column in columns}
        as_written: dict[str, Any] = {
            "header": True,
            "sep": ",",
            "quotechar": '"',
            "escapechar": '"',
            "auto_detect": False,
        }
        written = connection.read_csv(glob.escape(str(path)), columns=kinds, **as_written)  # to guess it takes longest
        later = [f"'' AS {column}" for column in table.later if column not in there]
        written.project(", ".join(["*", *later])).create(name or table.name)


def in_parts(answer: duckdb.DuckDBPyRelation, most: int) -> Iterator[pa.Table]:
    """The rows of ``answer``, ``most`` at a time, however they come: what is made of them is the same in every run."""
    reader = answer.to_arrow_reader(most)
    held = reader.schema.empty_table()
    for batch in reader:
        held = pa.concat_tables([held, pa.Table.from_batches([batch])])
        while held.num_rows > most:
            yield held.slice(0, most)
            held = held.slice(most)
    yield held


def told(connection: duckdb.DuckDBPyConnection, asked: str) -> Iterator[tuple[Any, ...]]:
    """The rows of an answer; the connection may be asked other things while they are read."""
    ((place,),) = connection.sql("SELECT current_database()").fetchall()
    other = connection.cursor()
    other.execute(f'USE "{place}"')
    for batch in other.sql(asked).to_arrow_reader(ROWS_TOLD):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def each_told(
    parameters: Parameters,
    function: Callable[[str], Result],
    connection: duckdb.DuckDBPyConnection,
    asked: str,
    progress: Progress | None,
    doing: str,
) -> Iterator[dict[str, Result]]:
    """``function`` of each text of an answer of one column, by threads: some thousands at a time, in their order."""
    ((many,),) = connection.sql(f"SELECT count(*) FROM ({asked})").fetchall()
    of_call = functools.partial(_of_each, function)
    for begun, part in in_lists((text for (text,) in told(connection, asked)), ROWS_TOLD):
        calls = [tuple(texts) for _, texts in in_lists(part, _texts_a_call(len(part), parameters.worker_count))]
        made: dict[str, Result] = {}
        for texts, results in each(parameters, of_call, calls, door=threads):
            made |= zip(texts, results, strict=True)
            if progress:
                progress(begun + len(made), many, doing)
        yield {text: made[text] for text in part}


def _texts_a_call(many: int, workers: int) -> int:
    """So many that every thread has some to do several times: a call costs as much as to hash a small file."""
    return max(1, min(TEXTS_A_CALL, many // (8 * workers)))


def _of_each(function: Callable[[str], Result], texts: tuple[str, ...]) -> list[Result]:
    return [function(text) for text in texts]


def in_lists(items: Iterable[Result], most: int) -> Iterator[tuple[int, list[Result]]]:
    """``items``, ``most`` at a time, each list with the number of those before it."""
    iterator, begun = iter(items), 0
    while part := list(itertools.islice(iterator, most)):
        yield begun, part
        begun += len(part)


def hold_paths(connection: duckdb.DuckDBPyConnection, name: str, paths: Iterable[str]) -> None:
    """A table ``name`` with the one column ``path``."""
    connection.execute(f"CREATE TABLE {name} (path VARCHAR)")
    for _, part in in_lists(paths, ROWS_TOLD):
        add_rows(connection, name, pa.table({"path": pa.array(part, pa.string())}))


def add_rows(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Add ``rows`` to the table ``name``."""
    connection.register("added", rows)
    connection.execute(f"INSERT INTO {name} SELECT * FROM added")
    connection.unregister("added")


def write_answer(workspace: Workspace, table: tables.Table, answer: duckdb.DuckDBPyRelation) -> None:
    """Make ``answer`` the ``table`` (Parquet); left alone where it is so already."""
    with (
        replacing(workspace.path(table), if_changed=True) as new,
        pq.ParquetWriter(new, table.schema, compression="zstd") as writer,
    ):
        for part in in_parts(answer, ROWS_WRITTEN):
            writer.write_table(tables.fitted(table, part).combine_chunks())
    workspace.wrote(table)
