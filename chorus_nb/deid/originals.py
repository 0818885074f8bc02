"""What is kept of an original, so that a file stays verified, and can be made anew, when the source holds it no more.

The release holds the pixels; kept below ``local/originals/`` is the rest, or all of it where the pixels did not leave
as they were. A part of it goes with each part of the crosswalk, under the same name.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from chorus_nb import tables
from chorus_nb.deid.dataset import Deidentified
from chorus_nb.deid.ledger import Ledger
from chorus_nb.dicom.container import END
from chorus_nb.dicom.encodings import Buffer
from chorus_nb.source import earlier
from chorus_nb.source.earlier import Original
from chorus_nb.workspace import Workspace


def kept_of(source_path: str, target_path: str, content: Buffer, made: Deidentified) -> Original:
    """Of a file that was read as ``content`` and released as ``made``."""
    start, length = made.pixels_at, len(made.pixel_value)
    inside = len(made.pixels) - length  # the value is what the element ends with, or its end mark stands behind it
    there = start >= 0 and length and _same(content, start, made.pixel_value)
    for at in (inside, inside - len(END)) if there else ():
        if at >= 0 and _same(made.pixels, at, made.pixel_value):
            behind = len(made.pixels) - at
            return Original(
                source_path, target_path, length, behind, bytes(content[:start]), bytes(content[start + length :])
            )
    return Original(source_path, target_path, 0, 0, bytes(content), b"")


def _same(content: Buffer, at: int, part: Buffer) -> bool:
    """Whether ``part`` stands in ``content`` at ``at``; mostly it is a view of the very bytes, known at once."""
    if at + len(part) > len(content):
        return False
    one, other = np.frombuffer(content, np.uint8, len(part), at), np.frombuffer(part, np.uint8)
    return one.__array_interface__["data"] == other.__array_interface__["data"] or np.array_equal(one, other)


def list_kept(workspace: Workspace, worklist: pd.DataFrame, ledger: Ledger) -> None:
    """Write the table of what is kept, by which 01 knows the files of earlier deliveries."""
    released = ledger.kept().merge(worklist[["source_path", "size", "modified_ns"]], on="source_path")
    there = {path.name for path in (workspace.local / earlier.ORIGINALS_FOLDER).glob("*.parquet")}
    released = released[released.part.isin(there)]
    workspace.write(tables.ORIGINALS, released[tables.ORIGINALS.column_names])


def keep_kept(workspace: Workspace, parts: set[str]) -> None:
    """Remove the parts that neither the ledger nor the list of earlier files names."""
    still = {file.part for file in earlier.read_earlier(workspace.local)}
    earlier.keep_originals(workspace.local / earlier.ORIGINALS_FOLDER, parts | still)
