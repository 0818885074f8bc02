"""``chorus-nb check``, and what a run asks before its first kernel starts: whether the inputs can work."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.parameters import REQUIRED, Parameters
from chorus_nb.release.consortium import container_of
from chorus_nb.release.destination import open_destination
from chorus_nb.workbench.demo_site import demo_values
from chorus_nb.workbench.inputs import NOT_SET, RunInput, faults_of, input_lines, run_inputs
from chorus_nb.workbench.lost import refuse_lost
from chorus_nb.workbench.ownership import refuse_mixture, refuse_other_site
from chorus_nb.workbench.servers import extras, servers
from chorus_nb.workbench.source_sample import TO_START
from chorus_nb.workspace import Workspace


def check_inputs(workspace: Workspace) -> None:
    """:class:`InputError` with a line for each fault of the inputs that keeps a run from starting; 01 tells more."""
    if faults := faults_of(run_inputs(workspace, TO_START)):
        raise InputError(*faults)


def check_run(parameters: Parameters) -> tuple[list[str], bool]:
    """A line for each input and for each fault, and whether all six notebooks may start; writes nothing."""
    if parameters.source == demo_values().get("source") and not parameters.open_source().reachable():
        return ["ok     demo site  not made yet: the run makes it first"], True
    workspace, refused = Workspace(parameters), list[str]()
    asked: tuple[Callable[[], None], ...] = (
        functools.partial(parameters.require, *REQUIRED),
        functools.partial(refuse_mixture, parameters),
        parameters.check_folders,
        functools.partial(refuse_other_site, workspace),
        functools.partial(refuse_lost, workspace),
    )
    for ask in asked:
        try:
            ask()
        except InputError as error:
            refused += error.lines
    inputs = run_inputs(workspace) if parameters.source and parameters.workspace else []
    if parameters.workspace:
        inputs += [*servers(workspace), *extras()]
    said = faults_of(inputs)
    others = [f"FAULT  {line}" for line in refused if line not in said]
    return [*input_lines([*inputs, *_container(workspace), *_destination(parameters)]), *others], not (said or refused)


def _container(workspace: Workspace) -> Iterator[RunInput]:
    """The container of the consortium's tool, which is asked for where nothing else uploads."""
    if container := container_of(workspace):
        yield RunInput("chorus-upload", f"container {container}")
    elif not workspace.parameters.upload_url:
        yield RunInput("chorus-upload", NOT_SET, fits="upload_container names the container if that tool delivers")


def _destination(parameters: Parameters) -> Iterator[RunInput]:
    """``upload_url``, listed and no more, within seconds; what is wrong there keeps no run from starting."""
    if not parameters.upload_url:
        return
    try:
        open_destination(parameters)
        yield RunInput("upload_url", "answers" if "://" in parameters.upload_url else "a folder of this machine")
    except WorkbenchError as error:
        said = [line.removeprefix("upload: ").removeprefix("upload_url: ") for line in error.lines]
        yield RunInput("upload_url", said[0], fits="; ".join([*said[1:], "only the upload needs it"]), odd=True)
