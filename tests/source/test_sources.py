"""What every kind of source promises, and what folders and archives promise besides: found whole, only ever read."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from chorus_nb.errors import WorkbenchError
from chorus_nb.source import BEGINNING, Source, SourceFile, base, folder, is_archive, open_source
from tests.source import services
from tests.source.kinds import KINDS, InFolder, InZip, Kind, tarred, write, zipped

CONTENT = bytes(range(256)) * 40
WAYS: dict[str, Callable[[Source, str], object]] = {
    "read": lambda source, path: source.read(path),
    "look": lambda source, path: source.look(path),
    "range": lambda source, path: source.range(path, 0, 1 << 20),
    "digest": lambda source, path: source.digest(path),
    "open": lambda source, path: opened(source, path),
}


def opened(source: Source, path: str) -> bytes:
    with source.open(path) as file:
        return file.read()


def found(source: Source) -> dict[str, str]:
    return {file.source_path: file.problem for file in source.find()}


@pytest.fixture(params=[*KINDS, *services.REAL], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    made: Kind = request.param(tmp_path)
    return made


# --- every kind of source ---------------------------------------------------------------------------------------------


def test_files_are_found_at_any_depth_in_a_fixed_order(kind: Kind) -> None:
    kind.put(dict.fromkeys(("b/2", "ü", "b/1", "a", "empty"), b"x"))
    assert list(found(kind.source)) == [kind.before + name for name in ("a", "b/1", "b/2", "empty", "ü")]


def test_a_file_has_one_identity_however_it_is_asked(kind: Kind) -> None:
    kind.put({"a/b": b"12345"})
    path = f"{kind.before}a/b"
    content, identity = kind.source.look(path)
    assert content == b"12345"
    assert list(kind.source.find()) == [SourceFile(path, *identity)]
    assert kind.source.identity(path) == identity
    assert identity.size == 5


@pytest.mark.parametrize("content", [CONTENT, b""], ids=["some", "empty"])
def test_a_file_is_read_as_it_is(kind: Kind, content: bytes) -> None:
    kind.put({"a": content})
    path = f"{kind.before}a"
    assert kind.source.read(path) == content
    assert opened(kind.source, path) == content
    assert kind.source.digest(path) == blake3(content).hexdigest()


@pytest.mark.parametrize(("start", "length"), [(0, 132), (0, 0), (128, 4), (10_000, 1000), (20_000, 4)])
def test_a_part_of_a_file_is_read(kind: Kind, start: int, length: int) -> None:
    kind.put({"a": CONTENT})
    assert kind.source.range(f"{kind.before}a", start, length) == CONTENT[start : start + length]


def test_a_file_is_sought_in(kind: Kind) -> None:
    kind.put({"a": CONTENT})
    with kind.source.open(f"{kind.before}a") as file:
        assert file.read(300) == CONTENT[:300]
        file.seek(5)
        assert file.tell() == 5
        assert file.read(4) == CONTENT[5:9]


def test_a_file_that_changes_is_another_one(kind: Kind) -> None:
    path = f"{kind.before}a"
    kind.put({"a": b"first"})
    before = kind.source.identity(path)
    assert kind.source.read(path) == b"first"
    kind.put({"a": b"again"})
    assert kind.source.identity(path) != before
    assert kind.source.read(path) == b"again"


@pytest.mark.parametrize("way", [*WAYS, "identity"])
def test_a_file_that_is_gone_is_an_os_error(kind: Kind, way: str) -> None:
    kind.put({"a": b"x"})
    with pytest.raises(OSError):
        WAYS.get(way, lambda source, path: source.identity(path))(kind.source, f"{kind.before}gone")


def test_a_file_larger_than_memory_may_hold_is_not_read(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST", 10)
    kind.put({"small": bytes(10), "large": bytes(11)})
    assert kind.source.read(f"{kind.before}small") == bytes(10)
    with pytest.raises(OSError, match="too large"):
        kind.source.read(f"{kind.before}large")


def test_a_member_too_large_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST", 10)
    kind = InZip(tmp_path)
    kind.put({"large": bytes(11)})
    with pytest.raises(OSError, match="too large"):
        kind.source.look("export.bin!large")


def test_a_name_may_hold_the_mark_of_members(kind: Kind) -> None:
    kind.put({"a!b": b"x", "a": b"y"})
    assert kind.source.read(f"{kind.before}a!b") == b"x"
    assert kind.source.read(f"{kind.before}a") == b"y"


def test_another_process_sees_the_same_source(kind: Kind) -> None:
    kind.put({"a": b"x"})
    kind.source.read(f"{kind.before}a")
    sent = pickle.loads(pickle.dumps(kind.source))
    assert sent == kind.source
    assert sent.mark() == kind.source.mark() != ""
    assert sent.read(f"{kind.before}a") == b"x"


def test_a_source_that_is_not_there_says_so(kind: Kind) -> None:
    kind.put({"a": b"x"})
    assert kind.source.reachable()
    kind.lose()
    assert not kind.source.reachable()
    assert kind.source.mark() == ""


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX links and pipes")
def test_links_out_of_the_source_and_loops_and_pipes_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "source"
    (root / "inside").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"x")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "gone").symlink_to(tmp_path / "nowhere")
    (root / "inside" / "loop").symlink_to(root / "inside")
    os.mkfifo(root / "pipe")
    assert found(open_source(root)) == {
        "gone": "unreadable",
        "inside/loop": "link_loop",
        "out": "link_leaves_source",
        "pipe": "not_a_regular_file",
    }


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_pipe_that_took_the_place_of_a_file_is_not_waited_at(
    tmp_path: Path, way: Callable[[Source, str], object]
) -> None:
    os.mkfifo(tmp_path / "was a file")
    source = open_source(tmp_path)
    with contextlib.suppress(OSError):
        way(source, "was a file")
    assert source.start("was a file", BEGINNING) == b""


class WindowsEntry:
    """An entry of a folder as Windows lists it: its number and its volume's are always 0."""

    def __init__(self, entry: os.DirEntry[str]) -> None:
        self.name, self.path, self.is_symlink = entry.name, entry.path, entry.is_symlink
        seen = list(entry.stat())
        seen[1:3] = 0, 0
        self.stat = lambda: os.stat_result(seen)


def test_folders_within_folders_are_found_where_entries_have_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = InFolder(tmp_path)
    kind.put({"a/b/c/d": b"x", "a/e/f": b"y"})
    listed = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: [WindowsEntry(entry) for entry in listed(path)])
    assert set(found(kind.source).values()) == {""}
    assert sum(file.endswith(("a/b/c/d", "a/e/f")) for file in found(kind.source)) == 2


def test_a_large_file_is_mapped_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MAPPED", 10)
    kind = InFolder(tmp_path)
    kind.put({"a": b"0123456789abc", "a!b": b"0123456789abc"})
    for path in ("a", "a!b"):
        content, _ = kind.source.look(path)
        assert isinstance(content, memoryview)
        assert content == b"0123456789abc"
        assert type(kind.source.read(path)) is bytes


def test_a_relative_folder_is_taken_from_the_project(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a", b"x")
    assert open_source("data", tmp_path).read("a") == b"x"


def test_a_source_is_opened_without_asking_for_it(tmp_path: Path) -> None:
    assert not open_source("gone", tmp_path).reachable()


# --- archives ---------------------------------------------------------------------------------------------------------


def damaged_member() -> bytes:
    content = bytearray(zipped({"x": CONTENT}))
    content[60:70] = b"\xff" * 10
    return bytes(content)


def encrypted_member() -> bytes:
    content = bytearray(zipped({"x": CONTENT}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def damaged_list_of_members() -> bytes:
    content = bytearray(zipped({"x": CONTENT}))
    content[content.index(b"PK\x01\x02")] = 0
    return bytes(content)


def other_method() -> bytes:
    """Deflate64, as Windows packs large files."""
    content = bytearray(zipped({"x": CONTENT}))
    content[8] = 9
    content[content.index(b"PK\x01\x02") + 10] = 9
    return bytes(content)


ARCHIVES = {
    "damaged_member": (damaged_member(), {"a.zip!x": ""}),
    "encrypted_member": (encrypted_member(), {"a.zip!x": "encrypted_member"}),
    "damaged_list_of_members": (damaged_list_of_members(), {"a.zip": "archive_damaged"}),
    "cut_short": (zipped({"x": CONTENT})[:40], {"a.zip": "archive_damaged"}),
    "packed in a way that is not opened": (other_method(), {"a.zip!x": "archive_not_opened"}),
    "empty but for folders": (zipped({"x/": b""}), {"a.zip": "archive_empty"}),
    "empty": (zipped({}), {"a.zip": "archive_empty"}),
    "cut tar": (tarred({"x": CONTENT * 9})[:700], {"a.zip": "archive_damaged"}),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_damaged_is_on_the_list(tmp_path: Path, name: str) -> None:
    content, expected = ARCHIVES[name]
    write(tmp_path / "a.zip", content)
    assert found(open_source(tmp_path)) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ARCHIVES)
def test_a_member_that_cannot_be_read_is_an_os_error(tmp_path: Path, name: str, way: str) -> None:
    write(tmp_path / "a.zip", ARCHIVES[name][0])
    with pytest.raises(OSError):
        WAYS[way](open_source(tmp_path), "a.zip!x")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_of_one_name_are_files_of_their_own(tmp_path: Path, kind: str) -> None:
    made = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(made, "w") as archive:
            for name, content in (("s/IM1", b"one"), ("s/IM1~2", b"two"), ("s/IM1", b"three"), ("s/IM1", b"four")):
                archive.writestr(name, content)
    else:
        made.write(tarred({"s/IM1": b"one", "s/IM1~2": b"two"})[: 4 * 512])
        made.write(tarred({"s/IM1": b"three"})[: 2 * 512] + tarred({"s/IM1": b"four"}))
    write(tmp_path / "a.bin", made.getvalue())
    source = open_source(tmp_path)
    read = {file.source_path: source.read(file.source_path) for file in source.find()}
    assert sorted(read.values()) == [b"four", b"one", b"three", b"two"] and len(read) == 4
    assert read["a.bin!s/IM1"] == b"one"


def test_a_name_in_a_zip_that_is_not_the_utf_8_it_says_costs_nothing_else(tmp_path: Path) -> None:
    names = {"ä1.dcm": b"\xff\xfe1.dcm", "ä2.dcm": b"\xff\xfe2.dcm"}
    content = zipped({"ü.dcm": b"one", "ä1.dcm": b"two", "ä2.dcm": b"three"})
    for name, wrong in names.items():
        content = content.replace(name.encode(), wrong)
    write(tmp_path / "a.zip", content)
    source = open_source(tmp_path)
    read = {file.source_path: source.read(file.source_path) for file in source.find() if not file.problem}
    assert read == {"a.zip!ü.dcm": b"one", "a.zip!\\xff\\xfe1.dcm": b"two", "a.zip!\\xff\\xfe2.dcm": b"three"}


@pytest.mark.skipif(os.name != "posix", reason="needs names of bytes")
def test_names_that_are_no_text_are_listed_as_text_each_for_itself(tmp_path: Path) -> None:
    for name in (b"a\xe4", b"a\xe5", "aä".encode()):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:  # noqa: PTH118 - Path wants text
            file.write(b"x")
    listed = found(open_source(tmp_path))
    assert sorted(listed.values()) == ["", "name_not_text", "name_not_text"] and len(listed) == 3
    assert all(name.encode() for name in listed)


def test_links_and_devices_in_a_tar_are_on_the_list(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        link = tarfile.TarInfo("x")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    write(tmp_path / "a.tar", made.getvalue())
    assert found(open_source(tmp_path)) == {"a.tar!x": "not_a_regular_file"}


@pytest.mark.parametrize(
    ("content", "is_one"),
    [
        *((pack(tarred({"x": CONTENT})), True) for pack in (gzip.compress, bz2.compress, lzma.compress)),
        *((zipped({"x": CONTENT}), True), (tarred({"x": CONTENT}), True), (CONTENT, False), (b"", False)),
    ],
)
def test_what_is_an_archive_is_told_by_how_it_begins(content: bytes, is_one: bool) -> None:
    assert is_archive(content[:BEGINNING]) is is_one


DICOM = bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0\0\0\0\0" + bytes(range(256)) * 9000


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, lambda one: gzip.compress(one[:999]) + gzip.compress(one[999:])]
)
def test_a_dicom_file_that_is_packed_by_itself_is_a_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    write(tmp_path / "a.dcm.gz", pack(DICOM))
    source = open_source(tmp_path)
    assert [(file.source_path, file.size, file.problem) for file in source.find()] == [
        ("a.dcm.gz!unpacked", len(DICOM), "")
    ]
    (path,) = found(source)
    assert bytes(source.read(path)) == bytes(source.look(path)[0]) == DICOM
    assert source.range(path, 128, 4) == b"DICM"
    assert source.identity(path).size == len(DICOM)
    with pytest.raises(OSError):
        source.read("a.dcm.gz!other")


@pytest.mark.parametrize("content", [tarred({"x": CONTENT}), b"a,b\n1,2\n", DICOM[:100], b""])
def test_what_else_is_packed_stays_a_file_of_its_own(tmp_path: Path, content: bytes) -> None:
    for name, pack in (("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)):
        write(tmp_path / name, pack(content))
    assert set(found(open_source(tmp_path))) == {"a.gz", "a.bz2", "a.xz"}


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_packed_file_that_is_cut_is_damaged(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    write(tmp_path / "a", pack(DICOM)[:-30])
    assert found(open_source(tmp_path)) == {"a": "archive_damaged"}


def test_the_mark_of_members_behind_a_plain_file_leads_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "a", b"x")
    with pytest.raises(OSError):
        open_source(tmp_path).read("a!b")


def test_what_was_opened_to_find_members_is_closed(tmp_path: Path) -> None:
    kind = InZip(tmp_path)
    kind.put({"a": b"x"})
    write(kind.root / "plain", b"x")
    streams = []
    outer = kind.source.outer  # type: ignore[attr-defined]
    opens = type(outer).open
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(outer), "open", lambda self, path: streams.append(opens(self, path)) or streams[-1])
        assert list(found(kind.source)) == ["export.bin!a", "plain"]
    assert [stream.closed for stream in streams] == [True], "the plain file too was opened, or the archive is still"


def test_a_folder_that_is_unmounted_while_it_is_listed_is_told(tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b/1"):
        write(tmp_path / "share" / name, b"DICM")
    found = open_source(tmp_path / "share").find()
    assert next(found).source_path == "a/1"
    shutil.rmtree(tmp_path / "share" / "a")
    shutil.rmtree(tmp_path / "share" / "b")
    with pytest.raises(WorkbenchError, match="cannot be read any more"):
        list(found)
