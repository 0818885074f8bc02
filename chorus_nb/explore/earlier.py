"""Files of earlier deliveries that the source does not hold any more: they stay in the catalog, with what was read.

So links, places in the release and what is known of a person come out as if the source still held them. What was not
released stays too where the source holds a new delivery only: its originals are not kept, and it is counted as before.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.explore.parts import write_survey_part
from chorus_nb.explore.tally import Tally
from chorus_nb.source.earlier import EARLIER_LIST, KEPT_WHOLE, ORIGINALS_FOLDER, Earlier, read_earlier, write_earlier
from chorus_nb.withdrawn import WITHDRAWN
from chorus_nb.workspace import Workspace

ROWS_LISTED = 10_000
LISTED = pa.schema(zip(Earlier._fields, [pa.string(), pa.int64(), pa.int64(), pa.string(), pa.string()], strict=True))


def list_earlier(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> int:
    """Write the list of files that the source held once and does not hold now: those whose original is kept, and with
    ``append`` all others that the last scan counted.

    Makes the view ``found`` of them and of ``found_now``; returns how many they are.
    """
    path, columns = workspace.path(tables.ORIGINALS), ", ".join(Earlier._fields)
    whole = [file for file in read_earlier(workspace.local) if _is_kept_whole(workspace, file)]
    connection.register("kept_whole", pa.Table.from_pylist([file._asdict() for file in whole], LISTED))
    if path.is_file():
        connection.read_parquet(glob.escape(str(path))).create_view("originals")
    else:
        connection.execute("CREATE TEMP VIEW originals AS SELECT * FROM kept_whole LIMIT 0")
    connection.execute(
        f"CREATE TEMP TABLE earlier AS SELECT {columns} FROM originals ANTI JOIN found_now USING (source_path)"
        f" UNION ALL SELECT {columns} FROM kept_whole"
        " ANTI JOIN found_now USING (source_path) ANTI JOIN originals USING (source_path)"
    )
    if workspace.parameters.delivery == "append" and workspace.has(tables.CATALOG):
        connection.register("withdrawn", _withdrawn(workspace))  # nothing of theirs is kept on purpose
        connection.execute(
            "INSERT INTO earlier SELECT source_path, size, modified_ns, '', '' FROM catalog"
            " ANTI JOIN found_now USING (source_path) ANTI JOIN earlier USING (source_path)"
            " ANTI JOIN withdrawn USING (source_path)"
        )
    connection.execute(
        "CREATE TEMP VIEW found AS SELECT * FROM found_now UNION ALL "
        "SELECT source_path, size, modified_ns, '' AS problem FROM earlier"
    )
    return _write(connection, workspace, "earlier")


def _withdrawn(workspace: Workspace) -> pa.Table:
    """Files that the last run held back because they were withdrawn."""
    outcomes = workspace.read_or_empty(tables.OUTCOMES)
    paths = outcomes.source_path[outcomes.reason == WITHDRAWN]
    return pa.table({"source_path": pa.array(paths.tolist(), pa.string())})


def carry_over(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make parts of the survey of the rows that the last catalog has of files that can be read no more."""
    rows = connection.sql(
        "SELECT catalog.* FROM catalog SEMI JOIN (FROM earlier WHERE digest = '') USING (source_path)"
        " ANTI JOIN kept USING (source_path) ORDER BY source_path"
    )
    carried = list[str]()
    for batch in rows.to_arrow_reader(ROWS_LISTED):
        found = batch.to_pylist()
        write_survey_part(folder, found, Tally())
        carried += [row["source_path"] for row in found]
    if carried:
        connection.executemany("INSERT INTO kept VALUES (?)", [(path,) for path in carried])


def _is_kept_whole(workspace: Workspace, file: Earlier) -> bool:
    return (workspace.local / ORIGINALS_FOLDER / KEPT_WHOLE / file.digest).is_file()


def _write(connection: duckdb.DuckDBPyConnection, workspace: Workspace, rows: str) -> int:
    """Write the list, some rows at a time: it may be nearly as long as the catalog."""
    result = connection.execute(f"SELECT {', '.join(Earlier._fields)} FROM {rows} ORDER BY source_path")
    first = result.fetchmany(ROWS_LISTED)
    if not first:
        (workspace.local / EARLIER_LIST).unlink(missing_ok=True)
        return 0
    return write_earlier(workspace.local, _rows(result, first))


def _rows(result: duckdb.DuckDBPyConnection, first: list[tuple[Any, ...]]) -> Iterator[Earlier]:
    while first:
        yield from map(Earlier._make, first)
        first = result.fetchmany(ROWS_LISTED)


def refuse_taken_paths(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """:class:`InputError` where a new delivery has other images under paths of earlier ones, which would be lost."""
    if workspace.parameters.delivery == "full" or not (
        workspace.has(tables.ORIGINALS) and workspace.has(tables.CATALOG)
    ):
        return
    taken = connection.execute(
        "SELECT part.source_path FROM part JOIN catalog USING (source_path) SEMI JOIN originals USING (source_path) "
        "WHERE part.SOPInstanceUID <> catalog.SOPInstanceUID ORDER BY 1"
    ).fetchall()
    if taken:
        raise InputError(
            f"source: {len(taken):,} of its files stand where other images of an earlier delivery stood; give this "
            "delivery a name of its own (batch), so that none takes the place of another"
        )


def drop_replaced(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Make the table ``replaced`` of earlier files whose image the source holds now under another path.

    What comes again (a correction, a second export, a folder that moved) takes the place of what came before.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE replaced AS SELECT source_path FROM part SEMI JOIN earlier USING (source_path) "
        "WHERE SOPInstanceUID IN (SELECT SOPInstanceUID FROM part ANTI JOIN earlier USING (source_path) "
        "WHERE status = 'dicom' AND SOPInstanceUID <> '')"
    )
    if connection.execute("SELECT count(*) FROM replaced").fetchall()[0][0]:
        _write(connection, workspace, "earlier ANTI JOIN replaced USING (source_path)")
