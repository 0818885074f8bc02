"""Paths as the operating system takes them."""

from __future__ import annotations

import os
from pathlib import Path


def long_path(path: Path) -> Path:
    """``path`` such that Windows opens it also beyond 260 characters; elsewhere as it is."""
    return Path(extended(str(path))) if os.name == "nt" else path


def extended(path: str) -> str:
    """An absolute Windows path in its extended-length form, of a drive or a network share."""
    if path.startswith("\\\\?\\"):
        return path
    return f"\\\\?\\UNC\\{path[2:]}" if path.startswith("\\\\") else f"\\\\?\\{path}"
