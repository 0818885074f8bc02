"""The image registry: a row per released file that ties it to person, procedure and visit (Imaging SOP, section 2)."""

from __future__ import annotations

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.omop import read_omop
from chorus_nb.processes import Progress
from chorus_nb.registry import database
from chorus_nb.registry.headers import update_headers
from chorus_nb.registry.identifiers import file_id, mint_procedures, number_files
from chorus_nb.workspace import Workspace, write_if_changed


def build_registry(workspace: Workspace, progress: Progress | None = None) -> pd.DataFrame:
    """Number the released files, store the registry in its database and export it from there.

    Writes ``Metadata/image_registry.csv``, the same at the top of the release (Multimodal-Linkage SOP), and the SOP's
    ``CREATE TABLE`` for each kind of database.
    """
    update_headers(workspace, progress)
    registry = _registry_rows(workspace)
    visit_required = workspace.parameters.visit_policy == "hold"
    with database.registry_database(workspace) as opened:
        own = set(workspace.read(tables.REGISTRY_IDS, ["file_id"])["file_id"])
        database.store(opened, registry, own, visit_required=visit_required)
        for folder in (workspace.metadata, workspace.release):
            database.export(opened, folder / workspace.path(tables.IMAGE_REGISTRY).name)
    for name in layout.DIALECTS.split("|"):
        text = database.create_statement(name, visit_required=visit_required)
        write_if_changed(workspace.release / layout.REGISTRY_DDL / f"image_registry_{name}.sql", text.encode())
    return workspace.read(tables.IMAGE_REGISTRY)


def released_links(workspace: Workspace) -> pd.DataFrame:
    """A row per released file with what ties it to the record: person, accession, visit, procedure, shifted moment."""
    outcomes = workspace.read(tables.OUTCOMES, ["source_path", "status", "target_path", "modality"])
    released = outcomes[outcomes["status"] == "released"].drop(columns="status")
    work = workspace.read(tables.WORKLIST, ["source_path", "person_id", "days_shifted", "image_occurrence_id"])
    catalog = workspace.read(tables.CATALOG, ["source_path", "acquired"])
    accession = _by_accession(workspace.read(tables.LINKAGE))
    linked = (
        released.merge(work, on="source_path", how="left", validate="1:1")
        .merge(catalog, on="source_path", how="left", validate="1:1")
        .merge(accession, on="image_occurrence_id", how="left", validate="m:1")
        .sort_values("target_path", ignore_index=True)
    )
    shift = pd.to_timedelta(linked["days_shifted"].astype("float"), unit="D")
    # whole days on the wall clock: the time of day stays, also across a change of daylight saving time (DS-03, DS-13)
    own = pd.to_datetime(linked["acquired"], format="%Y-%m-%d %H:%M:%S", errors="coerce") + shift
    of_accession = pd.to_datetime(linked["acquired_shifted"], format="%Y-%m-%d %H:%M:%S", errors="coerce")
    linked["moment"] = own.where(own.dt.year.between(1, 9999)).fillna(of_accession)
    return linked


def _by_accession(linkage: pd.DataFrame) -> pd.DataFrame:
    """Linkage by released accession; several accessions of the source with one id share what the earliest one has."""
    columns = ["acquired_shifted", "procedure_occurrence_id", "visit_occurrence_id", "visit_link", "loinc_code"]
    mapped = linkage.dropna(subset=["image_occurrence_id"]).sort_values("acquired_shifted")
    mapped = mapped.assign(acquired_shifted=mapped.acquired_shifted.where(mapped.acquired_shifted != ""))
    return mapped.groupby("image_occurrence_id", as_index=False)[columns].first()


def _registry_rows(workspace: Workspace) -> pd.DataFrame:
    linked = released_links(workspace)
    undated = int(linked["moment"].isna().sum())
    if undated:
        raise WorkbenchError(f"{undated} released files have no date at all; the registry requires one (SOP section 2)")
    headers = workspace.read(tables.RELEASED_HEADERS, ["target_path", "SOPInstanceUID"])
    files = headers.set_index("target_path")["SOPInstanceUID"].map(file_id)
    linked["file_id"] = linked["target_path"].map(files)
    linked["proc_id"] = _procedure_of_accession(workspace, linked)
    numbers = number_files(workspace, linked["file_id"])
    registry = pd.DataFrame(
        {
            "image_registry_id": linked["file_id"].map(numbers).astype("Int64"),
            "file_id": linked["file_id"],
            "proc_id": linked["proc_id"].astype("Int64"),
            "person_id": linked["person_id"],
            "group_id": linked["image_occurrence_id"],
            "visit_id": linked["visit_occurrence_id"],
            "datetime": linked["moment"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            "src_file": linked["target_path"],
            "trg_file": "",
        }
    )
    return registry.sort_values("image_registry_id", ignore_index=True)


def _procedure_of_accession(workspace: Workspace, linked: pd.DataFrame) -> pd.Series:
    """The procedure of the EHR where the accession is linked to one (SOP step 7), otherwise a minted id."""
    unlinked = linked.loc[linked["procedure_occurrence_id"].isna(), "image_occurrence_id"]
    minted = mint_procedures(
        workspace, unlinked.unique(), set(read_omop(workspace, "procedure_occurrence")["procedure_occurrence_id"])
    )
    return linked["procedure_occurrence_id"].fillna(linked["image_occurrence_id"].map(minted))
