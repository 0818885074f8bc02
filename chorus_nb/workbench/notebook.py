"""The first and the last call of every notebook: ``begin`` and ``run.finish``."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
import pyarrow.parquet as pq
from blake3 import blake3

from chorus_nb import layout, tables
from chorus_nb.display import Meter, drawn_figure, show_figure
from chorus_nb.drawn import Drawn
from chorus_nb.errors import InputError
from chorus_nb.memory import Recipe, closure_digest
from chorus_nb.parameters import REQUIRED, SCRIPT, Parameters, resolve
from chorus_nb.processes.environment import keep_within
from chorus_nb.workbench import audit
from chorus_nb.workbench.demo_site import demo_values, make_demo_site
from chorus_nb.workbench.kept import refuse_broken_log, refuse_changed_reports, refuse_damaged
from chorus_nb.workbench.lost import refuse_lost
from chorus_nb.workbench.ownership import refuse_mixture, refuse_other_site, remember_site
from chorus_nb.workbench.steps import STEPS, needed
from chorus_nb.workspace import Workspace, below, digest_of

if TYPE_CHECKING:  # matplotlib writes its caches when it is imported: not before keep_within() said where
    from matplotlib.figure import Figure

LAB_COPIES = "local/lab"
CONVERTERS = {"jupyter-nbconvert", "jupyter-execute", "nbconvert"}  # they write where their options say, or beside it
SESSION = "JPY_SESSION_NAME"  # a Jupyter server tells its kernels the notebook they belong to


class _Recording(Workspace):
    """A workspace that remembers digest and rows of each input that was read: the inputs of the audit line."""

    def __init__(self, parameters: Parameters, notebook: str) -> None:
        super().__init__(parameters)
        self.notebook = notebook
        self.inputs: dict[str, str] = {}
        self.rows: dict[str, int] = {}
        self.written: set[Path] = set()

    def read(self, table: tables.Table, columns: Sequence[str] | None = None, *, compact: bool = False) -> pd.DataFrame:
        frame = super().read(table, columns, compact=compact)
        self.note(audit.place(self, self.path(table)), len(frame), lambda: digest_of(self.path(table)))
        return frame

    def opened(self, table: tables.Table) -> Path:
        path = super().opened(table)
        self.note(audit.place(self, path), pq.read_metadata(path).num_rows, lambda: digest_of(path))
        return path

    def wrote(self, table: tables.Table) -> None:
        path = self.path(table)
        self.written.add(path)
        if table.kept == "local" and table.made_by < self.notebook:  # known at once: this notebook may be killed
            outputs = {audit.place(self, path): digest_of(path)}
            audit.append_line(self, {"event": "table", "notebook": self.notebook, "outputs": outputs})

    def note(self, name: str, rows: int | None, digest: Callable[[], str]) -> None:
        if name not in self.inputs:
            self.inputs[name] = digest()
        if rows is not None:
            self.rows.setdefault(name, rows)


class Run:
    """One run of one notebook: its parameters, its workspace, its progress bar and its audit line."""

    def __init__(self, name: str, parameters: Parameters) -> None:
        self.name = name
        self.parameters = parameters
        self.progress = Meter()
        self._workspace = _Recording(parameters, name)
        self._figures = Drawn(self._workspace, f"figure-{name[:2]}")
        self._began = time.monotonic()
        self._note_inputs()

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    def show_figure(self, alt: str, draw: Callable[..., Figure], *shown: object) -> None:
        """Show the figure that ``draw`` makes of ``shown``, from memory where it was drawn before; ``alt`` says it in
        words."""
        made_with = Recipe(draw.__module__, libraries=("matplotlib", "numpy", "pandas"))
        inputs = draw.__qualname__, blake3(pickle.dumps(shown)).hexdigest(), closure_digest(drawn_figure.__module__)
        if kept := self._figures.of(made_with.key(None, *inputs), lambda: drawn_figure(draw(*shown))):
            image, width = kept
            show_figure(image, width, alt)

    def finish(self, *written: tables.Table | Path) -> pd.DataFrame:
        """Append the audit line of this run; returns what was written: place, rows, files, bytes and BLAKE3.

        The digest of a folder is left blank: the release's own digests stand in its manifest.
        """
        given = self.parameters.model_dump()
        audit.refuse_identifying(self.workspace, given)
        self._figures.forget_others()
        rows = [self._row(thing) for thing in written]
        frame = pd.DataFrame(rows, columns=["place", "rows", "files", "bytes", "blake3"])
        frame = frame.astype({"rows": "Int64", "files": "Int64", "bytes": "Int64"})
        outputs = {row["place"]: row["blake3"] for row in rows if row["blake3"]}
        local = [path for path in self._workspace.written if path.is_relative_to(self.workspace.local)]
        # also what was written past the workspace, row by row: whoever comes after compares it with this line
        local += [self.workspace.path(table) for table in tables.TABLES.values() if self._makes(table)]
        outputs |= {audit.place(self.workspace, path): digest_of(path) for path in set(local) if path.is_file()}
        audit.append_line(
            self.workspace,
            {
                "event": "notebook",
                "notebook": self.name,
                "seconds": round(time.monotonic() - self._began, 1),
                "parameters": given,
                "versions": audit.versions(),
                "inputs": dict(sorted(self._workspace.inputs.items())),
                "rows": dict(sorted(self._workspace.rows.items())),
                "outputs": dict(sorted(outputs.items())),
            },
        )
        return frame

    def _makes(self, table: tables.Table) -> bool:
        return table.made_by == self.name and table.kept == "local" and table.format == "parquet"

    def _row(self, thing: tables.Table | Path) -> dict[str, Any]:
        path = self.workspace.path(thing) if isinstance(thing, tables.Table) else thing
        row: dict[str, Any] = {"place": audit.place(self.workspace, path), "rows": None, "files": 1, "blake3": ""}
        if path.is_dir():
            sizes = [os.lstat(below(path, one)).st_size for one in layout.each_below(path)]
            return {**row, "place": row["place"] + "/", "files": len(sizes), "bytes": sum(sizes)}
        if not path.is_file():
            return {**row, "files": 0, "bytes": 0}
        if path.suffix == ".parquet":
            row["rows"] = pq.read_metadata(path).num_rows
        elif isinstance(thing, tables.Table):
            row["rows"] = len(tables.read(thing, path))
        return {**row, "bytes": path.stat().st_size, "blake3": digest_of(path)}

    def _note_inputs(self) -> None:
        """What people decided, and the policy; whatever else is read is noted by who reads it.

        The source files have their digests in ``outcomes``.
        """
        decided = (path for path in self.workspace.decisions.glob("*") if path.suffix in (".csv", ".txt"))
        script = [resolve(self.parameters.policy)] if self.parameters.policy_name == SCRIPT else []
        for path in (*decided, *script):
            if path.is_file():
                self.workspace.note(audit.place(self.workspace, path), None, functools.partial(digest_of, path))


def begin(name: str, variables: Mapping[str, Any]) -> Run:
    """Open notebook ``name``: take its parameters out of ``globals()``, check them and make the workspace.

    Makes the demo site when the parameters point at it and it is not there yet.
    """
    values = {field: variables[field] for field in Parameters.model_fields if field in variables}
    if isinstance(values.get("workspace"), Workspace):  # the cell was run a second time by hand
        values["workspace"] = values["workspace"].parameters.workspace
    parameters = Parameters.of(values)
    workspace = prepare_process(parameters, needed(name))
    _refuse_output_outside(workspace, name, variables)
    refuse_damaged(workspace, name)
    if name == STEPS[-1].name:
        refuse_broken_log(workspace)
        refuse_changed_reports(workspace)
    return Run(name, parameters)


def _refuse_output_outside(workspace: Workspace, name: str, variables: Mapping[str, Any]) -> None:
    """:class:`InputError` where a notebook with original values would be written outside ``local/``.

    An editor may keep that of the demo, whose people are invented, where it likes.
    """
    if name in {step.name for step in STEPS if step.shareable}:
        return
    invented = workspace.parameters.source == demo_values().get("source")
    advice = f"give papermill an output below {workspace.reports_local / 'notebooks'}"
    written = papermill_output(parent := psutil.Process().parent())
    if _is_converted(parent) and not invented:
        raise InputError("the executed notebook shows original values and may lie outside local/: use chorus-nb run")
    if written is None and not invented:
        written, advice = _saved_by_an_editor(variables), f"open it with chorus-nb lab, or its copy in {LAB_COPIES}"
    if written is not None and not written.is_relative_to(workspace.local.resolve()):
        raise InputError(f"the executed notebook shows original values and would lie outside local/: {advice}")


def _saved_by_an_editor(variables: Mapping[str, Any]) -> Path | None:
    """The file that VS Code or a Jupyter server saves this notebook in, outputs and all."""
    name = str(variables.get("__vsc_ipynb_file__") or os.environ.get(SESSION, ""))
    return Path(name).resolve() if name.endswith(".ipynb") else None


def _is_converted(process: psutil.Process | None) -> bool:
    """Whether ``process`` executes the notebook to write it as another file."""
    with contextlib.suppress(psutil.Error):
        return process is not None and any(Path(word).stem in CONVERTERS for word in process.cmdline()[:3])
    return False


def papermill_output(process: psutil.Process | None) -> Path | None:
    """Where ``process`` writes the executed notebook, if it is the papermill command."""
    try:
        words = process.cmdline() if process else []
        start = next(number for number, word in enumerate(words) if Path(word).stem == "papermill") + 1
        from papermill.cli import papermill

        output = papermill.make_context("papermill", words[start:], resilient_parsing=True).params.get("output_path")
        return (Path(process.cwd()) / output).resolve() if process and output else None
    except (StopIteration, psutil.Error):
        return None


def prepare_process(parameters: Parameters, needs: Iterable[str] = REQUIRED) -> Workspace:
    """The workspace of a run, made, after a check of all folders; and the demo site where it is asked for."""
    parameters.require(*needs)
    refuse_mixture(parameters)
    if parameters.source == demo_values().get("source") and not parameters.open_source().reachable():
        make_demo_site(resolve(parameters.source).parent)
    parameters.check_folders()
    refuse_other_site(Workspace(parameters))
    refuse_lost(Workspace(parameters))
    workspace = Workspace(parameters).create()
    remember_site(workspace)
    keep_within(workspace.local)
    return workspace
