"""What 05 makes the OMOP and metadata tables with, written down so that 06 can say what changed since."""

from __future__ import annotations

from collections.abc import Collection

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.omop import open_omop
from chorus_nb.workspace import Workspace, digest_of

SHARING = ("omop_tables", "omop_columns", "omop_concepts")
"""Parameters that decide what of the site's tables is delivered."""
DECIDED = (tables.PROCEDURE_CONCEPTS, tables.LOCAL_FIELDS)
RESTED_ON = ("person", "visit_occurrence", "procedure_occurrence", "death")  # by which images are linked and checked


def note_registry_settings(workspace: Workspace) -> None:
    """Write ``tables.REGISTRY_SETTINGS``."""
    rows = {name: str(getattr(workspace.parameters, name)) for name in SHARING}
    rows |= _decided(workspace) | _omop_files(workspace, {*RESTED_ON, *workspace.parameters.omop_tables})
    made: list[dict[str, object]] = [{"part": part, "value": value} for part, value in sorted(rows.items())]
    workspace.write(tables.REGISTRY_SETTINGS, tables.frame(tables.REGISTRY_SETTINGS, made))


def changed_since_registry(workspace: Workspace) -> list[str]:
    """Which of these parameters and files are not as 05 found them; none where it noted nothing.

    Of parameters only those that were given are asked for, and of decisions the files that are there: a notebook that
    is opened by hand names no others. Nor is OMOP where it cannot be read any more.
    """
    if not workspace.has(tables.REGISTRY_SETTINGS):
        return []
    noted = workspace.read(tables.REGISTRY_SETTINGS).set_index("part")["value"].to_dict()
    given = workspace.parameters.model_fields_set.intersection(SHARING)
    now = {name: str(getattr(workspace.parameters, name)) for name in given} | _decided(workspace)
    changed = {part for part, value in now.items() if noted.get(part, "") != value}
    try:
        files = _omop_files(workspace, RESTED_ON, noted)
    except (InputError, OSError):
        return sorted(changed)
    of_omop = {part for part in noted if part.startswith("omop/")} | files.keys()
    return sorted(changed | {part for part in of_omop if noted.get(part) != files.get(part)})


def _decided(workspace: Workspace) -> dict[str, str]:
    return {f"decisions/{path.name}": digest_of(path) for path in map(workspace.path, DECIDED) if path.is_file()}


def _omop_files(workspace: Workspace, wanted: Collection[str], places: Collection[str] = ()) -> dict[str, str]:
    """By place, the digests of the tables that are ``wanted`` or at one of ``places``; of databases none."""
    opened = open_omop(workspace.parameters)
    at = {table: f"omop/{name}" for table, name in opened.names().items()}
    found = {place: opened.file_digest(table) for table, place in at.items() if table in wanted or place in places}
    return {place: digest for place, digest in found.items() if digest}
