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
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.processes import Progress
from chorus_nb.processes.queries import (
    ROWS_TOLD,
    add_rows,
    asking,
    each_told,
    hold_paths,
    in_bounded_memory,
    in_lists,
    write_answer,
)
from chorus_nb.workspace import Workspace, below

if TYPE_CHECKING:
    import duckdb

# tables of local/ that say that the release may leave, or what must not be in it
RESTS_ON = (
    *(tables.OUTCOMES, tables.VERIFICATION, tables.CHECKS, tables.VERIFIED_IMAGES, tables.SEARCH_TERMS),
    *(tables.HELD_FINDINGS, tables.REGISTRY_CHECKS),
)
LINES = 20  # faults that an error names one by one


class Known(NamedTuple):
    """Files of the release that were read a moment ago: a Parquet file, and which columns of it are path and BLAKE3."""

    file: Path
    columns: str = "path, blake3"


class Sealed(NamedTuple):
    """How many files lie under the seal, and their bytes."""

    files: int
    size: int


def seal_release(
    workspace: Workspace,
    known: Known | None = None,
    progress: Progress | None = None,
    *,
    written: Iterable[str] = (),
) -> Sealed:
    """Put the seal on what stands there: writes ``tables.SEAL``.

    Of files that are ``known`` some may have been ``written`` since; these and others are read. Where none is, images
    are sealed as 04 read them: one that changed since is found by 06, which reads every byte before it packs.
    """
    known = known or _as_examined(workspace)
    with in_bounded_memory() as connection:
        _look(connection, workspace, known, progress, written)
        write_answer(workspace, tables.SEAL, connection.sql("FROM found ORDER BY path"))
        ((files, size),) = connection.sql("SELECT count(*), coalesce(sum(size), 0)::BIGINT FROM found").fetchall()
    return Sealed(files, size)


def require_seal(workspace: Workspace, known: Known | None = None, progress: Progress | None = None) -> None:
    """:class:`WorkbenchError` names each file that is not as it was sealed; what is not ``known`` is read."""
    with asking(workspace, tables.SEAL) as connection:
        _look(connection, workspace, known, progress)
        with tables.reading(f"local/{workspace.path(tables.SEAL).name}", tables.SEAL.if_damaged):
            broken = connection.sql(_BROKEN)
            first = broken.limit(LINES).fetchall()
            ((many,),) = broken.count("*").fetchall() if first else ((0,),)
    _refuse([f"{path}: {how}; {_remedy(path, how)}" for path, how in first], many)


_BROKEN = """
    SELECT path, CASE WHEN sealed.blake3 IS NULL THEN 'was not there when the release was sealed'
                      WHEN found.blake3 IS NULL THEN 'is gone since the release was sealed'
                      WHEN sealed.blake3 <> found.blake3 THEN 'changed since the release was sealed'
                      ELSE 'has other permissions than when the release was sealed' END
    FROM seal AS sealed FULL JOIN found USING (path)
    WHERE (sealed.size, sealed.mode, sealed.blake3) IS DISTINCT FROM (found.size, found.mode, found.blake3)
    ORDER BY path"""


def remove_superseded(workspace: Workspace) -> list[str]:
    """Take out of ``release/`` what an earlier version of the workbench packed and this one knows no more; the paths.

    Such a file is the very one that the manifest of that time names; any other of no known kind is refused.
    """
    unknown = sorted(path for path in layout.each_below(workspace.release) if layout.file_kind(path) is None)
    if not unknown or not workspace.has(tables.MANIFEST):
        return []
    with asking(workspace, tables.MANIFEST) as connection:
        hold_paths(connection, "unknown", filter(_is_text, unknown))
        packed = dict(connection.sql("SELECT path, sha256 FROM manifest SEMI JOIN unknown USING (path)").fetchall())
    removed = []
    for path in packed:
        file = workspace.release / path
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                same = hashlib.file_digest(opened, "sha256").hexdigest() == packed[path]
            if same:
                file.unlink()
                removed.append(path)
    return sorted(removed)


def refuse_strangers(workspace: Workspace) -> None:
    """:class:`WorkbenchError` names everything below ``release/`` that a release may not hold."""
    _refuse_these(workspace, layout.strangers(workspace.release))


def _refuse_these(workspace: Workspace, strangers: Mapping[str, str]) -> None:
    first = sorted(strangers.items())[:LINES]
    _refuse([f"{_shown(f'{workspace.release.name}/{path}')}: {why}" for path, why in first], len(strangers))


def release_digest(digests: Mapping[str, str]) -> str:
    """BLAKE3 over the path and the digest of every file, in the order of the paths: stands for all of them."""
    return digest_in_order(sorted(digests.items()))


def digest_in_order(rows: Iterable[tuple[str, str]]) -> str:
    """The same of paths and digests that come in the order of the paths."""
    made = blake3()
    for path, digest in rows:
        made.update(f"{path}\0{digest}\n".encode())
    return made.hexdigest()


def _look(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    known: Known | None,
    progress: Progress | None,
    written: Iterable[str] = (),
) -> None:
    """Makes ``found``: size, permission bits and BLAKE3 of every file by its path, as ``tables.SEAL``.

    :class:`WorkbenchError` as :func:`refuse_strangers`.
    """
    inside = f"{workspace.release.name}/"
    connection.execute("CREATE TABLE standing (path VARCHAR, size BIGINT, mode BIGINT)")
    for _, part in in_lists(_states(workspace, inside), ROWS_TOLD):
        add_rows(connection, "standing", pa.table(list(zip(*part, strict=True)), ["path", "size", "mode"]))
    connection.execute("CREATE TABLE digests (path VARCHAR, blake3 VARCHAR)")
    if known:
        hold_paths(connection, "written", written)
        connection.read_parquet(glob.escape(str(known.file))).project(known.columns).create_view("known")
        read = f"SELECT '{inside}' || path, blake3 FROM known ANTI JOIN written USING (path)"
        connection.execute(f"INSERT INTO digests {read}")
    unread = "SELECT path FROM standing ANTI JOIN digests USING (path) ORDER BY path"
    read_one = functools.partial(_digest, workspace.root)
    for read_now in each_told(workspace.parameters, read_one, connection, unread, progress, "files sealed"):
        add_rows(connection, "digests", pa.table([list(read_now), list(read_now.values())], ["path", "blake3"]))
    connection.execute("CREATE VIEW found AS SELECT standing.*, blake3 FROM standing JOIN digests USING (path)")


def _as_examined(workspace: Workspace) -> Known | None:
    """The images as 04 read them, once it has."""
    there = workspace.has(tables.VERIFIED_IMAGES)
    return Known(workspace.opened(tables.VERIFIED_IMAGES), "target_path AS path, digest AS blake3") if there else None


def _digest(root: Path, path: str) -> str:
    try:
        return blake3().update_mmap(below(root, path)).hexdigest()
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read: {error.strerror}") from None


def _states(workspace: Workspace, inside: str) -> Iterator[tuple[str, int, int]]:
    """Path, size and permission bits of all of the release, whose names begin with ``inside``, and of what its gate
    rests on."""
    strangers: dict[str, str] = {}
    for path, state, why in layout.standing(workspace.release):
        if why:
            strangers[path] = why
        else:
            yield inside + path, state.st_size, _rights(state)
    _refuse_these(workspace, strangers)
    for beside in filter(Path.is_file, map(workspace.path, RESTS_ON)):
        state = beside.stat()
        yield beside.relative_to(workspace.root).as_posix(), state.st_size, _rights(state)


def _rights(state: os.stat_result) -> int:
    return stat.S_IMODE(state.st_mode) if os.name == "posix" else 0


def _remedy(path: str, how: str) -> str:
    """What makes it right again: the notebook that makes the file, and 05, which seals."""
    if path.startswith("release/") and layout.is_image_place(path.partition("/")[2]):
        return "remove it and run 03_run_deid, 04_verify and 05_build_registry again"
    if path.startswith("local/"):
        return "run 04_verify and 05_build_registry again"
    return f"{'take it out of release/ or ' * how.startswith('was not')}run 05_build_registry again"


def _refuse(lines: list[str], many: int) -> None:
    """``lines``: the first of so many faults."""
    if lines:
        raise WorkbenchError(*lines, *([f"and {many - len(lines):,} more"] if many > len(lines) else []))


def _is_text(path: str) -> bool:
    """A file name may hold bytes that are no text."""
    return path == _shown(path)


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()
