"""Where the release goes, through fsspec: Azure Blob, S3 or a folder; credentials come from environment or login."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import fsspec
from fsspec import AbstractFileSystem

from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.parameters import Parameters

BLOCK = 1 << 20
AZURE = {"connection_timeout": 20, "read_timeout": 60}  # seconds; the SDK's own minutes hide a dead connection
OPTIONS: dict[str, dict[str, Any]] = dict.fromkeys(("az", "abfs", "abfss"), AZURE)
SECRET = re.compile(r"[?&](sig|token|key|secret)=|://[^/@]*:[^/@]+@", re.IGNORECASE)


def open_destination(parameters: Parameters) -> tuple[AbstractFileSystem, str]:
    """The file system of ``upload_url`` and the place in it. Asks nothing of the other side yet."""
    url = parameters.upload_url
    if not url:
        raise InputError("upload_url: is empty; the release was packed only")
    if SECRET.search(url):
        raise InputError("upload_url: holds a secret; put the credential in the environment or log in to Azure")
    protocol = url.partition("://")[0] if "://" in url else "file"
    try:
        system, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, **OPTIONS.get(protocol, {}))
    except ImportError:
        raise InputError(f"upload_url: {protocol} needs more packages; pip install 'chorus-nb[azure]'") from None
    except ValueError:
        raise InputError(
            f"upload_url: {protocol} is no kind of address that is known, or the address is not whole"
        ) from None
    return system, root.rstrip("/")


def listing(system: AbstractFileSystem, folder: str) -> dict[str, dict[str, Any]]:
    """What stands in ``folder`` there: the path below it, with what the other side tells about each file."""
    system.invalidate_cache()
    try:
        found = system.find(folder, detail=True)
    except FileNotFoundError:
        return {}
    except Exception as error:  # each backend raises its own; their texts may quote a signed URL
        raise WorkbenchError(f"upload: the destination cannot be listed: {fault_in_words(error)}") from None
    return {name[len(folder) :].lstrip("/"): info for name, info in found.items() if info["type"] == "file"}


def send(system: AbstractFileSystem, source: str, target: str, md5: str) -> None:
    """Write one file; Azure checks every block against its MD5 and keeps that of the whole as Content-MD5."""
    if "az" in _protocols(system):
        checked = {"content_settings": {"content_md5": bytearray.fromhex(md5)}, "validate_content": True}
        own_retry = {
            "retry_total": 0
        }  # the SDK would wait 15 seconds before its first one; upload() tries again sooner
        system.put_file(source, target, overwrite=True, **checked, **own_retry)
    else:
        if "file" in _protocols(system):
            system.makedirs(target.rpartition("/")[0], exist_ok=True)
        system.put_file(source, target)


def md5_there(system: AbstractFileSystem, path: str, info: dict[str, Any]) -> str:
    """MD5 of a file at the destination: as the other side keeps it, otherwise read back and computed."""
    kept = (info.get("content_settings") or {}).get("content_md5")
    if kept:
        return bytes(kept).hex()
    etag = str(info.get("ETag", "")).strip('"')
    if re.fullmatch(r"[0-9a-f]{32}", etag):  # S3: a file sent in one part and not encrypted with a customer's key
        return etag
    made = hashlib.md5(usedforsecurity=False)
    with system.open(path, "rb") as file:
        while block := file.read(BLOCK):
            made.update(block)
    return made.hexdigest()


def is_refused(error: Exception) -> bool:
    """Trying again does not help: the credential is wrong or expired, or the container is not there."""
    return isinstance(error, PermissionError | FileNotFoundError) or getattr(error, "status_code", 0) in (401, 403, 404)


def fault_in_words(error: Exception) -> str:
    """The kind of fault without the text of the exception, which may quote a signed URL."""
    status = getattr(error, "status_code", None)
    if isinstance(error, PermissionError) or status in (401, 403):
        return "the credential is refused or has expired; renew it and run again, the upload goes on where it stopped"
    if isinstance(error, FileNotFoundError) or status == 404:
        return "the container or folder is not there"
    return f"it answered {status}" if status else "it cannot be reached"


def _protocols(system: AbstractFileSystem) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
