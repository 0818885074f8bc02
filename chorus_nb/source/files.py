"""The source, read only: which files there are and their bytes, in folders and in zip archives.

A ``source_path`` is relative to the source folder with ``/``; a member of an archive is ``archive.zip!member``.
"""

from __future__ import annotations

import mmap
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

MEMBER = "!"  # between an archive's path and the path of a member inside it
MAPPED = 64 << 20  # bytes; larger files are mapped, so that memory stays flat


class SourceFile(NamedTuple):
    """A file found in the source. ``problem`` says why it cannot be read ("" = it can)."""

    source_path: str
    size: int
    modified_ns: int
    problem: str = ""


def find(root: Path) -> Iterator[SourceFile]:
    """Every file below ``root`` in a fixed order; links never followed out of it; zip members in their place."""
    yield from _walk(root, "", {_identity(root)})


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _walk(root: Path, relative: str, seen: set[tuple[int, int]]) -> Iterator[SourceFile]:
    try:
        entries = sorted(os.scandir(root / relative), key=lambda entry: entry.name)
    except OSError:
        yield SourceFile(relative or ".", 0, 0, "folder_unreadable")
        return
    for entry in entries:
        path = f"{relative}/{entry.name}" if relative else entry.name
        try:
            status = entry.stat()
            if entry.is_symlink() and root.resolve() not in Path(entry.path).resolve().parents:
                yield SourceFile(path, 0, 0, "link_leaves_source")
            elif stat.S_ISDIR(status.st_mode):
                identity = (status.st_dev, status.st_ino)
                if identity in seen:
                    yield SourceFile(path, 0, 0, "link_loop")
                    continue
                yield from _walk(root, path, seen | {identity})
            elif not stat.S_ISREG(status.st_mode):
                yield SourceFile(path, 0, 0, "not_a_regular_file")
            elif _is_zip(root / path):
                yield from _members(root, path, status)
            else:
                yield SourceFile(path, status.st_size, status.st_mtime_ns)
        except OSError:
            yield SourceFile(path, 0, 0, "unreadable")


def _is_zip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04" and zipfile.is_zipfile(path)


def _members(root: Path, archive: str, status: os.stat_result) -> Iterator[SourceFile]:
    try:
        with zipfile.ZipFile(root / archive) as opened:
            for info in sorted(opened.infolist(), key=lambda info: info.filename):
                if not info.is_dir():
                    problem = "encrypted_member" if info.flag_bits & 1 else ""
                    yield SourceFile(f"{archive}{MEMBER}{info.filename}", info.file_size, status.st_mtime_ns, problem)
    except (zipfile.BadZipFile, OSError):
        yield SourceFile(archive, status.st_size, status.st_mtime_ns, "archive_damaged")


def split(root: Path, source_path: str) -> tuple[Path, str]:
    """The real file behind ``source_path`` and the member inside it ("" for a plain file)."""
    plain = root / source_path
    if MEMBER not in source_path or plain.is_file():
        return plain, ""
    position = source_path.find(MEMBER)
    while position > 0:
        archive = root / source_path[:position]
        if archive.is_file():
            return archive, source_path[position + 1 :]
        position = source_path.find(MEMBER, position + 1)
    return plain, ""


def read(root: Path, source_path: str, limit: int = 1 << 32) -> tuple[bytes | memoryview, int]:
    """Content and modification time (ns) of a source file, looked at once; a large one is mapped into memory, not read.

    ``OSError`` when it is gone or damaged, or as a member of an archive larger than ``limit`` bytes.
    """
    path, member = split(root, source_path)
    if member:
        status = path.stat()
        return _member(path, member, status, limit), status.st_mtime_ns
    with open(path, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if status.st_size > MAPPED:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), status.st_mtime_ns
        return file.read(), status.st_mtime_ns


def read_bytes(root: Path, source_path: str, limit: int = 1 << 32) -> bytes:
    """The content of a source file; ``OSError`` when it is gone, damaged or larger than ``limit`` bytes."""
    path, member = split(root, source_path)
    status = path.stat()
    if member:
        return _member(path, member, status, limit)
    if status.st_size > limit:
        raise OSError("file too large")
    return path.read_bytes()


def _member(path: Path, member: str, status: os.stat_result, limit: int) -> bytes:
    try:
        archive = _archive(path, status.st_mtime_ns, status.st_size)
        if archive.getinfo(member).file_size > limit:
            raise OSError("archive member too large")
        return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, NotImplementedError, EOFError) as error:
        raise OSError("archive member unreadable") from error


@lru_cache(maxsize=4)
def _archive(path: Path, modified_ns: int, size: int) -> zipfile.ZipFile:
    """An archive held open, because its directory may list very many members; a changed one is opened anew."""
    return zipfile.ZipFile(path)
