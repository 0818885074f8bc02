"""The index of the reports: may the release leave, who must do what next, what changed, what became of every file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from chorus_nb import layout, tables
from chorus_nb.workbench import audit
from chorus_nb.workbench.lists import list_pages, status_page
from chorus_nb.workbench.report import page_of
from chorus_nb.workbench.steps import ACQUIRE, SELFTEST, STEPS, NotebookStep
from chorus_nb.workbench.waiting import MayLeave, may_leave, since_last_release, what_waits
from chorus_nb.workspace import Workspace, write_atomically

DUE_AGAIN = "run again"
DEID = "03_run_deid"
MAKING_VOID = ("withdrawal", "rotate-key")  # events of the audit log


def write_indexes(workspace: Workspace) -> None:
    """Both indexes: that of the site, and that of what may be shared."""
    said = _Said.of(workspace)
    for folder, shareable in ((workspace.reports_local, False), (workspace.reports_audit, True)):
        write_atomically(folder / "index.html", render_index(workspace, shareable=shareable, said=said).encode("utf-8"))


class _Said(NamedTuple):
    """What both indexes say, read once for them."""

    last: dict[str, dict[str, Any]]
    verdict: MayLeave
    changed: str
    statuses: dict[str, int]
    deliveries: list[dict[str, Any]]

    @classmethod
    def of(cls, workspace: Workspace) -> _Said:
        last = _last_reports(workspace)
        verdict = may_leave(workspace, _states(last))
        return cls(last, verdict, since_last_release(workspace), _statuses(workspace), _deliveries(workspace))


def render_index(workspace: Workspace, *, shareable: bool, said: _Said | None = None) -> str:
    """The page that answers for the run and links its reports, from the tables and what the audit log says of them."""
    folder = workspace.reports_audit if shareable else workspace.reports_local
    said = said or _Said.of(workspace)
    last, states = said.last, _states(said.last)
    due = (ACQUIRE, *STEPS) if ACQUIRE.name in last else STEPS
    rows = [_index_row(workspace, step, last.get(step.name), folder) for step in due if step.shareable or not shareable]
    rows.append(_selftest_row(workspace, last.get(SELFTEST.name), folder))
    rows += [] if shareable else _certificate_row(workspace, folder)
    links = {row["name"]: row["href"] for row in rows}
    counts = _status_counts(workspace, said.statuses, links[DEID], shareable=shareable)
    return page_of(
        "index.html.j2",
        workspace.parameters.site,
        shareable=shareable,
        verdict=said.verdict,
        changed=said.changed,
        rows=rows,
        waiting=[] if shareable else _waiting_rows(workspace, states, links),
        counts=counts,
        deliveries=said.deliveries,
        lists=[] if shareable else list_pages(workspace),
        found=sum(count["count"] for count in counts),
        shareable_index=_relative(workspace.reports_audit / "index.html", folder),
    )


def report_states(workspace: Workspace) -> dict[str, str]:
    """The result of each notebook that was run and is not due again, the one that ran last at the end."""
    return _states(_last_reports(workspace))


def _states(last: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: line["status"] for name, line in last.items() if line["status"] != DUE_AGAIN}


def _last_reports(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The last line of the audit log about each report, in order of time; what it says is void where a withdrawal or
    another key came after it, for 03 and those behind it then have to make their tables again."""
    last: dict[str, dict[str, Any]] = {}
    for line in audit.read_log(workspace):
        if line.get("event") == "report":
            last.pop(line["notebook"], None)
            last[line["notebook"]] = line
        elif line.get("event") in MAKING_VOID and not line.get("undone"):
            void = {"status": DUE_AGAIN, "lines": []}
            last |= {step.name: last[step.name] | void for step in STEPS if step.name >= DEID and step.name in last}
    return last


def _index_row(workspace: Workspace, step: NotebookStep, line: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    row = {"name": step.name, "step": step.number, "title": step.title, "about": step.about}
    if line is None:
        return {**row, "href": "", "status": "not run", "lines": (), "readers": ""}
    report = workspace.root / line["report"]
    return {
        **row,
        "readers": "the consortium" if report.parent == workspace.reports_audit else "the site only",
        "href": _relative(report, folder) if report.is_file() else "",
        "status": line["status"],
        "lines": line["lines"],
    }


def _selftest_row(workspace: Workspace, line: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    """As of a notebook; what it counted stands beside its name, whatever the result."""
    row = _index_row(workspace, SELFTEST, line, folder)
    said = row["lines"]
    return {**row, "step": "", "about": " ".join(said) or row["about"], "lines": ()}


def _certificate_row(workspace: Workspace, folder: Path) -> list[dict[str, Any]]:
    """The certificate of what is packed, where it is."""
    path = workspace.release / f"{layout.CERTIFICATE}.html"
    row = {
        "name": "certificate",
        "step": "",
        "title": "Certificate",
        "about": "what was searched, checked and decided: part of what is signed, with PDF and JSON beside it",
        "href": _relative(path, folder),
        "status": "",
        "lines": (),
        "readers": "the consortium",
    }
    return [row] if path.is_file() else []


def _waiting_rows(workspace: Workspace, states: dict[str, str], links: dict[str, str]) -> list[dict[str, str]]:
    """What waits for a person, each with the report that says more."""
    return [
        {
            "who": one.who,
            "what": one.what,
            "href": links[one.notebook],
            "place": one.place,
        }
        for one in what_waits(workspace, states)
    ]


def _statuses(workspace: Workspace) -> dict[str, int]:
    """Files by status; nothing before 03 has run."""
    if not workspace.has(tables.OUTCOMES):
        return {}
    counts = workspace.read(tables.OUTCOMES, ["status"])["status"].value_counts()
    return {status: int(counts.get(status, 0)) for status in tables.STATUSES}


def _status_counts(
    workspace: Workspace, counts: dict[str, int], outcomes: str, *, shareable: bool
) -> list[dict[str, Any]]:
    """Files by status, each with the list of them, or else the report on all outcomes."""
    return [
        {
            "status": status,
            "name": tables.code_in_words(status),
            "count": count,
            "href": outcomes if shareable else status_page(workspace, status) or outcomes,
        }
        for status, count in counts.items()
    ]


def _deliveries(workspace: Workspace) -> list[dict[str, Any]]:
    """What was delivered, latest first."""
    latest_first = workspace.read_or_empty(tables.DELIVERIES).iloc[::-1]
    return [dict(row) for row in latest_first.to_dict("records")]


def _relative(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file, folder)).as_posix()
