"""Native programs that look at a file: run with a limit of time and no more of this process than they need."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

INHERITED = ("PATH", "SYSTEMROOT", "LANG", "LD_LIBRARY_PATH", "TESSDATA_PREFIX")


def scratch() -> TemporaryDirectory[str]:
    """A folder for what may identify a patient: owner only, gone when closed; below ``local/`` (``environment``)."""
    return TemporaryDirectory()


def run_program(
    arguments: Sequence[str | Path], *, seconds: float, content: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """What a program given ``content`` answers; its temporary files and its working folder are scratch.

    ``subprocess.TimeoutExpired`` after ``seconds``, ``OSError`` when it cannot be started.
    """
    with scratch() as folder:
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return subprocess.run(
            [str(argument) for argument in arguments],
            input=content,
            stdin=subprocess.DEVNULL if content is None else None,
            capture_output=True,
            timeout=seconds,
            check=False,
            cwd=folder,
            env={**environment, "TMPDIR": folder, "OMP_THREAD_LIMIT": "1"},
        )
