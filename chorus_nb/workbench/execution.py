"""One notebook of a run: executed, its report rendered, searched where it may be shared, and written.

Apart from :mod:`chorus_nb.workbench.run`, for papermill and nbconvert are slow to import.
"""

from __future__ import annotations

import functools
import logging
import time
from pathlib import Path

import blake3

from chorus_nb.leaks.files import search_pages
from chorus_nb.parameters import project_folder
from chorus_nb.workbench import audit, kernel, nursery, report
from chorus_nb.workbench.answers import answer_facts
from chorus_nb.workbench.index import report_states
from chorus_nb.workbench.jupyter import DeadKernelError, nbformat
from chorus_nb.workbench.printing import PRINTED
from chorus_nb.workbench.report import Outcome
from chorus_nb.workbench.steps import NotebookStep
from chorus_nb.workbench.terminal import LOG, NotebookProgress
from chorus_nb.workspace import Workspace, write_atomically

WITHHELD = "An original value was found in this report; it was kept in local/reports instead."
UNSEARCHED = "The catalog is not there, so nothing could be searched for; this report was kept in local/reports."


def run_notebook(
    notebook: Path, step: NotebookStep, workspace: Workspace, kernels: nursery.Nursery | None = None
) -> Outcome:
    """Run ``notebook``, which is that of ``step``, and write its report; says in the log how it ended."""
    executed = workspace.reports_local / "notebooks" / f"{step.name}.ipynb"
    executed.parent.mkdir(exist_ok=True)
    values = workspace.parameters.model_dump()  # all: 06 asks whether any is set otherwise than when 03 ran
    began, stopped = time.monotonic(), None
    name = f"{step.number} {step.title:<24}"
    progress = NotebookProgress(name)
    LOG.debug("%s begins", name)
    try:
        kernel.execute(notebook, executed, values, project_folder(), progress, progress.still, kernels)
    except KeyboardInterrupt:
        stopped = ("interrupted", "Interrupted; run the same command again to go on.")
    except DeadKernelError:
        stopped = ("failed", "The notebook's process was killed, perhaps for want of memory; run the command again.")
    finally:
        progress.bar.close()
    made, seconds = nbformat.read(executed, as_version=4), time.monotonic() - began
    ended = Outcome(stopped[0], seconds, stopped[1:]) if stopped else report.run_outcome(made, seconds)
    ended, path = _write_report(step, made, workspace, ended)
    level = logging.INFO if ended.status == "passed" else logging.WARNING
    report_path = f"{workspace.parameters.workspace}/{audit.place(workspace, path)}"
    LOG.log(level, "%s %-12s %6.1f s   %s", name, ended.status, ended.seconds, report_path)
    for line in ended.lines:
        LOG.log(level, "   %s", line)
    return ended


def _write_report(
    step: NotebookStep, notebook: nbformat.NotebookNode, workspace: Workspace, ended: Outcome
) -> tuple[Outcome, Path]:
    """Render and write the report; one that may be shared only after the search for original values."""
    parameters, path = workspace.parameters, step.report(workspace)
    answers = answer_facts(workspace, step, report_states(workspace)) if ended.status == "passed" else None
    body = report.rendered_cells(step, notebook, answered=bool(answers))
    render = functools.partial(report.render_report, step, notebook, parameters, answers=answers, body=body)
    page = render(ended=ended, index="index.html")
    if step.shareable:
        searched, leaking = search_pages(workspace, {step.name: page})
        if searched and not leaking:
            proof = f"{searched:,} original identifiers and names were searched for in it and none was found"
            page = render(ended=ended, index="index.html", proof=proof)
        else:
            path = workspace.reports_local / path.name
            status = "withheld" if ended.status == "passed" else ended.status
            ended = Outcome(status, ended.seconds, (*ended.lines, WITHHELD if leaking else UNSEARCHED))
            page = render(ended=ended, index="index.html")
    content = page.encode("utf-8")
    write_atomically(path, content)
    withheld, printed = workspace.reports_local / path.name, workspace.reports_local / PRINTED
    for superseded in {step.report(workspace), withheld, printed} - {path}:
        superseded.unlink(missing_ok=True)
    event = {
        "event": "report",
        "notebook": step.name,
        "status": ended.status,
        "seconds": round(ended.seconds, 1),
        "lines": list(ended.lines),
        "report": audit.place(workspace, path),
        "digest": blake3.blake3(content).hexdigest(),
    }
    audit.append_line(workspace, event)
    return ended, path
