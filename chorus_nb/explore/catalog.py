"""Scan the source: a row per file found, in bounded memory, in parallel, reading only what is new or changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from chorus_nb import __version__, compute, sources, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.explore.parts import Batch, batches, read_batch
from chorus_nb.parameters import Parameters
from chorus_nb.sources import SourceFile
from chorus_nb.workspace import Workspace, remove_partials, replacing

if TYPE_CHECKING:
    import pandas as pd

MEMORY = "200MB"  # for DuckDB; what needs more goes to disk
LARGEST_BATCH = 512
STARTING = 2.0  # seconds that starting processes takes: less work than that is done in this one
READER = "1"  # raise it when a header is read differently: parts of older scans are then not taken
FOUND = pa.schema(
    [("source_path", pa.string()), ("size", pa.int64()), ("modified_ns", pa.int64()), ("problem", pa.string())]
)


def parts_folder(workspace: Workspace) -> Path:
    """Where the parts of the survey are kept; another reader or time zone has another folder."""
    settings = f"{__version__} {READER} {workspace.parameters.time_zone} {tables.CATALOG.column_names}"
    return workspace.local / "survey" / blake3(settings.encode()).hexdigest(8)


def connect(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """DuckDB in bounded memory; the view ``catalog`` is there once the source was scanned."""
    scratch = workspace.local / "survey" / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(scratch), "threads": 2})
    connection.execute("SET enable_progress_bar = false")
    if workspace.has(tables.CATALOG):
        connection.read_parquet(str(workspace.path(tables.CATALOG))).create_view("catalog")
    return connection


def scan(workspace: Workspace, progress: compute.Progress | None = None) -> pd.DataFrame:
    """Find and read every file of the source once (SOP steps 2–4); writes the catalog and the parts of the tag profile.

    Files whose path, size and time are as in the last scan are not read again. The catalog may be larger than
    memory, so it is left on disk (``workspace.read(tables.CATALOG)``); returned are the counts: status, reason, files,
    bytes.
    """
    root = workspace.parameters.source_path
    folder = parts_folder(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    remove_partials(folder)
    found = folder.parent / "found.parquet"
    total = _list_files(root, found, progress)
    with connect(workspace) as connection:
        connection.read_parquet(str(found)).create_view("found")
        _drop_outdated_parts(connection, folder)
        unread = connection.execute("SELECT count(*) FROM found ANTI JOIN kept USING (source_path)").fetchall()[0][0]
        todo = connection.execute(
            "SELECT found.* FROM found ANTI JOIN kept USING (source_path) ORDER BY found.source_path"
        )
        workers = workspace.parameters.worker_count
        size = max(16, min(LARGEST_BATCH, unread // (4 * workers) + 1))
        work = batches(_rows(todo), size, root, folder, workspace.parameters.zone)
        _read_all(workspace.parameters, work, total - unread, total, progress)
        return _assemble(connection, folder, workspace)


def _list_files(root: Path, target: Path, progress: compute.Progress | None) -> int:
    """Write what :func:`sources.find` finds, in chunks; returns how many files."""
    total = 0
    with replacing(target, durable=False) as temporary, pq.ParquetWriter(temporary, FOUND) as writer:
        chunk: list[dict[str, Any]] = []
        for file in sources.find(root):
            row = file._asdict()
            if not file.source_path.isprintable() and not _is_text(file.source_path):
                row |= {"source_path": file.source_path.encode("utf-8", "backslashreplace").decode()}
                row |= {"problem": "name_not_text"}
            chunk.append(row)
            total += 1
            if len(chunk) == 10_000:
                writer.write_table(pa.Table.from_pylist(chunk, FOUND))
                chunk = []
                if progress:
                    progress(0, 0, f"{total:,} files found")
        writer.write_table(pa.Table.from_pylist(chunk, FOUND))
    return total


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:  # a file name whose bytes are no UTF-8
        return False
    return True


def _drop_outdated_parts(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Remove the parts that hold a file that changed or went (or could not be opened); ``kept`` lists what remains."""
    for path in (*folder.glob("*.tags.parquet"), *folder.glob("*.values.parquet")):
        if not _seal(path).exists():
            path.unlink()
    columns = "source_path, size, modified_ns"
    if any(folder.glob("*.catalog.parquet")):
        connection.execute(
            f"CREATE TEMP TABLE listed AS SELECT {columns}, reason, filename "
            f"FROM read_parquet('{folder}/*.catalog.parquet', filename = true)"
        )
    else:
        connection.execute(
            "CREATE TEMP TABLE listed (source_path TEXT, size BIGINT, modified_ns BIGINT, reason TEXT, filename TEXT)"
        )
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


def _seal(path: Path) -> Path:
    return path.with_name(path.name.split(".")[0] + ".catalog.parquet")


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[SourceFile]:
    while rows := result.fetchmany(10_000):
        yield from (SourceFile(*row) for row in rows)


def _read_all(
    parameters: Parameters, work: Iterator[Batch], done: int, total: int, progress: compute.Progress | None
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
    with compute.executor(parameters) as pool:
        for batch, result in compute.map_unordered(pool, read_batch, work):
            if isinstance(result, BaseException):
                raise WorkbenchError(f"scan: a batch of {len(batch.files)} files failed ({type(result).__name__})")
            done += result
            report(done)


def _assemble(connection: duckdb.DuckDBPyConnection, folder: Path, workspace: Workspace) -> pd.DataFrame:
    """All parts in one table, ordered by path; returns the counts."""
    target = workspace.path(tables.CATALOG)
    if not any(folder.glob("*.catalog.parquet")):
        workspace.write(tables.CATALOG, tables.empty(tables.CATALOG))
    else:
        with replacing(target) as temporary:
            connection.execute(
                f"COPY (SELECT * FROM read_parquet('{folder}/*.catalog.parquet') ORDER BY source_path) "
                f"TO '{temporary}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20000)"
            )
    return connection.execute(
        "SELECT status, reason, count(*) AS files, CAST(coalesce(sum(size), 0) AS BIGINT) AS bytes "
        f"FROM read_parquet('{target}') GROUP BY status, reason ORDER BY status, files DESC, reason"
    ).df()
