"""A header walked once, from the first byte to the last element: root elements, nested values, where the pixels lie.

A light reader of the encodings of PS3.5 §7 for surveying many files: it keeps bytes, decodes nothing, reads no pixel
data and is bounded in time, memory and depth whatever the file claims. De-identification reads files anew and whole.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import BinaryIO

from blake3 import blake3

from chorus_nb.dicom.encodings import PIXELS, VRS, dictionary_vr, encoding_of, swapped
from chorus_nb.standards import path_step, private_tag

UNDEFINED = 0xFFFFFFFF
ITEM = b"\xfe\xff\x00\xe0"
DEEPEST = 32  # levels of nesting; nothing real comes near, and pydicom itself does not write 260
CHUNK = 1 << 15  # bytes read at first: nearly every header
LARGE = 1 << 16  # a longer value at the root is passed over, not read
LARGEST_WINDOW = 1 << 26  # a sequence that needs more is refused
MOST_ELEMENTS = 100_000  # at the root; more is refused
MOST_VALUES = 10_000  # distinct values counted of a nested tag in one file
WHOLE = 256  # bytes of a value that are kept as they are; a longer one is cut and its digest added

PROCEDURE_CODES, CODE_VALUE, CODING_SCHEME = 0x00081032, 0x00080100, 0x00080102
DEFLATED = "1.2.840.10008.1.2.1.99"

Key = tuple[str, int, str, str]  # path of sequences above, tag, private creator, VR
Element = tuple[Key, bytes, int]  # value as it is kept, and its length in the file

# What the first eight bytes of plain elements mean: the same few thousand come again in every file. By encoding.
# A private element has the number of its block, by which its creator is found; in others that is 0.
_HEADS: dict[tuple[bool, str], dict[bytes, tuple[Key, int, int]]] = {}
MOST_HEADS = 50_000


class NotDicom(Exception):
    """The file does not begin as DICOM does."""


class Refused(Exception):
    """Nested too deep or too large to be a header."""


class _Short(Exception):
    """The window ends inside the root element at ``start``; it takes ``need`` bytes from there (0 = unknown)."""

    def __init__(self, start: int, need: int = 0) -> None:
        self.start, self.need = start, need


class _Broken(Exception):
    """The structure does not hold: a length beyond its parent, no item where one must be."""


class Header:
    """What a walk over one file found. ``fault`` is '' or truncated, structure_damaged, trailing_bytes."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self.elements: list[Element] = []
        self.nested: dict[Key, dict[bytes, int]] = {}
        self.items: dict[int, int] = {}  # number of items of the sequences at the root
        self.procedure_codes: list[tuple[bytes, bytes]] = []  # scheme, value
        self.transfer_syntax = ""
        self.has_preamble = self.has_pixels = False
        self.pixel_bytes = self.private_elements = self.sequences = 0
        self.fault = ""
        self._start = b""
        self._blocks: dict[int, str] = {}
        self._walk_file()

    # --- the file ---------------------------------------------------------------------------------------------------

    def _read(self, position: int, count: int) -> bytes:
        if position + count <= len(self._start):
            return self._start[position : position + count]
        self._file.seek(position)
        return self._file.read(min(count, max(self.size - position, 0)))

    def _walk_file(self) -> None:
        start = self._start = self._read(0, CHUNK)
        self.has_preamble = start[128:132] == b"DICM"
        position = 132 if self.has_preamble else 0
        position = self._walk_meta(start, position)
        first = self._read(position, 8)
        if not self.has_preamble and not _begins_dataset(first, self.elements):
            raise NotDicom
        if self.transfer_syntax == DEFLATED:
            position = self._inflate(position)
            first = self._read(position, 8)
        self._explicit, self._order = encoding_of(first)
        self._walk_root(position)
        if self._order == ">":
            self._swap()
        if not self.has_preamble and len(self.elements) + len(self.nested) < 3:
            raise NotDicom

    def _walk_meta(self, data: bytes, position: int) -> int:
        """The file meta information, always explicit little endian (PS3.10 §7.1); returns where it ends."""
        while data[position : position + 2] == b"\x02\x00" and position + 12 <= len(data):
            _, element, code, length = struct.unpack_from("<HH2sH", data, position)
            vr, long = VRS.get(code, ("", False))
            if not vr:
                break
            position += 8
            if long:
                (length,) = struct.unpack_from("<L", data, position)
                position += 4
            value = data[position : position + length]
            self.elements.append((("", 0x00020000 | element, "", vr), value[:WHOLE], length))
            if element == 0x0010:
                self.transfer_syntax = value.rstrip(b"\0 ").decode("ascii", "replace")
            position += length
        return position

    def _inflate(self, position: int) -> int:
        self._file.seek(position)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = inflater.decompress(self._file.read(LARGEST_WINDOW), LARGEST_WINDOW)
        except zlib.error:
            data, self.fault = b"", "structure_damaged"
        if inflater.unconsumed_tail:
            raise Refused
        if not inflater.eof:
            self.fault = self.fault or "truncated"
        self._file, self.size, self._start = BytesIO(data), len(data), b""
        return 0

    # --- the root: window by window -----------------------------------------------------------------------------------

    def _walk_root(self, position: int) -> None:
        need = min(max(len(self._start) - position, 8), self.size)  # what is read already
        while position < self.size:
            data = self._read(position, need)
            if not data or len(self.elements) > MOST_ELEMENTS:
                raise Refused
            try:
                reached = self._dataset(data, 0, len(data), position, "", 0, self._blocks, self._explicit)
            except _Short as short:
                if position + len(data) >= self.size:
                    return self._end(position + short.start)
                if short.start == 0:
                    need = max(short.need, 2 * len(data))
                    if need > LARGEST_WINDOW:
                        raise Refused from None
                else:
                    position, need = position + short.start, max(short.need, CHUNK)
                continue
            except _Broken:
                self.fault = "structure_damaged"
                return None
            position, need = position + reached, CHUNK
        if position > self.size:
            self.fault = "truncated"
        return None

    def _end(self, position: int) -> None:
        """The file ends inside an element: cut off, or (after the pixel data) something appended that is no element."""
        self.fault = "trailing_bytes" if self.has_pixels else "truncated"

    def _fragments(self, position: int) -> tuple[int, int]:
        """Pass over an encapsulated value (PS3.5 A.4), by its items; returns where it ends and the bytes in them."""
        held = 0
        while position + 8 <= self.size:
            group, element, length = struct.unpack(self._order + "HHL", self._read(position, 8))
            position += 8
            if (group, element) == (0xFFFE, 0xE0DD):
                return position, held
            if (group, element) != (0xFFFE, 0xE000):
                raise _Broken
            held += min(length, self.size - position)
            position += length
        return self.size + 1, held

    # --- a dataset: the root's window, or an item ---------------------------------------------------------------------

    def _dataset(
        self,
        data: bytes,
        pos: int,
        end: int,
        base: int,
        path: str,
        depth: int,
        blocks: dict[int, str],
        explicit: bool,
    ) -> int:
        """Walk the elements in ``data[pos:end]``; ``base`` is where ``data`` begins in the file; returns the end."""
        order = self._order if explicit else "<"
        head = struct.Struct(order + ("HH2sH" if explicit else "HHL")).unpack_from
        long = struct.Struct(order + "L").unpack_from
        heads = _HEADS.setdefault((explicit, order), {})
        elements, nested = self.elements, self.nested
        while pos + 8 <= end:
            start = pos
            known = heads.get(data[pos : pos + 8])
            if known:
                key, length, block = known
                stop = pos + 8 + length
                if stop <= end:
                    if block:
                        self.private_elements += 1
                        key = ("", key[1], blocks.get(block, ""), key[3])
                    if not depth:
                        elements.append((key, data[pos + 8 : stop], length))
                    else:
                        _, tag, creator, vr = key
                        values = nested.setdefault((path, tag, creator, vr), {})
                        if len(values) < MOST_VALUES:
                            values[data[pos + 8 : stop]] = length
                    pos = stop
                    continue
            pos += 8
            if explicit:
                group, element, code, length = head(data, start)
                vr, is_long = VRS.get(code, ("", False))
                if is_long:
                    if pos + 4 > end:
                        raise _Short(start)
                    (length,) = long(data, pos)
                    pos += 4
                elif not vr:
                    (length,) = long(data, pos - 4)
            else:
                group, element, length = head(data, start)
                vr, is_long = "", False
            if group == 0xFFFE:
                if depth and element == 0xE00D:
                    return pos
                raise _Broken
            tag, creator = group << 16 | element, ""
            if group & 1:
                self.private_elements += 1
                if element >= 0x1000:
                    creator = blocks.get(tag >> 8, "")
                    tag = private_tag(group << 16 | element)
                elif 0x10 <= element <= 0xFF:
                    creator = data[pos : pos + min(length, 64)].decode("latin-1").strip(" \0")
                    blocks[group << 8 | element] = creator
                    tag, vr = group << 16 | 0x10, vr or "LO"
            vr = vr or dictionary_vr(tag, creator)
            key = (path, tag, creator, vr)
            if length == UNDEFINED and (tag in PIXELS or vr in ("OB", "OW")):
                finish, held = self._fragments(base + pos)
                if depth and finish - base > end:
                    raise _Short(start) if end == len(data) else _Broken
                pos = finish - base
                if depth:
                    nested.setdefault(key, {})[b""] = held
                else:
                    elements.append((key, b"", held))
                    if tag in PIXELS:
                        self.has_pixels, self.pixel_bytes = True, held
                continue
            if vr == "SQ" or length == UNDEFINED or (vr == "UN" and data[pos : pos + 4] == ITEM):
                counts = self.private_elements - (group & 1), self.sequences
                try:
                    # UN holds implicit little endian (PS3.5 §6.2.2, note)
                    pos = self._sequence(data, start, pos, end, base, length, key, depth, explicit and vr != "UN")
                except _Short:
                    self.private_elements, self.sequences = counts  # it will be walked again
                    raise
                continue
            stop = pos + length
            if depth:
                if stop > end:
                    raise _Short(start) if end == len(data) else _Broken
                value = data[pos:stop]
            elif tag in PIXELS:
                self.has_pixels = True
                self.pixel_bytes = min(length, self.size - base - pos)
                value = b""
            else:
                read = min(stop, pos + LARGE)
                if read > end and (base + end < self.size or self.has_pixels):
                    self.private_elements -= group & 1
                    raise _Short(start, read - start)
                value = data[pos:read]
            if length > WHOLE:
                value = value[:240] + blake3(value).digest(16)
            elif not is_long and vr != "UN" and tag not in PIXELS and len(heads) < MOST_HEADS:
                if not group & 1:
                    heads[data[start : start + 8]] = (("", tag, "", vr), length, 0)
                elif explicit and element >= 0x1000:  # else the VR depends on the creator
                    heads[data[start : start + 8]] = (("", tag, "", vr), length, group << 8 | element >> 8)
            if depth:
                values = nested.setdefault(key, {})
                if len(values) < MOST_VALUES:
                    values[value] = length
            else:
                elements.append((key, value, length))
            pos = stop
        if pos < end and (depth == 0 or end == len(data)):
            raise _Short(pos)
        return pos

    def _sequence(
        self, data: bytes, start: int, pos: int, end: int, base: int, length: int, key: Key, depth: int, explicit: bool
    ) -> int:
        """Walk the items of the sequence whose value begins at ``pos``; returns where it ends."""
        path, tag, creator, _ = key
        self.sequences += 1
        if depth >= DEEPEST:
            raise Refused
        stop = end if length == UNDEFINED else pos + length
        try:
            if stop > end:
                raise _Short(start, stop - start) if end == len(data) else _Broken
            name = path_step(tag, creator)
            inner = f"{path}.{name}" if path else name
            finish, count = self._items(data, pos, stop, base, length, inner, depth, explicit, tag)
        except _Short as short:
            raise _Short(start, short.need if depth else stop - start if length != UNDEFINED else 0) from None
        except _Broken:
            if length == UNDEFINED or stop > end:
                raise
            self.fault = "structure_damaged"
            finish, count = stop, 0
        if depth:
            self.nested.setdefault(key, {})[b"\1" if count else b""] = count
        else:
            self.elements.append((key, b"\1" if count else b"", count))
            self.items[tag] = count
        return finish

    def _items(
        self, data: bytes, pos: int, stop: int, base: int, length: int, path: str, depth: int, explicit: bool, tag: int
    ) -> tuple[int, int]:
        item = struct.Struct((self._order if explicit else "<") + "HHL").unpack_from
        codes, whole, count = [], self.nested, 0
        while pos + 8 <= stop:
            group, element, size = item(data, pos)
            pos += 8
            if group != 0xFFFE or element not in (0xE000, 0xE0DD):
                raise _Broken
            if element == 0xE0DD:
                break
            end = stop if size == UNDEFINED else pos + size
            if end > stop:
                raise _Short(pos) if stop == len(data) else _Broken
            count += 1
            if tag == PROCEDURE_CODES and not depth:
                self.nested = {}
            reached = self._dataset(data, pos, end, base, path, depth + 1, {}, explicit)
            pos = reached if size == UNDEFINED else end
            if self.nested is not whole:
                codes.append(_code(self.nested, path))
                for key, values in self.nested.items():
                    whole.setdefault(key, {}).update(values)
                self.nested = whole
        else:
            if length == UNDEFINED:
                raise _Short(pos)
        if codes:
            self.procedure_codes = codes
        return pos, count

    def _swap(self) -> None:
        """Big endian numbers as little endian, so that whoever decodes a value need not know its file."""
        self.elements = [
            (key, swapped(value, key[3]) if key[1] >> 16 != 2 else value, length)
            for key, value, length in self.elements
        ]
        self.nested = {
            key: {swapped(value, key[3]): length for value, length in values.items()}
            for key, values in self.nested.items()
        }


def _code(item: dict[Key, dict[bytes, int]], path: str) -> tuple[bytes, bytes]:
    found = {key[1]: next(iter(values)) for key, values in item.items() if key[0] == path and values}
    return found.get(CODING_SCHEME, b""), found.get(CODE_VALUE, b"")


def _begins_dataset(first: bytes, meta: list[Element]) -> bool:
    """Whether a file without preamble begins with file meta information or with group 0008, as every dataset does."""
    return bool(meta) or first[:2] == b"\x08\x00" or first[:2] == b"\x00\x08"
