"""Ids that stay what they are from release to release: file ids, registry numbers and minted procedure ids."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Collection, Iterable

import duckdb
import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.processes.queries import write_answer
from chorus_nb.workspace import Workspace

MINTED = range(2_000_000_000, 2_001_000_000)  # Multimodal-Linkage SOP: must not overlap the EHR's procedure ids


def file_id(sop_instance_uid: str) -> str:
    """16 hexadecimal digits from the NEW SOP Instance UID: unique, and the same as long as the UID is."""
    return hashlib.sha256(sop_instance_uid.encode("ascii")).hexdigest()[:16]


_NUMBERED = """
    CREATE TABLE kept AS SELECT file_id, image_registry_id FROM known SEMI JOIN present USING (file_id)
        WHERE image_registry_id <= (SELECT count(*) FROM present);  -- numbers beyond n move down into the gaps
    CREATE TABLE numbered AS
        WITH unnumbered AS (
            SELECT file_id, row_number() OVER (ORDER BY place) AS turn FROM present ANTI JOIN kept USING (file_id)),
        free AS (
            SELECT n AS image_registry_id, row_number() OVER (ORDER BY n) AS turn
            FROM range(1, (SELECT count(*) + 1 FROM present)) AS numbers(n) ANTI JOIN kept ON n = image_registry_id)
        SELECT file_id, image_registry_id FROM unnumbered JOIN free USING (turn)
        UNION ALL FROM kept"""
_RECORD = """
    FROM numbered UNION ALL SELECT file_id, NULL FROM known ANTI JOIN present USING (file_id)
    ORDER BY image_registry_id NULLS LAST, file_id"""


def number_files(workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> None:
    """Makes ``numbered``, the ``image_registry_id`` of each file id of ``present`` (by their ``place``): 1…n without
    gaps, kept locally.

    A file keeps its number. A number that a retracted file leaves goes to a new file, else to the file with the highest
    number, so that few rows change and no gap is left; the retracted file stays on record, without a number.
    """
    if workspace.has(tables.REGISTRY_IDS):
        path = workspace.opened(tables.REGISTRY_IDS)
        with tables.reading(f"local/{path.name}", tables.REGISTRY_IDS.if_damaged):
            connection.read_parquet(glob.escape(str(path))).create("known")
    else:
        connection.from_df(workspace.read_lasting(tables.REGISTRY_IDS)).create("known")
    twice = connection.sql("SELECT count(*) - count(DISTINCT file_id) FROM present").fetchall()
    if twice != [(0,)]:
        raise WorkbenchError(f"{twice[0][0]:,} released files have the SOP Instance UID of another")
    connection.execute(_NUMBERED)
    write_answer(workspace, tables.REGISTRY_IDS, connection.sql(_RECORD))


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
