"""Which released series may show a face: a volume of the head can be rendered into one (Safe Harbor item 17)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from chorus_nb.verify.findings import Finding

ANATOMY = ("Modality", "BodyPartExamined", "StudyDescription", "SeriesDescription")
VOLUMES = ("CT", "MR", "PT")
# Parts of the body whose field of view can hold a face (facts: pixels.md §C.4); a whole body holds one too.
HEAD = re.compile(
    r"head|brain|skull|face|facial|cranio|orbit|sinus|neck|iac\b|temporal|maxill|mandib|dental|pituitary"
    r"|c.?spine|cervical|whole.?body",
    re.IGNORECASE,
)


def faces(released: pd.DataFrame, catalog: pd.DataFrame) -> Iterator[Finding]:
    """A finding for each released series of a head, or of a volume whose header does not say what it shows."""
    images = released[["source_path", "target_path"]].merge(catalog, on="source_path")
    images = images[images.Modality.isin(VOLUMES)]
    for folder, series in images.groupby(images.target_path.map(lambda path: path.rpartition("/")[0])):
        said = " ".join(series[list(ANATOMY[1:])].drop_duplicates().to_numpy().ravel())
        if HEAD.search(said):
            yield Finding("faces", "medium", str(folder), "", "a head, not defaced")
        elif not said.strip():
            yield Finding("faces", "low", str(folder), "", "the header does not say what part of the body it shows")
