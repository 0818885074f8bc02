"""Which single decision frees many pictures: on one device and in one layout text stands in the same places."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chorus_nb import tables
from chorus_nb.pixels.boxes import Box, format_boxes, merge, parse_boxes
from chorus_nb.pixels.judge import TOO_MUCH
from chorus_nb.workspace import Workspace

MOSTLY = 0.5  # share of the pictures of a device and layout that are held: below it each is decided by itself
_COLUMNS = ["item", "pictures", "held", "decision", "boxes", "share_filled"]


def decisions_that_free(workspace: Workspace) -> pd.DataFrame:
    """A row per device and layout with pictures held for their text: how many there are, how many are held, and the one
    decision that frees them ("redact" with boxes that cover what was found on all; "" = each by itself).

    A device's boxes are filled in every picture of it, so it is offered where most of them are held, and where the
    boxes take no more of the picture than 03 fills by itself.
    """
    verdicts = workspace.read_or_empty(tables.IMAGE_VERDICTS)
    rows = []
    for device, own in verdicts.groupby("device", sort=True):
        held = own[own.reason == "burned_in_text"]
        if held.empty:
            continue
        boxes = merge(box for text in held.boxes.unique() for box in parse_boxes(text))
        share = _share(boxes, str(device))
        whole = len(held) > 1 and len(held) >= MOSTLY * len(own) and 0 < share <= TOO_MUCH
        said = ("redact", format_boxes(boxes), round(share, 3)) if whole else ("", "", np.nan)
        rows.append((f"device:{device}", len(own), len(held), *said))
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values(
        ["held", "item"], ascending=[False, True], ignore_index=True
    )


def said_of_layouts(frame: pd.DataFrame) -> str:
    """How many pictures wait, and how few decisions free them, in a sentence."""
    together = frame[frame.decision != ""]
    if frame.empty:
        return "No picture is held back for text."
    single, one = int(frame.held.sum() - together.held.sum()), len(together) == 1
    return (
        f"{frame.held.sum():,} of {frame.pictures.sum():,} pictures of these devices are held back for text; "
        f"{len(together):,} decision{'s' * (not one)} on a device and layout free{'s' * one} {together.held.sum():,}, "
        f"the other {single:,} are decided by image or series."
    )


def _share(boxes: list[Box], device: str) -> float:
    """The share of a picture of ``MANUFACTURER|MODEL|ROWSxCOLS`` that boxes cover; 0 where its size is not known."""
    rows, _, columns = device.rpartition("|")[2].partition("x")
    if not (rows.isdigit() and columns.isdigit() and int(rows) * int(columns)):
        return 0.0
    covered = np.zeros((int(rows), int(columns)), bool)
    for box in boxes:
        inside = box.within(*covered.shape)
        covered[inside.y0 : inside.y1, inside.x0 : inside.x1] = True
    return float(covered.mean())
