"""The seal: size, rights and digest of every file of the release and of the tables that its gate rests on.

05 seals what it leaves, 06 packs nothing else and seals again when it has added its own: a byte, a name or a right that
changed in between is found, whatever file it is in. What may stand in a release at all, :mod:`chorus_nb.layout` says.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.processes import Progress, each, threads
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.workspace import Workspace, below

# tables of local/ that say that the release may leave, or what must not be in it
RESTS_ON = (
    *(tables.OUTCOMES, tables.VERIFICATION, tables.CHECKS, tables.VERIFIED_IMAGES, tables.SEARCH_TERMS),
    *(tables.HELD_FINDINGS, tables.REGISTRY_CHECKS),
)
LINES = 20  # faults that an error names one by one


def seal_release(
    workspace: Workspace, known: Mapping[str, str] | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Put the seal on what stands there: writes and returns ``tables.SEAL``.

    ``known``: the BLAKE3 of files of the release that were read a moment ago; others are read.
    """
    refuse_strangers(workspace)
    made = tables.to_compact(_states(workspace, known or {}, progress).sort_by("path"))
    workspace.write(tables.SEAL, made)
    return made


def require_seal(workspace: Workspace, known: Mapping[str, str], progress: Progress | None = None) -> None:
    """:class:`WorkbenchError` names each file that is not as it was sealed; ``known`` as in :func:`seal_release`."""
    refuse_strangers(workspace)
    workspace.read(tables.SEAL, ["path"], compact=True)  # its place in the audit log, and what a damaged one says
    path, found = workspace.path(tables.SEAL), _states(workspace, known, progress)
    with in_bounded_memory() as connection, tables.reading(f"local/{path.name}", tables.SEAL.if_damaged):
        connection.read_parquet(glob.escape(str(path))).create_view("sealed")
        connection.register("found", found)
        broken = connection.sql(_BROKEN).fetchall()
    _refuse({path: f"{how}; {_remedy(path, how)}" for path, how in broken})


_BROKEN = """
    SELECT path, CASE WHEN sealed.blake3 IS NULL THEN 'was not there when the release was sealed'
                      WHEN found.blake3 IS NULL THEN 'is gone since the release was sealed'
                      WHEN sealed.blake3 <> found.blake3 THEN 'changed since the release was sealed'
                      ELSE 'has other permissions than when the release was sealed' END
    FROM sealed FULL JOIN found USING (path)
    WHERE (sealed.size, sealed.mode, sealed.blake3) IS DISTINCT FROM (found.size, found.mode, found.blake3)
    ORDER BY path"""


def remove_superseded(workspace: Workspace) -> list[str]:
    """Take out of ``release/`` what an earlier version of the workbench packed and this one knows no more; the paths.

    Such a file is the very one that the manifest of that time names; any other of no known kind is refused.
    """
    if not workspace.has(tables.MANIFEST):
        return []
    packed = workspace.read(tables.MANIFEST, ["path", "sha256"]).set_index("path")["sha256"]
    removed = []
    for path in layout.files_below(workspace.release):
        if layout.file_kind(path) is not None or path not in packed.index:
            continue
        file = workspace.release / path
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                same = hashlib.file_digest(opened, "sha256").hexdigest() == packed[path]
            if same:
                file.unlink()
                removed.append(path)
    return removed


def refuse_strangers(workspace: Workspace) -> None:
    """:class:`WorkbenchError` names everything below ``release/`` that a release may not hold."""
    release = workspace.release
    _refuse({_shown(f"{release.name}/{path}"): why for path, why in sorted(layout.strangers(release).items())})


def release_digest(digests: Mapping[str, str]) -> str:
    """BLAKE3 over the path and the digest of every file, in the order of the paths: stands for all of them."""
    made = blake3()
    for path in sorted(digests):
        made.update(f"{path}\0{digests[path]}\n".encode())
    return made.hexdigest()


def _states(workspace: Workspace, known: Mapping[str, str], progress: Progress | None) -> pa.Table:
    """Size, permission bits and BLAKE3 of every file, by its path (``tables.SEAL``); held by Arrow: they are many."""
    inside = f"{workspace.release.name}/"
    paths = [inside + path for path in layout.files_below(workspace.release)]
    beside = [workspace.path(table) for table in RESTS_ON]
    paths += [path.relative_to(workspace.root).as_posix() for path in beside if path.is_file()]
    unread = [path for path in paths if path.removeprefix(inside) not in known]
    read = functools.partial(_digest, workspace.root)
    digests = dict(each(workspace.parameters, read, unread, progress, "files sealed", door=threads))
    stated = np.fromiter((_stated(below(workspace.root, path)) for path in paths), np.dtype("2i8"), len(paths))
    said = (digests.get(path) or known[path.removeprefix(inside)] for path in paths)
    columns = (pa.array(paths, pa.string()), stated[:, 0], stated[:, 1], pa.array(said, pa.string(), size=len(paths)))
    return pa.table(dict(zip(tables.SEAL.column_names, columns, strict=True)))


def _digest(root: Path, path: str) -> str:
    try:
        return blake3().update_mmap(below(root, path)).hexdigest()
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read: {error.strerror}") from None


def _stated(path: str) -> tuple[int, int]:
    state = os.stat(path)  # noqa: PTH116 - for every file of a release
    return state.st_size, stat.S_IMODE(state.st_mode) if os.name == "posix" else 0


def _remedy(path: str, how: str) -> str:
    """What makes it right again: the notebook that makes the file, and 05, which seals."""
    if path.startswith("release/") and layout.is_image_place(path.partition("/")[2]):
        return "remove it and run 03_run_deid, 04_verify and 05_build_registry again"
    if path.startswith("local/"):
        return "run 04_verify and 05_build_registry again"
    return f"{'take it out of release/ or ' * how.startswith('was not')}run 05_build_registry again"


def _refuse(faults: Mapping[str, str]) -> None:
    if faults:
        lines = [f"{path}: {why}" for path, why in faults.items()]
        raise WorkbenchError(*lines[:LINES], *([f"and {len(lines) - LINES:,} more"] if len(lines) > LINES else []))


def _shown(path: str) -> str:
    """A file name may hold bytes that are no text."""
    return path.encode("utf-8", "backslashreplace").decode()
