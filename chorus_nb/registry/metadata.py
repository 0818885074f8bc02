"""De-identified metadata tables for sharing (SOP step 11): images can be queried without opening a DICOM file."""

from __future__ import annotations

import glob
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.processes import Progress
from chorus_nb.registry.headers import update_headers
from chorus_nb.registry.identifiers import file_id
from chorus_nb.workspace import Workspace, write_if_changed

SQL_TYPES = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "truth": "BOOLEAN"}


def build_metadata(
    workspace: Workspace, progress: Progress | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """``study``, ``series`` and ``image`` from the released headers, as CSV and Parquet with a data dictionary."""
    headers = update_headers(workspace, progress)
    study, series, image = (
        _write_both(workspace, table, sql, headers)
        for table, sql in ((tables.STUDY, _study_sql()), (tables.SERIES, _series_sql()), (tables.IMAGE, _image_sql()))
    )
    described = (tables.STUDY, tables.SERIES, tables.IMAGE, tables.IMAGE_REGISTRY, tables.MANIFEST)
    dictionary = pd.concat([tables.describe(table).assign(table=table.name) for table in described])
    dictionary = dictionary[["table", "column", "type", "nullable", "meaning"]]
    write_if_changed(workspace.release / layout.DATA_DICTIONARY, tables.csv_bytes(dictionary))
    return study, series, image


def _write_both(workspace: Workspace, table: tables.Table, sql: str, headers: Path) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.create_function("file_id", file_id)
        connection.read_parquet(glob.escape(str(headers))).create_view("headers")
        made = connection.execute(sql).df()
    workspace.write(table, made)
    as_parquet = replace(table, format="parquet")
    workspace.write(as_parquet, made)
    return workspace.read(as_parquet)


def _study_sql() -> str:
    joined = ", ".join(
        f"coalesce(string_agg(DISTINCT nullif({k}, ''), '\\' ORDER BY nullif({k}, '')), '') AS {k}"
        for k in tables.STUDY.keywords
    )
    return f"""
        SELECT any_value(PatientID)::BIGINT AS person_id, AccessionNumber::BIGINT AS image_occurrence_id,
               StudyInstanceUID, count(DISTINCT SeriesInstanceUID) AS series, count(*) AS images, {joined}
        FROM headers GROUP BY AccessionNumber, StudyInstanceUID ORDER BY image_occurrence_id, StudyInstanceUID"""


def _series_sql() -> str:
    named = {column.name: column for column in tables.SERIES.columns}
    values = ", ".join(f"first({_cast(named[k])} ORDER BY target_path) AS {k}" for k in tables.SERIES.keywords)
    return f"""
        SELECT any_value(PatientID)::BIGINT AS person_id, any_value(AccessionNumber)::BIGINT AS image_occurrence_id,
               any_value(StudyInstanceUID) AS StudyInstanceUID, SeriesInstanceUID,
               regexp_replace(target_path, '/[^/]*$', '') AS folder, count(*) AS images, {values},
               first(anatomic_region ORDER BY target_path) AS anatomic_region
        FROM headers GROUP BY folder, SeriesInstanceUID ORDER BY folder, SeriesInstanceUID"""


def _image_sql() -> str:
    named = {column.name: column for column in tables.IMAGE.columns}
    values = ", ".join(f"{_cast(named[k])} AS {k}" for k in tables.IMAGE.keywords)
    return f"""
        SELECT file_id(SOPInstanceUID) AS file_id, target_path AS path, SeriesInstanceUID, SOPInstanceUID, {values}
        FROM headers ORDER BY target_path"""


def _cast(column: tables.Column) -> str:
    """The attribute as a number where the dictionary says so; null where the header does not hold one."""
    return column.name if column.kind == "text" else f"TRY_CAST({column.name} AS {SQL_TYPES[column.kind]})"
