"""How DICOM is encoded (PS3.5 §6.2, §7, A; PS3.6): value representations, transfer syntaxes, numbers, elements."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from pydicom import datadict

Buffer = bytes | memoryview

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
NATIVE_SYNTAXES = {f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".2", ".1.99")}  # pixels as they are, no fragments
DEFLATED_SYNTAXES = {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"}  # the latter: JPIP Referenced Deflate
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF

# VRs that hold numbers, as they are stored; those with a length of four bytes (PS3.5 §7.1.2), and those of two
NUMBERS = {"US": "u2", "SS": "i2", "UL": "u4", "SL": "i4", "FL": "f4", "FD": "f8", "SV": "i8", "UV": "u8"}
WORD_SIZES = {"AT": 4} | {vr: int(kind[1]) for vr, kind in NUMBERS.items()}  # bytes of a value
BYTES = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
TEXT = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))  # may carry words
FORMATTED = frozenset(("AS", "DA", "DS", "DT", "IS", "TM", "UI"))  # text of a fixed form
LONG = {vr.encode(): vr for vr in (*BYTES, "SQ", "SV", "UC", "UR", "UT", "UV")}
SHORT = {vr.encode(): vr for vr in (*WORD_SIZES, *TEXT, *FORMATTED) if vr.encode() not in LONG}
_SWAPPED = WORD_SIZES | {"AT": 2, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


@lru_cache(maxsize=65536)
def vrs_of(tag: int) -> tuple[str, ...]:
    """The VRs a tag may have by the data dictionary (PS3.6), ``UN`` if it is not in it."""
    if tag >> 16 & 1:
        return ("LO",) if 0x10 <= tag & 0xFFFF <= 0xFF else ("UN",)
    if tag & 0xFFFF == 0:
        return ("UL",)
    try:
        return tuple(datadict.dictionary_VR(tag).split(" or "))
    except KeyError:
        return ("UN",)


def vr_of(tag: int) -> str:
    """The VR of a tag by the data dictionary, the first where it may have several."""
    return vrs_of(tag)[0]


@lru_cache(maxsize=65536)
def private_vr(tag: int, creator: str) -> str:
    """The VR that pydicom's private dictionary gives a private element, ``UN`` if none."""
    try:
        return datadict.private_dictionary_VR(tag, creator).split(" or ")[0]
    except KeyError:
        return "UN"


def looks_explicit(first: Buffer) -> bool:
    """Whether an element begins with a VR: what the file says of itself is not always true."""
    return bytes(first[4:6]) in SHORT | LONG


def numbers_in(value: bytes, vr: str, big: bool = False) -> list[float]:
    """The numbers of a value of one of :data:`NUMBERS`; what is left over at its end is passed over."""
    kind = np.dtype((">" if big else "<") + NUMBERS[vr])
    found: list[float] = np.frombuffer(value, kind, len(value) // kind.itemsize).tolist()
    return found


def little_endian(value: bytes, vr: str) -> bytes:
    """A big endian value as little endian."""
    width = _SWAPPED.get(vr, 1)
    if width == 1 or len(value) % width:
        return value
    return np.frombuffer(value, f">u{width}").astype(f"<u{width}").tobytes()


class Encoding(NamedTuple):
    """How elements are written: implicit or explicit VR, byte order."""

    implicit: bool
    big: bool

    def element(self, tag: int, vr: str, value: bytes, undefined: bool = False) -> bytes:
        """A whole element; ``value`` is padded to even length as its VR wants."""
        order = ">" if self.big else "<"
        if len(value) & 1:
            value += b"\0" if vr in ("OB", "UI", "UN") else b" "
        length = UNDEFINED if undefined else len(value)
        head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
        if self.implicit:
            return head + struct.pack(order + "L", length) + value
        code = vr.encode("ascii")
        if code in LONG:
            return head + code + b"\0\0" + struct.pack(order + "L", length) + value
        return head + code + struct.pack(order + "H", length) + value

    def value_of(self, element: Buffer) -> bytes:
        """The value of a whole element that is no sequence."""
        return bytes(element)[8 if self.implicit or bytes(element[4:6]) in SHORT else 12 :]

    def mark(self, tag: int, length: int = 0) -> bytes:
        """The head of an item or a delimiter."""
        return struct.pack((">" if self.big else "<") + "HHL", tag >> 16, tag & 0xFFFF, length)

    def item(self, content: bytes, undefined: bool) -> bytes:
        """An item of a sequence around its encoded elements."""
        if undefined:
            return self.mark(ITEM, UNDEFINED) + content + self.mark(ITEM_END)
        return self.mark(ITEM, len(content)) + content

    def sequence(self, tag: int, vr: str, items: bytes, undefined: bool) -> bytes:
        """A sequence around its encoded items."""
        return self.element(tag, vr, items + self.mark(SEQUENCE_END) if undefined else items, undefined)
