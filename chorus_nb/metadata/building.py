"""De-identified metadata tables for sharing (SOP step 11): images can be queried without opening a DICOM file."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
from pydicom.datadict import dictionary_VR

from chorus_nb import layout, tables
from chorus_nb.drawn import digests
from chorus_nb.errors import SchemaError
from chorus_nb.memory import Recipe, digest
from chorus_nb.metadata.croissant import write_croissant
from chorus_nb.metadata.dictionary import write_dictionary
from chorus_nb.metadata.headers import update_headers
from chorus_nb.metadata.local_fields import decided_fields
from chorus_nb.metadata.mapped import DELIVERED_FIELDS, MAPPED_FROM, map_headers
from chorus_nb.processes import Progress
from chorus_nb.processes.queries import SQL_TYPES, in_bounded_memory, in_parts, load_csv
from chorus_nb.workspace import Workspace, replacing, write_atomically

STUDY_GROUP = "PatientID, AccessionNumber, StudyInstanceUID"
SERIES_KEY = "folder, SeriesInstanceUID, StudyInstanceUID"
ACQUIRED_BY = {"ct": ("CT",), "mr": ("MR",), "pt": ("PT",), "us": ("US",), "xr": ("CR", "DX", "MG")}  # by Modality
ROWS_IN_MEMORY = 20_000  # of a table in memory at once, and in a row group of its Parquet file
MADE_BY = "metadata.key"  # below local/: a digest of what the tables were made of, and of them
METADATA_RECIPE = Recipe(__name__, ("licence", "citation"), ("duckdb", "pandas", "pyarrow", "pydicom"))
NO_VALUE = "(none)"  # stands in a list for the images that have no value
MACROS = f"""
    CREATE MACRO listed(said) AS array_to_string([
        coalesce(nullif(part.key, ''), '{NO_VALUE}') || ' (' || part.value || ')'
        FOR part IN list_sort(map_entries(said), 'ASC') IF true], '; ');
    CREATE MACRO of_all(v) AS CASE WHEN min(v) = max(v) THEN min(v) ELSE listed(histogram(v)) END;
    CREATE MACRO iso_day(v) AS regexp_replace(v, '^(\\d{{4}})(\\d\\d)(\\d\\d)$', '\\1-\\2-\\3');
    CREATE MACRO iso_time(v) AS regexp_replace(v, '^(\\d\\d)(\\d\\d)(\\d\\d(\\.\\d+)?)$', '\\1:\\2:\\3');
    CREATE MACRO one_number(n) AS CASE WHEN min(n) = max(n) AND count(n) = count(*) THEN min(n) END;
"""


def build_metadata(workspace: Workspace, progress: Progress | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``tables.METADATA`` from the released headers, as CSV and Parquet with a data dictionary.

    Returns ``study`` and ``series``; a row per file is not held in memory. Nothing is made again where all that it is
    made of is as it was, and so is every file.
    """
    headers, made_by = update_headers(workspace, progress), workspace.local / MADE_BY
    key = _key(workspace, headers)
    if not (made_by.is_file() and made_by.read_bytes() == digest(key, _written(workspace)).encode()):
        _build(workspace, headers)
        write_atomically(made_by, digest(key, _written(workspace)).encode("ascii"))
    return workspace.read(tables.STUDY), workspace.read(tables.SERIES)


def _key(workspace: Workspace, headers: Path) -> str:
    """Of what is read here, the code and the parameters."""
    read = [headers, *(workspace.path(table) for table in (tables.OUTCOMES, tables.LINKAGE, tables.IMAGE_REGISTRY))]
    decided = decided_fields(workspace).to_dict("records")
    return METADATA_RECIPE.key(workspace.parameters, digests(read), decided)


def _written(workspace: Workspace) -> list[str]:
    """Digests of the files as they stand in the release."""
    described = (layout.DATA_DICTIONARY, layout.DATA_PACKAGE, layout.CROISSANT)
    both = (replace(table, format=kind) for table in tables.METADATA for kind in ("csv", "parquet"))
    return digests([*map(workspace.path, both), *(workspace.release / name for name in described)])


def _build(workspace: Workspace, headers: Path) -> None:
    with in_bounded_memory() as connection:
        _prepare(connection, workspace, headers)
        for table, sql in _queries(connection):
            _write_both(workspace, table, connection, sql)
    write_croissant(workspace, write_dictionary(workspace))


def _prepare(connection: duckdb.DuckDBPyConnection, workspace: Workspace, headers: Path) -> None:
    """The view ``files``: a released file with its header, its place and what was done to its pixels."""
    connection.execute(MACROS)
    connection.read_parquet(glob.escape(str(headers))).create_view("headers")
    connection.read_parquet(glob.escape(str(workspace.path(tables.OUTCOMES)))).create_view("outcomes")
    linkage = workspace.read(tables.LINKAGE, ["image_occurrence_id", "acquired_shifted", "loinc_code", "loinc_source"])
    connection.register("linkage", linkage)
    if workspace.has(tables.IMAGE_REGISTRY):
        load_csv(connection, workspace.made(tables.IMAGE_REGISTRY), tables.IMAGE_REGISTRY)
    else:
        connection.register(
            "image_registry", tables.to_arrow(tables.IMAGE_REGISTRY, tables.empty(tables.IMAGE_REGISTRY))
        )
    connection.execute("""
        CREATE VIEW placed AS SELECT *, parse_dirpath(target_path, 'forward_slash') AS folder FROM headers;
        CREATE VIEW files AS SELECT placed.*, coalesce(boxes, '') <> '' AS pixels_redacted,
               coalesce(face_mask, '') <> '' AS face_removed
        FROM placed LEFT JOIN outcomes USING (target_path)""")
    map_headers(connection, SERIES_KEY, decided_fields(workspace))


def _queries(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[tables.Table, str]]:
    yield tables.STUDY, _study_sql(_differing(connection, tables.STUDY, f"files GROUP BY {STUDY_GROUP}"))
    yield tables.SERIES, _series_sql(_differing(connection, tables.SERIES, f"files GROUP BY {SERIES_KEY}"))
    yield tables.IMAGE, _image_sql()
    there = {modality for (modality,) in connection.sql("SELECT DISTINCT Modality FROM headers").fetchall()}
    for table in tables.ACQUIRED:
        acquired = _acquired(table)
        any_there = not there.isdisjoint(ACQUIRED_BY[table.name])  # planning it takes as long for none
        yield table, _acquired_sql(table, acquired, _differing(connection, table, acquired)) if any_there else ""


def _differing(connection: duckdb.DuckDBPyConnection, table: tables.Table, groups: str) -> set[str]:
    """The texts of ``table`` of which any of the ``groups`` of files says more than one.

    Asked first, since DuckDB takes longer to plan a list of what each column says than to read a thousand headers.
    """
    texts = [column for column in table.columns if column.attribute and column.kind == "text"]
    asked = ", ".join(f"min({_cast(column)}) < max({_cast(column)}) AS {column.name}" for column in texts)
    any_of = ", ".join(f"bool_or({column.name})" for column in texts)
    (answers,) = connection.execute(f"SELECT {any_of} FROM (SELECT {asked} FROM {groups})").fetchall()
    return {column.name for column, differs in zip(texts, answers, strict=True) if differs}


def _write_both(workspace: Workspace, table: tables.Table, connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """The answer as CSV and Parquet, ``ROWS_IN_MEMORY`` of it in memory; both take their place if its key holds.

    No ``sql``: no rows.
    """
    as_parquet = workspace.path(replace(table, format="parquet"))
    with (
        replacing(workspace.path(table), if_changed=True) as csv,
        replacing(as_parquet, if_changed=True) as parquet,
    ):
        with csv.open("wb") as text, pq.ParquetWriter(parquet, table.schema, compression="zstd") as columns:
            text.write(tables.csv_head(table))
            for found in in_parts(connection.sql(sql), ROWS_IN_MEMORY) if sql else [table.schema.empty_table()]:
                rows = tables.fitted(table, found).combine_chunks()
                text.write(tables.as_lines(rows))
                columns.write_table(rows)
        key = ", ".join(table.key)
        written = connection.read_parquet(glob.escape(str(parquet)))
        if sql and written.aggregate(f"count(*) > count(DISTINCT ({key}))").fetchall() == [(True,)]:
            raise SchemaError(f"{table.name}: {key} is not unique")


def _study_sql(differing: Collection[str]) -> str:
    return f"""
        WITH studies AS (
            SELECT PatientID::BIGINT AS person_id, AccessionNumber::BIGINT AS image_occurrence_id, StudyInstanceUID,
                   count(DISTINCT folder) AS series, {_counted()}, {_of_all(tables.STUDY, differing)}
            FROM files GROUP BY ALL),
        loinc AS (
            SELECT image_occurrence_id, of_all(loinc_code) AS loinc_code, of_all(loinc_source) AS loinc_source
            FROM linkage GROUP BY ALL),
        linked AS (
            SELECT group_id AS image_occurrence_id, one_number(visit_id) AS visit_id, one_number(proc_id) AS proc_id
            FROM image_registry GROUP BY ALL)
        SELECT studies.*, visit_id, proc_id, coalesce(loinc_code, '') AS loinc_code,
               coalesce(loinc_source, '') AS loinc_source, {_years()} AS age
        FROM studies LEFT JOIN loinc USING (image_occurrence_id) LEFT JOIN linked USING (image_occurrence_id)
        ORDER BY image_occurrence_id, StudyInstanceUID"""


def _years() -> str:
    """PatientAge (``045Y``, ``018M``, ``003W``, ``012D``) in years (two places, at most 90); null of no age."""
    a_year = "CASE PatientAge[4] WHEN 'Y' THEN 1 WHEN 'M' THEN 12 WHEN 'W' THEN 52.1775 WHEN 'D' THEN 365.2425 END"
    years = f"round(TRY_CAST(PatientAge[:3] AS DOUBLE) / CASE WHEN length(PatientAge) = 4 THEN {a_year} END, 2)"
    return f"CASE WHEN {years} > 90 THEN 90 ELSE {years} END"  # least(90, NULL) is 90


def _series_sql(differing: Collection[str]) -> str:
    return f"""
        WITH of_files AS (
            SELECT PatientID::BIGINT AS person_id, AccessionNumber::BIGINT AS image_occurrence_id, {SERIES_KEY},
                   {_counted()}, {_of_all(tables.SERIES, differing)}, of_all(anatomic_region) AS anatomic_region
            FROM files GROUP BY ALL)
        SELECT * FROM of_files JOIN mapped_series USING ({SERIES_KEY}) ORDER BY {SERIES_KEY}"""


def _acquired(table: tables.Table) -> str:
    modalities = ", ".join(f"'{modality}'" for modality in ACQUIRED_BY[table.name])
    return f"placed WHERE Modality IN ({modalities}) GROUP BY {SERIES_KEY}"


def _acquired_sql(table: tables.Table, acquired: str, differing: Collection[str]) -> str:
    return f"SELECT {SERIES_KEY}, {_of_all(table, differing)} FROM {acquired} ORDER BY {SERIES_KEY}"


def _image_sql() -> str:
    named = {column.name: column for column in tables.IMAGE.columns}
    values = ", ".join(f"{_cast(named[k])} AS {k}" for k in tables.IMAGE.keywords)
    mapped = ", ".join(f"mapped_{field}" for field in DELIVERED_FIELDS)
    return f"""
        SELECT left(sha256(SOPInstanceUID), 16) AS file_id, SOPInstanceUID, target_path AS path, {SERIES_KEY}, size,
               pixels_redacted, face_removed, differ_within, {mapped}, {values}
        FROM files JOIN mapped USING ({MAPPED_FROM}) ORDER BY target_path"""


def _counted() -> str:
    return """count(*) AS images, sum(size)::BIGINT AS size, count_if(pixels_redacted) AS pixels_redacted,
              count_if(face_removed) AS face_removed"""


def _of_all(table: tables.Table, differing: Collection[str]) -> str:
    """What a group of files says: a text of all of them or a list with counts; a number of all, and the range."""
    parts = []
    for column in (one for one in table.columns if one.attribute):
        value, name = _cast(column), column.name
        of_texts = "of_all" if name in differing else "min"
        parts.append(f"{of_texts if column.kind == 'text' else 'one_number'}({value}) AS {name}")
        if f"{name}_min" in table.column_names:
            parts.append(f"min({value}) AS {name}_min, max({value}) AS {name}_max")
    return ", ".join(parts)


def _cast(column: tables.Column) -> str:
    """The attribute as a number where the dictionary says so, null where the header holds none; days and times ISO."""
    if column.kind == "number":
        return f"(CASE WHEN isfinite(TRY_CAST({column.name} AS DOUBLE)) THEN TRY_CAST({column.name} AS DOUBLE) END)"
    if column.kind != "text":  # what is counted: a cast would round
        whole = f"TRY_CAST({column.name} AS {SQL_TYPES[column.kind]})"
        return f"(CASE WHEN {whole} = TRY_CAST({column.name} AS DOUBLE) THEN {whole} END)"
    written = {"DA": "iso_day", "TM": "iso_time"}.get(dictionary_VR(column.name))
    return f"{written}({column.name})" if written else column.name
