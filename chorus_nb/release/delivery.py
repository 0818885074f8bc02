"""Upload what changed since the last delivery: in parallel, retried, resumable, proved by MD5 at the destination."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from fsspec import AbstractFileSystem

from chorus_nb import layout, tables
from chorus_nb.by_hand import repeated
from chorus_nb.errors import WorkbenchError
from chorus_nb.processes import Progress
from chorus_nb.processes.queries import asking
from chorus_nb.release.destination import folders_in, listing, md5_there, open_destination, protocols, send
from chorus_nb.release.faults import fault_met
from chorus_nb.release.manifest import record_delivery
from chorus_nb.release.obeyed import require_obeyed
from chorus_nb.release.signature import packed_digest, require_sign_off, signature_file
from chorus_nb.workspace import Workspace, write_atomically

UPLOAD_VARIABLE = "CHORUS_NB_UPLOAD"  # how `run --upload TOKEN` reaches the notebook
AT_ONCE = 8  # files under way; a file up to 64 MB is held in memory while it is sent
TRIES = 6  # for each file
DATED = "%Y%m%d%H%M%S"  # UTC
FIRST_PAUSE = 0.5  # seconds before the second try; doubled before each further one: 15 until the last


def plan_upload(workspace: Workspace) -> pd.DataFrame:
    """A dry run: ``path, size, md5, delta`` of what would go; signature (where there is one) and manifest last.

    Asks nothing of the destination.
    """
    with asking(workspace, tables.MANIFEST) as connection:
        asked = "SELECT path, size, md5, delta FROM manifest WHERE delta IN ('added', 'modified') ORDER BY path"
        changed = tables.to_compact(connection.sql(asked).to_arrow_table())
    last = [(layout.SIGNATURE_FILE, "signature")] if signature_file(workspace) else []
    rows = []
    for path, what in (*last, (layout.MANIFEST_FILE, "manifest")):
        source = _source(workspace, path)
        rows.append({"path": path, "size": source.stat().st_size, "md5": _md5_of(source), "delta": what})
    return pd.concat([changed, pd.DataFrame(rows)], ignore_index=True)


def _source(workspace: Workspace, path: str) -> Path:
    """Where a file of a delivery stands here."""
    signed = signature_file(workspace) if path == layout.SIGNATURE_FILE else None
    return signed or workspace.release / path


def upload(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """Send what :func:`plan_upload` lists to a dated folder (``YYYYMMDDhhmmss``, UTC) below ``upload_url``.

    Returns the plan with ``state``: ``sent`` or ``was there``. Stopped at any moment, the next call goes on in the same
    folder with what is missing or wrong there. The manifest goes last: where it stands, the delivery is whole.
    :class:`WorkbenchError` without a sign-off or when the destination refuses, :class:`InputError` for an unusable URL.
    """
    require_sign_off(workspace)
    require_obeyed(workspace)
    system, root = open_destination(workspace.parameters)
    folder = f"{root}/{_dated_folder(workspace, folders_in(system, root))}"
    plan = plan_upload(workspace)
    there = _right_ones(system, folder, plan)
    plan["state"] = plan["path"].isin(there).map({True: "was there", False: "sent"})
    files, manifest = plan.iloc[:-1], plan.iloc[-1:]
    for part in (files, manifest):
        _send_all(workspace, system, folder, part[part["state"] == "sent"], len(plan), progress)
    missing = set(plan["path"]) - _right_ones(system, folder, plan)
    if missing:
        raise WorkbenchError(*(f"upload: {path} is not as it was sent" for path in sorted(missing)[:20]))
    record_delivery(workspace)
    return plan


def upload_token(workspace: Workspace) -> str:
    """What a person repeats to send exactly these bytes to this destination; of others it is another."""
    told = f"{packed_digest(workspace)} {workspace.parameters.upload_url}"
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def ask_to_upload(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame | None:
    """:func:`upload` if a person repeats :func:`upload_token` now, or gave it with ``chorus-nb run --upload TOKEN``.

    None where nothing was sent; :class:`WorkbenchError` if the token given is that of other bytes or another place.
    """
    token = upload_token(workspace)
    if token_given() not in ("", token):
        raise WorkbenchError(
            "upload: nothing was sent, for the token given is not that of these bytes and this destination. To do: sign"
            " what is packed now if nobody did, then give the token that 06's report shows"
        )
    if token_given() or repeated(token, "upload exactly these bytes"):
        return upload(workspace, progress)
    return None


def token_given() -> str:
    """What ``chorus-nb run --upload TOKEN`` was told, "" without it."""
    return os.environ.get(UPLOAD_VARIABLE, "")


def _dated_folder(workspace: Workspace, there: Collection[str]) -> str:
    """The folder of this delivery: the one begun for exactly these bytes and this destination, otherwise a new one.

    Who receives deliveries takes them in the order of their names: a new one comes after all that are ``there``, also
    where a clock was set back, and is nobody else's.
    """
    path = workspace.local / "upload.json"
    wanted = {
        "release": packed_digest(workspace),
        "destination": workspace.parameters.upload_url,
    }
    begun = json.loads(path.read_text()) if path.is_file() else {}
    if {name: begun.get(name) for name in wanted} != wanted:
        begun = {**wanted, "folder": _name_after([*there, begun.get("folder", "")])}
        write_atomically(path, json.dumps(begun).encode())
    return str(begun["folder"])


def _name_after(others: Collection[str]) -> str:
    moments = [datetime.now(UTC).replace(tzinfo=None)]
    for name in filter(re.compile(r"\d{14}").fullmatch, others):
        with contextlib.suppress(ValueError, OverflowError):  # no such day
            moments.append(datetime.strptime(name, DATED) + timedelta(seconds=1))
    return max(moments).strftime(DATED)


def _right_ones(system: AbstractFileSystem, folder: str, plan: pd.DataFrame) -> set[str]:
    """The files of the plan that stand there with the right size and MD5."""
    found = listing(system, folder)
    return {
        row.path
        for row in plan.itertuples()
        if row.path in found
        and found[row.path]["size"] == row.size
        and md5_there(system, f"{folder}/{row.path}", found[row.path]) == row.md5
    }


def _send_all(
    workspace: Workspace,
    system: AbstractFileSystem,
    folder: str,
    files: pd.DataFrame,
    total: int,
    progress: Progress | None,
) -> None:
    done = total - len(files)
    with ThreadPoolExecutor(1 if "sftp" in protocols(system) else AT_ONCE) as pool:  # one connection, one at a time
        running = [
            pool.submit(_send_one, workspace, system, f"{folder}/{row.path}", row.path, row.md5)
            for row in files.itertuples()
        ]
        try:
            for future in as_completed(running):
                future.result()
                done += 1
                if progress:
                    progress(done, total, "uploading")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # also on Ctrl-C: what is under way ends, nothing more begins
            raise


def _send_one(workspace: Workspace, system: AbstractFileSystem, target: str, path: str, md5: str) -> None:
    source = _source(workspace, path)
    if not source.is_file() or _md5_of(source) != md5:
        raise WorkbenchError(f"upload: {path} changed since it was packed; run 06_release again")
    for attempt in range(TRIES):
        try:
            send(system, str(source), target, md5)
            return
        except Exception as error:  # each backend raises its own
            fault = fault_met(error)
            if not fault.may_pass or attempt == TRIES - 1:
                raise WorkbenchError(f"upload: {path}: {fault}") from None
        time.sleep(max(fault.wait, FIRST_PAUSE * 2**attempt * random.uniform(0.7, 1.3)))  # as told, or longer


def _md5_of(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
