"""Whether the release may leave, and what waits for whom: counted from the tables, with the place where it is done."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from chorus_nb import tables
from chorus_nb.deid import outlook_said, unusual, vanished
from chorus_nb.release import signed_off, totals
from chorus_nb.release.manifest import DELTAS
from chorus_nb.release.obeyed import to_be_obeyed
from chorus_nb.verify import answer, checks, failed_of_registry, is_open
from chorus_nb.workbench.steps import SELFTEST, STEPS
from chorus_nb.workspace import Workspace

GATE, REGISTRY = "04_verify", "05_build_registry"  # the notebooks that make them


class Waiting(NamedTuple):
    """One thing to do: who does it, what it is, and the notebook and the section that it is done in."""

    who: str
    what: str
    notebook: str
    section: str

    @property
    def place(self) -> str:
        """The number of the notebook and the section; the self-test has none but its name."""
        number = self.notebook[:2] if self.notebook[:2].isdigit() else ""
        return f"{number} {self.section}".strip()


class MayLeave(NamedTuple):
    """May the release leave? ``state``: yes, not yet (somebody has to sign or to run) or no (something is at fault).

    ``said``: what is in the way, and what the gate says of the files.
    """

    state: str
    said: tuple[str, ...]


def may_leave(workspace: Workspace, states: Mapping[str, str]) -> MayLeave:
    """The one answer of index, reports and commands; ``states``: the result of each notebook, in order of time.

    Not by whom it is signed: the sentences stand on a page that may be shared, too.
    """
    gate = (answer(checks(workspace)),) if GATE in states and workspace.has(tables.CHECKS) else ()
    shut = bool(gate) and not is_open(checks(workspace))
    asked = states.get(REGISTRY) == "passed" and workspace.has(tables.REGISTRY_CHECKS)
    closed = (*gate * shut, *(failed_of_registry(workspace) if asked else ()))
    to_come = [step for step in STEPS if states.get(step.name) != "passed"]
    if to_come and (ended := states.get(to_come[0].name)):
        return MayLeave("no", (f"Notebook {to_come[0].number}, {to_come[0].title}, ended {ended}.", *closed))
    if closed:
        return MayLeave("no", closed)
    if to_come:
        names = ", ".join(f"{step.number} {step.title}" for step in to_come)
        return MayLeave("not yet", (f"Still to come: {names}, and the signature of a person.", *gate))
    if stale := _run_after_the_last(states):
        return MayLeave("not yet", (f"{stale}.",))
    if said := to_be_obeyed(workspace):
        return MayLeave("not yet", (f"{said}, and 06.",))
    if not workspace.has(tables.MANIFEST):
        return MayLeave("not yet", ("What was packed is not in release/: put it back, or run 03 to 06 again.",))
    if signed_off(workspace).empty:
        return MayLeave("not yet", ("The release is packed; it may leave once a person has signed it.", *gate))
    return MayLeave("yes", ("The release is packed, and a person has signed it.", *gate))


def _run_after_the_last(states: Mapping[str, str]) -> str:
    """That a notebook was run after the last one, so that what is packed is not what the tables say; "" if none was."""
    latest = [step.number for name in states for step in STEPS if step.name == name][-1:]
    last = STEPS[-1].number
    return f"Notebook {latest[0]} was run after {last}: run the later ones again" if latest not in ([], [last]) else ""


def may_leave_then(workspace: Workspace, states: Mapping[str, str], last: str) -> MayLeave:
    """:func:`may_leave` when the notebook ``last`` had just passed, as its report says it: whatever ran after it is to
    come, so that the report of a second run is that of the first."""
    until = [step.name for step in STEPS if step.name <= last]
    return may_leave(workspace, {name: states[name] for name in until[:-1] if name in states} | {last: "passed"})


def since_last_release(workspace: Workspace) -> str:
    """What changed since the release that was delivered last, from the manifest; "" if nothing is packed."""
    if not workspace.has(tables.MANIFEST):
        return ""
    by_delta = totals(workspace).groupby("delta")["files"].sum()
    counts = {name: int(by_delta.get(name, 0)) for name in DELTAS}
    if counts["added"] == by_delta.sum():
        return f"{_files_said(counts['added'])} of the release, all new: nothing of it was delivered before."
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
    gone = len(vanished(workspace)) if workspace.parameters.delivery == "full" else 0
    if gone:
        said = f"{_files_said(gone)} in the release that the source does not hold any more: is the export whole?"
        made.append(Waiting("the analyst", said, "03_run_deid", "Not in the source any more"))
    if workspace.has(tables.OUTLOOK) and unusual(outlook := workspace.read(tables.OUTLOOK)):
        said = f"The last run did so: {outlook_said(outlook)} Is it what was meant?"
        made.append(Waiting("the analyst", said, "03_run_deid", "What the run will change, and why"))
    if states.get(SELFTEST.name) == "failed":
        said = "The self-test left invented identifiers: mend what left them, before anybody signs"
        made.append(Waiting("the analyst", said, SELFTEST.name, SELFTEST.title))
    ended = all(states.get(step.name) == "passed" for step in STEPS)
    if ended and (stale := _run_after_the_last(states)):
        made.append(Waiting("the analyst", stale, STEPS[-1].name, ""))
    elif ended and workspace.has(tables.MANIFEST) and signed_off(workspace).empty:
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
