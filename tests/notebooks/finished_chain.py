"""A finished run of the six notebooks, and the command that makes one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from chorus_nb.workspace import Workspace

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Chain:
    """A finished run: its parameter file, its workspace, and what the command said."""

    file: Path
    workspace: Workspace
    exit_code: int
    said: str
    ended: Path  # a copy of the workspace as the run left it: other tests run notebooks in it again
    calls: Path  # what strace saw of its system calls; not there without strace


CALLS = "socket,connect,bind,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"


def can_be_watched() -> bool:
    """Whether strace is here and may watch: not every container lets it."""
    trial = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=openat", "-o", os.devnull, sys.executable, "-c", ""]
    return bool(shutil.which("strace")) and subprocess.run(trial, capture_output=True).returncode == 0


def watched(command: list[str], calls: Path) -> list[str]:
    """The command, with the calls of it and of all its children written to ``calls``."""
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-o", str(calls), "-e", f"trace={CALLS}", *command]


def chorus_nb(*arguments: str, calls: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a person calls it; if ``calls`` is a file to write, as one who never ran anything here, watched
    by strace, where there is one."""
    command = [sys.executable, "-m", "chorus_nb", *arguments]
    environment = {**os.environ, "JPY_SESSION_NAME": "/elsewhere/any.ipynb"}  # as from a cell of a notebook in Lab
    if calls:
        environment["HOME"] = str(calls.with_name("home"))
        Path(environment["HOME"]).mkdir(exist_ok=True)
        command = watched(command, calls) if can_be_watched() else command
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
