"""What identifies the patient in this header, harvested before any of it goes, so that text can be cleaned of it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources

from pydicom.datadict import tag_for_keyword

from chorus_nb.deid.spans import Buffer, Element, vr_of
from chorus_nb.deid.text import Identifiers
from chorus_nb.deid.values import Charset, charset_of, decode


@lru_cache(maxsize=1)
def identifying() -> dict[int, str]:
    """Tag to kind (name, number or place) of the attributes that identify someone (identifying.csv)."""
    text = resources.files("chorus_nb.deid").joinpath("identifying.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {tag: row["kind"] for row in rows if (tag := tag_for_keyword(row["keyword"])) is not None}


def harvest(data: Buffer, elements: list[Element], charset: Charset, known_ids: Iterable[str] = ()) -> Identifiers:
    """Every identifying value at any depth: all person names, and what identifying.csv lists."""
    found: dict[str, set[str]] = {"name": set(), "number": set(known_ids), "place": set()}
    _walk(data, elements, charset, identifying(), found)
    return Identifiers(*(frozenset(found[kind]) for kind in ("name", "number", "place")))


def _walk(
    data: Buffer, elements: list[Element], charset: Charset, kinds: dict[int, str], found: dict[str, set[str]]
) -> None:
    for element in elements:
        if element.items is not None:
            for item in element.items:
                _walk(data, item.elements, charset_of(data, item.elements, charset), kinds, found)
            continue
        kind = kinds.get(element.tag)
        if kind is None and (element.vr == "PN" or vr_of(element.tag) == "PN"):
            kind = "name"
        elif kind is None and vr_of(element.tag) == "DA":
            kind = "number"  # a date of the patient, where it stands in a text or a number
        if kind and element.length:
            text = decode(bytes(data[element.value : element.end]), charset)
            found[kind].update(part.strip(" \0") for part in text.split("\\") if part.strip(" \0^="))
