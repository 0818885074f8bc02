"""The catalog explorer (notebook 01): every file as a profile with linked filters; what is chosen is looked at, kept or
taken out. The table and its filters are quak's (anywidget, DuckDB, Mosaic)."""

from __future__ import annotations

import csv
import io
import re

import ipywidgets
import pandas as pd
import quak

from chorus_nb import tables
from chorus_nb.decisions import WITHDRAW
from chorus_nb.deid.cohort import EXCLUSION_LOG
from chorus_nb.deid.preview import HeaderLine, header_lines
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.explore.selection import (
    EXPLORED_FILES,
    EXPLORED_PROFILE,
    answered,
    chosen,
    counted,
    covering,
    draw_columns,
    open_files,
    rows_of,
)
from chorus_nb.review.contact_sheet import contact_sheet, spread
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.review.volume_viewer import show_below
from chorus_nb.tables.cells import as_cell
from chorus_nb.workspace import Workspace, write_atomically

EVERYTHING = f'SELECT * FROM "{EXPLORED_PROFILE}"'
MOST_SERIES = 200  # listed of a selection
MOST_FILES = 2000  # offered of a series
MOST_FINDINGS = 300
MOST_EXCLUDED = 10_000  # lines of one decision; more is a cohort
HEADER_COLUMNS = ["tag", "keyword", "vr", "value"]
COMPARED_COLUMNS = ["tag", "keyword", "first", "second"]
FINDING_COLUMNS = ["severity", "rule", "level", "item", "detail", "files"]
COHORT_NAME = re.compile(r"[\w-][\w.-]{0,60}", re.ASCII)


class CatalogExplorer(Panel):
    """``CatalogExplorer(workspace)``: filter by clicking or ask in SQL (table ``files``).

    ``selection()`` gives the chosen rows back; ``more``: further columns of the catalog to draw.
    """

    _esm = script("catalog_explorer")
    questions = (
        "ask_sql",
        "draw",
        "counts",
        "files",
        "pictures",
        "volume",
        "header",
        "compare",
        "findings",
        "cohort",
        "exclude",
        "undo",
    )

    def __init__(self, workspace: Workspace, reviewer: str = "", more: tuple[str, ...] = ()) -> None:
        super().__init__(workspace, reviewer)
        self._database = open_files(workspace, *more)
        self._more = list(more)
        self._series: list[str] = []
        self._undoable: list[list[str]] = []  # items of each exclusion of this session
        self._box = ipywidgets.VBox()
        self._show(EXPLORED_PROFILE)

    def selection(self) -> pd.DataFrame:
        """What is chosen now: a row per file with all that is known of it, or whatever was asked for in SQL."""
        if self.table._table_name == EXPLORED_PROFILE:
            return rows_of(self._database, self._sql)
        return answered(self._database, self._sql)

    def ask_sql(self, question: str) -> Reply:
        """Put the answer to a question in the table's place; "" brings all files back."""
        name, text = EXPLORED_PROFILE, question.strip().rstrip("; \n")
        if text:
            chosen(self._database, text)
            name = "answer"
            self._database.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}")
        self._show(name, text)
        return {}, []

    def draw(self, column: str) -> Reply:
        """Draw a further column; filters are taken back."""
        draw_columns(self._database, *self._more, column)
        self._more.append(column)
        self._show(EXPLORED_PROFILE)
        return {}, []

    def counts(self) -> Reply:
        """How much is chosen, and its first series."""
        totals, series = counted(self._database, self._sql, MOST_SERIES)
        self._series = series.pop("series").tolist()
        return {
            "totals": {name: round(float(value), 1) for name, value in totals.items()},
            "columns": list(series.columns),
            "rows": series.astype(object).where(series.notna(), "").to_numpy().tolist(),
        }, []

    def files(self, series: int) -> Reply:
        """The chosen files of a listed series, by path."""
        return {"files": self._paths(series)[:MOST_FILES]}, []

    def pictures(self, series: int) -> Reply:
        """Its contact sheet, as a PNG."""
        paths = self._paths(series)
        shown = spread(paths)
        sheet, failed = contact_sheet(self.workspace, shown)
        return {"shown": len(shown), "of": len(paths), "failed": failed}, [sheet]

    def volume(self, series: int | None = None) -> Reply:
        """Show a listed series below the panel in three planes and 3D; ``None`` takes it away."""
        show_below(self._box, 2, self.workspace, "" if series is None else self._series[series])
        return {}, []

    def header(self, path: str) -> Reply:
        """The header of a file of the catalog, an element a row."""
        rows = [[line.path + line.tag, line.keyword, line.vr, line.value] for line in self._header(path)]
        return {"columns": HEADER_COLUMNS, "rows": rows, "said": f"{len(rows):,} elements"}, []

    def compare(self, path: str, other: str) -> Reply:
        """The elements in which two headers differ."""
        first, second = ({(line.path, line.tag): line for line in self._header(name)} for name in (path, other))
        rows = []
        for place in sorted(first.keys() | second.keys(), key=lambda place: (place[0], place[1])):
            one, two = first.get(place), second.get(place)
            values = ["(absent)" if line is None else line.value for line in (one, two)]
            if values[0] != values[1]:
                rows.append(["".join(place), (one or two).keyword, *values])  # type: ignore[union-attr]
        alike = len(first.keys() & second.keys()) - sum("(absent)" not in row[2:] for row in rows)
        return {"columns": COMPARED_COLUMNS, "rows": rows, "said": f"{len(rows):,} differ, {alike:,} are alike"}, []

    def findings(self) -> Reply:
        """What is wrong with the chosen files, their series, studies and patients, worst first."""
        found = self.workspace.read_or_empty(tables.QUALITY_FINDINGS)
        files = rows_of(self._database, self._sql, "PatientID, StudyInstanceUID, SeriesInstanceUID, source_path")
        items = set().union(*(set(files[name]) for name in files.columns)) - {""}
        found = found[found["item"].isin(items)]
        rows = found[FINDING_COLUMNS].head(MOST_FINDINGS).astype(object)
        said = f"{len(found):,} findings" + (f", the first {MOST_FINDINGS}" if len(found) > MOST_FINDINGS else "")
        return {"columns": FINDING_COLUMNS, "rows": rows.where(rows.notna(), "").to_numpy().tolist(), "said": said}, []

    def cohort(self, name: str) -> Reply:
        """Write the selection as a cohort below ``local/cohorts``, for the parameter ``cohort``."""
        if not COHORT_NAME.fullmatch(name):
            raise InputError("name the file with letters, digits, points and hyphens")
        rows = covering(self._database, self._sql)
        if rows.empty:
            raise InputError("nothing is chosen: a cohort has to name something")
        path = self.workspace.local / "cohorts" / f"{name.removesuffix('.csv')}.csv"
        text = io.StringIO()
        cells = ([as_cell(cell) for cell in row] for row in rows.itertuples(index=False))
        csv.writer(text, lineterminator="\n").writerows([list(rows.columns), *cells])
        write_atomically(path, text.getvalue().encode("utf-8"))
        place = path.relative_to(self.workspace.root).as_posix()
        return {"said": f"{len(rows):,} rows in {place} of the workspace. Set cohort to its path: {path}"}, []

    def exclude(self, note: str) -> Reply:
        """Take what is chosen out of every release, with a reason: a line for each study, series or file."""
        rows = covering(self._database, self._sql)
        if not 0 < len(rows) <= MOST_EXCLUDED:
            raise InputError(f"{len(rows):,} lines would be written; 1 to {MOST_EXCLUDED:,} can be: write a cohort")
        items = [
            f"study:{row.study}" if row.study else f"series:{row.series}" if row.series else str(row.file)
            for row in rows.itertuples()
        ]
        catalog = self.workspace.read(tables.CATALOG, ["source_path", "SOPInstanceUID"])
        instances = dict(catalog[catalog.source_path.isin(rows.file)].itertuples(index=False, name=None))
        told = {"decision": "exclude", "note": note}
        lines = [{**told, "item": item, "SOPInstanceUID": instances.get(item, "")} for item in items]
        EXCLUSION_LOG.append(self.workspace, self.reviewer, *lines)
        self._undoable.append(items)
        said = f"{len(lines):,} lines in exclusions.csv as {self.reviewer}; the next run of 03 leaves them out."
        return {"said": said, "undo": len(self._undoable)}, []

    def undo(self) -> Reply:
        """Take back the last exclusion of this session."""
        items, standing = self._undoable.pop() if self._undoable else [], EXCLUSION_LOG.current(self.workspace)
        own = [item for item in items if item in standing and standing[item]["reviewer"] == self.reviewer]
        EXCLUSION_LOG.append(self.workspace, self.reviewer, *({"item": item, "decision": WITHDRAW} for item in own))
        return {"said": f"{len(own):,} lines taken back.", "undo": len(self._undoable)}, []

    def static_table(self) -> pd.DataFrame:
        modality = "coalesce(nullif(Modality, ''), '(none)') AS Modality"
        return self._database.sql(
            f"SELECT {modality}, count(*) AS files FROM {EXPLORED_FILES} GROUP BY 1 ORDER BY 2 DESC, 1"
        ).df()

    @property
    def _sql(self) -> str:
        every = ", ".join(f'"{name}"' for name in self.table._columns)  # as quak writes it
        return (self.table.sql or EVERYTHING).replace(f"SELECT {every} FROM", "SELECT * FROM", 1)

    @property
    def _told(self) -> str:
        """The same as a person would ask it, without the table that an answer is kept in."""
        if self._asked and " WHERE " not in self._sql.removeprefix('SELECT * FROM "answer"'):
            return self._asked
        return self._sql.replace('FROM "answer"', f"FROM ({self._asked})", 1)

    def _show(self, name: str, asked: str = "") -> None:
        self._asked = asked
        for old in (*self._box.children[:1], *self._box.children[2:]):
            old.close()
        self.table = quak.Widget(self._database, table=name)
        self.table.add_class("chorus-table")  # panel.css gives it the lab's theme
        self.table.observe(self._changed, "sql")
        self._box.children = (self.table, self)
        self._changed()

    def _changed(self, _: object = None) -> None:
        further = draw_columns(self._database, *self._more)
        self.content = {"sql": self._told, "reviewer": self.reviewer, "further": further}

    def _paths(self, series: int) -> list[str]:
        files = self._database.execute(
            f"SELECT source_path FROM {EXPLORED_FILES} WHERE file IN (FROM chosen_files) "
            "AND SeriesInstanceUID = ? ORDER BY source_path",
            [self._series[series]],
        )
        return [path for (path,) in files.fetchall()]

    def _header(self, path: str) -> list[HeaderLine]:
        known = self._database.execute(
            f"SELECT count(*) FROM {EXPLORED_FILES} WHERE source_path = ?", [path]
        ).fetchone()
        if not known or not known[0]:
            raise WorkbenchError("this file is not in the catalog")
        try:
            return header_lines(self.workspace.source.read(path))
        except OSError:
            raise WorkbenchError("this file can no longer be read") from None
