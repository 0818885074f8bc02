"""The README and the pages beside the code: every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chorus_nb.workbench.steps import STEPS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "chorus_nb").glob("*/README.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_names_every_notebook_and_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [step.name for step in STEPS if f"`{step.name}`" not in text] == []
    pages = [page.relative_to(ROOT).as_posix() for page in PAGES[1:]]
    assert [page for page in pages if f"]({page})" not in text] == []


def test_the_readme_agrees_with_the_steps_on_the_sop() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for step in STEPS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{step.name}`"))
        assert step.sop.split(",")[0].removesuffix(" to Azure") in row
        assert ("may be shared" in row) == step.shareable
