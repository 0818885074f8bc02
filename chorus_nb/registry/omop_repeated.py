"""Rows of the site's OMOP tables that give an id more than once: no database loads two rows of one id."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from chorus_nb.leaks.parts import csv_parts, row_texts
from chorus_nb.registry.omop_withdrawn import number_in
from chorus_nb.workspace import replacing


def given_twice(columns: Iterable[pa.ChunkedArray]) -> frozenset[str]:
    """The ids that stand more than once in the parts of a column."""
    cells = [chunk for column in columns for chunk in column.chunks]
    counted = pc.value_counts(pa.chunked_array(cells, pa.string())).to_pylist() if cells else []
    ids: Counter[str] = Counter()
    for one in counted:
        ids[number_in([one["values"]], 0)] += one["counts"]
    return frozenset(number for number, count in ids.items() if number and count > 1)


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
        writer = csv.writer(file, lineterminator="\n")
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
