"""Tests of the site's OMOP tables."""

from __future__ import annotations

from pathlib import Path

from chorus_nb.parameters import Parameters
from chorus_nb.workbench.inputs import run_inputs
from chorus_nb.workspace import Workspace


def omop_faults(parameters: Parameters, workspace: Path) -> list[str]:
    """What ``chorus-nb check`` says is wrong with the OMOP tables."""
    there = Workspace(parameters.model_copy(update={"workspace": str(workspace)}))
    return [fault for one in run_inputs(there) if one.input.startswith("omop") for fault in one.faults]
