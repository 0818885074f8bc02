"""The notebooks as they stand in the repository: stripped, readable, alike, and honest about their parameters."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from papermill import inspect_notebook

from chorus_nb import review
from chorus_nb.parameters import Parameters
from chorus_nb.workbench.steps import NOTEBOOK_STEPS

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
READABLE = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=nbformat.NO_CONVERT)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def test_the_notebooks_are_named_after_the_steps() -> None:
    assert [path.stem for path in NOTEBOOKS] == [step.name for step in NOTEBOOK_STEPS]


def test_nothing_a_run_leaves_behind_is_stored(notebook: nbformat.NotebookNode) -> None:
    assert notebook.metadata == {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    for cell in code(notebook):
        assert cell.outputs == [] and cell.execution_count is None, cell.id
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id
        assert set(cell.metadata.get("tags", [])) <= {"parameters", "skip-execution"}, cell.id


def test_cell_ids_are_unique_words(notebook: nbformat.NotebookNode) -> None:
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not READABLE.match(name)] == []


def test_it_begins_with_its_title_and_a_paragraph(notebook: nbformat.NotebookNode) -> None:
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# [^\n]+\n\n\S", first.source)


def test_it_is_short(notebook: nbformat.NotebookNode) -> None:
    assert len(notebook.cells) <= 36
    long = {cell.id: len(cell.source.splitlines()) for cell in code(notebook) if len(cell.source.splitlines()) > 15}
    assert long == {}


def test_functions_and_classes_live_in_the_package(notebook: nbformat.NotebookNode) -> None:
    for cell in code(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)), cell.id


def test_all_imports_stand_in_one_cell(notebook: nbformat.NotebookNode) -> None:
    importing = [
        cell.id
        for cell in code(notebook)
        if any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.walk(ast.parse(cell.source)))
    ]
    assert len(importing) == 1


def test_its_parameters_are_those_of_the_model(request: pytest.FixtureRequest, notebook: nbformat.NotebookNode) -> None:
    [cell] = tagged(notebook, "parameters")
    found = inspect_notebook(str(request.node.callspec.params["notebook"]))
    assert found, "the parameters cell names none"
    types = {name: field.annotation for name, field in Parameters.model_fields.items()}
    plain = {bool: "bool", int: "int", float: "float", str: "str"}
    for name, parameter in found.items():
        default = Parameters.model_fields[name].default
        assert ast.literal_eval(parameter["default"]) == default, name
        wanted = "list" if isinstance(default, list) else plain.get(types[name], "str")  # type: ignore[arg-type]
        assert parameter["inferred_type_name"].partition("[")[0] == wanted, name
        assert parameter["help"], f"{name}: its meaning is missing"
    assigned = [node for node in ast.parse(cell.source).body if not isinstance(node, ast.AnnAssign)]
    assert assigned == []


def test_a_parameter_keeps_its_meaning_through_the_notebook(notebook: nbformat.NotebookNode) -> None:
    """Only `workspace` is given a second meaning, by `workspace = run.workspace`."""
    for cell in code(notebook):
        if "parameters" in cell.metadata.get("tags", []):
            continue
        for node in ast.walk(ast.parse(cell.source)):
            names = [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.asname or alias.name for alias in node.names]
            assert not (set(Parameters.model_fields) - {"workspace"}).intersection(names), cell.id


def test_it_begins_and_finishes_a_run_under_its_own_name(
    request: pytest.FixtureRequest, notebook: nbformat.NotebookNode
) -> None:
    source = "\n".join(cell.source for cell in code(notebook))
    assert f'begin("{request.node.callspec.params["notebook"].stem}", globals())' in source
    assert source.count("run.finish(") == 1


@pytest.mark.parametrize("panel", review.__all__)
def test_every_panel_stands_in_a_notebook(panel: str) -> None:
    shown = re.compile(rf"^(\w+ = )?{panel}\(", re.MULTILINE)
    assert any(
        shown.search(cell.source)
        for path in NOTEBOOKS
        for cell in code(nbformat.read(path, as_version=nbformat.NO_CONVERT))
    )


def test_what_a_person_does_by_hand_is_skipped_headless(notebook: nbformat.NotebookNode) -> None:
    """A widget waits for a person: a headless run would show it empty."""
    widgets = re.compile(rf"\b({'|'.join(review.__all__)})\(")
    for cell in code(notebook):
        if widgets.search(cell.source):
            assert "skip-execution" in cell.metadata.get("tags", []), cell.id
