"""The pixel data element held to what the header says of it: pixels, and nothing else (PS3.5 section 8 and Annex A.4).

No decoded pixel changes. What cannot be walked is :class:`Refused`; what holds nothing else keeps its bytes.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from chorus_nb.dicom.encodings import NATIVE_SYNTAXES, RLE, Buffer
from chorus_nb.dicom.pixel_data import Geometry, PixelData
from chorus_nb.dicom.segments import size_of
from chorus_nb.dicom.spans import Refused
from chorus_nb.dicom.streams import WALKERS, EndsEarly, NotWalked, Walked, walk_rle
from chorus_nb.dicom.unneeded import without_unneeded
from chorus_nb.dicom.unused_bits import WHOLE_WORDS, require_fit, require_unused, require_unused_in

END = b"\xfe\xff\xdd\xe0\0\0\0\0"  # of encapsulated pixel data
FLOATS = (0x7FE00008, 0x7FE00009)
MOST_PADDING = 512  # zeros behind a frame that are left as they are


class Container(NamedTuple):
    """What is released of a pixel data element."""

    element: Buffer
    value: Buffer
    removed: Counter[str]  # what stood in it besides pixels
    offsets: tuple[bytes, bytes]  # values that an Extended Offset Table and its lengths have to have


def held_to(
    pixels: PixelData, data: Buffer, syntax: str, geometry: Geometry, overlay_bits: Mapping[int, int], *, big: bool
) -> Container:
    """The element without anything but pixels.

    ``overlay_bits``: bits by overlay group that hold an overlay (Overlay Bit Position, retired); they are cleared.
    """
    if pixels.tag in FLOATS:
        raise Refused("float_pixels", "no released kind of image has pixels that are fractions")
    if (pixels.fragments is None) != (syntax in NATIVE_SYNTAXES):
        raise Refused("pixels_not_walked", "the pixel data is not as its transfer syntax says")
    if pixels.vr not in ("OB", "OW"):
        raise Refused("pixels_not_walked", "a value representation that pixel data cannot have")
    if pixels.fragments is None:
        return _native(pixels, data, geometry, overlay_bits, big=big)
    if overlay_bits:
        raise Refused("bits_beyond_stored", "an overlay among the bits of compressed pixels")
    try:
        return _encapsulated(pixels, memoryview(data), syntax, geometry)
    except NotWalked as fault:
        raise Refused("pixels_not_walked", str(fault)) from None


# --- native -----------------------------------------------------------------------------------------------------------


def _native(
    pixels: PixelData, data: Buffer, geometry: Geometry, overlay_bits: Mapping[int, int], *, big: bool
) -> Container:
    fault = pixels.length_fault(geometry)
    if fault == "unknown":
        raise Refused("structure_refused", "pixel data without Rows, Columns or Bits Allocated")
    if fault:
        raise Refused("truncated", "pixel data is shorter than its geometry")
    value, wanted = pixels.content(data), geometry.native_length or 0
    if geometry.photometric_interpretation == "YBR_FULL_422" and len(value) // 2 == wanted * 3 // 4:
        wanted = wanted * 3 // 2  # not subsampled after all: decoders believe the length
    removed = Counter[str]()
    new: Buffer = value
    padded = wanted + wanted % 2
    if len(value) > padded or any(value[wanted:padded]):
        removed["bytes after the last frame"] = 1
        new = bytes(value[:wanted]) + b"\0" * (wanted % 2)
    new = _unused_bits(new, wanted, geometry, overlay_bits, removed, big=big)
    if len(new) % 2:  # PS3.5 section 7.1.1: no value is of odd length
        new = bytes(new) + b"\0"
    elif not removed:
        return Container(pixels.element(data), value, removed, (b"", b""))
    head = bytearray(data[pixels.start : pixels.value])
    struct.pack_into(">L" if big else "<L", head, len(head) - 4, len(new))
    return Container(bytes(head) + bytes(new), new, removed, (b"", b""))


def _unused_bits(
    value: Buffer, length: int, geometry: Geometry, overlay_bits: Mapping[int, int], removed: Counter[str], *, big: bool
) -> Buffer:
    """``value`` with overlays cleared; refused where other bits hold what is neither sign nor the same picture."""
    allocated, stored = geometry.bits_allocated or 0, geometry.bits_stored or geometry.bits_allocated or 0
    if allocated not in WHOLE_WORDS and not overlay_bits:
        return value
    require_fit(geometry)
    if stored == allocated and not overlay_bits:
        return value
    order = ">" if big and allocated > 8 else "<"
    words = np.frombuffer(value, f"{order}u{allocated // 8}", length * 8 // allocated)
    overlays = sum({1 << bit for bit in overlay_bits.values() if bit < allocated})
    if overlays & (1 << stored) - 1:
        raise Refused("bits_beyond_stored", "an overlay among the bits of the pixels")
    if overlays and np.any(words & words.dtype.type(overlays)):
        removed["overlay in unused bits"] = len(overlay_bits)
        words = words & words.dtype.type(~overlays & (1 << allocated) - 1)
        value = words.tobytes() + bytes(value[length:])
    require_unused(words, geometry)
    return value


# --- encapsulated -----------------------------------------------------------------------------------------------------


def _encapsulated(pixels: PixelData, data: memoryview, syntax: str, geometry: Geometry) -> Container:
    table, *parts = pixels.fragments or (slice(0, 0),)
    fragments = [data[part] for part in parts]
    removed = Counter[str]()
    frames = [*_frames(fragments, syntax, geometry, removed)]
    if len(frames) < geometry.frames:
        raise Refused("truncated", "fewer frames than Number of Frames")
    firsts = [first for first, _ in frames]
    positions = _positions(fragments)
    offsets = [positions[first] for first in firsts]
    packed = struct.pack(f"<{len(offsets)}L", *offsets) if positions[-1] < 1 << 32 else b""
    found = bytes(data[table])
    beyond = struct.pack("<Q", positions[len(fragments) - removed["fragments beyond the last frame"]])[:4]
    needed = geometry.frames not in (1, len(fragments)) and found not in (b"", packed)
    if needed and found[: len(packed) + 4] != packed + beyond:  # else codecs.py lets nobody go by it
        raise Refused("pixels_not_walked", "an offset table that tells of other frames than follow each other")
    if bytes(data[pixels.value + pixels.length : pixels.end]) != END:
        removed["a length of the delimiter"] = 1
    lengths = [len(content) for _, content in frames]
    if not removed and found in (b"", packed):
        extended = struct.pack(f"<{len(offsets)}Q", *offsets), struct.pack(f"<{len(lengths)}Q", *lengths)
        return Container(pixels.element(data), pixels.content(data), removed, extended)
    if not removed:  # only the table is wrong: fragments stay as they are
        removed["offset table that is none"] = 1
        contents = [bytes(fragment) for fragment in fragments]
    else:
        contents = [bytes(content) + b"\0" * (len(content) % 2) for _, content in frames]
        offsets = _positions(contents)[:-1]
        packed = struct.pack(f"<{len(offsets)}L", *offsets) if sum(map(len, contents)) < 1 << 31 else b""
        if found not in (b"", struct.pack(f"<{len(firsts)}L", *(positions[first] for first in firsts))):
            removed["offset table that is none"] = 1
    items = [packed if found else b"", *contents]
    value = b"".join(b"\xfe\xff\0\xe0" + struct.pack("<L", len(item)) + item for item in items)
    element = bytes(data[pixels.start : pixels.value]) + value + END
    extended = struct.pack(f"<{len(offsets)}Q", *offsets), struct.pack(f"<{len(lengths)}Q", *lengths)
    return Container(element, value, removed, extended)


def _positions(fragments: list[memoryview] | list[bytes]) -> list[int]:
    """Where each fragment begins, counted from the first, and where they end."""
    made = [0]
    for fragment in fragments:
        made.append(made[-1] + 8 + len(fragment))
    return made


def _frames(
    fragments: list[memoryview], syntax: str, geometry: Geometry, removed: Counter[str]
) -> Iterator[tuple[int, Buffer]]:
    """First fragment and content of each frame that Number of Frames announces."""
    position, wanted = 0, geometry.frames
    while position < len(fragments) and wanted:
        first, fault = position, EndsEarly("no frame")
        last = len(fragments) if wanted == 1 and geometry.frames == 1 and syntax != RLE else position + 1
        joined: Buffer = fragments[first] if last == first + 1 else b"".join(fragments[first:last])
        while True:
            try:
                walked = _walk(joined, syntax, geometry)
                break
            except EndsEarly as early:
                fault = early
                if last == len(fragments) or syntax == RLE:
                    raise fault from None
                joined = b"".join((joined, fragments[last]))
                last += 1
        position, wanted = last, wanted - 1
        removed.update(walked.removed)
        rest = joined[walked.end :]
        if len(rest) > MOST_PADDING or any(rest):
            removed["bytes after the end of a frame"] += 1
            yield first, walked.content
        else:
            yield first, walked.content if walked.removed else joined
    if position < len(fragments):
        removed["fragments beyond the last frame"] += len(fragments) - position


def _walk(content: Buffer, syntax: str, geometry: Geometry) -> Walked:
    if syntax == RLE:
        depth = (geometry.bits_allocated or 0) // 8
        segments = geometry.samples * depth
        if not segments:
            raise NotWalked("an RLE frame of pixels that are not whole bytes")
        walked = walk_rle(content, (geometry.rows or 0) * (geometry.columns or 0) * segments, segments)
        require_unused_in(walked.content, syntax, geometry)
        return walked
    walker = WALKERS.get(syntax)
    if walker is None:
        raise NotWalked("a transfer syntax whose frames cannot be walked")
    walked = walker(content)
    if size_of(walked.content) != (geometry.rows, geometry.columns, geometry.samples):  # decoders show either
        raise NotWalked("an image of another size than Rows, Columns and Samples per Pixel")
    require_unused_in(walked.content, syntax, geometry)
    return without_unneeded(walked, syntax)
