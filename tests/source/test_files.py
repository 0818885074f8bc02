"""The source is found whole, in a fixed order, and only ever read."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from chorus_nb import source
from chorus_nb.source import files


def found(root: Path) -> dict[str, str]:
    return {file.source_path: file.problem for file in source.find(root)}


def test_files_are_found_at_any_depth_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", "ü"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert list(found(tmp_path)) == ["a", "b/1", "b/2", "ü"]


def test_a_file_knows_its_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    os.utime(tmp_path / "a", ns=(1, 1_000_000_007))
    (file,) = source.find(tmp_path)
    assert (file.size, file.modified_ns) == (5, 1_000_000_007)
    assert source.read(tmp_path, "a") == (b"12345", 1_000_000_007)


def test_members_of_an_archive_are_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.bin", "w") as archive:
        archive.writestr("inner/x!y", b"content")
    assert found(tmp_path) == {"a.bin!inner/x!y": ""}
    assert source.read_bytes(tmp_path, "a.bin!inner/x!y") == b"content"


def test_an_archive_that_changes_is_opened_anew(tmp_path: Path) -> None:
    for content in (b"first", b"second one"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("x", content)
        assert source.read(tmp_path, "a.zip!x")[0] == content


def test_a_plain_file_may_have_the_mark_of_members_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "a!b").write_bytes(b"x")
    assert source.read_bytes(tmp_path, "a!b") == b"x"


@pytest.mark.parametrize("name", ["gone", "a.zip!gone", "damaged.zip!x"])
def test_what_cannot_be_read_is_an_os_error(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", b"x")
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(OSError):
        source.read_bytes(tmp_path, name)


def test_a_member_whose_bytes_are_damaged_is_an_os_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", bytes(range(256)) * 40)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[60:70] = b"\xff" * 10
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(OSError):
        source.read_bytes(tmp_path, "a.zip!x")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX links and pipes")
def test_links_out_of_the_source_and_loops_and_pipes_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "source"
    (root / "inside").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"x")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "inside" / "loop").symlink_to(root / "inside")
    os.mkfifo(root / "pipe")
    assert found(root) == {"inside/loop": "link_loop", "out": "link_leaves_source", "pipe": "not_a_regular_file"}


def test_a_large_file_is_mapped_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAPPED", 10)
    (tmp_path / "a").write_bytes(b"0123456789abc")
    content, _ = source.read(tmp_path, "a")
    assert isinstance(content, memoryview)
    assert content == b"0123456789abc"
