"""A remembered result is used again only while all that it was made with is the same."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chorus_nb import memory
from chorus_nb.deid.worklist import DEID_RECIPE
from chorus_nb.explore.catalog import SURVEY_RECIPE
from chorus_nb.faces.judge import FACES_RECIPE
from chorus_nb.memory import Recipe, closure, closure_digest
from chorus_nb.metadata.headers import HEADERS_RECIPE
from chorus_nb.parameters import Parameters
from chorus_nb.pixels.checks import FILLED_RECIPE
from chorus_nb.pixels.detection import TEXT_RECIPE
from chorus_nb.verify.series import VERIFY_RECIPE
from chorus_nb.verify.tree_memory import TREE_RECIPE
from chorus_nb.workbench.demo_site import DEMO_RECIPE

RECIPES = [
    *(DEID_RECIPE, SURVEY_RECIPE, FACES_RECIPE, FILLED_RECIPE, TEXT_RECIPE, HEADERS_RECIPE, VERIFY_RECIPE),
    *(DEMO_RECIPE, TREE_RECIPE),
]
CACHES = (memory.closure, memory.closure_digest, memory._imported, memory._text)


@pytest.fixture
def forget() -> Iterator[Callable[[], None]]:
    """What was computed about the code is computed anew, also after the test."""

    def clear() -> None:
        for cache in CACHES:
            cache.cache_clear()

    clear()
    yield clear
    clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]) -> Path:
    """A copy of the package, whose code is what keys are made from."""
    copy = tmp_path / "chorus_nb"
    shutil.copytree(memory.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(memory, "PACKAGE", copy)
    return copy


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]) -> Path:
    """A small package: ``maker`` needs ``kitchen.pot``, of the room whose other module is ``kitchen.lamp``."""
    folder = tmp_path / "chorus_nb"
    files = {
        "maker.py": "import os\ndef make():\n    from chorus_nb.kitchen import boil\n",
        "other.py": "",
        "kitchen/__init__.py": "from chorus_nb.kitchen.lamp import light\nfrom chorus_nb.kitchen.pot import boil\n",
        "kitchen/pot.py": "from chorus_nb.facts import load\nCHILD = ['python', 'stove.py']\n",
        "kitchen/stove.py": "",
        "kitchen/lamp.py": "",
        "facts/__init__.py": "def load(): ...\n",
        "facts/data/list.csv": "1,2\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, newline="")
    monkeypatch.setattr(memory, "PACKAGE", folder)
    return folder


def test_the_code_of_a_result_is_what_its_module_imports_and_no_more(house: Path) -> None:
    names = {"maker", "kitchen.pot", "kitchen.stove", "facts"}
    assert closure("chorus_nb.maker") == {f"chorus_nb.{name}" for name in names}


@pytest.mark.parametrize(
    ("file", "other"),
    [
        ("maker.py", True),
        ("kitchen/pot.py", True),
        ("kitchen/stove.py", True),
        ("facts/data/list.csv", True),
        ("kitchen/lamp.py", False),
        ("other.py", False),
    ],
)
def test_a_change_matters_to_what_was_made_with_it_only(
    house: Path, forget: Callable[[], None], file: str, other: bool
) -> None:
    before = closure_digest("chorus_nb.maker")
    with open(house / file, "a") as opened:
        opened.write("# another\n")
    forget()
    assert (closure_digest("chorus_nb.maker") != before) == other


def test_line_ends_of_a_checkout_do_not_matter(house: Path, forget: Callable[[], None]) -> None:
    before = closure_digest("chorus_nb.maker")
    for path in (house / "maker.py", house / "facts/data/list.csv"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    forget()
    assert closure_digest("chorus_nb.maker") == before


def test_the_imports_of_every_module_are_those_that_python_reads(forget: Callable[[], None]) -> None:
    """They are found by their lines; ``ast`` would take half a second at the start of every room."""
    for path in memory.PACKAGE.rglob("*.py"):
        read = {
            (node.module, name.name, name.asname or name.name)
            for node in ast.walk(ast.parse(path.read_bytes()))
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "chorus_nb"
            for name in node.names
        }
        assert set(memory._names(path.read_text("utf-8"))) == read, path


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: str(recipe.module))
def test_a_recipe_names_what_there_is(recipe: Recipe) -> None:
    assert recipe.module in closure(recipe.module)
    assert set(recipe.parameters) <= set(Parameters.model_fields)
    assert len(recipe.key(Parameters())) == 32


def test_what_is_not_in_the_key_cannot_be_seen() -> None:
    seen = VERIFY_RECIPE.seen(Parameters(policy="ps3.15"))
    assert seen.policy == "ps3.15"
    assert seen.zone.key == "America/New_York"
    for name in set(Parameters.model_fields) - set(VERIFY_RECIPE.parameters):
        with pytest.raises(AttributeError):
            getattr(seen, name)


@pytest.mark.parametrize("change", [{"time_zone": "Europe/Zurich"}, {"uid_method": "ctp"}, {"uid_root": "1.2"}])
def test_each_parameter_of_a_recipe_changes_its_key(change: dict[str, str]) -> None:
    assert DEID_RECIPE.key(Parameters()) != DEID_RECIPE.key(Parameters.of(change))
    assert TEXT_RECIPE.key(None) == TEXT_RECIPE.key(None)


def test_another_version_of_a_library_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = TEXT_RECIPE.key(None)
    monkeypatch.setattr(memory, "_library_version", lambda name: "0" if name == "rapidocr" else "1")
    first = TEXT_RECIPE.key(None)
    monkeypatch.setattr(memory, "_library_version", lambda name: "1")
    assert len({before, first, TEXT_RECIPE.key(None)}) == 3


@pytest.mark.parametrize(
    ("file", "changed", "kept"),
    [
        ("standards/data/ps3_15.csv", {DEID_RECIPE, VERIFY_RECIPE}, {TEXT_RECIPE}),
        ("mapping/chorus.py", {DEID_RECIPE}, {VERIFY_RECIPE, TEXT_RECIPE, FACES_RECIPE}),
        ("verify/second_opinion.py", {VERIFY_RECIPE}, set(RECIPES) - {VERIFY_RECIPE}),
        ("pixels/renders.py", {DEID_RECIPE, TEXT_RECIPE, FILLED_RECIPE}, {VERIFY_RECIPE, SURVEY_RECIPE}),
        ("explore/tally.py", {SURVEY_RECIPE}, set(RECIPES) - {SURVEY_RECIPE}),
        ("faces/registration.py", {FACES_RECIPE}, {TEXT_RECIPE, FILLED_RECIPE, VERIFY_RECIPE}),
        ("demo/scenario.yaml", {DEMO_RECIPE}, set(RECIPES) - {DEMO_RECIPE}),
        ("memory.py", set(), set(RECIPES)),
    ],
)
def test_a_file_of_the_package_changes_the_keys_of_what_it_makes(
    package: Path, forget: Callable[[], None], file: str, changed: set[Recipe], kept: set[Recipe]
) -> None:
    before = {recipe: closure_digest(recipe.module) for recipe in RECIPES}
    with open(package / file, "ab") as opened:
        opened.write(b"# another\n")
    forget()
    found = {recipe for recipe in RECIPES if closure_digest(recipe.module) != before[recipe]}
    assert changed <= found
    assert not kept & found


@pytest.mark.parametrize("recipe", [VERIFY_RECIPE, TREE_RECIPE], ids=lambda recipe: recipe.module)
def test_the_lists_of_words_that_the_verifier_reads_of_another_room_are_in_its_key(
    recipe: Recipe, package: Path, forget: Callable[[], None]
) -> None:
    """It imports nothing of that room: what it approves of is read by path."""
    before = closure_digest(recipe.module)
    with (package / "identity" / "known_words.txt").open("a", encoding="utf-8") as words:
        words.write("quillfeather\n")
    forget()
    assert closure_digest(recipe.module) != before
