"""Whether a value has the form of its VR (PS3.5 section 6.2): the verifier's own reading, held to shared vectors."""

from __future__ import annotations

from pydicom.datadict import dictionary_VR

from chorus_nb import standards
from chorus_nb.leaks.reading import Leaf
from chorus_nb.leaks.terms import read_date
from chorus_nb.leaks.texts import BYTES_OF

LONGEST_WRITTEN = 16_384  # bytes of a text; nothing longer is released
STAND_INS = {"CS", "SH", "LO", "ST", "LT", "UC", "UT", "AE", "PN"}  # texts, which may stand in for each other


def unusable(leaf: Leaf) -> bool:
    """Whether nobody can use the value: its VR is not the dictionary's, its form not that of the VR, or it is none of
    those that the Standard allows."""
    try:
        expected = dictionary_VR(leaf.tag)
    except KeyError:
        return False
    if leaf.vr not in expected and not (leaf.vr in STAND_INS and expected in STAND_INS):
        return True
    if standards.is_off_list(leaf.tag, leaf.values):
        return True
    return not has_form(leaf.vr, leaf.value) or (leaf.vr in STAND_INS and len(leaf.value) > LONGEST_WRITTEN)


def has_form(vr: str, value: bytes) -> bool:
    """Whether a value can be read as its VR says; a number that is not finite is one. Of other VRs nothing is asked."""
    if vr in BYTES_OF:
        return len(value) % BYTES_OF[vr] == 0
    parts = [part.strip(" \0") for part in value.decode("latin-1").split("\\")]
    if vr in ("DS", "IS"):
        return all(part == "" or _is_number(part) for part in parts)
    if vr == "TM":
        return all(_is_time(end.strip()) for part in parts for end in part.split("-"))
    if vr in ("DA", "DT"):
        return all(part == "" or read_date(part) is not None for part in parts)
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text and not any(map(str.isspace, text))


def _is_time(text: str) -> bool:
    clock, _, fraction = text.partition(".")
    digits = clock.replace(":", "")
    if not (digits + fraction).isascii() or not (digits + fraction + "0").isdigit() or len(digits) not in (0, 2, 4, 6):
        return False
    limits = zip((digits[at : at + 2] for at in (0, 2, 4)), (24, 59, 60), strict=True)
    return all(part == "" or int(part) <= most for part, most in limits)


def must_be(sop_class: str, leaf: Leaf) -> str:
    """What the IOD asks for at the root: a ``value`` (Type 1; 1C as far as pixels rest on it), to be ``present`` (Type
    2), "" = nothing (PS3.5 7.4)."""
    if standards.is_needed(sop_class, (), leaf.keyword):
        return "value"
    return "present" if (standards.attribute_type(sop_class, (), leaf.keyword) or "3")[0] == "2" else ""
