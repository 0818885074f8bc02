"""Archives among the files of a source: each member is a file of its own, ``archive.zip!member``."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast

from chorus_nb.source.base import Identity, Source, SourceFile, held

MEMBER = "!"  # between an archive's path and the path of a member inside it


class Member(NamedTuple):
    """A file inside an archive; ``problem`` as in :class:`SourceFile`."""

    name: str
    size: int
    problem: str


class Archive(ABC):
    """An archive held open, because its directory may list very many members. Damage is an :class:`OSError`."""

    START: bytes
    """what the file begins with"""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def __del__(self) -> None:
        self.stream.close()  # whoever reads a member holds the archive

    @staticmethod
    @abstractmethod
    def is_one(stream: BinaryIO) -> bool:
        """Whether a file that begins with ``START`` is such an archive."""

    @abstractmethod
    def members(self) -> list[Member]:
        """Every file inside, in a fixed order."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of a member."""

    @abstractmethod
    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A member to be read from its start on."""


class Zip(Archive):
    START = b"PK\x03\x04"

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        with _damage_named(zipfile.BadZipFile):
            self._zip = zipfile.ZipFile(stream)

    @staticmethod
    def is_one(stream: BinaryIO) -> bool:
        return zipfile.is_zipfile(stream)

    def members(self) -> list[Member]:
        return [
            Member(info.filename, info.file_size, "encrypted_member" if info.flag_bits & 1 else "")
            for info in sorted(self._zip.infolist(), key=lambda info: info.filename)
            if not info.is_dir()
        ]

    def size(self, name: str) -> int:
        with _damage_named(KeyError):
            return self._zip.getinfo(name).file_size

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with _damage_named(zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError):
            member = self._zip.open(name)
        with _damage_named(zipfile.BadZipFile, zlib.error, EOFError), member:
            yield cast(BinaryIO, member)


@contextlib.contextmanager
def _damage_named(*faults: type[Exception]) -> Iterator[None]:
    try:
        yield
    except faults as error:
        raise OSError("archive damaged, encrypted or without this member") from error


ARCHIVES: tuple[type[Archive], ...] = (Zip,)


def _kind(stream: BinaryIO) -> type[Archive] | None:
    start = stream.read(max(len(kind.START) for kind in ARCHIVES))
    return next((kind for kind in ARCHIVES if start.startswith(kind.START) and kind.is_one(stream)), None)


@lru_cache(maxsize=4)
def _opened(outer: Source, path: str, identity: Identity) -> Archive:
    """A changed archive is opened anew."""
    stream = outer.open(path).__enter__()
    kind = _kind(stream)
    if kind is None:
        stream.close()
        raise OSError("no archive")
    return kind(stream)


class _Inside(NamedTuple):
    archive: Archive
    name: str
    modified_ns: int


@dataclass(frozen=True)
class Archives(Source):
    """The files of ``outer``, and in the place of each archive its members."""

    outer: Source

    def find(self) -> Iterator[SourceFile]:
        for file in self.outer.find():
            yield from [file] if file.problem else self._inside(file)

    def _inside(self, file: SourceFile) -> list[SourceFile]:
        path = file.source_path
        try:
            with self.outer.open(path) as stream:
                if (kind := _kind(stream)) is None:
                    return [file]
                with contextlib.suppress(OSError):
                    return [
                        SourceFile(f"{path}{MEMBER}{name}", size, file.modified_ns, problem)
                        for name, size, problem in kind(stream).members()
                    ]
                return [file._replace(problem="archive_damaged")]
        except OSError:
            return [SourceFile(path, 0, 0, "unreadable")]

    def open(self, source_path: str) -> AbstractContextManager[BinaryIO]:
        if member := self._member(source_path):
            return member.archive.open(member.name)
        return self.outer.open(source_path)

    def identity(self, source_path: str) -> Identity:
        if member := self._member(source_path):
            return Identity(member.archive.size(member.name), member.modified_ns)
        return self.outer.identity(source_path)

    def look(self, source_path: str) -> tuple[bytes | memoryview, Identity]:
        if not (member := self._member(source_path)):
            return self.outer.look(source_path)
        archive, name, modified_ns = member
        return held(Identity(archive.size(name), modified_ns), lambda: archive.open(name))

    def _member(self, source_path: str) -> _Inside | None:
        """The archive that a path leads into; ``None`` for a file of ``outer``, which may have the mark in its name."""
        if MEMBER not in source_path or self._there(source_path):
            return None
        position = source_path.find(MEMBER)
        while position > 0:
            path, name = source_path[:position], source_path[position + 1 :]
            if identity := self._there(path):
                return _Inside(_opened(self.outer, path, identity), name, identity.modified_ns)
            position = source_path.find(MEMBER, position + 1)
        return None

    def _there(self, path: str) -> Identity | None:
        with contextlib.suppress(OSError):
            return self.outer.identity(path)
        return None

    def reachable(self) -> bool:
        return self.outer.reachable()

    def mark(self) -> str:
        return self.outer.mark()

    def overlap(self, folder: Path) -> Literal["", "inside", "around"]:
        return self.outer.overlap(folder)
