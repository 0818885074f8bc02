"""Faults of a destination in words, with what to do; each kind of destination, killed in the middle, goes on."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from fsspec.implementations.local import LocalFileSystem

from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.parameters import Parameters
from chorus_nb.release import delivery, destination, faults, upload
from chorus_nb.release.faults import fault_met
from chorus_nb.workspace import Workspace
from tests.release.azurite_service import ACCOUNT, KEY, Gate
from tests.release.test_upload import local_files, to
from tests.serving import free_port
from tests.source.services import InAzure, InGoogle, InMoto, InRealStore, InS3, InSftp, azure, openssh

KINDS: list[type[InRealStore]] = [InAzure, InS3, InMoto, InGoogle, InSftp]
TRIED = "gave an answer that can be used within 20 seconds"
SECRETS = ("sig=", KEY, "invented-for-this-test", "open-sesame")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The services write the environment that leads to them; it is put back, and no test waits."""
    before = dict(os.environ)
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.01)
    yield
    os.environ.clear()
    os.environ.update(before)


def said(built: Workspace, url: str) -> str:
    """What an upload to ``url`` is told at once, before anything is sent."""
    with pytest.raises(WorkbenchError) as caught:
        destination.open_destination(to(built, url).parameters)
    text = str(caught.value)
    assert len(text.splitlines()) == 1 and not any(secret in text for secret in SECRETS)
    return text


def sas(hours: float = 1, **rights: bool) -> str:
    ends = datetime.now(UTC) + timedelta(hours=hours)
    kinds = ResourceTypes(service=True, container=True, object=True)
    token = generate_account_sas(ACCOUNT, KEY, kinds, AccountSasPermissions(**rights), expiry=ends)
    return f"BlobEndpoint=http://127.0.0.1:{azure().port}/{ACCOUNT};SharedAccessSignature={token}"


def forget(*names: str) -> None:
    for name in names:
        os.environ.pop(name, None)


def no_credential(kind: type[InRealStore]) -> None:
    forget("AZURE_STORAGE_CONNECTION_STRING", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SFTP_PASSWORD")
    os.environ["HOME"] = "/nowhere"


def wrong_credential(kind: type[InRealStore]) -> None:
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = azure().connection(key="d3Jvbmc=") if kind is InAzure else ""
    os.environ |= {"AWS_SECRET_ACCESS_KEY": "wrong", "SFTP_PASSWORD": "wrong"}


@pytest.mark.parametrize(
    ("kind", "spoil", "words"),
    [
        *((kind, no_credential, "there is no credential for it") for kind in (InAzure, InS3, InMoto, InSftp)),
        *(
            (kind, wrong_credential, "is refused or has expired") for kind in (InAzure, InS3, InSftp)
        ),  # moto looks at none
    ],
)
def test_a_credential_that_is_missing_or_wrong(
    built: Workspace, tmp_path: Path, kind: type[InRealStore], spoil: Callable[[type[InRealStore]], None], words: str
) -> None:
    url = kind(tmp_path).address
    spoil(kind)
    told = said(built, url)
    assert words in told and "To do: " in told


@pytest.mark.parametrize("place", ["source", "source/deep/in", "workspace", "workspace/release", "link"])
def test_nothing_is_uploaded_into_the_source_or_the_workspace(built: Workspace, tmp_path: Path, place: str) -> None:
    source = tmp_path / "pacs"
    (source / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(source)
    top, _, rest = place.partition("/")
    folder = {"source": source, "workspace": built.root, "link": tmp_path / "link"}[top] / rest
    with pytest.raises(InputError, match=f"^upload_url: lies inside {'workspace' if top == 'workspace' else 'source'}"):
        destination.open_destination(to(built, str(folder)).parameters.model_copy(update={"source": str(source)}))


def test_nothing_is_uploaded_below_a_store_that_is_the_source(built: Workspace) -> None:
    parameters = to(built, "s3://exports/pacs/release").parameters.model_copy(update={"source": "s3://exports/pacs"})
    with pytest.raises(InputError, match=r"^upload_url: lies inside source"):
        destination.open_destination(parameters)


def test_a_token_that_has_expired_is_told_from_a_wrong_one(built: Workspace, tmp_path: Path) -> None:
    url = InAzure(tmp_path).address
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = sas(-1, list=True)
    assert "the credential has expired. To do: renew it" in said(built, url)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_a_container_or_folder_that_is_not_there(
    built: Workspace, tmp_path: Path, kind: type[InRealStore] | None
) -> None:
    """Where folders are made, one is: what it lies in has to be there, or a share that is not mounted is written to."""
    url = kind(tmp_path).address if kind else str(tmp_path)
    place = url if kind in (InSftp, None) else url.partition("://")[0] + ":/"
    assert "the container, bucket or folder is not there" in said(built, f"{place}/nosuchplace/folder")
    destination.open_destination(to(built, f"{url}/new").parameters)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_listens_is_said_within_the_time(
    built: Workspace, tmp_path: Path, kind: type[InRealStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert destination.WITHIN <= 20
    monkeypatch.setattr(destination, "WITHIN", 0.3)
    url, dead = kind(tmp_path).address, free_port()
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = azure().connection(dead) if kind is InAzure else ""
    os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{dead}", "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{dead}"}
    if kind is InSftp:
        url = f"sftp://site@127.0.0.1:{dead}/x"
    silent = "nothing answers there" if kind is InSftp else f"nothing there {TRIED}"  # the others' libraries try on
    assert f"{silent}. To do: look at host, port, proxy and firewall" in said(built, url)


def test_a_credential_without_the_right_to_write(packed: Workspace, tmp_path: Path) -> None:
    workspace = to(packed, InAzure(tmp_path).address)
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = sas(list=True, read=True)
    with pytest.raises(WorkbenchError, match=r"has no right to do this.*ask for the rights to list, read and write"):
        upload(workspace)


def test_an_sftp_server_that_is_not_known(built: Workspace, tmp_path: Path) -> None:
    url = InSftp(tmp_path).address
    os.environ["SFTP_KNOWN_HOSTS"] = str(tmp_path / "none")
    assert "not among the known hosts. To do: compare its fingerprint" in said(built, url)


AZURE_SAYS = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message>{detail}</Error>"
SKEWED = "<AuthenticationErrorDetail>Request date header too old: 'open-sesame'</AuthenticationErrorDetail>"
S3_SAYS = "<Error><Code>{code}</Code><Message>key open-sesame</Message></Error>"
GOOGLE_SAYS = '{{"error": {{"code": 403, "message": "{code} open-sesame"}}}}'
NO_RIGHTS, REFUSED, EXPIRED = "has no right to do this", "is refused or has expired", "the credential has expired"
SKEW, NO_CREDENTIAL = "clock of this machine and that of the destination differ", "there is no credential for it"


@pytest.mark.parametrize(
    ("says", "status", "code", "words"),
    [
        (S3_SAYS, 403, "AccessDenied", NO_RIGHTS),
        (S3_SAYS, 403, "InvalidAccessKeyId", REFUSED),
        (S3_SAYS, 400, "ExpiredToken", EXPIRED),
        (S3_SAYS, 403, "RequestTimeTooSkewed", SKEW),
        (AZURE_SAYS, 403, "AuthorizationFailure", NO_RIGHTS),
        (AZURE_SAYS, 403, "AuthenticationFailed", SKEW),
        (AZURE_SAYS, 403, "InvalidAuthenticationInfo", REFUSED),
        (AZURE_SAYS, 401, "NoAuthenticationInformation", NO_CREDENTIAL),
        (AZURE_SAYS, 409, "ContainerBeingDeleted", "bucket or folder is not there"),
        (GOOGLE_SAYS, 403, "site does not have storage.objects.list access", NO_RIGHTS),
        (GOOGLE_SAYS, 401, "Anonymous caller does not have storage.objects.list access", NO_CREDENTIAL),
        (GOOGLE_SAYS, 400, "invalid_grant: Token has been expired or revoked", EXPIRED),
    ],
)
def test_what_servers_answer(built: Workspace, says: str, status: int, code: str, words: str) -> None:
    """No server that is to be had here answers so: the answers are made, the client is real."""
    body = says.format(code=code, detail=SKEWED if words is SKEW else "")
    kind = {GOOGLE_SAYS: "application/json"}.get(says, "application/xml")
    gate = Gate([(status, {"x-ms-error-code": code, "Content-Type": kind}, body)])
    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "open-sesame", "AWS_MAX_ATTEMPTS": "1"}
    os.environ["AWS_ENDPOINT_URL"] = os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{gate.port}"
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = azure().connection(gate.port)
    told = said(built, {S3_SAYS: "s3://site", AZURE_SAYS: "az://site", GOOGLE_SAYS: "gs://site"}[says])
    gate.close()
    assert words in told


def test_one_that_is_busy_from_the_start_is_not_said_to_be_silent(
    built: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destination, "WITHIN", 0.3)
    gate = Gate([(503, {"x-ms-error-code": "ServerBusy"}, "")])
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = azure().connection(gate.port)
    told = said(built, "az://site")
    gate.close()
    assert TRIED in told and "it may also ask to wait" in told


def test_a_part_that_arrived_over_sftp_is_told_with_its_likely_reason() -> None:
    """As paramiko says it of an OpenSSH server whose disk is full (a tmpfs of 256 KB, tried 2026-11-27)."""
    assert fault_met(OSError("size mismatch in put!  262144 != 1265648")).kind == "cut_short"


def test_a_destination_that_asks_to_wait_is_waited_for(packed: Workspace, tmp_path: Path) -> None:
    kind = InAzure(tmp_path)
    workspace = to(packed, kind.address)
    busy = (503, {"Retry-After": "1", "x-ms-error-code": "ServerBusy"}, "")
    gate = Gate([busy, (429, {"Retry-After": "1"}, "")], azure().port)
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = azure().connection(gate.port)
    naps: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery.time, "sleep", naps.append)
        sent = upload(workspace)
    gate.close()
    assert naps == [1.0, 1.0] and not gate.waiting
    assert set(sent["state"]) == {"sent"}


def test_one_that_asks_to_wait_for_ever_is_given_up_with_what_to_do(
    packed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = to(packed, InAzure(tmp_path).address)
    gate = Gate([(503, {"x-ms-error-code": "ServerBusy"}, "")] * 1000, azure().port)
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = azure().connection(gate.port)
    with pytest.raises(WorkbenchError, match=r"asks to wait .*\(it answered 503\)\. To do: run again later"):
        upload(workspace)
    gate.close()


@pytest.mark.parametrize("where", ["file", "sftp"])
def test_a_full_disk_there(packed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    url = InSftp(tmp_path).address if where == "sftp" else str(tmp_path / "there")
    workspace = to(packed, url)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device: /secret")

    if where == "sftp":
        from fsspec.implementations.sftp import SFTPFileSystem

        monkeypatch.setattr(SFTPFileSystem, "put_file", full)
    else:
        monkeypatch.setattr(LocalFileSystem, "put_file", full)
    with pytest.raises(WorkbenchError, match=r"the disk or the quota at the destination is full\. To do: make room"):
        upload(workspace)


def test_an_openssh_server_says_the_same(packed: Workspace, tmp_path: Path) -> None:
    root, port = openssh()
    url = f"sftp://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}"
    os.environ |= {"SFTP_KEY_FILE": str(root / "user"), "SFTP_KNOWN_HOSTS": str(root / "known")}
    with pytest.raises(WorkbenchError, match=NO_RIGHTS):
        upload(to(packed, f"{url}/new"))
    assert "folder is not there" in said(packed, f"{url}/no/such")
    os.environ["SFTP_KEY_FILE"] = str(root / "other")
    assert REFUSED in said(packed, url)
    forget("SFTP_KEY_FILE", "SSH_AUTH_SOCK")
    assert NO_CREDENTIAL in said(packed, url)
    os.environ |= {"SFTP_KEY_FILE": str(root / "user"), "SFTP_KNOWN_HOSTS": str(root / "none")}
    assert "not among the known hosts" in said(packed, url)


def test_every_kind_of_fault_is_known_by_something_and_has_words() -> None:
    kinds = {row["kind"] for row in faults._table("upload_faults")}
    assert kinds | {"other"} == faults._kinds().keys()
    assert fault_met(RuntimeError("of nobody's list")).kind == "other"


@pytest.mark.parametrize(
    ("url", "missing", "extra"),
    [
        ("gs://site", "gcsfs", "stores"),
        ("sftp://site@host/x", "paramiko", "stores"),
        ("az://site", "adlfs", "azure"),
        ("abfss://site@account.dfs.core.windows.net", "adlfs", "azure"),
        ("s3://site", "s3fs", "azure"),
    ],
)
def test_a_scheme_whose_packages_are_missing_names_the_extra_that_has_them(
    built: Workspace, monkeypatch: pytest.MonkeyPatch, url: str, missing: str, extra: str
) -> None:
    known = sys.modules["fsspec.registry"]._registry
    for name in [name for name in sys.modules if name == missing or name.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "chorus_nb.source.sftp", raising=False)
    monkeypatch.delitem(known, url.partition("://")[0], raising=False)
    os.environ["AZURE_STORAGE_CONNECTION_STRING"] = ""
    assert f"pip install 'chorus-nb[{extra}]'" in said(built, url)


@pytest.mark.parametrize("url", ["https://account.blob.core.windows.net/site", "ftp://host/x"])
def test_a_kind_of_address_that_is_not_known_names_those_that_are(built: Workspace, url: str) -> None:
    with pytest.raises(InputError, match="az://, abfss://, s3://, gs://, sftp:// or a folder"):
        destination.open_destination(to(built, url).parameters)


def test_a_data_lake_path_names_container_and_account(packed: Workspace, tmp_path: Path) -> None:
    kind = InAzure(tmp_path)
    upload(to(packed, f"abfss://{kind.name}@{ACCOUNT}.dfs.core.windows.net/imaging"))
    assert {name.split("/", 2)[2] for name in kind.client.list_blob_names()} == set(local_files(packed))
    with pytest.raises(InputError, match=f"in the account other, but .* leads to the account {ACCOUNT}"):
        destination.open_destination(to(packed, f"abfss://{kind.name}@other.dfs.core.windows.net").parameters)


# --- killed in the middle ---------------------------------------------------------------------------------------------


SERVER = multiprocessing.get_context("forkserver")  # imports once; what is forked from it has no threads
SERVER.set_forkserver_preload([__name__])


def upload_until_killed(given: str, environment: dict[str, str]) -> None:
    """With five files sent and the sixth under way."""
    os.environ.update(environment)
    whole, begun = delivery.send, list[str]()

    def send(system: Any, source: str, target: str, md5: str) -> None:
        begun.append(target)
        if len(begun) > 5:
            os.kill(os.getpid(), signal.SIGKILL)
        whole(system, source, target, md5)

    delivery.send, delivery.AT_ONCE = send, 1
    upload(Workspace(Parameters.model_validate_json(given)))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_killed_in_the_middle_it_sends_only_what_is_missing(
    packed: Workspace, tmp_path: Path, kind: type[InRealStore] | None
) -> None:
    workspace = to(packed, kind(tmp_path).address if kind else str(tmp_path / "there"))
    given = workspace.parameters.model_dump_json(exclude_unset=True)
    process = SERVER.Process(target=upload_until_killed, args=(given, dict(os.environ)))
    process.start()
    process.join(120)
    ended = process.exitcode
    process.kill()  # one that hangs
    assert ended == -signal.SIGKILL
    again = upload(workspace)
    assert (again["state"] == "was there").sum() == 5
    assert set(upload(workspace)["state"]) == {"was there"}
