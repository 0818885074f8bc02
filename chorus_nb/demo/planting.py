"""Plants identifiers, and things that must survive, into a header; and writes down each in the answer key.

A :class:`Planting` says where (sequences, an element) and what (a text with ``{facts}`` in braces). Every fact in the
text becomes a row of the answer key; a text without facts is one row itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from pydicom.charset import convert_encodings, encode_string
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from chorus_nb.demo.headers import scanners

PlantedIn = Literal["header", "meta", "preamble", "trailing", "name", "pixels"]
Expected = Literal["removed", "shifted", "kept", "cleaned", "hidden", "uid"]

FACT = re.compile(r"\{(\w+)\}")
NUMBER_VRS = {"US": int, "SS": int, "UL": int, "SL": int, "FD": float, "FL": float}


@dataclass(frozen=True)
class Planted:
    """A row of the answer key: ``value`` is the exact text, ``path`` the sequences above ``tag``, joined by '.'."""

    source_path: str
    place: PlantedIn
    path: str
    tag: str
    kind: str
    value: str
    expected: Expected
    note: str = ""


@dataclass(frozen=True)
class Planting:
    """What is planted where, and what must become of it.

    ``files`` are the labels a file must have. ``at`` is an element, behind the sequences it stands in, joined by ``>``
    (items are made where there are none): a keyword, ``gggg,eeee`` or ``gggg[CREATOR]ee`` (private), each with an
    optional ``/VR``. ``expected`` is "" where more than one outcome is right: such a planting is not in the answer key.
    """

    place: PlantedIn
    files: frozenset[str]
    at: str
    text: str
    expected: Expected | Literal[""]
    note: str


@cache
def plantings() -> tuple[Planting, ...]:
    """The rows of ``plantings.csv``; of two in one element the later wins."""
    with Path(__file__).with_name("plantings.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        made = [{**row, "files": frozenset(row["files"].split())} for row in rows]
    return TypeAdapter(tuple[Planting, ...]).validate_python(made)


def kind_of(fact: str) -> str:
    """What kind of identifier a fact is (``facts`` of ``headers.yaml``); "text" for any other: room, order …"""
    return next((kind for kind, facts in scanners()["facts"].items() if fact in facts), "text")


def plant(
    dataset: Dataset, place: PlantedIn, labels: frozenset[str], facts: Mapping[str, str], source_path: str
) -> list[Planted]:
    """Put into ``dataset`` the :func:`plantings` of a file with ``labels``; returns its rows of the answer key."""
    rows: dict[tuple[str, str], list[Planted]] = {}
    for planting in (one for one in plantings() if one.place == place and one.files <= labels):
        path, tag, vr = _put(dataset, planting, facts)
        found = [(tag, *found) for found in _planted_facts(planting.text, facts, vr)]
        if FACT.search(planting.at):
            creator = Tag(tag.group, tag.element >> 8)
            found += [(creator, *found) for found in _planted_facts(planting.at, facts)]
        rows[path, str(tag)] = [
            Planted(source_path, place, path, str(at), kind, value, planting.expected, planting.note)
            for at, kind, value in found
            if planting.expected
        ]
    return [row for group in rows.values() for row in group]


def named(
    template: str, facts: Mapping[str, str], source_path: str, place: PlantedIn, expected: Expected
) -> list[Planted]:
    """Rows for the facts in a ``template`` outside the header: a path, the preamble, the pixels."""
    if not FACT.search(template):
        return []  # a name such as DICOMDIR tells of nobody
    return [
        Planted(source_path, place, "", "", kind, value, expected) for kind, value in _planted_facts(template, facts)
    ]


def _planted_facts(template: str, facts: Mapping[str, str], vr: str = "") -> Iterator[tuple[str, str]]:
    """Kind and value of every fact in ``template``; the text itself where there is none."""
    for fact in dict.fromkeys(FACT.findall(template)):
        if fact not in ("number", "index"):
            yield kind_of(fact), facts[fact]
    if not FACT.search(template):
        yield "date" if vr in ("DA", "DT") else "text", template


def _put(dataset: Dataset, planting: Planting, facts: Mapping[str, str]) -> tuple[str, BaseTag, str]:
    """Write one planting; its path, tag and VR."""
    target, path = dataset, []
    *steps, element = planting.at.format_map(facts).split(">")
    for step in steps:
        tag, _, name = _resolve(target, f"{step}/SQ")
        path.append(name)
        if tag not in target or not target[tag].value:
            target.add_new(tag, "SQ", Sequence([Dataset()]))
            target[tag].is_undefined_length = True  # so that it is known as a sequence in implicit VR, private ones too
        target = target[tag].value[0]
    tag, vr, _ = _resolve(target, element)
    encodings = convert_encodings(dataset.get("SpecificCharacterSet", "ISO_IR 6"))
    _add(target, tag, vr, _value(vr, planting.text.format_map(facts), encodings))
    return ".".join(path), tag, vr


def _resolve(dataset: Dataset, element: str) -> tuple[BaseTag, str, str]:
    """Tag, VR and path name of an element as plantings write it; a private block is reserved where there is none."""
    name, _, vr = element.partition("/")
    private = re.fullmatch(r"(\w{4})\[(.+)\](\w{2})", name)
    if private:
        group, creator, offset = int(private[1], 16), private[2], int(private[3], 16)
        return dataset.private_block(group, creator, create=True).get_tag(offset), vr, name
    if "," in name:
        return Tag(*(int(part, 16) for part in name.split(","))), vr, name
    tag = tag_for_keyword(name)
    if tag is None:
        raise ValueError(f"not a DICOM keyword: {name}")
    return Tag(tag), vr or dictionary_VR(tag), name


def _value(vr: str, text: str, encodings: list[str]) -> Any:
    if vr in NUMBER_VRS:
        return NUMBER_VRS[vr](text)
    if vr in ("OB", "UN"):
        content = encode_string(text, encodings)
        return content + b"\0" * (len(content) % 2)
    return text.split("\\") if "\\" in text and vr not in ("LT", "ST", "UT", "UR") else text


def write_as_unknown(dataset: Dataset, keyword: str) -> None:
    """Give a sequence the VR UN: its items in implicit VR little endian, whatever the file has (PS3.5 6.2.2)."""
    content = DicomBytesIO()
    content.is_implicit_VR = content.is_little_endian = True
    write_sequence(content, dataset[keyword], convert_encodings(dataset.get("SpecificCharacterSet", "ISO_IR 6")))
    _add(dataset, dataset[keyword].tag, "UN", content.getvalue())


def _add(dataset: Dataset, tag: BaseTag, vr: str, value: Any) -> None:
    if vr == "UN":  # a plain element would take the VR of the data dictionary
        dataset[tag] = RawDataElement(tag, "UN", len(value), value, 0, False, True)
    else:
        dataset.add_new(tag, vr, value)


def write_key(rows: list[Planted]) -> bytes:
    """The answer key as CSV (UTF-8, LF)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Planted))
    writer.writerows(map(astuple, rows))
    return text.getvalue().encode()
