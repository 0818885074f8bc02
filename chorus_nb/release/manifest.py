"""The manifest: size and checksums of every file, and what changed since the release that was delivered last."""

from __future__ import annotations

import contextlib
import functools
import glob
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.processes import Progress
from chorus_nb.processes.queries import (
    ROWS_TOLD,
    asking,
    each_told,
    hold_paths,
    in_bounded_memory,
    in_parts,
    load_csv,
    told,
)
from chorus_nb.seal import digest_in_order
from chorus_nb.withdrawn import WITHDRAWN, Withdrawn
from chorus_nb.workspace import Workspace, below, write_if_changed

if TYPE_CHECKING:
    import duckdb

HASHED_AT_ONCE = 1 << 20
DELTAS = ("added", "modified", "removed", "unchanged")
CHECKSUMS = ("md5", "sha256", "blake3")
MEASURED = pa.schema([("path", pa.string()), ("size", pa.int64()), *((name, pa.string()) for name in CHECKSUMS)])
CONTENT = "path, size, md5, sha256"  # what of the manifest tells of the file itself
PRESENT = f"SELECT {CONTENT} FROM manifest WHERE delta <> 'removed'"


class Measured(NamedTuple):
    """``path, size, md5, sha256, blake3`` of the files of a release: as ``file`` (Parquet) has them, but for some."""

    file: Path
    others: Mapping[str, tuple[int, str, str, str] | None] = MappingProxyType({})

    def with_made(self, made: Mapping[str, bytes | Path]) -> Measured:
        """The same once ``made`` is written."""
        return Measured(self.file, {**self.others, **{path: _measured(content) for path, content in made.items()}})

    def without(self, paths: Iterable[str]) -> Measured:
        """The same without these."""
        return Measured(self.file, {**self.others, **dict.fromkeys(paths)})

    @contextlib.contextmanager
    def asking(self, workspace: Workspace, *asked: tables.Table) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that knows them as ``measured``, and these tables."""
        rows = [(path, *(row or (None,) * 4)) for path, row in self.others.items()]
        with asking(workspace, *asked) as connection:
            connection.read_parquet(glob.escape(str(self.file))).create_view("read")
            connection.from_arrow(_as_table(rows)).create("others")
            connection.execute("""
                CREATE VIEW measured AS
                FROM read ANTI JOIN others USING (path) UNION ALL FROM others WHERE size IS NOT NULL""")
            yield connection

    def digest(self, workspace: Workspace, which: Callable[[str], bool] = bool) -> str:
        """Stands for all of them, or for those of whose path ``which`` is true."""
        with self.asking(workspace) as connection:
            rows = told(connection, "SELECT path, blake3 FROM measured ORDER BY path")
            return digest_in_order(row for row in rows if which(row[0]))


def _as_table(rows: Iterable[tuple[object, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(next(columns, ()), field.type) for field in MEASURED], schema=MEASURED)


def measure_files(workspace: Workspace, file: Path, progress: Progress | None = None) -> Measured:
    """Every file of the release, each read once; told in ``file``."""
    measure, doing = functools.partial(_measure_file, workspace.release), "checksums of the release"
    with in_bounded_memory() as connection, pq.ParquetWriter(file, MEASURED) as writer:
        hold_paths(connection, "standing", layout.each_below(workspace.release))
        listed = "FROM standing ORDER BY path"
        for part in each_told(workspace.parameters, measure, connection, listed, progress, doing):
            writer.write_table(_as_table((path, *row) for path, row in part.items()))
    return Measured(file)


def _measured(content: bytes | Path) -> tuple[int, str, str, str]:
    """The same of what is about to be written."""
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as opened:
        return _measure(opened)


def _measure_file(release: Path, path: str) -> tuple[int, str, str, str]:
    try:
        with open(below(release, path), "rb") as file:
            return _measure(file)
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read: {error.strerror}") from None


def _measure(file: IO[bytes]) -> tuple[int, str, str, str]:
    size, md5, sha256, own = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256(), blake3()
    while block := file.read(HASHED_AT_ONCE):
        size += len(block)
        for digest in (md5, sha256, own):
            digest.update(block)
    return size, md5.hexdigest(), sha256.hexdigest(), own.hexdigest()


def write_manifest(workspace: Workspace, measured: Measured, target: Path) -> None:
    """The manifest: each file as added, modified or unchanged since the last delivery, and what was removed since.

    What was delivered at any time and withdrawn since is told as removed in every delivery, with that reason: whoever
    missed one delivery learns it from the next. A delivery of the very same files is not compared with itself, so
    packing again gives the same manifest.
    """
    withdrawn = Withdrawn.of(workspace)
    with measured.asking(workspace) as connection, target.open("wb") as file:
        delivery_before(workspace, connection, "measured")
        connection.execute(_WITH_DELTA)
        if withdrawn:
            _add_tombstones(workspace, connection, withdrawn)
        file.write(tables.csv_head(tables.MANIFEST))
        for part in in_parts(connection.sql("FROM told ORDER BY path"), ROWS_TOLD):
            rows = tables.fitted(tables.MANIFEST, part)
            file.write(tables.as_lines(_with_reasons(rows, withdrawn) if withdrawn else rows))


_WITH_DELTA = """
    CREATE TABLE told AS
    SELECT path, coalesce(now.size, old.size) AS size, coalesce(now.md5, old.md5) AS md5,
           coalesce(now.sha256, old.sha256) AS sha256,
           CASE WHEN old.sha256 IS NULL THEN 'added' WHEN now.sha256 IS NULL THEN 'removed'
                WHEN now.sha256 = old.sha256 THEN 'unchanged' ELSE 'modified' END AS delta, '' AS why
    FROM measured AS now FULL JOIN before AS old USING (path)"""


def _with_reasons(rows: pa.Table, withdrawn: Withdrawn) -> pa.Table:
    gone = pc.if_else(pc.equal(rows["delta"], "removed"), rows["path"], "")
    theirs = pa.array(withdrawn.paths(gone.to_pandas()))
    return rows.drop_columns("why").append_column("why", pc.if_else(theirs, WITHDRAWN, ""))


def _add_tombstones(workspace: Workspace, connection: duckdb.DuckDBPyConnection, withdrawn: Withdrawn) -> None:
    """Into ``told`` what stood in any delivery, was withdrawn and is not told of yet."""
    for delivery in deliveries(workspace):
        load_delivery(connection, delivery)
        new = connection.sql("FROM delivered ANTI JOIN told USING (path) ORDER BY path")
        theirs = [part.filter(pa.array(withdrawn.paths(part["path"].to_pandas()))) for part in in_parts(new, ROWS_TOLD)]
        connection.register("theirs", pa.concat_tables(theirs))
        connection.execute("INSERT INTO told SELECT *, 'removed', '' FROM theirs")
        connection.unregister("theirs")


def delivery_before(workspace: Workspace, connection: duckdb.DuckDBPyConnection, now: str) -> int:
    """Makes ``before``, the files of the last delivery that was not of the very files of ``now``; its number.

    0 and no file where there is none.
    """
    held = deliveries(workspace)
    for place, delivery in enumerate(held):
        load_delivery(connection, delivery)
        if not _same_delivery(connection, now):
            connection.execute("CREATE TABLE before AS FROM delivered")
            return len(held) - place
    connection.execute(f"CREATE TABLE before AS SELECT {CONTENT} FROM {now} LIMIT 0")
    return 0


def record_delivery(workspace: Workspace) -> None:
    """Keep the manifest of what was delivered now; once for the same files."""
    with asking(workspace, tables.MANIFEST) as connection:
        connection.execute(f"CREATE VIEW present AS {PRESENT}")
        for latest in deliveries(workspace)[:1]:
            load_delivery(connection, latest)
            if _same_delivery(connection, "present"):
                return
        counted = dict(connection.sql("SELECT delta, count(*) FROM manifest GROUP BY ALL").fetchall())
    number = len(list((workspace.local / "deliveries").glob("*.csv"))) + 1
    write_if_changed(workspace.local / "deliveries" / f"{number:06d}.csv", workspace.path(tables.MANIFEST))
    parameters = workspace.parameters
    row: dict[str, object] = {"number": number, "recorded": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"}
    row |= {"delivery": parameters.delivery, "batch": parameters.batch}
    row |= {"files": sum(counted.values()) - counted.get("removed", 0)}
    row |= {name: counted.get(name, 0) for name in DELTAS}
    before = workspace.read_or_empty(tables.DELIVERIES)
    before = before[before["number"] < number]
    workspace.write(tables.DELIVERIES, pd.concat([before, tables.frame(tables.DELIVERIES, [row])], ignore_index=True))


def deliveries(workspace: Workspace) -> list[Path]:
    """The manifests of the releases that were delivered, latest first."""
    return sorted((workspace.local / "deliveries").glob("*.csv"), reverse=True)


def load_delivery(connection: duckdb.DuckDBPyConnection, delivery: Path) -> None:
    """Makes ``delivered``: the files that a release had."""
    connection.execute("DROP TABLE IF EXISTS delivered; DROP TABLE IF EXISTS manifest_then")
    load_csv(connection, delivery, tables.MANIFEST, "manifest_then")
    connection.execute(f"CREATE TABLE delivered AS {PRESENT.replace('manifest', 'manifest_then')}")
    connection.execute("DROP TABLE manifest_then")


def _same_delivery(connection: duckdb.DuckDBPyConnection, now: str) -> bool:
    """Whether ``delivered`` are the very files of ``now``."""
    other = f"FROM delivered FULL JOIN {now} AS now USING (path) WHERE delivered.sha256 IS DISTINCT FROM now.sha256"
    return not connection.sql(f"{other} LIMIT 1").fetchall()


def totals(workspace: Workspace) -> pd.DataFrame:
    """Files and bytes of the manifest by part (OMOP, Metadata or modality) and by what changed."""
    with asking(workspace, tables.MANIFEST) as connection:
        return connection.sql(f"""
            SELECT CASE WHEN top IN ('{layout.OMOP}', '{layout.METADATA}') THEN top
                        ELSE coalesce(nullif(split_part(path, '/', 3), ''), 'at the top') END AS part,
                   delta, count(*) AS files, sum(size)::BIGINT AS bytes
            FROM (SELECT *, split_part(path, '/', 1) AS top FROM manifest) GROUP BY ALL ORDER BY part, delta""").df()


def first_of_manifest(workspace: Workspace, most: int) -> tuple[pd.DataFrame, int]:
    """The first rows of the manifest, and how many there are in all."""
    with asking(workspace, tables.MANIFEST) as connection:
        ((count,),) = connection.sql("SELECT count(*) FROM manifest").fetchall()
        first = connection.sql(f"FROM manifest ORDER BY path LIMIT {most}").to_arrow_table()
        return tables.to_compact(tables.fitted(tables.MANIFEST, first)), count
