"""One image per kind before and after, by the real engine: what the tag plan looks like on files of the site."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pydicom
from pydicom.dataset import Dataset

from chorus_nb import standards, tables
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.persons import subject_of
from chorus_nb.deid.worklist import uid_map
from chorus_nb.dicom.spans import Refused
from chorus_nb.errors import FileFault
from chorus_nb.guard import fault_of, one_file, quiet
from chorus_nb.identity.site_words import site_vocabulary
from chorus_nb.mapping import load_policy, read_lookups
from chorus_nb.workspace import Workspace

LONGEST_LINE = 120  # characters of a value shown
LONGEST_EXAMPLE = 40  # of them in the tag plan
DEEPEST_SHOWN = 32  # levels of nesting shown; the engine refuses deeper files
UNREADABLE = "(a value that cannot be read)"
UNREADABLE_HEADER = "(this header cannot be shown: it {})"
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
    zone, words, subject = workspace.parameters.zone, site_vocabulary(workspace), subject_of(workspace, lookups)
    engine = Deidentifier(load_policy(workspace), uid_map(workspace), zone, words)
    images = catalog[(catalog.status == "dicom") & (catalog.reason == "") & catalog.has_pixels]
    images = images[images.SOPClassUID.isin(list(standards.releasable(workspace.parameters.kinds)))]
    rows: list[tuple[object, ...]] = []
    for _, files in images.groupby("Modality", sort=True):
        for file in files.sort_values("source_path").itertuples():
            person = lookups.person(file.PatientID)
            image = lookups.image(file.PatientID, file.AccessionNumber)
            if person is None or image is None:
                continue
            with contextlib.suppress(Refused, FileFault), one_file("a preview"):
                rows += _preview_rows(file, workspace.source.read(file.source_path), engine, subject(*person, image))
                break
    return pd.DataFrame(rows, columns=PREVIEW_COLUMNS)


def _preview_rows(file: Any, content: bytes, engine: Deidentifier, subject: Subject) -> list[tuple[object, ...]]:
    before, after = _first_lines(content), _first_lines(engine.apply(content, subject).header)
    rows: list[tuple[object, ...]] = []
    for place, line in before.items():
        new = _cut_to(after[place].value, LONGEST_EXAMPLE) if place in after else ""
        keyword, old = "" if place[2] else line.keyword, _cut_to(line.value, LONGEST_EXAMPLE)
        rows.append((file.SOPClassUID, file.Modality, file.source_path, *place, keyword, line.vr, old, new))
    return rows


Place = tuple[str, str, str]  # path, tag, private creator, as in the tag plan


@dataclass(frozen=True)
class HeaderLine:
    """An element of a header as shown: ``path`` with item numbers, as in the crosswalk."""

    path: str
    tag: str
    keyword: str
    vr: str
    value: str
    depth: int
    place: Place


def header_lines(content: bytes) -> list[HeaderLine]:
    """Every element of a header in its order, items below their sequence; one line where nothing can be read."""
    try:
        with quiet():
            dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, force=True)
            return list(_header_lines(dataset, "", "", 0))
    except Exception as error:
        return [HeaderLine("", "", "", "", UNREADABLE_HEADER.format(fault_of(error)), 0, ("", "", ""))]


def _first_lines(content: bytes) -> dict[Place, HeaderLine]:
    """The lines by their place; of several items the first is shown."""
    found: dict[Place, HeaderLine] = {}
    for line in header_lines(content):
        found.setdefault(line.place, line)
    return found


def _header_lines(dataset: Dataset, path: str, plain: str, depth: int) -> Iterator[HeaderLine]:
    for key in sorted(dataset.keys()):
        try:
            element, creator = dataset[key], ""
            if key.is_private:  # pydicom names the creator of no sequence
                block = element if key.is_private_creator else dataset.get((key.group, key.element >> 8))
                creator = str(block.value) if block else ""
        except Exception:  # a value that pydicom cannot read is a line like others, its text would be quoted
            tag, name, step = standards.tag_name(key), standards.path_step(key), standards.tag_pattern(key)
            yield HeaderLine(path, tag, name, "UN", UNREADABLE, depth, (plain, step, ""))
            continue
        items = element.value if element.VR == "SQ" else ()
        text = f"{len(items):,} items" if element.VR == "SQ" else _shown_text(element.value)
        tag, place = standards.tag_name(element.tag), (plain, standards.tag_pattern(element.tag), creator)
        yield HeaderLine(path, tag, element.keyword or creator, element.VR, text, depth, place)
        step = standards.path_step(element.tag, creator)
        for number, item in enumerate(items if depth < DEEPEST_SHOWN else (), 1):
            below = f"{plain}.{step}" if plain else step
            yield from _header_lines(item, f"{path}{step}[{number}].", below, depth + 1)


def _shown_text(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    values = value if isinstance(value, pydicom.multival.MultiValue) else [value]
    return _cut_to("\\".join("" if one is None else str(one) for one in values), LONGEST_LINE)


def _cut_to(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
