"""The pixel container: the pixel data element, native or encapsulated in fragments (PS3.5 §8, A.4)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from chorus_nb.dicom.encodings import ITEM, LONG, PIXELS, SEQUENCE_END, UNDEFINED, Buffer


class Geometry(NamedTuple):
    """What the header says of the pixels; None where it says nothing that is a number."""

    rows: int | None
    columns: int | None
    bits_allocated: int | None
    samples: int
    frames: int
    photometric_interpretation: str
    bits_stored: int | None = None
    high_bit: int | None = None
    signed: bool = False

    @property
    def native_length(self) -> int | None:
        """Bytes of all frames without compression, None where the geometry is not known."""
        if not self.rows or not self.columns or not self.bits_allocated:
            return None
        needed = -(-self.rows * self.columns * self.samples * self.frames * self.bits_allocated // 8)
        return needed * 2 // 3 if self.photometric_interpretation == "YBR_FULL_422" else needed


class PixelData(NamedTuple):
    """The pixel data element: header at ``start``, value at ``value``, all of it over at ``end``; places in the file.

    ``fault`` is why it is not whole ("" = it is).
    """

    tag: int
    vr: str
    start: int
    value: int
    length: int  # of the value; of fragments, with their heads and without the delimiter behind them
    end: int
    fragments: tuple[slice, ...] | None  # the Basic Offset Table, then the fragments; None if it is native
    fault: str

    @property
    def stored(self) -> int:
        """Bytes of pixels that are there, offset table included."""
        return sum(part.stop - part.start for part in self.fragments) if self.fragments is not None else self.length

    def element(self, data: Buffer) -> memoryview:
        """The whole element as it stands in ``data``, the file from its first byte."""
        return memoryview(data)[self.start : self.end]

    def content(self, data: Buffer) -> memoryview:
        """Its value."""
        return memoryview(data)[self.value : self.value + self.length]

    def length_fault(self, geometry: Geometry) -> str:
        """Why a native value cannot be the pixels of ``geometry``: ``unknown``, ``short`` or ""."""
        if self.fragments is not None or self.tag != 0x7FE00010:
            return ""
        needed = geometry.native_length
        return "unknown" if needed is None else "short" if self.length < needed else ""


def read_pixel_data(
    read: Callable[[int, int], Buffer], start: int, size: int, implicit: bool, big: bool
) -> PixelData | None:
    """The pixel data element at ``start`` of a file of ``size`` bytes, None if there is none that can be read.

    ``read(position, count)`` gives bytes of the file; only heads are read.
    """
    order = ">" if big else "<"
    head = bytes(read(start, 12))
    if len(head) < (8 if implicit else 12):
        return PixelData(0x7FE00010, "", start, start, 0, size, None, "is cut off")
    group, element, code = struct.unpack_from(order + "HH2s", head)
    tag, value = group << 16 | element, start + (8 if implicit else 12)
    (length,) = struct.unpack_from(order + "L", head, 4 if implicit else 8)
    vr = "OW" if implicit else LONG.get(code, "")
    if not vr or tag not in PIXELS:
        return None
    if length != UNDEFINED:
        held = min(length, size - value)
        whole = held >= length - (length % 2 == 0)  # some writers count the byte that evens it out and leave it away
        return PixelData(tag, vr, start, value, held, value + held, None, "" if whole else "is cut off")
    fragments: list[slice] = []
    position, fault = value, "is cut off"
    unpack = struct.Struct(order + "HHL").unpack
    while position + 8 <= size:
        group, element, length = unpack(read(position, 8))
        marker = group << 16 | element
        if marker == SEQUENCE_END:
            return PixelData(tag, vr, start, value, position - value, position + 8, tuple(fragments), "")
        if marker != ITEM:
            fault = "has a damaged fragment"
            break
        fragments.append(slice(position + 8, min(position + 8 + length, size)))
        position += 8 + length
    end = min(position, size)
    return PixelData(tag, vr, start, value, end - value, end, tuple(fragments), fault)
