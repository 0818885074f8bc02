"""The list of words that the workbench's own pages say."""

from __future__ import annotations

import re

import nbformat

from chorus_nb.leaks.terms import page_words, vocabulary
from chorus_nb.workbench.report import TEMPLATES
from chorus_nb.workbench.run import NOTEBOOKS


def test_every_word_of_the_templates_and_of_the_notebooks_prose_is_listed() -> None:
    pages = [
        re.sub(r"\{[{%#].*?[}%#]\}|<[^>]*>", " ", page.read_text(), flags=re.S) for page in TEMPLATES.rglob("*.j2")
    ]
    notebooks = (nbformat.read(path, 4) for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
    prose = [cell.source for notebook in notebooks for cell in notebook.cells if cell.cell_type == "markdown"]
    said = set(re.findall(r"[a-z]{2,}", " ".join([*pages, *prose]).lower()))
    assert len(said) > 300
    assert said - page_words() - vocabulary() == set()


def test_words_of_the_source_code_are_no_words_of_the_pages() -> None:
    assert page_words().isdisjoint(("kernelmanager", "banner", "parser", "mkdir", "astimezone"))
