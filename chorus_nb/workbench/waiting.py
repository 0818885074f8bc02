"""What waits for a person after a run: counted from the tables, with the notebook and section where it is done."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from chorus_nb import tables
from chorus_nb.release import signed_off
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace


class Waiting(NamedTuple):
    """One thing to do: what it is, and the notebook and the section that it is done in."""

    what: str
    notebook: str
    section: str


def what_waits(workspace: Workspace, states: Mapping[str, str]) -> list[Waiting]:
    """What a person has to do next, most urgent first; ``states``: the result of each notebook that was run."""
    stopped = [step for step in STEPS if states.get(step.name, "passed") != "passed"]
    made = [
        Waiting(f"{step.title} {states[step.name]}: what to do stands below; then run it again", step.name, "")
        for step in stopped[:1]
    ]
    made += _files(workspace)
    ended = all(states.get(step.name) == "passed" for step in STEPS)
    if ended and workspace.has(tables.MANIFEST) and signed_off(workspace).empty:
        made.append(Waiting("Nobody has signed the release that is packed now", STEPS[-1].name, "Sign-off"))
    return made


def _files(workspace: Workspace) -> list[Waiting]:
    """Files that wait for a decision, by reason; of a row that says nothing, none do. Other faults are told as one."""
    if not workspace.has(tables.OUTCOMES):
        return []
    outcomes = workspace.read(tables.OUTCOMES, ["status", "reason"])
    outcomes = outcomes[outcomes["status"].isin(["held_back", "quarantined"])]
    text = resources.files(__package__).joinpath("waiting.csv").read_text(encoding="utf-8")
    made: list[Waiting] = []
    told: set[str] = set()
    for row in csv.DictReader(text.splitlines()):
        reasons = row["reasons"].split()
        told.update(reasons)
        count = int(outcomes["reason"].isin(reasons).sum())
        if count and row["what"]:
            made.append(Waiting(f"{_files_said(count)} {row['what']}", row["notebook"], row["where"]))
    if count := int((~outcomes["reason"].isin(told)).sum()):
        what = f"{_files_said(count)} with another fault: mend at the source what is wanted"
        made.append(Waiting(what, "03_run_deid", "What became of every file"))
    return made


def _files_said(count: int) -> str:
    return f"{count:,} {'file' if count == 1 else 'files'}"
