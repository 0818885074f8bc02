"""The header explorer (notebook 01): a file, every element, before and after and why; originals on screen only."""

from __future__ import annotations

import pandas as pd

from chorus_nb import standards, tables
from chorus_nb.review.compared import ComparedHeaders, side_by_side
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.workspace import Workspace

DISTRIBUTION = [
    *("modality", "path", "vr", "files", "empty", "distinct", "shortest", "longest", "lowest", "highest", "examples"),
]


class HeaderExplorer(Panel):
    """``HeaderExplorer(workspace)``: modality, series, file; its header as a tree beside the de-identified one."""

    _esm = script("header_explorer")
    questions = ("header", "files", "distribution")

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__(workspace, reviewer)
        self._compared = ComparedHeaders(workspace)
        series = (
            self._compared.catalog.groupby(["Modality", "SeriesInstanceUID"], as_index=False)
            .agg(description=("SeriesDescription", "first"), files=("source_path", "count"))
            .sort_values(["Modality", "description"])
        )
        self.series = series.reset_index(drop=True)
        self.content = {
            "series": [
                [row.Modality, row.description or "no description", row.files] for row in self.series.itertuples()
            ]
        }

    def files(self, series: int) -> Reply:
        """The files of a series, in the order of their instance numbers."""
        return {"files": self._files(series)["source_path"].tolist()}, []

    def header(self, path: str) -> Reply:
        """The header of a file, a row per element, side by side with what the engine makes of it."""
        before = self._compared.before(path)
        after, changes = self._compared.after(path)
        table = side_by_side(before, after, changes)
        return {"columns": list(table.columns), "rows": table.to_numpy(dtype=object).tolist()}, []

    def distribution(self, tag: str, keyword: str) -> Reply:
        """What the whole source holds under this tag, by modality and place."""
        profile = self.workspace.read(tables.TAG_PROFILE)
        number = standards.parse_tag(tag)
        owned = (profile["private_creator"] == keyword) | (not number >> 16 & 1)
        found = profile[(profile["tag"] == standards.tag_pattern(number)) & owned]
        rows = found[DISTRIBUTION].astype(object).where(found[DISTRIBUTION].notna(), "")
        return {"columns": DISTRIBUTION, "rows": rows.to_numpy().tolist()}, []

    def static_table(self) -> pd.DataFrame:
        return self.series.groupby("Modality", as_index=False).agg(series=("files", "size"), files=("files", "sum"))

    def _files(self, series: int) -> pd.DataFrame:
        chosen = self._compared.catalog
        chosen = chosen[chosen["SeriesInstanceUID"] == self.series.loc[series, "SeriesInstanceUID"]]
        number = pd.to_numeric(chosen["InstanceNumber"], errors="coerce")
        return chosen.assign(number=number).sort_values(["number", "source_path"])
