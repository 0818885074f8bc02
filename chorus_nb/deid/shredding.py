"""Taking all that 03 remembers of some files out of ``local/``, so that nothing of them is left in any byte."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import blake3
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
    renamed: dict[str, str] = {}
    with Ledger(workspace) as ledger:
        parts = ledger.parts()
        touched = set(parts.part[parts.source_path.isin(gone)])
        touched |= {path.name for path in kept.glob("*.parquet") if _names(path) & gone}
        for name in sorted(touched):
            files = sorted(set(parts.source_path[parts.part == name]) - gone)
            stem = blake3.blake3("\n".join(files).encode("utf-8", "surrogateescape")).hexdigest()[:24]
            rows = _without(changes / name, gone)
            renamed[name] = f"{stem}-{len(rows) if rows else 0}.parquet"
            for folder, table in ((changes, rows), (kept, _without(kept / name, gone))):
                if table is not None and folder.is_dir():
                    with replacing(folder / renamed[name]) as temporary:
                        pq.write_table(table, temporary, compression="zstd", use_dictionary=folder == changes)
        _forget_originals(workspace, gone, renamed)
        for old, new in renamed.items():
            ledger.rename_part(old, new)
        ledger.shred(gone)
        crosswalk.keep_parts(changes, ledger.part_names())
        originals.keep_kept(workspace, ledger.part_names())


def _names(path: Path) -> set[str]:
    return set(pq.read_table(path, columns=["source_path"])["source_path"].to_pylist())


def _without(path: Path, gone: set[str]) -> pa.Table | None:
    """The rows of other files as plain text: a dictionary would keep the values of rows that are not there."""
    if not path.is_file():
        return None
    table = pq.read_table(path)
    plain = [pa.string() if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    table = table.cast(pa.schema(zip(table.column_names, plain, strict=True)))
    return table.filter(pc.invert(pc.is_in(table["source_path"], value_set=pa.array(sorted(gone), pa.string()))))


def _forget_originals(workspace: Workspace, gone: set[str], renamed: dict[str, str]) -> None:
    """In what says where an original is kept: the list of earlier files and the table of 03."""
    listed = earlier.read_earlier(workspace.local)
    for file in listed:
        if file.source_path in gone:
            (workspace.local / earlier.ORIGINALS_FOLDER / earlier.KEPT_WHOLE / file.digest).unlink(missing_ok=True)
    if listed:
        still = (
            file._replace(part=renamed.get(file.part, file.part)) for file in listed if file.source_path not in gone
        )
        earlier.write_earlier(workspace.local, still)
    if workspace.has(tables.ORIGINALS):
        table = workspace.read(tables.ORIGINALS)
        table = table[~table.source_path.isin(gone)]
        workspace.write(tables.ORIGINALS, table.assign(part=table.part.replace(renamed)))
