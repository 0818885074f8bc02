"""Every kind of source, each filled by the same call: a new kind is one class and one row in ``KINDS``."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from chorus_nb.source import Identity, Source, SourceFile, open_source
from chorus_nb.source.archives import Archives

CLOCK = itertools.count(1_000_000_007, 1_000)


class Kind(ABC):
    """A source in the making. A file ``name`` that was put is found as ``before + name``."""

    before = ""
    source: Source

    def __init__(self, folder: Path) -> None:
        self.root = folder / "source"
        self.root.mkdir()
        self.source = open_source(self.root)

    @abstractmethod
    def put(self, files: dict[str, bytes]) -> None:
        """Hold these files now, newer than all that were there before."""

    def lose(self) -> None:
        """The place is there no more."""
        shutil.rmtree(self.root)


class InFolder(Kind):
    def put(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            write(self.root / (self.before + name), content)


class InNestedFolders(InFolder):
    before = "site/2019/"


class ThroughLinks(InFolder):
    """The source is a link, and so is the folder its files are in."""

    before = "link/"

    def __init__(self, folder: Path) -> None:
        (folder / "real" / "link").mkdir(parents=True)
        (folder / "source").symlink_to(folder / "real")
        self.root = folder / "real"
        self.source = open_source(folder / "source")


class InZip(Kind):
    before = "export.bin!"

    def put(self, files: dict[str, bytes]) -> None:
        write(self.root / "export.bin", zipped(files))


class InTar(Kind):
    before = "export.tar!"

    def put(self, files: dict[str, bytes]) -> None:
        write(self.root / "export.tar", tarred(files))


STORES: dict[str, dict[str, tuple[bytes, int]]] = {}


@dataclass(frozen=True)
class Store(Source):
    """Keys and bytes, without folders and without a disk: what an object store is to the rest of the package."""

    name: str

    def find(self) -> Iterator[SourceFile]:
        for key, (content, version) in sorted(STORES[self.name].items()):
            yield SourceFile(key, len(content), version)

    def open(self, source_path: str) -> BinaryIO:
        self.identity(source_path)
        return io.BytesIO(STORES[self.name][source_path][0])

    def identity(self, source_path: str) -> Identity:
        if source_path not in STORES.get(self.name, {}):
            raise FileNotFoundError(source_path)
        content, version = STORES[self.name][source_path]
        return Identity(len(content), version)

    def reachable(self) -> bool:
        return self.name in STORES

    def mark(self) -> str:
        return self.name if self.reachable() else ""


class InStore(Kind):
    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        STORES[self.name] = {}
        self.source = Archives(Store(self.name))

    def put(self, files: dict[str, bytes]) -> None:
        STORES[self.name] |= {name: (content, next(CLOCK)) for name, content in files.items()}

    def lose(self) -> None:
        del STORES[self.name]


class InZipInStore(InStore):
    before = "export.zip!"

    def put(self, files: dict[str, bytes]) -> None:
        super().put({"export.zip": zipped(files)})


KINDS: list[type[Kind]] = [InFolder, InNestedFolders, InZip, InTar, InStore, InZipInStore]
if os.name == "posix":
    KINDS.append(ThroughLinks)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(1, next(CLOCK)))


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()
