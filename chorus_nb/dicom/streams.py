"""Compressed images walked marker by marker, box by box: what decoding needs is kept, anything else left out.

What may stay is a row of ``markers.csv``. A stream that cannot be walked to its end is :class:`NotWalked`.
"""

from __future__ import annotations

import csv
import re
import struct
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chorus_nb.dicom import codecs
from chorus_nb.dicom.encodings import Buffer
from chorus_nb.dicom.segments import Tables, fit_j2k, fits_box, fits_jpeg

LONGER = "a segment is longer than what it holds"
RESTARTS = frozenset(range(0xD0, 0xD8))
IS_MARKER = {  # what behind FF is a marker, in coded data where a byte is stuffed, or (JPEG-LS) a bit
    codec: np.array([first <= code < 0xFF and code not in RESTARTS for code in range(256)])
    for codec, first in (("jpeg", 0x01), ("jpegls", 0x80))
}
RESTART = re.compile(rb"\xff[\xd0-\xd7]")
ADOBE = re.compile(rb"Adobe\0[\x64\x65](?:[\0\x40\x80\xc0]\0){2}[\0-\x02]", re.DOTALL)  # version, two flags, transform
# bytes that a run of RLE makes, and takes, by its first one (PS3.5 G.3.1)
RUN_MAKES = (*range(1, 129), 0, *range(128, 1, -1))
RUN_TAKES = (*range(2, 130), 1, *[2] * 127)
TLM, PLT = 0x55, 0x58  # marker segments of JPEG 2000 that tell lengths: kept where these are right
LEAST = {TLM: 6, PLT: 6}  # bytes
LOOKED_AT = 1 << 15  # bytes in which a marker is looked for at a time
MOST_TOLD = 10_000  # tile-parts that one TLM segment has room for
COLOUR = 0x636F6C72
PLAIN_COLOUR = struct.pack(">LL3BL", 15, COLOUR, 1, 0, 0, 16)  # sRGB; what colours mean is said by the DICOM header
JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"


class NotWalked(Exception):
    """The stream is not what its format says; the text names what, never a value."""


class EndsEarly(NotWalked):
    """More of the stream may stand in the next fragment."""


class Stretch(NamedTuple):
    """Bytes of a stream, from ``start`` up to but without ``stop``."""

    start: int
    stop: int


class Walked(NamedTuple):
    """A stream without what decoding does not need, where it ended, and what was left out, counted."""

    content: Buffer
    end: int
    removed: Counter[str]
    coded: tuple[Stretch, ...] = ()
    """where in ``content`` coded pixels stand, each up to a marker"""


@cache
def actions(codec: str) -> dict[int, tuple[str, str]]:
    """Name and action by marker or box type; a marker such as ``E*`` stands for all that no other row names."""
    with Path(__file__).with_name("markers.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["codec"] == codec]
    made: dict[int, tuple[str, str]] = {}
    for row in sorted(rows, key=lambda row: "*" not in row["marker"]):
        for digit in "0123456789ABCDEF" if "*" in row["marker"] else "-":
            made[int(row["marker"].replace("*", digit), 16)] = row["name"], row["action"]
    return made


def walk_jpeg(data: Buffer, codec: str = "jpeg") -> Walked:
    """An image of ITU-T T.81 (``jpeg``) or T.87 (``jpegls``), from SOI to EOI."""
    kept, removed, position, coded = list[Buffer]([data[:2]]), Counter[str](), 2, list[int]()
    known, view, filled, tables = actions(codec), memoryview(data), False, Tables()
    if data[:2] != b"\xff\xd8":
        raise NotWalked("an image does not begin with SOI")
    while True:
        while data[position : position + 2] == b"\xff\xff":  # fill bytes
            position, filled = position + 1, True
        marker = data[position + 1] if position + 1 < len(data) else -1
        if marker < 0:
            raise EndsEarly("an image has no end")
        name, action = known.get(marker, ("", ""))
        if data[position] != 0xFF or not action:
            raise NotWalked("something other than a known marker between segments")
        if action == "end":
            removed += Counter({"table that no scan uses": tables.without_spare(kept)})
            content = b"".join((*kept, b"\xff\xd9")) if removed or filled else data[: position + 2]
            places = [0, *accumulate(map(len, kept))]
            return Walked(
                content, position + 2, removed, _intervals(content, [Stretch(*places[at : at + 2]) for at in coded])
            )
        segment = bytes(data[position : position + 2 + _length(data, position + 2)])
        position += len(segment)
        tables.meet(len(kept), marker, segment)
        if action == "scan":
            if not fits_jpeg(marker, segment[4:], codec):
                raise NotWalked(LONGER)
            stop = _next_marker(data, position, codec)
            coded.append(len(kept) + 1)
            kept += segment, view[position:stop]
            position = stop
            continue
        new = _segment(marker, action, segment, codec)
        kept.append(new)
        if new != segment:
            removed[f"{name} segment"] += 1


def _next_marker(data: Buffer, position: int, codec: str) -> int:
    """Where coded data ends that begins at ``position``."""
    while position < len(data) - 1:
        octets = np.frombuffer(data, "u1", min(LOOKED_AT, len(data) - position), position)
        found = np.flatnonzero(octets[:-1] == 0xFF)
        found = found[IS_MARKER[codec][octets[found + 1]]]
        if len(found):
            return position + int(found[0])
        position += len(octets) - 1
    raise EndsEarly("an image has no end")


def _intervals(content: Buffer, scans: list[Stretch]) -> tuple[Stretch, ...]:
    """Scans parted at their restart markers, where the stream has any (DRI)."""
    if b"\xff\xdd\0\x04" not in bytes(content[: scans[0].start if scans else 0]):
        return tuple(scans)
    parted = []
    for scan in scans:
        begin = scan.start
        for found in RESTART.finditer(content, scan.start, scan.stop):
            parted.append(Stretch(begin, found.start()))
            begin = found.end()
        parted.append(Stretch(begin, scan.stop))
    return tuple(parted)


def _length(data: Buffer, position: int) -> int:
    """The length of a segment, which counts its own two bytes; all of it is there."""
    if position + 2 > len(data):
        raise EndsEarly("a segment is cut off")
    length = int.from_bytes(data[position : position + 2], "big")
    if length < 2:
        raise NotWalked("a segment has no length")
    if position + length > len(data):
        raise EndsEarly("a segment is cut off")
    return length


def _segment(marker: int, action: str, segment: bytes, codec: str) -> bytes:
    """What stays of a segment: all of it, a plain form of it, or nothing."""
    value = segment[4:]
    if action == "jfif":  # without a thumbnail
        plain = segment[:2] + b"\0\x10JFIF\0" + value[5:12] + b"\0\0"
        return plain if value.startswith(b"JFIF\0") and len(value) >= 14 else b""
    if action == "adobe":
        if ADOBE.fullmatch(value):
            return segment
        plain = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + value[11:12]
        return plain if value.startswith(b"Adobe") and len(value) > 11 else b""
    if action == "mrfx":
        return segment if value[:4] == b"mrfx" and len(value) == 5 else b""
    if action == "remove":
        return b""
    if not fits_jpeg(marker, value, codec):
        raise NotWalked(LONGER)
    return segment


def walk_j2k(data: Buffer) -> Walked:
    """A codestream of ITU-T T.800 or T.814 (JPEG 2000, HTJ2K), or a JP2 file around one."""
    if data[: len(JP2)] == JP2:
        return _walk_boxes(data)
    if data[:2] != b"\xff\x4f":
        raise NotWalked("a codestream does not begin with SOC")
    header, position, removed = _headers(data, 2, 0x90)
    if not fit_j2k(header):
        raise NotWalked(LONGER)
    parts, bodies = list[Buffer](), list[int]()
    while data[position : position + 2] == b"\xff\x90":
        part, position, left_out, body = _tile_part(data, position, header)
        parts.append(part)
        bodies.append(body)
        removed += left_out
    if not parts:
        raise NotWalked("a codestream without a tile")
    if data[position : position + 2] != b"\xff\xd9":
        raise (EndsEarly if position + 2 > len(data) else NotWalked)("a codestream does not end with EOC")
    lengths = [len(part) for part in parts]
    told = [length for segment in header if segment[1] == TLM for length in _told(segment)]
    if any(segment[1] == TLM for segment in header) and told != lengths:
        removed["TLM segment that is none"] = 1
        header = [segment for segment in header if segment[1] != TLM]
        if len(parts) < MOST_TOLD:  # some transfer syntaxes ask for it
            entries = b"".join(bytes(part[4:6]) + struct.pack(">L", len(part)) for part in parts)
            header.append(struct.pack(">2B H2B", 0xFF, TLM, len(entries) + 4, 0, 0x60) + entries)
    coded, at = list[Stretch](), 2 + sum(map(len, header))
    for part, body in zip(parts, bodies, strict=True):
        coded.append(Stretch(at + body, at + len(part)))
        at += len(part)
    content = b"".join((b"\xff\x4f", *header, *parts, b"\xff\xd9")) if removed else data[: position + 2]
    return Walked(content, position + 2, removed, tuple(coded))


def _told(segment: bytes) -> list[int]:
    """The lengths of tile-parts that a TLM segment tells (T.800 A.7.1); [-1] where it is none."""
    index, wide = segment[5] >> 4 & 3, 4 if segment[5] & 0x40 else 2
    size = index + wide
    if (len(segment) - 6) % size or index == 3:
        return [-1]
    return [int.from_bytes(segment[at + index : at + size], "big") for at in range(6, len(segment), size)]


def _tile_part(data: Buffer, position: int, main: list[bytes]) -> tuple[Buffer, int, Counter[str], int]:
    """A tile-part without what decoding does not need, where the next thing stands, what was left out, and where in it
    packets begin."""
    if position + 12 > len(data):
        raise EndsEarly("a tile-part is cut off")
    length = struct.unpack_from(">L", data, position + 6)[0]
    stop = position + length if length else _end_of(data, position)
    if stop > len(data):
        raise EndsEarly("a tile-part is cut off")
    header, body, removed = _headers(data, position + 12, 0x93)
    if not fit_j2k(header, main):
        raise NotWalked(LONGER)
    packets = b"".join(segment[5:] for segment in header if segment[1] == PLT)
    if packets and _packets(packets) != stop - body - 2:
        removed["PLT segment that is none"] += 1
        header = [segment for segment in header if segment[1] != PLT]
    if not removed:
        return memoryview(data)[position:stop], stop, removed, body + 2 - position
    content = b"".join((*header, data[body:stop]))
    new = struct.pack(">L", len(content) + 12 if length else 0)
    made = b"".join((data[position : position + 6], new, data[position + 10 : position + 12], content))
    return made, stop, removed, 12 + sum(map(len, header)) + 2


def _packets(lengths: bytes) -> int:
    """The sum of the lengths of packets of PLT segments: seven bits a byte, the eighth says that more follow."""
    made = number = 0
    for byte in lengths:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            made, number = made + number, 0
    return -1 if lengths[-1] >= 0x80 else made


def _end_of(data: Buffer, position: int) -> int:
    """Where a tile-part without a length ends: at the first EOC, which no coded data can hold (T.800 B.10.1)."""
    end = bytes(data).find(b"\xff\xd9", position)
    if end < 0:
        raise EndsEarly("a codestream has no end")
    return end


def _headers(data: Buffer, position: int, until: int) -> tuple[list[bytes], int, Counter[str]]:
    """The marker segments that stay up to ``until`` (SOT or SOD), where that is, what was left out."""
    kept, removed, known = list[bytes](), Counter[str](), actions("j2k")
    while True:
        if position + 2 > len(data):
            raise EndsEarly("a header is cut off")
        if data[position] == 0xFF and data[position + 1] == until:
            return kept, position, removed
        name, action = known.get(data[position + 1], ("", ""))
        if data[position] != 0xFF or not action:
            raise NotWalked("something other than a known marker in a header")
        segment = bytes(data[position : position + 2 + _length(data, position + 2)])
        position += len(segment)
        if action == "remove" or len(segment) < LEAST.get(segment[1], 0):
            removed[f"{name} segment"] += 1
        else:
            kept.append(segment)


def _walk_boxes(data: Buffer, position: int = 0, stop: int | None = None) -> Walked:
    kept, removed, known, coded = list[Buffer](), Counter[str](), actions("boxes"), tuple[Stretch, ...]()
    end = len(data) if stop is None else stop
    while position + 8 <= end and any(data[position:end]):
        length, kind = struct.unpack_from(">LL", data, position)
        start = position + 8
        if length == 1:
            length, start = struct.unpack_from(">Q", data, start)[0], start + 8
        after = position + length if length else end
        if after > end or after < start:
            raise EndsEarly("a box is cut off")
        _, action = known.get(kind, ("", "remove"))
        content = data[position:after]
        if action == "codestream":
            inner = walk_j2k(data[start:after])
            removed += inner.removed
            before = sum(map(len, kept)) + 8
            coded = tuple(Stretch(before + part.start, before + part.stop) for part in inner.coded)
            content = struct.pack(">LL", len(inner.content) + 8, kind) + bytes(inner.content)
            if not length or any(data[start + inner.end : after]):
                after = start + inner.end
        elif action == "header":
            inner = _walk_boxes(data, start, after)
            removed += inner.removed
            content = struct.pack(">LL", len(inner.content) + 8, kind) + bytes(inner.content)
        elif kind == COLOUR and bytes(data[start : start + 1]) != b"\1":  # no enumerated space, but a profile
            removed["colour profile"] += 1
            content = PLAIN_COLOUR
        elif action != "remove" and not fits_box(kind.to_bytes(4, "big"), bytes(data[start:after])):
            raise NotWalked("a box is longer than what it holds")
        if action == "remove":
            removed["box that decoding does not need"] += 1
        else:
            kept.append(content)
        position = after
    if not kept:
        raise NotWalked("a file without boxes")
    return Walked(b"".join(kept), position, removed, coded)


def walk_rle(data: Buffer, frame_bytes: int, segments: int) -> Walked:
    """A frame of PS3.5 Annex G: ``segments`` of ``frame_bytes // segments`` bytes each, without gaps or tails."""
    if len(data) < 64:
        raise NotWalked("an RLE frame without a header")
    number, *offsets = struct.unpack_from("<16L", data)
    if number != segments or frame_bytes % segments:
        raise NotWalked("an RLE frame with another number of segments")
    starts, wanted = offsets[:number], frame_bytes // segments
    stops = [*starts[1:], len(data)]
    if starts[0] != 64 or any(start >= stop or stop > len(data) for start, stop in zip(starts, stops, strict=True)):
        raise NotWalked("an RLE frame whose segments do not follow each other")
    parts = [
        _rle_segment(memoryview(data), start, stop, wanted, at_end=stop == len(data))
        for start, stop in zip(starts, stops, strict=True)
    ]
    removed = Counter({"unused offsets": 1}) if any(offsets[number:]) else Counter[str]()
    if any(isinstance(part, bytes) for part in parts):  # made anew, which may be as long as it was
        removed["bytes after an RLE segment"] += 1
    if not removed:
        return Walked(data, len(data), removed)
    places, position = [], 64
    for part in parts:
        places.append(position)
        position += len(part)
    header = struct.pack("<16L", number, *places, *[0] * (15 - number))
    return Walked(header + b"".join(parts), len(data), removed)


def _rle_segment(data: memoryview, start: int, stop: int, wanted: int, *, at_end: bool) -> Buffer:
    """The bytes that decode to ``wanted`` bytes, padded to an even length with 0 as they may be."""
    if codecs.unpacks_to(data[start:stop], wanted):
        return data[start:stop]
    position, made = start, 0
    try:
        while made < wanted:
            head = data[position]
            made += RUN_MAKES[head]
            position += RUN_TAKES[head]
    except IndexError:
        raise NotWalked("an RLE segment ends early") from None
    if made != wanted or position > stop:
        raise NotWalked("an RLE segment decodes to another length")
    tail = data[position:stop]
    padded = position + (position - start) % 2
    if len(tail) <= 1 + at_end and not any(tail):
        return data[start:stop]
    return bytes(data[start:position]) + b"\0" * (padded - position)


WALKERS: dict[str, Callable[[Buffer], Walked]] = {
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55, 57, 70)), walk_jpeg),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (80, 81)), lambda data: walk_jpeg(data, "jpegls")),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93, 201, 202, 203)), walk_j2k),
}
"""By transfer syntax (PS3.5 Annex A.4). RLE needs the geometry (:func:`walk_rle`); where an image of JPEG XL ends is
known only when it is decoded; video cannot be walked."""
