"""Scan the source: a row per file found, in bounded memory, in parallel, reading only what is new or changed."""

from __future__ import annotations

import contextlib
import glob
import shutil
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chorus_nb import processes, tables
from chorus_nb.drawn import digests
from chorus_nb.errors import WorkbenchError
from chorus_nb.explore import earlier
from chorus_nb.explore.parts import Batch, batches, read_batch
from chorus_nb.memory import Recipe, digest
from chorus_nb.parameters import Parameters
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.source import Source, SourceFile
from chorus_nb.workspace import Workspace, remove_partials, replacing, write_atomically

DUCKDB_MEMORY = "200MB"  # for DuckDB; what needs more goes to disk
LARGEST_BATCH = 512
ROWS = 10_000  # rows held in memory
STARTING = 2.0  # seconds that starting processes takes: less work than that is done in this one
SURVEY = ("local/survey", "delete that folder and run 01_explore_headers again")  # what to do where it is damaged
CATALOG_RECIPE = Recipe(__name__, libraries=("pyarrow", "duckdb"))
SURVEY_RECIPE = Recipe("chorus_nb.explore.parts", ("time_zone",), ("pydicom",))
FOUND = pa.schema(
    [("source_path", pa.string()), ("size", pa.int64()), ("modified_ns", pa.int64()), ("problem", pa.string())]
)


def parts_folder(workspace: Workspace) -> Path:
    """Where the parts of the survey are kept; another reader or time zone has another folder."""
    return workspace.local / "survey" / SURVEY_RECIPE.key(workspace.parameters)[:16]


def catalog_view(
    connection: duckdb.DuckDBPyConnection, name: str, folder: Path, pattern: str, *, origin: bool = False
) -> None:
    """Make a view of the Parquet files in ``folder`` (whose own name is no pattern) that match.

    With ``origin`` it has the columns ``filename`` and ``file_row_number``.
    """
    files = f"{glob.escape(str(folder))}/{pattern}"
    connection.read_parquet(files, filename=origin, file_row_number=origin).create_view(name)


@contextlib.contextmanager
def connect(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in bounded memory; the view ``catalog`` is there once the source was scanned."""
    with in_bounded_memory(DUCKDB_MEMORY, threads=2) as connection:
        if workspace.has(tables.CATALOG):
            path = workspace.path(tables.CATALOG)
            catalog_view(connection, "catalog", path.parent, path.name)
        yield connection


def scan(workspace: Workspace, progress: processes.Progress | None = None) -> pd.DataFrame:
    """Find and read every file of the source once (SOP steps 2–4); writes the catalog and the parts of the tag profile.

    Files whose path, size and time are as in the last scan are not read again. The catalog may be larger than
    memory, so it is left on disk (``workspace.read(tables.CATALOG)``); returned are the counts: status, reason, files,
    bytes.
    """
    folder = parts_folder(workspace)
    for other in folder.parent.glob("*/"):  # of another reader or time zone, or what a killed run left
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    remove_partials(folder)
    found = folder.parent / "found.parquet"
    total = _list_files(workspace.source, found, progress)
    _drop_damaged_parts(folder)
    with tables.reading(*SURVEY), connect(workspace) as connection:
        catalog_view(connection, "found_now", found.parent, found.name)
        total += earlier.list_earlier(connection, workspace)
        _drop_outdated_parts(connection, folder)
        if workspace.has(tables.CATALOG):
            earlier.carry_over(connection, folder)
        unread = connection.execute("SELECT count(*) FROM found ANTI JOIN kept USING (source_path)").fetchall()[0][0]
        todo = connection.execute(
            "SELECT found.* FROM found ANTI JOIN kept USING (source_path) ORDER BY found.source_path"
        )
        workers = workspace.parameters.worker_count
        size = max(16, min(LARGEST_BATCH, unread // (4 * workers) + 1))
        work = batches(_rows(todo), size, workspace.source, folder, SURVEY_RECIPE.seen(workspace.parameters).zone)
        _read_all(workspace.parameters, work, total - unread, total, progress)
        if any(folder.glob("*.catalog.parquet")):
            catalog_view(connection, "part", folder, "*.catalog.parquet", origin=True)
            earlier.refuse_taken_paths(connection, workspace)
            earlier.drop_replaced(connection, workspace)
        return _assemble(connection, folder, workspace)


def _list_files(source: Source, target: Path, progress: processes.Progress | None) -> int:
    """Write what the source holds, in chunks; returns how many files."""
    total = 0
    with replacing(target, durable=False) as temporary, pq.ParquetWriter(temporary, FOUND) as writer:
        files = source.found_now()
        while chunk := [file._asdict() for file in islice(files, ROWS)]:
            writer.write_table(pa.Table.from_pylist(chunk, FOUND))
            total += len(chunk)
            if progress:
                progress(total, 0, "files found")
    return total


def _drop_damaged_parts(folder: Path) -> None:
    """Remove the parts of which a file cannot be opened: what they tell of is read again."""
    for path in sorted(folder.glob("*.parquet")):
        try:
            if path.exists():
                pq.read_metadata(path)
        except (OSError, pa.ArrowException):
            for part in folder.glob(f"{path.name.partition('.')[0]}.*"):
                part.unlink()


def _drop_outdated_parts(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Remove the parts that hold a file that changed or went (or could not be opened); ``kept`` lists what remains."""
    for path in (*folder.glob("*.tags.parquet"), *folder.glob("*.values.parquet")):
        if not path.with_name(path.name.split(".")[0] + ".catalog.parquet").exists():
            path.unlink()
    connection.execute(
        "CREATE TEMP TABLE listed (source_path TEXT, size BIGINT, modified_ns BIGINT, reason TEXT, filename TEXT)"
    )
    if any(folder.glob("*.catalog.parquet")):
        catalog_view(connection, "sealed", folder, "*.catalog.parquet", origin=True)
        connection.execute("INSERT INTO listed SELECT source_path, size, modified_ns, reason, filename FROM sealed")
    outdated = connection.execute(
        "SELECT DISTINCT filename FROM listed LEFT JOIN found USING (source_path, size, modified_ns) "
        "WHERE found.source_path IS NULL OR reason = 'unreadable' "
        "OR (found.problem <> '' AND reason <> found.problem) "
        "UNION SELECT max(filename) FROM listed GROUP BY source_path HAVING count(*) > 1"
    ).fetchall()
    for (name,) in outdated:
        for suffix in ("catalog", "tags", "values"):
            Path(name.replace(".catalog.parquet", f".{suffix}.parquet")).unlink(missing_ok=True)
    connection.execute("CREATE TEMP TABLE outdated (filename TEXT)")
    if outdated:
        connection.executemany("INSERT INTO outdated VALUES (?)", outdated)
    connection.execute("CREATE TEMP TABLE kept AS SELECT source_path FROM listed ANTI JOIN outdated USING (filename)")


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[SourceFile]:
    while rows := result.fetchmany(ROWS):
        yield from (SourceFile(*row) for row in rows)


def _read_all(
    parameters: Parameters, work: Iterator[Batch], done: int, total: int, progress: processes.Progress | None
) -> None:
    def report(files: int) -> None:
        if progress:
            progress(files, total, "reading headers")

    report(done)
    began, before = time.perf_counter(), done
    for batch in work:  # here, until it is known how fast this source is read
        done += read_batch(batch)
        report(done)
        if (total - done) * (time.perf_counter() - began) / (done - before) > STARTING:
            break
    with processes.executor(parameters) as pool:
        for batch, result in processes.map_unordered(pool, read_batch, work):
            if isinstance(result, BaseException):
                raise WorkbenchError(
                    f"scan: a batch of {len(batch.files):,} files failed; run again, it goes on where it stopped"
                )
            done += result
            report(done)


def _assemble(connection: duckdb.DuckDBPyConnection, folder: Path, workspace: Workspace) -> pd.DataFrame:
    """All parts in one table, ordered by path; returns the counts. Only the order is sorted, not the wide rows.

    The table stays where the parts, this code and the table itself are what they were when it was made.
    """
    target, made_by = workspace.path(tables.CATALOG), folder.parent / "catalog.key"
    parts = sorted(folder.glob("*.catalog.parquet"))
    replaced = connection.execute("FROM replaced ORDER BY ALL").fetchall() if parts else []
    key = CATALOG_RECIPE.key(None, [path.name for path in parts], digests(parts), replaced)
    if not (target.is_file() and made_by.is_file() and made_by.read_bytes() == digest(key, digests([target])).encode()):
        with (
            replacing(target) as temporary,
            pq.ParquetWriter(temporary, tables.CATALOG.schema, compression="zstd") as writer,
        ):
            if parts:
                order = connection.execute(
                    "SELECT filename, file_row_number FROM part ANTI JOIN replaced USING (source_path) "
                    "ORDER BY source_path"
                )
                while rows := order.fetchmany(ROWS):
                    writer.write_table(_gather(rows))
        write_atomically(made_by, digest(key, digests([target])).encode("ascii"))
    with connect(workspace) as fresh:
        return fresh.execute(
            "SELECT status, reason, count(*) AS files, coalesce(sum(size), 0)::BIGINT AS bytes "
            "FROM catalog GROUP BY status, reason ORDER BY status, files DESC, reason"
        ).df()


def _gather(rows: list[tuple[str, int]]) -> pa.Table:
    """The rows of several parts, each given by its part and its number there, in that order."""
    starts: dict[str, int] = {}
    parts: list[pa.Table] = []
    for name, _ in rows:
        if name not in starts:
            starts[name] = sum(map(len, parts))
            parts.append(pq.read_table(name, schema=tables.CATALOG.schema))
    return pa.concat_tables(parts).take([starts[name] + number for name, number in rows])
