"""Originals of earlier deliveries, made again byte for byte once the source does not hold them any more.

03 keeps of every file that it releases what the release does not hold: all but the pixels where those left as they
were, else all of it. Head, released pixels and tail together have the digest of the original, or there is no original.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from chorus_nb.source.base import Identity, Source, SourceFile, held

ORIGINALS_FOLDER, EARLIER_LIST = "originals", "earlier.sqlite"  # below local/
KEPT_WHOLE = "whole"  # below ORIGINALS_FOLDER: originals whose pixels the release does not hold any more
PIXEL_PLACES = ("release", "local/quarantine")  # below the workspace: where the pixels of a file may stand

ORIGINALS_PART = pa.schema(
    [
        ("source_path", pa.string()),
        ("target_path", pa.string()),
        ("length", pa.int64()),  # bytes of the pixels that the released file holds
        ("behind", pa.int64()),  # where they begin there, counted from its end
        ("head", pa.large_binary()),
        ("tail", pa.large_binary()),
    ]
)


class OriginalGone(OSError):
    """The source does not hold a file any more, and its original cannot be made again."""


class Original(NamedTuple):
    """What is kept of an original, as in :data:`ORIGINALS_PART`."""

    source_path: str
    target_path: str
    length: int
    behind: int
    head: bytes
    tail: bytes


class Earlier(NamedTuple):
    """A file that an earlier scan found and the last one did not; ``part`` holds what is kept of it.

    Nothing is kept of what was not released: it has neither ``part`` nor ``digest`` and is counted only.
    """

    source_path: str
    size: int
    modified_ns: int
    part: str
    digest: str


def write_originals(folder: Path, name: str, originals: Iterable[Original]) -> None:
    """Write a part, whole or not at all."""
    columns = zip(*originals, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, ORIGINALS_PART.types, strict=True)]
    table = pa.table(arrays, ORIGINALS_PART)
    with _replacing(folder / name) as temporary:
        pq.write_table(table, temporary, compression="zstd", use_dictionary=False, write_statistics=False)


def keep_originals(folder: Path, parts: set[str]) -> None:
    """Remove the parts that nothing names any more."""
    for path in folder.glob("*.parquet"):
        if path.name not in parts:
            path.unlink()


def write_earlier(local: Path, files: Iterable[Earlier]) -> int:
    """Make the list of files that the source does not hold any more; returns how many."""
    path, count = local / EARLIER_LIST, 0
    _opened.cache_clear()  # Windows replaces no open file
    with _replacing(path) as temporary, contextlib.closing(sqlite3.connect(temporary)) as connection:
        connection.execute(
            "create table earlier (source_path text primary key, size, modified_ns, part, digest) without rowid"
        )
        for file in files:
            connection.execute("insert into earlier values (?, ?, ?, ?, ?)", file)
            count += 1
        connection.commit()
    return count


def counted_only(local: Path) -> frozenset[str]:
    """The files of earlier deliveries that were not released and are not in the source any more."""
    return frozenset(file.source_path for file in read_earlier(local) if not file.digest)


def read_earlier(local: Path) -> list[Earlier]:
    """The list, by path; nothing where none was made."""
    path = local / EARLIER_LIST
    if not path.is_file():
        return []
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [Earlier(*row) for row in connection.execute("select * from earlier order by source_path")]


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial-{secrets.token_hex(6)}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class Deliveries(Source):
    """The source as it is now, under the name of its ``batch``, and the files of earlier deliveries beside it."""

    now: Source
    workspace: Path
    batch: str = ""

    @property
    def local(self) -> Path:
        return self.workspace / "local"

    def find(self) -> Iterator[SourceFile]:
        gone = {file.source_path: file for file in read_earlier(self.local)}
        for file in self.found_now():
            gone.pop(file.source_path, None)
            yield file
        for one in gone.values():
            yield SourceFile(one.source_path, one.size, one.modified_ns)

    def found_now(self) -> Iterator[SourceFile]:
        """Every file that the source holds now."""
        for file in self.now.find():
            yield file._replace(source_path=f"{self.batch}/{file.source_path}") if self.batch else file

    def open(self, source_path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        if earlier := self._earlier(source_path):
            return io.BytesIO(self.made_again(earlier))
        return self.now.open(self._inside(source_path))

    def identity(self, source_path: str) -> Identity:
        if earlier := self._earlier(source_path):
            return Identity(earlier.size, earlier.modified_ns)
        return self.now.identity(self._inside(source_path))

    def look(self, source_path: str) -> tuple[bytes | memoryview, Identity]:
        if self._earlier(source_path):
            return held(self.identity(source_path), lambda: self.open(source_path))
        return self.now.look(self._inside(source_path))

    def made_again(self, earlier: Earlier) -> bytes:
        """The original; :class:`OriginalGone` where what is kept of it and its pixels do not give it."""
        for content in self._candidates(earlier) if earlier.digest else ():
            if blake3(content).hexdigest() == earlier.digest:
                return content
        raise OriginalGone("its original cannot be made again")

    def keep_whole(self, source_path: str) -> None:
        earlier = self._earlier(source_path)
        if earlier is None or self._whole(earlier).is_file():
            return
        try:
            content = self.made_again(earlier)
        except OSError:
            return  # there is nothing to keep
        with _replacing(self._whole(earlier)) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def reachable(self) -> bool:
        return self.now.reachable()

    def is_gone(self) -> bool:
        return self.now.is_gone()

    def mark(self) -> str:
        return self.now.mark()

    @property
    def by_request(self) -> bool:
        return self.now.by_request

    def overlap(self, folder: Path) -> Literal["", "inside", "around"]:
        return self.now.overlap(folder)

    def _inside(self, source_path: str) -> str:
        """The path in the source as it is now; what belongs to another batch is not there."""
        if not self.batch:
            return source_path
        if not source_path.startswith(f"{self.batch}/"):
            raise FileNotFoundError("of another batch")
        return source_path.removeprefix(f"{self.batch}/")

    @cached_property
    def _list(self) -> str:
        return str(self.local / EARLIER_LIST)

    def _earlier(self, source_path: str) -> Earlier | None:
        try:
            status = os.stat(self._list)  # noqa: PTH116 - asked for every file of a run
        except OSError:
            return None
        return _opened(self._list, status.st_mtime_ns, status.st_ino).get(source_path)

    def _whole(self, earlier: Earlier) -> Path:
        return self.local / ORIGINALS_FOLDER / KEPT_WHOLE / earlier.digest

    def _candidates(self, earlier: Earlier) -> Iterator[bytes]:
        """What may be the original: kept whole, or put together with the pixels that stand in the release."""
        with contextlib.suppress(OSError):
            yield self._whole(earlier).read_bytes()
        path = self.local / ORIGINALS_FOLDER / earlier.part
        try:
            kept = _part(str(path), path.stat().st_mtime_ns).get(earlier.source_path)
        except (OSError, pa.ArrowException):
            return
        if kept is None:
            return
        if not kept.length:
            yield kept.head
        for place in PIXEL_PLACES if kept.length else ():
            with contextlib.suppress(OSError), open(self.workspace / place / kept.target_path, "rb") as file:
                file.seek(-kept.behind, os.SEEK_END)
                yield b"".join((kept.head, file.read(kept.length), kept.tail))


class _Listed:
    """The list, asked path by path: it may be as long as the release."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True, check_same_thread=False)
        self._lock = threading.Lock()

    def get(self, source_path: str) -> Earlier | None:
        with self._lock:
            row = self._connection.execute("select * from earlier where source_path = ?", (source_path,)).fetchone()
        return Earlier(*row) if row else None


@lru_cache(maxsize=4)
def _opened(path: str, modified_ns: int, inode: int) -> _Listed:
    return _Listed(path)


@lru_cache(maxsize=2)
def _part(path: str, modified_ns: int) -> dict[str, Original]:
    rows = pq.read_table(path, schema=ORIGINALS_PART).to_pylist()
    return {row["source_path"]: Original(**row) for row in rows}
