"""The one guard for whoever opens a file: what a header does to a library is a fault of its file, told without values.

Both sides use it, the de-identifier's and the verifier's: it reads nothing and decides nothing.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import subprocess
import warnings
from collections.abc import Iterator

from chorus_nb.errors import FileFault, WorkbenchError

FAULTS_TOLD = (
    (RecursionError, "nests too deep"),
    (MemoryError, "needs more memory than there is"),
    ((TimeoutError, subprocess.TimeoutExpired), "takes too long"),
)
"""The kinds of fault that a person can tell apart; any other is damage."""
DISK_FAULTS = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE")} - {None}
"""Errors of a disk, which are no file's: whatever is written next fails, too."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings and log, which quote values, off the screen and out of the reports."""
    logger = logging.getLogger("pydicom")
    level, silent = logger.level, logging.CRITICAL + 1
    if level != silent:  # within another of these it is: to set a level costs, and this is done for every file
        logger.setLevel(silent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if level != silent:
            logger.setLevel(level)


@contextlib.contextmanager
def one_file(what: str) -> Iterator[None]:
    """Read one file inside: whatever that raises becomes a :class:`FileFault` that says ``what`` and the kind of fault.

    Texts of exceptions and warnings quote headers: neither leaves. Errors that were worded for a person pass.
    """
    with quiet():
        try:
            yield
        except WorkbenchError:
            raise
        except Exception as error:
            raise FileFault(f"{what}: {fault_of(error)}") from None


def fault_of(error: BaseException) -> str:
    """What is wrong with a file, in words, by what reading it raised; never the text of the exception."""
    if isinstance(error, OSError) and error.errno is not None:  # pydicom raises it too, of bytes in memory
        return "could not be read"
    return next((words for kind, words in FAULTS_TOLD if isinstance(error, kind)), "is damaged")
