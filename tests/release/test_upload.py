"""Uploading: exactly what changed, proved at the destination, resumed after any interruption."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure.storage.blob._shared.models import StorageConfiguration
from fsspec.implementations.local import LocalFileSystem

from chorus_nb import tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.parameters import resolve
from chorus_nb.registry import build_omop
from chorus_nb.release import ask_to_sign, ask_to_upload, delivery, pack, plan_upload, sign_off, upload, upload_token
from chorus_nb.release.delivery import UPLOAD_VARIABLE
from chorus_nb.release.destination import md5_there
from chorus_nb.seal import seal_release
from chorus_nb.workspace import Workspace
from tests.release.azurite_service import ACCOUNT, KEY, Azurite, Proxy

IMAGE = "501/Images/CT/9001/2.25.90011/001.dcm"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chorus_nb.release.delivery.FIRST_PAUSE", 0.01)


def to(workspace: Workspace, url: str) -> Workspace:
    return Workspace(workspace.parameters.model_copy(update={"upload_url": url}))


def signed(workspace: Workspace, url: str) -> Workspace:
    """Packed and released by a person, to be uploaded to ``url``."""
    workspace = to(workspace, url)
    pack(workspace)
    sign_off(workspace, "looked at it", "A. Reviewer")
    return workspace


def with_more_procedures(workspace: Workspace, value: bytes) -> bytes:
    """The site's procedures with one more, which 05 delivered and sealed."""
    path = resolve(workspace.parameters.omop) / "procedure_occurrence.csv"
    path.write_bytes(path.read_bytes() + b"334,502,4180642,2024-01-30,,,,32833,,1,,,,,,%s\n" % value)
    build_omop(workspace)
    seal_release(workspace)
    return path.read_bytes()


def local_files(workspace: Workspace) -> dict[str, bytes]:
    there = (path for path in workspace.release.rglob("*") if path.is_file())
    return {path.relative_to(workspace.release).as_posix(): path.read_bytes() for path in there}


def delivered(folder: Path) -> dict[str, dict[str, bytes]]:
    """What stands at a folder: dated folder to path to content."""
    return {
        dated.name: {p.relative_to(dated).as_posix(): p.read_bytes() for p in dated.rglob("*") if p.is_file()}
        for dated in sorted(folder.iterdir())
    }


def blobs(service: Azurite, container: str) -> dict[str, bytes]:
    """What stands in a container, without the dated folder, of which there must be one."""
    found = service.blobs(container)
    assert len({name.partition("/")[0] for name in found}) == 1
    return {name.partition("/")[2]: content for name, content in found.items()}


@pytest.fixture
def azure(packed: Workspace, blob_service: Azurite, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, str]:
    container = blob_service.container()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", blob_service.connection())
    return to(packed, f"az://{container}"), container


def test_the_whole_release_arrives_in_a_dated_folder(packed: Workspace, tmp_path: Path) -> None:
    workspace = to(packed, str(tmp_path / "there"))
    sent = upload(workspace)
    ((dated, files),) = delivered(tmp_path / "there").items()
    assert datetime.strptime(dated, "%Y%m%d%H%M%S")
    assert files == local_files(workspace)
    assert sent["path"].iloc[-1] == "Metadata/manifest.csv"
    assert set(sent["state"]) == {"sent"}


def test_a_dry_run_lists_what_would_go_and_sends_nothing(packed: Workspace, tmp_path: Path) -> None:
    workspace = to(packed, str(tmp_path / "there"))
    assert set(plan_upload(workspace)["path"]) == set(local_files(workspace))
    assert not (tmp_path / "there").exists()


def test_nothing_leaves_before_a_person_signed_off(built: Workspace, tmp_path: Path) -> None:
    workspace = to(built, str(tmp_path / "there"))
    pack(workspace)
    with pytest.raises(WorkbenchError, match="nobody has released these bytes"):
        upload(workspace)


def test_a_signature_holds_for_the_bytes_that_were_signed_only(packed: Workspace, tmp_path: Path) -> None:
    workspace = to(packed, str(tmp_path / "there"))
    with_more_procedures(workspace, b"")
    pack(workspace)
    with pytest.raises(WorkbenchError, match="nobody has released these bytes"):
        upload(workspace)


def test_a_sign_off_needs_a_note(built: Workspace) -> None:
    pack(built)
    with pytest.raises(InputError, match="say in a note"):
        sign_off(built, " ")


def answer(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    waiting = list(answers)
    monkeypatch.setattr(builtins, "input", lambda prompt: waiting.pop(0))


@pytest.mark.parametrize(("answers", "times"), [([""], 0), (["Ada L.", ""], 0), (["Ada L.", "all of it"], 1)])
def test_a_cell_signs_only_what_a_person_says_now(
    built: Workspace, monkeypatch: pytest.MonkeyPatch, answers: list[str], times: int
) -> None:
    pack(built)
    answer(monkeypatch, *answers)
    assert list(ask_to_sign(built)["reviewer"]) == ["Ada L."] * times


def test_a_signed_release_waits_for_the_token_of_its_bytes(
    packed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = to(packed, str(tmp_path / "there"))
    token = upload_token(workspace)
    assert token != upload_token(to(packed, str(tmp_path / "elsewhere")))
    for said in ("", "yes", token.upper() + "x"):
        answer(monkeypatch, said)
        assert ask_to_upload(workspace) is None
    monkeypatch.setenv(UPLOAD_VARIABLE, "of other bytes")
    with pytest.raises(WorkbenchError, match="nothing was sent, for the token given is not that of these bytes"):
        ask_to_upload(workspace)
    assert not (tmp_path / "there").exists()
    monkeypatch.setenv(UPLOAD_VARIABLE, token)  # as `run --upload TOKEN` does
    assert ask_to_upload(workspace) is not None and delivered(tmp_path / "there")


@pytest.mark.parametrize("url", ["az://c/x?sig=abc", "s3://key:secret@bucket", "nowhere://x"])
def test_a_url_with_a_secret_or_of_an_unknown_kind_is_refused_without_quoting_it(packed: Workspace, url: str) -> None:
    workspace = to(packed, url)
    with pytest.raises(InputError, match=r"^upload_url: ") as caught:
        upload(workspace)
    assert "abc" not in str(caught.value)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize("content", [b"other bytes", None], ids=["changed", "gone"])
def test_a_file_changed_after_packing_is_not_sent(packed: Workspace, tmp_path: Path, content: bytes | None) -> None:
    workspace = to(packed, str(tmp_path / "there"))
    (workspace.release / IMAGE).unlink()
    if content:
        (workspace.release / IMAGE).write_bytes(content)
    with pytest.raises(WorkbenchError, match=f"{IMAGE} changed since it was packed"):
        upload(workspace)
    assert "Metadata/manifest.csv" not in next(iter(delivered(tmp_path / "there").values()), {})


def test_a_second_release_sends_exactly_what_changed(packed: Workspace, tmp_path: Path) -> None:
    workspace = to(packed, str(tmp_path / "there"))
    upload(workspace)
    (workspace.local / "upload.json").unlink()  # the second delivery may fall into the same second
    with_more_procedures(workspace, b"1")
    sent = upload(signed(workspace, str(tmp_path / "later")))
    certificate = [f"Metadata/verification_certificate.{form}" for form in ("html", "json", "pdf")]
    assert sent["path"].tolist() == [*certificate, "OMOP/procedure_occurrence.csv", "Metadata/manifest.csv"]
    ((_, files),) = delivered(tmp_path / "later").items()
    assert set(files) == set(sent["path"])


@pytest.mark.parametrize("lost", [False, True])
def test_a_delivery_comes_after_those_that_are_there_whatever_the_clock_says(
    packed: Workspace, tmp_path: Path, lost: bool
) -> None:
    place, begun = tmp_path / "there", packed.local / "upload.json"
    workspace = to(packed, str(place))
    upload(workspace)
    (first,) = place.iterdir()
    ahead = "21000101120000"  # what a clock said that was set back since
    first.rename(place / ahead)
    for other in ("read me", "9999123123", "99991399000000"):
        (place / other).mkdir()
    begun.write_text(begun.read_text().replace(first.name, ahead))
    with_more_procedures(workspace, b"1")
    workspace = signed(workspace, str(place))
    if lost:
        begun.unlink()
    upload(workspace)
    assert [*delivered(place)][:2] == [ahead, "21000101120001"]
    assert set(upload(workspace)["state"]) == {"was there"}


def test_an_upload_stopped_in_the_middle_goes_on_in_the_same_folder(
    packed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = to(packed, str(tmp_path / "there"))
    whole: Callable[..., None] = delivery.send
    calls: list[str] = []

    def stops_after_five(system: Any, source: str, target: str, md5: str) -> None:
        calls.append(target)
        if len(calls) > 5:
            raise PermissionError
        whole(system, source, target, md5)

    monkeypatch.setattr(delivery, "send", stops_after_five)
    with pytest.raises(WorkbenchError, match="run again"):
        upload(workspace)
    assert "Metadata/manifest.csv" not in next(iter(delivered(tmp_path / "there").values()))
    monkeypatch.setattr(delivery, "send", whole)
    sent = upload(workspace)
    assert (sent["state"] == "was there").sum() == 5
    ((_, files),) = delivered(tmp_path / "there").items()
    assert files == local_files(workspace)


def test_azure_keeps_the_md5_of_every_file(azure: tuple[Workspace, str], blob_service: Azurite) -> None:
    workspace, container = azure
    upload(workspace)
    assert blobs(blob_service, container) == local_files(workspace)
    for blob in blob_service.client().get_container_client(container).list_blobs():
        content = (workspace.release / blob.name.partition("/")[2]).read_bytes()
        assert bytes(blob.content_settings.content_md5) == hashlib.md5(content).digest()


def test_a_large_file_is_sent_in_blocks_and_proved(
    built: Workspace, blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", blob_service.connection())
    one_request = 1 << 20  # the SDK's own limit is 64 MiB
    limits = {"max_single_put_size": one_request, "max_block_size": one_request // 2}
    with_limits = StorageConfiguration.__init__
    monkeypatch.setattr(StorageConfiguration, "__init__", lambda self, **kept: with_limits(self, **kept, **limits))
    large = with_more_procedures(built, b" " * (one_request + 1))
    container = blob_service.container()
    upload(signed(built, f"az://{container}"))
    assert blobs(blob_service, container)["OMOP/procedure_occurrence.csv"].startswith(large)
    client = blob_service.client().get_container_client(container)
    [sent] = [name for name in client.list_blob_names() if name.endswith("/procedure_occurrence.csv")]
    blocks, _ = client.get_blob_client(sent).get_block_list()
    assert sum(block.size for block in blocks) > one_request and len(blocks) == 3


def test_cut_connections_are_tried_again(
    azure: tuple[Workspace, str], blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, container = azure
    proxy = Proxy(blob_service.port, cut=6, after=1500)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", blob_service.connection(proxy.port))
    upload(workspace)
    proxy.close()
    assert proxy.broken == 6
    assert blobs(blob_service, container) == local_files(workspace)


def test_a_slow_server_is_waited_for(
    azure: tuple[Workspace, str], blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, container = azure
    proxy = Proxy(blob_service.port, delay=0.05)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", blob_service.connection(proxy.port))
    upload(workspace)
    proxy.close()
    assert blobs(blob_service, container) == local_files(workspace)


def test_a_file_that_is_wrong_at_the_destination_is_sent_again(
    azure: tuple[Workspace, str], blob_service: Azurite
) -> None:
    workspace, container = azure
    upload(workspace)
    client = blob_service.client().get_container_client(container)
    wrong = next(name for name in blob_service.blobs(container) if name.endswith(IMAGE))
    client.upload_blob(wrong, bytes((workspace.release / IMAGE).stat().st_size), overwrite=True)
    sent = upload(workspace)
    assert sent.loc[sent["state"] == "sent", "path"].tolist() == [IMAGE]
    assert blobs(blob_service, container) == local_files(workspace)


def test_an_expired_credential_stops_at_once_and_the_next_run_goes_on(
    azure: tuple[Workspace, str], blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, container = azure
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    expired = generate_account_sas(
        ACCOUNT,
        KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, list=True, create=True),
        expiry=datetime.now(UTC) - timedelta(hours=1),
    )
    endpoint = f"http://127.0.0.1:{blob_service.port}/{ACCOUNT}"
    old = f"BlobEndpoint={endpoint};SharedAccessSignature={expired}"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", old)
    with pytest.raises(WorkbenchError, match="the credential has expired") as caught:
        upload(workspace)
    assert "sig=" not in str(caught.value)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", blob_service.connection())
    upload(workspace)
    assert blobs(blob_service, container) == local_files(workspace)


def test_a_container_that_is_not_there_is_one_clear_line(
    packed: Workspace, blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", blob_service.connection())
    with pytest.raises(WorkbenchError, match="container, bucket or folder is not there"):
        upload(to(packed, "az://nosuchsite"))


def test_the_delivery_is_on_record_once_it_is_whole(azure: tuple[Workspace, str]) -> None:
    workspace, _ = azure
    upload(workspace)
    upload(workspace)
    assert len(list((workspace.local / "deliveries").glob("*.csv"))) == 1
    pack(workspace)
    assert set(workspace.read(tables.MANIFEST)["delta"]) == {"added"}


def test_the_md5_is_taken_from_what_the_other_side_keeps_or_read_back(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    md5 = hashlib.md5(b"content").hexdigest()
    system = LocalFileSystem()
    assert md5_there(system, "", {"content_settings": {"content_md5": bytes.fromhex(md5)}}) == md5
    assert md5_there(system, "", {"ETag": f'"{md5}"'}) == md5
    for several_parts in ({"ETag": f'"{md5}-3"'}, {"content_settings": {"content_md5": None}}, {}):
        assert md5_there(system, str(file), several_parts) == md5
