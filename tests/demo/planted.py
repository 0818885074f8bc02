"""Reading the answer key, and what a data set has where the key points."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
from pydicom import dcmread
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from chorus_nb.source import open_source


def is_broken(source_path: Any) -> bool:
    return str(source_path).startswith("broken/")


def answer_key(site: Path) -> pd.DataFrame:
    return pd.read_csv(site / "answer_key.csv", dtype=str, keep_default_na=False)


def read(site: Path, source_path: str) -> Dataset:
    return dcmread(io.BytesIO(open_source(site / "dicom").read(source_path)), force=True)


def value_at(dataset: Dataset, row: Any) -> str:
    """The value the answer key speaks of, as text ("" if it is not there)."""
    charset = convert_encodings(dataset.get("SpecificCharacterSet", "ISO_IR 6"))
    for step in filter(None, row.path.split(".")):
        items = [e.value for e in dataset if e.VR == "SQ" and step in (e.keyword, private_name(dataset, e.tag))]
        if not items:
            return ""
        dataset = items[0][0]
    element = dataset.get(Tag(row.tag.strip("()").replace(",", "")))
    if element is None:
        return ""
    if isinstance(element.value, bytes):
        return decode_bytes(element.value, charset, set())
    return "\\".join(map(str, element.value)) if element.VM > 1 else str(element.value)


def private_name(dataset: Dataset, tag: int) -> str:
    tag = Tag(tag)
    creator = dataset.get(Tag(tag.group, tag.element >> 8), None)
    return f"{tag.group:04X}[{creator.value if creator else ''}]{tag.element & 0xFF:02X}"
