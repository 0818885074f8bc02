"""What reviewers decided about images: for one image, a series, or a device and geometry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from chorus_nb import tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.pixels.boxes import format_boxes, parse_boxes
from chorus_nb.pixels.detection import Finding
from chorus_nb.pixels.tiers import Tier, tier
from chorus_nb.workspace import Workspace

Scope = Literal["image", "series", "device"]
LABELS = "technical_labels.txt"  # beside the decisions: words a site knows to be harmless, one a line


class Decision(NamedTuple):
    """``decision`` is accept, redact (``boxes``; "" = what is found) or reject."""

    decision: str
    boxes: str
    scope: Scope


class Decisions:
    """The last decision on each item counts: that on the image, else on its series, else on its device."""

    def __init__(self, workspace: Workspace) -> None:
        self._source = workspace.source
        self._rows: dict[str, dict[str, str]] = {}
        self._digests: dict[str, str] = {}
        if workspace.has(tables.IMAGE_DECISIONS):
            table = workspace.read(tables.IMAGE_DECISIONS).astype(str)
            for number, row in enumerate(table.sort_values("time", kind="stable").to_dict("records"), 1):
                self._rows[row["item"]] = _checked(row, number)
        labels = workspace.decisions / LABELS
        lines = labels.read_text(encoding="utf-8").splitlines() if labels.is_file() else []
        self._technical = frozenset(line.strip() for line in lines if line.strip())

    def on(self, source_path: str, series: str, device: str) -> Decision | None:
        """The decision that counts for an image."""
        items: tuple[tuple[str, Scope], ...] = (
            (source_path, "image"),
            (f"series:{series}", "series"),
            (f"device:{device}", "device"),
        )
        for item, scope in items:
            row = self._rows.get(item)
            if row and (not row["seen_digest"] or row["seen_digest"] == self._digest(source_path)):
                return Decision(row["decision"], row["boxes"], scope)
        return None

    def telling(self, findings: Iterable[Finding], decision: Decision | None) -> list[Finding]:
        """The text that keeps an image from being released.

        Medium text passes where a reviewer drew the boxes of this image, or accepted the device; high text never.
        """
        drawn = decision is not None and decision.scope == "image" and decision.boxes != ""
        accepted = decision is not None and decision.scope == "device" and decision.decision == "accept"
        tiers = {"high"} if drawn or accepted else {"high", "medium"}
        return [finding for finding in findings if self.tier(finding) in tiers]

    def tier(self, finding: Finding) -> Tier:
        """The tier of what was found, with the words that this site knows to be harmless."""
        return tier(finding.text, finding.matched, self._technical)[0]

    def _digest(self, source_path: str) -> str:
        """BLAKE3 of the file as it is now: a decision never holds for an image that nobody looked at."""
        if source_path not in self._digests:
            try:
                self._digests[source_path] = self._source.digest(source_path)
            except OSError:
                self._digests[source_path] = "unreadable"
        return self._digests[source_path]


def _checked(row: dict[str, str], number: int) -> dict[str, str]:
    if row["decision"] not in ("accept", "redact", "reject"):
        raise InputError(f"image_decisions.csv, row {number}: decision must be accept, redact or reject")
    try:
        return {**row, "boxes": format_boxes(parse_boxes(row["boxes"]))}
    except WorkbenchError as error:
        raise InputError(f"image_decisions.csv, row {number}: {error}") from None
