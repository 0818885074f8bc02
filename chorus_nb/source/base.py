"""What every kind of source can do; the rest of the package knows no more of where the original files lie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from blake3 import blake3

from chorus_nb.errors import WorkbenchError

MOST = 1 << 32  # bytes of a file that are held in memory


class Identity(NamedTuple):
    """What tells that a file changed. ``modified_ns`` is its time, or any number that its store changes with it."""

    size: int
    modified_ns: int


class SourceFile(NamedTuple):
    """A file found in the source. ``problem`` says why it cannot be read ("" = it can)."""

    source_path: str
    size: int
    modified_ns: int
    problem: str = ""


class Source(ABC):
    """A place of original files, only ever read; hashable, picklable, and made without asking the place anything.

    A ``source_path`` is text with ``/`` between folders; it means the same file in every process on every machine.
    What is gone, damaged or too large is an :class:`OSError`, whatever the kind of source.
    """

    @abstractmethod
    def find(self) -> Iterator[SourceFile]:
        """Every file in a fixed order, also those that cannot be read, with their problem."""

    def found_now(self) -> Iterator[SourceFile]:
        """Those of :meth:`find` that the place itself holds."""
        return self.find()

    @abstractmethod
    def open(self, source_path: str) -> AbstractContextManager[BinaryIO]:
        """A file to be read from its start on, and sought in."""

    @abstractmethod
    def identity(self, source_path: str) -> Identity:
        """The identity of a file as it is now."""

    @abstractmethod
    def reachable(self) -> bool:
        """Whether the place can be asked at all: if not, no file of it is at fault."""

    def is_gone(self) -> bool:
        """Whether the place, in which there were files, cannot be asked any more."""
        return not self.reachable()

    def require_reachable(self) -> None:
        """:class:`WorkbenchError` where the place is gone: what could not be read there is not at fault."""
        if self.is_gone():
            raise WorkbenchError("source: it cannot be read any more; run again when it is back") from None

    @abstractmethod
    def mark(self) -> str:
        """Equal where two machines see the same place, "" where one sees none."""

    @property
    def by_request(self) -> bool:
        """Whether every part of a file that is read costs a request."""
        return False

    def may_be_archive(self, source_path: str) -> bool:
        """Whether a file is worth a look for members."""
        return True

    def keep_whole(self, source_path: str) -> None:  # noqa: B027 - most sources have nothing to do
        """Told before the pixels of a released file go, which may be all that is left of its original's."""

    def overlap(self, folder: Path) -> Literal["", "inside", "around"]:
        """Whether a folder that is written to lies inside the source or around it."""
        return ""

    def look(self, source_path: str) -> tuple[bytes | memoryview, Identity]:
        """The content of a file and the identity it had when it was opened; a large one may be mapped, not read."""
        return held(self.identity(source_path), lambda: self.open(source_path))

    def read(self, source_path: str) -> bytes:
        """The whole content of a file, in memory."""
        content, _ = self.look(source_path)
        if len(content) > MOST:
            raise OSError("file too large")
        return bytes(content)

    def range(self, source_path: str, start: int, length: int) -> bytes:
        """At most ``length`` bytes of a file from ``start`` on."""
        with self.open(source_path) as file:
            file.seek(start)
            return file.read(length)

    def start(self, source_path: str, length: int) -> bytes:
        """At most the first ``length`` bytes of a file: asked of every file whenever they are listed."""
        with self.open(source_path) as file:
            return file.read(length)

    def digest(self, source_path: str) -> str:
        """BLAKE3 of the bytes of a file, in hexadecimal digits."""
        return blake3(self.look(source_path)[0]).hexdigest()


def held(identity: Identity, opens: Callable[[], AbstractContextManager[BinaryIO]]) -> tuple[bytes, Identity]:
    """The content of a file, unless memory may not hold it."""
    if identity.size > MOST:
        raise OSError("file too large")
    with opens() as file:
        return file.read(), identity
