"""What the panels share: questions from the browser answered in Python, and a table in their place for reports.

The JavaScript stands in ``static/``, without build step and without network. It writes text by ``textContent`` only,
so that header text is never markup.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from chorus_nb.display import table_html
from chorus_nb.errors import WorkbenchError
from chorus_nb.guard import fault_of
from chorus_nb.workspace import Workspace

STATIC = Path(__file__).parent / "static"
Reply = tuple[dict[str, Any], list[bytes]]


def script(*names: str) -> str:
    """The ES module of a panel: what all share, then its own parts."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in ("common", *names))


class Panel(anywidget.AnyWidget):
    """A view: what it shows is sent at the start or asked for; what is decided is kept in Python, on disk, at once."""

    _css = (STATIC / "panel.css").read_text(encoding="utf-8")
    content = traitlets.Dict().tag(sync=True)
    questions: tuple[str, ...] = ()  # the methods the browser may call

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__()
        self.workspace = workspace
        self.reviewer = reviewer or getpass.getuser()
        self.on_msg(self._received)

    def static_table(self) -> pd.DataFrame:
        """What a report shows in the place of the panel: a table free of original values."""
        raise NotImplementedError

    def _received(self, _: object, message: dict[str, Any], __: object) -> None:
        name = message.get("ask")
        if name not in self.questions:
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
        bundle = super()._repr_mimebundle_(**options)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), "text/html": table_html(self.static_table(), caption=type(self).__name__)}, metadata
