"""What a decision is about: which file or images, as they were when somebody looked or a run first met it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

import pandas as pd
from blake3 import blake3

from chorus_nb import tables
from chorus_nb.workspace import Workspace

Cells = dict[str, str]
"""A row of a log, by column."""

SEEN = "seen_digest"  # of what a decision is about; "" in a row written by hand
KEEPS_ALL = ("reject", "hold")  # how decisions begin that let nothing go, whatever lies there
A_SERIES, A_DEVICE = "series:", "device:"
OF_A_FILE = ["SeriesInstanceUID", "SOPInstanceUID", "size", "modified_ns", "source_path"]


def series_digests(workspace: Workspace, series: Iterable[str]) -> dict[str, str]:
    """Which images each series has, as a hash: one that came later was not looked at when its series was, and one whose
    bytes are others since the series was first asked for was not either."""
    wanted = set(series)
    if not wanted:
        return {}
    files = workspace.read(tables.CATALOG, OF_A_FILE)
    files = files[files.SeriesInstanceUID.isin(wanted)].sort_values(["SOPInstanceUID", "size", "source_path"])
    changed = _changed(workspace, files)
    images = {str(one): rows for one, rows in files.groupby("SeriesInstanceUID")}
    return {one: _digest(rows, changed) for one, rows in images.items()}


def _digest(files: pd.DataFrame, changed: Mapping[str, str]) -> str:
    told = files[["SOPInstanceUID", "size"]].drop_duplicates()
    others = "".join(f"{path}\n" for path in sorted({changed[path] for path in files.source_path if path in changed}))
    return blake3((told.to_csv(index=False) + others).encode()).hexdigest()


def _changed(workspace: Workspace, files: pd.DataFrame) -> dict[str, str]:
    """By path the BLAKE3 of files whose bytes are others than those that their image had when its series was first
    asked for; only what has another size or time since is read again."""
    known = workspace.read_or_empty(tables.MET_FILES)
    met = {row.SOPInstanceUID: row for row in known.itertuples(index=False)}
    changed, fresh = dict[str, str](), dict[str, dict[str, object]]()
    for file in files.itertuples(index=False):
        before = met.get(file.SOPInstanceUID)
        if before is not None and (before.size, before.modified_ns) == (file.size, file.modified_ns):
            continue
        try:
            digest = workspace.source.digest(file.source_path)
        except OSError:
            continue  # it cannot be released either
        if before is not None and digest != before.digest:
            changed[file.source_path] = digest
        else:
            row = {"size": file.size, "modified_ns": file.modified_ns, "digest": digest}
            fresh.setdefault(file.SOPInstanceUID, {"SOPInstanceUID": file.SOPInstanceUID, **row})
    if fresh:
        stay = [row for row in known.to_dict("records") if row["SOPInstanceUID"] not in fresh]
        workspace.write(tables.MET_FILES, tables.frame(tables.MET_FILES, [*stay, *fresh.values()]))
    return changed


def images_meant(workspace: Workspace, rows: Mapping[str, Cells]) -> dict[str, str]:
    """The SOP Instance UID that each row on an image is about, by its path.

    A row by hand names a path only; which image that was is remembered, for next month it may lie elsewhere.
    """
    told = {item: row["SOPInstanceUID"] for item, row in rows.items()}
    by_hand = {item for item, instance in told.items() if not instance}
    if not by_hand:
        return told
    known = workspace.read_or_empty(tables.DECIDED_IMAGES)
    if not workspace.has(tables.CATALOG):
        return told | dict(known.itertuples(index=False, name=None))
    met = workspace.read(tables.CATALOG, ["source_path", "SOPInstanceUID"])
    met = met[met.source_path.isin(by_hand.difference(known.source_path)) & (met.SOPInstanceUID != "")]
    if len(met):
        known = tables.frame(tables.DECIDED_IMAGES, [*known.to_dict("records"), *met.to_dict("records")])
        workspace.write(tables.DECIDED_IMAGES, known)
    return told | dict(known[known.source_path.isin(by_hand)].itertuples(index=False, name=None))


def as_met(workspace: Workspace, table: tables.Table, rows: list[Cells]) -> list[Cells]:
    """The rows, with what each that was written by hand and lets something go was about: its file, or the images of its
    series, as they were when it was first met. Next month another image may lie there."""
    by_hand = [row for row in rows if _is_by_hand(row)]
    if not by_hand:
        return rows
    known = workspace.read_or_empty(tables.MET_DECISIONS)
    met = {(log, item, time): seen for log, item, time, seen in known.itertuples(index=False, name=None)}
    fresh = {key: "" for row in by_hand if (key := (table.name, row["item"], row["time"])) not in met}
    of_series = table.name == tables.FACE_DECISIONS.name
    series = {key: key[1].removeprefix(A_SERIES) for key in fresh if of_series or key[1].startswith(A_SERIES)}
    images = series_digests(workspace, series.values()) if workspace.has(tables.CATALOG) else {}
    for key in fresh:
        with contextlib.suppress(OSError):  # nothing there yet
            fresh[key] = images.get(series[key], "") if key in series else workspace.source.digest(key[1])
    if any(fresh.values()):
        met |= {key: seen for key, seen in fresh.items() if seen}
        told = [dict(zip(known.columns, (*key, seen), strict=True)) for key, seen in met.items()]
        workspace.write(tables.MET_DECISIONS, tables.frame(tables.MET_DECISIONS, told))
    return [
        {**row, SEEN: met.get((table.name, row["item"], row["time"]), "")} if _is_by_hand(row) else row for row in rows
    ]


def _is_by_hand(row: Cells) -> bool:
    """Whether a row lets an image or series go and does not say what was seen; a device's is about what may come."""
    lets_go = not row["decision"].startswith(KEEPS_ALL)
    return lets_go and not row[SEEN] and not row["item"].startswith(A_DEVICE)
