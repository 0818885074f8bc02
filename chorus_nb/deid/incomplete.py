"""Series of a volume in which a slice does not say where it lies: the others would mislead, and wait with it."""

from __future__ import annotations

import pandas as pd

from chorus_nb import layout
from chorus_nb.deid.ledger import Ledger
from chorus_nb.deid.worker import withdraw
from chorus_nb.paths import long_path
from chorus_nb.workspace import Workspace

AT_FAULT, WAITS = "geometry_unusable", "series_incomplete"  # reasons: of the slice, of the others


def incomplete(worklist: pd.DataFrame, done: pd.DataFrame) -> set[str]:
    """Folders of the series that hold a slice at fault, by what is known of the files as they are now."""
    faults = done.loc[done.reason == AT_FAULT, ["source_path", "fingerprint"]]
    if faults.empty:
        return set()
    as_now = worklist[worklist.status == "release"].merge(faults, on=["source_path", "fingerprint"])
    return set(as_now.target_path.map(layout.series_folder))


def waiting_for_nothing(worklist: pd.DataFrame, done: pd.DataFrame) -> pd.Series:
    """Which rows of ``done`` wait for a slice that is not at fault any more: mended, or gone from the source."""
    waits = done.reason == WAITS
    if not waits.any():
        return waits
    folders = done.source_path.map(worklist.set_index("source_path").target_path).fillna("").map(layout.series_folder)
    return waits & ~folders.isin(incomplete(worklist, done))


def hold_incomplete(workspace: Workspace, worklist: pd.DataFrame, ledger: Ledger) -> None:
    """Take the other files of such series out of the release; the ledger says that they wait, and for what."""
    done = ledger.known()
    folders = incomplete(worklist, done)
    if not folders:
        return
    released = done[(done.status == "released") & done.target_path.map(layout.series_folder).isin(folders)]
    about = worklist.set_index("source_path")[["sop_class", "modality"]]
    for path, target in zip(released.source_path, released.target_path, strict=True):
        workspace.source.keep_whole(path)
        withdraw(long_path(workspace.release), target)
    ledger.record(
        {
            "source_path": row.source_path,
            "fingerprint": row.fingerprint,
            "status": "held_back",
            "reason": WAITS,
            "detail": "another slice of its series does not say where it lies",
            **about.loc[row.source_path].to_dict(),
        }
        for row in released.itertuples()
    )
