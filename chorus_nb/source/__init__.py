"""The source, read only: which files there are and their bytes; nothing else knows where they lie (see README.md)."""

from __future__ import annotations

from pathlib import Path

from chorus_nb.source.archives import BEGINNING, Archives, is_archive
from chorus_nb.source.base import Identity, Source, SourceFile
from chorus_nb.source.earlier import Deliveries
from chorus_nb.source.folder import Folder
from chorus_nb.source.store import SCHEMES, Store


def open_source(place: str | Path, base: Path = Path(), kept: Path | None = None) -> Source:
    """The source that the parameter ``source`` means: a folder (a relative one is taken from ``base``) or an address.

    What is read of a store is kept in the folder ``kept`` for a while.
    """
    if is_store(str(place)):
        return Archives(Store(str(place).rstrip("/"), kept))
    return Archives(Folder((base / Path(place).expanduser()).resolve()))


def is_store(place: str) -> bool:
    """Whether the value of ``source`` is an address."""
    return "://" in place
