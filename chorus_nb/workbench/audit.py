"""The audit log: a line for each notebook run and each report, chained by hash, and the check of all of it.

``audit/audit.jsonl`` holds one JSON object a line. ``previous`` is the BLAKE3 of the line before it, so no line can be
changed, removed or put in between without breaking the chain. The chain cannot prove that its last lines were not cut
off: note the head that ``chorus-nb audit`` prints somewhere else, such as in the submission note.
"""

from __future__ import annotations

import getpass
import hashlib
import html
import json
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import blake3
from filelock import FileLock

from chorus_nb import __version__, layout, tables
from chorus_nb.errors import InputError
from chorus_nb.leaks.files import search_pages
from chorus_nb.workspace import Workspace, digest_of

HALF_LINE = "after_half_a_line"  # a run was killed, or the disk full, amid the line before: it says nothing
CUT_OFF = "the end of the log was cut off, or a run was stopped"
VERSIONED = ("pydicom", "numpy", "pandas", "pyarrow", "duckdb", "imagecodecs", "simpleitk", "rapidocr", "papermill")


def path(workspace: Workspace) -> Path:
    """Where the log is kept."""
    return workspace.audit / layout.AUDIT_LOG


def place(workspace: Workspace, file: Path) -> str:
    """``file`` as named in the log: relative to the workspace, or its bare name when it lies elsewhere."""
    return file.relative_to(workspace.root).as_posix() if file.is_relative_to(workspace.root) else file.name


def versions() -> dict[str, str]:
    """Versions of the workbench, of Python and of the libraries that touch the data."""
    found = {"chorus-nb": __version__, "python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def append_line(workspace: Workspace, event: dict[str, Any]) -> None:
    """Append ``event`` with time, user and the hash of the line before it; durable when this returns."""
    log_path = path(workspace)
    with FileLock(workspace.local / f".{log_path.name}.lock"), open(log_path, "ab+") as log:
        log.seek(0)
        content = log.read()
        torn = b"" if not content or content.endswith(b"\n") else b"\n"  # a killed run left half a line
        lines = content.splitlines()
        line = {
            "time": datetime.now().astimezone().isoformat(timespec="seconds"),
            "user": getpass.getuser(),
            **event,
            **({HALF_LINE: True} if torn else {}),
            "previous": _line_hash(lines[-1]) if lines else "",
        }
        log.write(torn + json.dumps(line, ensure_ascii=True).encode("ascii") + b"\n")
        log.flush()
        os.fsync(log.fileno())


def refuse_identifying(workspace: Workspace, said: Mapping[str, object]) -> None:
    """:class:`InputError` where the log would say an identifier or the name of a patient; ``said``: name to value.

    No line of the log is ever changed, so no later release could be packed beside it. Plain numbers are nobody's there.
    """
    lines = [line["parameters"] for line in read_log(workspace) if isinstance(line.get("parameters"), dict)]
    known = {(name, str(value)) for given in lines for name, value in given.items()}
    new = dict({(name, str(value)) for name, value in said.items() if isinstance(value, str | list)} - known)
    if new and (found := search_pages(workspace, {name: html.escape(value) for name, value in new.items()})[1]):
        raise InputError(
            f"{', '.join(found)}: a name or an identifier of a patient is in it, and the audit log, which leaves the"
            " site and is never rewritten, would say it. To do: say it without; rename a folder that is called so"
        )


def read_log(workspace: Workspace) -> list[dict[str, Any]]:
    """The lines of the log that can be read, oldest first."""
    return [line for line, _ in _log_lines(workspace) if line]


def recorded_digests(workspace: Workspace) -> dict[str, str]:
    """BLAKE3 of each table as what wrote it last recorded it, by its place; of none that was taken out since."""
    found: dict[str, str] = {}
    for line in read_log(workspace):
        found |= line.get("outputs", {})
        for place in line.get("removed", ()):
            found.pop(place, None)
    return found


def recorded_reports(workspace: Workspace) -> dict[str, str]:
    """The same of reports."""
    found: dict[str, str] = {}
    for line in read_log(workspace):
        if line.get("event") == "report":
            found[line["report"]] = line["digest"]
        for place in line.get("removed", ()):
            found.pop(place, None)
    return found


def changed_reports(workspace: Workspace) -> dict[str, str]:
    """Reports that are not as they were recorded, by their place, and what is wrong with them."""
    recorded = recorded_reports(workspace)
    there = {place(workspace, file) for file in workspace.reports_audit.glob("*.html") if file.stem != "index"}
    found = dict.fromkeys(sorted(there - recorded.keys()), f"no line of the log tells of it; {CUT_OFF}")
    for report, digest in recorded.items():
        file = workspace.root / report
        if _is_elsewhere(workspace, report):
            continue
        if not file.is_file():
            found[report] = "the report is gone"
        elif _line_hash(file.read_bytes()) != digest:
            found[report] = "the report is not the one that was recorded"
    return found


def chain_head(workspace: Workspace) -> str:
    """The hash of the last line: it stands for the whole log."""
    lines = path(workspace).read_bytes().splitlines() if path(workspace).is_file() else []
    return _line_hash(lines[-1]) if lines else ""


def unlinked_lines(workspace: Workspace) -> list[str]:
    """Where the log is no chain. Half a line is no break where it is the last, or known to who wrote the next."""
    previous, half, faults = "", "", list[str]()
    for number, (line, raw) in enumerate(_log_lines(workspace), start=1):
        if half and not line.get(HALF_LINE):
            faults.append(half)
        half = "" if line else f"{layout.AUDIT_LOG}, line {number}: cannot be read; it was changed"
        if line and line.get("previous") != previous:
            faults.append(
                f"{layout.AUDIT_LOG}, line {number}: does not follow the line before; one was changed or removed"
            )
        previous = _line_hash(raw)
    return [*faults, half] if half and path(workspace).read_bytes().endswith(b"\n") else faults


def _half_line(workspace: Workspace) -> list[str]:
    content = path(workspace).read_bytes()
    cut = f"{layout.AUDIT_LOG}: ends amid a line; a run was killed while writing it, or the end was cut off"
    return [cut] if content and not content.endswith(b"\n") else []


def verify_chain(workspace: Workspace) -> list[str]:
    """What is wrong with the log, the reports or the release; nothing if all is as it was recorded."""
    if not path(workspace).is_file():
        return ["audit/audit.jsonl is not there: no notebook has run in this workspace"]
    return [
        *unlinked_lines(workspace),
        *_half_line(workspace),
        *(f"{report}: {what}" for report, what in changed_reports(workspace).items()),
        *_changed_tables(workspace),
        *_changed_release(workspace),
    ]


def _log_lines(workspace: Workspace) -> Iterator[tuple[dict[str, Any], bytes]]:
    content = path(workspace).read_bytes() if path(workspace).is_file() else b""
    for raw in content.splitlines():
        try:
            line = json.loads(raw)
        except ValueError:
            line = {}
        yield line if isinstance(line, dict) else {}, raw


def _changed_tables(workspace: Workspace) -> Iterator[str]:
    """Tables of local/ that no person edits, against the digests that the log holds."""
    for name, digest in recorded_digests(workspace).items():
        file = workspace.root / name
        if not (name.startswith("local/") and name.endswith(".parquet")) or _is_elsewhere(workspace, name):
            continue
        if not file.is_file():
            yield f"{name}: the table is gone"
        elif digest_of(file) != digest:
            yield f"{name}: the table is not the one that was recorded; it was changed, or a run was stopped"


def _is_elsewhere(workspace: Workspace, name: str) -> bool:
    """A copy of release and audit has no ``local/``, which never leaves the site."""
    return name.startswith("local/") and not workspace.local.is_dir()


def _changed_release(workspace: Workspace) -> Iterator[str]:
    """The release against its manifest, and the manifest against the digest that the log holds."""
    manifest = workspace.path(tables.MANIFEST)
    name = place(workspace, manifest)
    recorded = recorded_digests(workspace).get(name)
    if not recorded and manifest.is_file():
        yield f"{name}: no line of the log tells of it; {CUT_OFF}"
    if not recorded:
        return
    if not manifest.is_file() or _line_hash(manifest.read_bytes()) != recorded:
        yield f"{name}: the manifest is not the one that was recorded"
        return
    listed = tables.read(tables.MANIFEST, manifest)
    listed = listed[listed["delta"] != "removed"]
    for row in listed.itertuples():
        file = workspace.release / row.path
        if not file.is_file():
            yield f"release/{row.path}: gone"
        elif file.stat().st_size != row.size or _sha256(file) != row.sha256:
            yield f"release/{row.path}: changed since it was packed"
    known = set(listed["path"]) | {manifest.relative_to(workspace.release).as_posix()}
    for path in layout.files_below(workspace.release):
        if path not in known:
            yield f"release/{path}: not in the manifest"


def _line_hash(content: bytes) -> str:
    return blake3.blake3(content).hexdigest()


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
