"""What the pages say is so: citations lead somewhere, links too, numbers and names of the README are computed again."""

from __future__ import annotations

import ast
import io
import re
import shlex
import subprocess
import tokenize
import tomllib
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml

import chorus_nb
from chorus_nb import review, tables
from chorus_nb.parameters import Parameters
from chorus_nb.workbench.commands import _parser
from chorus_nb.workbench.steps import NOTEBOOK_STEPS, STEPS
from tests.conftest import FAST

ROOT = Path(__file__).parents[1]
FACTS = ROOT / "docs" / "facts"
README = (ROOT / "README.md").read_text(encoding="utf-8")
CITED = re.compile(r"\b([a-z_]+)\.md((?:,? (?:§|\d)[\w.]+)*)")
MAY_CITE = re.compile(r"\.md\b|§|\bfacts\b|\bDS-\d")
NUMBERS = dict(zip(["one", "two", "three", "four", "five", "six", "seven", "eight"], range(1, 9), strict=True))
PAGES = [
    page
    for page in ROOT.rglob("*.md")
    if not {part for part in page.relative_to(ROOT).parts if part.startswith(".") or part == "runs"}
]


@cache
def prose(path: Path) -> list[tuple[int, str]]:
    """Docstrings and comments of a file that may cite, with the line each begins at; breaks of lines are blanks."""
    text = path.read_text(encoding="utf-8")
    if not MAY_CITE.search(text):
        return []  # to split all files into tokens takes seconds
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (said := ast.get_docstring(node)):
            found.append((getattr(node, "lineno", 1), " ".join(said.split())))
    return found


def sources() -> list[Path]:
    return [*(ROOT / "chorus_nb").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]


def sections(page: Path) -> set[str]:
    """The section numbers of a page of facts."""
    return set(re.findall(r"^#+ ((?:[A-Z]\.?)?[\d.]*\d|[A-Z]) ", page.read_text(encoding="utf-8"), re.MULTILINE))


def test_no_image_lies_in_the_repository() -> None:
    """Tests make their pictures; what a download left in the folder would be published with everything else."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout of git")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 100
    assert [path for path in files if path.is_file() and path.read_bytes()[128:132] == b"DICM"] == []


def test_every_citation_of_a_fact_leads_to_its_section() -> None:
    nowhere, found = [], 0
    for path in sources():
        for line, text in prose(path):
            for page, cited in CITED.findall(text):
                if not cited and not (FACTS / f"{page}.md").is_file():
                    continue  # a page that stands elsewhere in the repository
                found += 1
                for number in re.findall(r"[A-Z]?\.?\d[\d.]*|[A-Z]", cited):
                    if not (FACTS / f"{page}.md").is_file() or number.strip(".") not in sections(FACTS / f"{page}.md"):
                        nowhere.append(f"{path.relative_to(ROOT)}:{line}: {page}.md §{number}")
    assert nowhere == [] and found > 10


def test_a_fact_is_cited_with_its_page() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        for line, text in prose(path)
        if re.search(r"\bfacts,? (§|[A-Z]{2}-\d)", text)
    ]
    assert bare == []


def test_every_date_rule_that_is_cited_stands_in_the_facts() -> None:
    known = set(re.findall(r"\bDS-\d\d\b", (FACTS / "chorus.md").read_text(encoding="utf-8")))
    cited = {rule for path in sources() for _, text in prose(path) for rule in re.findall(r"\bDS-\d\d\b", text)}
    assert cited and cited - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert gone == []


def test_tests_that_a_page_names_are_there() -> None:
    there = {
        node for path in (ROOT / "tests").rglob("*.py") for node in re.findall(r"def (test_\w+)", path.read_text())
    }
    modules = {path.stem for path in (ROOT / "tests").rglob("*.py")}
    named = {
        name
        for page in (ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md", ROOT / "chorus_nb/deid/README.md")
        for name in re.findall(r"\btest_\w+", page.read_text(encoding="utf-8"))
    }
    assert named and named - there - modules == set()


def test_the_readme_names_the_notebooks_that_are_there() -> None:
    named = re.findall(r"^\| `(\d\d_\w+)` \|", README, re.MULTILINE)
    assert named == [step.name for step in NOTEBOOK_STEPS]
    assert named == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for word in re.findall(r"\b(\w+) (?:notebooks|steps)\b", README):
        assert NUMBERS.get(word.lower(), len(STEPS)) == len(STEPS), word


def test_the_readme_names_the_panels_that_are_there() -> None:
    [(number, line)] = re.findall(r"^(\w+) panels: (.+?)\.$", README, re.MULTILINE)
    panels = [
        re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower() for name, panel in vars(review).items() if isinstance(panel, type)
    ]
    assert NUMBERS[number.lower()] == len(panels)
    listed = line.replace("image and face reviewer", "image reviewer, face reviewer")
    assert sorted(re.sub(r" \(.+?\)", "", listed).split(", ")) == sorted(panels)
    cells = {path.stem[:2]: "".join(c.source for c in nbformat.read(path, 4).cells) for path in notebooks()}
    for name, numbers in re.findall(r"([a-z ]+?) \((\d\d)\)", line):
        shown = name.strip().split(" and ")[-1].title().replace(" ", "")
        assert shown in cells[numbers], f"{shown} is not in notebook {numbers}"
    on_call = [name.title().replace(" ", "") for name in re.findall(r"([a-z ]+?) \(on call\)", line)]
    assert [name for name in on_call if name.strip() in "".join(cells.values())] == []


def notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_parameters_in_the_readme_are_those_of_the_model() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    named = [*yaml.safe_load(block), *re.findall(r"--set (\w+)=", README)]
    assert len(named) > 3 and set(named) - Parameters.model_fields.keys() == set()


def test_commands_in_the_readme_and_the_makefile_are_those_of_the_parser() -> None:
    [commands] = [action.choices for action in _parser()._actions if isinstance(action.choices, dict)]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"chorus-nb (\w+) ", README + makefile))
    assert named >= {"run", "lab"} and named - commands.keys() == set()
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`?make (demo|test|check|lab)\b", README)) <= targets


COMMANDS = [
    pytest.param(line, id=f"{page.stem}: {line}")
    for page in sorted((ROOT / "docs").glob("*.md"))
    for block in re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for line in map(str.strip, block.splitlines())
    if line.startswith("chorus-nb ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_page_is_one_that_can_be_given(line: str) -> None:
    _parser().parse_args(shlex.split(line, comments=True)[1:])


def test_every_command_of_the_readme_is_run_by_a_test_with_its_options() -> None:
    """Those of a page of docs/ by tests/notebooks/test_pages.py, the others where their lists of words stand."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    given = re.findall(r'(?:main\(\[|"chorus_nb",)(\s*"[^\]]*)\]', tests)
    pages = (ROOT / "tests" / "notebooks" / "test_pages.py").read_text(encoding="utf-8")
    for page in re.findall(r'"(\w+)"', "".join(re.findall(r"^PAGES .?= \((.+)\)$", pages, re.MULTILINE))):
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        given += ['"' + '" "'.join(line.split()) + '"' for line in re.findall(r"^chorus-nb (.+)", text, re.MULTILINE)]
    lines = re.findall(r"^chorus-nb .+|(?<=`)chorus-nb [a-z-]+ .+?(?=`)", README, re.MULTILINE)
    assert len(lines) > 15
    for line in lines:
        command, *words = shlex.split(line, comments=True)[1:]
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        ran = [words for words in given if re.match(rf'\s*"{command}"', words)]
        assert any(all(f'"{option}"' in words for option in options) for words in ran), line
        _parser().parse_args([command, *words])


def test_the_design_pages_know_every_table() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {name for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    known = {table.name for table in vars(tables).values() if isinstance(table, tables.Table)}
    assert known - named == set()


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"] and "version" not in project["project"]
    assert project["tool"]["hatch"]["version"]["path"] == "chorus_nb/__init__.py"
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[?([\w.]+)", changes, re.MULTILINE)[:2] == ["Unreleased", chorus_nb.__version__]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == chorus_nb.__version__
    tags = subprocess.run(["git", "-C", ROOT, "tag", "--points-at"], capture_output=True, text=True, check=False).stdout
    assert [tag for tag in tags.split() if tag.startswith("v") and tag != f"v{chorus_nb.__version__}"] == []


def test_the_site_of_the_pages_has_every_page_of_docs_and_asks_nothing_of_the_net() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    site = yaml.safe_load(text)
    pages = set(re.findall(r"[\w/]+\.md", str(site["nav"]))) - {"gallery.md"}
    assert {page.relative_to(ROOT).as_posix() for page in PAGES if page.is_relative_to(ROOT / "docs")} - pages == set()
    assert [page for page in pages if not (ROOT / page).is_file()] == []
    assert site["theme"]["font"] is False and "://" not in text
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [loaded] = re.findall(r"^LOADED := (.+)$", makefile, re.MULTILINE)
    assert re.search(loaded, '<script async src="https://there/x.js">') and not re.search(
        loaded, '<a href="https://a">'
    )


def test_every_issue_form_keeps_patient_data_out() -> None:
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    for form in forms:
        first, *rest = yaml.safe_load(form.read_text(encoding="utf-8"))["body"]
        assert first["attributes"]["value"].startswith("**No patient data**"), form.name
        boxes = [box for part in rest if part["type"] == "checkboxes" for box in part["attributes"]["options"]]
        assert boxes and all(box["required"] for box in boxes), form.name
    assert len(forms) == 2 and "**Never send patient data**" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_the_glossary_gives_a_word_one_meaning() -> None:
    words = re.findall(
        r"^\| \*\*(.+?)\*\* \|", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(words) == len(set(words)) == 26


def test_the_readme_names_every_page_of_a_room() -> None:
    pages = [page.relative_to(ROOT).as_posix() for page in sorted((ROOT / "chorus_nb").glob("*/README.md"))]
    assert [page for page in pages if f"]({page})" not in README] == []


def test_the_readme_agrees_with_the_steps_on_the_sop() -> None:
    for step in NOTEBOOK_STEPS:
        row = next(line for line in README.splitlines() if line.startswith(f"| `{step.name}`"))
        assert step.sop.split(",")[0].removesuffix(" to Azure") in row
        assert ("may be shared" in row) == step.shareable


def test_the_list_of_fast_tests_names_what_is_there() -> None:
    assert [name for name in FAST if not (ROOT / "tests" / name).exists()] == []


def test_hooks_and_workflow_run_what_the_repository_has() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert [hook["repo"] for hook in yaml.safe_load(hooks)["repos"]] == ["local"]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    versions = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]


def test_a_recipe_names_at_most_three_files_and_they_are_there() -> None:
    rows = re.findall(
        r"^\| (an? .+?) \| (.+?) \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) == 15
    assert [name for name, files in rows if len(files.split(", ")) > 3] == []
    named = [file for _, files in rows for file in re.findall(r"`([^`]+)`", files) if not re.search(r"NAME|ROOM", file)]
    assert [file for file in named if not (ROOT / file).exists()] == []
