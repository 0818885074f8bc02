"""Looking for text in many files, in parallel, remembered between runs, one bad file never stopping the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd
from blake3 import blake3

from chorus_nb import processes, tables
from chorus_nb.errors import ChildFault, FileFault
from chorus_nb.pixels import detection, redaction
from chorus_nb.pixels.beside import taken_beside
from chorus_nb.pixels.boxes import format_boxes, parse_boxes
from chorus_nb.pixels.detection import NO_LINE, TextFinding
from chorus_nb.processes.child import each_in_child
from chorus_nb.source import Source
from chorus_nb.workspace import Workspace

FILLED_RECIPE = detection.TEXT_RECIPE._replace(module=__name__)  # of a look at a picture that is filled first


class Look(NamedTuple):
    """What looking at one file gave; ``problem`` is a short code, "" = it could be looked at. One with a digest is of
    the file, any other of the moment."""

    problem: str
    findings: tuple[TextFinding, ...]
    digest: str = ""
    """BLAKE3 of the file"""
    beside: float = 0.0
    """share of the picture that was filled first, is of no line and shows something"""


class Checks:
    """The looks taken so far, in ``text_checks`` and ``text_findings``; :meth:`look` takes those that are missing."""

    def __init__(self, workspace: Workspace, candidates: pd.DataFrame, door: processes.Door) -> None:
        self._workspace, self._door = workspace, door
        self._files = candidates.set_index("source_path")[["size", "modified_ns"]]
        self._detectors = {False: detection.detector_version(), True: detection.detector_version(FILLED_RECIPE)}
        self._checks: dict[tuple[str, str], dict[str, object]] = {}
        self._looks: dict[tuple[str, str], Look] = {}
        self._of_files: dict[tuple[int, str], dict[str, Look]] = defaultdict(dict)
        """By size and boxes filled before, and by digest: the looks taken at files that may lie elsewhere now."""
        self._told: frozenset[str] = frozenset()
        if workspace.has(tables.TEXT_CHECKS) and workspace.has(tables.TEXT_FINDINGS):
            self._recall()

    def get(self, source_path: str, filled: str = "") -> Look | None:
        """The look taken at a file with these boxes filled, if there is one."""
        return self._looks.get((source_path, filled))

    def was_read(self, source_path: str) -> bool:
        """Whether an image was looked at, or told something when another version of the file or the detector did."""
        return (source_path, "") in self._looks or source_path in self._told

    def look(self, wanted: Iterable[tuple[str, str, str]], progress: processes.Progress | None = None) -> None:
        """Look at each ``(source_path, boxes to fill before looking, lines that these are for)`` that was not looked
        at yet."""
        new = [one for one in dict.fromkeys(wanted) if one[:2] not in self._looks]
        tasks = [(self._workspace.source, *one) for one in new if not self._is_known(*one[:2])]
        if new and not tasks:
            self._keep()
        if not tasks:
            return
        looks = each_in_child(
            self._workspace.parameters,
            _look_in,
            tasks,
            progress,
            "looking for text",
            keep=self._keep,
            door=self._door,
        )
        for (_, source_path, filled, _), look, seconds in looks:
            self._remember(source_path, filled, Look(look.code, ()) if isinstance(look, ChildFault) else look, seconds)

    def _is_known(self, source_path: str, filled: str) -> bool:
        """Whether the same file was looked at under another path or time; then that look is this file's too."""
        looks = self._of_files.get((int(self._files.at[source_path, "size"]), filled))
        if not looks:
            return False
        try:
            look = looks.get(blake3(self._workspace.source.read(source_path)).hexdigest())
        except OSError:  # what cannot be read is told by the look itself
            return False
        if look:
            self._remember(source_path, filled, look, 0.0)
        return look is not None

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
            "digest": look.digest,
            "beside": f"{look.beside:.4f}" if filled else "",
        }

    def _keep(self) -> None:
        findings = [
            {
                **finding._asdict(),
                "source_path": source_path,
                "filled": filled,
                "box": format_boxes([finding.box]),
                "line": format_boxes([finding.line] if finding.line.area else []),
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
        # what went wrong in the moment (a full memory, a source out of reach) is tried again; damage stays damage,
        # until there is another decoder: a child would start in every run to fail at the same files
        lasting = (checks.problem == "") | (checks.digest != "")
        good = checks[(checks.detector == (checks.filled != "").map(self._detectors)) & lasting]
        now = good.merge(self._files, left_on="source_path", right_index=True, suffixes=("", "_now"))
        now = now[now["size"] == now.size_now]
        same = now.modified_ns == now.modified_ns_now
        found: dict[tuple[str, str], list[TextFinding]] = {}
        findings = self._workspace.read(tables.TEXT_FINDINGS)
        self._told = frozenset(findings.source_path[(findings.filled == "") & (findings.tier != "low")])
        for row in findings.to_dict("records"):
            boxes = {name: next(iter(parse_boxes(row[name])), NO_LINE) for name in ("box", "line")}
            finding = TextFinding(**{name: row[name] for name in TextFinding._fields} | boxes)
            found.setdefault((row["source_path"], row["filled"]), []).append(finding)
        looks = {
            (row.source_path, row.filled): Look(
                row.problem, tuple(found.get((row.source_path, row.filled), ())), row.digest, float(row.beside or 0)
            )
            for row in good.itertuples()
        }
        for row in good.itertuples():
            self._of_files[row.size, row.filled][row.digest] = looks[row.source_path, row.filled]
        for row in now[same][tables.TEXT_CHECKS.column_names].to_dict("records"):
            key = row["source_path"], row["filled"]
            self._checks[key], self._looks[key] = row, looks[key]
        for row in now[~same].itertuples():  # copied anew; what told once must not be forgotten when others are drawn
            self._is_known(row.source_path, row.filled)


def _look_in(source: Source, source_path: str, filled: str, lines: str) -> Look:
    content, boxes = source.read(source_path), parse_boxes(filled)
    shown = redaction.fill(content, boxes) if boxes else content
    taken = taken_beside(content, shown, parse_boxes(lines)) if boxes else 0.0
    digest = blake3(content).hexdigest()
    try:
        return Look("", tuple(detection.look(shown)), digest, taken)
    except FileFault:
        return Look("damaged", (), digest, taken)
