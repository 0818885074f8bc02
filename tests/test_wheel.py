"""The wheel is the workbench: the package and what a first day needs, nothing else; it works outside of a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from chorus_nb.paths import CARRIED
from chorus_nb.workbench.commands import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pip would put into site-packages."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel; it is in the lock")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(folder / "site")
    return folder / "site"


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_wheel_has_the_package_and_what_is_carried(unpacked: Path) -> None:
    inside, carried = files(unpacked / "chorus_nb"), {}
    for name in CARRIED:
        carried |= {f"carried/{name}/{path}": content for path, content in files(ROOT / name).items()}
    assert inside == files(ROOT / "chorus_nb") | carried


def test_a_wheel_copies_what_it_carries_and_overwrites_nothing(unpacked: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(unpacked), "PYTHONIOENCODING": "cp1252"}  # as a file on Windows
    command = [sys.executable, "-m", "chorus_nb", "notebooks", "wörk→"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="cp1252", check=True)
    assert done.stdout.split() == [str(Path("wörk\\u2192") / name) for name in CARRIED]
    for name in CARRIED:
        assert files(tmp_path / "wörk→" / name) == files(ROOT / name)
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="cp1252", check=False)
    assert again.returncode == 2 and "nothing is written over" in again.stderr


def test_without_a_folder_the_demo_lies_where_its_own_parameter_file_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "of site #1"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("chorus_nb.demo.make_site", lambda folder, seed: (folder / "dicom").mkdir(parents=True))
    assert main(["demo"]) == 0
    file = folder / "runs" / "demo" / "demo.yaml"
    assert file.read_bytes() == (ROOT / "parameters" / "demo.yaml").read_bytes()
    assert (folder / "runs/demo/site/dicom").is_dir()
    assert capsys.readouterr().err.splitlines()[-1] == f"run it: chorus-nb run '{file}'"
