"""Plants identifiers, and things that must survive, into a header; and writes down each in the answer key.

A :class:`Planting` says where (a path of sequences, an element) and what (a text with ``{facts}`` in braces). Every fact
in the text becomes a row of the answer key; a text without facts is one row itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any, Literal

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

Place = Literal["header", "meta", "preamble", "trailing", "name", "pixels"]
Expected = Literal["removed", "shifted", "kept", "cleaned", "hidden", "uid"]

# What kind of identifier a fact is; facts that are not here (room, order …) are "text".
KINDS = {
    **dict.fromkeys(("family", "given", "ideographic", "phonetic", "relative", "FAMILY"), "name"),
    **dict.fromkeys(("mrn", "other_mrn", "ssn", "insurance"), "patient_id"),
    **dict.fromkeys(("accession", "order", "study_id"), "accession"),
    **dict.fromkeys(("birth_date", "birth_text"), "birth_date"),
    **dict.fromkeys(("date", "date_time", "prior_text", "zone"), "date"),
    **dict.fromkeys(("phone", "email"), "phone"),
    **dict.fromkeys(("address", "city"), "address"),
    **dict.fromkeys(("physician", "reader", "operator"), "physician"),
    **dict.fromkeys(("institution", "department"), "institution"),
    **dict.fromkeys(("serial", "station"), "device"),
    **dict.fromkeys(("uid", "series_uid", "study_uid", "frame_uid", "event_uid", "other_uid"), "uid"),
}
FACT = re.compile(r"\{(\w+)\}")
NUMBERS = {"US": int, "SS": int, "UL": int, "SL": int, "FD": float, "FL": float}


@dataclass(frozen=True)
class Planted:
    """A row of the answer key. ``value`` is the exact text; ``path`` names the sequences above ``tag``, joined by '.'."""

    source_path: str
    place: Place
    path: str
    tag: str
    kind: str
    value: str
    expected: Expected
    note: str = ""


@dataclass(frozen=True)
class Planting:
    """What is planted, in which files (all words of ``where`` are labels of the file), and what must become of it.

    ``element`` is a keyword, ``gggg,eeee`` or ``gggg[CREATOR]ee`` (a private element), each with an optional ``/VR``.
    ``path`` has sequences of the same form, joined by ``>``; an item is made where there is none. ``expected`` is None
    where more than one outcome is right: such a planting is not in the answer key.
    """

    where: str
    path: str
    element: str
    text: str
    expected: Expected | None
    note: str = ""


def plant_all(
    dataset: Dataset,
    plantings: Iterable[Planting],
    labels: frozenset[str],
    facts: Mapping[str, str],
    source_path: str,
    place: Place = "header",
) -> list[Planted]:
    """Put what belongs into a file with these ``labels`` into ``dataset``; of two for one element the later wins."""
    rows: dict[tuple[str, str], list[Planted]] = {}
    for planting in plantings:
        if labels.issuperset(planting.where.split()):
            path, tag, vr = _put(dataset, planting, facts)
            rows[path, tag] = [
                Planted(source_path, place, path, tag, kind, value, planting.expected, planting.note)
                for kind, value in _identifiers(planting.element + planting.text, facts, vr)
                if planting.expected
            ]
    return [row for group in rows.values() for row in group]


def named(template: str, facts: Mapping[str, str], source_path: str, place: Place, expected: Expected) -> list[Planted]:
    """Rows for the facts in a ``template`` outside the header: a path, the preamble, the pixels."""
    return [Planted(source_path, place, "", "", kind, value, expected) for kind, value in _identifiers(template, facts)]


def _identifiers(template: str, facts: Mapping[str, str], vr: str = "") -> Iterator[tuple[str, str]]:
    """Kind and value of every fact in ``template``; the text itself where there is none."""
    for fact in dict.fromkeys(FACT.findall(template)):
        if fact not in ("number", "index"):
            yield KINDS.get(fact, "text"), facts[fact]
    if not FACT.search(template):
        yield "date" if vr in ("DA", "DT") else "text", template


def _put(dataset: Dataset, planting: Planting, facts: Mapping[str, str]) -> tuple[str, str, str]:
    """Write one planting; its path, tag and VR."""
    target, path = dataset, []
    for step in filter(None, planting.path.split(">")):
        tag, _, name = _resolve(target, f"{step}/SQ")
        path.append(name)
        if not target.get(tag) or not target[tag].value:
            target.add_new(tag, "SQ", Sequence([Dataset()]))
        target = target[tag].value[0]
    tag, vr, _ = _resolve(target, planting.element.format_map(facts))
    target.add_new(tag, vr, _value(vr, planting.text.format_map(facts)))
    return ".".join(path), str(tag), vr


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


def _value(vr: str, text: str) -> Any:
    if vr in NUMBERS:
        return NUMBERS[vr](text)
    if vr in ("OB", "UN"):
        content = text.encode()
        return content + b"\0" * (len(content) % 2)
    return text.split("\\") if "\\" in text and vr not in ("LT", "ST", "UT", "UR") else text


def write_key(rows: list[Planted]) -> bytes:
    """The answer key as CSV (UTF-8, LF)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Planted))
    writer.writerows(map(astuple, rows))
    return text.getvalue().encode()
