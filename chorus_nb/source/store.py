"""Objects in a store (S3, Google Cloud Storage, Azure Blob, SFTP) reached by fsspec: a part of one is a request.

Credentials come from the environment and nowhere else; no metadata server of a cloud is asked for any. What is read
whole is kept for a while on this machine (:mod:`chorus_nb.source.kept`), for later steps read it again.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from blake3 import blake3

from chorus_nb.errors import InputError
from chorus_nb.source import base
from chorus_nb.source.base import Identity, Source, SourceFile
from chorus_nb.source.kept import Kept, content

AHEAD = 1 << 15  # bytes asked for at least, where a file is read piece by piece
LITTLE = 1 << 10
FETCHED_AT_ONCE = 64 << 20  # bytes of a large file that are in memory while it is fetched
LISTED_AT_ONCE = 32  # entries at the top of which one listing is made
FETCH_TRIES = 3  # to read a file that does not change meanwhile
CONNECTED_ONCE = ("sftp:", "ssh:")  # a broken connection is made anew; to the others every request is its own
ARCHIVE_NAMES = (".zip", ".tar", ".gz", ".xz")
CHANGES_WITH = ("generation", "ETag", "etag", "mtime", "last_modified", "created")  # the first that is there counts
PLACED_BY = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST", "AZURE_STORAGE_ACCOUNT_NAME")
LOCKED = "locked"  # a folder that may not be listed
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
SILENT = 60.0  # seconds without an answer, after which a request is made again or given up; backends have none
T = TypeVar("T")


def _s3() -> dict[str, Any]:
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")  # a connection that no parameter names
    limits = {"connect_timeout": 20, "read_timeout": SILENT, "retries": {"max_attempts": 5}}  # seconds
    return {"config_kwargs": limits, "use_listings_cache": False}


def _google() -> dict[str, Any]:
    from aiohttp import ClientTimeout

    token, limits = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or "anon", ClientTimeout(None, 20, SILENT, 20)
    return {"token": token, "requests_timeout": limits, "use_listings_cache": False}


def _azure() -> dict[str, Any]:
    # seconds; the SDK's own minutes hide a dead connection
    return {"connection_timeout": 20, "read_timeout": SILENT, "use_listings_cache": False}


def _sftp() -> dict[str, Any]:
    from chorus_nb.source.sftp import options

    return options()


SCHEMES: dict[str, Callable[[], dict[str, Any]]] = {
    **dict.fromkeys(("s3",), _s3),
    **dict.fromkeys(("gs", "gcs"), _google),
    **dict.fromkeys(("az", "abfs", "abfss"), _azure),
    **dict.fromkeys(("sftp", "ssh"), _sftp),
}
"""The kinds of store and the options each is opened with."""


@dataclass(frozen=True)
class Store(Source):
    """The objects below ``url``. ``folder`` keeps what was read whole (``None`` = nothing is kept)."""

    url: str
    folder: Path | None = None

    @property
    def by_request(self) -> bool:
        return True

    def find(self) -> Iterator[SourceFile]:
        """One listing; of a top with many folders one for each, so that no more than that is in memory.

        But where a file is called like a folder: of that folder alone adlfs lists nothing but the file.
        """
        root = self._ask(lambda _, root: root)
        entries = self._ask(lambda system, root: system.ls(root, detail=True))
        names = {str(entry["name"]).rstrip("/") for entry in entries}
        if len(entries) <= LISTED_AT_ONCE or len(names) < len(entries):
            yield from self._below(root, root)
            return
        for entry in sorted(entries, key=lambda entry: str(entry["name"])):
            name = str(entry["name"]).rstrip("/")
            if entry["type"] != "directory":
                if name != root and not self._marks_folder(str(entry["name"]), entry):
                    yield _listed(name[len(root) + 1 :], entry)
            elif name == root:
                yield SourceFile("//", 0, 0, "folder_unreadable")  # objects whose name begins with a slash
            else:
                yield from self._below(name, root)

    def _below(self, folder: str, root: str) -> Iterator[SourceFile]:
        by_folders = self.url.startswith(CONNECTED_ONCE)
        inside = self._ask(
            lambda system, _: _walked(system, folder) if by_folders else system.find(folder, detail=True)
        )
        if not isinstance(inside, dict):
            raise OSError("a file in the store is called like this folder")
        for name in sorted(inside):
            if not self._marks_folder(name, inside[name]):
                yield _listed(name[len(root) + 1 :], inside[name])

    def _marks_folder(self, name: str, info: Mapping[str, Any]) -> bool:
        """An object without content that is called like a folder: consoles and programs that copy put it there."""
        if info["type"] != "file" or info["size"]:
            return False
        try:
            return name.endswith("/") or self._ask(lambda system, _: str(system.info(name)["type"])) == "directory"
        except OSError:
            return False

    def open(self, source_path: str) -> BinaryIO:
        """By ranges; an archive whole, for its members are asked for one by one."""
        if self.may_be_archive(source_path) and (fetched := self._fetched(source_path)):
            return fetched[0]
        return cast(BinaryIO, _Ranges(self, source_path))

    def identity(self, source_path: str) -> Identity:
        info = self._ask(lambda system, root: system.info(f"{root}/{source_path}"))
        if info["type"] != "file":
            raise FileNotFoundError("not a file")
        return _identity(info)

    def range(self, source_path: str, start: int, length: int) -> bytes:
        """One request; stores differ in what they answer where nothing is left."""
        if length <= 0:
            return b""
        where = {"start": start, "end": start + length}
        try:
            return bytes(self._ask(lambda system, root: system.cat_file(f"{root}/{source_path}", **where)))
        except FileNotFoundError:
            raise
        except OSError:
            if start < self.identity(source_path).size:
                raise
            return b""

    def look(self, source_path: str) -> tuple[bytes | memoryview, Identity]:
        if fetched := self._fetched(source_path):
            file, identity = fetched
            with file:
                return content(file, identity.size), identity
        for _ in range(FETCH_TRIES):
            identity = self.identity(source_path)
            if identity.size > base.MOST:
                raise OSError("file too large")
            read = b"".join(self._blocks(source_path, identity.size))
            if len(read) == identity.size and self.identity(source_path) == identity:
                return read, identity
        raise OSError("changes while it is read")

    def may_be_archive(self, source_path: str) -> bool:
        """By its name: to ask for the beginning of every file would be a request more for each."""
        return source_path.lower().endswith(ARCHIVE_NAMES)

    def reachable(self) -> bool:
        try:
            return bool(self._ask(lambda system, root: system.exists(root) or system.ls(root, detail=False)))
        except OSError:
            return False

    def mark(self) -> str:
        place = [self.url, *(os.environ.get(name, "") for name in PLACED_BY)]
        return hashlib.sha256("\n".join(place).encode()).hexdigest() if self.reachable() else ""

    def _fetched(self, source_path: str) -> tuple[BinaryIO, Identity] | None:
        """The file on this machine, opened; fetched if it is not kept. ``None`` if nothing, or nothing so large, is."""
        if self.folder is None:
            return None
        kept = Kept(self.folder)
        for _ in range(FETCH_TRIES):
            identity = self.identity(source_path)
            if identity.size > kept.most:
                return None
            name = blake3("\0".join((self.url, source_path, *map(str, identity))).encode()).hexdigest(16)
            blocks = self._blocks(source_path, identity.size)
            same = partial(self._is_still, source_path, identity)
            try:
                file = kept.get(name) or kept.put(name, identity.size, blocks, same)
            except OSError as error:
                if error.errno in FULL:  # here: nothing is the matter with the file
                    return None
                raise
            if file is not None:
                return file, identity
        raise OSError("changes while it is read")

    def _is_still(self, source_path: str, identity: Identity) -> bool:
        return self.identity(source_path) == identity

    def _blocks(self, source_path: str, size: int) -> Iterator[bytes]:
        for start in range(0, size, FETCHED_AT_ONCE):
            yield self.range(source_path, start, min(FETCHED_AT_ONCE, size - start))

    def _ask(self, call: Callable[[Any, str], T]) -> T:
        """The texts of backends may quote a signed address: none is handed on."""
        for left in range(FETCH_TRIES if self.url.startswith(CONNECTED_ONCE) else 1)[::-1]:
            try:
                return call(*_connected(self.url, os.getpid(), threading.get_ident()))
            except InputError:
                raise
            except Exception as error:
                if isinstance(error, FileNotFoundError) or getattr(error, "status_code", 0) == 404:
                    raise FileNotFoundError("not in the store") from None
                if not left:
                    raise OSError("the store refused, or did not answer") from None
                _connected.cache_clear()
        raise AssertionError


@lru_cache(maxsize=8)
def _connected(url: str, _process: int, _thread: int) -> tuple[Any, str]:
    """The file system and the place in it; made where it is used, for a connection does not survive a fork."""
    import fsspec

    scheme = url.partition("://")[0]
    options = SCHEMES[scheme]() if scheme in SCHEMES else {}
    try:
        system, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, **options)
    except ImportError:
        raise InputError(f"source: {scheme} needs more packages; pip install 'chorus-nb[stores]'") from None
    if url.startswith(CONNECTED_ONCE):
        system.ftp.get_channel().settimeout(SILENT)
    return system, str(root).rstrip("/")


def _identity(info: Mapping[str, Any]) -> Identity:
    """Size, and 63 bits of what the store changes with the content."""
    version = next((info[name] for name in CHANGES_WITH if info.get(name)), "")
    version = str(version.timestamp() if isinstance(version, datetime) else version).strip('"')
    return Identity(int(info["size"] or 0), int.from_bytes(blake3(version.encode()).digest(8)) >> 1)


def _walked(system: Any, top: str) -> dict[str, Mapping[str, Any]]:
    """What lies below a folder, by name, with the folders that cannot be listed: fsspec's own walk leaves them out."""
    found: dict[str, Mapping[str, Any]] = {}
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            entries = system.ls(folder, detail=True)
        except PermissionError:
            entries = [{"name": folder, "type": LOCKED}]
        for entry in entries:
            if entry["type"] == "directory":
                folders.append(entry["name"])
            else:
                found[entry["name"]] = entry
    return found


def _listed(path: str, info: Mapping[str, Any]) -> SourceFile:
    if info["type"] == LOCKED:
        return SourceFile(path, 0, 0, "folder_unreadable")
    if info["type"] != "file":
        return SourceFile(path, 0, 0, "not_a_regular_file")
    return SourceFile(path, *_identity(info))


class _Ranges(io.RawIOBase):
    """A file read by requests, none of which is made before the first byte is wanted."""

    def __init__(self, store: Store, source_path: str) -> None:
        self._store, self._path = store, source_path
        self._position = self._start = 0
        self._held = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        before = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}
        self._position = offset + (before[whence] if whence in before else self._store.identity(self._path).size)
        return self._position

    def read(self, count: int | None = -1) -> bytes:
        """All that was asked for, but for the end of the file."""
        if count is None or count < 0:
            size = self._store.identity(self._path).size
            if size > base.MOST:
                raise OSError("file too large")
            count = max(size - self._position, 0)
        at = self._position - self._start
        if at < 0 or at + count > len(self._held):
            self._held = self._store.range(self._path, self._position, self._wanted(count))
            self._start, at = self._position, 0
        read = self._held[at : at + count]
        self._position += len(read)
        return read

    def _wanted(self, count: int) -> int:
        """A reader that goes on in little steps will ask again; one that leaps or asks for much will not."""
        goes_on = self._start <= self._position <= self._start + len(self._held)
        return AHEAD if goes_on and count < LITTLE else count

    def readinto(self, buffer: Any) -> int:
        read = self.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)
