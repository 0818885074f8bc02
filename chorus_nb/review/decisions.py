"""Decisions about images: appended at once and durably, read by every run after; and what is wrong with them."""

from __future__ import annotations

import csv
import io
import os
from datetime import datetime

import blake3
import pandas as pd

from chorus_nb import sources, tables
from chorus_nb.workspace import Workspace

TABLE = tables.IMAGE_DECISIONS


def append(
    workspace: Workspace, item: str, decision: str, boxes: str, *, reviewer: str, note: str = "", seen_digest: str = ""
) -> None:
    """Append a decision; it is on disk when this returns."""
    time = datetime.now().astimezone().isoformat(timespec="milliseconds")
    row = (item, decision, boxes, reviewer, time, note, seen_digest)
    path = workspace.path(TABLE)
    with open(path, "ab") as file:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(TABLE.column_names)
        writer.writerow(row)
        file.write(text.getvalue().encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def read(workspace: Workspace) -> pd.DataFrame:
    """All decisions about images, oldest first."""
    return workspace.read(TABLE) if workspace.has(TABLE) else tables.empty(TABLE)


def take_back(workspace: Workspace, reviewer: str) -> str:
    """Remove the last decision of ``reviewer``; returns its item, "" if there is none."""
    decisions = read(workspace)
    own = decisions.index[decisions["reviewer"] == reviewer]
    if own.empty:
        return ""
    workspace.write(TABLE, decisions.drop(index=own[-1]))
    return str(decisions.loc[own[-1], "item"])


def digest(workspace: Workspace, source_path: str) -> str:
    """BLAKE3 of a source file as it is now; "" if it is gone."""
    try:
        return blake3.blake3(sources.read_bytes(workspace.parameters.source_path, source_path)).hexdigest()
    except OSError:
        return ""


def outdated(workspace: Workspace) -> pd.DataFrame:
    """Decisions about files that changed since they were looked at: they are not applied; look again."""
    decisions = read(workspace)
    stale = [
        bool(row.seen_digest) and row.seen_digest != digest(workspace, str(row.item)) for row in decisions.itertuples()
    ]
    return decisions[pd.Series(stale, index=decisions.index, dtype=bool)]


def disagreements(workspace: Workspace) -> pd.DataFrame:
    """Items on which the last words of two reviewers differ; both are kept, the later one is applied."""
    last = read(workspace).drop_duplicates(["item", "reviewer"], keep="last")
    return last[last.groupby("item")["decision"].transform("nunique") > 1].sort_values(["item", "time"])
