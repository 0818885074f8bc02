"""What the notebook tells of a run: counts, free of header values, so that the report may be shown to others."""

from __future__ import annotations

import pandas as pd

from chorus_nb import tables
from chorus_nb.deid import crosswalk
from chorus_nb.deid.outlook import WORDS, by_cause, causes
from chorus_nb.mapping import ACTIONS
from chorus_nb.workspace import Workspace

BECOMES = ("release", *tables.STATUSES)  # of a worklist, and of outcomes


def by_status(worklist: pd.DataFrame) -> pd.DataFrame:
    """Files by what is to become of them; each reason is told once, of the outcomes."""
    counts = worklist.groupby("status", as_index=False).agg(files=("source_path", "count"), bytes=("size", "sum"))
    return counts.sort_values("status", key=lambda names: names.map(BECOMES.index), ignore_index=True)


def by_reason(files: pd.DataFrame) -> pd.DataFrame:
    """Files by status and reason, with what can be done; of a worklist or of outcomes."""
    counts = files.groupby(["status", "reason"], as_index=False).agg(files=("source_path", "count"))
    counts["what_to_do"] = counts.reason.map(tables.REMEDIES).fillna("")
    order = counts.status.map(BECOMES.index)
    return counts.iloc[(order * 1e9 - counts.files).argsort(kind="stable")].reset_index(drop=True)


def by_modality(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Files by modality (a row each, the fewest first) and status (a column each)."""
    counts = outcomes.assign(modality=outcomes.modality.replace("", "(none)")).pivot_table(
        index="modality", columns="status", values="source_path", aggfunc="count", fill_value=0
    )
    return counts.loc[counts.sum(axis=1).sort_values().index]


def quarantine(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Quarantined files by cause, and how to mend it."""
    kept = outcomes[outcomes.status == "quarantined"]
    counts = kept.groupby(["reason", "detail"], as_index=False).agg(files=("source_path", "count"))
    counts["what_to_do"] = counts.reason.map(tables.REMEDIES).fillna("")
    return counts.sort_values(["files", "reason", "detail"], ascending=[False, True, True], ignore_index=True)


def faces_by_status(workspace: Workspace) -> pd.DataFrame:
    """Series that may show a face, by status and reason, with the percentage of their pixels that is filled."""
    if workspace.parameters.deface == "skip":
        return pd.DataFrame({"status": ["deface is skip: nobody looked for faces"]})
    verdicts = workspace.read(tables.FACE_VERDICTS)
    verdicts = verdicts[verdicts["files"] > 0]
    kinds = verdicts.groupby(["status", "modality", "need_reason", "reason"], as_index=False)
    counted = kinds.agg(
        series=("files", "count"), files=("files", "sum"), filled=("removed", "mean"), brain_ml=("brain_ml", "sum")
    )
    counted["filled"] *= 100
    named = {"filled": "pixels filled (%)", "brain_ml": "brain filled (ml)", "need_reason": "looked for because"}
    return counted.round({"filled": 1, "brain_ml": 2}).rename(columns=named)


def what_was_done(workspace: Workspace) -> pd.DataFrame:
    """Changed data elements by action, from the crosswalk: counts only."""
    changes = crosswalk.count_by(workspace, "action")
    changes["action"] = changes.action.map(lambda action: ACTIONS.get(action, action))
    return changes


def notes(outcomes: pd.DataFrame) -> pd.DataFrame:
    """What the engine noted on the way, such as dates emptied because they were none, summed over all files."""
    parts = outcomes.loc[outcomes.status == "released", "detail"].str.split("; ").explode()
    found = parts[parts.fillna("").str.contains(": ")].str.rsplit(": ", n=1, expand=True)
    if found.empty:
        return pd.DataFrame({"note": [], "times": [], "files": []})
    found = found.set_axis(["note", "times"], axis=1).astype({"times": int})
    return found.groupby("note", as_index=False).agg(times=("times", "sum"), files=("times", "count"))


def outlook_by_cause(outlook: pd.DataFrame) -> pd.DataFrame:
    """What the run will do and why, without the persons: files and persons by cause."""
    sentences = {one.cause: one.sentence for one in causes()}
    counts = by_cause(outlook)
    counts["megabytes"] = (counts.megabytes / 1e6).round(2)
    return counts.assign(what=counts.what.map(WORDS), cause=counts.cause.map(sentences).fillna(""))


def outlook_by_person(outlook: pd.DataFrame) -> pd.DataFrame:
    """The same by person, of what changes only; it names persons and stays at the site."""
    sentences = {one.cause: one.sentence for one in causes()}
    changing = outlook[outlook.what != "stays"]
    return changing.assign(what=changing.what.map(WORDS), cause=changing.cause.map(sentences)).drop(columns="bytes")


def released_before(workspace: Workspace) -> pd.DataFrame:
    """What the last run released, to compare with."""
    return workspace.read_or_empty(tables.OUTCOMES)


def since(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Released files that are new, changed, as they were or gone since the last run."""
    old, new = (frame[frame.status == "released"].set_index("target_path").target_digest for frame in (before, after))
    common = old.index.intersection(new.index)
    same = int((old[common] == new[common]).sum())
    counts = {
        "new": len(new.index.difference(old.index)),
        "changed": len(common) - same,
        "as it was": same,
        "no longer released": len(old.index.difference(new.index)),
    }
    return pd.DataFrame({"released files": counts.keys(), "files": counts.values()})
