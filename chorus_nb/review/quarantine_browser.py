"""The quarantine browser (notebook 03): why files wait, examples, what would mend them, and whether it is mended."""

from __future__ import annotations

import pandas as pd

from chorus_nb import deid, tables
from chorus_nb.review.panel import Panel, Reply, script
from chorus_nb.workspace import Workspace

FILES_SHOWN = 50


class QuarantineBrowser(Panel):
    """``QuarantineBrowser(workspace)``: files that were not released, by cause."""

    _esm = script("quarantine_browser")
    questions = ("examples", "requeue")

    def __init__(self, workspace: Workspace, reviewer: str = "") -> None:
        super().__init__(workspace, reviewer)
        outcomes = workspace.read(tables.OUTCOMES)
        self.files = outcomes[~outcomes["status"].isin(["released", "duplicate"])].reset_index(drop=True)
        self.causes = deid.summary.by_reason(self.files)
        said = self.causes.assign(
            status=self.causes["status"].map(tables.code_in_words),
            reason=[tables.REASON_MEANINGS.get(code, code) for code in self.causes["reason"]],
        )
        self.content = {"columns": list(said.columns), "causes": said.to_numpy(dtype=object).tolist()}

    def examples(self, cause: int) -> Reply:
        """Some files of a cause, with what is known of each."""
        row = self.causes.iloc[cause]
        same = self.files[(self.files["status"] == row["status"]) & (self.files["reason"] == row["reason"])]
        shown = same[["source_path", "modality", "detail"]].head(FILES_SHOWN)
        return {"rows": shown.to_numpy(dtype=object).tolist(), "files": len(same)}, []

    def requeue(self) -> Reply:
        """Sort all files again with the lookup tables and decisions as they are now; the next run releases them."""
        worklist = deid.make_worklist(self.workspace)
        mended = worklist[(worklist["status"] == "release") & worklist["source_path"].isin(self.files["source_path"])]
        return {"mended": len(mended), "of": len(self.files)}, []

    def static_table(self) -> pd.DataFrame:
        return self.causes
