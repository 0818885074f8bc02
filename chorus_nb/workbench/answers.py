"""What each report answers, in numbers: counted from the tables that its notebook left, told by ``answers.html.j2``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import NotReady
from chorus_nb.explore.summary import in_words
from chorus_nb.mapping.plan import RELEASES, REMOVES
from chorus_nb.release.manifest import DELTAS, totals
from chorus_nb.verify import checks
from chorus_nb.verify.gate import RELEASED_BYTES
from chorus_nb.workbench.steps import NotebookStep
from chorus_nb.workbench.waiting import GATE, may_leave_then
from chorus_nb.workspace import Workspace


def answer_facts(workspace: Workspace, step: NotebookStep, states: Mapping[str, str]) -> dict[str, Any] | None:
    """The numbers of the answer of a notebook that passed, by their names in the template; None without its tables.

    ``states``: the result of each notebook, in order of time. From the gate on an answer says what the index says.
    """
    try:
        if step.number not in ANSWERS:
            return None
        verdict = may_leave_then(workspace, states, step.name) if step.name >= GATE else None
        return {"step": step.number, "verdict": verdict, **ANSWERS[step.number](workspace)}
    except NotReady:
        return None


def _acquired(workspace: Workspace) -> dict[str, Any]:
    lines = workspace.read(tables.ACQUISITION)
    cells = lines.loc[lines["number"].notna(), "cell"]
    lacking = cells.isin(["missing", "not_pulled", "short", "wrong_patient", "cannot_ask"])
    return {"expected": len(cells), "lacking": int(lacking.sum()), "others": len(lines) - len(cells)}


def _explored(workspace: Workspace) -> dict[str, Any]:
    return {"said": in_words(workspace, workspace.read(tables.QUALITY_FINDINGS), workspace.read(tables.LINKAGE))}


def _mapped(workspace: Workspace) -> dict[str, Any]:
    plan, linkage = workspace.read(tables.TAG_PLAN), workspace.read(tables.LINKAGE)
    return {
        "planned": len(plan),
        "released": int(plan["action"].isin(RELEASES).sum()),
        "removed": int(plan["action"].isin(REMOVES).sum()),
        "decided": int((plan["decided_by"] != "policy").sum()),
        "words": int((workspace.read(tables.UNKNOWN_WORDS)["decision"] == "").sum()),
        "accessions": len(linkage),
        "unmapped": int(linkage["image_occurrence_id"].isna().sum()),
    }


def _deidentified(workspace: Workspace) -> dict[str, Any]:
    status = workspace.read(tables.OUTCOMES, ["status"])["status"]
    return {"found": len(status), "statuses": {name: int((status == name).sum()) for name in tables.STATUSES}}


def _verified(workspace: Workspace) -> dict[str, Any]:
    return {"counts": _checks_by_result(checks(workspace))}


def _registered(workspace: Workspace) -> dict[str, Any]:
    registry = workspace.read(tables.IMAGE_REGISTRY, ["person_id", "group_id"])
    return {
        "rows": len(registry),
        "persons": int(registry["person_id"].nunique()),
        "accessions": int(registry["group_id"].nunique()),
        "counts": _checks_by_result(workspace.read(tables.REGISTRY_CHECKS)),
    }


def _packed(workspace: Workspace) -> dict[str, Any]:
    packed = totals(workspace)
    present = packed[packed["delta"] != "removed"]
    return {
        "packed": int(present["files"].sum()),
        "megabytes": float(present["bytes"].sum()) / 1e6,
        "delta": {name: int(packed["files"][packed["delta"] == name].sum()) for name in DELTAS},
        "counts": _checks_by_result(workspace.read(tables.TREE_CHECKS)),
    }


def _checks_by_result(frame: pd.DataFrame) -> dict[str, int]:
    results = frame.loc[frame["check"] != RELEASED_BYTES, "result"]
    return {"asked": len(results)} | {
        name.replace(" ", "_"): int((results == code).sum())
        for code, name in (("pass", "passed"), ("fail", "failed"), ("not run", "not run"))
    }


ANSWERS: dict[str, Callable[[Workspace], dict[str, Any]]] = {
    "00": _acquired,
    "01": _explored,
    "02": _mapped,
    "03": _deidentified,
    "04": _verified,
    "05": _registered,
    "06": _packed,
}
