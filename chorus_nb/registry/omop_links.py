"""Cells of delivered OMOP tables that name a row which is not delivered: a database that knows keys refuses these."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa

from chorus_nb.leaks.parts import csv_parts
from chorus_nb.processes.queries import in_bounded_memory

TAKE_IN = """
    INSERT INTO {into} SELECT $table, $column, $target, try_cast(trim(cell) AS BIGINT) AS id, count(*)
    FROM given GROUP BY ALL HAVING id IS NOT NULL"""
BROKEN = """
    SELECT "table", "column", sum(cells)::BIGINT FROM links ANTI JOIN keys USING (target, id) GROUP BY ALL"""


def broken_links(folder: Path) -> Counter[tuple[str, str]]:
    """By table and column of the CSV tables in ``folder``, the cells with an id that no row of another of them has.

    A column whose name ends as the key of a table points to it (``preceding_visit_occurrence_id``).
    """
    paths = {path.stem: path for path in sorted(folder.glob("*.csv"))}
    with in_bounded_memory() as connection:
        for made in ("keys", "links"):
            connection.execute(
                f'CREATE TABLE {made} ("table" VARCHAR, "column" VARCHAR, target VARCHAR, id BIGINT, cells BIGINT)'
            )
        for table, path in paths.items():
            for part in csv_parts(path):
                for place, written in enumerate(part.column_names):
                    column = written.strip().lower()
                    target = next((name for name in paths if column.endswith(f"{name}_id")), None)
                    if target is None:
                        continue
                    given = pa.table({"cell": part.column(place)})  # noqa: F841  (DuckDB finds it by this name)
                    asked = TAKE_IN.format(into="keys" if column == f"{table}_id" else "links")
                    connection.execute(asked, {"table": table, "column": column, "target": target})
        return Counter({(table, column): cells for table, column, cells in connection.sql(BROKEN).fetchall()})
