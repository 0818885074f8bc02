"""Proven gone: every redacted image is looked at once more, in the file as it was written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
from blake3 import blake3
from pydicom import dcmread

from chorus_nb import processes, tables
from chorus_nb.errors import ChildFault
from chorus_nb.pixels import detection
from chorus_nb.pixels.beside import MOST_BESIDE, taken_beside
from chorus_nb.pixels.boxes import Box, parse_boxes
from chorus_nb.pixels.decisions import DECIDED_BY, ImageDecisions
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.processes.child import each_in_child
from chorus_nb.source import Source
from chorus_nb.workspace import Workspace

# what `result` of text_proofs may be, besides `high_text_left` and `medium_text_left`
NOTHING_LEFT, NOT_LOOKED_AT, NOT_AS_WRITTEN = "nothing_left", "not_looked_at", "not_as_written"
FILLED_BESIDE = "filled_beside_text"
PROOF_RECIPE = detection.TEXT_RECIPE._replace(module=__name__)


def prove(workspace: Workspace, progress: processes.Progress | None = None) -> pd.DataFrame:
    """Look for text in every redacted image of the release; writes and returns ``text_proofs``.

    What may be left is what was allowed to be: text that is not high where a person drew the boxes; and nothing more
    may be gone beside the lines than :data:`~chorus_nb.pixels.beside.MOST_BESIDE` where no person said so. Anything
    else is the ``result``, and keeps the gate of 04 closed. A file that was proven and did not change is not looked at
    again.
    """
    outcomes = workspace.read(tables.OUTCOMES)
    redacted = outcomes[(outcomes.status == "released") & (outcomes.boxes != "")]
    proofs = redacted[["source_path", "target_path", "target_digest"]].assign(result="")
    proofs = proofs.set_index("target_path", drop=False).assign(detector=detection.detector_version(PROOF_RECIPE))
    _recall_proofs(workspace, proofs)
    todo = proofs[proofs.result == ""]
    places = workspace.source, workspace.release
    if len(todo):
        decide = _Allowed(workspace)
        expected = redacted.set_index("target_path").loc[todo.index]
        tasks = [(*places, row.source_path, target, decide.may_go(row)) for target, row in expected.iterrows()]
        looks = each_in_child(workspace.parameters, _look_again, tasks, progress, "looking at what was redacted")
        for (*_, source_path, target_path, _), found, _ in looks:
            if isinstance(found, ChildFault):
                result = NOT_LOOKED_AT
            else:
                digest, findings, gone = found
                written = digest == proofs.at[target_path, "target_digest"]
                result = decide.result(source_path, findings, gone) if written else NOT_AS_WRITTEN
            proofs.at[target_path, "result"] = result
    frame = tables.frame(tables.TEXT_PROOFS, proofs[tables.TEXT_PROOFS.column_names].to_dict("records"))
    workspace.write(tables.TEXT_PROOFS, frame)
    return frame


def _recall_proofs(workspace: Workspace, proofs: pd.DataFrame) -> None:
    """Take over what was proven of files and by a detector that are still the same."""
    if workspace.has(tables.TEXT_PROOFS):
        before = workspace.read(tables.TEXT_PROOFS).set_index("target_path").reindex(proofs.index)
        same = (before.target_digest == proofs.target_digest) & (before.detector == proofs.detector)
        proofs.loc[same & (before.result == NOTHING_LEFT), "result"] = NOTHING_LEFT


class _Allowed:
    """What the decisions let an image keep and lose."""

    def __init__(self, workspace: Workspace) -> None:
        self._decisions = ImageDecisions(workspace)
        findings = workspace.read_or_empty(tables.TEXT_FINDINGS)
        self._lines = findings.groupby("source_path").line.agg(";".join).to_dict()
        verdicts = workspace.read(tables.IMAGE_VERDICTS, ["source_path", "device", "verdict", "boxes"])
        known = ["source_path", "SeriesInstanceUID", "SOPInstanceUID", "acquired"]
        catalog = workspace.read(tables.CATALOG, known)
        self._rows: dict[Any, Any] = verdicts.merge(catalog).set_index("source_path").to_dict("index")

    def may_go(self, outcome: Any) -> list[Box] | None:
        """What of an image may be gone: its lines, and what a script fills; None: whatever else was removed with it."""
        verdict = self._rows[outcome.source_path]
        if verdict["verdict"] != "redact" or outcome.face_mask:
            return None
        of_script = {*parse_boxes(outcome.boxes)} - {*parse_boxes(verdict["boxes"])}
        return [*parse_boxes(self._lines.get(outcome.source_path, "")), *of_script]

    def result(self, source_path: str, findings: list[TextFinding], gone: float) -> str:
        row = self._rows[source_path]
        about = (row[name] for name in DECIDED_BY[1:])
        decision = self._decisions.on(source_path, *about)
        tiers = {self._decisions.tier(finding) for finding in self._decisions.holding(findings, decision)}
        too_much = gone > MOST_BESIDE and not (decision and decision.of_what_is_filled)
        done = FILLED_BESIDE if too_much else NOTHING_LEFT
        return next((f"{tier}_text_left" for tier in ("high", "medium") if tier in tiers), done)


def _look_again(
    source: Source, release: Path, source_path: str, target_path: str, may_go: list[Box] | None
) -> tuple[str, list[TextFinding], float]:
    from chorus_nb.identity import pictures

    content, original = (release / target_path).read_bytes(), source.read(source_path)
    words = pictures.words_of_header(dcmread(io.BytesIO(original), force=True, stop_before_pixels=True))
    gone = 0.0 if may_go is None else taken_beside(original, content, may_go)
    return blake3(content).hexdigest(), detection.look(content, words), gone
