"""Where the release goes, through fsspec: Azure, S3, Google, SFTP or a folder; credentials from the environment."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

import fsspec
from fsspec import AbstractFileSystem

from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.parameters import PULLED, Parameters
from chorus_nb.release.faults import UploadFault, fault_met
from chorus_nb.source import is_store
from chorus_nb.source.store import SCHEMES, SILENT

Told = TypeVar("Told")
BLOCK = 1 << 20
WITHIN = 20.0  # seconds in which a destination answers, all tries of its library included
SECRET = re.compile(r"[?&](sig|token|key|secret)=|://[^/@]*:[^/@]+@", re.IGNORECASE)
DATA_LAKE = re.compile(r"abfss?://[^/@]+@([^./]+)\.(?:dfs|blob)\.")
CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
AZURE = ("az", "abfs", "abfss")
AZURE_KEYS = (CONNECTION, "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY")  # without them a login is looked for
KNOWN = "az://, abfss://, s3://, gs://, sftp:// or a folder"


class NoAnswer(TimeoutError):
    """The library tried all the time: nothing may listen, or what listens tells it to come again."""


def open_destination(parameters: Parameters) -> tuple[AbstractFileSystem, str]:
    """The file system of ``upload_url`` and the place in it, after one listing that has to come within WITHIN seconds.

    :class:`InputError` for a URL or credential that cannot be meant, :class:`WorkbenchError` where it is refused.
    """
    url = parameters.upload_url
    if not url:
        raise InputError("upload_url: is empty; the release was packed only")
    if SECRET.search(url):
        raise InputError("upload_url: holds a secret; put the credential in the environment or log in to Azure")
    scheme = url.partition("://")[0] if "://" in url else "file"
    if scheme not in (*SCHEMES, "file"):
        raise InputError(f"upload_url: {scheme} is no kind of address that is known: {KNOWN}")
    _refuse_what_cannot_be_meant(scheme, url)
    _refuse_what_is_read(parameters, scheme, url)
    try:
        return _within(WITHIN, lambda: _opened(scheme, url))
    except ImportError:
        extra = "azure" if scheme in (*AZURE, "s3") else "stores"
        raise InputError(f"upload_url: {scheme} needs more packages; pip install 'chorus-nb[{extra}]'") from None
    except Exception as error:  # each backend raises its own; their texts may quote a signed URL
        if isinstance(error, ValueError) and (fault := fault_met(error)).kind == "other":
            raise InputError("upload_url: the address is not whole") from None
        unanswered = isinstance(error, TimeoutError) and scheme in AZURE
        fault = (
            UploadFault("no_credential")
            if unanswered and not any(map(os.environ.get, AZURE_KEYS))
            else fault_met(error)
        )
        raise WorkbenchError(f"upload: the destination cannot be used: {fault}") from None


def _opened(scheme: str, url: str) -> tuple[AbstractFileSystem, str]:
    options = SCHEMES[scheme]() if scheme in SCHEMES else {}
    system, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, **options)
    root = str(root).rstrip("/")
    if scheme == "sftp":
        system.ftp.get_channel().settimeout(SILENT)
    try:
        system.ls(root, detail=False)
    except FileNotFoundError:  # the upload makes it; what must be there is the folder or container that it lies in
        system.ls(root.rpartition("/")[0] or "/" if by_folders(system) else root.partition("/")[0], detail=False)
    return system, root


def _refuse_what_cannot_be_meant(scheme: str, url: str) -> None:
    """What the environment itself tells: a token that has expired, a connection to another account."""
    if scheme not in AZURE:
        return
    connection = os.environ.get(CONNECTION, "")
    token = os.environ.get("AZURE_STORAGE_SAS_TOKEN") or connection.partition("SharedAccessSignature=")[2]
    ends = parse_qs(token.lstrip("?")).get("se", [""])[0]
    if re.match(r"\d{4}-\d\d-\d\dT", ends) and datetime.fromisoformat(ends) < datetime.now(UTC):
        raise WorkbenchError(f"upload: the destination cannot be used: {UploadFault('expired')}")
    lake = DATA_LAKE.match(url)
    account = re.search(r"AccountName=([^;]+)", connection)
    if lake and account and lake[1] != account[1]:
        raise InputError(
            f"upload_url: is in the account {lake[1]}, but {CONNECTION} leads to the account {account[1]};"
            " set the one that belongs to it"
        )


def _refuse_what_is_read(parameters: Parameters, scheme: str, url: str) -> None:
    """The source is never written to, and what lies in the workspace is not uploaded into itself."""
    if scheme == "file":
        folder = Path(url.removeprefix("file://")).expanduser().resolve()
        inside = parameters.source != PULLED and parameters.open_source().overlap(folder) == "inside"
        if folder.is_relative_to(parameters.workspace_path):
            raise InputError("upload_url: lies inside workspace; choose another folder")
    else:
        inside = is_store(parameters.source) and f"{url.rstrip('/')}/".startswith(f"{parameters.source.rstrip('/')}/")
    if inside:
        raise InputError("upload_url: lies inside source, which is never written to; choose another folder")


def _within(seconds: float, ask: Callable[[], Told]) -> Told:
    """What ``ask`` returns or raises; :class:`NoAnswer` after ``seconds``, while the library may go on trying."""
    answered: list[Told] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            answered.append(ask())
        except BaseException as error:  # handed on below
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not answered:
        raise NoAnswer
    return answered[0]


def listing(system: AbstractFileSystem, folder: str) -> dict[str, dict[str, Any]]:
    """What stands in ``folder`` there: the path below it, with what the other side tells about each file."""
    system.invalidate_cache()
    try:
        found = system.find(folder, detail=True)
    except FileNotFoundError:
        return {}
    except Exception as error:  # each backend raises its own; their texts may quote a signed URL
        raise WorkbenchError(f"upload: the destination cannot be listed: {fault_met(error)}") from None
    return {name[len(folder) :].lstrip("/"): info for name, info in found.items() if info["type"] == "file"}


def folders_in(system: AbstractFileSystem, root: str) -> list[str]:
    """The names of what stands right below ``root`` there."""
    system.invalidate_cache()
    try:
        return [str(name).rstrip("/").rpartition("/")[2] for name in system.ls(root, detail=False)]
    except FileNotFoundError:
        return []
    except Exception as error:  # each backend raises its own; their texts may quote a signed URL
        raise WorkbenchError(f"upload: the destination cannot be listed: {fault_met(error)}") from None


def send(system: AbstractFileSystem, source: str, target: str, md5: str) -> None:
    """Write one file; Azure checks every block against its MD5 and keeps that of the whole as Content-MD5."""
    if "az" in protocols(system):
        checked = {"content_settings": {"content_md5": bytearray.fromhex(md5)}, "validate_content": True}
        own_retry = {
            "retry_total": 0
        }  # the SDK would wait 15 seconds before its first one; upload() tries again sooner
        system.put_file(source, target, overwrite=True, **checked, **own_retry)
    else:
        if by_folders(system):
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
        system.put_file(source, target)


def by_folders(system: AbstractFileSystem) -> bool:
    """Files lie in folders, which have to be made first."""
    return bool({"file", "sftp"} & set(protocols(system)))


def md5_there(system: AbstractFileSystem, path: str, info: dict[str, Any]) -> str:
    """MD5 of a file at the destination: as the other side keeps it, otherwise read back and computed."""
    kept = (info.get("content_settings") or {}).get("content_md5")
    if kept:
        return bytes(kept).hex()
    if info.get("md5Hash"):  # Google
        return base64.b64decode(info["md5Hash"]).hex()
    etag = str(info.get("ETag", "")).strip('"')
    if re.fullmatch(r"[0-9a-f]{32}", etag):  # S3: a file sent in one part and not encrypted with a customer's key
        return etag
    made = hashlib.md5(usedforsecurity=False)
    with system.open(path, "rb") as file:
        while block := file.read(BLOCK):
            made.update(block)
    return made.hexdigest()


def protocols(system: AbstractFileSystem) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
