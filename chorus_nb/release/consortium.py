"""The consortium's own tool, chorus-upload (Data-Upload SOP): its configuration, what it must forget and would take.

Its journal ends each file that the folder does not hold, where ``journaling_mode`` is ``full``: of the kinds in
``supported_modalities``, and whoever sent it to the container. So a table of OMOP or a page of Metadata that another
deliverer sent counts as deleted; waveforms do not, which are left out of the kinds. With ``append`` nothing is ended
but what is named to it: ``mark_as_deleted.txt`` names what left the release.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from string import Template

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.processes.programs import run_program, scratch
from chorus_nb.processes.queries import asking, hold_paths, told
from chorus_nb.release.manifest import PRESENT, deliveries, delivery_before, load_delivery
from chorus_nb.workspace import Workspace, write_if_changed

CONTAINER = "your-site"  # each site has its own container; the consortium tells its name
TOOL_FOLDER = "chorus-upload"  # below local/
FORGET = "mark_as_deleted.txt"
KINDS_SENT = (layout.OMOP, layout.IMAGES, layout.METADATA)  # what a release of images holds; waveforms never
NOT_INSTALLED = "chorus-upload is not installed here"
SECONDS = 600.0  # a command of the tool may take; it reads every file that its journal does not know
LISTED_OF_KIND = re.compile(r"^(\d+) files for version: .* for\s+(\w+)\s*$", re.M)  # of its ``file list``


def container_of(workspace: Workspace) -> str:
    """The container that parameters name, "" for none."""
    named = re.match(r"(?:az|abfss?)://([^/@]+)", workspace.parameters.upload_url)
    return workspace.parameters.upload_container or (named[1] if named else "")


def write_config(workspace: Workspace) -> None:
    """Write ``config.toml`` over this release, with the mode that ``delivery`` names, and what the tool must forget.

    One that a person edited is left alone; ``config.made.toml`` beside it always is what the workbench would write.
    """
    folder, container = workspace.local / TOOL_FOLDER, container_of(workspace) or CONTAINER
    text = _config(
        journal=(folder / "journal.db").as_posix(),
        remote_journal=f"az://{container}/journal.db",
        central=f"az://{container}/",
        container=container,
        release=workspace.release.as_posix(),
        mode=workspace.parameters.delivery,
        modalities=",".join(KINDS_SENT),
    )
    own, made = folder / "config.toml", folder / "config.made.toml"
    edited = own.is_file() and not (made.is_file() and own.read_bytes() == made.read_bytes())
    write_if_changed(made, text.encode())
    if not edited:
        write_if_changed(own, text.encode())
    write_if_changed(folder / FORGET, "".join(f"{path}\n" for path in _to_forget(workspace)).encode())


def _config(**values: str) -> str:
    template = Template(Path(__file__).with_name("chorus_upload.toml").read_text(encoding="utf-8"))
    return template.substitute({name: json.dumps(value) for name, value in values.items()})  # JSON strings are TOML's


def _to_forget(workspace: Workspace) -> list[str]:
    """What any delivery held and the release does not, and what was written since the delivery before.

    The latter because with ``append`` the tool ends the old state of a file only if that stands on the last page, of
    a thousand, of those that it finds; a file of the same bytes and another time is another state too.
    """
    delivered = deliveries(workspace)
    if not workspace.has(tables.MANIFEST) or not delivered:
        return []
    with asking(workspace, tables.MANIFEST) as connection:
        connection.execute(f"CREATE TABLE present AS {PRESENT}")
        number = delivery_before(workspace, connection, "present")
        if not number:
            return []
        named = workspace.read_or_empty(tables.DELIVERIES).set_index("number")["recorded"]
        recorded = pd.Timestamp(named.get(number, 0), tz="UTC").timestamp() + 1  # whole seconds
        hold_paths(connection, "forgotten", [layout.MANIFEST_FILE])
        for delivery in delivered:
            load_delivery(connection, delivery)
            connection.execute("INSERT INTO forgotten SELECT path FROM delivered ANTI JOIN present USING (path)")
        connection.execute("INSERT INTO forgotten SELECT path FROM manifest WHERE delta = 'modified'")
        same = (path for (path,) in told(connection, "SELECT path FROM before SEMI JOIN present USING (path)"))
        again = (path for path in same if (workspace.release / path).stat().st_mtime >= recorded)
        hold_paths(connection, "again", again)
        asked = "SELECT DISTINCT path FROM (FROM forgotten UNION ALL FROM again) ORDER BY path"
        return [path for (path,) in told(connection, asked) if layout.UPLOADED.fullmatch(path)]


def ask_tool(workspace: Workspace) -> pd.DataFrame:
    """A dry run of the tool itself, on a copy of its journal and without its container: ``consortium_selection``.

    By kind of file how many the release has for it, how many the manifest says changed, and how many it would take.
    Where it is not installed, or does not answer, ``answer`` says so.
    """
    with asking(workspace, tables.MANIFEST) as connection:
        counted = connection.sql(_BY_KIND).fetchall()
    there = {kind: (files, changed) for kind, files, changed in counted}
    listed, answer = _told(workspace)
    rows: list[dict[str, object]] = []
    for name in KINDS_SENT:
        last = int(name == layout.METADATA)  # the manifest is in no manifest
        files, changed = (count + last for count in there.get(name, (0, 0)))
        selected = None if answer else listed.get(name, 0)
        rows.append({"kind": name, "files": files, "changed": changed, "selected": selected, "answer": answer})
    workspace.write(tables.CONSORTIUM_SELECTION, tables.frame(tables.CONSORTIUM_SELECTION, rows))
    return workspace.read(tables.CONSORTIUM_SELECTION)


_BY_KIND = rf"""
    SELECT regexp_extract(path, '^(?:\w+/)?({"|".join(KINDS_SENT)})/', 1) AS kind,
           count(*) AS files, count(*) FILTER (delta IN ('added', 'modified')) AS changed
    FROM manifest WHERE delta <> 'removed' AND regexp_full_match(path, '{layout.UPLOADED.pattern}') GROUP BY kind"""


def _told(workspace: Workspace) -> tuple[dict[str, int], str]:
    """How many files of each kind the tool would take, or why it does not say so."""
    tool, folder = _tool(), workspace.local / TOOL_FOLDER
    if not tool:
        return {}, NOT_INSTALLED
    try:
        own = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
        mode, modalities = own["journal"]["journaling_mode"], own["configuration"]["supported_modalities"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}, "config.toml cannot be read; delete it and run 06 again"
    with scratch() as place:
        journal = Path(place) / "journal.db"
        if known := (folder / "journal.db").is_file():
            shutil.copy(folder / "journal.db", journal)
        config = Path(place) / "config.toml"
        elsewhere = (Path(place) / "central").as_posix()
        values = {"journal": journal.as_posix(), "remote_journal": journal.as_posix(), "central": elsewhere}
        values |= {"release": workspace.release.as_posix(), "container": CONTAINER}
        config.write_text(_config(**values, mode=mode, modalities=modalities), encoding="utf-8")
        commands = [["journal", "update", "--version", "dry-run"], ["file", "list"]]
        if known and mode == "append" and (folder / FORGET).stat().st_size:
            commands.insert(0, ["file", "mark_as_deleted", "--file-list", str(folder / FORGET)])
        for command in commands:
            try:
                ended = run_program([*tool, "-c", config, *command], seconds=SECONDS)
            except (OSError, subprocess.TimeoutExpired):
                return {}, f"chorus-upload did not answer {' '.join(command[:2])}"
            if ended.returncode:
                return {}, f"chorus-upload ended {' '.join(command[:2])} with {ended.returncode}"
    counts: dict[str, int] = {}
    for count, name in LISTED_OF_KIND.findall(ended.stdout.decode(errors="replace")):
        counts[name] = counts.get(name, 0) + int(count)
    return counts, ""


def _tool() -> list[str]:
    """How the tool is called here; nothing where it is not installed."""
    if found := shutil.which("chorus-upload") or shutil.which("chorus_upload"):
        return [found]
    package = importlib.util.find_spec("chorus_upload")
    places = package.submodule_search_locations if package else None
    return [sys.executable, str(next(iter(places)))] if places else []
