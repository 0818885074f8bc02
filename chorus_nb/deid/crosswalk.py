"""The identifiable crosswalk (SOP step 10): for every changed element, what it was and what it became. Stays local.

Kept as Parquet parts below ``local/crosswalk/``, one a batch of files; the ledger says which part holds a file.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

import blake3
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chorus_nb import tables
from chorus_nb.deid.context import Change
from chorus_nb.deid.ledger import Ledger
from chorus_nb.errors import InputError, NotReady, SchemaError
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.workspace import Workspace, replacing

CROSSWALK_FOLDER = "crosswalk"


def write_part(folder: Path, rows: Iterable[tuple[str, str, list[Change]]]) -> str:
    """Write the changes of some files, given as (source_path, target_path, changes), none of them without a change;
    returns the part's name."""
    changed = list(rows)
    columns = zip(*(change for _, _, changes in changed for change in changes), strict=True)
    arrays = [pa.array(column, pa.string()).dictionary_encode() for column in columns]
    row_of = pa.array(np.repeat(np.arange(len(changed), dtype="int32"), [len(changes) for _, _, changes in changed]))
    sources, targets = (pa.array([row[at] for row in changed], pa.string()) for at in (0, 1))
    paths = [pa.DictionaryArray.from_arrays(row_of, each) for each in (sources, targets)]
    table = pa.table(dict(zip(tables.CROSSWALK.column_names, [*paths, *arrays], strict=True)))
    name = f"{stem_of(source_path for source_path, _, _ in changed)}-{len(table)}.parquet"
    with replacing(folder / name, durable=False) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return name


def stem_of(source_paths: Iterable[str]) -> str:
    """What the name of a part begins with: a hash of the files that it holds."""
    return blake3.blake3("\n".join(sorted(source_paths)).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def lost_parts(folder: Path, names: Iterable[str]) -> set[str]:
    """Which of these parts are not there, or cannot be opened as what 03 wrote."""
    return {name for name in names if not _is_whole(folder / name)}


def _is_whole(path: Path) -> bool:
    try:
        found = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    rows = path.stem.rpartition("-")[2]
    return found.schema.names == tables.CROSSWALK.column_names and str(found.num_rows) == rows


EVERY_COLUMN = ", ".join(f'"{name}"' for name in tables.CROSSWALK.column_names)


def query(workspace: Workspace, where: str = "true", values: Iterable[str] = ()) -> pd.DataFrame:
    """Rows of the crosswalk by an SQL condition over its columns, such as ``keyword = ?``."""
    return _select(workspace, f"select {EVERY_COLUMN} from crosswalk where {where} order by all", values)


ASKED = {
    "old": "original = ?",
    "new": "new = ?",
    "element": "? in (tag, keyword)",
    "file": "? in (source_path, target_path)",
}
"""What may be asked of the crosswalk, and by which condition."""


def find_changes(workspace: Workspace, *, each_file: bool = False, **asked: str | None) -> pd.DataFrame:
    """Changes to which all that is asked applies (:data:`ASKED`): with the files they were made in counted, or each.

    :class:`InputError` if nothing is asked: all of it would be everything that identifies anybody.
    """
    given = {ASKED[name]: value for name, value in asked.items() if value}
    if not given:
        raise InputError(
            f"crosswalk: ask for one of {', '.join(f'--{name}' for name in ('old', 'new', 'element', 'source'))}"
        )
    if not (workspace.local / CROSSWALK_FOLDER).is_dir():
        raise NotReady("crosswalk is not there yet: run notebook 03_run_deid first")
    found = query(workspace, " and ".join(given), given.values())
    if each_file:
        return found
    alike = [name for name in tables.CROSSWALK.column_names if name not in ("source_path", "target_path")]
    return found.groupby(alike, as_index=False, dropna=False).agg(files=("source_path", "nunique"))


def of_files(workspace: Workspace, source_paths: Iterable[str]) -> pd.DataFrame:
    """Every changed element of these files; only the parts that hold one of them are opened."""
    return _select(workspace, f"select {EVERY_COLUMN} from crosswalk order by all", source_paths=list(source_paths))


def count_by(workspace: Workspace, column: str) -> pd.DataFrame:
    """Changed elements by one column of the crosswalk."""
    return _select(workspace, f'select "{column}", count(*) as elements from crosswalk group by 1 order by 2 desc, 1')


def _select(
    workspace: Workspace, sql: str, values: Iterable[str] = (), source_paths: list[str] | None = None
) -> pd.DataFrame:
    folder = workspace.local / CROSSWALK_FOLDER
    place, remedy = f"local/{CROSSWALK_FOLDER}", "delete that folder and run 03_run_deid again"
    with Ledger(workspace) as ledger, in_bounded_memory() as connection, tables.reading(place, remedy):
        held = ledger.parts(source_paths)
        parts = held.part.unique()
        if lost := lost_parts(folder, parts):
            raise SchemaError(f"{place}: {len(lost):,} of its parts are gone or damaged")
        if len(parts):
            places = [f"{glob.escape(str(folder))}/{part}" for part in parts]
            connection.read_parquet(places, filename=True).create_view("parts")
        else:
            connection.register("parts", tables.empty(tables.CROSSWALK).assign(filename=""))
        connection.register("ledger", held)
        connection.execute(
            "create view crosswalk as select parts.* from parts join ledger using (source_path)"
            " where parse_filename(filename) = part"
        )
        return connection.execute(sql, list(values)).df()


def keep_parts(folder: Path, parts: set[str]) -> int:
    """Remove what no ledger row names any more, or what a killed worker left; returns how many."""
    stale = [path for path in folder.glob("*") if path.name not in parts]
    for path in stale:
        path.unlink()
    return len(stale)
