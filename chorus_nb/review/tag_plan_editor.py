"""The tag plan editor (notebook 02): every tag, what happens to it, and a person's word against it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.mapping import ACTIONS, load_policy
from chorus_nb.mapping.overrides import ALLOWED, TAG_LOG, Override, plan_place
from chorus_nb.mapping.plan import make_plan
from chorus_nb.mapping.rules import Rule
from chorus_nb.review.compared import ComparedHeaders
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.workspace import Workspace

COLUMNS_SHOWN = [
    *("path", "tag", "private_creator", "keyword", "vr", "modality", "action", "reason", "rule_source"),
    *("official", "decided_by", "files", "example_before", "example_after"),
]
KEY_COLUMNS = list(tables.TAG_PLAN.key)
RISKY = frozenset({"K", "C", "S"})
"""Actions that let something of the value into the release: a decision for one of them is confirmed by its reason."""


ACTIONS_EXPLAINED = {
    "K": "the value stays as it is, if it has the form of its VR and tells nobody",
    "X": "the element goes, with all that is in it",
    "Z": "the element stays without a value",
    "D": "another value in its place that says nothing of the patient",
    "U": "another UID, the same for the same UID in all files",
    "C": "known words and technique stay, all else of the text goes",
    "S": "the sequence stays; each element in it answers to its own rule",
    "shift": "the date is moved by the days of its patient, the time of day stays",
    "lookup": "the number of the lookup table in its place",
    "age": "an age of 90 and more reads 090Y",
    "script": "as the function of the site's CTP script says",
}
"""What an action does to an element (PS3.15 Table E.1-1a, and what CHoRUS adds)."""


class TagPlanEditor(Panel):
    """``TagPlanEditor(workspace)``: change an action with a reason; decisions and plan are on disk at once."""

    _esm = script("tag_plan_editor")
    questions = ("attempt", "decide_all", "undo", "keep")
    _kept: ClassVar[dict[str, Any]] = {}  # the filters, for when the cell is run again; in the kernel's memory only

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__(workspace, reviewer)
        self.plan = workspace.read(tables.TAG_PLAN)
        self._compared = ComparedHeaders(workspace)
        self._decided: list[list[str]] = []  # what this session decided about, by decision
        self._seen = self._made_of(set(self.plan["sop_class"]))
        self.content = {
            "columns": [*COLUMNS_SHOWN, "gone"],
            "rows": self._cells(self.plan),
            "explained": ACTIONS_EXPLAINED,
            "filters": self._kept.get(str(workspace.root), {}),
            "actions": {action: ACTIONS[action] for action in ACTIONS if action in ALLOWED},
            "names": ACTIONS,
            "risky": sorted(RISKY),
            "reviewer": self.reviewer,
        }

    def attempt(self, row: int, action: str) -> Reply:
        """What the engine would make of the example of this row under another action; nothing is kept."""
        chosen = self.plan.iloc[row].to_dict()
        path = self._compared.example(chosen["sop_class"])
        place = chosen["path"], chosen["tag"], chosen["private_creator"]
        if not path or action not in ALLOWED:
            return {"before": "", "after": ""}, []
        policy = load_policy(self.workspace)
        override = Override(*plan_place(chosen), Rule(action, "", "tried", "tried"), self.reviewer)
        after, _ = self._compared.after(path, replace(policy, overrides=(*policy.overrides, override)))
        same = [line.value for line in self._compared.before(path) if line.place == place]
        made = [line.value for line in after if line.place == place]
        return {"before": same[0] if same else "", "after": made[0] if made else "", "gone": not made}, []

    def decide(self, row: int, action: str, reason: str) -> Reply:
        """Write the decision down and make the plan again; the rows of the same place change."""
        return self.decide_all([row], action, reason)

    def decide_all(self, rows: list[int], action: str, reason: str) -> Reply:
        """One decision about the places of several rows: all of it stands, or nothing."""
        places = [self.plan.iloc[row][["path", "tag", "private_creator"]].to_dict() for row in rows]
        lines = {TAG_LOG.item(place): {**place, "action": action, "reason": reason} for place in places}
        TAG_LOG.append(self.workspace, self.reviewer, *lines.values())
        self._decided.append(list(lines))
        return self._renew(), []

    def undo(self) -> Reply:
        """Take back the last decision of this session."""
        for item in self._decided.pop() if self._decided else []:
            TAG_LOG.withdraw(self.workspace, self.reviewer, item)
        return self._renew(), []

    def keep(self, filters: dict[str, Any]) -> Reply:
        """Remember what is filtered, for when the cell is run again."""
        self._kept[str(self.workspace.root)] = filters
        return {}, []

    def static_table(self) -> pd.DataFrame:
        decided = self.plan[self.plan["decided_by"] != "policy"]
        return decided[["tag", "keyword", "path", "action", "reason", "decided_by", "files"]]

    def _renew(self) -> dict[str, Any]:
        """Make the plan again; answers with the rows that changed."""
        old, self.plan = self.plan, make_plan(self.workspace)
        said = ["action", "reason", "decided_by"]
        changed = (self.plan[said] != old[said]).any(axis=1)
        self._seen |= self._made_of(set(self.plan.loc[changed, "sop_class"]))
        rows = dict(zip(map(int, self.plan.index[changed]), self._cells(self.plan[changed]), strict=True))
        return {"rows": rows, "undo": len(self._decided)}

    def _made_of(self, sop_classes: set[str]) -> dict[tuple[str, ...], tuple[str, str, bool]]:
        """What the engine made of one file of each SOP class, by place: before, after, whether it is gone."""
        made: dict[tuple[str, ...], tuple[str, str, bool]] = {}
        for sop_class in sorted(sop_classes):
            with contextlib.suppress(WorkbenchError):  # no file of it can be read, or the engine refuses it
                path = self._compared.example(sop_class)
                before, after = (
                    {line.place: line.value for line in reversed(lines)}
                    for lines in (self._compared.before(path), self._compared.after(path)[0])
                )
                made |= {
                    (sop_class, *place): (value, after.get(place, ""), place not in after)
                    for place, value in before.items()
                }
        return made

    def _cells(self, plan: pd.DataFrame) -> list[list[Any]]:
        """Rows as shown; the examples are those of the engine where its file holds the tag."""
        rows = []
        for row in plan[list(dict.fromkeys([*COLUMNS_SHOWN, *KEY_COLUMNS]))].to_dict("records"):
            seen = self._seen.get(tuple(row[name] for name in KEY_COLUMNS))
            before, after, gone = seen or (row["example_before"], row["example_after"], False)
            rows.append([*(row[name] for name in COLUMNS_SHOWN[:-2]), before, after, gone])
        return rows
