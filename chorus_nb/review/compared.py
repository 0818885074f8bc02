"""Files of the site put through the real engine in memory: what the panels show as before and after."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd
import pydicom
from pydicom.dataset import Dataset

from chorus_nb import standards, tables
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.worklist import uid_map
from chorus_nb.dicom.spans import Refused
from chorus_nb.errors import WorkbenchError
from chorus_nb.mapping import load_policy, read_lookups
from chorus_nb.mapping.policy import Policy
from chorus_nb.workspace import Workspace

LONGEST_LINE = 120  # characters of a value shown
DEEPEST_SHOWN = 32  # levels of nesting shown; the engine refuses deeper files


@dataclass(frozen=True)
class HeaderLine:
    """An element of a header as shown: ``path`` with item numbers, as in the crosswalk."""

    path: str
    tag: str
    keyword: str
    vr: str
    value: str
    depth: int


class ComparedHeaders:
    """Reads headers of the source and de-identifies them under the policy of the workspace, or a changed one."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        catalog = workspace.read(tables.CATALOG)
        self.catalog = catalog[(catalog["status"] == "dicom") & catalog["SOPClassUID"].isin(list(standards.RELEASABLE))]
        self._lookups = read_lookups(workspace)
        self._content = lru_cache(maxsize=4)(self._read)

    def subject(self, row: Any) -> Subject:
        """Whom a file of the catalog belongs to; a stand-in for one that the lookup tables do not map."""
        person = self._lookups.person(row.PatientID) or (0, 0)
        return Subject(*person, self._lookups.image(row.PatientID, row.AccessionNumber) or 0)

    def row(self, source_path: str) -> Any:
        found = self.catalog[self.catalog["source_path"] == source_path]
        if found.empty:
            raise WorkbenchError("this file is not among the images of the catalog")
        return next(found.itertuples())

    def example(self, sop_class: str) -> str:
        """A file of a SOP class, "" if there is none; one whose patient is mapped where possible."""
        files = self.catalog[self.catalog["SOPClassUID"] == sop_class].sort_values("source_path")
        mapped = [self._lookups.person(patient) is not None for patient in files["PatientID"]]
        chosen = files[mapped] if any(mapped) else files
        return "" if chosen.empty else str(chosen["source_path"].iloc[0])

    def before(self, source_path: str) -> list[HeaderLine]:
        """The header as it is."""
        return header_lines(self._content(source_path))

    def after(self, source_path: str, policy: Policy | None = None) -> tuple[list[HeaderLine], list[Any]]:
        """The header as it will be, and the changes that led there."""
        engine = Deidentifier(
            policy or load_policy(self.workspace), uid_map(self.workspace), self.workspace.parameters.zone
        )
        try:
            made = engine.apply(self._content(source_path), self.subject(self.row(source_path)))
        except Refused as refused:
            raise WorkbenchError(f"the engine refuses this file: {refused.reason}") from None
        return header_lines(made.header), made.changes

    def _read(self, source_path: str) -> bytes:
        try:
            return self.workspace.source.read(source_path)
        except OSError:
            raise WorkbenchError("this file can no longer be read") from None


def header_lines(content: bytes) -> list[HeaderLine]:
    """Every element of a header in its order, items of sequences below their sequence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote values
        dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, force=True)
        return list(_header_lines(dataset, "", 0))


def _header_lines(dataset: Dataset, path: str, depth: int) -> Iterator[HeaderLine]:
    for element in dataset:
        tag = standards.tag_name(element.tag)
        name = element.keyword or (element.private_creator or "" if element.tag.is_private else "")
        if element.VR != "SQ":
            yield HeaderLine(path, tag, name, element.VR, _shown(element.value), depth)
            continue
        yield HeaderLine(path, tag, name, "SQ", f"{len(element.value)} items", depth)
        step = standards.path_step(element.tag, name)
        if depth < DEEPEST_SHOWN:
            for number, item in enumerate(element.value, 1):
                yield from _header_lines(item, f"{path}{step}[{number}].", depth + 1)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    values = value if isinstance(value, pydicom.multival.MultiValue) else [value]
    text = "\\".join("" if one is None else str(one) for one in values)
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"


def side_by_side(before: list[HeaderLine], after: list[HeaderLine], changes: list[Any]) -> pd.DataFrame:
    """A row per element of the original: before, after, and the rule that made the difference."""
    new = {(line.path, line.tag): line.value for line in after}
    rules = {(change.path, change.tag): change for change in changes}
    rows = []
    for line in before:
        change, value = rules.get((line.path, line.tag)), new.get((line.path, line.tag))
        rows.append(
            {
                **line.__dict__,
                "after": "" if value is None else value,
                "gone": value is None,
                "action": change.action if change else "K",
                "rule": change.rule_source if change else "",
            }
        )
    return pd.DataFrame(rows, columns=[*HeaderLine.__dataclass_fields__, "after", "gone", "action", "rule"])
