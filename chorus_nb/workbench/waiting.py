"""Whether the release may leave, and what waits for whom: counted from the tables, with the place where it is done."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from chorus_nb import tables
from chorus_nb.release import signed_off
from chorus_nb.verify import answer, checks
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace


class Waiting(NamedTuple):
    """One thing to do: who does it, what it is, and the notebook and the section that it is done in."""

    who: str
    what: str
    notebook: str
    section: str


class MayLeave(NamedTuple):
    """May the release leave? ``state``: yes, not yet (somebody has to sign or to run) or no (something is at fault)."""

    state: str
    said: tuple[str, ...]


def may_leave(workspace: Workspace, states: Mapping[str, str]) -> MayLeave:
    """What may be said of the release that is packed now; ``states``: the result of each notebook, in order of time.

    Not by whom it is signed: the sentences stand on a page that may be shared, too.
    """
    for step in STEPS:
        state = states.get(step.name, "not run")
        if state != "passed":
            said = f"Notebook {step.number}, {step.title}, {'was not run' if state == 'not run' else f'ended {state}'}."
            return MayLeave("not yet" if state == "not run" else "no", (said,))
    latest = [step.number for name in states for step in STEPS if step.name == name][-1]
    if latest != STEPS[-1].number:
        said = f"Notebook {latest} was run after {STEPS[-1].number}: run the later ones again."
        return MayLeave("not yet", (said,))
    found = answer(checks(workspace))
    word, _, why = found.partition(", ")
    said = why.partition(": ")[2] if word == "YES" else why
    gate = said[:1].upper() + said[1:]
    if word != "YES":
        return MayLeave("no", (gate,))
    if signed_off(workspace).empty:
        return MayLeave("not yet", ("The gate is open and the release is packed, but nobody has signed it.", gate))
    return MayLeave("yes", ("The gate is open and the release is packed and signed.", gate))


def since_last_release(workspace: Workspace) -> str:
    """What changed since the release that was delivered last, from the manifest; "" if nothing is packed."""
    if not workspace.has(tables.MANIFEST):
        return ""
    delta = workspace.read(tables.MANIFEST, ["delta"])["delta"]
    counts = {name: int((delta == name).sum()) for name in ("added", "modified", "removed", "unchanged")}
    if counts["added"] == len(delta):
        return f"{_files_said(len(delta))} of the release, all new: nothing of it was delivered before."
    return f"Since the release that was delivered last: {', '.join(f'{n:,} {name}' for name, n in counts.items())}."


def what_waits(workspace: Workspace, states: Mapping[str, str]) -> list[Waiting]:
    """What a person has to do next, most urgent first; ``states``: the result of each notebook that was run."""
    stopped = [step for step in STEPS if states.get(step.name, "passed") != "passed"]
    made = [
        Waiting(
            "the analyst",
            f"{step.title} {states[step.name]}: what to do stands below; then run it again",
            step.name,
            "",
        )
        for step in stopped[:1]
    ]
    made += _files(workspace)
    ended = all(states.get(step.name) == "passed" for step in STEPS)
    if ended and workspace.has(tables.MANIFEST) and signed_off(workspace).empty:
        said = "Nobody has signed the release that is packed now"
        made.append(Waiting("the privacy officer", said, STEPS[-1].name, "Sign-off"))
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
            made.append(Waiting(row["who"], f"{_files_said(count)} {row['what']}", row["notebook"], row["where"]))
    if count := int((~outcomes["reason"].isin(told)).sum()):
        what = f"{_files_said(count)} with another fault: mend at the source what is wanted"
        made.append(Waiting("the PACS team", what, "03_run_deid", "What became of every file"))
    return made


def _files_said(count: int) -> str:
    return f"{count:,} {'file' if count == 1 else 'files'}"
