"""The image reviewer (notebook 04): a queue by risk, before and after, boxes, one key for each decision."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.pixels import parse_boxes, redact
from chorus_nb.pixels.decisions import IMAGE_LOG, outdated, seen_digest
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.review.views import Image
from chorus_nb.workspace import Workspace

IMAGE_ORDER = {"hold": 0, "redact": 1, "clean": 2, "high": 0, "medium": 1, "low": 2, "": 3}


class ImageReviewer(Panel):
    """``ImageReviewer(workspace)``: images whose text needs a person first; decisions are on disk at once.

    ``clean=True`` also queues images in which nothing was found.
    """

    _esm = script("image_drawing", "image_reviewer")
    questions = ("view", "decide", "undo", "found")

    def __init__(self, workspace: Workspace, reviewer: str = "", *, clean: bool = False) -> None:
        super().__init__(workspace, reviewer)
        verdicts = workspace.read(tables.IMAGE_VERDICTS)
        catalog = workspace.read(tables.CATALOG)[["source_path", "SeriesInstanceUID", "InstanceNumber", "Modality"]]
        self._series = catalog[catalog["SeriesInstanceUID"] != ""]
        chosen = verdicts if clean else verdicts[(verdicts["verdict"] != "clean") | (verdicts["checked"] == "decided")]
        ranked = chosen.assign(rank=chosen["verdict"].map(IMAGE_ORDER) * 4 + chosen["tier"].map(IMAGE_ORDER))
        self.queue = ranked.sort_values(["rank", "source_path"]).merge(catalog, on="source_path").reset_index(drop=True)
        outcomes = workspace.read_or_empty(tables.OUTCOMES)
        released = outcomes[outcomes["status"] == "released"]
        self._targets = dict(zip(released["source_path"], released["target_path"], strict=True))
        self._open = lru_cache(maxsize=4)(self._opened)
        names = ["source_path", "Modality", "verdict", "reason", "tier", "risk_reason", "device", "boxes"]
        changed = set(outdated(workspace)["item"])
        self.content = {
            "columns": names,
            "queue": self.queue[names].to_numpy(dtype=object).tolist(),
            "outdated": sorted(changed & set(self.queue["source_path"])),
            "reviewer": self.reviewer,
            **self._progress(),
        }

    def view(self, path: str, side: str, boxes: str = "", frame: int = 0, **corners: int) -> Reply:
        """A part of an image. ``after``: what is in the release, or what the boxes would make of it."""
        image = self._open(path, boxes if side == "after" else None)
        facts, content = image.view(frame, **corners)
        return facts, [content]

    def found(self, path: str) -> Reply:
        """The text found in an image, with its boxes, and the images of its series in order."""
        table = self.workspace.read_or_empty(tables.TEXT_FINDINGS)
        table = table[(table["source_path"] == path) & (table["filled"] == "")]
        findings = table[["box", "text", "tier", "reason"]].drop_duplicates("box").to_dict("records")
        own = self._series[self._series["source_path"] == path]
        mates = self._series[self._series["SeriesInstanceUID"].isin(own["SeriesInstanceUID"])]
        number = pd.to_numeric(mates["InstanceNumber"], errors="coerce")
        mates = mates.assign(number=number).sort_values(["number", "source_path"])
        return {"findings": findings, "series": mates["source_path"].tolist()}, []

    def decide(self, path: str, decision: str, boxes: str = "", scope: str = "image", note: str = "") -> Reply:
        """Write a decision down: about the image, its whole series, or every image of its device and geometry."""
        image = next(self.queue[self.queue["source_path"] == path].itertuples())
        item = dict(zip(("image", "series", "device"), _items(image), strict=True))[scope]
        row = {"item": item, "decision": decision, "boxes": boxes, "note": note}
        seen = seen_digest(self.workspace, path) if scope == "image" else ""
        IMAGE_LOG.append(self.workspace, self.reviewer, {**row, "seen_digest": seen})
        return self._progress(), []

    def undo(self) -> Reply:
        """Take back this reviewer's last decision."""
        item = IMAGE_LOG.withdraw(self.workspace, self.reviewer)
        return {"undone": item, **self._progress()}, []

    def static_table(self) -> pd.DataFrame:
        decided = [self._decided().get(number, "waits") for number in self.queue.index]
        table = self.queue[["Modality", "verdict", "reason", "tier"]].assign(decision=decided)
        return table.groupby(list(table.columns), as_index=False).size().rename(columns={"size": "images"})

    def _opened(self, path: str, boxes: str | None) -> Image:
        """The original (``None``), the released file, or the original with these boxes redacted by the real engine."""
        target = self._targets.get(path)
        try:
            if boxes is not None and not boxes and target:
                return Image((self.workspace.release / target).read_bytes())
            content = self.workspace.source.read(path)
        except OSError:
            raise WorkbenchError("this file can no longer be read") from None
        return Image(redact(content, list(parse_boxes(boxes))) if boxes else content)

    def _decided(self) -> dict[int, str]:
        """The decision that holds for each image of the queue, by its place in it."""
        rows = IMAGE_LOG.current(self.workspace)
        found = {
            image.Index: [rows[item] for item in _items(image) if item in rows] for image in self.queue.itertuples()
        }
        return {place: own[0]["decision"] for place, own in found.items() if own}

    def _progress(self) -> dict[str, Any]:
        return {"decided": self._decided(), "disagreements": len(IMAGE_LOG.disagreements(self.workspace))}


def _items(image: Any) -> tuple[str, str, str]:
    """What a decision about an image of the queue may be on: itself, its series, its device and geometry."""
    return image.source_path, f"series:{image.SeriesInstanceUID}", f"device:{image.device}"
