"""The tables of the project as data: ``tables.csv`` has a row a table, ``columns.csv`` a row a column."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from pydantic import TypeAdapter

from chorus_nb.tables.schema import Table

NOT_IN_FILE = "none in the file"  # where a header has no PatientID, accession number or UID


def _definitions(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def remedies() -> dict[str, str]:
    """What a person can do about each reason code (``reasons.csv``); the code is stable, the words may change."""
    return {row["reason"]: row["what_to_do"] for row in _definitions("reasons.csv")}


def reason_meanings() -> dict[str, str]:
    """What each reason code says of a file, in words."""
    return {row["reason"]: row["meaning"] for row in _definitions("reasons.csv")}


def code_in_words(code: str) -> str:
    """A code as a person reads it, where no list has a sentence for it: ``held_back`` as *held back*."""
    return code.replace("_", " ").replace("dicom", "DICOM")


def defined() -> dict[str, Table]:
    """Every table by name, in the order in which notebooks make them."""
    columns: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in _definitions("columns.csv"):
        described, ranges = columns[row.pop("table")], row["attribute"] == "range"
        described.append(
            {**row, "nullable": row["nullable"] == "yes", "attribute": ranges or row["attribute"] == "yes"}
        )
        for end, least in (("min", "smallest"), ("max", "largest")) if ranges else ():
            meaning = f"the {least} {row['name']} of the released headers"
            described.append(
                {**row, "name": f"{row['name']}_{end}", "meaning": meaning, "nullable": True, "attribute": False}
            )
    of_rows, made = TypeAdapter(Table).validate_python, dict[str, Table]()
    for row in _definitions("tables.csv"):
        typed = {"key": row["key"].split(), "lasting": row["lasting"] == "yes", "columns": columns[row["name"]]}
        made[row["name"]] = of_rows({**row, **typed})
    return made
