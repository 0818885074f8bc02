"""The verdict on each image that would otherwise be released: clean, hold, or redact these boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from chorus_nb import tables
from chorus_nb.pixels import controls, detection
from chorus_nb.pixels.beside import MOST_BESIDE
from chorus_nb.pixels.boxes import Box, format_boxes, merge, parse_boxes, whole_lines
from chorus_nb.pixels.checks import Checks
from chorus_nb.pixels.decisions import DECIDED_BY, LOOK_AGAIN, ImageDecision, ImageDecisions
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.pixels.triage import (
    HALF_RISK,
    SAMPLE,
    SAMPLED,
    first_sample,
    least_found,
    second_sample,
    share_to_draw,
    triage,
)
from chorus_nb.processes import Door, Progress, executor, kept_open
from chorus_nb.workspace import Workspace

TOO_MUCH = 0.25  # share of the picture: filling more than that is for a person to decide
TOO_MUCH_UNREAD = 0.02  # and more than that for one line that nobody could read: it may be anatomy
# columns of the candidates that matter beyond triage
JUDGE_COLUMNS = [
    *("source_path", "size", "modified_ns", "SeriesInstanceUID", "SOPInstanceUID"),
    *("acquired", "InstanceNumber", "Rows", "Columns"),
    *("risk", "risk_reason", "device", "group"),
]
FOR_TEXT = ("burned_in_text", "filled_beside_text")  # reasons to hold a picture back because text was found in it
ROUNDS = 3  # of filling and looking again before an image is held back instead


class Verdict(NamedTuple):
    """``verdict`` is clean, hold or redact; the rest as in the table ``image_verdicts``."""

    verdict: str
    reason: str = ""
    boxes: str = ""
    tier: str = ""
    checked: str = "not"
    beside: str = ""


class _Wanted(NamedTuple):
    """Instead of a verdict: this look has to be taken first."""

    source_path: str
    filled: str
    lines: str = ""


def judge(workspace: Workspace, candidates: pd.DataFrame, progress: Progress | None = None) -> pd.DataFrame:
    """What burned-in text means for each of ``candidates`` (rows of the catalog): the table ``image_verdicts``.

    Held back: what may tell who the person is (``burned_in_text``) until somebody decided, what could not be
    looked at (``burned_in_text_unchecked``), what would lose more than its text (``filled_beside_text``), what a
    reviewer turned down (``rejected_by_review``), or decided about before it changed (``changed_since_review``).
    """
    images = triage(candidates)[JUDGE_COLUMNS]
    with kept_open() as door:  # looks are taken in rounds, by children that have the models loaded
        judging = _Judge(workspace, images, door)
        verdicts = judging.verdicts(progress)
    made = pd.DataFrame(
        [verdicts[path] for path in images.source_path.tolist()], index=images.index, columns=Verdict._fields
    )
    made = pd.concat([images[["source_path", "risk", "risk_reason", "device", "group"]], made], axis=1)
    looked = made.checked == "looked"
    made["drawn"] = (looked & made.source_path.isin(judging.drawn)).astype(int)
    groups = looked.groupby(made.group)
    made["group_read"], made["group_size"] = groups.transform("sum").astype(int), groups.transform("size")
    made = made.reindex(columns=tables.IMAGE_VERDICTS.column_names)
    frame = tables.to_pandas(tables.to_arrow(tables.IMAGE_VERDICTS, made))
    workspace.write(tables.IMAGE_VERDICTS, frame)
    return frame


CLEAN = Verdict("clean")


def _not_in(verdicts: dict[str, Verdict], images: pd.DataFrame) -> pd.DataFrame:
    return images.loc[[path not in verdicts for path in images.source_path.tolist()]]


class _Judge:
    def __init__(self, workspace: Workspace, images: pd.DataFrame, door: Door = executor) -> None:
        self._workspace, self._images = workspace, images
        self._policy, self._installed = workspace.parameters.burned_in_text, detection.installed()
        self._checks = Checks(workspace, images, door)
        self._decisions = ImageDecisions(workspace)
        self._bound = workspace.parameters.text_bound
        self.drawn: set[str] = set()
        """Pictures of the first sample of a group that was not read whole from the start."""

    def verdicts(self, progress: Progress | None) -> dict[str, Verdict]:
        """The verdict on every image: first on a few of each group, then on the others as those demand it."""
        groups = [group for _, group in self._images.groupby("group", sort=False)]
        stratum = self._images.device + "|" + self._images.risk
        draw = self._draw_for_bound(progress)
        share = stratum.map({name: draw(many) for name, many in stratum.value_counts().items()})
        first = [first_sample(group, share[group.index[0]]) for group in groups]
        verdicts = self._look(first, progress)
        self.drawn = {path for part in first if part.risk.iloc[0] in SAMPLED for path in part.source_path}
        doubtful = [second_sample(group) for group in groups if self._is_doubtful(group, verdicts)]
        verdicts |= self._look([_not_in(verdicts, pictures) for pictures in doubtful], progress)
        others = []
        for group in groups:
            rest = _not_in(verdicts, group)
            of_group = self._of_group(group, verdicts)
            keys = zip(*(rest[name].tolist() for name in DECIDED_BY), strict=True)  # a list is read ten times as fast
            looked = np.array([self._speaks_for_itself(key, of_group) for key in keys], bool)
            others += [rest[looked]] if looked.any() else []
            if of_group:
                verdicts |= dict.fromkeys(rest.source_path[~looked].tolist(), of_group)
        return verdicts | self._look(others, progress)

    def _draw_for_bound(self, progress: Progress | None) -> Callable[[int], float]:
        """The share to draw of so many pictures: where a bound is wanted, the hidden control says what is found."""
        if not self._bound or self._policy == "skip" or not self._installed:
            return lambda many: share_to_draw(many, self._bound)
        made = controls.look_at_controls(self._workspace, self._images, progress)
        if not len(made):
            return lambda many: share_to_draw(many, self._bound)
        finds = least_found(int(made.found.sum()), len(made))
        return lambda many: share_to_draw(many, self._bound, finds, HALF_RISK)

    def _speaks_for_itself(self, key: tuple[str, ...], of_group: Verdict | None) -> bool:
        """Whether an image is not taken for what its group was found to be: also what was read before and would be let
        go now because others are drawn (a series that grew, another bound)."""
        if of_group is None or self._decisions.on(*key) is not None:
            return True
        return of_group.verdict == "clean" and self._checks.was_read(key[0])

    def _is_doubtful(self, group: pd.DataFrame, verdicts: dict[str, Verdict]) -> bool:
        """Whether text was found where it is unlikely, and none that the header holds: anatomy can read so."""
        found = [path for path in group.source_path.tolist() if verdicts.get(path, CLEAN).verdict != "clean"]
        looks = [self._checks.get(path) for path in found]
        certain = any(look is None or look.problem or any(f.matched for f in look.findings) for look in looks)
        return group.risk.iloc[0] == "unlikely" and bool(found) and not certain

    def _of_group(self, group: pd.DataFrame, verdicts: dict[str, Verdict]) -> Verdict | None:
        """The verdict on the pictures that were not looked at; None: each of them has to be."""
        seen = [verdicts[path] for path in group.source_path.tolist() if path in verdicts]
        held = sum(verdict.reason in FOR_TEXT for verdict in seen)
        if len(seen) >= SAMPLE and held == len(seen):
            boxes = format_boxes(merge(box for verdict in seen for box in parse_boxes(verdict.boxes)))
            return seen[0]._replace(boxes=boxes, checked="group")
        faults = sum(verdict.verdict != "clean" for verdict in seen)
        isolated = faults == 1 and len(seen) > SAMPLE and self._is_doubtful(group, verdicts)
        if group.risk.iloc[0] not in SAMPLED or (faults and not isolated):
            return None
        how = {verdict.checked for verdict in seen}
        return CLEAN._replace(checked="sampled") if "looked" in how else CLEAN if how == {"not"} else None

    def _look(self, images: Iterable[pd.DataFrame], progress: Progress | None) -> dict[str, Verdict]:
        """Verdicts on ``images``, with as many rounds of looking as they need."""
        parts = list(images)
        rows = list(pd.concat(parts).itertuples()) if parts else []
        while True:
            steps = {row.source_path: self._step(row) for row in rows}
            wanted = [step for step in steps.values() if isinstance(step, _Wanted)]
            if not wanted:
                return {path: step for path, step in steps.items() if isinstance(step, Verdict)}
            self._checks.look(wanted, progress)

    def _step(self, row: Any) -> Verdict | _Wanted:
        """The verdict on one image, or the look that is missing for it."""
        settled = self._settled(row)
        if settled:
            return settled
        decision = self._decision(row)
        redacted = decision is not None and decision.decision == "redact"
        filled = decision.boxes if decision and redacted else ""
        highest, lines = "", list[Box]()
        for _ in range(ROUNDS + 1):
            look = self._checks.get(row.source_path, filled)
            if look is None:
                return _Wanted(row.source_path, filled, format_boxes(lines))
            if look.problem:
                return Verdict("hold", "burned_in_text_unchecked", checked="looked")
            beside = f"{look.beside:.4f}" if filled else ""
            if look.beside > MOST_BESIDE and not (decision and decision.of_what_is_filled):
                return Verdict("hold", "filled_beside_text", filled, highest, "looked", beside)
            highest = highest or self._highest(look.findings)
            holding = self._decisions.holding(look.findings, decision)
            if not holding:
                return Verdict("redact" if filled else "clean", "", filled, highest, "looked", beside)
            lines += [finding.line for finding in look.findings if finding.line.area]
            told = whole_lines((finding.box for finding in holding), (finding.box for finding in look.findings))
            filled = format_boxes(merge([*parse_boxes(filled), *told]))
            drawn = redacted and decision is not None and decision.boxes  # a person's boxes are not added to
            if drawn or not (redacted or self._policy == "redact"):
                break
            if self._too_much(filled, [] if redacted else holding, row):
                break
        return Verdict("hold", "burned_in_text", filled, highest, "looked")

    def _settled(self, row: Any) -> Verdict | None:
        """The verdict on an image that needs no look at it."""
        decision = self._decision(row)
        if decision and decision.decision == "reject":
            return Verdict("hold", "rejected_by_review", checked="decided")
        if decision and decision.decision == LOOK_AGAIN:
            return Verdict("hold", "changed_since_review")
        if decision and decision.decision == "accept" and decision.scope != "device":
            return Verdict("clean", checked="decided")
        redact = decision is not None and decision.decision == "redact"  # what a person marked never leaves as it is
        if not redact and (row.risk == "none" or self._policy == "skip"):
            return CLEAN
        if row.risk == "unreadable":
            return Verdict("hold", "burned_in_text_unchecked")
        if not self._installed:
            free = row.risk == "unlikely" and not redact
            return CLEAN if free else Verdict("hold", "burned_in_text_unchecked")
        return None

    def _decision(self, row: Any) -> ImageDecision | None:
        return self._decisions.on(*(getattr(row, name) for name in DECIDED_BY))

    def _highest(self, findings: Iterable[TextFinding]) -> str:
        tiers = {self._decisions.tier(finding) for finding in findings}
        return next((name for name in ("high", "medium", "low") if name in tiers), "")

    @staticmethod
    def _too_much(filled: str, holding: Iterable[TextFinding], row: Any) -> bool:
        """Whether filling would take too much of the picture, or too much of it for one of ``holding``, unread."""
        try:
            area = int(float(row.Rows)) * int(float(row.Columns))
        except (ValueError, OverflowError):  # a header that does not say: more than that is filled
            area = 0
        unread = max((finding.box.area for finding in holding if not finding.text), default=0)
        return sum(box.area for box in parse_boxes(filled)) > TOO_MUCH * area or unread > TOO_MUCH_UNREAD * area
