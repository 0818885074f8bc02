"""Wrong parameters are found before anything runs: one clear line each, exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from chorus_nb import standards
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters, project_folder, resolve

EXAMPLES = Path(__file__).parents[1] / "parameters"


def lines(**values: object) -> tuple[str, ...]:
    with pytest.raises(InputError) as refused:
        Parameters.of(values)
    assert refused.value.exit_code == 2
    return refused.value.lines


def test_a_misspelt_name_is_told_with_the_right_one() -> None:
    assert lines(shift_cod=1) == ("shift_cod: unknown parameter; did you mean shift_code?",)


def test_every_fault_has_its_line() -> None:
    found = lines(workers="many", shift_code=9, uid_method="md5", time_zone="Mars/Olympus", nonsense=1)
    assert [line.partition(":")[0] for line in sorted(found)] == [
        *("nonsense", "shift_code", "time_zone", "uid_method", "workers"),
    ]


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (["CT", "XR"], "kinds: XR: the headers of radiographs say CR or DX: write CR and DX (given: "),
        (["CT", "SR"], "kinds: SR: structured report document, released never"),
        (["CT", "DOC"], "kinds: DOC: document, released with SC only"),
        (["CT", "QXV"], "kinds: QXV: no header says so"),
        (["OT"], "kinds: these release nothing: add some of CR, CT, DX,"),
    ],
)
def test_a_kind_that_no_image_is_released_by_is_told_with_what_to_write(kinds: list[str], says: str) -> None:
    (line,) = lines(kinds=kinds)
    assert line.startswith(says)


@pytest.mark.parametrize("others", [["SC"], ["SC", "SR", "ES", "DOC"], ["OT"], ["IVUS"], ["PX", "DR"], ["DF"]])
def test_what_images_are_released_by_is_taken(others: list[str]) -> None:
    """Whatever the headers of a class that is released, or of a capture, may say."""
    kinds = [*dict.fromkeys(standards.RELEASABLE.values()), *others]
    assert Parameters.of({"kinds": kinds}).kinds == kinds


SECRETS = (
    "postgresql://user:hush@host/db",
    "mysql+pymysql://user:hu/sh@host/db",
    "postgresql://host/db?user=x&password=hush",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhush",
    "https://account.blob.core.windows.net/c?sv=2024&sig=hush",
    "https://hush@host/x",
    "s3://bucket/x?AWSAccessKeyId=hush",
    "abfs://c@account.dfs.core.windows.net/x;hush",
    "DefaultEndpointsProtocol=https;AccountKey=hush",
    "env:postgresql://u:hush@h/d",
    "env:u:hush",
    "//u:hush@h/x",
    "password: hush",
    "Authorization: Bearer hush",
)


@pytest.mark.parametrize("name", ["registry_url", "upload_url", "omop", "source", "scheduler", "site", "policy"])
@pytest.mark.parametrize("value", SECRETS)
def test_a_secret_is_refused_and_not_repeated(name: str, value: str) -> None:
    (line,) = lines(**{name: value})
    assert line.startswith(f"{name}:") and "hush" not in line
    assert name == "scheduler" or "env:NAME" in line


@pytest.mark.parametrize(
    "value",
    [
        *("env:REGISTRY", "postgresql+psycopg://ada@db.example.org:5432/omop?sslmode=require", "sqlite:////data/r.db"),
        *("abfs://images@account.dfs.core.windows.net/site/a", "s3://bucket/site", "sftp://ada@host/in", "/data/a=b@c"),
    ],
)
def test_an_address_without_a_secret_is_taken(value: str) -> None:
    assert Parameters.of({"upload_url": value, "registry_url": value}).upload_url == value


@pytest.mark.parametrize("address", ["host:8786", "http://host:8786"])
def test_a_scheduler_has_an_address_dask_knows(address: str) -> None:
    assert lines(scheduler=address)[0].startswith("scheduler:")


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid(example: Path) -> None:
    Parameters.read(example)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_no_value_of_the_examples_is_changed_by_yaml(example: Path) -> None:
    for name, value in yaml.safe_load(example.read_text()).items():
        assert type(value) is type(Parameters.model_fields[name].default)


def test_a_file_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("site: x\nkinds: [CT\n")
    with pytest.raises(InputError, match="not valid YAML, line 3"):
        Parameters.read(tmp_path / "bad.yaml")


@pytest.mark.parametrize(("line", "read"), [("C:\\data", False), ("C:\\new", True), ("C:\\temp", True)])
def test_a_windows_path_that_yaml_reads_as_something_else_is_told_how_to_write(
    tmp_path: Path, line: str, read: bool
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(f'source: "{line}"\n')
    with pytest.raises(InputError, match="source: cannot be" if read else "line 1") as refused:
        Parameters.read(file)
    assert "a Windows path is written with / or in single quotes" in str(refused.value)
    file.write_text(f"source: '{line}'\n")
    assert Parameters.read(file).source == line


def test_folders_that_are_not_there_are_named(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    folders = {"source": gone, "lookup": gone, "omop": "env:NOT_SET_ANYWHERE"}
    files = {"orders": gone, "pacs_ca": gone, "pacs_certificate": gone}
    with pytest.raises(InputError) as refused:
        Parameters(**folders, **files).check_folders()  # type: ignore[arg-type]
    names = [line.partition(":")[0] for line in refused.value.lines]
    assert names == [*folders, *files]
    with pytest.raises(InputError) as refused:
        Parameters(orders="env:NOT_SET_ANYWHERE").check_folders()
    assert refused.value.lines[0] == "orders: environment variable NOT_SET_ANYWHERE is not set"


@pytest.mark.parametrize(("source", "workspace"), [("a", "a/b"), ("a", "a"), ("a/b", "a")])
def test_workspace_and_source_do_not_lie_in_each_other(tmp_path: Path, source: str, workspace: str) -> None:
    for folder in (source, workspace):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    folders = {"source": source, "workspace": workspace, "lookup": source, "omop": source}
    with pytest.raises(InputError, match="workspace:"):
        Parameters(**{name: str(tmp_path / folder) for name, folder in folders.items()}).check_folders()  # type: ignore[arg-type]


def test_relative_paths_start_at_the_project_wherever_the_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_explore_headers.ipynb").touch()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert project_folder() == tmp_path.resolve()
    assert resolve("runs/x") == tmp_path.resolve() / "runs" / "x"
