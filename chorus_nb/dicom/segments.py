"""Segments of compressed images held to the length, and tables to the use, that their format gives them.

Decoders pass over what is behind them, and over tables that no scan names: a text there would leave.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from chorus_nb.dicom.encodings import Buffer

SOI = b"\xff\xd8"
DQT, DHT, SOS = 0xDB, 0xC4, 0xDA
WITHOUT_AC = (0xC3, 0xC7, 0xCB, 0xCF, 0xF7)  # SOF of which no scan names a table for AC
SIZ, COD, COC, QCD, QCC, RGN, CAP, PRF, CPF = 0x51, 0x52, 0x53, 0x5C, 0x5D, 0x5E, 0x50, 0x56, 0x59
HTJ2K = b"\0\2\0\0"  # of CAP: Part 15 alone
BRANDS = frozenset((b"jp2 ", b"jph ", b"jpx ", b"jpxb", b"J2P0", b"J2P1"))
MOST_CHANNELS = 4  # colours, and what is seen through
_Table = tuple[int, int]  # DQT or DHT; its destination, with the class of DHT


def fits_jpeg(marker: int, value: bytes, codec: str) -> bool:
    """Whether the value of a segment of ITU-T T.81 or T.87 (``jpegls``) is as long as what it says it holds."""
    if marker == SOS:
        return len(value) == 4 + 2 * value[0]
    if marker == 0xDD:  # DRI; wider in T.87 C.2.5
        return len(value) == 2 or (codec == "jpegls" and len(value) in (3, 4))
    if marker == 0xDC:  # DNL
        return len(value) == 2
    if marker == 0xCC:  # DAC: class and destination, then a number
        return not len(value) % 2 and all(each >> 4 < 2 and each & 15 < 4 for each in value[::2])
    if marker == 0xF8:  # LSE: the presets of the coder; tables of colours are none of DICOM's
        return value[:1] == b"\1" and len(value) == 11
    if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker != DHT):
        return len(value) == 6 + 3 * value[5]
    return not (marker in (DQT, DHT) and _tables(marker, value)[-1:] != [len(value)])


def _tables(marker: int, value: bytes) -> list[int]:
    """Where the tables of a segment end."""
    ends, at = list[int](), 0
    while at < len(value):
        at += (65 if value[at] < 0x10 else 129) if marker == DQT else 17 + sum(value[at + 1 : at + 17])
        ends.append(at)
    return ends


def size_of(stream: Buffer) -> tuple[int, int, int]:
    """Rows, columns and samples of a pixel that a walked JPEG or JPEG 2000 stream (or JP2 file) says it has."""
    data = bytes(stream)
    if data[:2] != SOI:
        right, low, left, top = struct.unpack_from(">4L", data, data.index(b"\xff\x4f\xff\x51") + 8)
        return low - top, right - left, int.from_bytes(data[data.index(b"\xff\x4f\xff\x51") + 40 :][:2], "big")
    at = _frame_header(data)
    rows, columns, samples = struct.unpack_from(">2HB", data, at + 5)
    if not rows and (told := data.find(b"\xff\xdc\0\x04", at)) > 0:  # DNL: said behind the first scan
        (rows,) = struct.unpack_from(">H", data, told + 4)
    return rows, columns, samples


def _frame_header(data: bytes) -> int:
    """Where SOF stands in a walked JPEG stream."""
    at = 2
    while data[at + 1] in (DHT, 0xCC) or not (0xC0 <= data[at + 1] <= 0xCF or data[at + 1] == 0xF7):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def bits_of(stream: Buffer) -> int:
    """The most bits that a sample of such a stream may have."""
    data = bytes(stream)
    if data[:2] == SOI:
        return data[_frame_header(data) + 4]
    at = data.index(b"\xff\x4f\xff\x51") + 40
    samples = int.from_bytes(data[at : at + 2], "big")
    return max(each & 127 for each in data[at + 2 : at + 2 + 3 * samples : 3]) + 1


class Tables:
    """The tables of a JPEG stream, and which of them a scan uses before they are defined again."""

    def __init__(self) -> None:
        self._there: dict[_Table, tuple[int, int, int]] = {}  # segment, start, stop
        self._spare: set[tuple[int, int, int]] = set()
        self._quantised: Sequence[int] = ()
        self._lossless = False

    def meet(self, number: int, marker: int, segment: bytes) -> None:
        """A segment of the stream, in order; ``number``: which of those that stay."""
        value = segment[4:]
        if marker in (DQT, DHT):
            start = 0
            for stop in _tables(marker, value):
                place = number, start + 4, stop + 4
                self._there[marker, value[start] & (0x0F if marker == DQT else 0xFF)] = place
                self._spare.add(place)
                start = stop
        elif marker == SOS:
            named = value[2 : 2 + 2 * value[0] : 2]
            keys = [(DQT, each) for each in self._quantised] + [(DHT, each >> 4) for each in named]
            keys += [] if self._lossless else [(DHT, 0x10 | each & 0x0F) for each in named]
            self._spare -= {self._there[key] for key in keys if key in self._there}
        elif 0xC0 <= marker <= 0xCF and marker != 0xCC:
            self._quantised, self._lossless = value[8::3], marker in WITHOUT_AC

    def without_spare(self, kept: list[Buffer]) -> int:
        """Takes those that no scan uses out of the segments; how many they are."""
        for number in {place[0] for place in self._spare}:
            segment, at, parts = bytes(kept[number]), 4, list[bytes]()
            for stop in _tables(segment[1], segment[4:]):
                if (number, at, stop + 4) not in self._spare:
                    parts.append(segment[at : stop + 4])
                at = stop + 4
            tables = b"".join(parts)
            kept[number] = segment[:2] + struct.pack(">H", len(tables) + 2) + tables if tables else b""
        return len(self._spare)


def fit_j2k(header: Sequence[bytes], main: Sequence[bytes] = ()) -> bool:
    """Whether the segments of a header of ITU-T T.800 or T.814 are as long as what they hold; ``main``: the main header
    of the stream, where it is that of a tile-part."""
    every = [*main, *header]
    sizes = [segment for segment in every if segment[1] == SIZ]
    if len(sizes) != 1 or len(sizes[0]) < 40:
        return False
    components: int = struct.unpack_from(">H", sizes[0], 38)[0]
    wide = 1 if components < 257 else 2
    styled = {COD: 9, COC: 5 + wide}  # where they tell the levels of the decomposition
    levels = [each[styled[each[1]]] for each in every if each[1] in styled and len(each) > styled[each[1]]]
    return bool(levels) and all(_fits_j2k(each, components, wide, max(levels)) for each in header)


def _fits_j2k(segment: bytes, components: int, wide: int, levels: int) -> bool:
    value, marker = segment[4:], segment[1]
    if marker == SIZ:
        return len(value) == 36 + 3 * components
    if marker in (COD, COC):
        head = 5 if marker == COD else 1 + wide  # then five numbers, and a size of precincts for each level
        style = value[0 if marker == COD else wide]
        return len(value) > head and len(value) == head + 5 + (value[head] + 1 if style & 1 else 0)
    if marker in (QCD, QCC):
        steps = value[0 if marker == QCD else wide :]
        kind = steps[0] & 0x1F if steps else 3
        most = {0: 2 + 3 * levels, 1: 3, 2: 3 + 6 * levels}.get(kind, 0)
        return len(steps) <= most
    if marker == CAP:
        return len(value) == 6 and value[:4] == HTJ2K
    return {RGN: 2 + wide, PRF: 2, CPF: 2}.get(marker, len(value)) == len(value)


def fits_box(kind: bytes, value: bytes) -> bool:
    """Whether the content of a box of a JP2 file (T.800 Annex I) is as long as what it holds, and names what it may."""
    if kind == b"ftyp":
        brands = [value[:4], *(value[at : at + 4] for at in range(8, len(value), 4))]
        return len(value) % 4 == 0 and len(value) >= 8 and BRANDS.issuperset(brands)
    if kind == b"pclr":
        entries, columns = (int.from_bytes(value[:2], "big"), value[2]) if len(value) > 2 else (0, 0)
        widths = sum(((depth & 0x7F) + 8) // 8 for depth in value[3 : 3 + columns])
        return len(value) == 3 + columns + entries * widths
    if kind == b"cdef":
        return len(value) == 2 + 6 * int.from_bytes(value[:2], "big") and len(value) <= 2 + 6 * MOST_CHANNELS
    if kind == b"cmap":
        return not len(value) % 4 and len(value) <= 4 * MOST_CHANNELS
    if kind == b"bpcc":
        return len(value) <= MOST_CHANNELS
    return {b"ihdr": 14, b"colr": 7, b"jP  ": 4}.get(kind, len(value)) == len(value)
