"""``chorus-nb rotate-key``: another site key, on purpose; the old one is kept, and so is what each UID was before."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pandas as pd

from chorus_nb import tables
from chorus_nb.by_hand import person_name
from chorus_nb.deid.uids import UidMap
from chorus_nb.errors import InputError
from chorus_nb.workbench import audit
from chorus_nb.workspace import RETIRED_KEYS, Workspace, fingerprint_of_key, write_atomically

UID_COLUMNS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
UID_MAP = "uid_map.csv"  # below local/


def rotate_key(workspace: Workspace, *, by: str, note: str) -> int:
    """Make another key. Returns how many UIDs change; ``local/uid_map.csv`` has the old and the new one of each.

    A key that is lost for good is replaced too, without a map. 03 to 06 make everything anew after it.
    """
    if not note.strip():
        raise InputError("rotate-key: say why")
    person, path = person_name(by), workspace.key_path
    audit.refuse_identifying(workspace, {"--by": person, "--note": note})
    old = workspace.key() if path.exists() else None
    new = secrets.token_bytes(32)
    changed = 0
    if old:
        retired = workspace.local / RETIRED_KEYS
        retired.mkdir(mode=0o700, exist_ok=True)
        _write_key(retired / f"{len([*retired.glob('*.key')]) + 1:06d}.key", old)
        changed = _write_map(workspace, old, new)
    workspace.remember_key(*filter(None, (old, new)))  # killed here, either is the right one
    temporary = path.with_name(f".{path.name}.new")
    _write_key(temporary, new)
    temporary.replace(path)
    workspace.remember_key()
    event = {"event": "rotate-key", "by": person, "note": note, "key": fingerprint_of_key(new)}
    audit.append_line(workspace, event | {"before": fingerprint_of_key(old) if old else "lost"})
    return changed


def _write_key(path: Path, key: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _write_map(workspace: Workspace, old: bytes, new: bytes) -> int:
    parameters, catalog = workspace.parameters, workspace.read_or_empty(tables.CATALOG)
    before, after = (UidMap(parameters.uid_method, parameters.resolved_uid_root, key) for key in (old, new))
    uids = sorted({uid.strip(" \0") for name in UID_COLUMNS for uid in catalog[name].unique()} - {""})
    rows = pd.DataFrame(
        {"old": [before.replace(uid, True) for uid in uids], "new": [after.replace(uid, True) for uid in uids]}
    )
    rows = rows[rows.old != rows.new]
    write_atomically(workspace.local / UID_MAP, tables.csv_bytes(rows))
    return len(rows)
