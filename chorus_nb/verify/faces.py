"""Which released series may show a face: a volume of the head can be rendered into one (Safe Harbor item 17)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from chorus_nb.layout import series_folder
from chorus_nb.leaks.shapes import Severity
from chorus_nb.verify.findings import Finding

ANATOMY = ("Modality", "BodyPartExamined", "StudyDescription", "SeriesDescription", "SOPClassUID")
CAPTURE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.7(?:\.\d)?")
PAGE = re.compile(r"\b(?:dose|report|page|summary|protocol|worksheet)\b", re.IGNORECASE)  # text, captured: no volume
VOLUMES = ("CT", "MR", "PT")
# Parts of the body whose field of view can hold a face (facts: pixels.md §C.4); a whole body holds one too.
HEAD = re.compile(
    r"head|brain|skull|face|facial|cranio|orbit|sinus|neck|iac\b|temporal|maxill|mandib|dental|pituitary"
    r"|c.?spine|cervical|whole.?body",
    re.IGNORECASE,
)


SAID: dict[str, tuple[Severity, str]] = {
    "as_it_is": ("medium", "released with its face: a reviewer decided so"),
    "no_face_in_view": ("low", "a head whose face lies outside the field of view"),
    "no_head": ("low", "its header may mean a head, its pixels show none"),
}


def faces_left(
    released: pd.DataFrame, catalog: pd.DataFrame, statuses: dict[str, str] | None = None
) -> Iterator[Finding]:
    """A finding for each released series of a head, or of a volume whose header does not say what it shows.

    ``statuses``: what 03 made of each series, by Series Instance UID; None where nothing was to be defaced.
    """
    images = released[["source_path", "target_path", "face_mask"]].merge(catalog, on="source_path")
    images = images[images.Modality.isin(VOLUMES)]
    for folder, series in images.groupby(images.target_path.map(series_folder)):
        if series.SOPClassUID.str.fullmatch(CAPTURE).all() and series.SeriesDescription.str.contains(PAGE).all():
            continue
        said = " ".join(series[list(ANATOMY[1:4])].drop_duplicates().to_numpy().ravel())
        if not HEAD.search(said) and said.strip():
            continue
        if (series.face_mask != "").all():
            yield Finding("faces", "info", str(folder), "", "its face was removed")
        elif statuses is not None:
            status = statuses.get(series.SeriesInstanceUID.iloc[0], "")
            severity, detail = SAID.get(
                status, ("high", "may show a face, and it is not on record that it was removed")
            )
            yield Finding("faces", severity, str(folder), "", detail)
        elif said.strip():
            yield Finding("faces", "medium", str(folder), "", "a head, not defaced")
        else:
            yield Finding("faces", "low", str(folder), "", "the header does not say what part of the body it shows")
