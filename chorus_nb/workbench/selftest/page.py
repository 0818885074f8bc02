"""The page of a self-test: counts and names of kinds only, searched for original values like every report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from chorus_nb import tables
from chorus_nb.leaks.files import search_pages
from chorus_nb.workbench import audit
from chorus_nb.workbench.report import page_of
from chorus_nb.workbench.selftest.left import FILES, KEPT, score
from chorus_nb.workbench.steps import SELFTEST
from chorus_nb.workspace import Workspace, digest_of, write_atomically


class _Section(NamedTuple):
    """A table of the page; its first ``words`` columns hold words, the others counts."""

    title: str
    heads: list[str]
    rows: list[tuple[Any, ...]]
    words: int


def write_page(site: Workspace, report: pd.DataFrame, missing: Sequence[str]) -> Path:
    """Write the page where it may be: among the shareable reports, or in ``local/`` if an original value is in it."""
    path, proof = SELFTEST.report(site), ""
    searched, leaking = search_pages(site, {SELFTEST.name: _page(site, report, missing, "nothing")})
    if searched and not leaking:
        proof = f"{searched:,} original identifiers and names were searched for in it and none was found"
    else:
        path.unlink(missing_ok=True)
        path = site.reports_local / path.name
    write_atomically(path, _page(site, report, missing, proof).encode("utf-8"))
    return path


def record(site: Workspace, report: pd.DataFrame, page: Path) -> None:
    """A line of the audit log, as for every report: the index reads it, ``chorus-nb audit`` compares the page."""
    facts = trial_facts(report)
    event = {
        "event": "report",
        "notebook": SELFTEST.name,
        "status": "failed" if facts["left"] else "passed",
        "lines": [
            f"{facts['left']:,} of {facts['planted']:,} invented identifiers were left in {facts['files']:,} copies."
        ],
        "report": audit.place(site, page),
        "digest": digest_of(page),
    }
    audit.append_line(site, event)


def trial_facts(report: pd.DataFrame) -> dict[str, int]:
    """The numbers of the answer."""
    kept, files = report[report.place == KEPT], report[report.place == FILES]
    planted = report[~report.place.isin((KEPT, FILES))]
    numbers = {
        "planted": planted.tried.sum(),
        "left": planted.left.sum(),
        "kept": kept.tried.sum(),
        "lost": kept.lost.sum(),
        "files": files.tried.sum(),
        "stayed": files.lost.sum(),
    }
    return {name: int(number) for name, number in numbers.items()}


def _page(site: Workspace, report: pd.DataFrame, missing: Sequence[str], proof: str) -> str:
    parameters = site.parameters
    kept, files = report[report.place == KEPT], report[report.place == FILES]
    planted = report[~report.place.isin((KEPT, FILES))]
    stayed = [(tables.REASON_MEANINGS.get(row.kind, row.kind), row.lost) for row in files.itertuples() if row.lost]
    return page_of(
        "selftest.html.j2",
        parameters.site,
        facts=trial_facts(report),
        missing=missing,
        proof=proof,
        sections=[
            _Section("What was planted", ["place", "kind", "planted", "left"], _rows(planted, "left"), 2),
            _Section("What had to stay", ["value", "asked", "lost"], [row[1:] for row in _rows(kept, "lost")], 1),
            _Section("Files held back for another reason", ["reason", "files"], stayed, 1),
        ],
        chosen={
            "Policy": parameters.policy_name,
            "Kinds released": ", ".join(parameters.kinds),
            "Burned-in text": parameters.burned_in_text,
            "Faces": parameters.deface,
            "Score": f"{score(report):.4f} of 1: the mean over the rows of the share that was neither left nor lost",
        },
    )


def _rows(report: pd.DataFrame, what: str) -> list[tuple[Any, ...]]:
    """The rows, those at fault first."""
    ordered = report.sort_values([what, "place", "kind"], ascending=[False, True, True])
    return [(row.place, row.kind, int(row.tried), int(getattr(row, what))) for row in ordered.itertuples()]
