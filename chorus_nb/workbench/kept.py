"""Whether tables of ``local/`` are whole, of this version, and as they were left, and reports that are packed, too."""

from __future__ import annotations

from chorus_nb import tables
from chorus_nb.errors import DamagedTable, WorkbenchError
from chorus_nb.workbench import audit
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
