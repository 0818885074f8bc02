"""Tags, and the places where elements stand, as text: made and read here only (PS3.5 §7.1, §7.8; PS3.6)."""

from __future__ import annotations

import re
from functools import lru_cache

from pydicom.datadict import keyword_for_tag, tag_for_keyword

_TAG = re.compile(r"\(([0-9A-Fa-f]{4}),(00xx|xx[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4})\)", re.IGNORECASE)
_PRIVATE_STEP = re.compile(r"([0-9A-Fa-f]{4})\[(.*)\]([0-9A-Fa-f]{2})")
_UNKNOWN_STEP = re.compile(r"[0-9A-Fa-f]{8}")
_STEP = re.compile(r"(?:[^.\[]|\[[^\]]*\])+")  # a private creator in brackets may hold a dot of its own


@lru_cache(maxsize=65536)
def tag_name(tag: int) -> str:
    """``(gggg,eeee)`` in capitals, the key of every table of the standards."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def tag_pattern(tag: int) -> str:
    """``(gggg,eeee)``; a private element as ``(gggg,xxee)``, the element that reserves its block as ``(gggg,00xx)``.

    >>> tag_pattern(0x00100010), tag_pattern(0x0019100A), tag_pattern(0x00190010)
    ('(0010,0010)', '(0019,xx0A)', '(0019,00xx)')
    """
    group, element = tag >> 16, tag & 0xFFFF
    if not group & 1 or element < 0x10 or 0xFF < element < 0x1000:
        return tag_name(tag)
    return f"({group:04X},xx{element & 0xFF:02X})" if element >= 0x1000 else f"({group:04X},00xx)"


def parse_tag(text: str) -> int:
    """The tag of :func:`tag_name` or :func:`tag_pattern`, private elements in block 10; ValueError if neither.

    >>> hex(parse_tag("(0019,xx0A)"))
    '0x19100a'
    """
    match = _TAG.fullmatch(text)
    if match is None:
        raise ValueError("not a tag as (gggg,eeee)")
    element = match[2].lower()
    return int(match[1] + ("0010" if element == "00xx" else element.replace("xx", "10")), 16)


def private_tag(tag: int) -> int:
    """The tag of a private element as if its block were the first, (gggg,10ee): blocks move from file to file."""
    return tag & 0xFFFF0000 | 0x1000 | tag & 0xFF


@lru_cache(maxsize=65536)
def path_step(tag: int, creator: str = "") -> str:
    """An element in a path: its keyword, ``gggg[CREATOR]ee`` if it is private, eight digits if it is unknown."""
    if tag >> 16 & 1:
        return f"{tag >> 16:04X}[{creator}]{tag & 0xFF:02X}"
    return keyword_for_tag(tag) or f"{tag:08X}"


def parse_step(step: str) -> tuple[int, str]:
    """Tag (of a private element in block 10) and private creator of a :func:`path_step`; tag 0 if it is none."""
    if private := _PRIVATE_STEP.fullmatch(step):
        return int(f"{private[1]}10{private[3]}", 16), private[2]
    return (int(step, 16) if _UNKNOWN_STEP.fullmatch(step) else tag_for_keyword(step) or 0), ""


def path_steps(path: str) -> tuple[str, ...]:
    """The steps of a path in which they are joined by dots."""
    return tuple(_STEP.findall(path))
