"""``chorus-nb run``: the notebooks in order, each with its report, stopping where one fails."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.paths import carried
from chorus_nb.workbench import nursery
from chorus_nb.workbench.notebook import prepare_process
from chorus_nb.workbench.ownership import alone
from chorus_nb.workbench.steps import ACQUIRE, NOTEBOOK_STEPS, STEPS, VERIFY, NotebookStep, needed
from chorus_nb.workbench.terminal import LOG, open_log

if TYPE_CHECKING:
    from chorus_nb.workbench.report import Outcome
    from chorus_nb.workspace import Workspace

NOTEBOOKS = carried("notebooks")


def run_notebooks(
    parameters: Parameters,
    only: Iterable[str] = (),
    level: int = logging.INFO,
    kernels: nursery.Nursery | None = None,
) -> dict[str, Outcome]:
    """Run the notebooks (those whose numbers are in ``only``) and write a report of each and the index pages.

    :class:`InputError` before the first kernel starts if the inputs cannot work. ``kernels``: what they are forks of,
    where it is there already.
    """
    steps = select(only, acquire=bool(parameters.orders or parameters.pacs))
    workspace = prepare_process(parameters, needed(*(step.name for step in steps)))
    with alone(workspace):
        open_log(workspace, level)
        with contextlib.nullcontext(kernels) if kernels else nursery.opened() as nursed:
            return _run_in_turn(steps, workspace, nursed)


def _run_in_turn(
    steps: Iterable[NotebookStep], workspace: Workspace, kernels: nursery.Nursery | None
) -> dict[str, Outcome]:
    ended: dict[str, Outcome] = {}
    notebooks = {step: NOTEBOOKS / f"{step.name}.ipynb" for step in steps}
    if kernels:
        kernels.prepare(notebooks.values())
    # slow to import, and that process imports meanwhile what the notebooks need
    from chorus_nb.workbench.check import check_inputs
    from chorus_nb.workbench.execution import run_notebook
    from chorus_nb.workbench.index import write_indexes
    from chorus_nb.workbench.lists import evidence_beside, write_evidence
    from chorus_nb.workbench.servers import refuse_without_servers

    check_inputs(workspace)
    refuse_without_servers(workspace, [step.name for step in steps])
    with evidence_beside(workspace) as begin_pages:
        for step in steps:
            ended[step.name] = run_notebook(notebooks[step], step, workspace, kernels)
            write_indexes(workspace)
            if ended[step.name].status != "passed":
                break
            if step is VERIFY and kernels:
                begin_pages()
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
