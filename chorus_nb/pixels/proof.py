"""Proven gone: every redacted image is looked at once more, in the file as it was written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from blake3 import blake3
from pydicom import dcmread

from chorus_nb import processes, tables
from chorus_nb.pixels import detection
from chorus_nb.pixels.decisions import ImageDecisions
from chorus_nb.pixels.detection import Finding
from chorus_nb.processes.guard import Refused, guarded
from chorus_nb.source import Source
from chorus_nb.workspace import Workspace

NOTHING_LEFT = "nothing left"


class _Task(NamedTuple):
    source: Source
    release: Path
    source_path: str
    target_path: str


def prove(workspace: Workspace, progress: processes.Progress | None = None) -> pd.DataFrame:
    """Look for text in every redacted image of the release; writes and returns ``text_proofs``.

    What may be left is what was allowed to be: text that is not high where a person drew the boxes. Anything else is
    the ``result``, and keeps the gate of 04 closed. A file that was proven and did not change is not looked at again.
    """
    outcomes = workspace.read(tables.OUTCOMES)
    redacted = outcomes[(outcomes.status == "released") & (outcomes.boxes != "")]
    proofs = redacted[["source_path", "target_path", "target_digest"]].assign(result="")
    proofs = proofs.set_index("target_path", drop=False).assign(detector=detection.detector_version())
    _recall(workspace, proofs)
    todo = proofs[proofs.result == ""]
    places = workspace.source, workspace.release
    tasks = [_Task(*places, row.source_path, row.target_path) for row in todo.itertuples()]
    if tasks:
        decide = _Allowed(workspace)
        with processes.executor(workspace.parameters) as pool:
            for done, (task, found) in enumerate(processes.map_unordered(pool, _take, tasks), 1):
                if isinstance(found, BaseException):
                    raise found
                written, findings, problem = found
                if not problem and written != proofs.at[task.target_path, "target_digest"]:
                    problem = "is not the file that was written"
                proofs.at[task.target_path, "result"] = problem or decide.result(task.source_path, findings)
                if progress:
                    progress(done, len(tasks), "looking at what was redacted")
    frame = tables.frame(tables.TEXT_PROOFS, proofs[tables.TEXT_PROOFS.column_names].to_dict("records"))
    workspace.write(tables.TEXT_PROOFS, frame)
    return frame


def _recall(workspace: Workspace, proofs: pd.DataFrame) -> None:
    """Take over what was proven of files and by a detector that are still the same."""
    if workspace.has(tables.TEXT_PROOFS):
        before = workspace.read(tables.TEXT_PROOFS).set_index("target_path").reindex(proofs.index)
        same = (before.target_digest == proofs.target_digest) & (before.detector == proofs.detector)
        proofs.loc[same & (before.result == NOTHING_LEFT), "result"] = NOTHING_LEFT


class _Allowed:
    """What the decisions let an image keep."""

    def __init__(self, workspace: Workspace) -> None:
        self._decisions = ImageDecisions(workspace)
        verdicts = workspace.read(tables.IMAGE_VERDICTS, ["source_path", "device"])
        series = workspace.read(tables.CATALOG, ["source_path", "SeriesInstanceUID"])
        self._rows: dict[Any, Any] = verdicts.merge(series).set_index("source_path").to_dict("index")

    def result(self, source_path: str, findings: list[Finding]) -> str:
        row = self._rows[source_path]
        decision = self._decisions.on(source_path, row["SeriesInstanceUID"], row["device"])
        tiers = {self._decisions.tier(finding) for finding in self._decisions.holding(findings, decision)}
        return next((f"{tier} text left" for tier in ("high", "medium") if tier in tiers), NOTHING_LEFT)


def _take(task: _Task) -> tuple[str, list[Finding], str]:
    """In a worker: digest of the written file, what is found in it, and what went wrong."""
    try:
        return *guarded(_look, *task), ""
    except Refused as refused:
        return "", [], f"could not be looked at ({refused.code})"


def _look(source: Source, release: Path, source_path: str, target_path: str) -> tuple[str, list[Finding]]:
    from chorus_nb.identity import pictures

    content = (release / target_path).read_bytes()
    original = dcmread(io.BytesIO(source.read(source_path)), force=True, stop_before_pixels=True)
    return blake3(content).hexdigest(), detection.look(content, pictures.words_of_header(original))
