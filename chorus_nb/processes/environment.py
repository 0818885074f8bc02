"""A process that keeps to itself: temporary files and caches lie below ``local/``, owner only.

``chorus_nb/__init__`` has silenced the libraries that report home before any of them could be imported.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
from hashlib import blake2b
from pathlib import Path

import psutil

LONGEST_SOCKET_FOLDER = 60  # characters: the name of a Unix socket may have 107, and libraries add some 40
CACHES = {"XDG_CACHE_HOME": "", "MPLCONFIGDIR": "matplotlib", "NUMBA_CACHE_DIR": "numba", "IPYTHONDIR": "ipython"}
"""Variable: folder below ``local/cache``. IPython makes a profile at a first start, and runs what it holds."""


def keep_within(local: Path) -> None:
    """From now on this process and its children keep temporary files and caches below ``local``, owner only.

    What processes of this machine that are gone left behind is removed; what this one leaves, when it ends.
    """
    os.umask(0o077)
    folder = local / "scratch" / f"{socket.gethostname()}-{os.getpid()}"
    _sweep(folder.parent)
    if not folder.is_dir():
        folder.mkdir(parents=True)
        atexit.register(_sweep, folder.parent)  # a kernel may have been killed
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    place = _short(folder) if os.name == "posix" else folder
    os.environ.update(dict.fromkeys(("TMPDIR", "TMP", "TEMP", "DASK_TEMPORARY_DIRECTORY"), str(place)))
    tempfile.tempdir = None  # asked anew
    for variable, name in CACHES.items():
        cache = local / "cache" / name
        cache.mkdir(parents=True, exist_ok=True)
        os.environ[variable] = str(cache)


def _sweep(scratch: Path) -> None:
    """Remove the folders of processes of this machine that no longer run."""
    for folder in scratch.glob(f"{socket.gethostname()}-*"):
        number = folder.name.rpartition("-")[2]
        if number.isdigit() and not _runs(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
            _link(folder).unlink(missing_ok=True)


def _runs(number: int) -> bool:
    """Whether a process runs; one that ended and that nobody asked for its end does not."""
    try:
        return bool(psutil.Process(number).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _short(folder: Path) -> Path:
    """``folder``, or a short link to it that holds nothing itself: a socket could not be made in a long one."""
    if len(str(folder)) <= LONGEST_SOCKET_FOLDER:
        return folder
    link = _link(folder)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    atexit.register(link.unlink, missing_ok=True)
    return link


def _link(folder: Path) -> Path:
    return Path("/tmp") / f"chorus-{blake2b(os.fsencode(folder), digest_size=6).hexdigest()}"
