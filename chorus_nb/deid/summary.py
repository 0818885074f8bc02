"""What the notebook tells of a run: counts, free of header values, so that the report may be shown to others."""

from __future__ import annotations

import pandas as pd

from chorus_nb import tables
from chorus_nb.deid import crosswalk
from chorus_nb.mapping import ACTIONS
from chorus_nb.workspace import Workspace

# What a person can do about a reason; the code is stable, the words may change.
REMEDIES = {
    "accession_not_mapped": "Outside the encounters of interest. If it belongs to one, add it to Image_map.csv.",
    "already_deidentified": "Written by this workbench. Take released files out of the source.",
    "archive_damaged": "The archive is damaged. Copy or export it again.",
    "burned_in_text": "Review the images in notebook 04, or set burned_in_text: redact.",
    "burned_in_text_unchecked": "The pixels could not be searched. Review the images, or install the pixels extra.",
    "changed_since_scan": "The file changed after notebook 01 read it. Run 01 again, then this notebook.",
    "dicomdir": "Nothing to do: the release needs no index.",
    "duplicate_conflict": "Two different files claim one SOP Instance UID. Find out at the PACS which is right.",
    "duplicate_instance": "Nothing to do: an equal file is released.",
    "face_not_removed": "A face may show. Look at the series in notebook 04 and decide, or set deface: flag.",
    "filtered_by_script": "The DicomFilter script of the site does not let it pass.",
    "identifiers_missing": "The header lacks an identifier. Export it again from the PACS.",
    "kind_not_released": "Not among the kinds the consortium takes. The parameter kinds widens it.",
    "no_pixels": "Nothing to release: no pixel data.",
    "no_visit": "Add the visit to the OMOP tables, or set visit_policy: blank.",
    "not_dicom": "Nothing to do.",
    "out_of_memory": "Larger than a worker may be. Run again with fewer workers, or export it in parts.",
    "path_not_allowed": "Modality or Series Instance UID is not valid. Export it again from the PACS.",
    "patient_not_mapped": "Add the patient to Personal_map.csv, or take the files out of the extract.",
    "pixels_undecodable": "The pixel data is damaged. Export it again from the PACS.",
    "refused_by_script": "A rule of the CTP script says so.",
    "rejected_by_review": "A reviewer rejected it. Change the decision to release it.",
    "structure_refused": "The file breaks the DICOM encoding. Export it again from the PACS.",
    "target_unwritable": "Its place in the release cannot be written. Check permissions, then run again.",
    "timed_out": "Took too long. It is tried again in the next run; look at it alone.",
    "truncated": "The file ends early. Copy or export it again.",
    "unexpected_fault": "A fault in a library. Report the detail, which holds no header value.",
    "unreadable": "The file could not be read. Check disk and permissions.",
    "worker_lost": "The process died on this file. It is tried again in the next run; look at it alone.",
}


def by_reason(files: pd.DataFrame) -> pd.DataFrame:
    """Files by status and reason, with what can be done; of a worklist or of outcomes."""
    counts = files.groupby(["status", "reason"], as_index=False).agg(files=("source_path", "count"))
    counts["what_to_do"] = counts.reason.map(REMEDIES).fillna("")
    order = counts.status.map(["release", *tables.STATUSES].index)
    return counts.iloc[(order * 1e9 - counts.files).argsort(kind="stable")].reset_index(drop=True)


def quarantine(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Quarantined files by cause, and how to mend it."""
    kept = outcomes[outcomes.status == "quarantined"]
    counts = kept.groupby(["reason", "detail"], as_index=False).agg(files=("source_path", "count"))
    counts["how_to_mend"] = counts.reason.map(REMEDIES).fillna("")
    return counts.sort_values(["files", "reason", "detail"], ascending=[False, True, True], ignore_index=True)


def faces_by_status(workspace: Workspace) -> pd.DataFrame:
    """Series that may show a face, by status and reason, with the share of their pixels that is filled."""
    if workspace.parameters.deface != "apply":
        return pd.DataFrame({"status": [f"deface is {workspace.parameters.deface}: nothing is removed"]})
    verdicts = workspace.read(tables.FACE_VERDICTS)
    kinds = verdicts.groupby(["status", "modality", "need_reason", "reason"], as_index=False)
    return kinds.agg(
        series=("files", "count"), files=("files", "sum"), removed=("removed", "mean"), brain_ml=("brain_ml", "sum")
    ).round({"removed": 3, "brain_ml": 2})


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


def throughput(outcomes: pd.DataFrame, worklist: pd.DataFrame) -> pd.DataFrame:
    """What one worker does in a second, by modality and in all, over the released files, also those of earlier runs."""
    released = outcomes[outcomes.status == "released"].merge(worklist[["source_path", "size"]], on="source_path")
    each = released.groupby("modality").agg(files=("size", "count"), bytes=("size", "sum"), seconds=("seconds", "sum"))
    each.loc["all"] = each.sum()
    each["files_per_second"] = each.files / each.seconds
    each["MB_per_second"] = each.bytes / 1e6 / each.seconds
    each["MB"] = each.bytes / 1e6
    columns = ["files", "MB", "seconds", "files_per_second", "MB_per_second"]
    return each[columns].astype({"files": "int64"}).round(1).reset_index()


def released_before(workspace: Workspace) -> pd.DataFrame:
    """What the last run released, to compare with."""
    if not workspace.has(tables.OUTCOMES):
        return tables.empty(tables.OUTCOMES)
    return workspace.read(tables.OUTCOMES)


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
