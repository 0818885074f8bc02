"""The local fields editor (notebook 02): what values of this site's headers become, decided in bulk."""

from __future__ import annotations

from typing import Any

import pandas as pd

from chorus_nb.metadata.local_fields import ASKED_OF, FIELD_LOG, decide_fields, local_fields, values_of
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.workspace import Workspace

LOCAL_COLUMNS = ["field", "attribute", "local", "modality", "value", "confidence", "original", "series", "reviewer"]


class LocalFieldsEditor(Panel):
    """``LocalFieldsEditor(workspace)``: choose values of one field, say what they become; on disk at once."""

    _esm = script("local_fields_editor")
    questions = ("decide", "undo")

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__(workspace, reviewer)
        self._decided: list[list[str]] = []  # what this session decided, by click
        values = {field: values_of(field) for field in ASKED_OF}
        self.content = {**self._renew(), "columns": LOCAL_COLUMNS, "values": values, "reviewer": self.reviewer}

    def decide(self, chosen: list[dict[str, str]], value: str, note: str) -> Reply:
        """Write down what some values become; "" leaves the field unsaid."""
        decide_fields(self.workspace, chosen, value, note, self.reviewer)
        self._decided.append([FIELD_LOG.item(row) for row in chosen])
        return self._renew(), []

    def undo(self) -> Reply:
        """Take back the last decision of this session."""
        for item in self._decided.pop() if self._decided else []:
            FIELD_LOG.withdraw(self.workspace, self.reviewer, item)
        return self._renew(), []

    def static_table(self) -> pd.DataFrame:
        return FIELD_LOG.history(self.workspace)[["field", "attribute", "value", "note", "reviewer", "time"]]

    def _renew(self) -> dict[str, Any]:
        rows = local_fields(self.workspace).rows[LOCAL_COLUMNS].to_numpy(dtype=object).tolist()
        return {"rows": rows, "undo": len(self._decided)}
