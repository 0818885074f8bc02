"""Whether tables of ``local/`` are whole, of this version, and as they were left, and reports that are packed, too."""

from __future__ import annotations

from chorus_nb import layout, tables
from chorus_nb.errors import DamagedTable, WorkbenchError
from chorus_nb.seal import LINES
from chorus_nb.workbench import audit
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace, digest_of


def refuse_damaged(workspace: Workspace, notebook: str) -> None:
    """:class:`DamagedTable` has a line for each table that ``notebook`` could not rely on.

    A table that this notebook makes itself may differ from what was recorded: its last run may have been stopped.
    """
    recorded, lines = audit.recorded_digests(workspace), list[str]()
    for table in tables.TABLES.values():
        path = workspace.path(table)
        if table.kept != "local" or table.format != "parquet" or not path.is_file():
            continue
        try:
            tables.probe(table, path)
        except DamagedTable as error:
            lines += error.lines
            continue
        place = audit.place(workspace, path)
        if table.made_by < notebook and place in recorded and recorded[place] != digest_of(path):
            lines.append(f"{place}: is not as {table.made_by} left it; run {table.made_by} again")
    if lines:
        raise DamagedTable(*lines)


def refuse_changed_reports(workspace: Workspace) -> None:
    """:class:`WorkbenchError` has a line for each report that would be packed and is not as its notebook left it."""
    from chorus_nb.release.packing import SHARED_REPORTS  # with it come libraries that the first notebooks do without

    changed, lines = audit.changed_reports(workspace), list[str]()
    for path in (workspace.reports_audit / name for name in SHARED_REPORTS):
        place = audit.place(workspace, path)
        if place in changed and path.is_file():
            lines.append(f"{place}: {changed[place]}; run {path.stem} again")
    if lines:
        raise WorkbenchError(*lines)


def refuse_broken_log(workspace: Workspace) -> None:
    """:class:`WorkbenchError` where the audit log does not tell how the release was made: nothing is packed then."""
    if faults := audit.unlinked_lines(workspace):
        raise WorkbenchError(
            *faults[:LINES],
            f"To do: put audit/{layout.AUDIT_LOG} back from a backup. Where there is none, keep it below local/, and"
            " run all notebooks again: a new log begins, and what was signed before is told to be of another",
        )
    told = {line.get("notebook") for line in audit.read_log(workspace) if line.get("event") == "notebook"}
    made = {table.made_by for table in tables.TABLES.values() if table.kept == "local" and workspace.has(table)}
    if lacking := [step.name for step in STEPS[:-1] if step.name in made - told]:
        raise WorkbenchError(*(f"audit/{layout.AUDIT_LOG}: no line of {name}; run {name} again" for name in lacking))
