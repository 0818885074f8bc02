"""What notebook 05 shows of the links: how they were found, and when in a stay images are taken; no identifiers."""

from __future__ import annotations

import pandas as pd

from chorus_nb import tables
from chorus_nb.layout import InstancePath
from chorus_nb.omop import moments, read_omop
from chorus_nb.workspace import Workspace


def link_summary(workspace: Workspace) -> pd.DataFrame:
    """Accessions and files by how visit and procedure were found: explicit, overlap, tie, none or unmapped.

    A procedure is minted for an accession of which something is released and the record holds none.
    """
    linkage = workspace.read(tables.LINKAGE)
    outcomes = workspace.read(tables.OUTCOMES, ["status", "target_path"])
    released = InstancePath.columns(outcomes.loc[outcomes["status"] == "released", "target_path"])[
        "image_occurrence_id"
    ]
    leaves = linkage["image_occurrence_id"].astype("string").isin(released.astype("string"))
    without = leaves.map({True: "minted", False: "none: nothing of it is released"})
    linkage["procedure"] = linkage["procedure_link"].where(linkage["procedure_link"] != "", without)
    counts = linkage.groupby(["visit_link", "procedure"]).agg(accessions=("files", "size"), files=("files", "sum"))
    return counts.reset_index().rename(columns={"visit_link": "visit"})


def held_back(workspace: Workspace) -> pd.DataFrame:
    """Files that are not in the release, by status and reason."""
    outcomes = workspace.read(tables.OUTCOMES)
    kept = outcomes[outcomes["status"] != "released"]
    return kept.groupby(["status", "reason"]).size().rename("files").reset_index()


def visit_timing(workspace: Workspace) -> pd.DataFrame:
    """A row per accession with a visit: modality, ``files``, ``hours`` from admission to its first image, ``day``."""
    registry = workspace.read(tables.IMAGE_REGISTRY).dropna(subset=["visit_id"])
    registry["modality"] = InstancePath.columns(registry["src_file"])["modality"]
    registry["taken"] = pd.to_datetime(registry["datetime"])
    visits = read_omop(workspace, "visit_occurrence")
    visits["admitted"] = moments(visits["visit_start_date"], visits["visit_start_datetime"])
    made = registry.groupby(["group_id", "modality", "visit_id"], as_index=False).agg(
        taken=("taken", "min"), files=("file_id", "size")
    )
    made = made.merge(visits[["visit_occurrence_id", "admitted"]], left_on="visit_id", right_on="visit_occurrence_id")
    made["hours"] = (made["taken"] - made["admitted"]).dt.total_seconds() / 3600
    made["day"] = (made["taken"].dt.normalize() - made["admitted"].dt.normalize()).dt.days + 1
    return made[["modality", "files", "hours", "day"]]
