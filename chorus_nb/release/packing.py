"""Pack the release: what was sealed and passed, the note, reports and certificate that go with it, and the manifest."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.processes import Progress
from chorus_nb.processes.programs import scratch
from chorus_nb.processes.queries import hold_paths
from chorus_nb.release.consortium import write_config
from chorus_nb.release.manifest import PRESENT, Measured, measure_files, totals, write_manifest
from chorus_nb.release.obeyed import require_obeyed
from chorus_nb.release.submission import note_page
from chorus_nb.seal import LINES, Known, refuse_strangers, require_seal, seal_release
from chorus_nb.verify import certificate, failed_of_registry, require_pass, search_contents, verify_tree
from chorus_nb.verify.findings import ASKED_OF_TREE
from chorus_nb.workspace import Workspace, remove_partials, write_if_changed

SHARED_REPORTS = ("03_run_deid.html", "05_build_registry.html")  # the shareable ones; that of 06 is made after packing

LINK = re.compile(rb'<a href="([^"]*)">(.*?)</a>', re.S)


def pack(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """Check that the release may leave, write what goes with it, seal it, and return the ``totals`` of its manifest.

    :class:`WorkbenchError` unless every check passed for exactly these bytes, nothing changed since 05 sealed it, 03
    obeyed all that was decided, and no term of anybody stands in any file that is no image.
    """
    remove_partials(workspace.release)
    refuse_strangers(workspace)
    require_obeyed(workspace)
    with scratch() as folder:
        measured = measure_files(workspace, Path(folder) / "measured.parquet", progress)
        _require_gate(workspace, measured)
        require_seal(workspace, known := Known(measured.file))
        made: dict[str, bytes | Path] = {layout.SUBMISSION_NOTE: note_page(workspace)}
        made |= _reports(workspace, measured.with_made(made))
        _require_tree(workspace, made)
        last = _made_last(workspace, measured.with_made(made).without(layout.MADE_LAST), Path(folder) / "manifest.csv")
        for path, content in (made | last).items():  # nothing is written before all of it passed
            write_if_changed(workspace.release / path, content)
        write_config(workspace)
        seal_release(workspace, known, written=made | last)
    return totals(workspace)


def _made_last(workspace: Workspace, measured: Measured, manifest: Path) -> dict[str, bytes | Path]:
    """Certificate and manifest by their paths, about all else; searched before they are written."""
    made: dict[str, bytes | Path] = dict(certificate(workspace, measured.digest(workspace)))
    write_manifest(workspace, measured.with_made(made), manifest)
    made[layout.MANIFEST_FILE] = manifest
    if leaking := search_contents(workspace, made):
        raise WorkbenchError(*(f"{path}: would hold an identifier; look at the parameter site" for path in leaking))
    return made


def _require_gate(workspace: Workspace, measured: Measured) -> None:
    """The checks of 04 and of 05 must have passed, those of 04 for the very images that were measured."""
    checks = workspace.read(tables.CHECKS)
    require_pass(checks)
    images = measured.digest(workspace, layout.is_image_place)
    if checks.set_index("check")["detail"].get("released_bytes") != images:
        raise WorkbenchError("the release is not the one the gate passed: run 04_verify and 05_build_registry again")
    if failed := failed_of_registry(workspace):
        raise WorkbenchError(*failed)


def _require_tree(workspace: Workspace, made: Mapping[str, bytes | Path]) -> None:
    """What is no image, examined when all but certificate and manifest is made; names files, columns and kinds only."""
    checks = verify_tree(workspace, made)
    failed = checks[checks["result"] != "pass"]
    if failed.empty:
        return
    findings = workspace.read(tables.TREE_FINDINGS)
    grave = findings[findings["severity"] == "high"].groupby(["file", "tag", "kind"]).size()
    lines = [f"{file}{f', {place}' if place else ''}: {kind}" for file, place, kind in grave.index]
    remedies = [f"{row.check} ({row.result}). To do: {ASKED_OF_TREE[row.check].remedy}." for row in failed.itertuples()]
    raise WorkbenchError("This release may not leave the house.", *lines[:LINES], *remedies)


def _reports(workspace: Workspace, measured: Measured) -> dict[str, bytes]:
    """The reports to put beside what they are about, by their paths.

    A report names the time of its run. It is taken anew only when other files of the release changed, so that a run
    that changes nothing packs the same bytes.
    """
    found = {f"{layout.REPORTS}/{name}": workspace.reports_audit / name for name in SHARED_REPORTS}
    found = {path: report for path, report in found.items() if report.is_file()}
    fresh = not _as_packed(workspace, measured, found)
    return {path: _without_links(report.read_bytes(), found) for path, report in found.items() if fresh}


def _without_links(page: bytes, packed: Collection[str]) -> bytes:
    """A report whose links to pages that are not packed, such as the index of the run, are plain words."""
    names = {Path(path).name.encode() for path in packed}
    return LINK.sub(lambda link: link[0] if link[1].split(b"#")[0] in (*names, b"") else link[2], page)


def _as_packed(workspace: Workspace, measured: Measured, reports: Collection[str]) -> bool:
    """Whether all files but those made last, the reports among them, are those of the manifest that stands there."""
    if not workspace.has(tables.MANIFEST):
        return False
    with measured.without(layout.MADE_LAST).asking(workspace, tables.MANIFEST) as connection:
        hold_paths(connection, "last", layout.MADE_LAST)
        hold_paths(connection, "reports", reports)
        connection.execute(f"CREATE VIEW present AS {PRESENT}")
        differs = """
            SELECT path FROM measured FULL JOIN (FROM present ANTI JOIN last USING (path)) AS packed USING (path)
            WHERE measured.sha256 IS DISTINCT FROM packed.sha256
            UNION ALL FROM reports ANTI JOIN measured USING (path)"""
        return not connection.sql(f"{differs} LIMIT 1").fetchall()
