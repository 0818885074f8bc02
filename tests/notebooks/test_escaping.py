"""Only chorus_nb/display.py may make HTML: a lint over the package and the notebooks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
DOOR = ROOT / "chorus_nb" / "display.py"
FORBIDDEN_CALLS = {"HTML", "Markdown", "HTMLMath", "Latex", "Javascript", "SVG", "IFrame"}
FORBIDDEN_ATTRIBUTES = {"style", "to_html"}


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in FORBIDDEN_CALLS:
                yield f"{name}("
            for keyword in node.keywords:
                off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg == "render_links" or (keyword.arg == "escape" and off):
                    yield f"{keyword.arg}="
        if isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_ATTRIBUTES and not _own_module(node):
            yield f".{node.attr}"


def _own_module(node: ast.Attribute) -> bool:
    """``chorus_nb.figures.style`` is our own module; ``frame.style`` is pandas' unescaped Styler."""
    return isinstance(node.value, ast.Attribute) and node.value.attr == "figures"


def test_the_lint_sees_what_it_is_for() -> None:
    for bad in (
        "HTML(x)",
        "display.Markdown(x)",
        "frame.style.hide()",
        "W.HTML(x)",
        "f(escape=False)",
        "frame.to_html()",
    ):
        assert list(offences(bad)), bad
    assert not list(offences("style.new_figure()\nshow(frame)\nescape(text)"))


def test_the_package_makes_html_nowhere_else() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): sorted(set(offences(path.read_text(encoding="utf-8"))))
        for path in (ROOT / "chorus_nb").rglob("*.py")
        if path != DOOR
    }
    assert {path: names for path, names in found.items() if names} == {}


def test_the_notebooks_make_no_html() -> None:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert list(offences(cell.source)) == [], f"{path.stem}: {cell.id}"
