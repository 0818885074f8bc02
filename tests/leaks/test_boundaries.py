"""The verifier shares no code with the de-identifier."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import chorus_nb

PACKAGE = Path(chorus_nb.__file__).parent
DEIDENTIFIER = {"identity", "dicom", "deid", "pixels"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "leaks").glob("*.py")), ids=lambda path: path.name)
def test_the_search_imports_nothing_of_the_deidentifier(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    rooms = {name.split(".")[1] for name in imported if name.startswith("chorus_nb.")}
    assert rooms.isdisjoint(DEIDENTIFIER)
