"""Rows of the site's OMOP tables that give an id more than once: no database loads two rows of one id."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from chorus_nb.errors import InputError
from chorus_nb.leaks.parts import csv_parts, row_texts
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.registry.omop_withdrawn import number_in
from chorus_nb.tables.cells import csv_writer
from chorus_nb.workspace import replacing

if TYPE_CHECKING:
    import duckdb

MOST_TWICE = 1_000_000  # ids, whose rows are compared with each other in memory


class GivenIds:
    """The ids of a table, which may be longer than memory: in DuckDB, whose rows go to the run's scratch."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        self.connection, self.table = connection, table
        connection.execute("CREATE TABLE ids (id BIGINT)")

    def add(self, cells: pa.ChunkedArray) -> None:
        """One more part of the column; what is no number is no id."""
        given = pa.table({"cell": cells})  # noqa: F841  (DuckDB finds it by this name)
        self.connection.execute("INSERT INTO ids SELECT try_cast(cell AS BIGINT) FROM given")

    def twice(self) -> frozenset[str]:
        """Those of more than one row; :class:`InputError` if they are too many for faults of single rows."""
        asked = "SELECT id FROM ids WHERE id IS NOT NULL GROUP BY id HAVING count(*) > 1 LIMIT ?"
        found = self.connection.execute(asked, [MOST_TWICE + 1]).fetchall()
        if len(found) > MOST_TWICE:
            raise InputError(f"omop: {self.table}: more than {MOST_TWICE:,} ids stand in several rows each")
        return frozenset(str(number) for (number,) in found)


@contextlib.contextmanager
def given_ids(table: str) -> Iterator[GivenIds]:
    """Of a table, as long as it is examined."""
    with in_bounded_memory() as connection:
        yield GivenIds(connection, table)


def write_once(source: Path, target: Path, at: int, ids: Collection[str]) -> Counter[tuple[str, str]]:
    """Write the CSV table ``source`` anew: of the rows of these ``ids``, which stand in the column ``at``, each once,
    and none that contradict each other. How many rows of either kind are left out, as findings."""
    rows_of: dict[str, set[tuple[str, ...]]] = {}
    left_out: Counter[tuple[str, str]] = Counter()
    for part in csv_parts(source):
        for row in row_texts(part):
            if (number := number_in(row, at)) in ids:
                rows_of.setdefault(number, set()).add(row)
    with replacing(target) as new, new.open("w", newline="", encoding="latin-1") as file:  # every byte as it is
        writer = csv_writer(file)
        for place, part in enumerate(csv_parts(source)):
            if not place:
                writer.writerow(part.column_names)
            for row in row_texts(part):
                every = rows_of.get(number_in(row, at))
                if every is None or every == {row}:
                    writer.writerow(row)
                    if every:
                        every.add(())  # written
                else:
                    left_out["", "repeated_rows" if () in every else "contradicting_rows"] += 1
    return left_out
