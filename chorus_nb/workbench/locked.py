"""A file that a passphrase locks, written and read as a stream in bounded memory.

The head (format, salt) and the passphrase give the key (scrypt, RFC 7914); then come frames of AES-256-GCM, each bound
to the head, to its number and to whether it is the last: one that is changed, moved, left out or cut off is seen.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from chorus_nb.errors import InputError

NAME, FORMAT = b"chorus-nb backup ", b"1\n"
COST = 2**17  # n of scrypt with r = 8: 128 MiB of memory for every passphrase that is tried
SALT, FRAME, TAG = 32, 1 << 20, 16  # bytes; a frame counts what is locked, to which GCM adds its tag


class _Frames:
    """Locks and opens the frames of one file. Its key is of this file alone, so a number is a nonce."""

    def __init__(self, head: bytes, passphrase: str) -> None:
        self._head, self._number = head, 0
        key = Scrypt(salt=head[-SALT:], length=32, n=COST, r=8, p=1).derive(passphrase.encode("utf-8"))
        self._cipher = AESGCM(key)

    def lock(self, content: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(*self._next(content, last))

    def open(self, content: bytes, *, last: bool) -> bytes:
        return self._cipher.decrypt(*self._next(content, last))

    def _next(self, content: bytes, last: bool) -> tuple[bytes, bytes, bytes]:
        number, self._number = self._number, self._number + 1
        return number.to_bytes(12, "big"), content, self._head + struct.pack(">Q?", number, last)


class _Writer(io.RawIOBase):
    def __init__(self, file: BinaryIO, frames: _Frames) -> None:
        self._file, self._frames, self._waiting = file, frames, bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self._waiting += content
        while len(self._waiting) > FRAME:
            self._file.write(self._frames.lock(bytes(self._waiting[:FRAME]), last=False))
            del self._waiting[:FRAME]
        return len(content)

    def finish(self) -> None:
        self._file.write(self._frames.lock(bytes(self._waiting), last=True))


class _Reader(io.RawIOBase):
    def __init__(self, file: BinaryIO, frames: _Frames) -> None:
        self._file, self._frames, self._opened = file, frames, b""
        self._locked = file.read(FRAME + TAG)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while self._locked and (size < 0 or len(self._opened) < size):
            self._opened += self._frame()
        size = len(self._opened) if size < 0 else size
        given, self._opened = self._opened[:size], self._opened[size:]
        return given

    def _frame(self) -> bytes:
        now, self._locked = self._locked, self._file.read(FRAME + TAG)
        try:
            return self._frames.open(now, last=not self._locked)
        except InvalidTag:
            raise InputError("backup: the file was changed or cut since it was written; take another copy") from None


@contextlib.contextmanager
def locking(path: Path, passphrase: str) -> Iterator[BinaryIO]:
    """A stream whose bytes go locked to ``path``; the file is finished when the block ends well."""
    head = NAME + FORMAT + os.urandom(SALT)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        frames = _Frames(head, passphrase)
        file.write(head + frames.lock(b"", last=False))  # an empty frame tells a wrong passphrase from a changed file
        writer = _Writer(file, frames)
        yield writer  # type: ignore[misc]
        writer.finish()


@contextlib.contextmanager
def opening(path: Path, passphrase: str) -> Iterator[BinaryIO]:
    """The stream that was locked; :class:`InputError` in words, at the latest where the block ends."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"backup: cannot be read ({error.strerror}): {path}") from None
    with file:
        head = file.read(len(NAME + FORMAT) + SALT)
        if not head.startswith(NAME) or len(head) < len(NAME + FORMAT) + SALT:
            raise InputError(f"backup: is no file that chorus-nb backup wrote: {path}")
        if not head.startswith(NAME + FORMAT):
            raise InputError("backup: was written in another format; restore it with the version that wrote it")
        frames = _Frames(head, passphrase)
        try:
            frames.open(file.read(TAG), last=False)
        except InvalidTag:
            raise InputError("backup: the passphrase is another, or the beginning of the file was changed") from None
        reader = _Reader(file, frames)
        yield reader  # type: ignore[misc]
        while reader.read(FRAME):
            pass
