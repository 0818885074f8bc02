"""The last search before a release leaves: no original identifier in any table, note or report that goes along.

The images themselves are searched by 04_verify; this looks at what 05 and 06 add and at the OMOP tables of the site.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import ahocorasick
import pandas as pd
import pyarrow.parquet as pq

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.omop import cdm
from chorus_nb.workspace import Workspace

SHORTEST = 5  # characters; a shorter identifier meets itself by chance
ROWS = 50_000  # of a table searched at a time
TEXTS = (".md", ".html", ".sql", ".toml", ".json", ".txt")


def refuse_identifiers(workspace: Workspace) -> None:
    """No original PatientID or AccessionNumber may stand in ``OMOP/`` or ``Metadata/``.

    Columns of numbers and dates are not searched: an id of the record equals somebody's number sooner or later.
    """
    automaton = _automaton(workspace)
    lines = []
    for name in layout.files_below(workspace.release):
        if not name.startswith((f"{layout.OMOP}/", f"{layout.METADATA}/")):
            continue
        path = workspace.release / name
        found = sum(_values_with_one(automaton, text) for text in _texts(path)) if automaton else 0
        if found:
            lines.append(f"{name}: {found} values hold an identifier")
    if lines:
        raise WorkbenchError(*lines)


def _automaton(workspace: Workspace) -> ahocorasick.Automaton | None:
    linkage = workspace.read(tables.LINKAGE)
    made = {value.strip().upper() for name in ("PatientID", "AccessionNumber") for value in linkage[name]}
    new = {str(number) for name in ("person_id", "image_occurrence_id") for number in linkage[name].dropna()}
    automaton = ahocorasick.Automaton()
    for value in made - new:
        if len(value) >= SHORTEST:
            automaton.add_word(value, len(value))
    if not len(automaton):
        return None
    automaton.make_automaton()
    return automaton


def _values_with_one(automaton: ahocorasick.Automaton, values: str) -> int:
    """How many lines of ``values`` hold an identifier by itself, not as a part of a longer word or number."""
    text = f"\n{values.upper()}\n"
    alone = (
        end for end, length in automaton.iter(text) if not text[end - length].isalnum() and not text[end + 1].isalnum()
    )
    return len({text.count("\n", 0, end) for end in alone})


def _texts(path: Path) -> Iterator[str]:
    """The lines of a note, or a part of a column of a table, a value a line; without numbers and dates."""
    if path.suffix == ".csv":
        for part in pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=ROWS, encoding_errors="replace"):
            yield from _columns(part)
    elif path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches(ROWS):
            yield from _columns(batch.to_pandas().astype("string").fillna(""))
    elif path.suffix in TEXTS:
        yield path.read_text(encoding="utf-8")


def _columns(part: pd.DataFrame) -> Iterator[str]:
    for name in part.columns:
        if not _is_number(str(name).strip().lower()):
            yield "\n".join(value.replace("\n", " ") for value in part[name].unique())


def _is_number(column: str) -> bool:
    return _holds_text().get(column, not column.endswith("_id")) is False


@cache
def _holds_text() -> dict[str, bool]:
    """Column name to whether it holds text, for the tables of the CDM and those of the workbench."""
    fields = cdm()
    known = dict(zip(fields["column"], fields["type"].str.startswith("varchar"), strict=True))
    released = (table for table in tables.TABLES.values() if table.kept == "metadata")
    return known | {column.name.lower(): column.kind == "text" for table in released for column in table.columns}
