"""What a researcher asks of the metadata tables, and what a query finds there; no identifiers (notebook 05)."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd

from chorus_nb import tables
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.workspace import Workspace

SAYS_IT = {  # by mapped field, the attributes in which a query would look for it
    "body_part": ("BodyPartExamined",),
    "laterality": ("Laterality", "ImageLaterality", "FrameLaterality"),
    "view": ("ViewPosition",),
    "plane": (),
    "contrast": ("ContrastBolusAgent",),
    "phase": (),
    "sequence_type": (),
}


def questions(workspace: Workspace) -> Iterator[tuple[str, pd.DataFrame]]:
    """Ten questions of a researcher, each with its answer by :func:`ask`.

    They are data: ``questions/*.sql``, the question in the first line.
    """
    with metadata_tables(workspace) as connection:
        for path in sorted(Path(__file__).with_name("questions").glob("*.sql")):
            query = path.read_text(encoding="utf-8")
            yield query.partition("\n")[0].removeprefix("-- "), connection.execute(query).df()


def completeness(workspace: Workspace) -> pd.DataFrame:
    """How many files have each attribute of ``study`` and ``series`` in their header, by modality, in percent."""
    wanted = [k for k in dict.fromkeys((*tables.STUDY.keywords, *tables.SERIES.keywords)) if k != "Modality"]
    shares = ", ".join(f"round(100 * avg(({keyword} <> '')::INT), 1) AS {keyword}" for keyword in wanted)
    with in_bounded_memory() as connection:
        headers = connection.read_parquet(glob.escape(str(workspace.path(tables.RELEASED_HEADERS))))
        filled = headers.aggregate(f"Modality, {shares}", "Modality").order("Modality").df().set_index("Modality")
    return filled.T.rename_axis("attribute").rename_axis(None, axis="columns").reset_index()


def mapped_completeness(workspace: Workspace) -> pd.DataFrame:
    """How many files have each mapped field, in percent by modality: in an attribute of their header that says it, and
    after mapping."""
    shares = " UNION ALL ".join(
        f"""SELECT '{field.replace("_", " ")}' AS field, '{", ".join(attributes)}' AS attributes, h.Modality,
                   count(*) AS files, round(100 * avg((concat({columns}) <> '')::INT), 1) AS header,
                   round(100 * avg((mapped_{field} <> '')::INT), 1) AS mapped
            FROM headers AS h JOIN image ON target_path = path GROUP BY h.Modality"""
        for field, attributes in SAYS_IT.items()
        for columns in [", ".join(("''", *(f"h.{name}" for name in attributes)))]
    )
    with in_bounded_memory() as connection:
        for name, path in (
            ("headers", workspace.path(tables.RELEASED_HEADERS)),
            ("image", workspace.path(replace(tables.IMAGE, format="parquet"))),
        ):
            connection.read_parquet(glob.escape(str(path))).create_view(name)
        return connection.sql(f"SELECT * FROM ({shares}) ORDER BY field, Modality").df()


def ask(workspace: Workspace, question: str) -> pd.DataFrame:
    """The answer of DuckDB to an SQL question about the tables ``tables.METADATA`` and ``image_registry``."""
    with metadata_tables(workspace) as connection:
        connection.read_csv(glob.escape(str(workspace.path(tables.IMAGE_REGISTRY)))).create_view("image_registry")
        return connection.execute(question).df()


@contextlib.contextmanager
def metadata_tables(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the tables ``tables.METADATA`` as views."""
    with in_bounded_memory() as connection:
        for table in tables.METADATA:
            path = workspace.path(replace(table, format="parquet"))
            connection.read_parquet(glob.escape(str(path))).create_view(table.name)
        yield connection
