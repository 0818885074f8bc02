"""The headers of the released files, each read once: what the registry and the metadata tables are made from."""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd
import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from chorus_nb import tables
from chorus_nb.compute import Progress, executor, map_unordered
from chorus_nb.errors import WorkbenchError
from chorus_nb.workspace import Workspace

# Where an enhanced image or a PET image keeps what others have at the root of the data set
PLACES = (
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    "RadiopharmaceuticalInformationSequence",
)
WANTED: list[BaseTag] = [
    Tag(keyword) for keyword in (*tables.HEADER_KEYWORDS, *PLACES, "AnatomicRegionSequence", "SpecificCharacterSet")
]
BATCH = 64  # files a worker reads per call


def released_headers(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """A row per released file with its attributes as text. Only files that are new or changed are read again."""
    outcomes = workspace.read(tables.OUTCOMES)
    released = outcomes.loc[outcomes["status"] == "released", ["target_path", "target_digest"]]
    known = (
        workspace.read(tables.RELEASED_HEADERS)
        if workspace.has(tables.RELEASED_HEADERS)
        else tables.empty(tables.RELEASED_HEADERS)
    )
    kept = known.merge(released, on=["target_path", "target_digest"])
    todo = released[~released["target_path"].isin(kept["target_path"])]
    digests = dict(zip(todo["target_path"], todo["target_digest"], strict=True))
    paths = list(digests)
    batches = (tuple(paths[start : start + BATCH]) for start in range(0, len(paths), BATCH))
    rows: list[dict[str, object]] = []
    with executor(workspace.parameters) as pool:
        read = functools.partial(_read_batch, workspace.release)
        for _, result in map_unordered(pool, read, batches):
            if isinstance(result, BaseException):
                raise result
            rows += result
            if progress:
                progress(len(rows), len(paths), "reading released headers")
    made = tables.frame(
        tables.RELEASED_HEADERS, [{**row, "target_digest": digests[str(row["target_path"])]} for row in rows]
    )
    headers = pd.concat([kept, made]).sort_values("target_path", ignore_index=True)
    workspace.write(tables.RELEASED_HEADERS, headers)
    return headers


def _read_batch(release: Path, paths: tuple[str, ...]) -> list[dict[str, object]]:
    return [{"target_path": path, **read_header(release / path, path)} for path in paths]


def read_header(file: Path, path: str) -> dict[str, object]:
    """The attributes of one released file as text, multi-values joined by a backslash."""
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=WANTED)
        found = {keyword: _text(dataset, keyword) for keyword in tables.HEADER_KEYWORDS}
        return {**found, "anatomic_region": _code(dataset)}
    except Exception as error:  # pydicom raises many kinds, and their texts quote values
        raise WorkbenchError(f"{path}: a released file cannot be read ({type(error).__name__})") from None


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    if value in (None, ""):
        value = next((v for place in PLACES if (v := _inside(dataset, place, keyword)) not in (None, "")), "")
    return "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)


def _inside(dataset: Dataset, place: str, keyword: str) -> object:
    """``keyword`` in the first item of the sequence ``place`` or in the functional groups of that item."""
    items = dataset.get(place) or []
    for item in items[:1]:
        for holder in (item, *(element.value[0] for element in item if element.VR == "SQ" and element.value)):
            if holder.get(keyword) not in (None, ""):
                return holder.get(keyword)
    return None


def _code(dataset: Dataset) -> str:
    region = next(iter(dataset.get("AnatomicRegionSequence") or []), Dataset())
    value, scheme = region.get("CodeValue", ""), region.get("CodingSchemeDesignator", "")
    return f"{scheme}:{value}" if value and scheme else ""
