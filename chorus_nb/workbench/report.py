"""Renders an executed notebook to one self-contained HTML page: no script, nothing loaded, a strict CSP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from traitlets.config import Config

from chorus_nb import __version__
from chorus_nb.display import HEADLINE
from chorus_nb.parameters import Parameters
from chorus_nb.workbench import audit
from chorus_nb.workbench.jupyter import HTMLExporter, TemplateExporter, WidgetsDataTypeFilter, nbformat
from chorus_nb.workbench.steps import NotebookStep

TEMPLATES = Path(__file__).parent / "templates"
HIDDEN = {"parameters", "injected-parameters"}  # the header of the page shows them
MARKERS = "papermill-error-cell-tag"  # papermill's own banner: ours stands in its place
LINES_SHOWN = ["text/html", "image/png", "image/jpeg", "text/plain"]  # no widget, no script, no drawing language
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Outcome:
    """How the run of one notebook ended. ``lines`` are clear sentences, free of header values."""

    status: str  # passed, failed, interrupted or withheld
    seconds: float
    lines: tuple[str, ...] = ()


def run_outcome(notebook: nbformat.NotebookNode, seconds: float) -> Outcome:
    """How a run ended that was neither interrupted nor killed, read from the executed notebook."""
    lines = [line for cell in notebook.cells for output in cell.get("outputs", []) for line in _error_lines(output)]
    return Outcome("failed" if lines else "passed", seconds, tuple(lines))


class RenderedCells(NamedTuple):
    """The cells of a notebook as HTML, and its sections: cell id and heading."""

    html: str
    contents: list[tuple[str, str]]


def rendered_cells(step: NotebookStep, notebook: nbformat.NotebookNode, *, answered: bool) -> RenderedCells:
    """What a page of ``notebook`` shows below its head; ``answered``: the head says its first sentence."""
    prepared = _prepared(notebook, shareable=step.shareable, answered=answered)
    return RenderedCells(_body_exporter().from_notebook_node(prepared)[0], _table_of_contents(prepared))


def render_report(
    step: NotebookStep,
    notebook: nbformat.NotebookNode,
    parameters: Parameters,
    ended: Outcome,
    index: str,
    proof: str = "",
    answers: Mapping[str, Any] | None = None,
    body: RenderedCells | None = None,
) -> str:
    """The page of ``notebook``. A shareable one has no printed messages and no tracebacks: they quote values.

    ``answers``: the numbers of its answer (:func:`answer_facts`), which stands on top. No time is on it, so that the
    same tables give the same page; times are in the audit log. ``body``: of the same, where it was made already.
    """
    body = body or rendered_cells(step, notebook, answered=bool(answers))
    return page_of(
        "report.html.j2",
        parameters.site,
        title=step.title,
        step=int(step.number),
        sop=step.sop,
        status=ended.status,
        lines=ended.lines,
        proof=proof,
        index=index,
        answers=answers,
        facts={
            "Site": parameters.site,
            "Policy": parameters.policy_name,
            "Kinds released": ", ".join(parameters.kinds),
            "Burned-in text": parameters.burned_in_text,
            "Faces": parameters.deface,
        },
        parameters=parameters.model_dump(),
        versions=audit.versions(),
        contents=body.contents,
        body=Markup(body.html),
    )


def _prepared(notebook: nbformat.NotebookNode, *, shareable: bool, answered: bool) -> nbformat.NotebookNode:
    """A copy with what the template needs: which cells to hide, errors in words, nothing that the head says."""
    copy: nbformat.NotebookNode = nbformat.from_dict(notebook)
    cells = []
    for cell in copy.cells:
        tags = set(cell.metadata.get("tags", []))
        if MARKERS in tags:
            continue
        cell.hidden, cell.skipped = bool(tags & HIDDEN), "skip-execution" in tags
        for output in cell.get("outputs", []):
            output.lines = _error_lines(output)
            if output.output_type == "error" and (shareable or _is_ours(output)):
                output.traceback = []
        if shareable and "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.output_type != "stream"]
        if answered and "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if HEADLINE not in output.get("metadata", {})]
        cells.append(cell)
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            break  # what stands below never ran
    copy.cells = cells
    return copy


def _table_of_contents(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    headings = ((cell.id, cell.source.partition("\n")[0]) for cell in notebook.cells if cell.cell_type == "markdown")
    return [(name, line.removeprefix("## ")) for name, line in headings if line.startswith("## ")]


def _error_lines(output: nbformat.NotebookNode) -> list[str]:
    """An error in words: a WorkbenchError's own lines; of any other only its place, never its text."""
    if output.output_type != "error":
        return []
    if _is_ours(output):
        return str(output.evalue).splitlines()
    places = re.findall(r"(chorus_nb[/\\][\w/\\]+\.py):(\d+)", ANSI.sub("", "\n".join(output.traceback)))
    place = f" in {places[-1][0]}, line {places[-1][1]}" if places else ""
    return [f"An unforeseen fault{place}. The executed notebook under local/reports/notebooks has the details."]


def _is_ours(output: nbformat.NotebookNode) -> bool:
    return bool(output.traceback == [f"{output.ename}: {line}" for line in output.evalue.splitlines()])


class _Body(HTMLExporter):
    """Without what nbconvert does to the finished page, which it reads and writes once more by a parser: it marks cells
    of its own template and pictures that have no words, and here is neither."""

    def from_notebook_node(self, nb: Any, resources: Any = None, **options: Any) -> Any:
        chosen = WidgetsDataTypeFilter(notebook_metadata=self._nb_metadata, parent=self)
        self.register_filter("filter_data_type", chosen)  # type: ignore[no-untyped-call]
        return TemplateExporter.from_notebook_node(self, nb, resources, **options)


@cache
def _body_exporter() -> HTMLExporter:
    return _Body(  # type: ignore[no-untyped-call]
        template_name="body",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
        default_preprocessors=[],  # each checks the notebook once more, and none has anything to do here
        config=Config({"NbConvertBase": {"display_data_priority": LINES_SHOWN}}),
    )


@cache
def _pages() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def page_of(template: str, site: str, **values: Any) -> str:
    """A page of a template of ours: escaped, without script, with the style in it."""
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return _pages().get_template(template).render(site=site, style=style, version=__version__, **values)
