"""What identifies the patient in this header, harvested before any of it goes, so that text can be cleaned of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from pydicom.datadict import tag_for_keyword

from chorus_nb import standards
from chorus_nb.dicom.charsets import Charset, charset_of, decode_text
from chorus_nb.dicom.encodings import Buffer, vr_of
from chorus_nb.dicom.spans import Element
from chorus_nb.identity.identifiers import Identifiers

Harvest = dict[str, set[str]]


WRITTEN_AS = {"name": "name", "place": "place", "address": "place", "issuer": "place"}
"""How a value of each kind is looked for in a text; of all other kinds it is a number."""


@lru_cache(maxsize=1)
def identifying() -> dict[int, str]:
    """Tag to name, number or place, of the attributes that identify someone."""
    rows = standards.identifying_attributes().items()
    return {
        tag: WRITTEN_AS.get(kind, "number")
        for keyword, (kind, _) in rows
        if (tag := tag_for_keyword(keyword)) is not None
    }


def harvest(
    data: Buffer,
    elements: list[Element],
    charset: Charset,
    known: Identifiers,
    is_kept: Callable[[Element], bool],
) -> Identifiers:
    """Every identifying value at any depth: all names and dates, and the attributes that the standards' table lists.

    ``known`` is what other files and tables say of this person. What the policy keeps (``is_kept``), such as a device
    serial number a site wants to keep, is not to be hidden.
    """
    found: Harvest = {"name": set(known.names), "number": set(known.numbers), "place": set(known.places)}
    _walk(data, elements, charset, is_kept, found)
    return Identifiers(*(frozenset(found[kind]) for kind in ("name", "number", "place")))


def _walk(
    data: Buffer, elements: list[Element], charset: Charset, is_kept: Callable[[Element], bool], found: Harvest
) -> None:
    for element in elements:
        tag, vr, _, value, length, end, items, _, _ = element
        if items is not None:
            for item in items:
                _walk(data, item.elements, charset_of(data, item.elements, charset), is_kept, found)
            continue
        kind = _kind_of_tag(tag, vr)
        if kind and length and not (kind != "name" and is_kept(element)):
            text = decode_text(bytes(data[value:end]), charset)
            found[kind].update(part.strip(" \0") for part in text.split("\\") if part.strip(" \0^="))


@lru_cache(maxsize=65536)
def _kind_of_tag(tag: int, written_vr: str) -> str:
    """Kind of identifier, "" if it is none; a person name is one whatever its tag says, and the other way round."""
    listed = identifying().get(tag)
    if listed:
        return listed
    vr = vr_of(tag)
    if vr == "PN" or written_vr == "PN":
        return "name"
    return "number" if vr == "DA" else ""  # a date of the patient, where it stands in a text or a number
