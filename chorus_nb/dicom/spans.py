"""A DICOM file as spans: which element lies where, so that what is kept is passed on as the bytes it was.

Reads every element down to (and not into) the pixel data, for all transfer syntaxes (PS3.5 and PS3.10, section 7).
Strict: what cannot be read without guessing is refused, because what is not understood cannot be known to be safe.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from chorus_nb.standards import tag_name

IMPLICIT, EXPLICIT, BIG, DEFLATED = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
DEFLATED_SYNTAXES = {DEFLATED, "1.2.840.10008.1.2.4.95"}  # the latter: JPIP Referenced Deflate
PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
DEEPEST = 32  # sequences within sequences; deeper is refused
TOO_DEEP = "sequences nest too deep"
LARGEST_INFLATED = 2 << 30

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
# VRs as they are written, with a length of four bytes and of two (PS3.5 section 7.1.2).
LONG = {vr.encode(): vr for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")}
_NUMBERS = ("AT", "FD", "FL", "SL", "SS", "UL", "US")
_WORDS = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI")
SHORT = {vr.encode(): vr for vr in (*_NUMBERS, *_WORDS)}

Buffer = bytes | memoryview


class Refused(Exception):
    """The file cannot be read without guessing. ``reason`` is a stable code; the text holds no header value."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class Element(NamedTuple):
    """A data element: header at ``start``, value at ``value``, all of it over at ``end``."""

    tag: int
    vr: str
    start: int
    value: int
    length: int  # of the value; delimiters of an undefined length are not counted
    end: int
    items: list[Item] | None  # of a sequence
    undefined: bool  # undefined length
    implicit_items: bool  # a sequence inside UN: its items are Implicit VR Little Endian (PS3.5 section 6.2.2)


class Item(NamedTuple):
    """An item of a sequence."""

    elements: list[Element]
    start: int
    end: int
    undefined: bool


class Spans(NamedTuple):
    """A file taken apart. ``data`` is the data set (inflated if it was deflated)."""

    data: Buffer
    elements: list[Element]
    pixels: Element | None
    meta: dict[int, bytes]
    transfer_syntax: str
    implicit: bool
    big: bool
    has_preamble: bool


def take_apart(content: Buffer) -> Spans:
    """Find every element of a DICOM file; :class:`Refused` if that needs guessing."""
    try:
        meta, position, has_preamble = _meta(content)
        syntax = meta.get(0x00020010, b"").rstrip(b"\0 ").decode("ascii", "replace")
        if not syntax:
            syntax = _guess_syntax(content, position)
        if not syntax.startswith("1.2.840.10008.1.2"):
            raise Refused("structure_refused", "private transfer syntax")
        data: Buffer = content
        if syntax in DEFLATED_SYNTAXES:
            data, position = _inflate(content[position:]), 0
        implicit, big = syntax == IMPLICIT, syntax == BIG
        if not implicit and not big and not _looks_explicit(data, position):
            if syntax != EXPLICIT:
                raise Refused("structure_refused", "the encoding is not that of its transfer syntax")
            implicit, syntax = True, IMPLICIT  # the meta information lies; the bytes do not
        reader = _Reader(data, implicit, big)
        elements, pixels = reader.data_set(position)
    except (struct.error, IndexError):
        raise Refused("truncated", "ends inside an element") from None
    if not elements:
        raise Refused("unreadable", "holds no data elements")
    return Spans(data, elements, pixels, meta, syntax, implicit, big, has_preamble)


def _meta(content: Buffer) -> tuple[dict[int, bytes], int, bool]:
    """File meta information, always Explicit VR Little Endian; the position behind it."""
    position, has_preamble = (132, True) if bytes(content[128:132]) == b"DICM" else (0, False)
    meta: dict[int, bytes] = {}
    while len(content) >= position + 8 and bytes(content[position : position + 2]) == b"\x02\x00":
        group, element = struct.unpack_from("<HH", content, position)
        vr = bytes(content[position + 4 : position + 6])
        if vr in SHORT:
            length, value = struct.unpack_from("<H", content, position + 6)[0], position + 8
        elif vr in LONG:
            length, value = struct.unpack_from("<L", content, position + 8)[0], position + 12
        else:
            raise Refused("structure_refused", "file meta information is not Explicit VR Little Endian")
        if value + length > len(content):
            raise Refused("truncated", "ends inside the file meta information")
        meta[group << 16 | element] = bytes(content[value : value + length])
        position = value + length
    return meta, position, has_preamble


def _guess_syntax(content: Buffer, position: int) -> str:
    if _looks_explicit(content, position):
        return EXPLICIT
    group_big = struct.unpack_from(">H", content, position)[0]
    if group_big <= 0x0008 and bytes(content[position + 4 : position + 6]) in SHORT | LONG:
        return BIG
    return IMPLICIT


def _looks_explicit(data: Buffer, position: int) -> bool:
    return bytes(data[position + 4 : position + 6]) in SHORT | LONG


def _inflate(content: Buffer) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(content, LARGEST_INFLATED)
    except zlib.error:
        raise Refused("truncated", "deflated data set is damaged") from None
    if inflater.unconsumed_tail:
        raise Refused("structure_refused", "inflates beyond 2 GiB")
    if not inflater.eof:
        raise Refused("truncated", "deflated data set ends early")
    return data


class _Reader:
    def __init__(self, data: Buffer, implicit: bool, big: bool) -> None:
        self.data = data
        self.implicit = implicit
        # What stands inside UN is Implicit VR Little Endian, also in a Big Endian file (PS3.5 section 6.2.2).
        self.inside_unknown = _Reader(data, True, False) if big else self
        order = ">" if big else "<"
        self.head = struct.Struct(order + "HH2sH").unpack_from  # of an element with a short length
        self.two_words = struct.Struct(order + "HH").unpack_from
        self.long = struct.Struct(order + "L").unpack_from

    def data_set(self, position: int) -> tuple[list[Element], Element | None]:
        """The elements before the pixel data, and the pixel data. What stands behind it is left out."""
        elements, position = self.elements(position, len(self.data), self.implicit, 0)
        if position >= len(self.data):
            return elements, None
        return elements, self.pixel_data(position)

    def elements(self, position: int, stop: int, implicit: bool, depth: int) -> tuple[list[Element], int]:
        """Elements from ``position`` up to ``stop``, an item delimiter, or pixel data at the root."""
        data, head, long = self.data, self.head, self.long
        found: list[Element] = []
        while position < stop:
            if stop - position < 8:
                if depth == 0 and not any(data[position:stop]):
                    return found, stop  # padding at the end of the file
                raise Refused("truncated", "ends inside an element")
            group, element, code, length = head(data, position)
            tag = group << 16 | element
            if group >= 0x7FE0:
                if (tag in PIXELS and depth == 0) or tag == ITEM_END:
                    return found, position
                if group == 0xFFFE:
                    raise Refused("structure_refused", "a delimiter where an element should be")
            value = position + 8
            if implicit:
                vr, length = vr_of(tag), long(data, position + 4)[0]
            elif code in SHORT:
                vr = SHORT[code]
            elif code in LONG:
                vr, length, value = LONG[code], long(data, position + 8)[0], position + 12
            else:
                raise Refused("structure_refused", f"{tag_name(tag)} has no valid value representation")
            if length == UNDEFINED or vr == "SQ":
                made = self.sequence(tag, vr, position, value, length, stop, implicit, depth)
            elif value + length > stop:
                raise Refused("truncated", f"{tag_name(tag)} is longer than what holds it")
            elif vr == "UN" and group % 2 == 0 and not implicit:
                made = self.unknown(tag, position, value, length, depth)
            else:
                made = Element(tag, vr, position, value, length, value + length, None, False, implicit)
            found.append(made)
            position = made.end
        return found, position

    def unknown(self, tag: int, start: int, value: int, length: int, depth: int) -> Element:
        """A standard element sent as UN: its VR is the dictionary's, its bytes Implicit VR Little Endian."""
        vr = vr_of(tag)
        if vr == "SQ":
            return self.inside_unknown.closed(tag, start, value, length, True, depth)
        return Element(tag, vr, start, value, length, value + length, None, False, True)

    def closed(self, tag: int, start: int, value: int, length: int, implicit: bool, depth: int) -> Element:
        """A sequence of defined length. What is none after all becomes UN, of which the engine keeps nothing."""
        try:
            items, end = self.items(value, value + length, implicit, depth)
        except Refused as fault:
            if fault.detail == TOO_DEEP:
                raise
            return Element(tag, "UN", start, value, length, value + length, None, False, implicit)
        return Element(tag, "SQ", start, value, length, end, items, False, implicit)

    def sequence(
        self, tag: int, vr: str, start: int, value: int, length: int, stop: int, implicit: bool, depth: int
    ) -> Element:
        if vr not in ("SQ", "UN"):
            raise Refused("structure_refused", f"{tag_name(tag)} has an undefined length")
        inside = implicit or vr == "UN"
        reader = self.inside_unknown if vr == "UN" and not implicit else self
        if length != UNDEFINED:
            if value + length > stop:
                raise Refused("truncated", f"{tag_name(tag)} is longer than what holds it")
            return reader.closed(tag, start, value, length, inside, depth)
        items, end = reader.items(value, stop, inside, depth, undefined=True)
        return Element(tag, "SQ", start, value, end - value, end, items, True, inside)

    def items(
        self, position: int, stop: int, implicit: bool, depth: int, undefined: bool = False
    ) -> tuple[list[Item], int]:
        if depth >= DEEPEST:
            raise Refused("structure_refused", TOO_DEEP)
        items: list[Item] = []
        while position < stop:
            if stop - position < 8:
                raise Refused("truncated", "ends inside a sequence")
            group, element = self.two_words(self.data, position)
            length = self.long(self.data, position + 4)[0]
            tag, inside = group << 16 | element, position + 8
            if tag == SEQUENCE_END and undefined:
                return items, inside
            if tag != ITEM:
                raise Refused("structure_refused", "something other than an item in a sequence")
            if length == UNDEFINED:
                elements, end = self.elements(inside, stop, implicit, depth + 1)
                if stop - end < 8:
                    raise Refused("truncated", "ends inside an item")
                items.append(Item(elements, position, end + 8, True))
                position = end + 8
            else:
                if inside + length > stop:
                    raise Refused("truncated", "an item is longer than its sequence")
                elements, end = self.elements(inside, inside + length, implicit, depth + 1)
                if end != inside + length:
                    raise Refused("structure_refused", "an item delimiter in an item of defined length")
                items.append(Item(elements, position, end, False))
                position = end
        if undefined:
            raise Refused("truncated", "ends inside a sequence")
        return items, position

    def pixel_data(self, start: int) -> Element:
        """The pixel data element, whole; encapsulated fragments are walked to their end."""
        data = self.data
        group, element = self.two_words(data, start)
        tag = group << 16 | element
        if self.implicit:
            vr, length, value = "OW", self.long(data, start + 4)[0], start + 8
        else:
            code = bytes(data[start + 4 : start + 6])
            if code not in LONG:
                raise Refused("structure_refused", f"{tag_name(tag)} has no valid value representation")
            vr, length, value = code.decode("ascii"), self.long(data, start + 8)[0], start + 12
        if length != UNDEFINED:
            if value + length > len(data):
                raise Refused("truncated", "ends inside the pixel data")
            return Element(tag, vr, start, value, length, value + length, None, False, False)
        position = value
        while True:
            if len(data) - position < 8:
                raise Refused("truncated", "ends inside the pixel data")
            group, element = self.two_words(data, position)
            size = self.long(data, position + 4)[0]
            marker = group << 16 | element
            if marker == SEQUENCE_END:
                return Element(tag, vr, start, value, position - value, position + 8, None, True, False)
            if marker != ITEM or position + 8 + size > len(data):
                raise Refused("truncated", "a fragment of the pixel data is damaged")
            position += 8 + size


@lru_cache(maxsize=65536)
def vrs_of(tag: int) -> tuple[str, ...]:
    """The VRs a tag may have by the data dictionary (PS3.6), ``UN`` if it is not in it."""
    if tag >> 16 & 1:
        return ("LO",) if 0x10 <= tag & 0xFFFF <= 0xFF else ("UN",)
    if tag & 0xFFFF == 0:
        return ("UL",)
    try:
        return tuple(dictionary_VR(tag).split(" or "))
    except KeyError:
        return ("UN",)


def vr_of(tag: int) -> str:
    """The VR of a tag by the data dictionary, the first where it may have several."""
    return vrs_of(tag)[0]
