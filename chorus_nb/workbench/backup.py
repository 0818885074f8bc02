"""``chorus-nb backup`` and ``restore``: what of a workspace cannot be made anew, in one file locked by a passphrase."""

from __future__ import annotations

import filecmp
import getpass
import json
import os
import secrets
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.workbench.locked import FRAME, locking, opening
from chorus_nb.workbench.lost import RESTORING
from chorus_nb.workbench.ownership import SITE_FILE
from chorus_nb.workspace import PARTIAL, Workspace, replacing

MADE_AGAIN = {  # below local/, and why
    "scratch": "nothing but what a run needs while it lasts",
    "arriving": "a study that is not whole yet; 00 asks for it again",
    "cache": "caches of libraries",
    "omop": "05 writes these copies of the site's tables again",
    "ctp": "02 writes them again",
}
PASSPHRASE_LENGTH = 12  # characters of a passphrase


class Held(NamedTuple):
    """What a backup holds or gave back."""

    files: int
    size: int  # bytes before they are locked


def passphrase(variable: str, *, twice: bool) -> str:
    """From an environment variable, else asked for on a terminal; never from the command line, which others see."""
    if variable:
        given = os.environ.get(variable, "")
        if not given:
            raise InputError(f"--passphrase-env: the environment has no {variable}")
    elif sys.stdin.isatty():
        given = getpass.getpass("passphrase: ")
        if twice and getpass.getpass("once more: ") != given:
            raise InputError("backup: the two passphrases differ")
    else:
        raise InputError("backup: no terminal to ask for a passphrase: name a variable with --passphrase-env NAME")
    if twice and len(given) < PASSPHRASE_LENGTH:
        raise InputError(f"backup: the passphrase needs at least {PASSPHRASE_LENGTH} characters")
    return given


def back_up(workspace: Workspace, to: Path, secret: str) -> Held:
    """Write the file ``to``, whole or not at all; :class:`WorkbenchError` where a run changes the workspace."""
    to = to.absolute()
    if to.exists():
        raise InputError(f"backup: is there already, and is never written over: {to}")
    if to.resolve().is_relative_to(workspace.root.resolve()):
        raise InputError("backup: must not stand in the workspace that it is to outlive")
    if not to.parent.is_dir():
        raise InputError(f"backup: folder not found: {to.parent}")
    found = _found(workspace)
    if not found:
        raise InputError(f"workspace: nothing is there yet: {workspace.parameters.workspace}")
    try:
        with (
            replacing(to) as temporary,
            locking(temporary, secret) as stream,
            tarfile.open(fileobj=stream, mode="w|", bufsize=FRAME, format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, (path, _, _) in found.items():
                tar.add(path, name, recursive=False)
                tar.members.clear()  # type: ignore[attr-defined]  # or memory would grow with the number of files
            if _found(workspace) != found:
                raise WorkbenchError("backup: the workspace changed meanwhile; make it again when no run is on")
    except FileNotFoundError:
        raise WorkbenchError("backup: the workspace changed meanwhile; make it again when no run is on") from None
    except OSError as error:
        raise WorkbenchError(f"backup: cannot be written ({error.strerror or error}): {to}") from None
    return Held(len(found), sum(size for _, size, _ in found.values()))


def restore(workspace: Workspace, source: Path, secret: str) -> Held:
    """Put back what the file ``source`` holds. All of it was read and found whole before the first file is moved.

    A file that is there already must be the same; killed, the same command goes on.
    """
    root, made = workspace.root, not workspace.root.exists()
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{RESTORING}*"):
        shutil.rmtree(left)
    folder = root / f"{RESTORING}{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    moving = False
    try:
        _unpack(source, folder, secret)
        _refuse_other_site(workspace, folder)
        targets = {path: _target(workspace, path.relative_to(folder)) for path in _files(folder)}
        _refuse_others(targets)
        held, moving = Held(len(targets), sum(path.stat().st_size for path in targets)), True
        workspace.create()
        for path, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
        moving = False
    except OSError as error:
        raise WorkbenchError(f"restore: cannot be written ({error.strerror or error}); run it again") from None
    finally:
        if not moving:
            shutil.rmtree(folder, ignore_errors=True)
        if made and not any(root.iterdir()):
            root.rmdir()
    return held


def _places(workspace: Workspace) -> dict[str, Path]:
    """Where a part of the backup stands. Decisions and key have parts of their own: parameters may place them."""
    return {"decisions": workspace.decisions, "local": workspace.local, "audit": workspace.audit}


def _found(workspace: Workspace) -> dict[str, tuple[Path, int, int]]:
    """Every file to keep, by its name in the backup: path, size and time of change."""
    found = {"site.key": workspace.key_path} if workspace.key_path.is_file() else {}
    for part, folder in _places(workspace).items():
        for path in _files(folder):
            inside = path.relative_to(folder)
            if path != workspace.key_path and not (part == "local" and _left_out(workspace, path, inside)):
                found[f"{part}/{inside.as_posix()}"] = path
    stated = ((name, path, path.stat()) for name, path in found.items())
    return {name: (path, status.st_size, status.st_mtime_ns) for name, path, status in stated}


def _left_out(workspace: Workspace, path: Path, inside: Path) -> bool:
    return inside.parts[0] in MADE_AGAIN or path.name.startswith(PARTIAL) or path.is_relative_to(workspace.decisions)


def _files(folder: Path) -> Iterator[Path]:
    for base, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for path in (Path(base, name) for name in sorted(names)) if path.is_file())


def _unpack(source: Path, folder: Path, secret: str) -> None:
    with (
        opening(source, secret) as stream,
        tarfile.open(fileobj=stream, mode="r|", bufsize=FRAME) as tar,
    ):
        for member in tar:
            tar.extract(member, folder, filter="data")
            tar.members.clear()  # type: ignore[attr-defined]


def _target(workspace: Workspace, inside: Path) -> Path:
    part, *rest = PurePosixPath(inside.as_posix()).parts
    return _places(workspace)[part].joinpath(*rest) if rest else workspace.key_path


def _refuse_other_site(workspace: Workspace, folder: Path) -> None:
    kept = folder / "local" / SITE_FILE
    site = json.loads(kept.read_text(encoding="utf-8")).get("site") if kept.is_file() else None
    if site is not None and site != workspace.parameters.site:
        raise InputError(f"restore: the backup is of site {site!r}, not of {workspace.parameters.site!r}")


def _refuse_others(targets: Mapping[Path, Path]) -> None:
    others = [
        target
        for path, target in targets.items()
        if target.exists() and not (target.is_file() and filecmp.cmp(path, target, shallow=False))
    ]
    if others:
        raise InputError(
            f"restore: {len(others):,} files are there and differ from the backup, such as {others[0].name};"
            " nothing was changed. Move local/ and audit/ of the workspace aside, then restore"
        )
