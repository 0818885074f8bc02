"""Decisions about images and faces: appended at once, durably, read by every run after; what is wrong with them."""

from __future__ import annotations

import csv
import io
import os
from datetime import datetime

import pandas as pd

from chorus_nb import tables
from chorus_nb.workspace import Workspace

TABLE, FACES = tables.IMAGE_DECISIONS, tables.FACE_DECISIONS


def append(
    workspace: Workspace, item: str, decision: str, boxes: str, *, reviewer: str, note: str = "", seen_digest: str = ""
) -> None:
    """Append a decision about an image; it is on disk when this returns."""
    _append(workspace, TABLE, (item, decision, boxes, reviewer, _now(), note, seen_digest))


def append_face(
    workspace: Workspace, series_uid: str, decision: str, start: str, shift: str, *, reviewer: str, note: str = ""
) -> None:
    """Append a decision about the face of a series; it is on disk when this returns."""
    _append(workspace, FACES, (series_uid, decision, start, shift, reviewer, _now(), note))


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def _append(workspace: Workspace, table: tables.Table, row: tuple[str, ...]) -> None:
    with open(workspace.path(table), "ab") as file:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(table.column_names)
        writer.writerow(row)
        file.write(text.getvalue().encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def read(workspace: Workspace, table: tables.Table = TABLE) -> pd.DataFrame:
    """All decisions about images (or those of another ``table``), oldest first."""
    return workspace.read(table) if workspace.has(table) else tables.empty(table)


def take_back(workspace: Workspace, reviewer: str, table: tables.Table = TABLE) -> str:
    """Remove the last decision of ``reviewer``; returns its item, "" if there is none."""
    decisions = read(workspace, table)
    own = decisions.index[decisions["reviewer"] == reviewer]
    if own.empty:
        return ""
    workspace.write(table, decisions.drop(index=own[-1]))
    return str(decisions.loc[own[-1], "item"])


def digest(workspace: Workspace, source_path: str) -> str:
    """BLAKE3 of a source file as it is now; "" if it is gone."""
    try:
        return workspace.source.digest(source_path)
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
