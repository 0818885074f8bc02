"""The runner, on notebooks of a few cells: progress, failure, withheld reports."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from chorus_nb import explore
from chorus_nb.workbench import audit, kernel, run
from chorus_nb.workbench.report import Outcome
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace

PARAMETERS = new_code_cell('site: str = "demo"', id="parameters", metadata={"tags": ["parameters"]})


def notebook(folder: Path, name: str, *cells: str) -> Path:
    made = new_notebook(cells=[new_markdown_cell("# Title\n\nA test.", id="title"), PARAMETERS])
    made.cells += [new_code_cell(source, id=f"cell-{number}") for number, source in enumerate(cells)]
    made.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / f"{name}.ipynb"
    nbformat.write(made, path)
    return path


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(run, "NOTEBOOKS", folder)
    return folder


def test_progress_of_a_cell_reaches_the_runner_and_parameters_reach_the_cell(tmp_path: Path) -> None:
    path = notebook(
        tmp_path,
        "one",
        "from chorus_nb.display import Meter\nmeter = Meter(every=0)",
        "for done in range(1, 4):\n    meter(done, 3, f'reading at {site}')",
    )
    heard: list[tuple[int, int, str]] = []
    executed = tmp_path / "out.ipynb"
    kernel.execute(path, executed, {"site": "north"}, tmp_path, lambda *step: heard.append(step))
    assert heard == [(1, 3, "reading at north"), (2, 3, "reading at north"), (3, 3, "reading at north")]
    [output] = nbformat.read(executed, as_version=4).cells[-1].outputs
    assert "3 of 3" in output.data["text/html"], "one bar, updated in place"


def test_the_first_failure_ends_the_run_with_its_report_written(notebooks: Path, workspace: Workspace) -> None:
    notebook(notebooks, STEPS[0].name, "raise ValueError('QUILL^ADA')", "print('never')")
    notebook(notebooks, STEPS[1].name, "print('never')")
    ended = run.run_notebooks(workspace.parameters)
    assert list(ended) == [STEPS[0].name]
    assert ended[STEPS[0].name].status == "failed"
    assert "QUILL" not in " ".join(ended[STEPS[0].name].lines), "the terminal and the log are told no value"
    assert "The notebook stopped here" in STEPS[0].report(workspace).read_text(encoding="utf-8")
    assert audit.verify_chain(workspace) == []


def test_a_killed_notebook_is_reported(notebooks: Path, workspace: Workspace) -> None:
    notebook(notebooks, STEPS[0].name, "import os", "os._exit(9)")
    ended = run.run_notebooks(workspace.parameters, ["01"])
    assert ended[STEPS[0].name].status == "failed"
    assert "killed" in STEPS[0].report(workspace).read_text(encoding="utf-8")


def test_a_shareable_report_with_an_original_value_is_withheld(notebooks: Path, workspace: Workspace) -> None:
    explore.scan(workspace)
    step = STEPS[2]
    clean = "from chorus_nb.display import say\nsay('12 files released')"
    notebook(notebooks, step.name, clean)
    assert run.run_notebooks(workspace.parameters, ["03"])[step.name].status == "passed"
    assert "was searched" in (page := step.report(workspace).read_text()) or "were searched" in page
    leaking = (
        "import pandas as pd",
        f"catalog = pd.read_parquet({str(workspace.local / 'catalog.parquet')!r})",
        "from chorus_nb.display import say\nsay(f'last file: {catalog.StudyInstanceUID.max()}')",
    )
    notebook(notebooks, step.name, *leaking)
    ended = run.run_notebooks(workspace.parameters, ["03"])[step.name]
    assert ended == Outcome("withheld", ended.seconds, (run.WITHHELD,))
    assert not step.report(workspace).exists(), "the earlier report is gone too: it is not of this run"
    kept = (workspace.reports_local / f"{step.name}.html").read_text(encoding="utf-8")
    assert '<span class="badge withheld">' in kept and "May be shared" not in kept


def test_a_shareable_report_that_could_not_be_searched_is_withheld(notebooks: Path, workspace: Workspace) -> None:
    notebook(notebooks, STEPS[2].name, "print('no catalog yet')")
    ended = run.run_notebooks(workspace.parameters, ["03"])[STEPS[2].name]
    assert (ended.status, ended.lines) == ("withheld", (run.UNSEARCHED,))
