"""Paths as the operating system takes them, and where the workbench's own files lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from chorus_nb.errors import InputError

CARRIED = ("notebooks", "parameters", "docs")  # folders of the repository that the wheel carries (pyproject.toml)


def carried(name: str) -> Path:
    """A folder of ``CARRIED``: as the wheel has it, or else that of the checkout."""
    package = Path(__file__).parent
    inside = package / "carried" / name
    return inside if inside.is_dir() else package.parent / name


def copy_carried(to: Path) -> list[Path]:
    """Copies of these folders in ``to``; :class:`InputError` where one is there already: a person may work in it."""
    made = [to / name for name in CARRIED]
    if there := [str(folder) for folder in made if folder.exists()]:
        raise InputError(f"notebooks: nothing is written over: {', '.join(there)}")
    for folder in made:
        shutil.copytree(carried(folder.name), folder, ignore=shutil.ignore_patterns(".*"))
    return made


def long_path(path: Path) -> Path:
    """``path`` such that Windows opens it also beyond 260 characters; elsewhere as it is."""
    return Path(extended(str(path))) if os.name == "nt" else path


def extended(path: str) -> str:
    """An absolute Windows path in its extended-length form, of a drive or a network share."""
    if path.startswith("\\\\?\\"):
        return path
    return f"\\\\?\\UNC\\{path[2:]}" if path.startswith("\\\\") else f"\\\\?\\{path}"
