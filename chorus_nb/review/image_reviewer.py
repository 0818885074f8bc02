"""The image reviewer (notebook 04): a queue by risk, before and after, boxes, one key for each decision."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

import pandas as pd
from blake3 import blake3

from chorus_nb import tables
from chorus_nb.decisions import Cells, DecisionLog
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.pixels import parse_boxes, redact
from chorus_nb.pixels.controls import CONTROL_LOG, controls_for_reviewers
from chorus_nb.pixels.decisions import IMAGE_LOG, AsItIs, is_of_an_image, is_of_what_was_seen, pixel_digest, seen_digest
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.review.views import Image
from chorus_nb.workspace import Workspace

IMAGE_ORDER = {"hold": 0, "redact": 1, "clean": 2, "high": 0, "medium": 1, "low": 2, "": 3}
QUEUE_COLUMNS = ["source_path", "Modality", "verdict", "reason", "tier", "risk_reason", "device", "boxes", "beside"]
_DISGUISE = {"verdict": "hold", "reason": "burned_in_text_unchecked", "checked": "looked"}
_DISGUISE |= dict.fromkeys(("boxes", "tier", "beside"), "")
TOLD_COLUMNS = ["SOPInstanceUID", "acquired"]  # of the catalog, written down with a decision on an image
WHOSE = ["SeriesInstanceUID", *TOLD_COLUMNS]
REVIEWED_COLUMNS = ["source_path", "InstanceNumber", "Modality", *WHOSE]
SAID_COLUMNS = ["reviewer", "decision", "item", "time", "note"]


class ImageReviewer(Panel):
    """``ImageReviewer(workspace)``: images whose text needs a person first; decisions are on disk at once.

    ``clean=True`` also queues images in which nothing was found; ``blind=True`` shows nothing of what others decided
    (a second reading, see :meth:`chorus_nb.decisions.DecisionLog.agreement`). Where 03 made a hidden control, some of
    its pictures stand among the others; what is decided about them is counted and applied to nothing.
    """

    _esm = script("image_drawing", "image_reviewer")
    questions = ("view", "decide", "undo", "found", "progress")

    def __init__(self, workspace: Workspace, reviewer: str = "", *, clean: bool = False, blind: bool = False) -> None:
        super().__init__(workspace, reviewer)
        self._blind = blind
        verdicts = workspace.read(tables.IMAGE_VERDICTS)
        catalog = workspace.read(tables.CATALOG, REVIEWED_COLUMNS)
        chosen = verdicts if clean else verdicts[(verdicts["verdict"] != "clean") | (verdicts["checked"] == "decided")]
        self._controls = controls_for_reviewers(workspace, len(chosen))
        chosen, catalog = self._among(chosen, verdicts, catalog)
        ranked = chosen.assign(rank=chosen["verdict"].map(IMAGE_ORDER) * 4 + chosen["tier"].map(IMAGE_ORDER))
        if blind:  # what another decided would show in what the run made of it
            shown = ["verdict", "reason", "boxes", "beside", "rank"]
            ranked.loc[ranked["checked"] == "decided", shown] = ["", "", "", "", 0]
        self.queue = ranked.sort_values(["rank", "source_path"]).merge(catalog, on="source_path").reset_index(drop=True)
        series = catalog[catalog["SeriesInstanceUID"].isin(set(self.queue["SeriesInstanceUID"]) - {""})]
        number = pd.to_numeric(series["InstanceNumber"], errors="coerce")
        series = series.assign(number=number).sort_values(["number", "source_path"])
        self._series_of = dict(zip(series["source_path"], series["SeriesInstanceUID"], strict=True))
        self._mates = series.groupby("SeriesInstanceUID", sort=False)["source_path"].agg(list).to_dict()
        shown = pd.concat([self.queue[["source_path", *TOLD_COLUMNS]], series[["source_path", *TOLD_COLUMNS]]])
        self._told = shown.drop_duplicates("source_path").set_index("source_path").to_dict("index")
        self._device_of = dict(zip(verdicts["source_path"], verdicts["device"], strict=True))  # of no control
        self._items = [self._item_names(path) for path in self.queue["source_path"]]
        found = workspace.read_or_empty(tables.TEXT_FINDINGS)
        found = found[found["filled"] == ""]
        self._found = dict(list(found[["source_path", "box", "text", "tier", "reason"]].groupby("source_path")))
        outcomes = workspace.read_or_empty(tables.OUTCOMES)
        released = outcomes[outcomes["status"] == "released"]
        self._targets = dict(zip(released["source_path"], released["target_path"], strict=True))
        self._open = lru_cache(maxsize=4)(self._opened)
        self._seen: dict[str, dict[str, str]] = {}
        self._decided_in: list[DecisionLog] = []  # here, last one last
        self._old = self._outdated()
        self.content = {
            "columns": QUEUE_COLUMNS,
            "queue": self.queue[QUEUE_COLUMNS].to_numpy(dtype=object).tolist(),
            "meanings": {code: tables.REASON_MEANINGS.get(code, code) for code in {*self.queue["reason"]}},
            "reviewer": self.reviewer,
            "blind": blind,
            **self._progress(),
        }

    def view(self, path: str, side: str, boxes: str = "", frame: int = 0, **corners: int) -> Reply:
        """A part of an image. ``after``: what is in the release, or what the boxes would make of it."""
        image = self._open(path, boxes if side == "after" else None)
        facts, content = image.view(frame, **corners)
        return facts, [content]

    def found(self, path: str) -> Reply:
        """Of the image on the screen: the text found, what was said about it, and the images of its series in order."""
        findings = self._found[path].drop_duplicates("box").drop(columns="source_path") if path in self._found else None
        names = self._item_names(path)
        standing = [row for row in self._standing() if row["item"] in names or self._is_of(row, path)]
        of_image = [row for row in IMAGE_LOG.latest(standing).values() if is_of_an_image(row["item"])]
        current = of_image[-1] if of_image else None
        old = current is not None and path not in self._controls and not AsItIs(self.workspace).bears(current, path)
        return {
            "findings": [] if findings is None else findings.to_dict("records"),
            "said": [[row[name] for name in SAID_COLUMNS] for row in standing],
            "boxes": current["boxes"] if current else "",
            "outdated": old,
            "series": self._mates.get(self._series_of.get(path, ""), [path]),
            "device": self._device_of.get(path, ""),
        }, []

    def decide(self, path: str, decision: str, boxes: str = "", scope: str = "image", note: str = "") -> Reply:
        """Write a decision down: about this image, its whole series, or every image of its device and geometry."""
        item = dict(zip(("image", "series", "device"), self._item_names(path), strict=True))[scope]
        if item in ("", "series:", "device:"):
            raise InputError(f"of this image no {scope} is known")
        row = {"item": item, "decision": decision, "boxes": boxes, "note": note, "blind": "yes" if self._blind else ""}
        log = CONTROL_LOG if path in self._controls else IMAGE_LOG
        if scope == "image":
            row |= {**self._told.get(path, {}), **(self._seen.get(path) or self._as_it_is(path))}
        elif scope == "series":
            row["seen_digest"] = seen_digest(self.workspace, item)
        log.append(self.workspace, self.reviewer, {name: row[name] for name in row.keys() & {*log.table.column_names}})
        self._decided_in.append(log)
        return self._progress(), []

    def progress(self) -> Reply:
        """What holds for each image of the queue by now, whoever decided it, and how many opinions differ."""
        return self._progress(), []

    def undo(self) -> Reply:
        """Take back this reviewer's last decision."""
        log = self._decided_in.pop() if self._decided_in else IMAGE_LOG
        item = log.withdraw(self.workspace, self.reviewer) if self.reviewer else ""
        mates = self._mates.get(self._series_of.get(item, ""), [])
        place = next((place for place, names in enumerate(self._items) if item in names), -1)
        if place < 0 and mates:  # a slice that nobody queued: the place of its series
            place = next((place for place, names in enumerate(self._items) if names[0] in mates), -1)
        return {"undone": item, "place": place, **self._progress()}, []

    def static_table(self) -> pd.DataFrame:
        said = self._progress()
        words = said["decided"] | dict.fromkeys(said["changed"], "changed since")
        decided = [words.get(number, "waits") for number in self.queue.index]
        table = self.queue[["Modality", "verdict", "reason", "tier"]].assign(decision=decided)
        return table.groupby(list(table.columns), as_index=False).size().rename(columns={"size": "images"})

    def _opened(self, path: str, boxes: str | None) -> Image:
        """The original (``None``), the released file, or the original with these boxes redacted by the real engine."""
        target = self._targets.get(path)
        try:
            if boxes is not None and not boxes and target:
                return Image((self.workspace.release / target).read_bytes())
            _, control = self._controls.get(path, ("", None))
            content = control.read_bytes() if control else self.workspace.source.read(path)
        except OSError:
            raise WorkbenchError("this file can no longer be read") from None
        if boxes is None:
            seen = {"seen_digest": blake3(content).hexdigest(), "pixel_digest": pixel_digest(content)}
            self._seen[path] = seen  # a decision is about what was on the screen
        return Image(redact(content, list(parse_boxes(boxes))) if boxes else content)

    def _among(
        self, chosen: pd.DataFrame, verdicts: pd.DataFrame, catalog: pd.DataFrame
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The hidden control among the pictures of the queue, as pictures that could not be searched."""
        made_of = pd.Series({item: parent for item, (parent, _) in self._controls.items()}, dtype=object)
        known = made_of[made_of.isin(verdicts["source_path"])]
        rows = verdicts.set_index("source_path").loc[known].assign(source_path=known.index, **_DISGUISE)
        parents = (
            catalog.set_index("source_path").loc[known].assign(source_path=known.index, **dict.fromkeys(WHOSE, ""))
        )
        return pd.concat([chosen, rows[chosen.columns]]), pd.concat([catalog, parents[catalog.columns]])

    def _item_names(self, path: str) -> tuple[str, str, str]:
        """What a decision about an image may be on: itself, its series, its device and geometry."""
        return path, f"series:{self._series_of.get(path, '')}", f"device:{self._device_of.get(path, '')}"

    def _standing(self) -> list[Cells]:
        """Every decision that counts here: of all reviewers, or of this one alone."""
        rows = [*IMAGE_LOG.standing(self.workspace), *CONTROL_LOG.standing(self.workspace)]
        return [row for row in rows if row["reviewer"] == self.reviewer] if self._blind else rows

    def _is_of(self, row: Cells, path: str) -> bool:
        """Whether a decision is on this instance, under whatever path."""
        return self._instance(path) != "" and row.get("SOPInstanceUID") == self._instance(path)

    def _instance(self, path: str) -> str:
        return str(self._told.get(path, {}).get("SOPInstanceUID", ""))

    def _as_it_is(self, path: str) -> dict[str, str]:
        now = AsItIs(self.workspace)
        return {"seen_digest": now.digest(path), "pixel_digest": now.pixels(path)}

    def _about(self, standing: list[Cells]) -> dict[int, list[Cells]]:
        """By place in the queue, the rows about its image, the one that counts first."""
        rows = IMAGE_LOG.latest(standing)
        of_instance = defaultdict[str, list[Cells]](list)
        for row in rows.values():
            of_instance[row.get("SOPInstanceUID", "")].append(row)
        order = {item: number for number, item in enumerate(rows)}
        found = {}
        for place, (path, *wider) in enumerate(self._items):
            instance = self._instance(path)
            own = {row["item"]: row for row in of_instance.get(instance, [])} if instance else {}
            own |= {path: rows[path]} if path in rows else {}
            latest = sorted(own.values(), key=lambda row: -order[row["item"]])
            if about := [*latest, *(rows[item] for item in wider if item in rows)]:
                found[place] = about
        return found

    def _outdated(self) -> set[tuple[int, str, str]]:
        """Place, item and time of what was decided about something else than is there now.

        A file is asked only where the last run held it back although somebody had decided about it.
        """
        now, made = AsItIs(self.workspace), self.workspace.path(tables.IMAGE_VERDICTS).stat().st_mtime
        about = {
            place: [row for row in rows if is_of_what_was_seen(row)]
            for place, rows in self._about(self._standing()).items()
            if self.queue["verdict"][place] == "hold"
            and self.queue["checked"][place] != "decided"
            and self._items[place][0] not in self._controls
        }
        now.know({row["item"] for rows in about.values() for row in rows})
        return {
            (place, row["item"], row["time"])
            for place, rows in about.items()
            for row in rows
            if _before(row["time"], made)
            and not now.bears(row, self._items[place][0] if is_of_an_image(row["item"]) else row["item"])
        }

    def _progress(self) -> dict[str, Any]:
        """By place in the queue what was decided; ``changed``: places where that was about something else."""
        standing = self._standing()
        decided, changed = {}, []
        for place, rows in self._about(standing).items():
            hold = [row for row in rows if (place, row["item"], row["time"]) not in self._old]
            if hold:
                decided[place] = hold[0]["decision"]
            else:
                changed.append(place)
        opinions = sum(map(len, IMAGE_LOG.differing(standing)))
        return {"decided": decided, "changed": changed, "disagreements": opinions}


def _before(time: str, instant: float) -> bool:
    """Whether a row was written before; one whose time has no offset may have been."""
    told = None
    with suppress(ValueError):
        told = datetime.fromisoformat(time)
    return told is None or told.tzinfo is None or told.timestamp() < instant
