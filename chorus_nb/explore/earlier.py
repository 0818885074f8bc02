"""Files of earlier deliveries that the source does not hold any more: they stay in the catalog, with what was read.

So links, places in the release and what is known of a person come out as if the source still held them.
"""

from __future__ import annotations

import glob

import duckdb

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.source.earlier import EARLIER_LIST, KEPT_WHOLE, ORIGINALS_FOLDER, Earlier, read_earlier, write_earlier
from chorus_nb.workspace import Workspace


def list_earlier(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> int:
    """Write the list of files that the source held once, whose original is kept, and that it does not hold now.

    Makes the view ``found`` of them and of ``found_now``; returns how many they are.
    """
    kept = list(_kept(connection, workspace))
    connection.execute("CREATE TEMP TABLE earlier (source_path TEXT, size BIGINT, modified_ns BIGINT)")
    if kept:
        connection.executemany("INSERT INTO earlier VALUES (?, ?, ?)", [file[:3] for file in kept])
        write_earlier(workspace.local, kept)
    else:
        (workspace.local / EARLIER_LIST).unlink(missing_ok=True)
    connection.execute(
        "CREATE TEMP VIEW found AS SELECT * FROM found_now UNION ALL SELECT *, '' AS problem FROM earlier"
    )
    return len(kept)


def _kept(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[Earlier]:
    """What 03 released, and what was listed before and is kept whole, without the files that are found now."""
    made = {
        file.source_path: file
        for file in read_earlier(workspace.local)
        if (workspace.local / ORIGINALS_FOLDER / KEPT_WHOLE / file.digest).is_file()
    }
    connection.execute("CREATE TEMP TABLE listed_before (source_path TEXT)")
    if made:
        connection.executemany("INSERT INTO listed_before VALUES (?)", [(path,) for path in made])
        still = connection.execute("SELECT source_path FROM listed_before SEMI JOIN found_now USING (source_path)")
        for (path,) in still.fetchall():
            del made[path]
    path = workspace.path(tables.ORIGINALS)
    if path.is_file():
        connection.read_parquet(glob.escape(str(path))).create_view("originals")
        columns = ", ".join(Earlier._fields)
        rows = connection.execute(f"SELECT {columns} FROM originals ANTI JOIN found_now USING (source_path)")
        made |= {row[0]: Earlier(*row) for row in rows.fetchall()}
    return [made[path] for path in sorted(made)]


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
    gone = {path for (path,) in connection.execute("SELECT source_path FROM replaced").fetchall()}
    if gone:
        write_earlier(workspace.local, (f for f in read_earlier(workspace.local) if f.source_path not in gone))
