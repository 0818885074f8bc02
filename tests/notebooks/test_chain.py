"""The six notebooks, end to end: what a site relies on."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import stat
from pathlib import Path

import papermill
import pytest
import yaml

from chorus_nb import tables
from chorus_nb.workbench import audit
from chorus_nb.workbench.steps import STEPS
from tests.notebooks.finished_chain import ROOT, Chain, chorus_nb

pytestmark = pytest.mark.filterwarnings("ignore")


def images(folder: Path) -> dict[str, tuple[str, int]]:
    """Digest and modification time of every image below ``folder``."""
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*.dcm")
    }


def test_the_command_ends_well(chain: Chain) -> None:
    assert chain.exit_code == 0, chain.said


def test_every_notebook_left_its_report_in_its_place(chain: Chain) -> None:
    for step in STEPS:
        report = step.report(chain.workspace)
        assert report.is_file(), step.name
        assert '<span class="badge passed">' in report.read_text(encoding="utf-8"), step.name
    assert (chain.workspace.reports_local / "index.html").is_file()
    assert (chain.workspace.reports_audit / "index.html").is_file()


def test_no_file_is_lost(chain: Chain) -> None:
    outcomes = chain.workspace.read(tables.OUTCOMES)
    found = {file.source_path for file in chain.workspace.source.find()}
    assert set(outcomes["source_path"]) == found
    assert set(outcomes["status"]) <= set(tables.STATUSES)
    assert set(outcomes.loc[outcomes["status"] != "released", "reason"]).isdisjoint({""})


def test_released_files_are_those_on_record(chain: Chain) -> None:
    outcomes = chain.workspace.read(tables.OUTCOMES)
    recorded = set(outcomes.loc[outcomes["status"] == "released", "target_path"])
    assert set(images(chain.workspace.release)) == recorded != set()


def planted(site: Path) -> set[str]:
    """The answer key's identifiers outside the pixels; dates and descriptions can equal harmless text by chance."""
    with open(site / "answer_key.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    gone = [row for row in rows if row["expected"] in ("removed", "cleaned") and row["kind"] not in ("date", "text")]
    return {
        row["value"] for row in (*gone, *(row for row in rows if row["expected"] == "uid")) if len(row["value"]) > 5
    }


def test_no_planted_identifier_is_in_what_leaves_the_site(chain: Chain, demo_site: Path) -> None:
    identifiers = planted(demo_site)
    assert len(identifiers) > 20
    leaks = []
    for folder in (chain.workspace.release, chain.workspace.audit):
        for path in folder.rglob("*"):
            content = str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"")
            leaks += [(path.name, value) for value in identifiers if value.encode() in content]
    assert leaks == []


def test_the_source_is_never_written_to(chain: Chain, demo_site: Path) -> None:
    newest = max(path.stat().st_mtime_ns for path in (demo_site / "dicom").rglob("*"))
    assert newest < chain.file.stat().st_mtime_ns


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_local_is_for_its_owner_only(chain: Chain) -> None:
    assert stat.S_IMODE(chain.workspace.local.stat().st_mode) == 0o700
    assert stat.S_IMODE(chain.workspace.key_path.stat().st_mode) == 0o600


def test_the_audit_chain_holds(chain: Chain) -> None:
    done = chorus_nb("audit", str(chain.workspace.root))
    assert done.returncode == 0, done.stdout
    events = [(line["event"], line["notebook"]) for line in audit.read_log(chain.workspace)]
    changed = ("table", STEPS[-1].name)  # the seal, made by 05 and put on anew by 06: recorded at once
    assert events.count(changed) == 1
    events.remove(changed)
    assert events == [(event, step.name) for step in STEPS for event in ("notebook", "report")]


def test_the_key_is_nowhere_but_in_its_file(chain: Chain) -> None:
    key = chain.workspace.key_path.read_bytes().strip()
    holders = [path for path in chain.workspace.root.rglob("*") if path.is_file() and key in path.read_bytes()]
    assert holders == [chain.workspace.key_path]


def test_executed_copies_hold_no_widget_state(chain: Chain) -> None:
    for path in (chain.workspace.reports_local / "notebooks").glob("*.ipynb"):
        assert "widgets" not in json.loads(path.read_text(encoding="utf-8"))["metadata"]


def test_each_notebook_runs_alone_with_plain_papermill_and_a_second_run_rewrites_no_released_image(
    chain: Chain, tmp_path: Path
) -> None:
    before = images(chain.workspace.release)
    values = yaml.safe_load(chain.file.read_text())
    for step in STEPS:  # in their order: the index says "not yet" while an earlier one is the latest
        executed = tmp_path / f"{step.number}.ipynb"
        papermill.execute_notebook(
            ROOT / "notebooks" / f"{step.name}.ipynb",
            executed,
            values,
            cwd=ROOT,
            progress_bar=False,
            coalesce_streams=True,
        )
        assert executed.is_file()
    assert images(chain.workspace.release) == before != {}
