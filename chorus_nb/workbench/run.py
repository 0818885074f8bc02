"""``chorus-nb run``: the notebooks in order, each with its report, stopping where one fails."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterable
from pathlib import Path

import blake3

from chorus_nb.errors import InputError
from chorus_nb.leaks.files import search_pages
from chorus_nb.parameters import Parameters, project_folder
from chorus_nb.paths import carried
from chorus_nb.workbench import audit, kernel, nursery, report
from chorus_nb.workbench.answers import answer_facts
from chorus_nb.workbench.check import check_inputs
from chorus_nb.workbench.index import report_states, write_indexes
from chorus_nb.workbench.jupyter import DeadKernelError, nbformat
from chorus_nb.workbench.lists import write_evidence
from chorus_nb.workbench.notebook import prepare_process
from chorus_nb.workbench.printing import PRINTED
from chorus_nb.workbench.report import Outcome
from chorus_nb.workbench.steps import ACQUIRE, NOTEBOOK_STEPS, STEPS, NotebookStep, needed
from chorus_nb.workbench.terminal import LOG, NotebookProgress, open_log
from chorus_nb.workspace import Workspace, write_atomically

NOTEBOOKS = carried("notebooks")
WITHHELD = "An original value was found in this report; it was kept in local/reports instead."
UNSEARCHED = "The catalog is not there, so nothing could be searched for; this report was kept in local/reports."


def run_notebooks(parameters: Parameters, only: Iterable[str] = (), level: int = logging.INFO) -> dict[str, Outcome]:
    """Run the notebooks (those whose numbers are in ``only``) and write a report of each and the index pages.

    :class:`InputError` before the first kernel starts if the inputs cannot work.
    """
    steps = select(only, acquire=bool(parameters.orders or parameters.pacs))
    workspace = prepare_process(parameters, needed(*(step.name for step in steps)))
    open_log(workspace, level)
    ended: dict[str, Outcome] = {}
    with nursery.opened(NOTEBOOKS / f"{step.name}.ipynb" for step in steps) as kernels:
        check_inputs(workspace)
        for step in steps:
            ended[step.name] = _run_notebook(step, workspace, kernels)
            write_indexes(workspace)
            if ended[step.name].status != "passed":
                break
    for line in write_evidence(workspace):
        LOG.warning("%s", line)
    write_indexes(workspace)
    return ended


def select(only: Iterable[str], *, acquire: bool = False) -> tuple[NotebookStep, ...]:
    """The steps with these numbers (``04`` or ``4``) or names, in their order; if none is named all that are due.

    ``acquire``: the optional one is due too.
    """
    wanted = {name.zfill(2) for name in only}
    unknown = wanted - {step.number for step in NOTEBOOK_STEPS} - {step.name for step in NOTEBOOK_STEPS}
    if unknown:
        raise InputError(f"--only: no such notebook: {', '.join(sorted(unknown))}; they are numbered 00 to 06")
    if not wanted:
        return (ACQUIRE, *STEPS) if acquire else STEPS
    return tuple(step for step in NOTEBOOK_STEPS if {step.number, step.name} & wanted)


def _run_notebook(step: NotebookStep, workspace: Workspace, kernels: nursery.Nursery | None) -> Outcome:
    executed = workspace.reports_local / "notebooks" / f"{step.name}.ipynb"
    executed.parent.mkdir(exist_ok=True)
    values = workspace.parameters.model_dump(exclude_unset=True)
    began, stopped = time.monotonic(), None
    name = f"{step.number} {step.title:<24}"
    progress = NotebookProgress(name)
    LOG.debug("%s begins", name)
    try:
        notebook = NOTEBOOKS / f"{step.name}.ipynb"
        kernel.execute(notebook, executed, values, project_folder(), progress, progress.still, kernels)
    except KeyboardInterrupt:
        stopped = ("interrupted", "Interrupted; run the same command again to go on.")
    except DeadKernelError:
        stopped = ("failed", "The notebook's process was killed, perhaps for want of memory; run the command again.")
    finally:
        progress.bar.close()
    notebook, seconds = nbformat.read(executed, as_version=4), time.monotonic() - began
    ended = Outcome(stopped[0], seconds, stopped[1:]) if stopped else report.run_outcome(notebook, seconds)
    ended, path = _write_report(step, notebook, workspace, ended)
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
