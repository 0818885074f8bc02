"""A named person signs a release: Ed25519 (RFC 8032) with the site's key, over the whole tree and the audit log's head.

``audit/signatures/000001.json`` and on: a statement and its signature. Each names the one before it, and the log names
each, so that anyone with the public key tells a changed byte, another key, a cut log and an older release put back.
Only where log, signatures and release are all put back together does nothing here tell: note the number elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chorus_nb import layout, tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.release import sign_off
from chorus_nb.seal import digest_in_order, require_seal
from chorus_nb.verify import search_contents
from chorus_nb.workbench import audit
from chorus_nb.workspace import Workspace, digest_of, write_atomically, write_if_changed

PRIVATE_KEY = "signing.key"  # below local/
EVENT = "signature"
LONGEST_NAME = 200


def sign_release(workspace: Workspace, by: str, note: str) -> Path:
    """Sign what is packed in the name of ``by``, and record it as signed off; returns the file of the signature.

    :class:`WorkbenchError` where log, tables, release and seal are not as they were recorded: nothing is signed then.
    """
    name = " ".join(by.split())
    if len([letter for letter in name if letter.isalpha()]) < 2 or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError("--by: must be the name of the person who signs")
    if findings := audit.verify_chain(workspace):
        raise WorkbenchError("not signed:", *findings)
    require_seal(workspace)
    if search_contents(workspace, {layout.SIGNATURE_FILE: json.dumps({"by": name}).encode()}):
        raise InputError(
            "--by: the name identifies a patient too, and no later release could be packed beside a log that says it."
            " Nothing was signed. To do: sign as the office, such as 'Privacy officer, M. L.'"
        )
    key = _site_key(workspace)
    earlier = sorted(_folder(workspace).glob("*.json"))
    number = 1 + max([*map(_number, earlier), *(int(line["number"]) for line in _events(workspace))], default=0)
    statement = {
        "what": "a CHoRUS imaging release",
        "number": number,
        "previous": digest_of(earlier[-1]) if earlier else "",
        "site": workspace.parameters.site,
        "by": name,
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "key": fingerprint(key.public_key()),
        "log_lines": len(_log(workspace)),
        "log_head": audit.chain_head(workspace),
        **_release(workspace),
    }
    signed = {"statement": statement, "signature": key.sign(_bytes(statement)).hex()}
    path = _folder(workspace) / f"{number:06d}.json"
    sign_off(workspace, note, name)
    write_atomically(path, (json.dumps(signed, indent=1) + "\n").encode())
    audit.append_line(workspace, {"event": EVENT, "number": number, "by": name, "signature": digest_of(path)})
    return path


def signature_faults(workspace: Workspace, public: Path, number: int = 0) -> list[str]:
    """What is wrong with the signatures of a workspace by the key in the file ``public``; nothing if all is as signed.

    ``number``: of the signature that the reader was told of; an older one is a fault.
    """
    key = _public_key(public)
    paths = sorted(_folder(workspace).glob("*.json"))
    if not paths:
        return [f"audit/{layout.SIGNATURES}: nobody signed this release"]
    faults: list[str] = []
    statements: dict[int, dict[str, Any]] = {}
    before = ""
    for path in paths:
        name = f"audit/{layout.SIGNATURES}/{path.name}"
        statement, why = _verified(path, key)
        if why:
            faults.append(f"{name}: {why}")
        elif statement["number"] != _number(path) or statement["previous"] != before:
            faults.append(f"{name}: does not follow the signature before it; one was removed or put in its place")
        else:
            statements[_number(path)] = statement
            faults += [f"{name}: {fault}" for fault in _log_faults(workspace, statement)]
        before = digest_of(path)
    faults += _against_log(workspace, paths, number)
    if latest := statements.get(_number(paths[-1])):
        faults += _release_faults(workspace, latest, statements)
    return faults


def delivery_faults(folder: Path, public: Path) -> list[str]:
    """What is wrong with a delivery as it arrived, by the signature in it; nothing if all of it is as signed.

    What earlier deliveries brought is not in it and not looked at.
    """
    path = folder / layout.SIGNATURE_FILE
    key = _public_key(public)
    if not path.is_file():
        return [f"{layout.SIGNATURE_FILE}: is not here; nobody signed what was delivered"]
    statement, why = _verified(path, key)
    if why:
        return [f"{layout.SIGNATURE_FILE}: {why}"]
    if _digest(folder / layout.MANIFEST_FILE) != statement["manifest"]:
        return [f"{layout.MANIFEST_FILE}: is not the one that was signed"]
    manifest = tables.read(tables.MANIFEST, folder / layout.MANIFEST_FILE)
    sent = manifest[manifest["delta"].isin(["added", "modified"])]
    signed = dict(zip(sent["path"], sent["sha256"], strict=True))
    there = set(layout.files_below(folder)) - {layout.SIGNATURE_FILE, layout.MANIFEST_FILE}
    return [
        *(f"{name}: is not here" for name in sorted(signed.keys() - there)),
        *(f"{name}: is not in what was signed" for name in sorted(there - signed.keys())),
        *(f"{name}: is an empty folder, which was not signed" for name in layout.empty_folders(folder)),
        *(
            f"{name}: changed since it was signed"
            for name in sorted(there & signed.keys())
            if _sha256(folder / name) != signed[name]
        ),
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(key: Ed25519PublicKey) -> str:
    """What names a public key: BLAKE3 of its 32 bytes, 32 hexadecimal digits."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return blake3(raw).hexdigest(length=16)


# --- keys -------------------------------------------------------------------------------------------------------------


def _site_key(workspace: Workspace) -> Ed25519PrivateKey:
    """The site's signing key, made once for its owner only; its public half stands below ``audit/``."""
    path = workspace.local / PRIVATE_KEY
    if not path.exists():
        made = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(made)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise InputError(f"local/{PRIVATE_KEY}: others can read it; run: chmod 600 on it")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        raise InputError(f"local/{PRIVATE_KEY}: is no Ed25519 key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"local/{PRIVATE_KEY}: is no Ed25519 key")
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_if_changed(workspace.audit / layout.PUBLIC_KEY, public)
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise InputError(f"--public: cannot be read ({error.strerror}): {path}") from None
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"--public: is no public Ed25519 key: {path}")
    return key


# --- what is signed ---------------------------------------------------------------------------------------------------


def _release(workspace: Workspace) -> dict[str, str]:
    """What stands in ``release/``, by digests: of all of it, of its manifest and of its certificate."""
    paths = layout.files_below(workspace.release)
    return {
        "release": digest_in_order((path, digest_of(workspace.release / path)) for path in paths),
        "manifest": digest_of(workspace.path(tables.MANIFEST)) if workspace.has(tables.MANIFEST) else "",
        "certificate": _digest(workspace.release / f"{layout.CERTIFICATE}.json"),
    }


def _digest(path: Path) -> str:
    return digest_of(path) if path.is_file() else ""


def _bytes(statement: Mapping[str, Any]) -> bytes:
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode("ascii")


def _folder(workspace: Workspace) -> Path:
    return workspace.audit / layout.SIGNATURES


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isdecimal() else 0


def _log(workspace: Workspace) -> list[bytes]:
    path = audit.path(workspace)
    return path.read_bytes().splitlines() if path.is_file() else []


def _events(workspace: Workspace) -> list[dict[str, Any]]:
    return [line for line in audit.read_log(workspace) if line.get("event") == EVENT]


# --- what is found ----------------------------------------------------------------------------------------------------


def _verified(path: Path, key: Ed25519PublicKey) -> tuple[dict[str, Any], str]:
    """The statement of a signature, and why it does not count."""
    try:
        signed = json.loads(path.read_bytes())
        statement, signature = dict(signed["statement"]), bytes.fromhex(signed["signature"])
        named = {name: statement[name] for name in ("number", "previous", "log_lines", "log_head", "release")}
    except (ValueError, KeyError, TypeError):
        return {}, "cannot be read; it was changed since it was signed"
    if statement.get("key") != fingerprint(key):
        return {}, f"was signed with another key ({str(statement.get('key'))[:32]}, not {fingerprint(key)})"
    try:
        key.verify(signature, _bytes(statement))
    except InvalidSignature:
        return {}, "was changed since it was signed, or signed by someone who has not this key"
    return statement | named, ""


def _log_faults(workspace: Workspace, statement: Mapping[str, Any]) -> Iterator[str]:
    lines, signed = _log(workspace), int(statement["log_lines"])
    if len(lines) < signed:
        yield f"the audit log was cut: {signed:,} lines of it were signed, {len(lines):,} are there"
    elif signed and blake3(lines[signed - 1]).hexdigest() != statement["log_head"]:
        yield f"audit.jsonl, line {signed}: is not the line that was signed; the log was changed or is another"


def _against_log(workspace: Workspace, paths: list[Path], number: int) -> Iterator[str]:
    """Signatures that the log names and that are gone or others; the latest one, which the log must name."""
    digests = {_number(path): digest_of(path) for path in paths}
    said = {int(line["number"]): line["signature"] for line in _events(workspace)}
    for one, digest in said.items():
        if one not in digests:
            yield f"audit/{layout.SIGNATURES}/{one:06d}.json: is gone, and the audit log says that it was signed"
        elif digests[one] != digest:
            yield f"audit/{layout.SIGNATURES}/{one:06d}.json: is not the signature that the audit log names"
    latest = max(digests)
    if latest not in said:
        yield f"audit.jsonl: does not name signature {latest}; it was cut after it, or signing was stopped: sign again"
    if latest < number:
        yield f"the latest signature is number {latest}, an older one than {number}: what stands here was put back"


def _release_faults(
    workspace: Workspace, latest: Mapping[str, Any], statements: Mapping[int, Mapping[str, Any]]
) -> Iterator[str]:
    """The release against its latest signature; a certificate that was signed earlier is named as such."""
    found = _release(workspace)
    if found["certificate"] != latest["certificate"]:
        older = [number for number, one in statements.items() if one["certificate"] == found["certificate"]]
        how = f"is the one of signature {older[-1]}, put back" if older else "is not the one that was signed"
        yield f"release/{layout.CERTIFICATE}.json: {how}; signature {latest['number']} is for another"
    if found["manifest"] != latest["manifest"]:
        yield f"release/{layout.MANIFEST_FILE}: is not the one that was signed"
    if found["release"] != latest["release"]:
        yield f"release: its files are not those of signature {latest['number']}"
