"""A fault costs what is at fault: which findings hold their files back, and when they are too many to go on."""

from __future__ import annotations

import collections
from collections.abc import Iterable

import pandas as pd

from chorus_nb import holds, layout, tables
from chorus_nb.verify.findings import GATE_CHECKS, Finding
from chorus_nb.verify.release_checks import ASKED_ANEW, Release
from chorus_nb.workspace import Workspace

FEW = 5  # faults, each of a file or a whole series, that are never too many by themselves


def at_fault(release: Release, findings: Iterable[Finding]) -> pd.DataFrame:
    """``tables.HELD_FINDINGS`` of the findings of high severity that concern a file or a series only.

    What a sample says of all is remembered with a file that is held back (:func:`speaks_for_others`).
    What the tables of others say (:data:`ASKED_ANEW`), and a file that is not as 03 wrote it, is asked for anew by
    every run: 03 makes the file again.
    """
    high = [finding for finding in findings if finding.severity == "high"]
    if not any(map(is_held, high)):
        return tables.empty(tables.HELD_FINDINGS)
    places = collections.defaultdict(list)
    for row in release.released.itertuples():
        places[row.target_path].append(row)
        places[layout.series_folder(row.target_path)].append(row)
    as_written = {fact.target_path: fact.digest for fact in release.facts}
    basis = _basis(release)
    rows = []
    held = {file.target_path for finding in high if is_held(finding) for file in places.get(finding.file, ())}
    for finding in high:
        if not (is_held(finding) or speaks_for_others(finding)):
            continue
        for file in places.get(finding.file, ()):
            if file.target_path not in held:
                continue
            lasting = finding.check not in ASKED_ANEW and as_written.get(file.target_path) == file.target_digest
            row = {
                name: value for name, value in finding._asdict().items() if name in tables.HELD_FINDINGS.column_names
            }
            row |= {"source_path": file.source_path, "target_path": file.target_path, "detail": finding.detail}
            rows.append(row | {"rests_on": basis.get(file.source_path, "") if lasting else ""})
    return tables.frame(tables.HELD_FINDINGS, rows).drop_duplicates(ignore_index=True)


def is_held(finding: Finding) -> bool:
    """Whether a finding costs its file or series only; what concerns all closes the gate."""
    return finding.severity == "high" and GATE_CHECKS[finding.check].scope in ("file", "series")


def speaks_for_others(finding: Finding) -> bool:
    """Whether it closes the gate also when its own file is held back for another reason: others may be as this one."""
    return GATE_CHECKS[finding.check].scope == "release" and finding.check not in ASKED_ANEW


def _basis(release: Release) -> dict[str, str]:
    workspace = release.workspace
    if not workspace.has(tables.WORKLIST):
        return {}
    return holds.rests_on(workspace, workspace.read(tables.WORKLIST, ["source_path", "fingerprint"]))


def held_before(workspace: Workspace, outcomes: pd.DataFrame) -> pd.DataFrame:
    """``tables.HELD_FINDINGS`` of the files that earlier runs held back and 03 did not release since."""
    if not workspace.has(tables.HELD_FINDINGS):
        return tables.empty(tables.HELD_FINDINGS)
    found = workspace.read(tables.HELD_FINDINGS)
    held = outcomes.source_path[outcomes.reason == holds.HELD]
    return found[found.source_path.isin(held)].reset_index(drop=True)


def too_many(held: pd.DataFrame, released: int, share: float) -> bool:
    """Whether more files are at fault than a fault of single files explains.

    More than ``share`` of the files, but not for a :data:`FEW` faults, unless they cost more than half of the files.
    """
    files, faults = int(held.source_path.nunique()), int(held.file.nunique())
    return faults > max(share * (files + released), FEW) or files > released


def held_by_check(workspace: Workspace) -> pd.DataFrame:
    """What 04 held back, by check and kind, with what lets the files go and where they stand now."""
    found = held_before(workspace, workspace.read(tables.OUTCOMES))
    counts = found.groupby(["check", "kind"], as_index=False).agg(
        files=("source_path", "nunique"), example=("target_path", "first")
    )
    counts["example"] = "local/quarantine/" + counts.example
    counts["what_to_do"] = [GATE_CHECKS[name].remedy for name in counts.check]
    return counts
