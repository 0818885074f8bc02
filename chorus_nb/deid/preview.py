"""One image per kind before and after, by the real engine: what the tag plan looks like on files of the site."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import pandas as pd
import pydicom
from pydicom.dataset import Dataset

from chorus_nb import standards, tables
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.worklist import uid_map
from chorus_nb.dicom.spans import Refused
from chorus_nb.mapping import load_policy, read_lookups
from chorus_nb.workspace import Workspace

LONGEST_SHOWN = 40  # characters of a value shown
FROM_CATALOG = (
    "source_path",
    "status",
    "reason",
    "has_pixels",
    "SOPClassUID",
    "Modality",
    "PatientID",
    "AccessionNumber",
)
PREVIEW_COLUMNS = [
    *("sop_class", "modality", "source_path", "path", "tag", "private_creator"),
    *("keyword", "vr", "before", "after"),
]


def preview(workspace: Workspace) -> pd.DataFrame:
    """De-identify one file of each modality in memory: a row per element, before and after.

    Identifiable. Files of patients or accessions without a row in the lookup tables are passed over.
    """
    catalog = workspace.read(tables.CATALOG, FROM_CATALOG)
    lookups = read_lookups(workspace)
    engine = Deidentifier(load_policy(workspace), uid_map(workspace), workspace.parameters.zone)
    images = catalog[(catalog.status == "dicom") & (catalog.reason == "") & catalog.has_pixels]
    images = images[images.SOPClassUID.isin(list(standards.RELEASABLE))]
    rows: list[tuple[object, ...]] = []
    for modality, files in images.groupby("Modality", sort=True):
        for file in files.sort_values("source_path").itertuples():
            person = lookups.person(file.PatientID)
            image = lookups.image(file.PatientID, file.AccessionNumber)
            if person is None or image is None:
                continue
            content = workspace.source.read(file.source_path)
            try:
                made = engine.apply(content, Subject(*person, image))
            except Refused:
                continue
            before, after = _read(content), _read(made.header)
            for place, shown in before.items():
                new = after.get(place, ("", "", ""))[2]
                rows.append((file.SOPClassUID, modality, file.source_path, *place, *shown, new))
            break
    return pd.DataFrame(rows, columns=PREVIEW_COLUMNS)


Place = tuple[str, str, str]  # path, tag, private creator, as in the tag plan
Shown = tuple[str, str, str]  # keyword, VR, value


def _read(content: bytes) -> dict[Place, Shown]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote values
        dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, force=True)
        found: dict[Place, Shown] = {}
        for place, shown in _previewed(dataset, ""):
            found.setdefault(place, shown)  # of several items the first is shown
        return found


def _previewed(dataset: Dataset, path: str) -> Iterator[tuple[Place, Shown]]:
    for element in dataset:
        creator = ""
        if element.tag.is_private:
            creator = str(element.value) if element.tag.is_private_creator else element.private_creator or ""
        text, step = standards.tag_pattern(element.tag), standards.path_step(element.tag, creator)
        if element.VR == "SQ":
            yield (path, text, creator), (element.keyword, "SQ", f"{len(element.value)} items")
            for item in element.value:
                yield from _previewed(item, f"{path}.{step}" if path else step)
        else:
            yield (path, text, creator), (element.keyword, element.VR, _shown_text(element.value))


def _shown_text(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    values = value if isinstance(value, pydicom.multival.MultiValue) else [value]
    text = "\\".join("" if one is None else str(one) for one in values)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
