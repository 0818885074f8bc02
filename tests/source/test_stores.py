"""What stores promise besides: few requests, the folder's release, whole files, a bounded cache, no secret."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from chorus_nb import deid, explore, tables
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.source import Store, open_source, store
from chorus_nb.source import kept as kept_files
from chorus_nb.source.kept import Kept
from chorus_nb.source.store import _connected
from chorus_nb.workspace import Workspace
from tests.deid.conftest import encoded, image
from tests.deid.small_run import SmallSite, plan, run, same_key, tree
from tests.release.azurite_service import Proxy
from tests.source.kinds import InStore, Kind
from tests.source.services import InAzure, InGoogle, InRealStore, InS3, InSftp, google, s3, sftp


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path / "site")


def in_store(kind: Kind, folder: Path) -> None:
    """Put every file of a folder into a store."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    kind.put({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def store_of(kind: Kind) -> Store:
    return kind.source.outer  # type: ignore[attr-defined, no-any-return]


# --- the run ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallSite, Workspace]:
    """A site, and its release made from the folder."""
    site = SmallSite(tmp_path_factory.mktemp("home") / "site")
    site.add_series(3)
    site.add("other", AccessionNumber="ACC-2", PixelData=bytes(range(32)))
    (site.dicom / "other.txt").write_bytes(b"no image")
    workspace = site.open("home", deface="skip")
    run(workspace)
    return site, workspace


@pytest.mark.parametrize("real", [InS3, InGoogle, InAzure, InSftp])
def test_the_release_is_that_of_the_folder(
    home: tuple[SmallSite, Workspace], tmp_path: Path, real: type[InRealStore]
) -> None:
    site, at_home = home
    kind = real(tmp_path)
    in_store(kind, site.dicom)
    away = same_key(at_home, site.open(real.__name__, source=kind.address, deface="skip"))
    outcomes = run(away)
    assert outcomes.status.value_counts().to_dict() == {"released": 4, "not_dicom": 1}
    assert tree(away.release) == tree(at_home.release)


def test_the_survey_of_a_store_is_that_of_the_folder(demo_site: Path, tmp_path: Path) -> None:
    kind = InS3(tmp_path)
    in_store(kind, demo_site / "dicom")
    surveyed = []
    for name, source in (("home", str(demo_site / "dicom")), ("away", kind.address)):
        workspace = Workspace(Parameters(source=source, workspace=str(tmp_path / name), workers=1)).create()
        explore.scan(workspace)
        found = workspace.read(tables.CATALOG).set_index("source_path").sort_index()
        surveyed.append(found.drop(columns="modified_ns"))
    assert surveyed[0].equals(surveyed[1])


def test_a_survey_asks_once_for_nearly_every_file_and_for_few_of_its_bytes(site: SmallSite, tmp_path: Path) -> None:
    pixels = bytes(200_000)
    for number in range(10):
        for syntax, value in ((ExplicitVRLittleEndian, pixels), (JPEG2000Lossless, encapsulate([pixels]))):
            made = image(syntax, SOPInstanceUID=f"1.2.3.{number}")
            made.add_new(0x7FE00010, "OB", value)
            made["PixelData"].is_undefined_length = syntax == JPEG2000Lossless
            (site.dicom / f"{made.file_meta.TransferSyntaxUID}-{number}").write_bytes(encoded(made))
    size = sum(path.stat().st_size for path in site.dicom.rglob("*") if path.is_file())
    kind = InS3(tmp_path)
    in_store(kind, site.dicom)
    proxy = Proxy(s3()[1])
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{proxy.port}"
    _connected.cache_clear()
    explore.scan(site.open(source=kind.address))
    _connected.cache_clear()
    assert 20 < proxy.requests <= 1.3 * 20
    assert 0 < proxy.received <= 0.2 * size


def test_a_file_that_changed_since_the_survey_is_quarantined(site: SmallSite, tmp_path: Path) -> None:
    site.add_series(2)
    kind = InS3(tmp_path)
    in_store(kind, site.dicom)
    workspace = site.open(source=kind.address, deface="skip")
    plan(workspace)
    kind.put({"series/0001": site.add("series/0001", PixelData=bytes(range(32))).read_bytes()})
    outcomes = deid.deidentify(workspace).set_index("source_path")
    assert dict(outcomes.reason) == {"series/0001": "changed_since_scan", "series/0002": ""}


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
@pytest.mark.parametrize("real", [InS3, InSftp])
def test_a_process_forked_from_one_that_asked_asks_for_itself(tmp_path: Path, real: type[InRealStore]) -> None:
    kind = real(tmp_path)
    kind.put({"a": b"x", "b": b"y"})
    assert kind.source.read("a") == b"x"
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(kind.source.read, ("b",)).get(20) == b"y"
    assert kind.source.read("b") == b"y"


@pytest.mark.parametrize("real", [InS3, InGoogle, InSftp])
def test_a_store_that_falls_silent_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: type[InRealStore]
) -> None:
    monkeypatch.setattr(store, "SILENT", 0.5)
    kind = real(tmp_path)
    kind.put({"a": b"x"})
    port = {InS3: lambda: s3()[1], InGoogle: google, InSftp: lambda: sftp()[1]}[real]()
    proxy = Proxy(port)
    for name in ("AWS_ENDPOINT_URL", "STORAGE_EMULATOR_HOST"):
        os.environ[name] = f"http://127.0.0.1:{proxy.port}"
    known = Path(os.environ.get("SFTP_KNOWN_HOSTS") or os.devnull).read_text()
    (tmp_path / "known").write_text(known.replace(str(port), str(proxy.port)))
    os.environ["SFTP_KNOWN_HOSTS"] = str(tmp_path / "known")
    _connected.cache_clear()
    asked = open_source(kind.address.replace(str(port), str(proxy.port)))
    assert asked.read("a") == b"x"
    proxy.silent = 1
    began = time.monotonic()
    assert asked.read("a") == b"x"
    assert proxy.silent == 0 and time.monotonic() - began < 10
    _connected.cache_clear()
    proxy.close()


def test_a_server_whose_key_is_not_known_is_not_talked_to(tmp_path: Path) -> None:
    kind = InSftp(tmp_path)
    kind.put({"there/a": b"x"})
    for known, reached in ((os.environ["SFTP_KNOWN_HOSTS"], True), (str(tmp_path / "none"), False)):
        os.environ["SFTP_KNOWN_HOSTS"] = known
        _connected.cache_clear()
        assert open_source(f"{kind.address}/there").reachable() is reached


# --- whole files or none ----------------------------------------------------------------------------------------------


class Changing(Store):
    """A store in which ``changes`` is done whenever a part of a file was read."""

    changes: Callable[[], None]

    def range(self, source_path: str, start: int, length: int) -> bytes:
        read = super().range(source_path, start, length)
        type(self).changes()
        return read


@pytest.mark.parametrize("keep", [True, False])
def test_what_changes_while_it_is_fetched_is_never_mixed(tmp_path: Path, keep: bool) -> None:
    kind = InStore(tmp_path)
    kind.put({"a": b"1st"})
    changing, left = Changing(store_of(kind).url, tmp_path / "kept" if keep else None), iter([b"2nd"])
    Changing.changes = lambda: kind.put({"a": new} if (new := next(left, None)) else {})
    assert changing.look("a") == (b"2nd", kind.source.identity("a"))
    always = iter(range(10_000, 20_000))
    Changing.changes = lambda: kind.put({"a": str(next(always)).encode()})
    kind.put({"a": b"third"})
    with pytest.raises(OSError, match=r"changes while it is read"):
        changing.look("a")
    kept = [path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert kept == ([b"2nd"] if keep else [])


def test_what_is_read_twice_is_fetched_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    kind = InStore(tmp_path)
    kind.put({"a": b"x" * 100})
    fetched = []
    with pytest.MonkeyPatch.context() as patched:
        ask = Store.range
        patched.setattr(Store, "range", lambda *asked: fetched.append(asked) or ask(*asked))
        assert [kind.source.read("a") for _ in range(3)] == [b"x" * 100] * 3
    assert len(fetched) == 1
    (file,) = (path for path in (tmp_path / "kept").rglob("*") if path.is_file())
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_large_file_is_fetched_in_parts_and_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chorus_nb.source.store.FETCHED_AT_ONCE", 7)
    monkeypatch.setattr(kept_files, "MAPPED", 10)
    kind = InStore(tmp_path)
    kind.put({"a": bytes(range(100))})
    content, _ = kind.source.look("a")
    assert isinstance(content, memoryview)
    assert content == bytes(range(100))


def test_what_is_kept_is_bounded_and_what_was_not_used_for_longest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_files, "BOUND", 1000)
    kept = Kept(tmp_path / "kept")
    for number in range(30):
        file = kept.put(f"{number:04d}", 60, iter([bytes(60)]), lambda: True)
        assert file is not None
        file.close()
        os.utime(tmp_path / "kept" / f"{number:04d}"[:2] / f"{number:04d}", ns=(1, 10**9 * number))
        if first := kept.get("0000"):
            first.close()
    held = sorted(path.name for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert held == ["0000", *(f"{number:04d}" for number in range(30 - len(held) + 1, 30))]
    assert 500 < 60 * len(held) <= 1000


def test_the_disk_is_never_more_than_half_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_files, "BOUND", 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    kept = Kept(tmp_path)
    for number in range(9):
        kept.put(f"{number:04d}", 60, iter([bytes(60)]), lambda: True).close()  # type: ignore[union-attr]
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_without_room_for_what_is_kept_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    kind = InStore(tmp_path)
    kind.put({"a": b"x" * 100})
    monkeypatch.setattr(kept_files.os, "open", refused)
    if number == errno.ENOSPC:
        assert kind.source.read("a") == b"x" * 100
    else:
        with pytest.raises(OSError, match="Input/output"):
            kind.source.read("a")


# --- found ------------------------------------------------------------------------------------------------------------


def test_of_a_top_with_many_folders_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"p{number}/s/i" for number in range(5)] + ["x", "y"]
    kind = InStore(tmp_path)
    kind.put(dict.fromkeys(names, b"x"))
    whole = list(kind.source.find())
    monkeypatch.setattr("chorus_nb.source.store.LISTED_AT_ONCE", 3)
    assert list(kind.source.find()) == whole
    assert [file.source_path for file in whole] == names


def test_an_archive_is_known_by_its_name_and_another_is_a_row(site: SmallSite, tmp_path: Path) -> None:
    from tests.source.kinds import zipped

    kind = InS3(tmp_path)
    kind.put({"a.ZIP": zipped({"x": b"1"}), "b.bin": zipped({"x": b"1"})})
    workspace = site.open(source=kind.address)
    explore.scan(workspace)
    found = workspace.read(tables.CATALOG)
    assert dict(zip(found.source_path, found.reason, strict=True)) == {
        "a.ZIP!x": "not_dicom",
        "b.bin": "archive_not_opened",
    }


# --- what a person reads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["http://host/a", "file:///a", "memory://a", "S4://a"])
def test_another_kind_of_address_is_refused(place: str) -> None:
    with pytest.raises(InputError, match=r"source: must be a folder, or begin with one of s3://"):
        Parameters.of({"source": place})


@pytest.mark.parametrize("place", ["s3://key:secret@bucket/a", "az://box/a?sig=abc", "sftp://me:word@host/a"])
def test_an_address_with_a_secret_is_refused(place: str) -> None:
    with pytest.raises(InputError) as refused:
        Parameters.of({"source": place})
    assert place not in str(refused.value)


def test_a_store_that_cannot_be_listed_is_one_clear_line(tmp_path: Path) -> None:
    InS3(tmp_path)
    with pytest.raises(InputError, match=r"^source: cannot be listed: s3://nowhere; .*credential"):
        Parameters.of({"source": "s3://nowhere", "workspace": str(tmp_path / "w")}).check_folders()


def test_what_is_missing_to_reach_a_store_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(*_: object, **__: object) -> None:
        raise ImportError("gcsfs")

    monkeypatch.setattr("fsspec.core.url_to_fs", not_installed)
    with pytest.raises(InputError, match=r"^source: gs needs more packages; pip install 'chorus-nb\[stores\]'$"):
        open_source("gs://bucket-not-asked-before").reachable()


def test_the_words_of_a_backend_are_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quotes(*_: object, **__: object) -> None:
        raise RuntimeError("https://host/a?sig=secret")

    kind = InStore(tmp_path)
    monkeypatch.setattr(type(kind.memory), "info", quotes)
    with pytest.raises(OSError, match=r"^the store refused, or did not answer$") as told:
        kind.source.identity("a")
    assert told.value.__cause__ is None and told.value.__suppress_context__


def test_whoever_imports_gcsfs_first_it_opens_no_grpc() -> None:
    """It decides when it is imported which class ``gs://`` is; another library may have done that."""
    pytest.importorskip("gcsfs")
    code = "import chorus_nb, gcsfs, fsspec; print(fsspec.get_filesystem_class('gs').__name__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.strip() == "GCSFileSystem"


@pytest.mark.parametrize("real", [InGoogle, InAzure])
def test_the_mark_of_a_folder_is_no_file(tmp_path: Path, real: type[InRealStore]) -> None:
    kind = real(tmp_path)
    kind.put({"export/": b"", "export/2019/": b"", "export/2019/image": b"DICM", "empty": b""})
    assert [file.source_path for file in kind.source.find()] == ["empty", "export/2019/image"]


@pytest.mark.parametrize("real", [InS3, InGoogle, InAzure])
def test_a_file_that_is_called_like_a_folder_hides_nothing(
    tmp_path: Path, real: type[InRealStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LISTED_AT_ONCE", 1)
    kind = real(tmp_path)
    names = ["a/image", "both/deep/image", "both/image"]
    names += [] if real is InS3 else ["both"]  # rclone keeps objects as files in folders, which cannot be both
    kind.put(dict.fromkeys(names, b"DICM"))
    assert sorted(file.source_path for file in kind.source.find()) == sorted(names)


@pytest.mark.parametrize("fault", [PermissionError("no"), ConnectionResetError("gone")])
def test_a_folder_that_cannot_be_listed_is_never_left_out_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    from fsspec.implementations.sftp import SFTPFileSystem

    kind, listed = InSftp(tmp_path), SFTPFileSystem.ls

    def ls(system: SFTPFileSystem, path: str, **options: bool) -> object:
        if path.endswith("/closed"):
            raise fault
        return listed(system, path, **options)

    kind.put({"a/image": b"DICM", "a/closed/image": b"DICM", "b/image": b"DICM"})
    monkeypatch.setattr(SFTPFileSystem, "ls", ls)
    if isinstance(fault, PermissionError):
        found = [(file.source_path, file.problem) for file in kind.source.find()]
        assert found == [("a/closed", "folder_unreadable"), ("a/image", ""), ("b/image", "")]
    else:
        with pytest.raises(OSError, match="refused, or did not answer"):
            list(kind.source.find())
