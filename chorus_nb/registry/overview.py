"""What notebook 05 shows of the links: how they were found, and when in a stay images are taken; no identifiers."""

from __future__ import annotations

import pandas as pd

from chorus_nb import tables
from chorus_nb.omop import moments, read_omop
from chorus_nb.processes.queries import asking
from chorus_nb.workspace import Workspace


def link_summary(workspace: Workspace) -> pd.DataFrame:
    """Accessions and files by how visit and procedure were found: explicit, overlap, tie, none or unmapped.

    A procedure is minted for an accession of which something is released and the record holds none.
    """
    linkage = workspace.read(tables.LINKAGE)
    with asking(workspace, tables.OUTCOMES) as connection:
        left = "SELECT DISTINCT split_part(target_path, '/', 4) FROM outcomes WHERE status = 'released'"
        released = [accession for (accession,) in connection.sql(left).fetchall()]
    leaves = linkage["image_occurrence_id"].astype("string").isin(released)
    without = leaves.map({True: "minted", False: "none: nothing of it is released"})
    linkage["procedure"] = linkage["procedure_link"].where(linkage["procedure_link"] != "", without)
    counts = linkage.groupby(["visit_link", "procedure"]).agg(accessions=("files", "size"), files=("files", "sum"))
    return counts.reset_index().rename(columns={"visit_link": "visit"})


def held_back(workspace: Workspace) -> pd.DataFrame:
    """Files that are not in the release, by status and reason."""
    outcomes = workspace.read(tables.OUTCOMES, ["status", "reason"])
    kept = outcomes[outcomes["status"] != "released"]
    return kept.groupby(["status", "reason"]).size().rename("files").reset_index()


def visit_timing(workspace: Workspace) -> pd.DataFrame:
    """A row per accession with a visit: modality, ``files``, ``hours`` from admission to its first image, ``day``."""
    with asking(workspace, tables.IMAGE_REGISTRY) as connection:
        made = connection.sql("""
            SELECT group_id, split_part(src_file, '/', 3) AS modality, visit_id, min(datetime::TIMESTAMP) AS taken,
                   count(*) AS files
            FROM image_registry WHERE visit_id IS NOT NULL GROUP BY ALL ORDER BY ALL""").df()
    visits = read_omop(workspace, "visit_occurrence")
    visits["admitted"] = moments(visits["visit_start_date"], visits["visit_start_datetime"])
    made = made.merge(visits[["visit_occurrence_id", "admitted"]], left_on="visit_id", right_on="visit_occurrence_id")
    made["hours"] = (made["taken"] - made["admitted"]).dt.total_seconds() / 3600
    made["day"] = (made["taken"].dt.normalize() - made["admitted"].dt.normalize()).dt.days + 1
    return made[["modality", "files", "hours", "day"]]
