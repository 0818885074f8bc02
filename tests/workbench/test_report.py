"""Reports: self-contained, script-free, honest about failure, and silent about values where they may be shared."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from chorus_nb import display, tables
from chorus_nb.display import HEADLINE
from chorus_nb.parameters import Parameters
from chorus_nb.release import sign_off
from chorus_nb.verify import answer
from chorus_nb.verify.findings import GATE_CHECKS
from chorus_nb.workbench import audit, index, report, waiting
from chorus_nb.workbench.answers import answer_facts
from chorus_nb.workbench.commands import main
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


def test_every_picture_of_a_page_has_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """nbconvert would look for those without, and read the whole page once more for it."""
    png = new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})
    shown = list[Any]()
    monkeypatch.setattr(display, "display", shown.append)
    display.show_figure("iVBORw0KGgo=", 480, "Bars: files by modality.")
    figure = new_output("display_data", data={"text/html": shown[0].data, "text/plain": ""})
    html = page(executed(png, figure))
    assert len(re.findall(r"<img ", html)) == 2 == len(re.findall(r'<img alt="[^"]+"', html))


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
    html = index.render_index(run, shareable=False)
    assert re.findall(r'href="([^"]*)"', html) == [
        "../../audit/reports/index.html",
        "../../audit/reports/03_run_deid.html",  # it failed
        "../../audit/reports/03_run_deid.html",  # quarantine
        *["../../audit/reports/03_run_deid.html"] * 3,  # the counts that are not nought
        "01_explore_headers.html",
        "../../audit/reports/03_run_deid.html",
    ]
    assert html.count(">not run<") == 5  # four notebooks and the self-test
    assert "disk &lt;full&gt;" in html


def test_the_index_counts_every_file(run: Workspace) -> None:
    html = index.render_index(run, shareable=False)
    assert re.findall(r"<dd>(?:<a [^>]*>)?([\d,]+)<", html) == ["5", "3", "1", "1", "0", "0"]


def test_the_index_says_what_waits_for_a_person_and_where(run: Workspace) -> None:
    html = index.render_index(run, shareable=False)
    told = [re.sub("<[^>]*>", "", line) for line in re.findall("<li>(.*)</li>", html)]
    assert told == [
        "the analyst: Run de-identification failed: what to do stands below; then run it again. 03",
        "the reviewer: 1 file to look at for text in their pixels. 04 Review",
        "the PACS team: 1 file with another fault: mend at the source what is wanted. 03 What became of every file",
    ]


def test_what_is_held_back_waits_for_somebody_unless_it_is_settled(run: Workspace) -> None:
    outcomes = run.read(tables.OUTCOMES)
    reasons = ["kind_not_released", "no_date", "no_visit", "withdrawn", "timed_out"]
    rows = pd.concat([outcomes.iloc[[0]]] * len(reasons), ignore_index=True)
    run.write(tables.OUTCOMES, rows.assign(source_path=list("abcde"), status="held_back", reason=reasons))
    told = [(one.who, one.what) for one in waiting.what_waits(run, {})]
    assert told == [
        ("the data manager", "1 file without a fitting visit or person in the OMOP tables"),
        ("the analyst", "1 file that the run itself could not take: do what is said there for each reason"),
        ("the PACS team", "1 file with another fault: mend at the source what is wanted"),
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
    assert "<td>the consortium<" not in index.render_index(run, shareable=False)


def test_the_shareable_index_links_nothing_local(run: Workspace) -> None:
    html = index.render_index(run, shareable=True)
    assert re.findall(r'href="([^"]*)"', html) == ["03_run_deid.html"] * 4
    assert "Explore headers" not in html


@pytest.fixture
def passed(run: Workspace) -> Workspace:
    """The same, run again until all six passed and 32 files were packed."""
    for step in STEPS:
        event = {"event": "report", "notebook": step.name, "status": "passed", "seconds": 1.0, "lines": []}
        audit.append_line(run, {**event, "report": audit.place(run, step.report(run)), "digest": ""})
    gate = [{"check": name, "result": "pass", "examined": 3, "findings": 0, "held": 0} for name in GATE_CHECKS]
    run.write(tables.CHECKS, tables.frame(tables.CHECKS, gate))
    deltas = ["added"] * 29 + ["modified", "removed", "unchanged"]
    packed = [
        {"path": str(n), "size": 1, "md5": "", "sha256": str(n), "delta": delta} for n, delta in enumerate(deltas)
    ]
    run.write(tables.MANIFEST, tables.frame(tables.MANIFEST, packed))
    return run


def verdict_of(workspace: Workspace, *, shareable: bool = False) -> tuple[str, str]:
    page = index.render_index(workspace, shareable=shareable)
    [(state, said)] = re.findall(r'<h1><span class="badge \w+">([^<]*)</span> (.*)</h1>', page)
    return state, said


def test_nothing_may_leave_that_nobody_signed(passed: Workspace) -> None:
    """An index that was green with files waiting and nobody's signature under it is what this answers."""
    assert verdict_of(passed) == ("not yet", "The release is packed; it may leave once a person has signed it.")
    sign_off(passed, "looked at all of them", "quilla")
    for shareable in (False, True):
        assert verdict_of(passed, shareable=shareable) == (
            "yes",
            "The release is packed, and a person has signed it.",
        )
        assert "quilla" not in index.render_index(passed, shareable=shareable)


def test_nobody_is_asked_to_sign_what_is_older_than_the_tables(passed: Workspace) -> None:
    """04 was run after 06: the officer was asked to sign what the analyst had to make again."""
    step = STEPS[3]
    event = {"event": "report", "notebook": step.name, "status": "passed", "seconds": 1.0, "lines": []}
    audit.append_line(passed, {**event, "report": audit.place(passed, step.report(passed)), "digest": ""})
    last = waiting.what_waits(passed, index.report_states(passed))[-1]
    assert (last.who, last.what) == ("the analyst", "Notebook 04 was run after 06: run the later ones again")
    assert verdict_of(passed) == ("not yet", f"{last.what}.")


def test_the_status_says_what_the_index_says_and_makes_it_anew(
    passed: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(json.dumps(passed.parameters.model_dump(exclude_unset=True)))
    assert main(["status", str(file)]) == 1
    first, *waiting_lines = capsys.readouterr().out.splitlines()
    assert first.startswith("may the release leave? not yet: The release is packed; it may leave once")
    assert waiting_lines[-1] == "the privacy officer: Nobody has signed the release that is packed now (06 Sign-off)"
    sign_off(passed, "looked at all of them", "quilla")
    assert main(["status", str(file)]) == 0
    page = (passed.reports_local / "index.html").read_text(encoding="utf-8")
    assert '<span class="badge yes">yes</span>' in page and "Nobody has signed" not in page


def test_another_manifest_than_the_signed_one_may_not_leave(passed: Workspace) -> None:
    sign_off(passed, "looked at all of them", "quilla")
    manifest = passed.read(tables.MANIFEST)
    manifest.loc[0, "sha256"] = "changed"
    passed.write(tables.MANIFEST, manifest)
    assert verdict_of(passed)[0] == "not yet"


def test_what_ran_after_the_release_was_packed_is_packed_anew(passed: Workspace) -> None:
    sign_off(passed, "looked at all of them", "quilla")
    event = {
        "event": "report",
        "notebook": "03_run_deid",
        "status": "passed",
        "seconds": 1.0,
        "lines": [],
        "digest": "",
    }
    audit.append_line(passed, {**event, "report": "audit/reports/03_run_deid.html"})
    assert verdict_of(passed) == ("not yet", "Notebook 03 was run after 06: run the later ones again.")


def test_a_gate_that_is_closed_says_no_and_why(passed: Workspace) -> None:
    gate = passed.read(tables.CHECKS)
    gate.loc[0, "result"] = "fail"
    passed.write(tables.CHECKS, gate)
    state, said = verdict_of(passed)
    assert state == "no" and said.startswith("The gate is closed: 1 of ")


def test_a_check_of_05_that_failed_says_no_too(passed: Workspace) -> None:
    row = {
        "check": "gapless",
        "question": "No gaps?",
        "result": "fail",
        "detail": "1 of 3",
        "examined": 3,
        "findings": 1,
    }
    passed.write(tables.REGISTRY_CHECKS, tables.frame(tables.REGISTRY_CHECKS, [row]))
    assert verdict_of(passed) == ("no", "05_build_registry: No gaps? No: 1 of 3")
    states = {step.name: "passed" for step in STEPS[:4]}  # 05 is to be run again: what it said then counts no more
    assert waiting.may_leave(passed, states).state == "not yet"


def test_a_notebook_that_failed_or_never_ran_is_named(run: Workspace) -> None:
    assert verdict_of(run)[1].startswith("Still to come: 02 Map tags, 03 Run de-identification, 04 Verify, 05 ")


def test_a_notebook_that_failed_says_no_and_what_its_gate_says(passed: Workspace) -> None:
    states = {step.name: "passed" for step in STEPS[:3]} | {"04_verify": "failed"}
    assert waiting.may_leave(passed, states) == ("no", ("Notebook 04, Verify, ended failed.",))
    gate = passed.read(tables.CHECKS)
    gate.loc[0, "result"] = "fail"
    passed.write(tables.CHECKS, gate)
    [_, said] = waiting.may_leave(passed, states).said
    assert said == answer(gate)


def test_a_release_that_is_gone_is_not_called_packed(passed: Workspace) -> None:
    """A restored workspace, beside which nobody has put release/ yet, ended ``status`` with an error."""
    passed.path(tables.MANIFEST).unlink()
    state, said = verdict_of(passed)
    assert state == "not yet" and said.startswith("What was packed is not in release/")


@pytest.mark.parametrize("event", [{"event": "rotate-key"}, {"event": "withdrawal"}])
def test_a_release_that_is_to_be_made_anew_may_not_leave(passed: Workspace, event: dict[str, str]) -> None:
    sign_off(passed, "looked at all of them", "quilla")
    audit.append_line(passed, event)
    state, said = verdict_of(passed)
    assert state == "not yet" and said.startswith("Still to come: 03 Run de-identification, 04")


def test_the_index_says_what_changed_since_the_last_release(passed: Workspace) -> None:
    told = "Since the release that was delivered last: 29 added, 1 modified, 1 removed, 1 unchanged."
    assert told in index.render_index(passed, shareable=False)


@pytest.mark.parametrize("signed", [False, True])
def test_reports_from_the_gate_on_say_what_the_index_says(passed: Workspace, signed: bool) -> None:
    """04 said YES while the index said NOT YET. A report says what was so when it was made, of a second run, too."""
    if signed:
        sign_off(passed, "looked at all of them", "quilla")
    states = index.report_states(passed)
    told = {step.number: answer_facts(passed, step, states) for step in STEPS if step.number in ("04", "06")}
    passed.write(tables.TREE_CHECKS, tables.empty(tables.TREE_CHECKS))
    told["06"] = answer_facts(passed, STEPS[5], states)
    to_come = "Still to come: 05 Build the registry, 06 Release and upload, and the signature of a person."
    assert told["04"] and told["04"]["verdict"] == ("not yet", (to_come, answer(passed.read(tables.CHECKS))))
    assert told["06"] and told["06"]["verdict"] == waiting.may_leave(passed, states)
    assert told["06"]["verdict"].state == ("yes" if signed else "not yet")
    ended = Outcome("passed", 1.0)
    page = report.render_report(STEPS[3], executed(), PARAMETERS, ended, "index.html", answers=told["04"])
    assert "<p>May the release leave? When this report was made: <b>not yet</b>. Still to come: 05 " in page


def test_what_stands_at_the_top_of_a_report_is_not_said_again(passed: Workspace) -> None:
    """In the lab the cell says it; in a report that failed nothing else does."""
    gate = passed.read(tables.CHECKS)
    data = {"text/html": f'<p class="say">{answer(gate)}</p>', "text/plain": ""}
    notebook = executed(new_output("display_data", data=data, metadata={HEADLINE: True}))
    facts = answer_facts(passed, STEPS[3], index.report_states(passed))
    for answers in (facts, None):
        html = report.render_report(STEPS[3], notebook, PARAMETERS, Outcome("", 1.0), "index.html", answers=answers)
        assert html.count(answer(gate)) == 1


def test_an_outcome_of_an_untroubled_notebook_is_passed() -> None:
    assert report.run_outcome(executed(), 2.0) == Outcome("passed", 2.0)


def test_the_same_notebook_gives_the_same_page_whenever_it_is_rendered() -> None:
    ended = [Outcome("passed", seconds) for seconds in (1.0, 2.0)]
    pages = {report.render_report(SHAREABLE, executed(), PARAMETERS, one, "index.html", "proof") for one in ended}
    assert len(pages) == 1
    assert re.findall(r"\b20\d\d-\d\d-\d\d\b", pages.pop()) == [], "times are in the audit log"
