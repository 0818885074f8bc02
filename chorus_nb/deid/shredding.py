"""Taking all that 03 remembers of some files out of ``local/``, so that nothing of them is left in any byte."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chorus_nb import tables
from chorus_nb.deid import crosswalk, originals
from chorus_nb.deid.ledger import Ledger
from chorus_nb.source import earlier
from chorus_nb.workspace import Workspace, replacing


def shred(workspace: Workspace, source_paths: Iterable[str]) -> None:
    """Take these files out of ledger, crosswalk and kept originals; others keep what they have."""
    gone = set(source_paths)
    changes, kept = (workspace.local / name for name in (crosswalk.CROSSWALK_FOLDER, earlier.ORIGINALS_FOLDER))
    with Ledger(workspace) as ledger:
        parts = ledger.parts()
        touched = set(parts.part[parts.source_path.isin(gone)])
        touched |= {path.name for path in kept.glob("*.parquet") if _names(path) & gone}
        _write_anew(workspace, ledger, parts, touched, gone)
        ledger.shred(gone)
        crosswalk.keep_parts(changes, ledger.part_names())
        originals.keep_kept(workspace, ledger.part_names())


def drop_superseded(workspace: Workspace, ledger: Ledger) -> None:
    """Write the parts anew that hold what a file was before it was made again, or left: its rows have another part."""
    parts = ledger.parts()
    held = parts.groupby("part").source_path.agg(crosswalk.stem_of)
    touched = {str(name) for name, stem in held.items() if not str(name).startswith(stem)}
    _write_anew(workspace, ledger, parts, touched, set())


def _write_anew(workspace: Workspace, ledger: Ledger, parts: pd.DataFrame, touched: set[str], gone: set[str]) -> None:
    """The parts ``touched`` with the rows only of files that the ledger has there, without those that are ``gone``."""
    changes, kept = (workspace.local / name for name in (crosswalk.CROSSWALK_FOLDER, earlier.ORIGINALS_FOLDER))
    now: dict[str, str] = dict(zip(parts.source_path, parts.part, strict=True))
    listed = earlier.read_earlier(workspace.local)
    alone = [file for file in listed if file.source_path not in now]
    renamed: dict[str, str] = {}
    for name in sorted(touched):
        files = set(parts.source_path[parts.part == name]) | {file.source_path for file in alone if file.part == name}
        files -= gone
        rows = _only(changes / name, files)
        renamed[name] = f"{crosswalk.stem_of(files)}-{len(rows) if rows else 0}.parquet"
        for folder, table in ((changes, rows), (kept, _only(kept / name, files))):
            if table is not None and folder.is_dir():
                with replacing(folder / renamed[name]) as temporary:
                    pq.write_table(table, temporary, compression="zstd", use_dictionary=folder == changes)
    if touched or gone or any(now.get(file.source_path, file.part) != file.part for file in listed):
        _forget_originals(workspace, gone, now, renamed)
    for old, new in renamed.items():
        ledger.rename_part(old, new)


def _names(path: Path) -> set[str]:
    return set(pq.read_table(path, columns=["source_path"])["source_path"].to_pylist())


def _only(path: Path, files: set[str]) -> pa.Table | None:
    """The rows of these files as plain text: a dictionary would keep the values of rows that are not there."""
    if not path.is_file():
        return None
    table = pq.read_table(path)
    plain = [pa.string() if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    table = table.cast(pa.schema(zip(table.column_names, plain, strict=True)))
    return table.filter(pc.is_in(table["source_path"], value_set=pa.array(sorted(files), pa.string())))


def _forget_originals(workspace: Workspace, gone: set[str], now: dict[str, str], renamed: dict[str, str]) -> None:
    """In what says where an original is kept: the list of earlier files and the table of 03. ``now``: as the ledger."""
    listed = earlier.read_earlier(workspace.local)
    for file in listed:
        if file.source_path in gone:
            (workspace.local / earlier.ORIGINALS_FOLDER / earlier.KEPT_WHOLE / file.digest).unlink(missing_ok=True)
    if listed:
        parts = {file.source_path: now.get(file.source_path, file.part) for file in listed}
        still = (file for file in listed if file.source_path not in gone)
        moved = (file._replace(part=renamed.get(part := parts[file.source_path], part)) for file in still)
        earlier.write_earlier(workspace.local, moved)
    if workspace.has(tables.ORIGINALS):
        table = workspace.read(tables.ORIGINALS)
        table = table[~table.source_path.isin(gone)]
        workspace.write(tables.ORIGINALS, table.assign(part=table.part.replace(renamed)))
