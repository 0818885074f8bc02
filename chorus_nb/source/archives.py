"""Archives among the files of a source: each member is a file of its own, ``archive.zip!member``."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeVar, cast

from chorus_nb.source.base import Identity, Source, SourceFile, held

BEGINNING = 512  # bytes of a file that tell whether it is an archive
MEMBER = "!"  # between an archive's path and the path of a member inside it


class Member(NamedTuple):
    """A file inside an archive; ``problem`` as in :class:`SourceFile`."""

    name: str
    size: int
    problem: str


Listed = TypeVar("Listed", zipfile.ZipInfo, tarfile.TarInfo)


class Archive(ABC):
    """An archive held open, because its directory may list very many members. Damage is an :class:`OSError`."""

    START: tuple[bytes, ...]
    """what the file has at ``OFFSET``"""
    OFFSET = 0

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        self.stream = stream

    @classmethod
    def is_one(cls, start: bytes) -> bool:
        """Whether a file that begins with ``start`` (512 bytes) is one."""
        return start.startswith(cls.START, cls.OFFSET)

    def __del__(self) -> None:
        self.stream.close()  # whoever reads a member holds the archive

    @abstractmethod
    def members(self) -> list[Member]:
        """Every file inside, in a fixed order."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of a member."""

    @abstractmethod
    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A member to be read from its start on."""


def _named(listed: Iterable[tuple[str, Listed]]) -> dict[str, Listed]:
    """Members by name. Some exporters give one name to several: all but the first have a number added."""
    made: dict[str, Listed] = {}
    again: Counter[str] = Counter()
    for name, member in listed:
        own = name
        while own in made:
            again[name] += 1
            own = f"{name}~{again[name] + 1}"
        made[own] = member
    return dict(sorted(made.items()))


MARK_AT = 128  # where DICM stands (PS3.10 section 7.1)
GZIP_WINDOW = 31  # what zlib is told so that it takes the header of gzip
PACKED_DAMAGE = (zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)
ZIP_DAMAGE = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, IndexError, OverflowError)

LOCAL_HEADER = 30  # bytes before the name of a member


class _BytesAsNames:
    """A zip file that says of no name that it is UTF-8, so that each is read byte by byte (APPNOTE 4.4.4, bit 11)."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, count: int = -1) -> bytes:
        read = bytearray(self._stream.read(count))
        if len(read) == LOCAL_HEADER and read.startswith(Zip.START[0]):
            read[7] &= 0xF7
        at = 0
        while read[at : at + 4] == b"PK\x01\x02" and at + 46 <= len(read):
            read[at + 9] &= 0xF7
            at += 46 + sum(struct.unpack_from("<HHH", read, at + 28))
        return bytes(read)


def _name(info: zipfile.ZipInfo) -> str:
    return info.filename


def _name_of_bytes(info: zipfile.ZipInfo) -> str:
    return info.filename.encode("cp437", "replace").decode("utf-8", "backslashreplace")


class Zip(Archive):
    START = (b"PK\x03\x04", b"PK\x05\x06")  # a member, or the list of none
    METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        with _damage_named(*ZIP_DAMAGE):
            try:
                self._zip, name_of = zipfile.ZipFile(stream), _name
            except UnicodeDecodeError:  # a name that says it is UTF-8 and is not: it costs no more than its letters
                stream.seek(0)
                self._zip, name_of = zipfile.ZipFile(cast(BinaryIO, _BytesAsNames(stream))), _name_of_bytes
        self._members = _named((name_of(info), info) for info in self._zip.infolist() if not info.is_dir())

    def members(self) -> list[Member]:
        return [Member(name, info.file_size, self._problem(info)) for name, info in self._members.items()]

    def _problem(self, info: zipfile.ZipInfo) -> str:
        if info.flag_bits & 1:
            return "encrypted_member"
        return "" if info.compress_type in self.METHODS else "archive_not_opened"

    def size(self, name: str) -> int:
        with _damage_named(KeyError):
            return self._members[name].file_size

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with _damage_named(*ZIP_DAMAGE, KeyError, RuntimeError):
            member = self._zip.open(self._members[name])
        with _damage_named(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError), member:
            yield cast(BinaryIO, member)


class Tar(Archive):
    """Not compressed: a member of a compressed one could be reached only through all before it."""

    START = (b"ustar",)
    OFFSET = 257

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        with _damage_named(tarfile.TarError, EOFError):
            self._tar = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 - held open as this is
            self._members = _named((info.name, info) for info in self._tar.getmembers() if not info.isdir())

    def members(self) -> list[Member]:
        """Links and devices are on the list, and not followed."""
        return [Member(n, info.size, "" if info.isreg() else "not_a_regular_file") for n, info in self._members.items()]

    def size(self, name: str) -> int:
        with _damage_named(KeyError):
            return self._members[name].size

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with _damage_named(tarfile.TarError, KeyError):
            member = self._tar.extractfile(self._members[name])
        if member is None:
            raise OSError("not a regular file")
        with _damage_named(tarfile.TarError, EOFError), member:
            yield cast(BinaryIO, member)


class Packed(Archive):
    """A single DICOM file, packed by itself (gzip, xz); its length is known once all of it was unpacked.

    Anything else in gzip or xz stays as it is: of a packed tar each member lies behind all before it.
    """

    GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\0"
    START = (GZIP, XZ)
    MEMBER_NAME = "unpacked"
    BLOCK = 1 << 20

    @classmethod
    def is_one(cls, start: bytes) -> bool:
        if not super().is_one(start):
            return False
        with contextlib.suppress(*PACKED_DAMAGE):
            unpacker = zlib.decompressobj(GZIP_WINDOW) if start.startswith(cls.GZIP) else lzma.LZMADecompressor()
            return unpacker.decompress(start, MARK_AT + 4)[MARK_AT:] == b"DICM"
        return False

    def members(self) -> list[Member]:
        return [Member(self.MEMBER_NAME, self._length, "")]

    def size(self, name: str) -> int:
        if name != self.MEMBER_NAME:
            raise OSError("archive without this member")
        return self._length

    @cached_property
    def _length(self) -> int:
        with self.open(self.MEMBER_NAME) as unpacked:
            return sum(map(len, iter(lambda: unpacked.read(self.BLOCK), b"")))

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        self.stream.seek(0)
        opener = gzip.open if self.stream.read(len(self.GZIP)) == self.GZIP else lzma.open
        self.stream.seek(0)
        with _damage_named(*PACKED_DAMAGE), opener(self.stream) as unpacked:
            yield cast(BinaryIO, unpacked)


@contextlib.contextmanager
def _damage_named(*faults: type[Exception]) -> Iterator[None]:
    try:
        yield
    except faults as error:
        raise OSError("archive damaged, encrypted or without this member") from error


ARCHIVES: tuple[type[Archive], ...] = (Zip, Tar, Packed)

UNOPENED = tuple(
    bytes.fromhex(start)
    for start in ("1f8b", "425a68", "fd377a585a00", "377abcaf271c", "526172211a07", "28b52ffd", "4d534346", "1f9d")
)
"""How gzip, bzip2, xz, 7z, rar, zstd, cab and compress begin: archives that have to be unpacked first."""


def is_archive(start: bytes) -> bool:
    """Whether a file that begins with ``start`` (512 bytes) is an archive of any kind, also one inside another."""
    return start.startswith(UNOPENED) or _kind(start) is not None


def _kind(start: bytes) -> type[Archive] | None:
    return next((kind for kind in ARCHIVES if kind.is_one(start)), None)


@lru_cache(maxsize=4)
def _opened(outer: Source, path: str, identity: Identity) -> Archive:
    """A changed archive is opened anew."""
    stream = outer.open(path).__enter__()
    kind = _kind(stream.read(BEGINNING))
    if kind is None:
        stream.close()
        raise OSError("no archive")
    return kind(stream)


def _in_text(file: SourceFile) -> SourceFile:
    """A file whose name is no text in any encoding can be listed under a name that shows its bytes, and not be read."""
    name = file.source_path.encode("utf-8", "backslashreplace").decode()
    return file if name == file.source_path else file._replace(source_path=name, problem="name_not_text")


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
            yield from map(_in_text, self._inside(file) if self._may_hold(file) else [file])

    def _may_hold(self, file: SourceFile) -> bool:
        return not file.problem and self.outer.may_be_archive(file.source_path)

    def _inside(self, file: SourceFile) -> list[SourceFile]:
        path = file.source_path
        try:
            if (kind := _kind(self.outer.start(path, BEGINNING))) is None:
                return [file]
            with self.outer.open(path) as stream:
                with contextlib.suppress(OSError):
                    inside = [
                        SourceFile(f"{path}{MEMBER}{name}", size, file.modified_ns, problem)
                        for name, size, problem in kind(stream).members()
                    ]
                    return inside or [file._replace(problem="archive_empty")]
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
        if MEMBER not in source_path or (not self.outer.by_request and self._there(source_path)):
            return None
        position = source_path.find(MEMBER)
        while position > 0:
            path, name = source_path[:position], source_path[position + 1 :]
            if self.outer.may_be_archive(path) and (identity := self._there(path)):
                return _Inside(_opened(self.outer, path, identity), name, identity.modified_ns)
            position = source_path.find(MEMBER, position + 1)
        return None

    def _there(self, path: str) -> Identity | None:
        with contextlib.suppress(OSError):
            return self.outer.identity(path)
        return None

    @property
    def by_request(self) -> bool:
        return self.outer.by_request

    def reachable(self) -> bool:
        return self.outer.reachable()

    def is_gone(self) -> bool:
        return self.outer.is_gone()

    def mark(self) -> str:
        return self.outer.mark()

    def overlap(self, folder: Path) -> Literal["", "inside", "around"]:
        return self.outer.overlap(folder)
