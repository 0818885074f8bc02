"""What reviewers decided about images: for one image, a series, or a device and geometry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import pandas as pd

from chorus_nb import tables
from chorus_nb.decisions import Cells, DecisionLog, series_digests
from chorus_nb.pixels.boxes import format_boxes, parse_boxes
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.pixels.tiers import Tier, tier
from chorus_nb.workspace import Workspace

Scope = Literal["image", "series", "device"]
OF_SERIES = "series:"  # before the UID, in an item
LABELS = "technical_labels.txt"  # beside the decisions: words a site knows to be harmless, one a line
LOOK_AGAIN = "look again"  # somebody kept something of this file back, and it changed since
IMAGE_LOG = DecisionLog(
    tables.IMAGE_DECISIONS, frozenset({"accept", "redact", "reject"}), lambda row: parse_boxes(row["boxes"])
)


class ImageDecision(NamedTuple):
    """``decision`` is accept, redact (``boxes``; "" = what is found), reject, or :data:`LOOK_AGAIN`."""

    decision: str
    boxes: str
    scope: Scope


def _is_of_what_was_seen(row: Cells) -> bool:
    """Whether a decision is about what was looked at; one that keeps a series back is about whatever comes, too."""
    return row["seen_digest"] != "" and (row["decision"] == "accept" or not row["item"].startswith(OF_SERIES))


class ImageDecisions:
    """The last decision on each item counts: that on the image, else on its series, else on its device."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._rows = IMAGE_LOG.current(workspace)
        decided = (row["item"] for row in self._rows.values() if _is_of_what_was_seen(row))
        asked = (item.removeprefix(OF_SERIES) for item in decided if item.startswith(OF_SERIES))
        self._digests = {OF_SERIES + series: seen for series, seen in series_digests(workspace, asked).items()}
        labels = workspace.decisions / LABELS
        lines = labels.read_text(encoding="utf-8").splitlines() if labels.is_file() else []
        self._technical = frozenset(line.strip() for line in lines if line.strip())

    def on(self, source_path: str, series: str, device: str) -> ImageDecision | None:
        """The decision that counts for an image; none that lets a file go which changed since it was looked at.

        One that kept something of it back is neither applied to other pixels nor forgotten: it waits for a look.
        """
        items: dict[str, Scope] = {source_path: "image", f"{OF_SERIES}{series}": "series", f"device:{device}": "device"}
        for item, scope in items.items():
            row = self._rows.get(item)
            if not row:
                continue
            if not _is_of_what_was_seen(row) or row["seen_digest"] == self._digest(item):
                return ImageDecision(row["decision"], format_boxes(parse_boxes(row["boxes"])), scope)
            if row["decision"] != "accept":
                return ImageDecision(LOOK_AGAIN, "", scope)
        return None

    def outdated(self) -> list[dict[str, object]]:
        """The rows about what changed since it was looked at."""
        rows = filter(_is_of_what_was_seen, self._rows.values())
        return [dict(row) for row in rows if row["seen_digest"] != self._digest(row["item"])]

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

    def _digest(self, item: str) -> str:
        if item not in self._digests:
            self._digests[item] = seen_digest(self._workspace, item)
        return self._digests[item]


def seen_digest(workspace: Workspace, item: str) -> str:
    """BLAKE3 of what a decision is about, as it is now: a source file, or which images a series has; "" if gone."""
    if item.startswith(OF_SERIES):
        series = item.removeprefix(OF_SERIES)
        return series_digests(workspace, [series]).get(series, "")
    try:
        return workspace.source.digest(item)
    except OSError:
        return ""


def outdated(workspace: Workspace) -> pd.DataFrame:
    """Decisions about files that changed since they were looked at: they are not applied; look again."""
    return tables.frame(tables.IMAGE_DECISIONS, ImageDecisions(workspace).outdated())
