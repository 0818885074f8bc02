"""Ids that stay what they are from release to release: file ids, registry numbers and minted procedure ids."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.workspace import Workspace

MINTED = range(2_000_000_000, 2_001_000_000)  # Multimodal-Linkage SOP: must not overlap the EHR's procedure ids


def file_id(sop_instance_uid: str) -> str:
    """16 hexadecimal digits from the NEW SOP Instance UID: unique, and the same as long as the UID is."""
    return hashlib.sha256(sop_instance_uid.encode("ascii")).hexdigest()[:16]


def number_files(workspace: Workspace, file_ids: Iterable[str]) -> pd.Series:
    """``image_registry_id`` by file id: 1…n without gaps, kept locally.

    A file keeps its number. A number that a retracted file leaves goes to a new file, else to the file with the highest
    number, so that few rows change and no gap is left; the retracted file stays on record, without a number.
    """
    known = workspace.read_lasting(tables.REGISTRY_IDS).set_index("file_id")["image_registry_id"]
    present = pd.Index(list(file_ids))
    kept = known.reindex(present).dropna().astype("Int64")
    kept = kept[kept <= len(present)]  # numbers beyond n move down into the gaps
    unnumbered = present.difference(kept.index, sort=False)
    free = pd.Index(range(1, len(present) + 1)).difference(pd.Index(kept.astype("int64")))
    numbers = pd.concat([kept, pd.Series(free, index=unnumbered, dtype="Int64")]).rename("image_registry_id")
    retired = known.index.difference(present)
    record = pd.concat([numbers, pd.Series(pd.NA, index=retired, dtype="Int64", name="image_registry_id")])
    frame = record.rename_axis("file_id").reset_index().sort_values(["image_registry_id", "file_id"])
    workspace.write(tables.REGISTRY_IDS, frame)
    return numbers


def mint_procedures(workspace: Workspace, accessions: Iterable[int], taken: Collection[int]) -> pd.Series:
    """Procedure id by ``image_occurrence_id``: the one minted before, or the next free one that is not ``taken``."""
    known = workspace.read_lasting(tables.PROCEDURE_IDS)
    ids = dict(zip(known["image_occurrence_id"], known["proc_id"], strict=True))
    used = set(taken)
    following = max(ids.values(), default=MINTED.start - 1) + 1
    for accession in sorted(set(accessions) - set(ids)):
        while following in used:
            following += 1
        if following not in MINTED:
            raise WorkbenchError(f"procedure ids {MINTED.start} to {MINTED.stop - 1} are used up")
        ids[accession] = following
        following += 1
    workspace.write(
        tables.PROCEDURE_IDS,
        tables.frame(tables.PROCEDURE_IDS, [{"image_occurrence_id": a, "proc_id": p} for a, p in sorted(ids.items())]),
    )
    return pd.Series(ids, dtype="Int64")
