"""The source, read only: which files there are and their bytes; nothing else knows where they lie (see README.md)."""

from __future__ import annotations

from pathlib import Path

from chorus_nb.source.archives import BEGINNING, Archives, is_archive
from chorus_nb.source.base import Identity, Source, SourceFile
from chorus_nb.source.folder import Folder


def open_source(place: str | Path, base: Path = Path()) -> Source:
    """The source that the parameter ``source`` means; a relative folder is taken from ``base``."""
    return Archives(Folder((base / Path(place).expanduser()).resolve()))
