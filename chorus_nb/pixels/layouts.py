"""Which single decision frees many pictures: on one device and in one layout text stands in the same places."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chorus_nb import tables
from chorus_nb.pixels.boxes import Box, format_boxes, merge, parse_boxes
from chorus_nb.pixels.judge import FOR_TEXT, TOO_MUCH
from chorus_nb.workspace import Workspace

MOSTLY = 0.5  # share of the pictures of a device and layout that are held: below it each is decided by itself
_TO_LOOK_AT = (*FOR_TEXT, "burned_in_text_unchecked")  # for a look at the pixels: found there, not searchable
_COLUMNS = ["item", "files", "held", "freed", "decision", "boxes", "share_filled"]


def decisions_that_free(workspace: Workspace) -> pd.DataFrame:
    """A row per device and layout with files held for their text: how many files there are, how many are held (some
    because they could not be searched), and the one decision that frees those in which text was found ("redact" with
    boxes that cover it on all; "" = each by itself).

    A device's boxes are filled in every picture of it, so it is offered where most of them are held, and where the
    boxes take no more of the picture than 03 fills by itself.
    """
    verdicts = workspace.read_or_empty(tables.IMAGE_VERDICTS)
    rows = []
    for device, own in verdicts.groupby("device", sort=True):
        held = own[own.reason.isin(_TO_LOOK_AT)]
        if held.empty:
            continue
        found = held[held.reason.isin(FOR_TEXT)]
        boxes = merge(box for text in found.boxes.unique() for box in parse_boxes(text))
        share = _share(boxes, str(device))
        whole = len(found) > 1 and len(found) >= MOSTLY * len(own) and 0 < share <= TOO_MUCH
        said = (len(found), "redact", format_boxes(boxes), round(share, 3)) if whole else (0, "", "", np.nan)
        rows.append((f"device:{device}", len(own), len(held), *said))
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values(
        ["held", "item"], ascending=[False, True], ignore_index=True
    )


def said_of_layouts(frame: pd.DataFrame) -> str:
    """How many files wait, the same as the index says, and how few decisions free them, in a sentence."""
    if frame.empty:
        return "No file is held back for text in its pixels."
    held, freed, decisions = int(frame.held.sum()), int(frame.freed.sum()), int((frame.decision != "").sum())
    return (
        f"{held:,} of {frame.files.sum():,} files of these devices wait for a look at their text; "
        f"{decisions:,} decision{'s' * (decisions != 1)} on a device and layout free{'s' * (decisions == 1)} "
        f"{freed:,}, the other {held - freed:,} are decided by image or series."
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
