"""The tables as Croissant 1.0 (JSON-LD of MLCommons): the words of the data package, for machine learning.

The day of publication and an address are asked for there; a site does not know them, so they are left out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.metadata.dictionary import ABOUT, STATED, rows_by_table
from chorus_nb.workspace import Workspace, write_if_changed

_CR = "http://mlcommons.org/croissant/"
_TERMS = (  # of the context that the specification gives
    *("citeAs", "column", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes"),
    *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
    *("replace", "separator", "source", "subField", "transform", "equivalentProperty", "samplingRate"),
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": _CR,
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "rai": f"{_CR}RAI/",
    **{name: {"@id": f"cr:{name}", "@type": "@json"} for name in ("data", "examples")},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_TYPES = {"text": "sc:Text", "integer": "sc:Integer", "number": "sc:Float", "truth": "sc:Boolean"}


def write_croissant(workspace: Workspace, words: pd.DataFrame) -> None:
    """``croissant.json`` beside the Parquet files that it describes; ``words`` is the data dictionary."""
    given, rows = workspace.parameters, rows_by_table(words)
    made = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": f"{_CR}1.0",
        **ABOUT,
        "license": given.licence or STATED,
        "citeAs": given.citation or STATED,
        "creator": {"@type": "sc:Organization", "name": "CHoRUS"},
        "distribution": [_file(workspace, table) for table in tables.METADATA],
        "recordSet": [_records(table, rows[table.name]) for table in tables.METADATA],
    }
    content = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    write_if_changed(workspace.release / layout.CROISSANT, content.encode())


def _file(workspace: Workspace, table: tables.Table) -> dict[str, object]:
    path = workspace.path(replace(table, format="parquet"))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _records(table: tables.Table, words: list[dict[str, Any]]) -> dict[str, object]:
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "key": [{"@id": f"{table.name}/{column}"} for column in table.key],
        "field": [_field(table.name, row) for row in words],
    }


def _field(table: str, row: dict[str, str]) -> dict[str, object]:
    unit = f" [{row['unit']}]" if row["unit"] else ""
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{row['column']}",
        "name": row["column"],
        "description": row["meaning"] + unit,
        "dataType": _TYPES[row["type"]],
        "source": {"fileObject": {"@id": f"{table}.parquet"}, "extract": {"column": row["column"]}},
    }
