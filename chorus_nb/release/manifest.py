"""The manifest: size and checksums of every file, and what changed since the release that was delivered last."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pandas as pd
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.processes import Progress, each, threads
from chorus_nb.withdrawn import WITHDRAWN, Withdrawn
from chorus_nb.workspace import Workspace, below, write_if_changed

HASHED_AT_ONCE = 1 << 20
DELTAS = ("added", "modified", "removed", "unchanged")
MEASURED = ["path", "size", "md5", "sha256", "blake3"]


def measure_files(workspace: Workspace, paths: Collection[str], progress: Progress | None = None) -> pd.DataFrame:
    """``path, size, md5, sha256, blake3`` of these files of the release, each read once."""
    measure = functools.partial(_measure_file, workspace.release)
    measured = each(workspace.parameters, measure, paths, progress, "checksums of the release", door=threads)
    frame = pd.DataFrame([(path, *row) for path, row in measured], columns=MEASURED)
    return frame.sort_values("path", ignore_index=True)


def measure_contents(made: Mapping[str, bytes]) -> pd.DataFrame:
    """The same of what is about to be written."""
    rows = [(path, *_measure(io.BytesIO(content))) for path, content in made.items()]
    return pd.DataFrame(rows, columns=MEASURED)


def _measure_file(release: Path, path: str) -> tuple[int, str, str, str]:
    try:
        with open(below(release, path), "rb") as file:
            return _measure(file)
    except OSError as error:
        raise WorkbenchError(f"{path}: cannot be read: {error.strerror}") from None


def _measure(file: IO[bytes]) -> tuple[int, str, str, str]:
    size, md5, sha256, own = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256(), blake3()
    while block := file.read(HASHED_AT_ONCE):
        size += len(block)
        for digest in (md5, sha256, own):
            digest.update(block)
    return size, md5.hexdigest(), sha256.hexdigest(), own.hexdigest()


def with_delta(workspace: Workspace, measured: pd.DataFrame) -> pd.DataFrame:
    """The manifest: each file as added, modified or unchanged since the last delivery, and what was removed since.

    What was delivered at any time and withdrawn since is told as removed in every delivery, with that reason: whoever
    missed one delivery learns it from the next. A delivery of the very same files is not compared with itself, so
    packing again gives the same manifest.
    """
    content = measured[["path", "size", "md5", "sha256"]]
    before = delivery_before(workspace, content)[1]
    both = content.merge(before, on="path", how="outer", suffixes=("", "_before"), indicator=True)
    both["delta"] = both["_merge"].map({"left_only": "added", "right_only": "removed", "both": "modified"}).astype(str)
    both.loc[both["sha256"] == both["sha256_before"], "delta"] = "unchanged"
    gone = both["delta"] == "removed"
    for column in ("size", "md5", "sha256"):
        both[column] = both[column].where(~gone, both[f"{column}_before"])
    if withdrawn := Withdrawn.of(workspace):
        both = pd.concat([both, _tombstones(workspace, withdrawn, both)], ignore_index=True)
        gone = both["delta"] == "removed"
        both["why"] = both["path"].where(gone, "").pipe(withdrawn.paths).map({True: WITHDRAWN, False: ""})
    else:
        both["why"] = ""
    return both[tables.MANIFEST.column_names].sort_values("path", ignore_index=True)


def _tombstones(workspace: Workspace, withdrawn: Withdrawn, told: pd.DataFrame) -> pd.DataFrame:
    """What stood in any delivery, was withdrawn and is not ``told`` of yet."""
    known = [old[withdrawn.paths(old["path"])] for old in deliveries(workspace)]
    ever = pd.concat([told.iloc[:0], *known])[["path", "size", "md5", "sha256"]].drop_duplicates("path")
    return ever[~ever["path"].isin(told["path"])].assign(delta="removed")


def delivery_before(workspace: Workspace, content: pd.DataFrame) -> tuple[int, pd.DataFrame]:
    """Number and files of the last delivery that was not of these very files; 0 and no file where there is none."""
    held = deliveries(workspace)
    differing = (place for place, old in enumerate(held) if not _same_delivery(old, content))
    place = next(differing, len(held))
    return len(held) - place, held[place] if place < len(held) else content.iloc[:0]


def record_delivery(workspace: Workspace) -> None:
    """Keep the manifest of what was delivered now; once for the same files."""
    manifest = workspace.read(tables.MANIFEST)
    content = manifest[manifest["delta"] != "removed"]
    latest = deliveries(workspace)[:1]
    if latest and _same_delivery(latest[0], content):
        return
    number = len(list((workspace.local / "deliveries").glob("*.csv"))) + 1
    write_if_changed(workspace.local / "deliveries" / f"{number:06d}.csv", tables.encode(tables.MANIFEST, manifest))
    parameters = workspace.parameters
    row: dict[str, object] = {"number": number, "recorded": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"}
    row |= {"delivery": parameters.delivery, "batch": parameters.batch, "files": len(content)}
    row |= {name: int((manifest["delta"] == name).sum()) for name in DELTAS}
    before = workspace.read_or_empty(tables.DELIVERIES)
    before = before[before["number"] < number]
    workspace.write(tables.DELIVERIES, pd.concat([before, tables.frame(tables.DELIVERIES, [row])], ignore_index=True))


def deliveries(workspace: Workspace) -> list[pd.DataFrame]:
    """The files of the releases that were delivered, latest first."""
    folder = workspace.local / "deliveries"
    listed = (tables.read(tables.MANIFEST, path) for path in sorted(folder.glob("*.csv"), reverse=True))
    return [m.loc[m["delta"] != "removed", ["path", "size", "md5", "sha256"]] for m in listed]


def _same_delivery(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return dict(zip(one["path"], one["sha256"], strict=True)) == dict(zip(other["path"], other["sha256"], strict=True))


def totals(manifest: pd.DataFrame) -> pd.DataFrame:
    """Files and bytes of the manifest by part (OMOP, Metadata or modality) and by what changed."""
    places = layout.InstancePath.columns(manifest["path"])
    tops = places["person_id"].isin([layout.OMOP, layout.METADATA])
    part = places["person_id"].where(tops, places["modality"]).fillna("at the top")
    counted = manifest.assign(part=part).groupby(["part", "delta"]).agg(files=("path", "size"), bytes=("size", "sum"))
    return counted.reset_index()
