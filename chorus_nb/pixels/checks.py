"""Looking for text in many files, in parallel, remembered between runs, one bad file never stopping the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from chorus_nb import processes, tables
from chorus_nb.errors import ChildFault
from chorus_nb.pixels import detection, redaction
from chorus_nb.pixels.boxes import format_boxes, parse_boxes
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.processes.child import each_in_child
from chorus_nb.source import Source
from chorus_nb.workspace import Workspace

FILLED_RECIPE = detection.TEXT_RECIPE._replace(module=__name__)  # of a look at a picture that is filled first


class Look(NamedTuple):
    """What looking at one file gave; ``problem`` is a short code, "" = it could be looked at."""

    problem: str
    findings: tuple[TextFinding, ...]


class Checks:
    """The looks taken so far, in ``text_checks`` and ``text_findings``; :meth:`look` takes those that are missing."""

    def __init__(self, workspace: Workspace, candidates: pd.DataFrame) -> None:
        self._workspace = workspace
        self._files = candidates.set_index("source_path")[["size", "modified_ns"]]
        self._detectors = {False: detection.detector_version(), True: detection.detector_version(FILLED_RECIPE)}
        self._checks: dict[tuple[str, str], dict[str, object]] = {}
        self._looks: dict[tuple[str, str], Look] = {}
        if workspace.has(tables.TEXT_CHECKS) and workspace.has(tables.TEXT_FINDINGS):
            self._recall()

    def get(self, source_path: str, filled: str = "") -> Look | None:
        """The look taken at a file with these boxes filled, if there is one."""
        return self._looks.get((source_path, filled))

    def look(self, wanted: Iterable[tuple[str, str]], progress: processes.Progress | None = None) -> None:
        """Look at each ``(source_path, boxes to fill before looking)`` that was not looked at yet."""
        tasks = [(self._workspace.source, *key) for key in dict.fromkeys(wanted) if key not in self._looks]
        if not tasks:
            return
        parameters = self._workspace.parameters
        looks = each_in_child(parameters, _findings_in, tasks, progress, "looking for text", keep=self._keep)
        for (_, source_path, filled), found, seconds in looks:
            look = Look(found.code, ()) if isinstance(found, ChildFault) else Look("", tuple(found))
            self._remember(source_path, filled, look, seconds)

    def _remember(self, source_path: str, filled: str, look: Look, seconds: float) -> None:
        self._looks[source_path, filled] = look
        self._checks[source_path, filled] = {
            "source_path": source_path,
            "filled": filled,
            "size": self._files.at[source_path, "size"],
            "modified_ns": self._files.at[source_path, "modified_ns"],
            "detector": self._detectors[filled != ""],
            "problem": look.problem,
            "seconds": round(seconds, 2),
        }

    def _keep(self) -> None:
        findings = [
            {
                **finding._asdict(),
                "source_path": source_path,
                "filled": filled,
                "box": format_boxes([finding.box]),
            }
            for (source_path, filled), look in sorted(self._looks.items())
            for finding in look.findings
        ]
        self._workspace.write(tables.TEXT_FINDINGS, tables.frame(tables.TEXT_FINDINGS, findings))
        checks = [self._checks[key] for key in sorted(self._checks)]
        self._workspace.write(tables.TEXT_CHECKS, tables.frame(tables.TEXT_CHECKS, checks))

    def _recall(self) -> None:
        """Take over what an earlier run found, for files and a detector that did not change since."""
        checks = self._workspace.read(tables.TEXT_CHECKS)
        now = checks.merge(self._files, left_on="source_path", right_index=True, suffixes=("", "_now"))
        same = (now["size"] == now.size_now) & (now.modified_ns == now.modified_ns_now)
        # what went wrong once (a full memory, a codec since installed) is tried again
        good = now[same & (now.detector == (now.filled != "").map(self._detectors)) & (now.problem == "")]
        found: dict[tuple[str, str], list[TextFinding]] = {}
        for row in self._workspace.read(tables.TEXT_FINDINGS).to_dict("records"):
            box = parse_boxes(row["box"])[0]
            finding = TextFinding(**{name: row[name] for name in TextFinding._fields} | {"box": box})
            found.setdefault((row["source_path"], row["filled"]), []).append(finding)
        for row in good[tables.TEXT_CHECKS.column_names].to_dict("records"):
            key = row["source_path"], row["filled"]
            self._checks[key] = row
            self._looks[key] = Look("", tuple(found.get(key, ())))


def _findings_in(source: Source, source_path: str, filled: str) -> list[TextFinding]:
    content, boxes = source.read(source_path), parse_boxes(filled)
    return detection.look(redaction.fill(content, boxes) if boxes else content)
