"""Which series can show a face, from their headers alone (``needs.json``: a row per rule, the first that fits)."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

VOLUME_MODALITIES = ("CT", "MR", "PT")
NEEDED_COLUMNS = ("Modality", "ImageType", "BodyPartExamined", "SeriesDescription", "StudyDescription", "SOPClassUID")


@functools.cache
def _rules() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(__file__).with_name("needs.json").read_text(encoding="utf-8"))
    return content


@functools.lru_cache(maxsize=4096)
def need(
    modality: str, image_type: str, body_part: str, series: str, study: str, sop_class: str = ""
) -> tuple[str, str]:
    """``face``, ``rendering``, ``doubt``, ``unknown`` or ``none``, and the reason.

    What the series says of itself outweighs what the study says. A localizer has the need of its words.
    """
    says = {
        "SOPClassUID": sop_class.strip(),
        "Modality": modality.strip(),
        "ImageType": image_type,
        "SeriesDescription": series,
        "series": _says(f"{body_part} {series}"),
        "study": _says(study),
        "said": _says(f"{body_part} {series} {study}"),
    }
    for rule in _rules()["rules"]:
        if all(re.fullmatch(pattern, says[name], re.IGNORECASE) for name, pattern in rule["when"].items()):
            return rule["need"], rule["reason"]
    raise AssertionError("the last rule fits everything")


def _says(text: str) -> str:
    """HEAD, OTHER (another part of the body) or SILENT. A text that names both is about a head."""
    for name, pattern in _rules()["words"].items():
        if re.search(rf"(?<![a-z])(?:{pattern})", text, re.IGNORECASE):
            return str(name)
    return "SILENT"


def needs(images: pd.DataFrame) -> pd.DataFrame:
    """``need`` and ``need_reason`` of each of ``images`` (rows of the catalog), the gravest of its series."""
    order = ["rendering", "face", "doubt", "unknown", "none"]
    said_of = images.reindex(columns=list(NEEDED_COLUMNS), fill_value="")
    found = [need(*map(str, row)) for row in said_of.itertuples(index=False, name=None)]
    table = pd.DataFrame(found, columns=["need", "need_reason"], index=images.index)
    # a rendering among slices holds back itself, not the slices; and what is no volume stays that
    own = table.need.eq("rendering") | ~images.Modality.str.strip().isin(VOLUME_MODALITIES)
    ranked = table.assign(rank=table.need.map(order.index), series=images.SeriesInstanceUID)
    worst = ranked[~own].sort_values("rank", kind="stable").drop_duplicates("series").set_index("series")
    said = worst.reindex(images.SeriesInstanceUID)[["need", "need_reason"]].set_index(images.index)
    said.loc[own] = table[own]
    return said
