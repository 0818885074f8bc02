"""A finished run of the six notebooks, and the command that makes one."""

from __future__ import annotations

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

    def again(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return chorus_nb("run", str(self.file), *arguments)


def chorus_nb(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a person calls it."""
    command = [sys.executable, "-m", "chorus_nb.workbench.commands", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
