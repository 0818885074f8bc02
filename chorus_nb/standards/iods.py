"""Which attributes belong to an image, where and of which Type (PS3.3), for the choices PS3.15 leaves to the Type."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Mapping
from functools import cache, lru_cache
from typing import Any

from pydicom.datadict import tag_for_keyword

from chorus_nb.standards.lists import DATA, data_rows, modality_concepts, modality_words

_IMAGE = "1.2.840.10008.5.1.4.1.1."
_KINDS = {
    "CT": ("2", "2.1", "2.2"),
    "MR": ("4", "4.1", "4.3", "4.4"),
    "CR": ("1",),
    "DX": ("1.1", "1.1.1"),
    "MG": ("1.2", "1.2.1", "13.1.3", "13.1.4", "13.1.5"),
    "US": ("6.1", "3.1", "6.2", "6", "3"),
    "PT": ("128", "128.1", "130"),
    "NM": ("20", "5"),
    "XA": ("12.1", "12.1.1", "13.1.1"),
    "RF": ("12.2", "12.2.1"),
}
RELEASABLE = {_IMAGE + end: kind for kind, ends in _KINDS.items() for end in ends}
"""SOP classes of pixel images that can be released, with the kind (parameter ``kinds``) that releases them."""

_CAPTURES = dict.fromkeys((_IMAGE + end for end in ("7", "7.1", "7.2", "7.3", "7.4")), "SC")
_OF_CAPTURES = frozenset(("SC", "OT", "DOC", "HC", "RG"))
_RETIRED = {_IMAGE + "6": _IMAGE + "6.1", _IMAGE + "3": _IMAGE + "3.1", _IMAGE + "5": _IMAGE + "20"}
_GEOMETRY = frozenset(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns"))
_STRICTNESS = ("1", "1C", "2", "2C", "3")
_OF_PIXELS = (0x0020, 0x0028, 0x0054, 0x5200, 0x7FE0)  # how pixels are read, where they lie, which frame is which
_AS_SHOWN = frozenset(("PixelPaddingValue", "PixelPaddingRangeLimit", "WindowCenter", "WindowWidth"))


def releasable(kinds: Collection[str]) -> Mapping[str, str]:
    """:data:`RELEASABLE`, and where a site wants them (``SC`` is one of the ``kinds``) secondary captures: dose pages,
    films, screens."""
    return {**RELEASABLE, **_CAPTURES} if "SC" in kinds else RELEASABLE


def modalities(kinds: Collection[str]) -> frozenset[str]:
    """The values of Modality (0008,0060) that the ``kinds`` release; of secondary captures also those that name no
    device (PS3.3 C.7.3.1.1.1: other, document, hard copy, radiographic film)."""
    return frozenset(kinds) | (_OF_CAPTURES if "SC" in kinds else frozenset())


def released_kinds(kinds: list[str]) -> list[str]:
    """``kinds`` as they are; :class:`ValueError` says what to write instead of a word that no image is released by: one
    that no header has in Modality, or the code of what is no image or not released, unless captures may carry it.

    >>> released_kinds(["CT", "XR"])
    Traceback (most recent call last):
    ValueError: XR: the headers of radiographs say CR or DX: write CR and DX
    """
    known, instead, said = {*_KINDS, "SC"}, {row["word"]: row for row in data_rows("kind_words.csv")}, []
    for word in kinds:
        row, code = instead.get(word), word in modality_words()
        if word in known or (code and (row is None or "SC" in kinds)):
            continue
        if row is None:
            said.append(f"{word}: no header says so: write what stands in Modality (0008,0060)")
        elif row["why"]:
            said.append(f"{word}: {row['why']}: write {row['write']}")
        else:
            what = f"with {row['write']} only" if row["write"] else "never"
            said.append(f"{word}: {modality_concepts()[word].meaning.lower()}, released {what}")
    if not known.intersection(kinds):
        said.append(f"these release nothing: add some of {', '.join(sorted(known))}")
    if said:
        raise ValueError("; ".join(said))
    return kinds


def modality_code(value: str) -> str:
    """A value of Modality (0008,0060) as it is read everywhere: a code in small letters, which no CS has (PS3.5 section
    6.2), is the code; any other value stays as it is.

    >>> modality_code("ct "), modality_code("Chest")
    ('CT', 'Chest')
    """
    plain = value.strip(" \0")
    return plain.upper() if plain.upper() in modality_concepts() else plain


@cache
def _iods() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(gzip.decompress((DATA / "iods.json.gz").read_bytes()))
    return facts


def iod_of(sop_class: str) -> str | None:
    """Name of the image IOD of a SOP class; a retired class has that of its successor."""
    name: str | None = _iods()["sop_classes"].get(_RETIRED.get(sop_class, sop_class))
    return name


def attribute_type(sop_class: str, path: tuple[str, ...], keyword: str) -> str | None:
    """Type of an attribute at its place in the IOD of ``sop_class``; ``None`` = not in the IOD (or no image IOD).

    Several modules: the strictest Type that a mandatory one asks for; else the strictest of the conditional and
    user-optional ones, which are present when one of their attributes is.
    """
    return _types(sop_class, path).get(keyword)


@lru_cache(maxsize=4096)
def _types(sop_class: str, path: tuple[str, ...]) -> dict[str, str]:
    """The Type of every attribute at a place."""
    facts = _iods()
    asked: dict[bool, dict[str, str]] = {True: {}, False: {}}
    for module, usage in facts["iods"].get(iod_of(sop_class) or "", {}).items():
        node = facts["items"][facts["modules"][module]]
        for step in path:
            entry = node.get(step)
            node = facts["items"][entry[1]] if isinstance(entry, list) else {}
        types = asked[usage == "M"]
        for keyword, entry in node.items():
            type_ = entry[0] if isinstance(entry, list) else entry
            types[keyword] = min(types.get(keyword, type_), type_, key=_STRICTNESS.index)
    return asked[False] | asked[True]


def is_needed(sop_class: str, path: tuple[str, ...], keyword: str) -> bool:
    """Whether an image is none without a value that can be used (PS3.5 section 7.4): Type 1, and 1C where pixels are
    read, placed or told apart by it. Any other of Type 1C may be absent, as where its condition is not met.
    """
    type_ = attribute_type(sop_class, path, keyword)
    return type_ == "1" or (
        type_ == "1C" and keyword not in _AS_SHOWN and ((tag_for_keyword(keyword) or 0) >> 16) in _OF_PIXELS
    )


def places_slice(sop_class: str, keyword: str) -> bool:
    """Whether a root attribute says where a slice of a volume lies or how large it is (PS3.3 C.7.6.2, C.7.6.3):
    without it the other slices of its series mislead."""
    return keyword in _GEOMETRY and (attribute_type(sop_class, (), "ImagePositionPatient") or "")[:1] == "1"


def in_some_image(keyword: str) -> bool:
    """Whether an attribute occurs anywhere in the IOD of a releasable image, at any depth."""
    return keyword in _in_images()


@cache
def _in_images() -> frozenset[str]:
    facts = _iods()
    modules = {m for sop in RELEASABLE for m in facts["iods"].get(iod_of(sop) or "", {})}
    todo = {facts["modules"][module] for module in modules}
    seen: set[int] = set()
    keywords: set[str] = set()
    while todo:
        index = todo.pop()
        seen.add(index)
        for keyword, entry in facts["items"][index].items():
            keywords.add(keyword)
            if isinstance(entry, list) and entry[1] not in seen:
                todo.add(entry[1])
    return frozenset(keywords)
