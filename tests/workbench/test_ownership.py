"""A run knows whose it is: nothing is taken from the demo unasked, and a workspace stays with its site and source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chorus_nb.errors import InputError
from chorus_nb.parameters import REQUIRED, Parameters, resolve
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.demo_site import demo_values
from chorus_nb.workbench.notebook import begin, prepare_process
from chorus_nb.workbench.ownership import LOCK, alone
from chorus_nb.workbench.steps import STEPS


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    """The values of a site of its own, with empty folders."""
    values = {name: str(tmp_path / name) for name in REQUIRED}
    for name in ("source", "omop", "lookup"):
        Path(values[name]).mkdir()
    return {**values, "site": "north"}


def refused(values: dict[str, Any], notebook: str = "02_map_tags") -> str:
    with pytest.raises(InputError) as fault:
        begin(notebook, values)
    [line] = fault.value.lines
    return line


def test_only_the_demo_s_own_file_holds_its_values() -> None:
    assert set(REQUIRED) <= set(demo_values())
    assert {getattr(Parameters(), name) for name in REQUIRED} == {""}


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_not_set_is_named_before_anything_is_made(own: dict[str, Any], name: str, tmp_path: Path) -> None:
    assert refused({**own, name: ""}).startswith(f"not set: {name}; ")
    assert not (tmp_path / "workspace").exists()


def test_headers_can_be_explored_without_the_tables_that_they_are_linked_to(own: dict[str, Any]) -> None:
    begin(STEPS[0].name, {**own, "omop": "", "lookup": ""})
    assert refused({}, STEPS[0].name).startswith("not set: site, source, workspace; ")


@pytest.mark.parametrize("name", REQUIRED)
def test_a_value_of_the_demo_among_own_ones_is_refused(own: dict[str, Any], name: str, tmp_path: Path) -> None:
    for value in {demo_values()[name], str(resolve(demo_values()[name])) if name != "site" else "demo"}:
        assert refused({**own, name: value}).startswith(f"demo and own values are mixed: {name} is the demo's, ")
    assert not (tmp_path / "workspace").exists()


def test_nobody_signs_for_a_mixture_of_the_demo_and_a_site(
    own: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed, other = tmp_path / "mixed.yaml", tmp_path / "other.yaml"
    mixed.write_text(yaml.safe_dump({**own, "site": demo_values()["site"]}))
    assert main(["sign", str(mixed), "--by", "Grace Hopper"]) == 2
    prepare_process(Parameters.of(own))
    other.write_text(yaml.safe_dump({**own, "site": "south"}))
    assert main(["sign", str(other), "--by", "Grace Hopper"]) == 2
    said = capsys.readouterr()
    assert "demo and own values are mixed" in said.err and "was made with another site" in said.err


@pytest.mark.parametrize("name", ["site", "source"])
def test_a_workspace_stays_with_its_site_and_source(own: dict[str, Any], name: str, tmp_path: Path) -> None:
    prepare_process(Parameters.of(own))
    (tmp_path / "south").mkdir()
    other = {**own, name: "south" if name == "site" else str(tmp_path / "south")}
    line = refused(other)
    assert line.startswith(
        f"workspace: was made with another {name}; choose another workspace, or delete local/site.json"
    )
    begin("02_map_tags", {**own, "source": f"{own['source']}/../source"})  # the same folder
    (tmp_path / "workspace" / "local" / "site.json").unlink()  # as the line says
    begin("02_map_tags", other)
    assert refused(own).startswith(f"workspace: was made with another {name}")


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff{", b'"x"'])
def test_a_damaged_record_of_the_site_is_one_line(own: dict[str, Any], content: bytes, tmp_path: Path) -> None:
    prepare_process(Parameters.of(own))
    (tmp_path / "workspace" / "local" / "site.json").write_bytes(content)
    assert refused(own).startswith("workspace: local/site.json cannot be read; ")


@pytest.mark.parametrize(
    "command",
    [["run"], ["withdraw", "--person", "1", "--note", "x"], ["rotate-key", "--note", "x"], ["sign"]],
    ids=" ".join,
)
def test_nothing_else_is_at_work_in_a_workspace_where_a_run_is(
    own: dict[str, Any], command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs rewrote each other's tables; a withdrawal took the sockets of the other's kernels away."""
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(own))
    workspace = prepare_process(Parameters.of(own))
    before = {path: path.read_bytes() for path in workspace.root.rglob("*.*") if path.name != LOCK}
    asked = [command[0], str(file), *command[1:], *(["--by", "Ada Lovelace"] if command != ["run"] else [])]
    with alone(workspace):
        assert main(asked) == 2
    assert "another run or command is at work in it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in workspace.root.rglob("*.*") if path.name != LOCK} == before
