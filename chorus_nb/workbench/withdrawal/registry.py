"""The proof in the database of ``registry_url``: by row, as :mod:`erasing` has it by file."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.registry.database import registry_database, stored
from chorus_nb.workbench.withdrawal.belongings import Belongings
from chorus_nb.workspace import Workspace

OWN, STRANGE = "registry_url", "registry_url, rows of another workspace"
TAKEN_OUT = "05 takes the rows out; new UIDs and OMOP's numbers only"
OF_A_ROW = ("person_id", "group_id")  # of a row of image_registry
TEXTS_OF_A_ROW = ["file_id", "src_file", "trg_file"]


def registry_stands(workspace: Workspace, whose: Belongings) -> tuple[pd.DataFrame, str]:
    """By place the rows that were searched (``files``), identifiers that stand there and rows that hold them; and why
    it could not be searched, "" if it was. Nothing where the registry is a file below ``local/``.

    Rows that this workspace never numbered are not 05's to take out: of those no reason keeps any.
    """
    counts: dict[str, tuple[int, set[object], int]] = {OWN: (0, set(), 0), STRANGE: (0, set(), 0)}
    unsearched = ""
    try:
        for rows in _rows(workspace):
            mine = rows["file_id"].isin(workspace.read_or_empty(tables.REGISTRY_IDS)["file_id"])
            for place, part in ((OWN, rows[mine]), (STRANGE, rows[~mine])):
                searched, found, holding = counts[place]
                told = [identifiers for identifiers in _told(part, whose) if identifiers]
                counts[place] = searched + len(part), found.union(*told), holding + len(told)
    except InputError as error:
        unsearched = error.lines[0]
    made = [
        (place, searched, len(found), holding, TAKEN_OUT if place == OWN else "")
        for place, (searched, found, holding) in counts.items()
        if searched
    ]
    return pd.DataFrame(made, columns=["place", "files", "identifiers", "holding", "kept"]), unsearched


def _rows(workspace: Workspace) -> Iterator[pd.DataFrame]:
    if workspace.parameters.registry_url:
        with registry_database(workspace) as opened:
            yield from stored(opened)


def _told(rows: pd.DataFrame, whose: Belongings) -> list[set[object]]:
    """What each row tells of them: their numbers, and identifiers in its texts."""
    numbers = dict(zip(OF_A_ROW, (whose.withdrawn.persons, whose.withdrawn.accessions), strict=True))
    told: list[set[object]] = []
    for row in rows.astype(object).to_dict("records"):
        found: set[object] = {(name, row[name]) for name in OF_A_ROW if row[name] in numbers[name]}
        told.append(found | whose.found_in("\n".join(str(row[name]) for name in TEXTS_OF_A_ROW).encode()))
    return told
