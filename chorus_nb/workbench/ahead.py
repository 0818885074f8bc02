"""What a run would change in the release, told without running or writing anything (``chorus-nb outlook``).

01's links and 03's worklist are made in memory, of the lookup tables, parameters and decisions as they are now. Nothing
is opened that 01 did not read, and no picture is looked at: of these each file keeps what the last run found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from chorus_nb import deid, explore, tables
from chorus_nb.deid.ledger import LEDGER_FILE
from chorus_nb.errors import NotReady
from chorus_nb.workspace import Workspace


class InMemory(Workspace):
    """A workspace in which what is written is kept in memory only."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace.parameters)
        self._written: dict[str, pd.DataFrame] = {}

    def has(self, table: tables.Table) -> bool:
        return table.name in self._written or super().has(table)

    def read(self, table: tables.Table, columns: Sequence[str] | None = None, *, compact: bool = False) -> pd.DataFrame:
        if table.name not in self._written:
            return super().read(table, columns, compact=compact)
        frame = self._written[table.name]
        return frame[list(columns)].copy() if columns else frame.copy()

    def write(self, table: tables.Table, frame: pd.DataFrame) -> Path:
        self._written[table.name] = tables.to_pandas(tables.to_arrow(table, frame))
        return self.path(table)

    def note(self, name: str, rows: int | None, digest: Callable[[], str]) -> None:
        """Nothing is recorded: this is no run."""

    def remember_key(self, *keys: bytes) -> None:
        """Nothing is made with it."""


class Ahead(NamedTuple):
    """``outlook``: the table; ``source``: the files that 01 has not read as they are now, by what they are."""

    outlook: pd.DataFrame
    source: dict[str, int]


def look_ahead(workspace: Workspace) -> Ahead:
    """What 01 and 03 would change now. :class:`NotReady` where nothing was run yet."""
    for table in (tables.CATALOG, tables.OUTCOMES, tables.WORKLIST):
        if not workspace.has(table):
            raise NotReady(f"{table.name} is not there yet: nothing was run that could change")
    if not (workspace.local / LEDGER_FILE).is_file():
        raise NotReady(f"local/{LEDGER_FILE} is not there: nothing tells what the release is made from")
    memory = InMemory(workspace)
    explore.link(memory)
    deid.make_worklist(memory, as_seen=workspace.read(tables.WORKLIST))
    return Ahead(deid.outlook(memory), _unread(workspace))


def _unread(workspace: Workspace) -> dict[str, int]:
    known = workspace.read(tables.CATALOG, ["source_path", "size", "modified_ns"], compact=True)
    found = pd.DataFrame(
        ((file.source_path, file.size, file.modified_ns) for file in workspace.source.find()), columns=list(known)
    )
    both = known.merge(found, on="source_path", how="outer", indicator="at", suffixes=("", "_now"))
    changed = (both["size"] != both.size_now) | (both.modified_ns != both.modified_ns_now)
    return {
        "new": int((both["at"] == "right_only").sum()),
        "changed": int(((both["at"] == "both") & changed).sum()),
        "gone": int((both["at"] == "left_only").sum()),
    }
