"""Every kind of source, each filled by the same call: a new kind is one class and one row in ``KINDS``."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import tarfile
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path

import fsspec

from chorus_nb.source import Source, Store, open_source
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


class InStore(Kind):
    """A store without a service: fsspec's own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.at = f"/{folder.name}-{next(CLOCK)}"
        self.memory = fsspec.filesystem("memory")
        self.memory.mkdir(self.at)
        self.source = Archives(Store(f"memory:/{self.at}", folder / "kept"))

    def put(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            self.memory.pipe_file(f"{self.at}/{name}", content)

    def lose(self) -> None:
        self.memory.rm(self.at, recursive=True)


class NotKept(InStore):
    """Nothing is kept on this machine."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.source = Archives(Store(f"memory:/{self.at}"))


class InZipInStore(InStore):
    before = "export.zip!"

    def put(self, files: dict[str, bytes]) -> None:
        super().put({"export.zip": zipped(files)})


KINDS: list[type[Kind]] = [InFolder, InNestedFolders, InZip, InTar, InStore, NotKept, InZipInStore]
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
