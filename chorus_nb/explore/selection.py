"""The catalog as a database of its own, for looking: what SQL chooses, and which studies and series cover that."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pandas as pd

from chorus_nb import tables
from chorus_nb.errors import InputError, NotReady
from chorus_nb.explore.catalog import connect
from chorus_nb.processes.queries import connected
from chorus_nb.workspace import Workspace

EXPLORED_FILES = "files"
"""What can be asked in SQL: a row per file found, ``file`` is its number."""
EXPLORED_PROFILE = "profile"
"""What is drawn: columns of :data:`EXPLORED_FILES`. Each costs 0.04 s of CPU at the first click of a million rows."""
EXPLORED_TEXTS = (
    *("PatientID", "PatientSex", "Modality", "BodyPartExamined", "StudyDescription", "SeriesDescription"),
    *("ProtocolName", "Manufacturer", "ManufacturerModelName", "ImageType", "BurnedInAnnotation", "status", "reason"),
    *("AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "source_path"),
)
EXPLORED_NUMBERS = ("Rows", "Columns", "NumberOfFrames", "SliceThickness")
"""Attributes as numbers; what is none is missing."""
EXPLORED_COLUMNS = (
    *("Modality", "BodyPartExamined", "SeriesDescription", "Manufacturer", "ManufacturerModelName", "acquired"),
    *("in_visit", "status", "PatientID", "file"),
)
"""Drawn at first, by which one looks for something; more are drawn when asked for."""
LEVELS = {"patients": "PatientID", "studies": "StudyInstanceUID", "series": "SeriesInstanceUID"}
EXPLORER_MEMORY = "1GB"  # for DuckDB; what needs more goes to disk


def open_files(workspace: Workspace, *more: str) -> duckdb.DuckDBPyConnection:
    """A database that holds :data:`EXPLORED_FILES` and nothing else, and can read nothing else: pages send it SQL.

    Catalog, joined with the size of series and study and, once 01 linked them, the visit of the accession. ``more``:
    further columns of the catalog. :class:`NotReady` before the first scan.
    """
    if not workspace.has(tables.CATALOG):
        raise NotReady("catalog is not there yet: run notebook 01_explore_headers first")
    if unknown := [name for name in more if name not in tables.CATALOG.column_names]:
        raise InputError(f"not a column of the catalog: {', '.join(unknown)}")
    scratch = workspace.local / "survey" / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    connection = connected(memory_limit=EXPLORER_MEMORY, temp_directory=str(scratch))
    connection.read_parquet(glob.escape(str(workspace.path(tables.CATALOG)))).create_view("source_catalog")
    links = "SELECT '' AS PatientID, '' AS AccessionNumber, NULL AS visit_occurrence_id WHERE false"
    if workspace.has(tables.LINKAGE):
        connection.read_parquet(glob.escape(str(workspace.path(tables.LINKAGE)))).create_view("source_links")
        links = "SELECT * FROM source_links"
    connection.execute(_made(links, [name for name in more if name not in (*EXPLORED_TEXTS, *EXPLORED_NUMBERS)]))
    draw_columns(connection, *more)
    for view in ("source_catalog", "source_links"):
        connection.execute(f"DROP VIEW IF EXISTS {view}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def draw_columns(connection: duckdb.DuckDBPyConnection, *more: str) -> list[str]:
    """Draw ``more`` columns of :data:`EXPLORED_FILES` than at first; returns those that could be drawn too."""
    known = connection.table(EXPLORED_FILES).columns
    if unknown := [name for name in more if name not in known]:
        raise InputError(f"not a column of the catalog: {', '.join(unknown)}")
    drawn = list(dict.fromkeys((*EXPLORED_COLUMNS[:-1], *more, EXPLORED_COLUMNS[-1])))
    connection.execute(f"CREATE OR REPLACE VIEW {EXPLORED_PROFILE} AS SELECT {', '.join(drawn)} FROM {EXPLORED_FILES}")
    return [name for name in known if name not in drawn]


def _made(links: str, more: Sequence[str]) -> str:
    text = ", ".join(
        name if name == "source_path" else f"rtrim({name}, chr(0) || ' ') AS {name}" for name in EXPLORED_TEXTS
    )
    numbers = ", ".join(f"TRY_CAST(split_part({name}, chr(92), 1) AS DOUBLE) AS {name}" for name in EXPLORED_NUMBERS)
    return f"""CREATE TABLE {EXPLORED_FILES} AS
        WITH row AS (
            SELECT {text}, {numbers}, TRY_CAST(nullif(acquired, '') AS TIMESTAMP) AS acquired, size / 1e6 AS megabytes,
                has_pixels, private_elements{"".join(f", {name}" for name in more)}
            FROM source_catalog
        ), visit AS (
            SELECT PatientID, AccessionNumber, bool_or(visit_occurrence_id IS NOT NULL) AS in_visit
            FROM ({links}) GROUP BY ALL
        ), study AS (
            SELECT StudyInstanceUID, count(*) AS study_files FROM row WHERE StudyInstanceUID <> '' GROUP BY 1
        ), series AS (
            SELECT SeriesInstanceUID, count(*) AS series_files FROM row WHERE SeriesInstanceUID <> '' GROUP BY 1
        )
        SELECT row.*, series_files, study_files, in_visit, row_number() OVER (ORDER BY source_path) AS file
        FROM row LEFT JOIN series USING (SeriesInstanceUID) LEFT JOIN study USING (StudyInstanceUID)
            LEFT JOIN visit USING (PatientID, AccessionNumber)
        ORDER BY source_path"""


@contextmanager
def _in_words() -> Iterator[None]:
    """Faults of a question, without a value of a header."""
    try:
        yield
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
        raise InputError(f"this question cannot be answered: {str(error).splitlines()[0]}") from None  # about the SQL
    except duckdb.Error:  # may quote a value
        raise InputError("this question cannot be answered of the values that are there") from None


def chosen(connection: duckdb.DuckDBPyConnection, question: str) -> duckdb.DuckDBPyRelation:
    """What a question in SQL asks for, not yet answered; :class:`InputError` where it is no question."""
    with _in_words():
        statements = connection.extract_statements(question)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InputError("one SELECT can be asked here, and nothing else")
        return connection.sql(statements[0].query)


def answered(connection: duckdb.DuckDBPyConnection, question: str) -> pd.DataFrame:
    """The answer to a question in SQL; :class:`InputError` where there is none."""
    relation = chosen(connection, question)
    with _in_words():
        return relation.df()


def rows_of(connection: duckdb.DuckDBPyConnection, question: str, columns: str = "*") -> pd.DataFrame:
    """The rows of :data:`EXPLORED_FILES` that a selection names."""
    _with_files(connection, question)
    return connection.sql(
        f"SELECT {columns} FROM {EXPLORED_FILES} WHERE file IN (FROM chosen_files) ORDER BY file"
    ).df()


def covering(connection: duckdb.DuckDBPyConnection, question: str) -> pd.DataFrame:
    """The fewest studies, series and files that are exactly the files of a selection: ``study``, ``series``, ``file``,
    of which one is set in each row; a study or series is named where all of its files are chosen."""
    _with_files(connection, question)
    return connection.sql(
        f"""WITH mark AS (
            SELECT StudyInstanceUID AS study, SeriesInstanceUID AS series, source_path AS file,
                file IN (FROM chosen_files) AS is_in FROM {EXPLORED_FILES}
        ), level AS (
            SELECT *, study <> '' AND bool_and(is_in) OVER (PARTITION BY study) AS by_study,
                series <> '' AND bool_and(is_in) OVER (PARTITION BY series) AS by_series FROM mark
        )
        SELECT DISTINCT CASE WHEN by_study THEN study ELSE '' END AS study,
            CASE WHEN by_series AND NOT by_study THEN series ELSE '' END AS series,
            CASE WHEN by_series OR by_study THEN '' ELSE file END AS file
        FROM level WHERE is_in ORDER BY ALL"""
    ).df()


def counted(connection: duckdb.DuckDBPyConnection, question: str, most: int) -> tuple[dict[str, float], pd.DataFrame]:
    """How much a selection is (patients, studies, series, files, megabytes), and its first ``most`` series."""
    _with_files(connection, question)
    among = f"FROM {EXPLORED_FILES} WHERE file IN (FROM chosen_files)"
    totals = connection.sql(
        f"""SELECT count(DISTINCT nullif(PatientID, '')) AS patients,
            count(DISTINCT nullif(StudyInstanceUID, '')) AS studies,
            count(DISTINCT nullif(SeriesInstanceUID, '')) AS series, count(*) AS files,
            coalesce(sum(megabytes), 0) AS megabytes {among}"""
    ).df()
    series = connection.sql(
        f"""SELECT SeriesInstanceUID AS series, any_value(Modality) AS modality,
            any_value(SeriesDescription) AS description, any_value(Manufacturer) AS manufacturer,
            any_value(ManufacturerModelName) AS model, strftime(min(acquired), '%Y-%m-%d') AS acquired,
            count(*) AS files, any_value(series_files) AS files_in_series
        {among} AND SeriesInstanceUID <> '' GROUP BY 1 ORDER BY min(source_path) LIMIT {int(most)}"""
    ).df()
    return totals.iloc[0].to_dict(), series


def ask_source(workspace: Workspace, question: str) -> pd.DataFrame:
    """The answer of DuckDB to an SQL question about what 01 made: ``catalog``, ``tag_profile``, ``quality_findings``,
    ``linkage``, and ``patients``, ``studies``, ``series`` counted from the catalog. It holds original values.
    """
    with connect(workspace) as connection:
        for table in (tables.TAG_PROFILE, tables.QUALITY_FINDINGS, tables.LINKAGE):
            if workspace.has(table):
                connection.read_parquet(glob.escape(str(workspace.path(table)))).create_view(table.name)
        for name, key in LEVELS.items():
            connection.execute(
                f"""CREATE VIEW {name} AS SELECT {key}, any_value(PatientID) AS patient,
                    any_value(Modality) AS modality, any_value(StudyDescription) AS study_description,
                    count(DISTINCT StudyInstanceUID) AS studies,
                    count(DISTINCT SeriesInstanceUID) AS series, count(*) AS files, sum(size) / 1e6 AS megabytes,
                    min(nullif(acquired, '')) AS first, max(nullif(acquired, '')) AS last
                FROM catalog WHERE status = 'dicom' AND {key} <> '' GROUP BY {key}"""
            )
        return answered(connection, question)


def _with_files(connection: duckdb.DuckDBPyConnection, question: str) -> None:
    """Keep the numbers of a selection's files as ``chosen_files``; a question without them names no files."""
    by = next((name for name in ("file", "source_path") if name in chosen(connection, question).columns), "")
    if not by:
        raise InputError("this question has no column file or source_path: nothing can be opened or decided from it")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE chosen_files AS SELECT file FROM {EXPLORED_FILES} "
        f"WHERE {by} IN (SELECT {by} FROM ({question}))"
    )
