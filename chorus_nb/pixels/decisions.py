"""What reviewers decided about images: for one image, a series, or a device and geometry.

A decision on an image is about what was seen, wherever its file lies: the same bytes under another path, too. What
kept something of it back also counts for the same instance, and for the same pixels, under another header.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Literal, NamedTuple

import pandas as pd
from blake3 import blake3

from chorus_nb import tables
from chorus_nb.decisions import Cells, DecisionLog, images_meant, series_digests, technical_labels
from chorus_nb.dicom.encodings import Buffer
from chorus_nb.dicom.spans import Refused, take_apart
from chorus_nb.pixels.boxes import format_boxes, parse_boxes
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.pixels.tiers import Tier, tier
from chorus_nb.workspace import Workspace

Scope = Literal["image", "series", "device"]
OF_SERIES, OF_DEVICE = "series:", "device:"  # before the UID, or the device and geometry, in an item
DECIDED_BY = ("source_path", "SeriesInstanceUID", "device", "SOPInstanceUID", "acquired")  # what ``on`` has to be told
LOOK_AGAIN = "look again"  # somebody kept something of this file back, and it changed since
IMAGE_LOG = DecisionLog(
    tables.IMAGE_DECISIONS, frozenset({"accept", "redact", "reject"}), lambda row: parse_boxes(row["boxes"])
)


class ImageDecision(NamedTuple):
    """``decision`` is accept, redact (``boxes``; "" = what is found), reject, or :data:`LOOK_AGAIN`."""

    decision: str
    boxes: str
    scope: Scope

    @property
    def of_what_is_filled(self) -> bool:
        """Whether a person drew the boxes, or saw in this very picture what is found."""
        return self.decision == "redact" and (self.boxes != "" or self.scope == "image")


def is_of_an_image(item: str) -> bool:
    """Whether a decision is about one image, and not about a series or a device."""
    return not item.startswith((OF_SERIES, OF_DEVICE))


def is_of_what_was_seen(row: Cells) -> bool:
    """Whether a decision is about what was looked at; one that keeps a series back is about whatever comes, too."""
    return row["seen_digest"] != "" and (row["decision"] == "accept" or not row["item"].startswith(OF_SERIES))


class AsItIs:
    """What decisions are about, as it is now, by its digests; each is taken once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._digests: dict[str, str] = {}
        self._pixels: dict[str, str] = {}

    def know(self, items: Iterable[str]) -> None:
        """Take the digests of all series among ``items`` at once."""
        series = [item.removeprefix(OF_SERIES) for item in items if item.startswith(OF_SERIES)]
        self._digests |= {OF_SERIES + one: seen for one, seen in series_digests(self._workspace, series).items()}

    def digest(self, item: str) -> str:
        if item not in self._digests:
            self._digests[item] = seen_digest(self._workspace, item)
        return self._digests[item]

    def pixels(self, source_path: str) -> str:
        if source_path not in self._pixels:
            try:
                content = self._workspace.source.look(source_path)[0]
            except OSError:
                content = b""
            self._pixels[source_path] = pixel_digest(content)
        return self._pixels[source_path]

    def bears(self, row: Cells, item: str) -> bool:
        """Whether the decision ``row`` is about ``item`` as it is now: any bytes, those seen, or their pixels.

        What lets an image go is about the file that was seen; what keeps something back about its pixels, too.
        """
        kept_back = row["decision"] != "accept"
        if not is_of_what_was_seen(row):
            return kept_back or row["item"] == item
        if row["seen_digest"] == self.digest(item):
            return True
        return kept_back and row["pixel_digest"] != "" and row["pixel_digest"] == self.pixels(item)


class ImageDecisions:
    """The last decision on each item counts: that on the image, else on its series, else on its device."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._rows = IMAGE_LOG.current(workspace)
        self._now = AsItIs(workspace)
        self._now.know(row["item"] for row in self._rows.values() if is_of_what_was_seen(row))
        self._technical = technical_labels(workspace)

    def on(self, source_path: str, series: str, device: str, instance: str, acquired: str) -> ImageDecision | None:
        """The decision that counts for an image; none that lets a file go which changed since it was looked at.

        One that kept something of it back is neither applied to other pixels nor forgotten: it waits for a look.
        ``instance``: its SOP Instance UID; ``acquired``: as in the catalog.
        """
        if not self._rows:
            return None
        for row, scope in self._about(source_path, series, device, instance, acquired):
            if self._now.bears(row, source_path if scope == "image" else row["item"]):
                return ImageDecision(row["decision"], format_boxes(parse_boxes(row["boxes"])), scope)
            if row["decision"] != "accept":
                return ImageDecision(LOOK_AGAIN, "", scope)
        return None

    def outdated(self) -> list[Cells]:
        """The rows about what changed since it was looked at, and those by hand about a file that is not there."""
        catalog = self._workspace.read(tables.CATALOG, ["source_path", "SOPInstanceUID"])
        of_images = images_meant(
            self._workspace, {item: row for item, row in self._rows.items() if is_of_an_image(item)}
        )
        same = catalog.source_path.isin(of_images) | catalog.SOPInstanceUID.isin({*of_images.values()} - {""})
        places = defaultdict[str, list[str]](list)
        for path, instance in catalog[same].itertuples(index=False, name=None):
            for name in {path, instance}:
                places[name].append(path)
        found = []
        for item, row in self._rows.items():
            there = [item] if item not in of_images else places[item] or places[of_images[item]]
            if is_of_what_was_seen(row):
                there = [place for place in there if self._now.digest(place)]  # what is gone did not change
                old = bool(there) and not any(self._now.bears(row, place) for place in there)
            else:
                old = not there and not of_images.get(item)
            if old:
                found.append(row)
        return found

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

    def _about(
        self, source_path: str, series: str, device: str, instance: str, acquired: str
    ) -> Iterator[tuple[Cells, Scope]]:
        """The rows about an image, the narrowest first; of those on the image itself the latest."""
        own = [self._rows[source_path]] if source_path in self._rows else []
        rows = {row["item"]: row for row in (*own, *self._elsewhere["SOPInstanceUID"].get(instance, ()))}
        for row in self._elsewhere["acquired"].get(acquired, ()):
            if row["item"] not in rows and row["pixel_digest"] == self._now.pixels(source_path):
                rows[row["item"]] = row
        for row in sorted(rows.values(), key=lambda row: -self._order[row["item"]]):
            yield row, "image"
        wider: dict[str, Scope] = {OF_SERIES + series: "series", OF_DEVICE + device: "device"}
        for item, scope in wider.items():
            if item in self._rows:
                yield self._rows[item], scope

    @cached_property
    def _order(self) -> dict[str, int]:
        return {item: number for number, item in enumerate(self._rows)}

    @cached_property
    def _elsewhere(self) -> dict[str, dict[str, list[Cells]]]:
        """The rows on images, by what an image is found again by."""
        rows = {item: row for item, row in self._rows.items() if is_of_an_image(item)}
        meant = images_meant(self._workspace, rows)
        found: dict[str, dict[str, list[Cells]]] = {"SOPInstanceUID": {}, "acquired": {}}
        for item, row in rows.items():
            if instance := meant[item]:
                found["SOPInstanceUID"].setdefault(instance, []).append(row)
            if row["acquired"] and row["pixel_digest"] and row["decision"] != "accept":
                found["acquired"].setdefault(row["acquired"], []).append(row)
        return found


def seen_digest(workspace: Workspace, item: str) -> str:
    """BLAKE3 of what a decision is about, as it is now: a source file, or which images a series has; "" if gone."""
    if item.startswith(OF_SERIES):
        series = item.removeprefix(OF_SERIES)
        return series_digests(workspace, [series]).get(series, "")
    try:
        return workspace.source.digest(item)
    except OSError:
        return ""


def pixel_digest(content: Buffer) -> str:
    """BLAKE3 of the pixel data value of a file, "" where there is none to be read or one value fills it: of those many
    are alike."""
    try:
        taken = take_apart(content)
    except Refused:
        return ""
    value = bytes(taken.pixels.content(taken.data)) if taken.pixels else b""
    return "" if value.count(value[:2]) * 2 >= len(value) else blake3(value).hexdigest()


def outdated(workspace: Workspace) -> pd.DataFrame:
    """Decisions that are not applied, for what they are about changed since or is not there; look again."""
    return tables.frame(tables.IMAGE_DECISIONS, [dict(row) for row in ImageDecisions(workspace).outdated()])
