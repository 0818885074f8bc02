"""The list of words that the workbench's own pages say."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator

import nbformat
import pandas as pd
import pytest

from chorus_nb import deid, tables
from chorus_nb.deid.outlook import WORDS
from chorus_nb.display import table_html
from chorus_nb.leaks.files import search_pages, words_of_page
from chorus_nb.leaks.terms import page_words
from chorus_nb.workbench.report import TEMPLATES
from chorus_nb.workbench.run import NOTEBOOKS
from chorus_nb.workbench.steps import NOTEBOOK_STEPS
from chorus_nb.workspace import Workspace

PACKAGE = TEMPLATES.parents[1]


def said_by_pages() -> Iterator[str]:
    """What a report says besides what its tables hold: templates with their markup, notebooks, reasons and checks."""
    for page in (page for page in TEMPLATES.rglob("*.j2") if page.parent.name != "local"):
        yield re.sub(r"\{[{%#].*?[}%#]\}", " ", page.read_text(), flags=re.S)
    yield table_html(tables.empty(tables.SEAL))
    yield table_html(pd.DataFrame({"path": ["a", "b"]}), rows=1)
    for step in NOTEBOOK_STEPS:
        yield f"{step.title} {step.about} {step.sop}"
    for path in NOTEBOOKS.glob("[0-9]*.ipynb"):
        shareable = path.stem in {step.name for step in NOTEBOOK_STEPS if step.shareable}
        for cell in nbformat.read(path, 4).cells:
            yield cell.source + " " + cell.id if shareable or cell.cell_type == "markdown" else ""
    for path in (PACKAGE / "metadata/questions").glob("*.sql"):
        question, _, query = path.read_text("utf-8").partition("\n")
        yield " ".join((question, *re.findall(r"\bAS (\w+)", query)))
    yield " ".join(deid.outlook_said(tables.frame(tables.OUTLOOK, [_moves(files)])) for files in (0, 9))
    yield " ".join(WORDS.values())
    for name in ("tables/reasons", "verify/checks", "registry/checks", "acquire/gaps", "deid/outlook_causes"):
        for row in csv.DictReader((PACKAGE / f"{name}.csv").read_text("utf-8").splitlines()):
            yield " ".join(row.values())


def _moves(files: int) -> dict[str, object]:
    return {"what": "moved", "cause": "", "changed": "", "files": files, "bytes": 0}


def words(text: str) -> set[str]:
    """Words long enough to be somebody's whole name or identifier (``leaks.search``)."""
    return set(re.findall(r"[a-z]{4,}", html.unescape(words_of_page(text.encode()).decode()).lower()))


def test_every_word_that_a_page_says_itself_is_listed() -> None:
    said = set().union(*map(words, said_by_pages()))
    assert len(said) > 500
    assert said - page_words() == set()


def cataloged(workspace: Workspace, patient_id: str, accession: str = "ACC-4711") -> None:
    """A catalog of one file."""
    ids = {"PatientID": patient_id, "AccessionNumber": accession}
    zero = {"integer": 0, "truth": False, "number": 0.0}
    row = {c.name: ids.get(c.name, zero.get(c.kind, "")) for c in tables.CATALOG.columns}
    workspace.write(tables.CATALOG, tables.frame(tables.CATALOG, [row]))


@pytest.mark.parametrize("word", ["ALERT", "REPORT", "TABLE", "MAIN", "DICOM", "NONE", "REMOVED", "RIGHT", "MANIFEST"])
def test_a_patient_called_as_the_page_says_withholds_no_report(workspace: Workspace, word: str) -> None:
    cataloged(workspace, word, word.lower())
    folder = workspace.local / tables.CROSSWALK.name
    folder.mkdir()
    tables.frame(tables.CROSSWALK, [{"vr": "PN", "original": name} for name in (word, f"{word}^QUILLA")]).to_parquet(
        folder / "part.parquet"
    )
    pages = {str(number): text for number, text in enumerate(said_by_pages())}
    assert search_pages(workspace, pages | {"names": f"<p>Quilla {word.title()}</p>"})[1] == ["names"]


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (table_html(pd.DataFrame({"procedure_occurrence_id": [4061541]})), False),
        (table_html(pd.DataFrame({"AccessionNumber": ["4061541"]})), True),
        (table_html(pd.DataFrame({"files": [4_061_541]})), False),
        ("<p>4061541</p>", True),
        ('<td style="text-align:right">of 4061541</td>', True),
    ],
)
def test_a_number_in_a_column_of_numbers_is_nobody_s_id_on_a_page_either(
    workspace: Workspace, page: str, told: bool
) -> None:
    """As in tables and JSON: ids of the record, counts and sizes run through all numbers, as a hospital does."""
    cataloged(workspace, "4061541")
    assert search_pages(workspace, {"page": page})[1] == ["page"] * told


def test_a_page_may_say_new_ids_and_the_site_s_port_whoever_is_called_so(workspace: Workspace) -> None:
    row = {"files": 1, "conflicting": False, "person_id": 804711, "image_occurrence_id": 9047110}
    workspace.write(tables.LINKAGE, tables.frame(tables.LINKAGE, [row]))
    page = {"page": f"<td>{workspace.parameters.pacs_port}</td> 804711/Images/CT/9047110 3047112"}
    for somebody, told in (("11112", False), ("804711", False), ("9047110", False), ("3047112", True)):
        cataloged(workspace, somebody)
        assert search_pages(workspace, page)[1] == ["page"] * told, somebody


def test_a_cell_with_a_body_part_is_no_name_of_a_patient_called_so() -> None:
    page = (
        b'<td style="text-align:left">ABDOMEN</td><td>Abdomen</td><td>ABDOMEN, ADA</td><td>ABDOMENS</td><p>ABDOMEN</p>'
    )
    assert words_of_page(page).partition(b"\n")[0].count(b"ABDOMEN") == 3


def test_words_of_the_source_code_are_no_words_of_the_pages() -> None:
    assert page_words().isdisjoint(("kernelmanager", "banner", "parser", "mkdir", "astimezone"))
