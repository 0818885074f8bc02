"""The fields of CHoRUS of every released image, mapped from what its released header says (``fields``)."""

from __future__ import annotations

import duckdb
import pandas as pd

from chorus_nb.metadata.fields import map_fields
from chorus_nb.standards import body_part_concepts

DELIVERED_FIELDS = ("body_part", "laterality", "view", "plane", "contrast", "phase", "sequence_type")
DELIVERED_PARTS = tuple(
    f"mapped_{field}{part}" for field in DELIVERED_FIELDS for part in ("", "_source", "_confidence")
)
CONCEPT = "mapped_body_part_concept_id"
SAID_IN = {  # the columns of ``released_headers`` that fields are mapped from, and what ``map_fields`` calls them
    **{k: k for k in ("Modality", "StudyDescription", "SeriesDescription", "ProtocolName", "BodyPartExamined")},
    **{k: k for k in ("FrameLaterality", "ImageLaterality", "Laterality", "ViewPosition", "ContrastBolusAgent")},
    **{k: k for k in ("ImageType", "ImageOrientationPatient")},
    "anatomic_region": "AnatomicRegionSequence",
    "view_code": "ViewCodeSequence",
}
MAPPED_FROM = ", ".join(SAID_IN)


def map_headers(connection: duckdb.DuckDBPyConnection, series_key: str, site: pd.DataFrame) -> None:
    """Makes ``mapped``, the fields by what headers say, and ``mapped_series``: what all files of a series have, else a
    list with the files of each.

    Of the view ``placed``; each distinct header is mapped once. ``site`` is what people decided (``local_fields``).
    """
    connection.execute(
        f"CREATE TABLE kinds AS SELECT {series_key}, {MAPPED_FROM}, count(*) AS files FROM placed GROUP BY ALL"
    )
    said = connection.sql(f"SELECT DISTINCT {MAPPED_FROM} FROM kinds").df()
    connection.register("answers", pd.concat([said, _answers(said, site)], axis=1))
    texts = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in (*SAID_IN, *DELIVERED_PARTS))
    connection.execute(f"CREATE TABLE mapped AS SELECT * REPLACE ({texts}) FROM answers")  # of no rows too
    parts = ", ".join(DELIVERED_PARTS)
    connection.execute(f"""
        CREATE VIEW mapped_series AS
        WITH parts AS (
            UNPIVOT (SELECT {series_key}, files, {parts} FROM kinds JOIN mapped USING ({MAPPED_FROM}))
            ON {parts} INTO NAME part VALUE value),
        counted AS (SELECT {series_key}, part, value, sum(files) AS files FROM parts GROUP BY ALL),
        told AS (
            SELECT {series_key}, part, CASE WHEN count(*) = 1 THEN min(value)
                ELSE listed(map(list(value ORDER BY value), list(files ORDER BY value))) END AS said
            FROM counted GROUP BY ALL),
        concepts AS (
            SELECT {series_key}, one_number({CONCEPT}) AS {CONCEPT}
            FROM kinds JOIN mapped USING ({MAPPED_FROM}) GROUP BY ALL)
        SELECT * FROM (PIVOT told ON part IN ({", ".join(f"'{part}'" for part in DELIVERED_PARTS)})
                       USING min(said) GROUP BY {series_key}) JOIN concepts USING ({series_key})""")


def _answers(said: pd.DataFrame, site: pd.DataFrame) -> pd.DataFrame:
    answers = map_fields(said.rename(columns=SAID_IN), site).add_prefix("mapped_")
    concepts = answers["mapped_body_part"].map(
        lambda part: getattr(body_part_concepts().get(part), "omop_concept_id", 0)
    )
    return answers[list(DELIVERED_PARTS)].assign(**{CONCEPT: concepts.astype("int64")})
