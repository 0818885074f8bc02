"""The consortium's tool: what arrives is the release, whatever its mode; what it would take is asked of it itself.

The tool is on no package index: ``consortium_tool`` plays it, also as a program on PATH.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.release import ask_tool
from chorus_nb.release.consortium import FORGET, NOT_INSTALLED, TOOL_FOLDER, write_config
from chorus_nb.release.manifest import record_delivery
from chorus_nb.workbench.check import check_run
from chorus_nb.workspace import Workspace
from tests.deid.small_run import tree
from tests.release.consortium_tool import Tool
from tests.small_release import write_manifest_of

IMAGES = [f"1001/Images/CT/501/2.25.7/{number:03d}.dcm" for number in range(6)]
TABLES = ["OMOP/procedure_occurrence.csv", "Metadata/image.csv", "Metadata/study.csv", "image_registry.csv"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return opened(tmp_path)


def opened(folder: Path, **more: object) -> Workspace:
    values = {"source": str(folder / "dicom"), "workspace": str(folder / "workspace"), "workers": 1, **more}
    return Workspace(Parameters.of(values)).create()


def put(workspace: Workspace, *paths: str, said: str = "x") -> None:
    for path in paths:
        (workspace.release / path).parent.mkdir(parents=True, exist_ok=True)
        (workspace.release / path).write_text(said)


def deliver(workspace: Workspace) -> None:
    """What ``pack`` and a signature do with manifest, configuration and delivery."""
    write_manifest_of(workspace)
    write_config(workspace)
    record_delivery(workspace)


def taken(workspace: Workspace, version: str, page: int = 1) -> Tool:
    """The tool's cycle, in the order that docs/deliveries.md tells."""
    folder = workspace.local / TOOL_FOLDER
    tool = Tool(folder / "config.toml", workspace.root.parent / "container", page)
    tool.mark_as_deleted((folder / FORGET).read_text().splitlines())
    tool.update(version)
    tool.upload()
    return tool


def for_the_tool(workspace: Workspace) -> dict[str, bytes]:
    return {path: (workspace.release / path).read_bytes() for path in tree(workspace.release) if "/" in path}


@pytest.mark.parametrize("delivery", ["full", "append"])
def test_what_arrives_is_the_release_month_after_month(tmp_path: Path, delivery: str) -> None:
    workspace = opened(tmp_path, delivery=delivery)
    put(workspace, *IMAGES, *TABLES)
    deliver(workspace)
    assert taken(workspace, "01").central() == for_the_tool(workspace)
    put(workspace, "1002/Images/MR/502/2.25.8/001.dcm")  # a new one
    put(workspace, TABLES[0], IMAGES[0], said="a shift was corrected")
    deliver(workspace)
    assert taken(workspace, "02").central() == for_the_tool(workspace)
    for path in (IMAGES[3], "Metadata/image.csv"):  # written again with the same bytes
        os.utime(workspace.release / path, (time.time() + 3600,) * 2)
    (workspace.release / IMAGES[1]).unlink()  # a withdrawal, and nobody runs the tool
    deliver(workspace)
    put(workspace, IMAGES[2], said="corrected")
    deliver(workspace)
    tool = taken(workspace, "04")
    assert tool.central() == for_the_tool(workspace)
    assert not {path for paths in tool.listed().values() for path in paths}
    assert (tool.mode, sorted(tool.modalities)) == (delivery, ["Images", "Metadata", "OMOP"])


@pytest.mark.parametrize(("delivery", "ended"), [("full", {"OMOP/note.csv"}), ("append", set())])
def test_what_becomes_of_what_others_sent(tmp_path: Path, delivery: str, ended: set[str]) -> None:
    workspace = opened(tmp_path, delivery=delivery)
    put(workspace, *IMAGES, *TABLES)
    deliver(workspace)
    others, folder = tmp_path / "others", workspace.local / TOOL_FOLDER
    sent = {"OMOP/note.csv", "1001/Waveforms/w.dat"}
    for path in sent:
        (others / path).parent.mkdir(parents=True)
        (others / path).write_text("theirs")
    text = (folder / "config.toml").read_text().replace(workspace.release.as_posix(), others.as_posix())
    text = text.replace("OMOP,Images", "OMOP,Waveforms,Images").replace('"full"', '"append"')
    (tmp_path / "theirs.toml").write_text(
        text + '  [site_path.Waveforms]\n  pattern = "{patient_id:w}/Waveforms/{filepath}"\n'
    )
    theirs = Tool(tmp_path / "theirs.toml", tmp_path / "container")
    theirs.update("00")
    theirs.upload()
    assert theirs.central().keys() == sent
    assert taken(workspace, "01").central().keys() == for_the_tool(workspace).keys() | sent - ended


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    file = folder / "bin" / "chorus-upload"
    file.parent.mkdir()
    file.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n{does}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(file.parent))


@pytest.mark.parametrize("delivery", ["full", "append"])
def test_the_tool_is_asked_what_it_would_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delivery: str) -> None:
    workspace = opened(tmp_path, delivery=delivery)
    program(tmp_path, monkeypatch, "from tests.release.consortium_tool import main\nmain()")
    put(workspace, *IMAGES, *TABLES)
    deliver(workspace)
    told = ask_tool(workspace).set_index("kind")
    assert told.selected.to_dict() == {"OMOP": 1, "Images": 6, "Metadata": 3} == told.files.to_dict()
    assert not (workspace.local / TOOL_FOLDER / "journal.db").exists() and not (tmp_path / "container").exists()
    taken(workspace, "01")
    put(workspace, IMAGES[0], "1002/Images/MR/502/2.25.8/001.dcm", said="corrected")
    deliver(workspace)
    journal = (workspace.local / TOOL_FOLDER / "journal.db").read_bytes()
    told = ask_tool(workspace).set_index("kind")
    assert told.selected.to_dict() == {"OMOP": 0, "Images": 2, "Metadata": 1} == told.changed.to_dict()
    assert (workspace.local / TOOL_FOLDER / "journal.db").read_bytes() == journal
    assert set(told.answer) == {""}


@pytest.mark.parametrize(
    ("does", "said"),
    [("", NOT_INSTALLED), ("sys.exit(3)", "ended journal update with 3"), ("print('x')", "")],
    ids=["not installed", "fails", "tells nothing"],
)
def test_a_tool_that_tells_nothing_is_told(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str
) -> None:
    program(tmp_path, monkeypatch, does)
    if not does:
        (tmp_path / "bin" / "chorus-upload").unlink()
    put(workspace, *IMAGES)
    deliver(workspace)
    told = ask_tool(workspace)
    assert all(said in answer for answer in told.answer) and told.selected.isna().all() == bool(said)


def test_the_container_is_asked_for_and_check_says_where_none_is_named(tmp_path: Path) -> None:
    told = {
        name: [line for line in check_run(opened(tmp_path, **named).parameters)[0] if "chorus-upload" in line]
        for name, named in {
            "none": {},
            "named": {"upload_container": "emory"},
            "by url": {"upload_url": "az://mgh/x"},
            "other": {"upload_url": "s3://bucket/x"},
        }.items()
    }
    assert [*map(len, told.values())] == [1, 1, 1, 0]
    assert "upload_container names the container" in told["none"][0]
    assert "container emory" in told["named"][0] and "container mgh" in told["by url"][0]
    put(workspace := opened(tmp_path, upload_container="emory", upload_url="az://mgh/x"), *IMAGES)
    deliver(workspace)
    assert '"az://emory/"' in (workspace.local / TOOL_FOLDER / "config.toml").read_text()
    with pytest.raises(InputError, match="upload_container"):
        opened(tmp_path, upload_container="Not/A")
