"""The six notebooks: their order, the steps of the Imaging SOP they cover, and who may read their reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chorus_nb.parameters import REQUIRED
from chorus_nb.workspace import Workspace


@dataclass(frozen=True)
class NotebookStep:
    """A notebook. ``shareable``: its report shows no original value and goes to ``audit/reports``.

    ``needs``: the parameters without which it does not begin.
    """

    name: str
    title: str
    about: str
    sop: str
    shareable: bool = False
    needs: tuple[str, ...] = REQUIRED

    @property
    def number(self) -> str:
        return self.name[:2]

    def report(self, workspace: Workspace) -> Path:
        return (workspace.reports_audit if self.shareable else workspace.reports_local) / f"{self.name}.html"


STEPS = (
    NotebookStep(
        "01_explore_headers",
        "Explore headers",
        "what is in the source, how good it is, which encounters",
        "2–9",
        needs=("site", "source", "workspace"),
    ),
    NotebookStep("02_map_tags", "Map tags", "what happens to every tag; patients and accessions", "7, 8, 12, 13"),
    NotebookStep(
        "03_run_deid", "Run de-identification", "every file, what became of it and why", "10, 12, 13, 15", True
    ),
    NotebookStep("04_verify", "Verify", "the release read again and searched; before and after; the gate", "14, 15"),
    NotebookStep(
        "05_build_registry", "Build the registry", "image registry, OMOP tables and metadata", "11, section 2", True
    ),
    NotebookStep("06_release", "Release and upload", "manifest, submission note, upload", "Data Upload to Azure", True),
)


def needed(*names: str) -> tuple[str, ...]:
    """The parameters that these notebooks need, all of :data:`REQUIRED` for any other."""
    asked = [step.needs for step in STEPS if step.name in names] or [REQUIRED]
    return tuple(name for name in REQUIRED if any(name in needs for needs in asked))
