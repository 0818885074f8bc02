"""What the panels share: questions from the browser answered in Python, and a table in their place for reports.

The JavaScript stands in ``static/``, without build step and without network. It writes text by ``textContent`` only,
so that header text is never markup.
"""

from __future__ import annotations

import csv
import getpass
import os
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from chorus_nb.display import table_html
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.guard import fault_of
from chorus_nb.workspace import Workspace

STATIC = Path(__file__).parent / "static"
SHARED = frozenset(row["account"] for row in csv.DictReader((STATIC / "shared_accounts.csv").open(encoding="utf-8")))
"""Names of accounts that say nothing of who sits there: the person is asked."""
Reply = tuple[dict[str, Any], list[bytes]]


def script(*names: str) -> str:
    """The ES module of a panel: what all share, then its own parts."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in ("common", *names))


class Panel(anywidget.AnyWidget):
    """A view: what it shows is sent at the start or asked for; what is decided is kept in Python, on disk, at once."""

    _css = (STATIC / "panel.css").read_text(encoding="utf-8")
    content = traitlets.Dict().tag(sync=True)
    _box: Any = None  # what holds the panel with the widgets of others beside it
    questions: tuple[str, ...] = ()  # the methods the browser may call

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__()
        self.workspace = workspace
        self.reviewer = _own_name(reviewer) or _own_name(_account())  # "" = asked for before the first decision
        self.on_msg(self._received)

    def alive(self) -> Reply:
        """Asked every second: a panel whose kernel is gone says so and takes no decision."""
        return {}, []

    def sign(self, name: str) -> Reply:
        """Who decides from here on."""
        if not _own_name(name):
            raise InputError("give your own name: this one is shared by many")
        self.reviewer = _own_name(name)
        return {"reviewer": self.reviewer}, []

    def static_table(self) -> pd.DataFrame:
        """What a report shows in the place of the panel: a table free of original values."""
        raise NotImplementedError

    def _received(self, _: object, message: dict[str, Any], __: object) -> None:
        name = message.get("ask")
        if name not in ("alive", "sign", *self.questions):
            return
        try:
            answer, buffers = getattr(self, name)(**message.get("with", {}))
        except WorkbenchError as error:
            answer, buffers = {"refused": list(error.lines)}, []
        except Exception as error:  # the panel must go on; the text of an error may quote a header
            answer, buffers = {"refused": [f"this cannot be shown: it {fault_of(error)}"]}, []
        self.send({"to": message.get("id"), **answer}, buffers)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The live panel, and the table for where no kernel runs."""
        bundle = self._box._repr_mimebundle_(**options) if self._box else super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), "text/html": table_html(self.static_table(), caption=type(self).__name__)}, metadata


def _account() -> str:
    """The account of the person: JupyterHub's, else the system's; "" if there is none."""
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (OSError, KeyError):
        return ""


def _own_name(name: str) -> str:
    return "" if name.strip().casefold() in SHARED else name.strip()
