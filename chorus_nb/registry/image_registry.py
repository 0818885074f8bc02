"""The image registry: a row per released file that ties it to person, procedure and visit (Imaging SOP, section 2)."""

from __future__ import annotations

import glob

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.metadata.headers import in_bounded_memory, update_headers
from chorus_nb.omop import read_omop
from chorus_nb.processes import Progress
from chorus_nb.registry import database
from chorus_nb.registry.identifiers import mint_procedures, number_files
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


_LINKED = """
    WITH released AS (
        SELECT source_path, target_path, modality FROM outcomes WHERE status = 'released'),
    linked AS (
        SELECT released.*, worklist.person_id, worklist.image_occurrence_id, accession.* EXCLUDE image_occurrence_id,
               try_strptime(acquired, '%Y-%m-%d %H:%M:%S') + to_days(days_shifted::INTEGER) AS own
        FROM released LEFT JOIN worklist USING (source_path) LEFT JOIN catalog USING (source_path)
             LEFT JOIN accession USING (image_occurrence_id))
    SELECT linked.* EXCLUDE (source_path, own, acquired_shifted),
           coalesce(CASE WHEN year(own) BETWEEN 1 AND 9999 THEN own END,
                    try_strptime(acquired_shifted, '%Y-%m-%d %H:%M:%S')) AS moment
    FROM linked ORDER BY target_path"""
# whole days on the wall clock: the time of day stays, also across a change of daylight saving time (DS-03, DS-13)


_REGISTERED = f"""
    SELECT linked.*, left(sha256(SOPInstanceUID), 16) AS file_id
    FROM ({_LINKED}) AS linked LEFT JOIN released_headers USING (target_path) ORDER BY target_path"""


def released_links(workspace: Workspace) -> pd.DataFrame:
    """A row per released file with what ties it to the record: person, accession, visit, procedure, shifted moment."""
    return _joined(workspace, _LINKED, tables.OUTCOMES, tables.WORKLIST, tables.CATALOG)


def _joined(workspace: Workspace, question: str, *asked: tables.Table) -> pd.DataFrame:
    """The answer from tables that are as long as the release; nothing else of them is held in memory."""
    with in_bounded_memory() as connection:
        connection.register("accession", _by_accession(workspace.read(tables.LINKAGE)))
        for table in asked:
            connection.read_parquet(glob.escape(str(workspace.opened(table)))).create_view(table.name)
        return tables.to_compact(connection.sql(question).to_arrow_table())


def _by_accession(linkage: pd.DataFrame) -> pd.DataFrame:
    """Linkage by released accession; several accessions of the source with one id share what the earliest one has."""
    columns = ["acquired_shifted", "procedure_occurrence_id", "visit_occurrence_id", "visit_link", "loinc_code"]
    mapped = linkage.dropna(subset=["image_occurrence_id"]).sort_values("acquired_shifted")
    mapped = mapped.assign(acquired_shifted=mapped.acquired_shifted.where(mapped.acquired_shifted != ""))
    return mapped.groupby("image_occurrence_id", as_index=False)[columns].first()


def _registry_rows(workspace: Workspace) -> pd.DataFrame:
    asked = tables.OUTCOMES, tables.WORKLIST, tables.CATALOG, tables.RELEASED_HEADERS
    linked = _joined(workspace, _REGISTERED, *asked)
    undated = int(linked["moment"].isna().sum())
    if undated:
        raise WorkbenchError(f"{undated} released files have no date at all; the registry requires one (SOP section 2)")
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
