"""The face reviewer (notebook 04): heads before and after; one key decides about all series of one."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets
import numpy as np
import pandas as pd

from chorus_nb import tables
from chorus_nb.decisions import Cells, series_digests
from chorus_nb.errors import InputError
from chorus_nb.faces import face_preview, render
from chorus_nb.faces.decisions import FACE_LOG, OF_HEAD, decided_faces, still_seen
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.review.volume_viewer import show_below
from chorus_nb.workspace import Workspace

FACE_COLUMNS = ("series_uid", "modality", "series", "files", "waiting", "need_reason", "status", "reason")
WAITING = ("not_defaced", "rendering")
DOUBTS = {"disagrees": "04 sees a face", "unsure": "04 perhaps sees a face"}  # of ``tables.FACE_LOOKS``
ORDER = [
    "not_defaced",
    "rendering",
    "as_it_is",
    "held",
    "defaced",
    "not_asked",
    "may_be_head",
    "no_face_in_view",
    "came_without_face",
    "no_head",
]


class FaceReviewer(Panel):
    """``FaceReviewer(workspace)``: heads that may show a face; decided at once, on disk.

    First are those in which 04's own look sees a face, or perhaps one, where 03 does not, then those that wait.

    A head is what the series of a study in one frame of reference show; it is looked at in one of them. ``blind=True``
    shows nothing of what others decided, nor of what a run made of it (a second reading).
    """

    _esm = script("face_reviewer")
    questions = ("view", "volume", "said", "decide", "undo")

    def __init__(self, workspace: Workspace, reviewer: str = "", *, blind: bool = False) -> None:
        super().__init__(workspace, reviewer)
        self._blind = blind
        verdicts = workspace.read_or_empty(tables.FACE_VERDICTS)
        catalog = workspace.read(tables.CATALOG, ["source_path", "SeriesInstanceUID"]).sort_values("source_path")
        self._paths = catalog.drop_duplicates("SeriesInstanceUID").set_index("SeriesInstanceUID")["source_path"]
        self._heads = dict(zip(verdicts["series_uid"], verdicts["head"], strict=True))
        self._veiled = self._decided_by_others() if blind else frozenset[str]()
        verdicts.loc[verdicts["head"].isin(self._veiled), ["status", "reason"]] = ["not_defaced", ""]
        self.queue = heads_to_review(verdicts[verdicts["files"] > 0], self._doubted())
        self._box = ipywidgets.VBox((self,))  # below it, when asked for, the volume
        said = self.queue.assign(status=self.queue["status"].map(tables.code_in_words))
        self.content = {
            "queue": said[list(FACE_COLUMNS)].to_numpy(dtype=object).tolist(),
            "reviewer": self.reviewer,
            "blind": blind,
            "decided": self._decided(),
        }

    def view(self, number: int, start: str = "", shift: str = "") -> Reply:
        """Surfaces and planes of a head, as it is where it has no mask; with a start or a shift, what 03 would make of
        it then (takes a while)."""
        row = self.queue.iloc[number]
        if row["head"] in self._veiled:  # the mask of the run may be another's: it is searched for again
            shift = shift or "0,0,0"
        if start or shift:
            shown = face_preview(self.workspace, row["series_uid"], start, shift)
        else:
            shown = render(self.workspace, row["series_uid"], row["mask"])
        pictures = [*shown.before, *shown.after, *(_outlined(picture, mask) for picture, mask in shown.planes)]
        facts = [{"width": picture.shape[1], "height": picture.shape[0]} for picture in pictures]
        return {"pictures": facts, "written": shown.written, "masked": bool(shown.after)}, [
            picture.tobytes() for picture in pictures
        ]

    def volume(self, number: int = -1) -> Reply:
        """Show the head below the panel in three planes and 3D, its mask over it; -1 takes it away."""
        row = self.queue.iloc[number] if number >= 0 else {"series_uid": "", "head": "", "mask": ""}
        mask = "" if row["head"] in self._veiled else row["mask"]
        show_below(self._box, 1, self.workspace, row["series_uid"], mask)
        return {}, []

    def said(self, number: int) -> Reply:
        """The first file of the series that is looked at, and what was decided about its head by whom."""
        series = self.queue.iloc[number]["series_uid"]
        mates = [uid for uid, head in self._heads.items() if head == self._heads[series]]
        rows = [row for row in self._standing() if row["item"] in mates]
        said = [f"{row['reviewer']}: {row['decision']}, {row['time'][:16]} {row['note']}".strip() for row in rows]
        return {"path": str(self._paths.get(series, "")), "said": said}, []

    def decide(self, number: int, decision: str, start: str = "", shift: str = "", note: str = "") -> Reply:
        """Write a decision about a head down: deface (with this mask), release (as it is; says why) or hold."""
        if decision == "release" and not note.strip():
            raise InputError("a face is released only with a reason")
        series = self.queue.iloc[number]["series_uid"]
        row = {"item": series, "decision": decision + OF_HEAD, "start": start, "shift": shift, "note": note}
        row["blind"] = "yes" if self._blind else ""
        row["seen_digest"] = series_digests(self.workspace, [series]).get(series, "")
        FACE_LOG.append(self.workspace, self.reviewer, row)
        return {"decided": self._decided()}, []

    def undo(self) -> Reply:
        """Take back this reviewer's last decision."""
        item = FACE_LOG.withdraw(self.workspace, self.reviewer)
        return {"undone": bool(item), "decided": self._decided()}, []

    def static_table(self) -> pd.DataFrame:
        decided = [self._decided().get(number, "waits") for number in self.queue.index]
        kinds = ["modality", "need", "status", "reason", "decision"]
        table = self.queue.assign(decision=decided, heads=1).groupby(kinds, as_index=False)
        return table[["heads", "series", "files", "waiting"]].sum()

    def _standing(self) -> list[Cells]:
        """Every decision that counts here: of all reviewers, or of this one alone."""
        rows = still_seen(self.workspace, FACE_LOG.standing(self.workspace))
        return [row for row in rows if row["reviewer"] == self.reviewer] if self._blind else rows

    def _doubted(self) -> dict[str, str]:
        """The heads about which 04's own look and 03 differ and nobody has said anything, and what 04 says."""
        looks = self.workspace.read_or_empty(tables.FACE_LOOKS)
        looks = looks[looks["beside"].isin(DOUBTS)].sort_values("beside", key=lambda said: said.map([*DOUBTS].index))
        said = {self._heads.get(row["item"], "") for row in FACE_LOG.standing(self.workspace)}
        first = looks[~looks["head"].isin(said | self._veiled)].drop_duplicates("head")
        return dict(zip(first["head"], first["beside"].map(DOUBTS), strict=True))

    def _decided_by_others(self) -> frozenset[str]:
        """The heads about which another reviewer said something."""
        rows = FACE_LOG.standing(self.workspace)
        return frozenset(self._heads.get(row["item"], "") for row in rows if row["reviewer"] != self.reviewer) - {""}

    def _decided(self) -> dict[int, str]:
        said = decided_faces(self._standing(), self._heads)
        return {place: said[uid].decision for place, uid in enumerate(self.queue["series_uid"]) if uid in said}


def heads_to_review(verdicts: pd.DataFrame, doubted: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A row a head, first the ``doubted`` (head to why), then those that wait; with what waits of all its series.

    Of them it has the files, the gravest status and why.

    ``series_uid``: looked at is the series whose face was found and accepted, else the one most like a head.
    """
    waits = verdicts["status"].isin(WAITING)
    rows = verdicts.assign(
        rank=verdicts["status"].map(ORDER.index),
        waiting=verdicts["files"].where(waits, 0),
        unlike=-verdicts["dice"].astype("float64").fillna(0.0),
        later=(verdicts["mask"] == "") * 4 + (verdicts["status"] != "defaced") * 2 + (verdicts["shared_from"] != ""),
    )
    shown = rows.sort_values(["later", "unlike", "series_uid"]).drop_duplicates("head").set_index("head")
    gravest = rows.sort_values(["rank", "series_uid"]).drop_duplicates("head").set_index("head")
    heads = rows.groupby("head")
    shown = shown.assign(
        **{name: gravest[name] for name in ("rank", "need", "need_reason", "status", "reason")},
        **{name: heads[name].sum() for name in ("files", "waiting")},
        series=heads.size(),
    )
    doubt = pd.Series(shown.index.map((doubted or {}).get), shown.index, dtype="object").fillna("")
    reasons = [", ".join(filter(None, said)) for said in zip(doubt, shown["reason"], strict=True)]
    shown = shown.assign(reason=reasons, settled=doubt == "")
    return shown.sort_values(["settled", "rank", "series_uid"]).reset_index()


def _outlined(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A plane with the edge of the mask in white."""
    edge = mask & ~(np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1))
    return np.ascontiguousarray(np.where(edge, 255, picture // 4 * 3).astype(np.uint8))
