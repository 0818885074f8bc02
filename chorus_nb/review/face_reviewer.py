"""The face reviewer (notebook 04): each series that may show a face, before and after; one key for each decision."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.faces import face_preview, render
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.workspace import Workspace

FACE_COLUMNS = ("series_uid", "modality", "files", "need_reason", "status", "reason")
ORDER = ["not_defaced", "rendering", "as_it_is", "held", "defaced", "no_face_in_view", "not_a_head"]


class FaceReviewer(Panel):
    """``FaceReviewer(workspace)``: series that may show a face, those that wait first; decided at once, on disk."""

    _esm = script("face_reviewer")
    questions = ("view", "decide", "undo")

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__(workspace, reviewer)
        verdicts = workspace.read_or_empty(tables.FACE_VERDICTS)
        verdicts = verdicts[verdicts["files"] > 0]
        ranked = verdicts.assign(rank=verdicts["status"].map(ORDER.index)).sort_values(["rank", "series_uid"])
        self.queue = ranked.reset_index(drop=True)
        self.content = {
            "queue": self.queue[list(FACE_COLUMNS)].to_numpy(dtype=object).tolist(),
            "reviewer": self.reviewer,
            "decided": self._decided(),
        }

    def view(self, number: int, start: str = "", shift: str = "") -> Reply:
        """Surfaces and planes of a series; with a start or a shift, what 03 would make of it then (takes a while)."""
        row = self.queue.iloc[number]
        if start or shift:
            shown = face_preview(self.workspace, row["series_uid"], start, shift)
        elif row["mask"]:
            shown = render(self.workspace, row["series_uid"], row["mask"])
        else:
            raise WorkbenchError("there is no mask for this series; give a start to search from")
        pictures = [*shown.before, *shown.after, *(_outlined(picture, mask) for picture, mask in shown.planes)]
        facts = [{"width": picture.shape[1], "height": picture.shape[0]} for picture in pictures]
        return {"pictures": facts, "written": shown.written}, [picture.tobytes() for picture in pictures]

    def decide(self, number: int, decision: str, start: str = "", shift: str = "", note: str = "") -> Reply:
        """Write a decision down: deface (with this mask), release (as it is; says why) or hold."""
        if decision == "release" and not note.strip():
            raise InputError("a face is released only with a reason")
        series = self.queue.iloc[number]["series_uid"]
        row = {"item": series, "decision": decision, "start": start, "shift": shift, "note": note}
        FACE_LOG.append(self.workspace, self.reviewer, row)
        return {"decided": self._decided()}, []

    def undo(self) -> Reply:
        """Take back this reviewer's last decision."""
        item = FACE_LOG.withdraw(self.workspace, self.reviewer)
        return {"undone": bool(item), "decided": self._decided()}, []

    def static_table(self) -> pd.DataFrame:
        decided = [self._decided().get(number, "waits") for number in self.queue.index]
        table = self.queue[["modality", "need", "status", "reason"]].assign(decision=decided)
        return table.groupby(list(table.columns), as_index=False).size().rename(columns={"size": "series"})

    def _decided(self) -> dict[int, str]:
        rows = FACE_LOG.current(self.workspace)
        return {place: rows[uid]["decision"] for place, uid in enumerate(self.queue["series_uid"]) if uid in rows}


def _outlined(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A plane with the edge of the mask in white."""
    edge = mask & ~(np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1))
    return np.ascontiguousarray(np.where(edge, 255, picture // 4 * 3).astype(np.uint8))
