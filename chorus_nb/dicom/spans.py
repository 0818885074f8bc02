"""A DICOM file as spans: which element lies where, so that what is kept is passed on as the bytes it was.

Reads every element down to (and not into) the pixel data, for all transfer syntaxes (PS3.5 and PS3.10, section 7).
Strict (:func:`take_apart`): what cannot be read without guessing is refused, because what is not understood cannot be
known to be safe. Lenient (:mod:`chorus_nb.dicom.survey`): the same walk over the parts of a file that were read so
far, which keeps what stood before a fault and gives the same reason for it.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import NamedTuple

from pydicom.datadict import dictionary_has_tag
from pydicom.uid import UID_dictionary

from chorus_nb.dicom.encodings import (
    BIG,
    BYTES,
    DEFLATED_SYNTAXES,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    LONG,
    PIXELS,
    SEQUENCE_END,
    SHORT,
    UNDEFINED,
    Buffer,
    looks_explicit,
    vr_of,
)
from chorus_nb.dicom.pixel_data import PixelData, read_pixel_data
from chorus_nb.standards import tag_name

DEEPEST = 32  # sequences within sequences; deeper is refused
TOO_DEEP = "sequences nest too deep"
LARGEST_INFLATED = 2 << 30
TRANSFER_SYNTAX = 0x00020010
MOST_HEADS = 50_000  # heads remembered of each encoding


class Refused(Exception):
    """The file cannot be read without guessing. ``reason`` is a stable code; the text holds no header value."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class Cut(Refused):
    """What was read so far ends inside ``element`` (as far as it is known), or inside a sequence."""

    def __init__(self, detail: str, element: Element | None = None) -> None:
        self.element = element
        super().__init__("truncated", detail)


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
    pixels: PixelData | None
    meta: dict[int, bytes]
    transfer_syntax: str
    implicit: bool
    big: bool
    has_preamble: bool


class Meta(NamedTuple):
    """File meta information (PS3.10 section 7.1): VR and value by tag, and where the data set begins."""

    elements: dict[int, tuple[str, bytes]]
    end: int
    has_preamble: bool

    @property
    def transfer_syntax(self) -> str:
        """The Transfer Syntax UID, "" where there is none."""
        _, value = self.elements.get(TRANSFER_SYNTAX, ("", b""))
        return value.rstrip(b"\0 ").decode("ascii", "replace")


def take_apart(content: Buffer) -> Spans:
    """Find every element of a DICOM file; :class:`Refused` if that needs guessing."""
    try:
        meta = read_meta(content)
        data, position = content, meta.end
        if meta.transfer_syntax in DEFLATED_SYNTAXES:
            inflated, fault = inflate(content[position:], LARGEST_INFLATED)
            if fault:
                raise Refused("truncated", fault)
            data, position = inflated, 0
        syntax, implicit, big = encoding_of(data[position : position + 6], meta.transfer_syntax)
        elements: list[Element] = []
        position = Walker(data, implicit, big).elements(elements, position, len(data), implicit, 0)
    except (struct.error, IndexError):
        raise Refused("truncated", "ends inside an element") from None
    if not elements:
        raise Refused("unreadable", "holds no data elements")
    pixels = None
    if position < len(data):  # what stands behind the pixel data is left out
        pixels = read_pixel_data(lambda at, count: data[at : at + count], position, len(data), implicit, big)
        if pixels is None:
            raise Refused("structure_refused", "a delimiter or no valid value representation at the pixel data")
        if pixels.fault:
            raise Refused("truncated", f"the pixel data {pixels.fault}")
    values = {tag: value for tag, (_, value) in meta.elements.items()}
    return Spans(data, elements, pixels, values, syntax, implicit, big, meta.has_preamble)


def read_meta(content: Buffer) -> Meta:
    """File meta information, always Explicit VR Little Endian."""
    start = next((at for at in (128, 0) if bytes(content[at : at + 4]) == b"DICM"), None)  # 0: the preamble is gone
    position, has_preamble = (0, False) if start is None else (start + 4, True)
    elements: dict[int, tuple[str, bytes]] = {}
    while len(content) >= position + 8 and bytes(content[position : position + 2]) == b"\x02\x00":
        group, element, code, length = struct.unpack_from("<HH2sH", content, position)
        vr, value = SHORT.get(code), position + 8
        if vr is None:
            vr, value = LONG.get(code), position + 12
            if vr is None:
                raise Refused("structure_refused", "file meta information is not Explicit VR Little Endian")
            length = struct.unpack_from("<L", content, position + 8)[0]
        if value + length > len(content):
            raise Cut("ends inside the file meta information")
        elements[group << 16 | element] = vr, bytes(content[value : value + length])
        position = value + length
    return Meta(elements, position, has_preamble)


def encoding_of(first: Buffer, syntax: str) -> tuple[str, bool, bool]:
    """Transfer syntax, whether VRs are implicit, whether big endian, of a data set that begins with ``first``.

    Where the meta information says implicit of explicit elements or the other way round, the bytes are believed.
    """
    explicit = looks_explicit(first)
    if not syntax:
        big = explicit and first[0] == 0 and first[1] != 0  # group 0008 as 00 08
        syntax = BIG if big else EXPLICIT if explicit else IMPLICIT
    if syntax not in registered_syntaxes():
        raise Refused("structure_refused", "a transfer syntax that is not registered")
    zeros = [byte == 0 for byte in bytes(first[:2])]  # of the first group, 0008 mostly
    if zeros in ([True, False], [False, True]) and zeros[0] != (syntax == BIG):
        raise Refused("structure_refused", "the order of bytes is not that of its transfer syntax")
    if explicit == (syntax == IMPLICIT) and syntax != BIG:
        if syntax not in (IMPLICIT, EXPLICIT):
            raise Refused("structure_refused", "the encoding is not that of its transfer syntax")
        syntax = EXPLICIT if explicit else IMPLICIT
    return syntax, syntax == IMPLICIT, syntax == BIG


@cache
def registered_syntaxes() -> frozenset[str]:
    """The transfer syntaxes of PS3.6 Table A-1; those of JPEG XL are younger than pydicom's copy of it."""
    younger = {f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112)}
    return frozenset(uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax") | younger


def inflate(content: Buffer, most: int) -> tuple[bytes, str]:
    """A deflated data set as far as it can be read, and what is wrong with it; :class:`Refused` beyond ``most``."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(content, most)
    except zlib.error:
        if looks_explicit(content[:6]):
            raise Refused("structure_refused", "the data set is not deflated, as its transfer syntax says") from None
        return b"", "deflated data set is damaged"
    if inflater.unconsumed_tail:
        raise Refused("structure_refused", f"inflates beyond {most >> 20} MiB")
    return data, "" if inflater.eof else "deflated data set ends early"


# What the first eight bytes of a plain element say (tag, VR, length): the same few thousand come again in every file.
Heads = dict[bytes, tuple[int, str, int]]
_HEADS: dict[tuple[bool, bool], Heads] = {}


def element_name(tag: int) -> str:
    """The tag as it is told; where nobody defined it and its bytes are letters, it may be a piece of somebody's text.

    >>> element_name(0x00400561), element_name(0x75516C65)
    ('(0040,0561)', 'an element')
    """
    letters = all(0x20 <= byte < 0x7F for byte in tag.to_bytes(4))
    return "an element" if letters and not dictionary_has_tag(tag) else tag_name(tag)


class Walker:
    """Walks data sets in ``data``, a file or the part of it that was read so far.

    ``damaged``: a sequence of defined length was none and has no items. Lenient, it also takes private UN that holds
    items as what it is.
    """

    def __init__(self, data: Buffer, implicit: bool, big: bool, lenient: bool = False) -> None:
        self.data = data
        self.implicit = implicit
        self.big = big
        self.lenient = lenient
        self.damaged = False
        self._little = Walker(data, True, False, lenient) if big else None
        order = ">" if big else "<"
        self.head = struct.Struct(order + "HH2sH").unpack_from  # of an element with a short length
        self.two_words = struct.Struct(order + "HH").unpack_from
        self.long = struct.Struct(order + "L").unpack_from

    @property
    def inside_unknown(self) -> Walker:
        """What stands inside UN is Implicit VR Little Endian, also in a Big Endian file (PS3.5 section 6.2.2)."""
        return self._little or self  # kept by itself a walker, and its file, would wait for the search for garbage

    def elements(self, found: list[Element], position: int, stop: int, implicit: bool, depth: int) -> int:
        """Add the elements up to ``stop``, an item delimiter, or pixel data at the root; returns where it ends."""
        data, head, long = self.data, self.head, self.long
        heads = _HEADS.setdefault((implicit, self.big), {})
        new, add = tuple.__new__, found.append
        while position < stop:
            value = position + 8
            known = heads.get(data[position:value])  # type: ignore[arg-type]  # or a memoryview
            if known:
                tag, vr, length = known
                end = value + length
                if end <= stop:
                    add(new(Element, (tag, vr, position, value, length, end, None, False, implicit)))
                    position = end
                    continue
            if stop - position < 8:
                if depth == 0 and not self.lenient and not any(data[position:stop]):
                    return stop  # padding at the end of the file
                raise self.cut(stop, "ends inside an element")
            group, element, code, length = head(data, position)
            tag = group << 16 | element
            if group >= 0x7FE0:
                if (tag in PIXELS and depth == 0) or tag == ITEM_END:
                    return position
                if group == 0xFFFE:
                    raise Refused("structure_refused", "a delimiter where an element should be")
            if implicit:
                vr, length = vr_of(tag), long(data, position + 4)[0]
            elif code in SHORT:
                vr = SHORT[code]
            elif code in LONG:
                vr, length, value = LONG[code], long(data, position + 8)[0], position + 12
            else:
                raise Refused("structure_refused", f"{element_name(tag)} has no valid value representation")
            if length == UNDEFINED or vr == "SQ":
                made = self.sequence(tag, vr, position, value, length, stop, implicit, depth)
            elif value + length > stop:
                cut = Element(tag, vr, position, value, length, value + length, None, False, implicit)
                raise self.cut(stop, f"{element_name(tag)} is longer than what holds it", cut)
            elif vr == "UN" and not implicit:
                made = self.unknown(tag, position, value, length, depth)
            else:
                made = Element(tag, vr, position, value, length, value + length, None, False, implicit)
                if value == position + 8 and len(heads) < MOST_HEADS and group < 0x7FE0:
                    heads[bytes(data[position:value])] = tag, vr, length
            add(made)
            position = made.end
        return position

    def cut(self, stop: int, detail: str, element: Element | None = None) -> Refused:
        """The fault of something that ends behind ``stop``: is that where what was read ends, or a damaged length?"""
        return Cut(detail, element) if stop == len(self.data) else Refused("truncated", detail)

    def unknown(self, tag: int, start: int, value: int, length: int, depth: int) -> Element:
        """An element sent as UN: its VR is the dictionary's, its bytes Implicit VR Little Endian."""
        private = tag >> 16 & 1
        vr = "UN" if private else vr_of(tag)
        if vr == "SQ" or (self.lenient and bytes(self.data[value : value + 4]) == b"\xfe\xff\x00\xe0"):
            made = self.inside_unknown.closed(tag, "UN", start, value, length, True, depth)
            if made.items is None:  # items of UN that are Explicit VR after all, as some routers write them
                explicit = self.closed(tag, "UN", start, value, length, False, depth)
                return made if explicit.items is None else explicit
            return made
        return Element(tag, vr, start, value, length, value + length, None, False, not private)

    def closed(self, tag: int, vr: str, start: int, value: int, length: int, implicit: bool, depth: int) -> Element:
        """A sequence of defined length. What is none after all is one without items: the engine keeps nothing of it."""
        try:
            items, end = self.items(value, value + length, implicit, depth)
        except Refused as fault:
            if fault.detail == TOO_DEEP:
                raise
            self.damaged = True
            return Element(tag, vr, start, value, length, value + length, None, False, implicit)
        return Element(tag, "SQ", start, value, length, end, items, False, implicit)

    def sequence(
        self, tag: int, vr: str, start: int, value: int, length: int, stop: int, implicit: bool, depth: int
    ) -> Element:
        """A sequence, or what has an undefined length like one."""
        if vr not in ("SQ", "UN"):
            return self.icon(tag, vr, start, stop, implicit)
        inside = implicit or vr == "UN"
        reader = self.inside_unknown if vr == "UN" and not implicit else self
        if length != UNDEFINED:
            if value + length > stop:
                cut = Element(tag, "SQ", start, value, length, value + length, None, False, inside)
                raise self.cut(stop, f"{element_name(tag)} is longer than what holds it", cut)
            return reader.closed(tag, vr, start, value, length, inside, depth)
        try:
            items, end = reader.items(value, stop, inside, depth, undefined=True)
        except Refused as fault:
            if vr != "UN" or implicit or fault.detail == TOO_DEEP:
                raise
            try:  # items of UN that are Explicit VR after all, as some routers write them
                items, end = self.items(value, stop, False, depth, undefined=True)
            except Refused:
                raise fault from None
            inside = False
        return Element(tag, "SQ", start, value, end - value, end, items, True, inside)

    def icon(self, tag: int, vr: str, start: int, stop: int, implicit: bool) -> Element:
        """Compressed pixels within an item, as those of the file are (PS3.3 C.7.6.1.1.6): passed over, never kept."""
        data = self.data
        if tag in PIXELS and vr in BYTES:
            pixels = read_pixel_data(lambda at, count: data[at : at + count], start, stop, implicit, self.big)
            if pixels is not None and not pixels.fault:
                return Element(tag, vr, start, pixels.value, pixels.stored, pixels.end, None, True, implicit)
            raise self.cut(stop, "a compressed icon ends early")
        raise Refused("structure_refused", f"{element_name(tag)} has an undefined length")

    def items(
        self, position: int, stop: int, implicit: bool, depth: int, undefined: bool = False
    ) -> tuple[list[Item], int]:
        """The items of a sequence, and where it ends."""
        if depth >= DEEPEST:
            raise Refused("structure_refused", TOO_DEEP)
        items: list[Item] = []
        while position < stop:
            if stop - position < 8:
                raise self.cut(stop, "ends inside a sequence")
            group, element = self.two_words(self.data, position)
            length = self.long(self.data, position + 4)[0]
            tag, inside = group << 16 | element, position + 8
            if tag == SEQUENCE_END and undefined:
                return items, inside
            if tag != ITEM:
                raise Refused("structure_refused", "something other than an item in a sequence")
            elements: list[Element] = []
            if length == UNDEFINED:
                end = self.elements(elements, inside, stop, implicit, depth + 1)
                if stop - end < 8:
                    raise self.cut(stop, "ends inside an item")
                items.append(Item(elements, position, end + 8, True))
                position = end + 8
            else:
                if inside + length > stop:
                    raise self.cut(stop, "an item is longer than its sequence")
                end = self.elements(elements, inside, inside + length, implicit, depth + 1)
                if end != inside + length:
                    raise Refused("structure_refused", "an item delimiter in an item of defined length")
                items.append(Item(elements, position, end, False))
                position = end
        if undefined:
            raise self.cut(stop, "ends inside a sequence")
        return items, position
