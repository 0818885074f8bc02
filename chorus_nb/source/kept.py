"""Files of a store that were read whole, kept on this machine within a bound; the longest unused go first."""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from chorus_nb.source.folder import MAPPED

BOUND = 16 << 30  # bytes that are kept; never more than half of what is free
UNFINISHED = ".partial-"
ABANDONED = 3600  # seconds after which what is half written was left by a process that is gone

_written: dict[Path, int] = {}  # bytes this process added since it looked how many there are


@dataclass(frozen=True)
class Kept:
    """The folder of kept files: original images, for the owner's eyes only."""

    folder: Path

    @property
    def most(self) -> int:
        """Bytes of the largest file that is kept."""
        return BOUND // 4

    def get(self, name: str) -> BinaryIO | None:
        """The file, if it is there."""
        path = self._path(name)
        try:
            file = path.open("rb")
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # was used just now
        return file

    def put(self, name: str, size: int, blocks: Iterator[bytes], holds: Callable[[], bool]) -> BinaryIO | None:
        """Keep what ``blocks`` give, whole or not at all; ``None`` if it has another ``size`` or not ``holds``."""
        path = self._path(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.name == "posix":
            self.folder.chmod(stat.S_IRWXU)
        path.parent.mkdir(exist_ok=True)
        self._make_room(size)
        temporary = path.with_name(f"{UNFINISHED}{secrets.token_hex(6)}")
        try:
            with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                for block in blocks:
                    file.write(block)
            if temporary.stat().st_size != size or not holds():
                return None
            opened = temporary.open("rb")
            with contextlib.suppress(OSError):  # Windows moves no open file: it is read once and not kept
                temporary.replace(path)
            return opened
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _make_room(self, size: int) -> None:
        """Look now and then, not for every file: with many processes the bound is passed by a twentieth for each."""
        written = _written.get(self.folder)
        _written[self.folder] = (written or 0) + size
        if written is not None and written + size < BOUND // 20:
            return
        _written[self.folder] = size
        files, now = [], time.time()
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                status = path.stat()
                if not path.name.startswith(UNFINISHED):
                    files.append((status.st_mtime, status.st_size, path))
                elif now - status.st_mtime > ABANDONED:
                    path.unlink()
        held = sum(one for _, one, _ in files)
        bound = min(BOUND, (held + shutil.disk_usage(self.folder).free) // 2) - max(size, BOUND // 20)
        for _, one, path in sorted(files):
            if held <= bound:
                break
            with contextlib.suppress(OSError):  # open on Windows: it goes another time
                path.unlink()
                held -= one


def content(file: BinaryIO, size: int) -> bytes | memoryview:
    """All of an open file, mapped if it is large."""
    if size > MAPPED:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return file.read()
