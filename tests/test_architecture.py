"""The house stands as DESIGN and docs/architecture.md say: imports run downwards, files and functions stay small."""

from __future__ import annotations

import ast
from collections import defaultdict

import pytest

from tests.architecture import ORDER, PACKAGE, arrows, circle, imports, modules, reached, room_of, rooms

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# Arrows against the order that still wait to be turned: the reason beside each. Empty is the aim; none may be added.
UPWARDS: dict[tuple[str, str], str] = {}
# What the verifier may build on. The lookup reader is the one piece of mapping that both sides share.
VERIFIER = ("verify", "leaks")
SHARED = {
    *(
        "errors",
        "parameters",
        "workspace",
        "layout",
        "memory",
        "drawn",
        "decisions",
        "tables",
        "standards",
        "source",
        "omop",
    ),
    *("seeds", "processes", "verify", "leaks", "mapping.lookups", "", "seal", "holds", "guard", "morphology"),
}
FORBIDDEN = {"dicom", "identity", "deid", "pixels", "faces"}
# Public names that more modules than one define. The number may only go down.
NAMES_ALIKE = 0


def test_every_room_has_its_place_in_the_order() -> None:
    assert set(rooms()) - set(ORDER) == set()


def test_imports_run_downwards_only() -> None:
    upwards = {
        (importer, imported): where
        for (importer, imported), where in arrows().items()
        if {importer, imported} <= set(ORDER) and ORDER.index(imported) > ORDER.index(importer)
    }
    assert upwards.keys() - UPWARDS.keys() == set(), {way: upwards[way] for way in upwards.keys() - UPWARDS.keys()}


@pytest.mark.parametrize("way", UPWARDS, ids=" to ".join)
def test_an_exception_of_the_order_is_still_needed(way: tuple[str, str]) -> None:
    assert way in arrows(), "turned at last: take the line out of UPWARDS"


def test_duckdb_is_opened_at_one_place_where_it_is_told_to_draw_nothing_over_a_run() -> None:
    opened = [
        name
        for name, code in modules().items()
        for node in ast.walk(code)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "duckdb.connect"
    ]
    assert opened == ["processes.queries"]


def test_no_module_leads_back_to_itself() -> None:
    circles = {" → ".join(found) for module in modules() if module and (found := circle(module))}
    assert circles == set()


def test_the_verifier_is_built_on_nothing_of_the_de_identifier() -> None:
    ways = [
        " → ".join(way)
        for module in modules()
        if room_of(module) in VERIFIER
        for way in reached(module)
        if room_of(way[-1]) in FORBIDDEN
    ]
    assert ways == []


def test_the_verifier_imports_only_what_both_sides_share() -> None:
    others = {
        f"{module} → {name}"
        for module in modules()
        if room_of(module) in VERIFIER
        for name in imports(module)
        if room_of(name) not in SHARED and name not in SHARED
    }
    assert others == set()


def test_a_file_is_short_enough_to_be_read() -> None:
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_a_function_is_short_enough_to_be_read() -> None:
    long = {
        f"{module}.{node.name}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert not long


def public_names() -> dict[str, list[str]]:
    """Public functions, classes and constants at the top of modules, with the modules that define each."""
    found: dict[str, list[str]] = defaultdict(list)
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names = [node.name]
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            else:
                continue
            for name in names:
                if not name.startswith("_"):
                    found[name].append(module)
    return found


def test_one_name_means_one_thing() -> None:
    alike = {name: where for name, where in public_names().items() if len(where) > 1}
    assert len(alike) <= NAMES_ALIKE, alike
