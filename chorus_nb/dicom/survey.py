"""A header surveyed: root elements, nested values, where the pixels lie, also of a damaged file; no pixel data is read.

The lenient mode of :mod:`chorus_nb.dicom.spans`: window by window, bounded in time, memory and depth whatever the file
claims. It keeps bytes and decodes nothing.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import BinaryIO

from blake3 import blake3

from chorus_nb.dicom.encodings import DEFLATED_SYNTAXES, SEQUENCE_END, little_endian, looks_explicit, private_vr
from chorus_nb.dicom.pixel_data import read_pixel_data
from chorus_nb.dicom.spans import TOO_DEEP, Cut, Element, Item, Meta, Refused, Walker, encoding_of, inflate, read_meta
from chorus_nb.standards import path_step

CHUNK = 1 << 15  # bytes read at first: nearly every header
LEAST_READ = 1 << 13  # of a small file less: a fifth of it, but no less than these
LARGE = 1 << 16  # of a longer value at the root no more is read
LARGEST_WINDOW = 1 << 26  # a sequence that needs more is refused
MOST_ELEMENTS = 100_000  # at the root; more is refused
MOST_VALUES = 10_000  # distinct values counted of a nested tag in one file
WHOLE = 256  # bytes of a value that are kept as they are; a longer one is cut and its digest added

PROCEDURE_CODES, CODE_VALUE, CODING_SCHEME = 0x00081032, 0x00080100, 0x00080102

Key = tuple[str, int, str, str]  # path of sequences above, tag, private creator, VR
Counted = tuple[Key, bytes, int]  # value as it is kept, and its length in the file


class NotDicom(Exception):
    """The file does not begin as DICOM does."""


class Header:
    """What a walk over one file found. ``fault`` is "" or a reason: truncated, structure_refused (as the strict reader
    gives them), structure_damaged (a sequence is none), trailing_bytes (behind the pixel data), file_behind (another
    DICOM file there).

    Without ``ends_asked`` the last eight bytes behind fragments that end there are taken for their delimiter, which
    would be a request of its own to a store; 03 reads them.
    """

    def __init__(self, file: BinaryIO, size: int, ends_asked: bool = True) -> None:
        self._file, self.size, self._ends_asked = file, size, ends_asked
        self.elements: list[Counted] = []
        self.nested: dict[Key, dict[bytes, int]] = {}
        self.items: dict[int, int] = {}  # number of items of the sequences at the root
        self.procedure_codes: list[tuple[bytes, bytes]] = []  # scheme, value
        self.has_pixels = False
        self.pixel_bytes = self.private_elements = self.sequences = 0
        self.fault = ""
        self._start = b""
        self._blocks: dict[int, str] = {}
        meta = self._meta()
        self.has_preamble, self.transfer_syntax = meta.has_preamble, meta.transfer_syntax
        for tag, (vr, value) in meta.elements.items():
            kept = value if len(value) <= WHOLE else _shortened(value)
            self.elements.append((("", tag, "", vr), kept, len(value)))
        position = meta.end
        if self.transfer_syntax in DEFLATED_SYNTAXES:
            position = self._inflate(position)
        first = self._read(position, 8)
        try:
            _, self._implicit, self._big = encoding_of(first, self.transfer_syntax)
        except Refused as refused:
            self._fail(refused.reason)
            self._implicit, self._big = not looks_explicit(first), False
        self._walk(position)
        if not self.has_preamble and len(self.elements) + len(self.nested) < 3:
            raise NotDicom
        if self.elements[-1:] and self.elements[-1][0][1] >> 16 <= 2:
            self._fail("unreadable")  # no data elements

    # --- the file -----------------------------------------------------------------------------------------------------

    def _read(self, position: int, count: int) -> bytes:
        if position + count <= len(self._start):
            return self._start[position : position + count]
        self._file.seek(position)
        return self._file.read(min(count, max(self.size - position, 0)))

    def _meta(self) -> Meta:
        self._start = self._read(0, max(LEAST_READ, min(CHUNK, self.size // 5)))
        if b"DICM" not in (self._start[:4], self._start[128:132]) and self._start[:2] not in (
            b"\2\0",
            b"\x08\0",
            b"\0\x08",
        ):
            raise NotDicom
        while True:
            try:
                return read_meta(self._start)
            except (Cut, struct.error):
                if len(self._start) >= min(self.size, LARGEST_WINDOW):
                    raise Cut("ends inside the file meta information") from None
                self._start = self._read(0, 2 * len(self._start))

    def _inflate(self, position: int) -> int:
        self._file.seek(position)
        data, fault = inflate(self._file.read(LARGEST_WINDOW), LARGEST_WINDOW)
        self._file, self.size, self._start = BytesIO(data), len(data), b""
        self.fault = "truncated" if fault else ""
        return 0

    # --- the root: window by window -----------------------------------------------------------------------------------

    def _walk(self, position: int) -> None:
        need = min(max(len(self._start) - position, 8), self.size)  # what is read already
        while position < self.size:
            data = self._read(position, need)
            if not data or len(self.elements) > MOST_ELEMENTS:
                raise Refused("structure_refused", "more than a header can hold")
            found, reached, fault, damaged = self._window(data)
            self._take(data, found, "", self._blocks, self._implicit)
            if damaged:
                self.fault = self.fault or "structure_damaged"
            if fault is not None:
                at_end = position + len(data) >= self.size
                if not isinstance(fault, Cut) or at_end or self._lacks(fault, position, reached):
                    self._end(fault, data[reached:])
                    return
                need = self._wanted(fault, reached, len(data))
                position += reached
                continue
            position, need = position + reached, CHUNK
            if reached < len(data):
                position = self._pixels(position)
        if position > self.size:
            self._end(Cut("is cut off"), b"")

    def _window(self, data: bytes) -> tuple[list[Element], int, Refused | None, bool]:
        """The elements that are whole in ``data``, where they end, what stopped the walk, whether any is damaged."""
        walker, found = Walker(data, self._implicit, self._big, lenient=True), list[Element]()
        fault: Refused | None = None
        try:
            reached = walker.elements(found, 0, len(data), self._implicit, 0)
        except (struct.error, IndexError):
            fault = Cut("ends inside an element")
        except Refused as refused:
            if refused.detail == TOO_DEEP:
                raise
            fault = refused
        if fault is not None:
            reached = found[-1].end if found else 0
            long = fault.element if isinstance(fault, Cut) else None
            if long is not None and long.start == reached and long.vr != "SQ" and len(data) - long.value >= LARGE:
                found.append(long)  # enough of it was read
                reached, fault = long.end, None
        return found, reached, fault, walker.damaged or walker.inside_unknown.damaged

    def _lacks(self, cut: Cut, position: int, reached: int) -> bool:
        """Whether the file ends before the element at the root that is not whole does."""
        element = cut.element
        return element is not None and element.start == reached and position + element.end > self.size

    def _wanted(self, cut: Cut, reached: int, read: int) -> int:
        """How many bytes to read from where the whole elements end."""
        need, element = CHUNK if reached else 2 * read, cut.element
        if element is not None and element.start == reached:
            need = max(need, element.value - reached + (element.length if element.vr == "SQ" else LARGE))
        if need > LARGEST_WINDOW:
            raise Refused("structure_refused", "a sequence larger than a header can be")
        return need

    def _end(self, fault: Refused, rest: bytes) -> None:
        """The walk ends early; what stands behind the pixel data, or pads the file to its end, is no fault of these."""
        if self.has_pixels:
            self.fault = self.fault or "trailing_bytes"
        elif any(rest) or len(rest) >= 8 or not rest:
            self._fail(fault.reason)

    def _fail(self, reason: str) -> None:
        """The first reason to refuse the file counts, as in the strict reader; a damaged sequence is none."""
        if self.fault in ("", "structure_damaged"):
            self.fault = reason

    def _pixels(self, position: int) -> int:
        """Take note of the pixel data at ``position``; returns where the walk goes on."""
        pixels = read_pixel_data(self._read_head, position, self.size, self._implicit, self._big)
        if pixels is None:
            self._end(Refused("structure_refused", "no pixel data"), b"")
            return self.size
        self.has_pixels, self.pixel_bytes = True, pixels.stored
        self.elements.append((("", pixels.tag, "", pixels.vr), b"", pixels.stored))
        if pixels.fault:
            self._fail("truncated")
            return self.size
        behind = self._read(pixels.end, 132) if pixels.end < self.size else b""
        if b"DICM" in (behind[:4], behind[128:]):
            self.fault = self.fault or "file_behind"
        return pixels.end

    def _read_head(self, position: int, count: int) -> bytes:
        if self._ends_asked or count != 8 or position != self.size - 8 or position < len(self._start):
            return self._read(position, count)
        return struct.pack(">HHL" if self._big else "<HHL", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF, 0)

    # --- what is kept of the elements ---------------------------------------------------------------------------------

    def _take(self, data: bytes, found: list[Element], path: str, creators: dict[int, str], implicit: bool) -> None:
        """Keep the elements of a data set; of one inside a sequence, as one of the distinct values under its path."""
        add, nested, big = self.elements.append, self.nested, self._big
        at_root = not path and not big
        for tag, vr, _, start, length, end, items, undefined, inside in found:
            if at_root and items is None and length <= WHOLE and inside is implicit and not tag & 0x10000:
                add((("", tag, "", vr), data[start:end], length))  # nearly all
                continue
            creator = ""
            if tag & 0x10000:
                self.private_elements += 1
                number = tag & 0xFFFF
                if number >= 0x1000:  # known by its creator, not by its block (PS3.5 §7.8)
                    creator = creators.get(tag >> 8, "")
                    tag = tag & 0xFFFF00FF | 0x1000
                    if implicit and vr == "UN":
                        vr = private_vr(tag, creator)
                elif 0x10 <= number <= 0xFF:
                    creator = data[start : start + min(length, 64)].decode("latin-1").strip(" \0")
                    creators[tag >> 16 << 8 | number] = creator
                    tag = tag & 0xFFFF0000 | 0x10
            if inside and not implicit:
                vr = "UN"
            key = (path, tag, creator, vr)
            if items is not None:
                self._sequence(data, key, items, inside)
                continue
            value = b"" if undefined else data[start:end]
            if big and not inside:
                value = little_endian(value, vr)
            if length > WHOLE and not undefined:
                value = _shortened(value if path else value[:LARGE])
            if not path:
                add((key, value, length))
            else:
                values = nested.setdefault(key, {})
                if len(values) < MOST_VALUES:
                    values[value] = length

    def _sequence(self, data: bytes, key: Key, items: list[Item], implicit: bool) -> None:
        path, tag, creator, _ = key
        self.sequences += 1
        name = path_step(tag, creator)
        for item in items:
            self._take(data, item.elements, f"{path}.{name}" if path else name, {}, implicit)
        value, count = b"\1" if items else b"", len(items)
        if path:
            self.nested.setdefault(key, {})[value] = count
            return
        self.elements.append((key, value, count))
        self.items[tag] = count
        if tag == PROCEDURE_CODES:
            self.procedure_codes = [(_of(data, item, CODING_SCHEME), _of(data, item, CODE_VALUE)) for item in items]


def _shortened(value: bytes) -> bytes:
    return value[:240] + blake3(value).digest(16)


def _of(data: bytes, item: Item, tag: int) -> bytes:
    return next((data[element.value : element.end] for element in item.elements if element.tag == tag), b"")
