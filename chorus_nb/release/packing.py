"""Pack the release: the gate, the notes and reports that go with it, and the manifest of exactly these bytes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.leaks.files import refuse_identifiers
from chorus_nb.processes import Progress
from chorus_nb.release.consortium import write_config
from chorus_nb.release.gate import require_gate
from chorus_nb.release.manifest import measure_files, with_delta
from chorus_nb.release.submission import write_note
from chorus_nb.workspace import Workspace, remove_partials, write_if_changed

SHARED_REPORTS = ("03_run_deid.html", "05_build_registry.html")  # the shareable ones; that of 06 is made after packing


def pack(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """Check that the release may leave, write what goes with it, and return its ``manifest``.

    :class:`WorkbenchError` unless every check passed for exactly these bytes, when the consortium's tool would skip a
    file, or when an original identifier stands in any table, note or report.
    """
    remove_partials(workspace.release)
    write_note(workspace)
    write_config(workspace)
    _refuse_what_would_be_skipped(workspace.release)
    measured = measure_files(workspace, progress)
    images = measured[measured["path"].map(layout.is_image_place)]
    require_gate(workspace, dict(zip(images["path"], images["blake3"], strict=True)))
    if _take_reports(workspace, measured):
        measured = measure_files(workspace, progress)
    refuse_identifiers(workspace)
    workspace.write(tables.MANIFEST, with_delta(workspace, measured))
    return workspace.read(tables.MANIFEST)


def _refuse_what_would_be_skipped(release: Path) -> None:
    """Every file must be one that the consortium's tool uploads and that central counts as what it is."""
    found = ((path, _problem_of(release, path)) for path in layout.files_below(release))
    lines = [f"{path}: {problem}" for path, problem in found if problem]
    if lines:
        raise WorkbenchError(*lines[:20], *([f"and {len(lines) - 20} more"] if len(lines) > 20 else []))


def _problem_of(release: Path, path: str) -> str:
    if (release / path).is_symlink():  # it may lead out of the release
        return "is a link; a release holds files only"
    empty = "" if (release / path).stat().st_size else "is empty; central does not count it"
    return layout.upload_problem(path) or empty


def _take_reports(workspace: Workspace, measured: pd.DataFrame) -> bool:
    """Put the reports beside what they tell about; whether any was taken.

    A report names the time of its run. It is taken anew only when other files of the release changed, so that a run
    that changes nothing packs the same bytes.
    """
    folder = workspace.release / layout.REPORTS
    found = [workspace.reports_audit / name for name in SHARED_REPORTS if (workspace.reports_audit / name).is_file()]
    stale = _changed(workspace, measured) or not all((folder / path.name).is_file() for path in found)
    taken = [write_if_changed(folder / path.name, path.read_bytes()) for path in found if stale]
    return any(taken)


def _changed(workspace: Workspace, measured: pd.DataFrame) -> bool:
    """Whether any file but the reports differs from the manifest that stands there."""
    if not workspace.has(tables.MANIFEST):
        return True
    packed = workspace.read(tables.MANIFEST)
    packed = packed[packed["delta"] != "removed"]
    now, before = (
        {row for row in zip(part["path"], part["sha256"], strict=True) if not row[0].startswith(f"{layout.REPORTS}/")}
        for part in (measured, packed)
    )
    return now != before
