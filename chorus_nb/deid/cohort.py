"""Which files of the source are meant at all: the cohort (parameter ``cohort``) and what people excluded."""

from __future__ import annotations

import csv
import functools

import pandas as pd

from chorus_nb import tables
from chorus_nb.decisions import Cells, DecisionLog, images_meant
from chorus_nb.errors import InputError
from chorus_nb.parameters import resolve
from chorus_nb.tables.cells import from_cell
from chorus_nb.workspace import Workspace, digest_of

COHORT_COLUMNS = {
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "file": "source_path",
    "accession": "AccessionNumber",
    "patient": "PatientID",
}
"""Columns of a cohort, each also under the name of the catalog."""
BLANK = " \0"


def _check(row: Cells) -> None:
    if not row["item"].strip():
        raise InputError("item must be study:UID, series:UID or the path of a file")
    for needed, name in (("reviewer", "a reviewer"), ("note", "a reason")):
        if not row[needed].strip():
            raise InputError(f"an exclusion needs {name}")


EXCLUSION_LOG = DecisionLog(tables.EXCLUSIONS, frozenset({"exclude"}), _check)


def read_cohort(workspace: Workspace) -> pd.DataFrame | None:
    """The rows of the cohort under the names of the catalog, "" where a cell says nothing; None if none is set.

    A row names the files on which all its cells agree. :class:`InputError` where it cannot be read, has another
    column, or a row without a cell.
    """
    if not workspace.parameters.cohort:
        return None
    path = resolve(workspace.parameters.cohort)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head, *rows = [[from_cell(cell) for cell in row] for row in csv.reader(file, strict=True)] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError("cohort: cannot be read as CSV in UTF-8") from None
    names = [COHORT_COLUMNS.get(name.strip().lower(), name.strip()) for name in head]
    if not names or len(set(names)) < len(names) or not set(names) <= set(COHORT_COLUMNS.values()):
        raise InputError(f"cohort, row 1: the columns must be some of {', '.join(COHORT_COLUMNS)}, each once")
    told = [(number, row) for number, row in enumerate(rows, 2) if row]
    if odd := [str(number) for number, row in told if len(row) != len(names) or not any(map(_said, row))]:
        raise InputError(f"cohort, row {', '.join(odd[:3])}: needs a cell for each column, and one that says something")
    if not told:
        raise InputError("cohort: names nothing, so that nothing would be released")
    workspace.note("cohort", len(told), functools.partial(digest_of, path))
    frame = pd.DataFrame([row for _, row in told], columns=names, dtype="str")
    return frame.where(frame.map(_said).astype(bool), "").drop_duplicates(ignore_index=True)


def in_cohort(cohort: pd.DataFrame, catalog: pd.DataFrame) -> pd.Series:
    """Which files of the catalog some row of the cohort names."""
    within = pd.Series(False, index=catalog.index)
    for columns, rows in _by_columns(cohort):
        within |= _keys(catalog, columns).isin(_keys(rows, columns))
    return within


def naming_nothing(cohort: pd.DataFrame, catalog: pd.DataFrame) -> int:
    """Rows of the cohort that name no file of the catalog."""
    return sum(
        int((~_keys(rows, columns).isin(_keys(catalog, columns))).sum()) for columns, rows in _by_columns(cohort)
    )


def excluded(workspace: Workspace, catalog: pd.DataFrame) -> pd.Series:
    """Which files of the catalog a person excluded, by themselves (under another path, too), their series or study."""
    rows = EXCLUSION_LOG.current(workspace)
    of_files = {item: row for item, row in rows.items() if not item.startswith(("study:", "series:"))}
    items, instances = rows.keys(), {*images_meant(workspace, of_files).values()} - {""}
    return (
        catalog["source_path"].isin(items)
        | catalog["SOPInstanceUID"].isin(instances)
        | ("series:" + catalog["SeriesInstanceUID"].str.strip(BLANK)).isin(items)
        | ("study:" + catalog["StudyInstanceUID"].str.strip(BLANK)).isin(items)
    )


def _said(cell: str) -> bool:
    return cell.strip(BLANK) != ""


def _by_columns(cohort: pd.DataFrame) -> list[tuple[list[str], pd.DataFrame]]:
    """The rows by the columns in which they say something."""
    said = cohort != ""
    return [
        ([name for name, holds in zip(cohort.columns, pattern, strict=True) if holds], rows)
        for pattern, rows in cohort.groupby([said[name] for name in cohort.columns], sort=False)
    ]


def _keys(frame: pd.DataFrame, columns: list[str]) -> pd.MultiIndex:
    """The cells of some columns, side by side."""
    return pd.MultiIndex.from_frame(
        frame[columns].apply(lambda cells: cells if cells.name == "source_path" else cells.str.strip(BLANK))
    )
