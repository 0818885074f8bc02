"""The lists by which a file is found from the index, without a script: by patient, accession, UID, folder, outcome."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from chorus_nb import tables
from chorus_nb.display import escape
from chorus_nb.drawn import digests
from chorus_nb.errors import WorkbenchError
from chorus_nb.layout import InstancePath
from chorus_nb.memory import Recipe
from chorus_nb.processes.pool import A_DAY
from chorus_nb.processes.supervised import Child
from chorus_nb.workbench.report import page_of
from chorus_nb.workbench.series_pages import FOLDER, all_files, write_series_pages
from chorus_nb.workspace import Workspace, write_if_changed

ROWS_A_PAGE = 2_000
MANY_FILES = 1_000  # made anew by 03: their pages take longer than another process to begin
MADE_OF = "made_of.json"  # beside the pages: the tables and decisions that were read for them, and their key
SORTED = {
    "patient": ["PatientID", "person", "AccessionNumber"],
    "accession": ["AccessionNumber", "image_occurrence", "PatientID"],
    "UID": ["SeriesInstanceUID", "StudyInstanceUID", "new_series_uid"],
    "folder": ["folder", "SeriesInstanceUID"],
}
"""What each list is sorted by."""
LEFT_OUT = dict.fromkeys(("patient", "accession", "folder"), ("StudyInstanceUID", "new_series_uid"))
SHOWN = {
    "PatientID": "patient",
    "person": "person_id",
    "AccessionNumber": "accession",
    "image_occurrence": "image_occurrence_id",
    "StudyInstanceUID": "study UID",
    "SeriesInstanceUID": "series UID",
    "new_series_uid": "series UID in the release",
    "modality": "modality",
    "SeriesDescription": "description",
}
_HEADER_IDS = ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID")


class ListPage(NamedTuple):
    """A page of a list: its name below ``local/reports``, and from which to which row it goes, "" = all of it."""

    by: str
    href: str
    rows: str


class _Noting(Workspace):
    """A workspace that notes which tables were asked for, whether they are there or not."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace.parameters)
        self.asked: set[Path] = set()

    def path(self, table: tables.Table) -> Path:
        self.asked.add(path := super().path(table))
        return path


def write_evidence(workspace: Workspace) -> list[str]:
    """Make the pages of all series and the lists that lead to them; what could not be made, in words.

    Nothing is read but digests where the tables, decisions, parameters and code that the pages were made of are as they
    were, and so are the pages.
    """
    if not all(workspace.has(table) for table in (tables.OUTCOMES, tables.CATALOG, tables.WORKLIST)):
        return []
    folder, noting = workspace.reports_local / FOLDER, _Noting(workspace)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        made_of = json.loads((folder / MADE_OF).read_bytes())
        if made_of["key"] == _key(workspace, map(Path, made_of["asked"])):
            return []
    try:
        files = all_files(noting)
        write_series_pages(noting, files)
    except WorkbenchError as error:
        return [f"the pages of the series were not made: {line}" for line in str(error).splitlines()]
    _write_lists(workspace, files)
    asked = {"asked": sorted(map(str, noting.asked)), "key": _key(workspace, noting.asked)}
    write_if_changed(folder / MADE_OF, json.dumps(asked).encode())
    return []


@contextlib.contextmanager
def evidence_beside(workspace: Workspace) -> Iterator[Callable[[], None]]:
    """What begins to make the pages in a process of its own, where 03 made many files anew: they tell of nothing that
    the notebooks behind 04 leave, and one process alone makes them.

    It is waited for. What it did not make, or could not, :func:`write_evidence` makes and says.
    """
    child = Child()
    try:
        with ThreadPoolExecutor(1) as waiting:

            def begin() -> None:
                if workspace.has(tables.OUTLOOK):
                    outlook = workspace.read(tables.OUTLOOK)
                    if outlook["files"][outlook["what"] != "stays"].sum() >= MANY_FILES:
                        waiting.submit(child.call, write_evidence, workspace, seconds=A_DAY)

            try:
                yield begin
            except BaseException:
                child.close()  # and so ends who waits for it
                raise
    finally:
        child.close()


def _key(workspace: Workspace, asked: Iterable[Path]) -> str:
    """Of what the pages are made of, and of the names of those that are there."""
    paths, pages = sorted(asked), sorted(path.name for path in (workspace.reports_local / FOLDER).glob("*.html"))
    return Recipe(__name__).key(None, workspace.parameters.model_dump(), paths, digests(paths), pages)


def list_pages(workspace: Workspace) -> list[ListPage]:
    """The pages of the lists by patient, accession, UID and folder, as they were made."""
    found = []
    for by in SORTED:
        paths = sorted((workspace.reports_local / FOLDER).glob(f"by_{by}-*-*.html"), key=_first_row)
        for path in paths:
            first, last = path.stem.split("-")[1:]
            rows = f"{int(first):,}–{int(last):,}" if len(paths) > 1 else ""
            found.append(ListPage(by, f"{FOLDER}/{path.name}", rows))
    return found


def _first_row(path: Path) -> int:
    return int(path.stem.split("-")[1])


def status_page(workspace: Workspace, status: str) -> str:
    """The list of the files of a status, "" if there is none."""
    path = workspace.reports_local / FOLDER / f"status_{status}.html"
    return f"{FOLDER}/{path.name}" if path.is_file() else ""


def _write_lists(workspace: Workspace, files: pd.DataFrame) -> None:
    folder = workspace.reports_local / FOLDER
    made = set()
    keyed = files.assign(
        person=files["person_id"].astype("Int64").astype("string").fillna(""),
        image_occurrence=files["image_occurrence_id"].astype("Int64").astype("string").fillna(""),
        new_series_uid=InstancePath.columns(files.groupby("page")["target_path"].transform("max"))["series_uid"].fillna(
            ""
        ),
    )
    keyed["folder"] = keyed["source_path"].str.rpartition("/")[0]
    together = {"files": "sum", "released": "sum"}
    one_each = keyed.assign(files=1, released=keyed["status"] == "released")
    parts = one_each.groupby([*SHOWN, "folder", "page"], as_index=False).agg(together)
    for by, order in SORTED.items():
        rows = parts.groupby(list(dict.fromkeys([*order, *SHOWN, "page"])), as_index=False).agg(together)
        rows = rows.assign(last=rows[order[0]] == "").sort_values(["last", *order, *SHOWN], kind="stable")
        columns = [*order, *(name for name in SHOWN if name not in (*order, *LEFT_OUT.get(by, [])))]
        for first in range(0, len(rows), ROWS_A_PAGE):
            part = rows.iloc[first : first + ROWS_A_PAGE]
            name = f"by_{by}-{first + 1}-{first + len(part)}.html"
            page = _list_page(workspace, f"Series by {by}", part, columns, ["files", "released"])
            made.add(name)
            write_if_changed(folder / name, page)
    for status, own in keyed.groupby("status"):
        columns = ["why", "PatientID", "AccessionNumber", "modality", "SeriesDescription", "SeriesInstanceUID"]
        told = own.assign(why=[tables.REASON_MEANINGS.get(reason, reason) for reason in own["reason"]])
        rows = told.groupby([*columns, "page"], as_index=False).agg(files=("source_path", "count"))
        name = f"status_{status}.html"
        page = _list_page(workspace, f"Files: {tables.code_in_words(str(status))}", rows, columns, ["files"])
        made.add(name)
        write_if_changed(folder / name, page)
    for stale in {path.name for kind in ("by_*.html", "status_*.html") for path in folder.glob(kind)} - made:
        (folder / stale).unlink()


def _list_page(workspace: Workspace, title: str, rows: pd.DataFrame, columns: list[str], counts: list[str]) -> bytes:
    return page_of(
        "local/list.html.j2",
        workspace.parameters.site,
        title=title,
        heads=[SHOWN.get(name, name) for name in columns],
        counts=counts,
        rows=[
            (page, [Markup(escape(_said(*cell))) for cell in zip(columns, cells, strict=True)], numbers)
            for page, cells, numbers in zip(
                rows["page"],
                rows[columns].itertuples(index=False, name=None),
                rows[counts].itertuples(index=False, name=None),
                strict=True,
            )
        ],
    ).encode("utf-8", "replace")


def _said(column: str, cell: str) -> str:
    return cell or (tables.NOT_IN_FILE if column in _HEADER_IDS else "")
