"""The image registry: a row per released file that ties it to person, procedure and visit (Imaging SOP, section 2)."""

from __future__ import annotations

import duckdb
import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.metadata.headers import update_headers
from chorus_nb.omop import read_omop
from chorus_nb.processes import Progress
from chorus_nb.processes.queries import asking
from chorus_nb.registry import database
from chorus_nb.registry.identifiers import mint_procedures, number_files
from chorus_nb.workspace import Workspace, write_if_changed


def build_registry(workspace: Workspace, progress: Progress | None = None) -> None:
    """Number the released files, store the registry in its database and export it from there.

    Writes ``Metadata/image_registry.csv``, the same at the top of the release (Multimodal-Linkage SOP), and the SOP's
    ``CREATE TABLE`` for each kind of database.
    """
    update_headers(workspace, progress)
    visit_required = workspace.parameters.visit_policy == "hold"
    asked = tables.OUTCOMES, tables.WORKLIST, tables.CATALOG, tables.RELEASED_HEADERS
    with asking(workspace, *asked) as connection, database.registry_database(workspace) as opened:
        register_files(workspace, connection)
        database.store(opened, connection, visit_required=visit_required)
        database.export(opened, exported := workspace.path(tables.IMAGE_REGISTRY))
    write_if_changed(workspace.release / exported.name, exported)
    for name in layout.DIALECTS.split("|"):
        text = database.create_statement(name, visit_required=visit_required)
        write_if_changed(workspace.release / layout.REGISTRY_DDL / f"image_registry_{name}.sql", text.encode())


def first_rows(workspace: Workspace, most: int) -> tuple[pd.DataFrame, int]:
    """The rows with the lowest numbers, and how many there are in all."""
    with asking(workspace, tables.IMAGE_REGISTRY) as connection:
        ((count,),) = connection.sql("SELECT count(*) FROM image_registry").fetchall()
        first = connection.table("image_registry").order("image_registry_id").limit(most)
        return tables.to_compact(first.to_arrow_table()), count


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

_PRESENT = f"""
    CREATE TABLE linked AS SELECT linked.*, left(sha256(SOPInstanceUID), 16) AS file_id
        FROM ({_LINKED}) AS linked LEFT JOIN released_headers USING (target_path);
    CREATE VIEW present AS SELECT file_id, target_path AS place FROM linked"""

_REGISTERED = """
    CREATE TABLE registered AS
        SELECT image_registry_id, file_id, coalesce(procedure_occurrence_id::BIGINT, proc_id::BIGINT) AS proc_id,
               person_id::BIGINT AS person_id, image_occurrence_id::BIGINT AS group_id,
               visit_occurrence_id::BIGINT AS visit_id, strftime(moment, '%Y-%m-%d %H:%M:%S') AS datetime,
               target_path AS src_file, NULL::VARCHAR AS trg_file
        FROM linked JOIN numbered USING (file_id) LEFT JOIN minted USING (image_occurrence_id)"""


_BY_PROCEDURE = f"""
    SELECT proc_id, min(person_id) AS person_id, max(person_id) AS person_beside, min(datetime) AS datetime,
           arg_min(visit_id, (datetime, src_file)) AS visit_id, arg_min(group_id, (datetime, src_file)) AS group_id,
           list(DISTINCT regexp_replace(src_file, '/[^/]*/[^/]*$', '')) AS folders,
           CASE WHEN count(DISTINCT modality) = 1 THEN min(modality) ELSE '' END AS modality,
           CASE WHEN count(DISTINCT loinc_code) = 1 THEN min(loinc_code) ELSE '' END AS only_loinc_code,
           arg_min(loinc_code, (datetime, src_file)) AS loinc_code
    FROM image_registry JOIN (SELECT target_path AS src_file, modality, loinc_code FROM ({_LINKED})) USING (src_file)
    GROUP BY proc_id ORDER BY proc_id"""


def by_procedure(workspace: Workspace) -> pd.DataFrame:
    """What ties the files of each procedure to the record; modality and ``only_loinc_code`` are "" where files differ:
    none of them speaks for the others."""
    with asking(workspace, tables.OUTCOMES, tables.WORKLIST, tables.CATALOG, tables.IMAGE_REGISTRY) as connection:
        connection.register("accession", _by_accession(workspace.read(tables.LINKAGE)))
        return tables.to_compact(connection.sql(_BY_PROCEDURE).to_arrow_table()).set_index("proc_id")


def _by_accession(linkage: pd.DataFrame) -> pd.DataFrame:
    """Linkage by released accession; several accessions of the source with one id share what the earliest one has."""
    columns = ["acquired_shifted", "procedure_occurrence_id", "visit_occurrence_id", "visit_link", "loinc_code"]
    mapped = linkage.dropna(subset=["image_occurrence_id"]).sort_values("acquired_shifted")
    mapped = mapped.assign(acquired_shifted=mapped.acquired_shifted.where(mapped.acquired_shifted != ""))
    return mapped.groupby("image_occurrence_id", as_index=False)[columns].first()


def register_files(workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> None:
    """Makes ``registered``, the rows of the registry, and ``known``, the files that this workspace ever numbered."""
    connection.register("accession", _by_accession(workspace.read(tables.LINKAGE)))
    connection.execute(_PRESENT)
    undated = connection.sql("SELECT count(*) FROM linked WHERE moment IS NULL").fetchall()[0][0]
    if undated:
        raise WorkbenchError(f"{undated} released files have no date at all; the registry requires one (SOP section 2)")
    connection.register("minted", _minted(workspace, connection))
    number_files(workspace, connection)
    connection.execute(_REGISTERED)


def _minted(workspace: Workspace, connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """A procedure id of our own for each accession that the EHR links to none (SOP step 7)."""
    unlinked = connection.sql("SELECT DISTINCT image_occurrence_id FROM linked WHERE procedure_occurrence_id IS NULL")
    taken = set(read_omop(workspace, "procedure_occurrence", contradicting=True)["procedure_occurrence_id"])
    made = mint_procedures(workspace, [accession for (accession,) in unlinked.fetchall()], taken)
    return made.rename("proc_id").rename_axis("image_occurrence_id").reset_index().astype("Int64")
