"""The command line: exit codes, one clear line for each fault, and parameter files that match the model."""

from __future__ import annotations

import errno
import importlib.abc
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator

from chorus_nb.__main__ import command
from chorus_nb.errors import InputError
from chorus_nb.parameters import PATHS, Parameters
from chorus_nb.release.delivery import UPLOAD_VARIABLE, token_given
from chorus_nb.workbench import check
from chorus_nb.workbench.commands import _parser, main
from chorus_nb.workbench.given import typed
from chorus_nb.workbench.run import select
from chorus_nb.workbench.shell import GIVEN_LIKE, PROGRAM
from chorus_nb.workbench.template import SCHEMA_FILE, parameter_schema, site_template
from tests.small_release import MR, released_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(demo_site: Path, tmp_path: Path) -> Path:
    """A parameter file for the tiny demo site."""
    values = {name: str(demo_site / folder) for name, folder in (("source", "dicom"), ("omop", "omop"))}
    values |= {"site": "tiny", "lookup": str(demo_site / "lookup"), "workspace": str(tmp_path / "workspace")}
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["run", *arguments]) == 2
    return capsys.readouterr().err.splitlines()


def test_each_wrong_parameter_is_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = refused(capsys, str(file), "--set", "shift_cod=1", "--set", "shift_code=9", "--set", "workers=many")
    assert len(lines) == 3
    assert "shift_cod: unknown parameter; did you mean shift_code?" in lines


def test_a_missing_file_or_folder_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "nowhere.yaml") == ["parameter file not found: nowhere.yaml"]
    assert refused(capsys, str(file), "--set", "source=/nowhere") == ["source: folder not found: /nowhere"]


NO_PATHS = {"long name": "x" * 5000, "long": "a/" * 3000, "null": "x\0y"}


@pytest.mark.parametrize("kind", NO_PATHS)
def test_what_can_be_no_path_is_one_line(
    file: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = yaml.safe_load(file.read_text())
    for name in PATHS:
        file.write_text(yaml.safe_dump({**values, name: NO_PATHS[kind]}))
        [line] = refused(capsys, str(file))
        assert line.startswith(f"{name}: ") and "cannot be a path" in line and len(line) < 200
    if "\0" not in NO_PATHS[kind]:  # which no argument holds
        for command in ("run", "check", "audit"):
            assert main([command, NO_PATHS[kind]]) == 2
            assert "not found" in capsys.readouterr().err


def test_a_folder_in_the_place_of_a_file_is_one_line(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (f"key_file={tmp_path}", f"cohort={tmp_path}", f"decisions={file}")
    assert refused(capsys, str(file), *(part for one in given for part in ("--set", one))) == [
        f"key_file: must be a file: {tmp_path}",
        f"decisions: must be a folder: {file}",
        f"cohort: must be a file: {tmp_path}",
    ]


def test_a_workspace_inside_the_source_is_refused_and_not_made(
    file: Path, demo_site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = demo_site / "dicom" / "workspace"
    assert "inside source" in refused(capsys, str(file), "--set", f"workspace={inside}")[0]
    assert not inside.exists()


def test_a_source_without_dicom_is_refused(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "empty"
    source.mkdir()
    (source / "notes.txt").write_text("no images here")
    assert refused(capsys, str(file), "--set", f"source={source}") == [f"source: no DICOM file found in {source}"]


def test_a_lookup_table_without_a_needed_column_is_explained(
    file: Path, demo_site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lookup = tmp_path / "lookup"
    lookup.mkdir()
    (lookup / "Image_map.csv").write_bytes((demo_site / "lookup" / "Image_map.csv").read_bytes())
    (lookup / "Personal_map.csv").write_text("PatientID,person,Days_Shifted\nA,1,2\n")
    [line] = [line for line in refused(capsys, str(file), "--set", f"lookup={lookup}") if "Personal_map" in line]
    assert "person_id" in line, "what was expected"
    assert "person" in line.replace("person_id", ""), "what was found"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"person": None}, ["omop: person is not there (found visit_occurrence)"]),
        ({"visit_occurrence": 1}, ["omop: visit_occurrence is there and holds no row (visit_occurrence.csv)"]),
        (
            {"person": 1, "visit_occurrence": None},
            [
                "omop: person is there and holds no row (person.csv)",
                "omop: visit_occurrence is not there (found person)",
            ],
        ),
    ],
)
def test_omop_without_persons_or_visits_is_refused_before_anything_runs(
    file: Path,
    demo_site: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, int | None],
    says: list[str],
) -> None:
    (tmp_path / "omop").mkdir()
    for name in ("person", "visit_occurrence"):
        lines = (demo_site / "omop" / f"{name}.csv").read_text().splitlines()
        kept = lines[: changed.get(name, len(lines))]
        if name not in changed or kept != lines:
            (tmp_path / "omop" / f"{name}.csv").write_text("\n".join([*kept, ""]))
    assert refused(capsys, str(file), "--set", f"omop={tmp_path / 'omop'}") == says


def test_nothing_ran_when_the_input_was_wrong(file: Path, tmp_path: Path) -> None:
    main(["run", str(file), "--set", f"lookup={tmp_path}"])
    assert not list((tmp_path / "workspace").rglob("*.html"))


def test_values_are_typed_by_the_model_and_not_by_their_looks() -> None:
    assert typed(["site=007", "shift_code=2", "keep_safe_private=false", "kinds=CT, MR"]) == {
        "site": "007",
        "shift_code": 2,
        "keep_safe_private": False,
        "kinds": ["CT", "MR"],
    }
    assert typed(["site=a=b"]) == {"site": "a=b"}
    with pytest.raises(InputError, match="NAME=VALUE"):
        typed(["site"])


@pytest.mark.parametrize("name", Parameters.model_fields)
def test_any_parameter_can_be_set(name: str) -> None:
    default = Parameters.model_fields[name].default
    value = {"text_bound": 0.01, "held_share": 0.25}.get(name, default)
    text = ", ".join(value) if isinstance(value, list) else str(value)
    read = getattr(Parameters.of(typed([f"{name}={text}"])), name)
    assert (read, type(read)) == (value, type(default)), "a default is of its type: results are known by its text"


def test_notebooks_are_chosen_by_number_or_name() -> None:
    assert [step.number for step in select(["4", "01_explore_headers"])] == ["01", "04"]
    assert len(select([])) == 6
    with pytest.raises(InputError, match="07"):
        select(["07"])


def test_the_token_of_an_upload_reaches_the_notebook(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment that its kernel inherits; what 06 does with it, tests/release/test_upload.py says."""
    monkeypatch.setenv(UPLOAD_VARIABLE, "")
    seen: list[str] = []
    monkeypatch.setattr("chorus_nb.workbench.run.run_notebooks", lambda *_: seen.append(token_given()) or {})
    assert main(["run", str(file), "--only", "06", "--upload", "e520a6a0"]) == 0
    assert seen == ["e520a6a0"]


def test_the_site_template_is_generated_from_the_model() -> None:
    text = (ROOT / "parameters" / "site_template.yaml").read_text(encoding="utf-8")
    assert text == site_template(), "run: chorus-nb parameters > parameters/site_template.yaml"
    assert Parameters.of(yaml.safe_load(text)) == Parameters.of({"deface": "apply"}), "the defaults, and what is better"


def test_the_schema_for_editors_is_generated_and_takes_what_the_model_takes() -> None:
    text = (ROOT / "parameters" / SCHEMA_FILE).read_text(encoding="utf-8")
    assert text == parameter_schema(), f"run: chorus-nb parameters --schema > parameters/{SCHEMA_FILE}"
    schema = Draft202012Validator(json.loads(text))
    for path in (ROOT / "parameters").glob("*.yaml"):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        Parameters.of(values)
        assert list(schema.iter_errors(values)) == []
        [misspelt] = schema.iter_errors({**values, "shift_cod": 1})
        assert "shift_cod" in misspelt.message
    assert site_template().startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")


def normal(requirement: str) -> str:
    return re.split(r"[\s\[=<>!;~]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def test_the_lock_pins_every_dependency_and_names_no_place() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = text.replace(" \\\n    ", " ").splitlines()
    pinned = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ]+( ; .+?)?( --hash=sha256:[0-9a-f]{64})+")
    assert [line for line in lines if not pinned.fullmatch(line)] == [] and "://" not in text
    assert re.findall(r"python_full_version .+?'\d+\.\d+\.\d+'", text) == [], "a bundle fits every patch of a Python"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    wanted = {normal(name) for name in (*project["dependencies"], *extras)} - {"chorus-nb"}
    assert wanted - {normal(line) for line in lines} == set()


def test_no_version_below_the_one_that_is_tested_may_be_installed() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    tested = {normal(name): version for name, version in re.findall(r"^(\S+?)==(\d+(?:\.\d+)?)", lock, re.M)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    given = (*project["dependencies"], *(name for names in project["optional-dependencies"].values() for name in names))
    bounds = {normal(name): re.findall(r">=(\d+(?:\.\d+)?)", name) for name in given if ">=" in name}
    assert bounds.pop("jupyterhub") == ["5"], "of the hub's own version"
    assert {name: [tested[name]] for name in bounds} == bounds


def test_the_conda_environment_installs_the_same_lock() -> None:
    environment, lock = (
        yaml.safe_load((ROOT / f"environment{kind}.yml").read_text(encoding="utf-8")) for kind in ("", ".lock")
    )
    python, installer, *others = environment.pop("dependencies")
    exactly = lock.pop("dependencies")
    assert others == exactly[2:] == [{"pip": ["-r requirements.lock"]}]  # its hashes refuse an -e . beside it
    assert re.fullmatch(rf"{python}\.\d+", exactly[0]) and re.fullmatch(rf"{installer}=[\d.]+", exactly[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert environment == lock and python == "python=3.11" and project["requires-python"] == ">=3.11"


def test_the_demo_command_makes_a_site_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def make_site(folder: Path, seed: int = 1) -> Path:
        made.append(seed)
        (folder / "dicom").mkdir(parents=True)
        return folder

    monkeypatch.setattr("chorus_nb.demo.make_site", make_site)
    folder = tmp_path / "site"
    for seed in ("1", "1", "2"):
        assert main(["demo", str(folder), "--seed", seed]) == 0
    assert made == [1, 2]


def test_the_demo_command_never_empties_a_folder_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["demo", str(tmp_path)]) == 2
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize(
    ("fault", "to_do"), [("ENOSPC", "make room"), ("EFBIG", "raise ulimit -f, or take another disk")]
)
def test_a_disk_that_is_full_is_one_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str, to_do: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(getattr(errno, fault), "No space left on device", "/a/folder/Threlkeld.html")

    monkeypatch.setattr(check, "check_inputs", full)
    assert main(["run", str(file)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [f"the disk: No space left on device. To do: {to_do}; the same command goes on where it stopped"]


def test_who_reads_no_further_gets_no_traceback() -> None:
    """``chorus-nb status FILE | head -1``."""
    command = [sys.executable, "-m", "chorus_nb", "parameters"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 1)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interruption_during_the_imports_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    class Interrupting(importlib.abc.MetaPathFinder):
        def find_spec(self, module: str, *_: object) -> None:
            if module == "chorus_nb.workbench.commands":
                signal.raise_signal(signal.Signals[name])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background has it ignored
    monkeypatch.delitem(sys.modules, "chorus_nb.workbench.commands")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    try:
        assert command() == 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert capsys.readouterr().err == "interrupted; run the same command again to go on\n"


def test_help_waits_for_no_library() -> None:
    code = "import sys; from chorus_nb.workbench import commands; commands._parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "chorus_nb.workbench.commands" in loaded
    assert {"numpy", "pandas", "pyarrow", "pydantic", "pydicom", "IPython", "rich", "argcomplete"}.isdisjoint(loaded)


def test_every_command_has_examples_that_can_be_given() -> None:
    [commands] = [action.choices for action in _parser()._actions if isinstance(action.choices, dict)]
    assert list(GIVEN_LIKE) == ["", *commands]
    for name, examples in GIVEN_LIKE.items():
        for line in re.split(" && |\n", "\n".join(f"{PROGRAM} {example}" for example in examples)):
            program, *arguments = shlex.split(line.partition(" > ")[0].partition(" -- ")[0], comments=True)
            assert program == PROGRAM and arguments[0] == (name or arguments[0])
            _parser().parse_args(arguments)
        assert all(example in (commands[name] if name else _parser()).format_help() for example in examples)


def test_help_is_in_colour_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich_argparse", reason="it is in the lock")
    assert "\x1b[" not in _parser().format_help()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" in _parser().format_help()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in _parser().format_help()


def test_the_shell_completes_commands_and_parameters(tmp_path: Path) -> None:
    pytest.importorskip("argcomplete", reason="it is in the lock")
    for line, completed in (("chorus-nb outl", "outlook "), ("chorus-nb check a.yaml --set shift_c", "shift_code=")):
        asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
        asked |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "said"), "_ARGCOMPLETE_SUPPRESS_SPACE": "0"}
        command = [sys.executable, "-m", "chorus_nb"]
        subprocess.run(command, env=os.environ | asked, capture_output=True, check=True)
        assert (tmp_path / "said").read_text() == completed


def test_lookup_tables_are_made_from_the_command_line(
    demo_site: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = pd.read_csv(demo_site / "lookup" / "Personal_map.csv", dtype=str)
    given.to_csv(tmp_path / "persons.csv", index=False)
    values = yaml.safe_load(file.read_text()) | {"lookup": str(tmp_path / "made")}
    file.write_text(yaml.safe_dump(values))
    assert main(["lookups", str(file), "--persons", str(tmp_path / "persons.csv")]) == 2  # no folder: a slip, perhaps
    (tmp_path / "made").mkdir()
    assert main(["lookups", str(file)]) == 2  # of nobody
    assert main(["lookups", str(file), "--persons", str(tmp_path / "not_there.csv")]) == 2
    capsys.readouterr()
    assert main(["lookups", str(file), "--persons", str(tmp_path / "persons.csv")]) == 0
    said = capsys.readouterr().out
    assert f"Personal_map: {len(given)} patients, {len(given)} of them new" in said and "got a shift" not in said
    images = pd.read_csv(tmp_path / "made" / "Image_map.csv", dtype=str)
    assert set(images.PatientID) <= set(given.PatientID) and images.image_occurence_id.is_unique
    assert main(["check", str(file)]) == 0


def test_an_older_layout_is_brought_into_todays_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = tmp_path / "older" / "CT" / "501"
    older.mkdir(parents=True)
    released_file(MR, 1, 1).save_as(older / "1.dcm", enforce_file_format=True)
    older.joinpath("note.txt").write_text("a note")
    file = tmp_path / "older.yaml"
    file.write_text(f"source: {tmp_path / 'older'}\n")
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text(f"source: {tmp_path / 'nothing'}\n")
    assert main(["relayout", str(nothing), str(tmp_path / "newer")]) == 2
    capsys.readouterr()
    assert main(["relayout", str(file), str(tmp_path / "newer")]) == 1
    told = capsys.readouterr()
    assert told.out == "source_path,reason\nCT/501/note.txt,not_dicom\n"
    assert "1 files copied" in told.err
    assert len([*(tmp_path / "newer").rglob("*.dcm")]) == 1


def test_ids_that_stay_stand_in_the_audit_log_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("older", "ids"):
        (tmp_path / name).mkdir()
    released_file(MR, 1, 1).save_as(tmp_path / "older" / "1.dcm", enforce_file_format=True)
    values = {"site": "north", "shift_code": 0, "pseudonymous_source": True}
    values |= {"source": str(tmp_path / "older"), "lookup": str(tmp_path / "ids"), "workspace": str(tmp_path / "made")}
    file = tmp_path / "older.yaml"
    file.write_text(yaml.safe_dump(values))
    assert main(["lookups", str(file), "--as-they-are"]) == 0
    assert main(["audit", str(tmp_path / "made")]) == 0
    assert '"event": "lookups"' in next((tmp_path / "made" / "audit").glob("*.jsonl")).read_text()
