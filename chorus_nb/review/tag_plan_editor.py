"""The tag plan editor (notebook 02): every tag, what happens to it, and a person's word against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from chorus_nb import tables
from chorus_nb.mapping import ACTIONS, decide, load_policy
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
RISKY = frozenset({"K", "C", "S"})
"""Actions that let something of the value into the release: a decision for one of them is confirmed by its reason."""


class TagPlanEditor(Panel):
    """``TagPlanEditor(workspace)``: change an action with a reason; decisions and plan are on disk at once."""

    _esm = script("tag_plan_editor")
    questions = ("attempt", "decide", "undo")

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__(workspace, reviewer)
        self.plan = workspace.read(tables.TAG_PLAN)
        self._compared = ComparedHeaders(workspace)
        self._decided: list[str] = []  # what this session decided about
        self.content = {
            "columns": COLUMNS_SHOWN,
            "rows": self.plan[COLUMNS_SHOWN].to_numpy(dtype=object).tolist(),
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
        chosen = self.plan.iloc[row].to_dict()
        creator, path = chosen["private_creator"], chosen["path"]
        decide(self.workspace, chosen["tag"], action, reason, self.reviewer, creator=creator, path=path)
        self._decided.append(TAG_LOG.item(chosen))
        return self._renew(), []

    def undo(self) -> Reply:
        """Take back the last decision of this session."""
        if self._decided:
            TAG_LOG.withdraw(self.workspace, self.reviewer, self._decided.pop())
        return self._renew(), []

    def static_table(self) -> pd.DataFrame:
        decided = self.plan[self.plan["decided_by"] != "policy"]
        return decided[["tag", "keyword", "path", "action", "reason", "decided_by", "files"]]

    def _renew(self) -> dict[str, Any]:
        """Make the plan again; answers with the rows that changed."""
        old, key = self.plan, list(tables.TAG_PLAN.key)
        examples = old.set_index(key)["example_after"]
        self.plan = make_plan(self.workspace)
        self.plan["example_after"] = self.plan.set_index(key).index.map(examples).fillna("")
        changed = (self.plan[["action", "reason", "decided_by"]] != old[["action", "reason", "decided_by"]]).any(axis=1)
        for row in self.plan.index[changed]:
            self.plan.loc[row, "example_after"] = self.attempt(row, self.plan.loc[row, "action"])[0]["after"]
        self.workspace.write(tables.TAG_PLAN, self.plan)
        cells = self.plan.loc[changed, COLUMNS_SHOWN].to_numpy(dtype=object).tolist()
        rows = dict(zip(map(int, self.plan.index[changed]), cells, strict=True))
        return {"rows": rows, "undo": len(self._decided)}
