"""What the columns of the release's tables mean: a dictionary as a table, and a Frictionless data package."""

from __future__ import annotations

import csv
import functools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

from chorus_nb import layout, tables
from chorus_nb.metadata.field_words import values
from chorus_nb.metadata.fields import CONTRADICTED, HIGH, MEDIUM
from chorus_nb.metadata.mapped import DELIVERED_FIELDS
from chorus_nb.workspace import Workspace, write_if_changed

DESCRIBED = (*tables.METADATA, tables.IMAGE_REGISTRY, tables.MANIFEST)
PACKAGED = (*tables.METADATA, tables.IMAGE_REGISTRY)
TYPES = {"text": "string", "integer": "integer", "number": "number", "truth": "boolean"}
STUDY_KEY, SERIES_KEY_COLUMNS = list(tables.STUDY.key), list(tables.SERIES.key)
REFERENCES = {  # which columns of a table are a row of which other
    "series": (STUDY_KEY, "study"),
    "image": (SERIES_KEY_COLUMNS, "series"),
    "image_registry": (["file_id"], "image"),
    **{table.name: (SERIES_KEY_COLUMNS, "series") for table in tables.ACQUIRED},
}
ABOUT = {
    "name": "chorus-imaging-metadata",
    "description": "Each table stands beside this file as CSV and as Parquet; data_dictionary.csv has its columns.",
}
STATED = "stated by the consortium with the release"


def write_dictionary(workspace: Workspace) -> pd.DataFrame:
    """``data_dictionary.csv`` and ``datapackage.json`` beside the tables that they describe; returns the dictionary."""
    words = data_dictionary()
    write_if_changed(workspace.release / layout.DATA_DICTIONARY, tables.csv_bytes(words))
    given = workspace.parameters
    content = json.dumps(data_package(words, given.licence, given.citation), indent=1, ensure_ascii=False) + "\n"
    write_if_changed(workspace.release / layout.DATA_PACKAGE, content.encode())
    return words


@functools.cache
def data_dictionary() -> pd.DataFrame:
    """A row per column: type, unit (UCUM), defined terms, tag of its attribute and meaning."""
    said = pd.concat([tables.describe(table).assign(table=table.name) for table in DESCRIBED], ignore_index=True)
    keyword = said["column"].str.replace(r"_(min|max)$", "", regex=True)
    units = _units()
    said["unit"] = [units.get(name, ("", ""))[0] for name in keyword]
    said["values"] = [units.get(name, ("", ""))[1] for name in keyword]
    tags = (tag_for_keyword(name) for name in keyword)
    said["tag"] = ["" if tag is None else str(Tag(tag)) for tag in tags]
    return said[["table", "column", "type", "nullable", "unit", "values", "tag", "meaning"]]


def data_package(words: pd.DataFrame, licence: str = "", citation: str = "") -> dict[str, object]:
    """A Frictionless tabular data package (specs.frictionlessdata.io): fields, types, units and keys of each CSV."""
    rows = rows_by_table(words)
    return {
        "profile": "tabular-data-package",
        "name": ABOUT["name"],
        "title": "De-identified metadata of the released images",
        "description": ABOUT["description"],
        "licenses": [{"name": "other-closed", "title": licence or STATED}],
        "citation": citation or STATED,
        "resources": [_resource(table, rows[table.name]) for table in PACKAGED],
    }


def rows_by_table(words: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The rows of the data dictionary by the table they are about."""
    rows = defaultdict[str, list[dict[str, Any]]](list)
    for row in words.to_dict("records"):
        rows[row["table"]].append(row)
    return rows


def _resource(table: tables.Table, words: list[dict[str, Any]]) -> dict[str, object]:
    schema: dict[str, object] = {
        "fields": [_field(row) for row in words],
        "missingValues": [""],
        "primaryKey": list(table.key),
    }
    if table.name in REFERENCES:
        fields, other = REFERENCES[table.name]
        schema["foreignKeys"] = [{"fields": fields, "reference": {"resource": other, "fields": fields}}]
    return {
        "profile": "tabular-data-resource",
        "name": table.name,
        "path": f"{table.name}.csv",
        "description": f"A row is {table.a_row_is}.",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": schema,
    }


def _field(row: dict[str, object]) -> dict[str, object]:
    """Text may be empty; a value list is told, not demanded: a list with counts is none of its values."""
    required = {"constraints": {"required": True}} if row["type"] != "text" and not row["nullable"] else {}
    more = {name: row[name] for name in ("unit", "values", "tag") if row[name]}
    return {
        "name": row["column"],
        "type": TYPES[str(row["type"])],
        "description": row["meaning"],
        **required,
        **more,
    }


def _units() -> dict[str, tuple[str, str]]:
    """Unit and defined terms by column; those of mapped fields are what mapping can say."""
    terms = {field: "|".join(value for of, value in values() if of == field) for field in DELIVERED_FIELDS}
    terms["body_part"] = ""  # of PS3.16 Annex L, too many for a cell
    said = {f"mapped_{field}": ("", listed) for field, listed in terms.items()}
    sure = {f"mapped_{field}_confidence": ("", f"{HIGH}|{MEDIUM}|{CONTRADICTED}") for field in DELIVERED_FIELDS}
    return said | sure | {row["column"]: (row["unit"], row["values"]) for row in _rows_of_units()}


def units_by_column() -> dict[str, str]:
    """Unit (UCUM) of the columns that have one."""
    return {row["column"]: row["unit"] for row in _rows_of_units() if row["unit"]}


def possible_ranges() -> dict[str, tuple[float, float]]:
    """The least and the most that a device can have, in the unit of the column, by column."""
    return {row["column"]: (float(row["least"]), float(row["most"])) for row in _rows_of_units() if row["least"]}


def _rows_of_units() -> list[dict[str, str]]:
    with Path(__file__).with_name("units.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
