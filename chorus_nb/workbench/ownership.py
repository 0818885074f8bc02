"""Whose workspace it is: values of the demo and of a site do not mix; a workspace stays with its site and source."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from filelock import FileLock, Timeout

from chorus_nb.errors import InputError
from chorus_nb.parameters import PULLED, REQUIRED, Parameters, resolve
from chorus_nb.workbench.demo_site import demo_values
from chorus_nb.workspace import Workspace, write_atomically

SITE_FILE = "site.json"
LOCK = ".run.lock"


@contextlib.contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """While a run, or a command that rewrites tables, is at work no other is: :class:`InputError` at once.

    The system lets go of the lock when the process ends, however it does.
    """
    lock = FileLock(workspace.local / LOCK, timeout=0) if workspace.local.is_dir() else contextlib.nullcontext()
    try:
        with lock:
            yield
    except Timeout:
        remedy = "wait until it has ended, or stop it with Ctrl-C"
        raise InputError(f"workspace: another run or command is at work in it; {remedy}") from None


def refuse_mixture(parameters: Parameters) -> None:
    """:class:`InputError` where some of what only a site can say is the demo's and some is not."""
    demo, given = demo_values(), {name: getattr(parameters, name) for name in REQUIRED}
    of_demo = [name for name, value in given.items() if value and _place(name, value) == _place(name, demo.get(name))]
    own = [name for name, value in given.items() if value and name not in of_demo]
    if of_demo and own:
        raise InputError(f"demo and own values are mixed: {_are(of_demo)} the demo's, {_are(own)} not; set all of them")


def refuse_other_site(workspace: Workspace) -> None:
    """:class:`InputError` where the workspace was made for another site or from another source."""
    path = workspace.local / SITE_FILE
    if not path.is_file():
        return
    remedy = f"choose another workspace, or delete local/{SITE_FILE} to go on in this one"
    new_place = "; a new delivery from another place is delivery: append"
    try:
        kept = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError(f"workspace: local/{SITE_FILE} cannot be read; {remedy}") from None
    may_differ = {"source"} if workspace.parameters.delivery == "append" else set()
    if others := [n for n, value in _of(workspace).items() if kept.get(n) != value and n not in may_differ]:
        said = f"workspace: was made with another {' and another '.join(others)}; {remedy}"
        raise InputError(said + new_place * (others == ["source"]))


def remember_site(workspace: Workspace) -> None:
    """Write down site and source, once."""
    path = workspace.local / SITE_FILE
    if not path.is_file():
        write_atomically(path, json.dumps(_of(workspace)).encode("ascii"))


def _of(workspace: Workspace) -> dict[str, str]:
    parameters = workspace.parameters
    return {"site": parameters.site, "source": _place("source", parameters.source)}


def _place(name: str, value: str | None) -> str:
    """A value that is equal where the same is meant: a relative folder and its absolute path."""
    plain = not value or name == "site" or "://" in value or value.startswith("env:") or value == PULLED
    return value or "" if plain else str(resolve(value or ""))


def _are(names: list[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
