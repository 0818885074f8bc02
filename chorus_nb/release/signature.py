"""Who released these bytes, and when: a decision of a person, on record before anything is uploaded."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.by_hand import asked, name_given
from chorus_nb.decisions import DecisionLog
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.processes.queries import asking, told
from chorus_nb.release.manifest import record_delivery
from chorus_nb.seal import digest_in_order
from chorus_nb.workspace import Workspace, digest_of

SIGN_OFF_LOG = DecisionLog(tables.SIGN_OFF, column="", item=lambda row: row["release"])


def packed_digest(workspace: Workspace) -> str:
    """The digest that stands for the whole release that is packed."""
    with asking(workspace, tables.MANIFEST) as connection:
        present = "SELECT path, sha256 FROM manifest WHERE delta <> 'removed' ORDER BY path"
        return digest_in_order(told(connection, present))


def sign_off(workspace: Workspace, note: str, reviewer: str = "") -> pd.DataFrame:
    """Record that ``reviewer`` (the user of this session by default) releases what is packed now, and why.

    Without ``upload_url`` the consortium's own tool delivers it, so the next release is compared with this one.
    """
    if not note.strip():
        raise InputError("sign_off: say in a note what was looked at")
    row = {"release": packed_digest(workspace), "note": note.strip()}
    SIGN_OFF_LOG.append(workspace, reviewer.strip() or getpass.getuser(), row)
    if not workspace.parameters.upload_url:
        record_delivery(workspace)
    return SIGN_OFF_LOG.history(workspace)


def ask_to_sign(workspace: Workspace) -> pd.DataFrame:
    """:func:`sign_off` if a person gives their name and a note now; returns the sign-offs of what is packed."""
    reviewer = name_given("release exactly these bytes")
    note = asked("What was looked at: ") if reviewer else ""
    if note:
        sign_off(workspace, note, reviewer)
    return signed_off(workspace)


def signed_off(workspace: Workspace) -> pd.DataFrame:
    """The sign-offs of exactly the release that is packed now; none where nothing is."""
    recorded = SIGN_OFF_LOG.history(workspace)
    if recorded.empty or not workspace.has(tables.MANIFEST):
        return recorded.iloc[:0]
    return recorded[recorded["release"] == packed_digest(workspace)].reset_index(drop=True)


def signature_file(workspace: Workspace) -> Path | None:
    """The latest signature with the site's key (``chorus-nb sign``) over what is packed now; None if nobody signed it
    so."""
    manifest = digest_of(workspace.path(tables.MANIFEST))  # which has a digest of every file
    for path in sorted((workspace.audit / layout.SIGNATURES).glob("*.json"), reverse=True):
        try:
            if json.loads(path.read_bytes())["statement"]["manifest"] == manifest:
                return path
        except (ValueError, KeyError, TypeError):
            continue  # chorus-nb audit names it
    return None


def require_sign_off(workspace: Workspace) -> None:
    """Upload only what a person released."""
    if signed_off(workspace).empty:
        raise WorkbenchError("nobody has released these bytes yet: sign off in 06_release, then upload")
