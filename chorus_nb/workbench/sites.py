"""``chorus-nb run`` of several parameter files: each site in turn, in a process of its own, and one page over all.

The page and the record beside it hold names of sites as their files give them, results, counts and links to what may
be shared; all but the last exit code and the seconds is read from the workspaces whenever the page is made.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout

from chorus_nb import tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.parameters import Parameters
from chorus_nb.verify import checks, is_open
from chorus_nb.workbench import audit
from chorus_nb.workbench.report import page_of
from chorus_nb.workbench.run import select
from chorus_nb.workbench.steps import NOTEBOOK_STEPS
from chorus_nb.workspace import Workspace, write_atomically

PAGE, RECORD, LOCK = "chorus_sites.html", "chorus_sites.json", ".chorus_sites.lock"
DEID, GATE = "03_run_deid", "04_verify"  # make the outcomes and the gate


@dataclass(frozen=True)
class SiteRun:
    """What is on record of a site's last run. ``since``: lines of its audit log when it began, None = it did not.

    ``began``: when that was, here; ``ended``: its exit code, None = it did not come to its end, or was killed.
    """

    asked: tuple[str, ...]
    since: int | None = None
    began: str = ""
    ended: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Site:
    """A parameter file; ``parameters`` are None where it cannot be read, which its own run says."""

    file: Path
    parameters: Parameters | None

    @property
    def name(self) -> str:
        return (self.parameters.site if self.parameters else "") or self.file.stem

    @property
    def workspace(self) -> Workspace | None:
        return Workspace(self.parameters) if self.parameters and self.parameters.workspace else None

    def log(self) -> list[dict[str, Any]]:
        return audit.read_log(self.workspace) if self.workspace else []

    def states(self, run: SiteRun) -> dict[str, str]:
        """How each notebook ended that has a report since ``run`` began, by whomever it was started."""
        lines = [] if run.since is None else self.log()[run.since :]
        return {line["notebook"]: line["status"] for line in lines if line.get("event") == "report"}

    def due(self, run: SiteRun | None) -> tuple[str, ...]:
        """What was asked last time, from the first notebook on that did not pass; all of it where nothing is known."""
        if run is None:
            return _asked(self.parameters, ())
        states = self.states(run)
        left = tuple(itertools.dropwhile(lambda name: states.get(name) == "passed", run.asked))
        return left or (run.asked[-1:] if run.ended else ())  # 1 with nothing failed: what comes after the last


def read_sites(names: Iterable[str], overrides: Mapping[str, Any]) -> list[Site]:
    """The files, a pattern resolved where no shell did. :class:`InputError` where two are of one workspace."""
    paths = map(Path, names)
    sites = [
        _site(file, overrides)
        for path in paths
        for file in (sorted(path.parent.glob(path.name)) if "*" in path.name else [path])
    ]
    if shared := [line for pair in itertools.combinations(sites, 2) if (line := _shared(*pair))]:
        raise InputError(*shared)
    return sites


def _site(file: Path, overrides: Mapping[str, Any]) -> Site:
    with suppress(InputError):
        return Site(file, Parameters.read(file, overrides))
    return Site(file, None)


def _shared(one: Site, other: Site) -> str:
    if one.file.resolve() == other.file.resolve():
        return f"{one.file} is named twice"
    if not (one.workspace and other.workspace):
        return ""
    roots = one.workspace.root, other.workspace.root
    if roots[0].is_relative_to(roots[1]) or roots[1].is_relative_to(roots[0]):
        how = "have one workspace" if roots[0] == roots[1] else "have workspaces of which one lies in the other"
    elif one.workspace.release.resolve() == other.workspace.release.resolve():
        how = "have one release"
    else:
        return ""
    return f"{one.file} and {other.file} {how}; nothing was run: give each site its own"


def index_folder(sites: Sequence[Site], given: Path | None) -> Path:
    """Where page and record lie: as told, or beside the files."""
    folders = {site.file.resolve().parent for site in sites}
    if given is None and len(folders) > 1:
        raise InputError("the parameter files lie in several folders: say with --index where the page over all is kept")
    folder = given or folders.pop()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--index: cannot be made ({error.strerror}): {folder}") from None
    return folder.resolve()


def run_sites(
    sites: Sequence[Site], folder: Path, only: Sequence[str], options: Sequence[str], *, failed: bool = False
) -> int:
    """Run each, whatever becomes of the others; with ``failed`` only what did not pass last time. The worst exit code.

    Everything is on record before the first begins, so that one that was not reached is known as such.
    """
    try:
        with FileLock(folder / LOCK, timeout=0):
            return _run_alone(sites, folder, only, options, failed=failed)
    except Timeout:
        raise InputError(
            f"another run of several sites is at work in {folder}: wait for it; --index names another"
        ) from None


def _run_alone(
    sites: Sequence[Site], folder: Path, only: Sequence[str], options: Sequence[str], *, failed: bool
) -> int:
    """As the only one that writes record and page: what has no end there and is not run here was interrupted."""
    record = _read_record(folder)
    if failed and not record:
        raise InputError(f"--failed: no run is on record in {folder / RECORD}; run without it first")
    known = {_key(site, folder): site for site in sites}
    record = {key: run for key, run in record.items() if key in known or (folder / key).is_file()}
    due = {key: site.due(record.get(key)) if failed else _asked(site.parameters, only) for key, site in known.items()}
    record |= {key: SiteRun(names) for key, names in due.items() if not (failed and key in record)}
    code = 0
    try:
        for key, names in due.items():
            if not names:
                continue
            site = known[key]
            since = len(site.log()) if record[key].since is None else record[key].since
            now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
            record[key] = replace(record[key], since=since, began=now, ended=None, seconds=0.0)
            _write_record(folder, record)
            write_sites_page(folder, record, known, running=key)
            print(f"--- {site.name}", file=sys.stderr)
            began, ended = time.monotonic(), None
            try:
                ended = _run_one([str(site.file), "--only", ",".join(names), *options])
            finally:
                record[key] = replace(record[key], ended=ended, seconds=round(time.monotonic() - began, 1))
                _write_record(folder, record)
            code = max(code, 1 if ended is None else ended)
            write_sites_page(folder, record, known)
    except KeyboardInterrupt:
        print("interrupted; the same command with --failed goes on where it stopped", file=sys.stderr)
        code = 1
    rows = write_sites_page(folder, record, known)
    print(*_table([row for row in rows if row["key"] in known]), f"all sites: {folder / PAGE}", sep="\n")
    return code


def _asked(parameters: Parameters | None, only: Sequence[str]) -> tuple[str, ...]:
    acquire = bool(parameters and (parameters.orders or parameters.pacs))
    return tuple(step.name for step in select(only, acquire=acquire))


def _run_one(arguments: Sequence[str]) -> int | None:
    """``chorus-nb run`` in a process of its own, told to stop once where this one is; its exit code, None if killed."""
    group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
    command = [sys.executable, "-m", "chorus_nb", "run", *arguments]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **group)
    try:
        code = child.wait()
    except KeyboardInterrupt:
        if os.name == "posix":  # elsewhere the terminal tells both
            child.terminate()  # as Ctrl-C, also where that is ignored because the run is in the background
        while child.poll() is None:
            with suppress(KeyboardInterrupt):  # told again: it is on its way
                child.wait()
        raise
    return code if code in (0, 1, 2) else None


# --- the record and the page ------------------------------------------------------------------------------------------


def _key(site: Site, folder: Path) -> str:
    try:
        return Path(os.path.relpath(site.file.resolve(), folder)).as_posix()
    except ValueError:  # another drive
        return site.file.resolve().as_posix()


def _read_record(folder: Path) -> dict[str, SiteRun]:
    path = folder / RECORD
    try:
        rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {key: SiteRun(**{**row, "asked": tuple(row["asked"])}) for key, row in rows.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{path} cannot be read; delete it, and run without --failed") from None


def _write_record(folder: Path, record: Mapping[str, SiteRun]) -> None:
    rows = {key: asdict(run) for key, run in sorted(record.items())}
    write_atomically(folder / RECORD, json.dumps(rows, indent=1).encode("ascii"))


def write_sites_page(
    folder: Path, record: Mapping[str, SiteRun], known: Mapping[str, Site], running: str = ""
) -> list[dict[str, Any]]:
    """The page over all sites on record, those of ``known`` with their parameters as given; returns its rows.

    ``running``: the key of the one whose process is at work.
    """
    sites = {key: known.get(key) or _site(folder / key, {}) for key in sorted(record)}
    rows = [{"key": key, **_row(site, record[key], folder, running=key == running)} for key, site in sites.items()]
    passed = sum(row["result"] == "passed" for row in rows)
    page = page_of("sites.html.j2", "all sites", rows=rows, passed=passed, running=running)
    write_atomically(folder / PAGE, page.encode("utf-8"))
    return rows


def _row(site: Site, run: SiteRun, folder: Path, *, running: bool) -> dict[str, Any]:
    states = site.states(run)
    passed = [name for name in run.asked if states.get(name) == "passed"]
    stopped = next((name for name in run.asked if states.get(name) != "passed"), "")
    result = "running" if running else _result(run, states, stopped)
    if result in ("not begun", "refused", "running"):
        stopped = ""
    return {
        "site": site.name,
        "result": result,
        "began": run.began,
        "passed": len(passed),
        "asked": len(run.asked),
        "stopped": next((f"{step.number} {step.title}" for step in NOTEBOOK_STEPS if step.name == stopped), ""),
        "seconds": run.seconds,
        **_counts(site, "" if DEID in run.asked and DEID not in states else DEID),
        "gate": _gate(site) if GATE in states or GATE not in run.asked else "",
        "reports": _reports(site, folder),
    }


def _result(run: SiteRun, states: Mapping[str, str], stopped: str) -> str:
    if run.since is None:
        return "not begun"
    if not stopped:
        return "failed" if run.ended else "passed"
    if run.ended == InputError.exit_code:
        return "refused"
    return "interrupted" if states.get(stopped, "interrupted") == "interrupted" and run.ended is None else "failed"


def _counts(site: Site, reached: str) -> dict[str, int | str]:
    """Files found and released; "" where the run did not come so far."""
    workspace = site.workspace
    if not (reached and workspace and workspace.has(tables.OUTCOMES)):
        return {"found": "", "released": ""}
    try:
        status = workspace.read(tables.OUTCOMES, ["status"])["status"]
    except WorkbenchError:
        return {"found": "unreadable", "released": "unreadable"}
    return {"found": len(status), "released": int((status == "released").sum())}


def _gate(site: Site) -> str:
    workspace = site.workspace
    if not (workspace and workspace.has(tables.CHECKS)):
        return ""
    try:
        return "open" if is_open(checks(workspace)) else "closed"
    except WorkbenchError:
        return "unreadable"


def _reports(site: Site, folder: Path) -> list[dict[str, str]]:
    """What may be shared, where it is."""
    workspace = site.workspace
    if not workspace:
        return []
    named = [("all", workspace.reports_audit / "index.html")]
    named += [(step.number, step.report(workspace)) for step in NOTEBOOK_STEPS if step.shareable]
    return [{"name": name, "href": _href(path, folder)} for name, path in named if path.is_file()]


def _href(path: Path, folder: Path) -> str:
    try:
        return quote(Path(os.path.relpath(path, folder)).as_posix())
    except ValueError:  # another drive
        return path.as_uri()


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows as lines of text."""
    head = ("site", "result", "notebooks", "stopped at", "files", "released", "gate", "seconds")
    cells = [
        (
            *(row["site"], row["result"], f"{row['passed']} of {row['asked']}", row["stopped"] or "-"),
            *(f"{row[name]:,}" if isinstance(row[name], int) else row[name] or "-" for name in ("found", "released")),
            *(row["gate"] or "-", f"{row['seconds']:,.1f}"),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *cells)
    ]
