"""Pack the release: the gate, the notes that go with it, and the manifest of exactly these bytes."""

from __future__ import annotations

import re

import pandas as pd

from chorus_nb import tables
from chorus_nb.compute import Progress
from chorus_nb.release.gate import refuse_identifiers, require_gate
from chorus_nb.release.layout import refuse_what_would_be_skipped
from chorus_nb.release.manifest import measure, with_delta
from chorus_nb.release.submission import write_notes
from chorus_nb.workspace import Workspace

IMAGE = re.compile(r"\w+/Images/.+", re.ASCII)


def pack(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """Check that the release may leave, write what goes with it, and return its ``manifest``.

    Refuses unless every check passed for exactly these bytes, when a file would be skipped by the consortium's tool,
    or when an original identifier stands in any table, note or report.
    """
    write_notes(workspace)
    refuse_what_would_be_skipped(workspace.release)
    refuse_identifiers(workspace)
    measured = measure(workspace, progress)
    images = measured[measured["path"].str.fullmatch(IMAGE)]
    require_gate(workspace, dict(zip(images["path"], images["blake3"], strict=True)))
    workspace.write(tables.MANIFEST, with_delta(workspace, measured))
    return workspace.read(tables.MANIFEST)
