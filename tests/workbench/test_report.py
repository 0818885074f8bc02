"""Reports: self-contained, script-free, honest about failure, and silent about values where they may be shared."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from chorus_nb import tables
from chorus_nb.parameters import Parameters
from chorus_nb.workbench import audit, report, waiting
from chorus_nb.workbench.report import Outcome
from chorus_nb.workbench.run import NOTEBOOKS
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace

LOCAL, SHAREABLE = STEPS[0], STEPS[2]
PARAMETERS = Parameters.of({"site": "North & <b>South</b>"})
SECRET = "QUILL^ADA"


def executed(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return new_notebook(
        cells=[
            new_markdown_cell("# Title\n\nWhat is **there**?", id="title"),
            new_code_cell("shift_code: int = 4", id="parameters", metadata={"tags": ["parameters"]}),
            new_code_cell("show(table)", id="table", outputs=list(outputs)),
            new_code_cell("never_ran()", id="later"),
        ]
    )


def unexpected(name: str = "ValueError") -> nbformat.NotebookNode:
    frames = [
        "\x1b[31mTraceback\x1b[0m",
        f"File /opt/chorus_nb/deid/job.py:42, in run()\n    {SECRET}",
        f"{name}: {SECRET}",
    ]
    return new_output("error", ename=name, evalue=SECRET, traceback=frames)


def ours(*lines: str) -> nbformat.NotebookNode:
    shown = [f"NotReady: {line}" for line in lines]
    return new_output("error", ename="NotReady", evalue="\n".join(lines), traceback=shown)


def page(notebook: nbformat.NotebookNode, step: object = LOCAL) -> str:
    ended = report.run_outcome(notebook, 1.0)
    return report.render_report(step, notebook, PARAMETERS, ended, "index.html")  # type: ignore[arg-type]


def test_a_page_holds_no_script_and_loads_nothing() -> None:
    html = page(executed(new_output("display_data", data={"text/html": "<p>shown</p>", "text/plain": "x"})))
    assert "<script" not in html.lower()
    assert "default-src 'none'" in html
    assert re.findall(r"""(?:src|href)=["'](?!data:|index\.html)""", html) == []
    assert len(html) < 40_000


def test_site_text_in_the_head_is_escaped() -> None:
    assert "North &amp; &lt;b&gt;South&lt;/b&gt;" in page(executed())


def test_scripts_mermaid_and_widgets_in_outputs_are_dropped() -> None:
    data = {
        "application/javascript": "alert(1)",
        "text/vnd.mermaid": "<script>alert(1)</script>",
        "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
        "text/plain": "<b>plain</b>",
    }
    html = page(executed(new_output("display_data", data=data)))
    assert "alert(1)" not in html
    assert "&lt;b&gt;plain&lt;/b&gt;" in html


def test_an_analyst_sees_an_unexpected_error_with_its_traceback() -> None:
    html = page(executed(unexpected()))
    assert "failed" in html and SECRET in html
    assert "An unforeseen fault in chorus_nb/deid/job.py, line 42" in html


def test_a_shareable_report_tells_type_and_place_of_an_error_and_no_value() -> None:
    messages = new_output("stream", name="stderr", text=f"warning: {SECRET}")
    html = page(executed(messages, unexpected()), SHAREABLE)
    assert SECRET not in html
    assert "An unforeseen fault in chorus_nb/deid/job.py, line 42" in html


def test_our_own_errors_are_shown_line_by_line_everywhere() -> None:
    notebook = executed(ours("catalog is not there yet", "run notebook 01 first"))
    for step in (LOCAL, SHAREABLE):
        html = page(notebook, step)
        assert "<p>catalog is not there yet</p><p>run notebook 01 first</p>" in html
        assert "Traceback" not in html


def test_an_error_that_poses_as_ours_is_not_believed() -> None:
    """Only the lines of a WorkbenchError equal its traceback; a class of the same name elsewhere has frames."""
    html = page(executed(unexpected("NotReady")), SHAREABLE)
    assert SECRET not in html


def test_cells_below_a_failure_are_left_out() -> None:
    assert "never_ran()" not in page(executed(unexpected()))
    assert "never_ran()" in page(executed())


def test_the_parameters_cell_is_shown_as_the_table_in_the_head() -> None:
    html = page(executed())
    assert "shift_code: int = 4" not in html
    assert '<th scope="row">shift_code</th><td>4</td>' in html


@pytest.fixture
def run(workspace: Workspace) -> Workspace:
    """A workspace in which 01 passed and 03 failed."""
    for step, status, lines in ((LOCAL, "passed", []), (SHAREABLE, "failed", ["disk <full>"])):
        step.report(workspace).write_text("x")
        event = {"event": "report", "notebook": step.name, "status": status, "seconds": 1.0, "lines": lines}
        audit.append_line(workspace, {**event, "report": audit.place(workspace, step.report(workspace)), "digest": ""})
    rows = [
        {"source_path": str(number), "status": status, "reason": reason, "seconds": 0.0}
        for number, (status, reason) in enumerate(
            [("released", "")] * 3 + [("quarantined", "truncated"), ("held_back", "burned_in_text")]
        )
    ]
    workspace.write(tables.OUTCOMES, tables.frame(tables.OUTCOMES, rows))
    return workspace


def test_the_index_links_every_report_there_is_with_relative_links(run: Workspace) -> None:
    html = report.render_index(run, shareable=False)
    assert re.findall(r'href="([^"]*)"', html) == [
        "../../audit/reports/index.html",
        "../../audit/reports/03_run_deid.html",  # it failed
        "../../audit/reports/03_run_deid.html",  # quarantine
        "01_explore_headers.html",
        "../../audit/reports/03_run_deid.html",
    ]
    assert html.count(">not run<") == 4
    assert "disk &lt;full&gt;" in html


def test_the_index_counts_every_file(run: Workspace) -> None:
    html = report.render_index(run, shareable=False)
    assert re.findall(r"<dd>([\d,]+)</dd>", html) == ["5", "3", "1", "1", "0", "0"]


def test_the_index_says_what_waits_for_a_person_and_where(run: Workspace) -> None:
    html = report.render_index(run, shareable=False)
    told = [re.sub("<[^>]*>", "", line) for line in re.findall("<li>(.*)</li>", html)]
    assert told == [
        "Run de-identification failed: what to do stands below; then run it again. 03",
        "1 file to look at for text in their pixels. 04 Review",
        "1 file with another fault: mend at the source what is wanted. 03 What became of every file",
    ]


def test_what_is_held_back_waits_for_somebody_unless_it_is_settled(run: Workspace) -> None:
    outcomes = run.read(tables.OUTCOMES)
    rows = pd.concat([outcomes.iloc[[0]]] * 3, ignore_index=True)
    rows = rows.assign(source_path=list("abc"), status="held_back", reason=["kind_not_released", "no_date", "no_visit"])
    run.write(tables.OUTCOMES, rows)
    told = [one.what for one in waiting.what_waits(run, {})]
    assert told == [
        "1 file outside their visits in the OMOP tables",
        "1 file with another fault: mend at the source what is wanted",
    ]


def test_what_waits_names_reasons_and_sections_that_there_are() -> None:
    rows = list(csv.DictReader(Path(waiting.__file__).with_name("waiting.csv").read_text("utf-8").splitlines()))
    assert {reason for row in rows for reason in row["reasons"].split()} <= set(tables.REMEDIES)
    for row in rows:
        if not row["what"]:  # of these nothing waits
            assert row["notebook"] == row["where"] == ""
            continue
        cells = nbformat.read(NOTEBOOKS / f"{row['notebook']}.ipynb", as_version=4).cells
        assert any(cell.source.startswith(f"## {row['where']}\n") for cell in cells), row["where"]


def test_a_withheld_report_is_for_the_site_only(run: Workspace) -> None:
    event = {"event": "report", "notebook": SHAREABLE.name, "status": "withheld", "seconds": 1.0, "lines": []}
    audit.append_line(run, {**event, "report": f"local/reports/{SHAREABLE.name}.html", "digest": ""})
    assert "<td>may be shared<" not in report.render_index(run, shareable=False)


def test_the_shareable_index_links_nothing_local(run: Workspace) -> None:
    html = report.render_index(run, shareable=True)
    assert re.findall(r'href="([^"]*)"', html) == ["03_run_deid.html"]
    assert "Explore headers" not in html


def test_a_run_that_failed_once_and_passed_later_counts_as_passed(run: Workspace) -> None:
    for step in STEPS:
        event = {"event": "report", "notebook": step.name, "status": "passed", "seconds": 1.0, "lines": []}
        audit.append_line(run, {**event, "report": audit.place(run, step.report(run)), "digest": ""})
    assert '<span class="badge passed">passed</span></h1>' in report.render_index(run, shareable=False)


def test_an_outcome_of_an_untroubled_notebook_is_passed() -> None:
    assert report.run_outcome(executed(), 2.0) == Outcome("passed", 2.0)
