"""What may happen to a data element, and how the choices PS3.15 leaves to the Type of an attribute are made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from pydicom.datadict import DicomDictionary

from chorus_nb import standards

ACTIONS = {
    "K": "keep",
    "X": "remove",
    "Z": "empty",
    "D": "dummy",
    "U": "hash UID",
    "C": "clean",
    "S": "sequence, item by item",
    "shift": "shift",
    "lookup": "lookup",
    "age": "cap age at 90",
    "script": "CTP script",
}
"""Action codes (PS3.15 Table E.1-1a, and what CHoRUS adds) in words."""

DATES = frozenset({"DA", "DT"})
BINARY_NUMBER_VRS = frozenset({"AT", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"})
NOT_TEXT = BINARY_NUMBER_VRS | {"CS", "DS", "IS"}
"""VRs that hold numbers and codes only (with dates, times and UIDs, which have actions of their own)."""
SHORT_TEXT = frozenset({"SH", "LO", "UC"})
BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ITEM_PATH = ("RequestAttributesSequence",)


class Rule(NamedTuple):
    """What happens to an element, and why. ``replacement`` is the fixed value written ("" = the action makes it)."""

    action: str
    replacement: str
    reason: str
    source: str


class Entry(NamedTuple):
    """An attribute of the data dictionary, PS3.6."""

    vr: str
    keyword: str
    retired: bool


def dictionary(tag: int) -> Entry | None:
    """The entry of a standard tag in PS3.6; of several VRs the first, as in ``US or SS``."""
    entry = DicomDictionary.get(tag)
    return Entry(entry[0][:2], entry[4], entry[3] == "Retired") if entry else None


def by_type(code: str, vr: str, type_: str | None, known_iod: bool) -> str:
    """One action for a code of Table E.1-1 that leaves a choice (PS3.15 Table E.1-1a, note on combinations).

    ``type_`` is the Type at the attribute's own place, ``None`` = not in the IOD: then nothing breaks by removing it.
    Where the IOD is unknown the choice is the one that breaks nothing. 1C and 2C bind, as the attribute is there.
    """
    binding = (type_ or "3")[0] if known_iod else "1"
    match code:
        case "X/Z":
            action = "Z" if binding in "12" else "X"
        case "X/D":
            action = "D" if binding in "12" else "X"
        case "Z/D":
            action = "D" if binding == "1" else "Z"
        case "X/Z/D":
            action = {"1": "D", "2": "Z"}.get(binding, "X")
        case "X/Z/U*":
            action = {"1": "S", "2": "Z"}.get(binding, "X")
        case "X":  # the Standard contradicts itself where the Type is 1; a dummy breaks nothing
            action = "D" if type_ == "1" else "X"
        case _:
            action = code
    if vr == "SQ" and action == "D":
        return "S"  # an item is needed; what is in it has rules of its own
    return action


def type_at(sop_class: str, path: tuple[str, ...], keyword: str) -> str | None:
    """Type of an attribute in the IOD of a SOP class, ``None`` = not in it."""
    return standards.attribute_type(sop_class, path, keyword) if keyword else None


def rules_digest(rule: Callable[[str, tuple[str, ...], int, str, str], Rule]) -> str:
    """Digest of what ``rule`` does with every element that PS3.6 or Table E.3.10-1 names, and of the facts behind it.

    It stands in every released file (policy): other words, or other code that does the same, must not change it.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in ("ps3_15.csv", "safe_private.csv", "chorus_tags.csv", "iods.json.gz"):
        digest.update((standards.DATA / name).read_bytes())
    elements = [(tag, entry[0][:2], "") for tag, entry in sorted(DicomDictionary.items())]
    for (creator, group, offset), row in sorted(standards.safe_private().items()):
        elements.append((group << 16 | 0x1000 | offset, row.vr or "UN", creator))
    elements += [(0x00091001, "LO", ""), (0x00091001, "LO", "NOT LISTED"), (0x0008FFF0, "LO", "")]
    for sop_class, path in ((CT_IMAGE, ()), (CT_IMAGE, ITEM_PATH), ("", ()), ("", ITEM_PATH)):
        for tag, vr, creator in elements:
            done = rule(sop_class, path, tag, vr, creator)
            digest.update(f"{done.action}\0{done.replacement}\n".encode())
    return digest.hexdigest()
