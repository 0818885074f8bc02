"""Files of the site put through the real engine in memory: what the panels show as before and after."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pandas as pd

from chorus_nb import standards, tables
from chorus_nb.deid.context import Subject
from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.deid.persons import subject_of
from chorus_nb.deid.preview import HeaderLine, header_lines
from chorus_nb.deid.worklist import uid_map
from chorus_nb.dicom.spans import Refused
from chorus_nb.errors import WorkbenchError
from chorus_nb.identity.site_words import site_vocabulary
from chorus_nb.mapping import load_policy, read_lookups
from chorus_nb.mapping.policy import Policy
from chorus_nb.workspace import Workspace

SIDE_BY_SIDE = ["path", "tag", "keyword", "vr", "value", "depth", "after", "gone", "action", "rule"]
SHOWN_OF_FILES = [
    *("source_path", "status", "SOPClassUID", "Modality", "SeriesInstanceUID", "SeriesDescription", "InstanceNumber"),
    *("PatientID", "AccessionNumber"),
]
"""What the panels ask of the catalog, which has ten times as many columns."""


class ComparedHeaders:
    """Reads headers of the source and de-identifies them under the policy of the workspace, or a changed one."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        catalog = workspace.read(tables.CATALOG, SHOWN_OF_FILES)
        released = list(standards.releasable(workspace.parameters.kinds))
        self.catalog = catalog[(catalog["status"] == "dicom") & catalog["SOPClassUID"].isin(released)]
        self._lookups = read_lookups(workspace)
        self._subject = subject_of(workspace, self._lookups)
        self._content = lru_cache(maxsize=4)(self._read)

    def subject(self, row: Any) -> Subject:
        """Whom a file of the catalog belongs to; a stand-in for one that the lookup tables do not map."""
        person = self._lookups.person(row.PatientID) or (0, 0)
        return self._subject(*person, self._lookups.image(row.PatientID, row.AccessionNumber) or 0)

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
        zone, words = self.workspace.parameters.zone, site_vocabulary(self.workspace)
        engine = Deidentifier(policy or load_policy(self.workspace), uid_map(self.workspace), zone, words)
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
    return pd.DataFrame(rows, columns=SIDE_BY_SIDE)
