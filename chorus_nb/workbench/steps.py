"""The six notebooks and the optional one before them: their order, their steps of the Imaging SOP, their readers."""

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


ACQUIRE = NotebookStep("00_acquire", "Acquire", "what is wanted, what the archive has of it, and what came", "1, 4")
"""Optional: runs with the others where ``orders`` or ``pacs`` is set, and whenever it is named."""
VERIFY = NotebookStep(
    "04_verify", "Verify", "the release read again and searched; before and after; the gate", "14, 15"
)
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
    VERIFY,
    NotebookStep(
        "05_build_registry", "Build the registry", "image registry, OMOP tables and metadata", "11, section 2", True
    ),
    NotebookStep("06_release", "Release and upload", "manifest, submission note, upload", "Data Upload to Azure", True),
)

SELFTEST = NotebookStep(
    "selftest", "Self-test", "chorus-nb selftest FILE.yaml: invented identifiers in copies of own files", "", True
)
"""Not a notebook: a report beside theirs, made by its command at any time."""

NOTEBOOK_STEPS = (ACQUIRE, *STEPS)  # every notebook that there is


def needed(*names: str) -> tuple[str, ...]:
    """The parameters that these notebooks need, all of :data:`REQUIRED` for any other."""
    asked = [step.needs for step in NOTEBOOK_STEPS if step.name in names] or [REQUIRED]
    return tuple(name for name in REQUIRED if any(name in needs for needs in asked))
