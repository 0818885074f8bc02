"""What reviewers decided about images: for one image, a series, or a device and geometry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import pandas as pd

from chorus_nb import tables
from chorus_nb.decisions import DecisionLog
from chorus_nb.pixels.boxes import format_boxes, parse_boxes
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.pixels.tiers import Tier, tier
from chorus_nb.workspace import Workspace

Scope = Literal["image", "series", "device"]
LABELS = "technical_labels.txt"  # beside the decisions: words a site knows to be harmless, one a line
IMAGE_LOG = DecisionLog(
    tables.IMAGE_DECISIONS, frozenset({"accept", "redact", "reject"}), lambda row: parse_boxes(row["boxes"])
)


class ImageDecision(NamedTuple):
    """``decision`` is accept, redact (``boxes``; "" = what is found) or reject."""

    decision: str
    boxes: str
    scope: Scope


class ImageDecisions:
    """The last decision on each item counts: that on the image, else on its series, else on its device."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._rows = IMAGE_LOG.current(workspace)
        self._digests: dict[str, str] = {}
        labels = workspace.decisions / LABELS
        lines = labels.read_text(encoding="utf-8").splitlines() if labels.is_file() else []
        self._technical = frozenset(line.strip() for line in lines if line.strip())

    def on(self, source_path: str, series: str, device: str) -> ImageDecision | None:
        """The decision that counts for an image; never one on a file that changed since it was looked at."""
        items: dict[str, Scope] = {source_path: "image", f"series:{series}": "series", f"device:{device}": "device"}
        for item, scope in items.items():
            row = self._rows.get(item)
            if row and row["seen_digest"] in ("", self._digest(source_path)):
                return ImageDecision(row["decision"], format_boxes(parse_boxes(row["boxes"])), scope)
        return None

    def holding(self, findings: Iterable[TextFinding], decision: ImageDecision | None) -> list[TextFinding]:
        """The text that keeps an image from being released.

        Medium text passes where a reviewer drew the boxes of this image, or accepted the device; high text never.
        """
        drawn = decision is not None and decision.scope == "image" and decision.boxes != ""
        accepted = decision is not None and decision.scope == "device" and decision.decision == "accept"
        tiers = {"high"} if drawn or accepted else {"high", "medium"}
        return [finding for finding in findings if self.tier(finding) in tiers]

    def tier(self, finding: TextFinding) -> Tier:
        """The tier of what was found, with the words that this site knows to be harmless."""
        return tier(finding.text, finding.matched, self._technical)[0]

    def _digest(self, source_path: str) -> str:
        if source_path not in self._digests:
            self._digests[source_path] = seen_digest(self._workspace, source_path)
        return self._digests[source_path]


def seen_digest(workspace: Workspace, source_path: str) -> str:
    """BLAKE3 of a source file as it is now; "" if it is gone."""
    try:
        return workspace.source.digest(source_path)
    except OSError:
        return ""


def outdated(workspace: Workspace) -> pd.DataFrame:
    """Decisions about files that changed since they were looked at: they are not applied; look again."""
    rows = IMAGE_LOG.current(workspace).values()
    stale = [row for row in rows if row["seen_digest"] and row["seen_digest"] != seen_digest(workspace, row["item"])]
    return tables.frame(tables.IMAGE_DECISIONS, [dict(row) for row in stale])
