"""Files are written whole or not at all, and only when they changed; what identifies is the owner's alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PureWindowsPath

import pytest

from chorus_nb import tables, workspace
from chorus_nb.errors import InputError, NotReady, WorkbenchError
from chorus_nb.parameters import Parameters
from chorus_nb.paths import extended
from chorus_nb.workspace import (
    PARTIAL,
    Workspace,
    below,
    put,
    remove_partials,
    replacing,
    write_atomically,
    write_if_changed,
)

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    return Workspace(Parameters(workspace=str(tmp_path / "workspace"))).create()


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file"
    with pytest.raises(ZeroDivisionError), replacing(target) as temporary:
        temporary.write_bytes(b"half")
        assert not target.exists()
        raise ZeroDivisionError
    assert list((tmp_path / "folder").iterdir()) == []
    with replacing(target) as temporary:
        temporary.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert list((tmp_path / "folder").iterdir()) == [target]


def test_the_same_content_keeps_its_modification_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert write_if_changed(file, b"one")
    os.utime(file, ns=(1, 1))
    assert not write_if_changed(file, b"one")
    assert file.stat().st_mtime_ns == 1
    assert write_if_changed(file, b"two")
    assert file.read_bytes() == b"two"


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_bytes(b"")
    with pytest.raises(WorkbenchError, match=r"cannot write file \("):
        write_atomically(tmp_path / "in the way" / "file", b"x")


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / f"{PARTIAL}1").write_bytes(b"half")
    (tmp_path / "deep" / "whole").write_bytes(b"whole")
    for name in ("1", "2"):
        (tmp_path / "made" / "for it").mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / "for it" / f"{PARTIAL}{name}").write_bytes(b"half")
    assert remove_partials(tmp_path) == 3
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["whole"]
    assert [path.name for path in tmp_path.iterdir()] == ["deep"], "an empty folder would be refused by name"


def test_a_file_in_parts_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file"
    with pytest.raises(TypeError):
        put(str(target), b"half", "no bytes")  # type: ignore[arg-type]
    assert list((tmp_path / "folder").iterdir()) == []
    put(str(target), b"header", memoryview(b"pixels"))
    assert target.read_bytes() == b"headerpixels"
    assert list((tmp_path / "folder").iterdir()) == [target]


@pytest.mark.parametrize("gathers", [True, False])
def test_a_system_that_writes_a_few_bytes_at_a_time_gets_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, gathers: bool
) -> None:
    times = iter(range(5))

    def few(file: int, parts: list[memoryview]) -> int:
        assert next(times) < 4
        return os.write(file, b"".join(parts)[:3])

    monkeypatch.setattr(os, "writev", few, raising=False)
    monkeypatch.setattr(workspace, "GATHERS", gathers)
    put(str(tmp_path / "x"), b"ab", b"", memoryview(b"cdefg"), b"h")
    assert (tmp_path / "x").read_bytes() == b"abcdefgh"


def test_a_folder_that_another_process_removes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, mkdir = [], Path.mkdir

    def removed_at_once(folder: Path, **how: bool) -> None:
        mkdir(folder, **how)  # type: ignore[arg-type]
        made.append(folder)
        if len(made) < 3:
            folder.rmdir()

    monkeypatch.setattr(Path, "mkdir", removed_at_once)
    put(str(tmp_path / "folder" / "file"), b"whole")
    assert (tmp_path / "folder" / "file").read_bytes() == b"whole"
    assert len(made) == 3


def test_on_windows_a_path_below_another_has_backslashes_only() -> None:
    release = PureWindowsPath(extended("C:\\site\\release"))
    assert below(release, "1/Images/CT/2.dcm", "\\") == str(release / "1" / "Images" / "CT" / "2.dcm")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "long"),
    [
        ("C:\\site\\x", "\\\\?\\C:\\site\\x"),
        ("\\\\server\\share\\x", "\\\\?\\UNC\\server\\share\\x"),
        ("\\\\?\\C:\\site", "\\\\?\\C:\\site"),
    ],
)
def test_windows_paths_may_be_longer_than_260_characters(path: str, long: str) -> None:
    assert extended(path) == long


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_that_is_not_there_names_the_notebook_that_makes_it(opened: Workspace) -> None:
    with pytest.raises(NotReady, match="run notebook 03_run_deid first"):
        opened.read(tables.OUTCOMES)


def test_a_table_reads_back_as_it_was_written(opened: Workspace) -> None:
    frame = tables.frame(
        tables.OUTCOMES, [{"source_path": "a", "status": "released", "face_share": 0.0, "seconds": 0.5}]
    )
    opened.write(tables.OUTCOMES, frame)
    assert opened.has(tables.OUTCOMES)
    assert opened.read(tables.OUTCOMES).equals(frame)


# --- what identifies --------------------------------------------------------------------------------------------------


@posix
def test_local_is_the_owner_s_alone(opened: Workspace) -> None:
    assert stat.S_IMODE(opened.local.stat().st_mode) == 0o700


@posix
def test_a_workspace_that_cannot_be_made_is_a_wrong_parameter(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="workspace: cannot be written"):
        Workspace(Parameters(workspace=str(tmp_path / "file"))).create()


def test_the_key_is_made_once(opened: Workspace) -> None:
    key = opened.key()
    assert len(key) == 32
    assert opened.key() == key
    if os.name == "posix":
        assert stat.S_IMODE(opened.key_path.stat().st_mode) == 0o600


@posix
def test_a_key_that_others_can_read_is_refused(opened: Workspace) -> None:
    opened.key()
    opened.key_path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        opened.key()


@pytest.mark.parametrize(
    ("text", "fault"),
    [("no hex", "hexadecimal"), ("abcd", "too short"), ("11" * 32, "guess"), ("deadbeef" * 8, "guess")],
)
def test_a_file_that_holds_no_key_is_refused_without_showing_it(opened: Workspace, text: str, fault: str) -> None:
    opened.key_path.write_text(text)
    opened.key_path.chmod(0o600)
    with pytest.raises(InputError, match=fault) as refused:
        opened.key()
    assert text not in str(refused.value)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_release_is_made_for_its_owner_and_a_site_may_open_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = Workspace(Parameters.of({"workspace": str(tmp_path / "w")})).create()
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in (made.local, made.release)] == [0o700, 0o700]
        for folder in (made.local, made.release):
            folder.chmod(0o755)
        made.create()
        assert [stat.S_IMODE(folder.stat().st_mode) for folder in (made.local, made.release)] == [0o700, 0o755]
    finally:
        os.umask(before)
