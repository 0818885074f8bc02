"""What stands in the pixel data element of a released file besides pixels: read anew, with pydicom's own parts.

Built on nothing of the de-identifier; both are held to the same carriers (tests/pixel_carriers.py).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_fragments, parse_basic_offsets

from chorus_nb.leaks import reading
from chorus_nb.leaks.search import Hit, Searcher
from chorus_nb.verify.coded_text import text_that_no_pixel_needs

CODESTREAMS = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93, 201, 202, 203))
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
OF_JPEG = frozenset((*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xF7, 0xF8)) - {0xC8}
OF_J2K = frozenset((*range(0x50, 0x54), 0x56, 0x59, *range(0x5C, 0x60), 0x60, 0x61))
BOXES = frozenset((b"jP  ", *b"ftyp jp2h ihdr bpcc colr pclr cmap cdef jp2c".split()))
APPLICATION = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe\0", 12), 0xE8: (b"mrfx", 5)}  # how it begins and how long it is
SOF = re.compile(rb"\xff(?:[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf\xf7])\0[\x0b-\x17](.)(..)(..)([\1-\4])", re.DOTALL)
PADDING = 512  # zeros
NO_CHANCE = 7  # bytes of a term that coded pixels do not hold by chance


def among_pixels(dataset: FileDataset) -> list[str]:
    """In words, what of the pixel data element is no pixel; [] = nothing. Never a value."""
    value, syntax = bytes(dataset.PixelData), dataset.file_meta.TransferSyntaxUID
    try:
        if not syntax.is_encapsulated:
            return [*_of_native(dataset, value)]
        return [*_of_fragments(dataset, value, str(syntax))]
    except (ValueError, IndexError, struct.error):
        return ["the pixel data cannot be taken apart"]


def is_coded(dataset: Dataset) -> bool:
    """Whether pixels are entropy-coded. Native ones and RLE are numbers to the last byte: :func:`among_pixels`."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return "PixelData" in dataset and syntax.is_encapsulated and syntax != RLE_LOSSLESS


def hits_among_coded(searcher: Searcher, dataset: Dataset) -> Iterator[Hit]:
    """What is found among coded bytes, which no marker bounds: decoders pass over what follows the last block."""
    for hit in searcher.search(dataset.PixelData):
        if hit.end - hit.start >= NO_CHANCE and hit.severity in ("high", "medium"):
            yield hit


def _of_native(dataset: FileDataset, value: bytes) -> Iterator[str]:
    wanted = reading.expected_length(dataset) or 0
    if dataset.PhotometricInterpretation == "YBR_FULL_422" and len(value) // 2 == wanted * 3 // 4:
        wanted = len(value)
    if len(value) > wanted + wanted % 2 or any(value[wanted:]):
        yield "bytes behind the pixels"
    allocated = int(dataset.BitsAllocated)
    if allocated in (8, 16, 32, 64):
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        yield from _of_bits(dataset, np.frombuffer(value, f"{order}u{allocated // 8}", wanted * 8 // allocated))


def _of_bits(dataset: FileDataset, numbers: np.ndarray) -> Iterator[str]:
    """What stands in bits that Bits Stored leaves out; ``numbers`` without a sign."""
    allocated, stored, high = (int(dataset[name].value) for name in ("BitsAllocated", "BitsStored", "HighBit"))
    if stored >= allocated:
        return
    kind = "i" if dataset.PixelRepresentation else "u"
    plane = numbers.reshape(-1, int(dataset.Columns))
    low = high + 1 - stored
    if low and np.any(plane & ((1 << low) - 1)):
        yield "something in the bits below the pixels"
    beyond = plane >> (high + 1)
    if not beyond.any():
        return
    signed = plane.view(plane.dtype.str.replace("u", kind)).astype(np.int64)
    limit = 1 << (high if kind == "i" else high + 1)
    if kind == "i" and signed.min() >= -limit and signed.max() < limit:
        return  # a sign, extended
    # a picture that goes on above Bits Stored has no cliff where those bits begin
    cliff = np.diff(beyond.astype(np.int64), axis=0) != 0
    if cliff.any() and np.quantile(np.abs(np.diff(signed, axis=0))[cliff], 0.8) < (1 << (high + 1)) / 2:
        return
    if len(np.unique(signed[beyond != 0])) > 1 or not all(_is_one_run(row) for row in beyond == 0):
        yield "something in the bits above Bits Stored"


def _is_one_run(within: np.ndarray) -> bool:
    """Whether a row is padding, picture, padding: too plain to be a text."""
    places = np.flatnonzero(within)
    return not len(places) or int(places[-1] - places[0]) + 1 == len(places)


def _of_fragments(dataset: FileDataset, value: bytes, syntax: str) -> Iterator[str]:
    table, pieces = parse_basic_offsets(value), list(generate_fragments(value))[1:]
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + 8 + len(piece))
    frames = int(dataset.get("NumberOfFrames") or 1)
    if table and (len(table) != frames or not set(table) <= set(starts[:-1])):
        yield "an offset table that is none"
    extended = bytes(dataset.get("ExtendedOffsetTable", b""))
    if extended and not set(struct.unpack(f"<{len(extended) // 8}Q", extended)) <= set(starts[:-1]):
        yield "an extended offset table that is none"
    if syntax == RLE_LOSSLESS or any(_bits(piece) > int(dataset.BitsStored) for piece in pieces):
        yield from _of_coded_bits(dataset)
    if syntax == RLE_LOSSLESS:
        if len(pieces) != frames:
            yield "another number of fragments than of frames"
        for piece in pieces:
            yield from _of_run_lengths(dataset, piece)
        return
    found, rest = 0, b"".join(pieces)
    while rest and any(rest):
        end, strange, coded = _of_image(rest, syntax)
        yield from strange
        yield from text_that_no_pixel_needs(dataset, rest[:end], coded)
        if _says(rest[:end]) != tuple(int(dataset[name].value) for name in ("Rows", "Columns", "SamplesPerPixel")):
            yield "an image of another size than the header says"
        found += 1
        rest = rest[end:]
        zeros = len(rest) - len(rest.lstrip(b"\0"))
        rest = rest[min(zeros, PADDING) :] if rest[zeros : zeros + 1] in (b"\xff", b"") else rest
        if found > frames or rest[:1] not in (b"\xff", b""):
            break
    if found != frames or any(rest):
        yield "more than the frames that the header announces"


def _bits(piece: bytes) -> int:
    """The bits of a sample that a JPEG stream says it has; 0 where a fragment begins none."""
    found = SOF.search(piece) if piece[:2] == b"\xff\xd8" else None
    return found[1][0] if found else 0


def _of_coded_bits(dataset: FileDataset) -> Iterator[str]:
    """The same of coded grey pixels: decoded with all their bits, of which decoders hide those beyond Bits Stored."""
    if int(dataset.SamplesPerPixel) != 1 or int(dataset.BitsStored) >= (allocated := int(dataset.BitsAllocated)):
        return
    whole = reading.altered(dataset, BitsStored=allocated, HighBit=allocated - 1)
    try:
        numbers = reading.decode_pixels(whole)
    except Exception:  # told as what cannot be decoded
        return
    yield from _of_bits(dataset, np.ascontiguousarray(numbers).view(f"u{numbers.itemsize}").ravel())


class _Image(NamedTuple):
    end: int
    strange: list[str]  # what in it decoding does not need
    coded: list[tuple[int, int]]  # from where to where coded pixels stand


def _of_image(data: bytes, syntax: str) -> _Image:
    """The image at the start of ``data``."""
    if data[4:8] == b"jP  ":
        return _Image(len(data.rstrip(b"\0")), [*_of_boxes(data.rstrip(b"\0"))], [(0, len(data))])
    return _of_codestream(data) if syntax in CODESTREAMS else _of_jpeg(data)


def _of_jpeg(data: bytes) -> _Image:
    strange, place, coded, scan = list[str](), 2, list[tuple[int, int]](), 0
    spare, quantised = set[tuple[int, int]](), b""
    if data[:2] != b"\xff\xd8":
        raise ValueError
    while True:
        place = data.index(b"\xff", place)
        mark = data[place + 1]
        if mark >= 0xC0 and mark != 0xFF and scan:
            coded.append((scan, place))
            scan = place + 2 if 0xD0 <= mark <= 0xD7 else 0
        if mark == 0xD9:
            return _Image(place + 2, strange + ["a table that no scan uses"] * len(spare), coded)
        if mark in (0xFF, 0x00) or 0xD0 <= mark <= 0xD7 or (mark < 0x80):
            place += 1 if mark == 0xFF else 2  # fill, stuffed byte, restart: of the coded data
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        inside = data[place + 4 : place + 2 + length]
        begins, size = APPLICATION.get(mark, (b"", 0))
        if mark not in OF_JPEG and not (begins and inside.startswith(begins) and len(inside) == size):
            strange.append("a segment that decoding does not need")
        if mark in (0xDB, 0xC4):
            for key in _tables_in(mark, inside):
                strange += ["a table that no scan uses"] * (key in spare)
                spare.add(key)
        elif mark == 0xDA:
            named = inside[2 : 2 + 2 * inside[0] : 2]
            spare -= {(0xDB, each) for each in quantised}
            spare -= {(0xC4, each) for both in named for each in (both >> 4, 0x10 | both & 15)}
        elif 0xC0 <= mark <= 0xCF and mark != 0xCC:
            quantised = inside[8::3]
        if len(inside) != {0xDA: 4 + 2 * inside[0], 0xDC: 2}.get(mark, len(inside)):
            strange.append("a segment longer than what it holds")
        place += 2 + length
        scan = place if mark == 0xDA else 0


def _says(image: bytes) -> tuple[int, int, int]:
    """Rows, columns and samples of a pixel, as the frame header of the image has them."""
    if image[:2] == b"\xff\xd8":
        frame = next(SOF.finditer(image))
        rows, columns = (int.from_bytes(frame[number], "big") for number in (2, 3))
        if not rows and b"\xff\xdc\0\x04" in image:
            rows = int.from_bytes(image[image.index(b"\xff\xdc\0\x04") + 4 :][:2], "big")
        return rows, columns, frame[4][0]
    siz = image[image.index(b"\xff\x4f\xff\x51") :]
    right, low, left, top = struct.unpack_from(">4L", siz, 8)
    return low - top, right - left, int.from_bytes(siz[40:42], "big")


def _tables_in(mark: int, inside: bytes) -> Iterator[tuple[int, int]]:
    """The tables that a segment of JPEG defines."""
    place = 0
    while place < len(inside):
        yield mark, inside[place] & (15 if mark == 0xDB else 0xFF)
        place += (129 if inside[place] > 15 else 65) if mark == 0xDB else 17 + sum(inside[place + 1 : place + 17])


def _of_codestream(data: bytes) -> _Image:
    strange, place, told, sizes, coded = list[str](), 2, list[int](), list[int](), list[tuple[int, int]]()
    if data[:2] != b"\xff\x4f":
        raise ValueError
    while True:
        first, mark = data[place], data[place + 1]
        if first != 0xFF:
            raise ValueError
        if mark == 0xD9:
            index = [] if told in ([], sizes) else ["an index of tile-parts that is none"]
            return _Image(place + 2, strange + index, coded)
        (length,) = struct.unpack_from(">H", data, place + 2)
        if mark == 0x90:  # a tile-part: its header, then coded data up to where it says it ends
            (whole,) = struct.unpack_from(">L", data, place + 6)
            after = place + whole if whole else data.index(b"\xff\xd9", place)
            strange += _of_tile(data[place + 2 + length : after])
            coded.append((data.index(b"\xff\x93", place + 2 + length) + 2, after))
            sizes.append(after - place)
            place = after
            continue
        if mark == 0x55:
            way = data[place + 5]
            form = ("", "B", "H")[way >> 4 & 3] + ("L" if way & 0x40 else "H")
            told += [entry[-1] for entry in struct.iter_unpack(f">{form}", data[place + 6 : place + 2 + length])]
        elif mark not in OF_J2K:
            strange.append("a segment that decoding does not need")
        place += 2 + length


def _of_tile(part: bytes) -> Iterator[str]:
    """Of a tile-part behind its first segment: its header, and packets as long as an index of them says."""
    place, packets = 0, b""
    while part[place : place + 2] != b"\xff\x93":
        (length,) = struct.unpack_from(">H", part, place + 2)
        if part[place + 1] == 0x58:
            packets += part[place + 5 : place + 2 + length]
        elif part[place + 1] not in OF_J2K:
            yield "a segment that decoding does not need"
        place += 2 + length
    numbers = re.findall(rb"[\x80-\xff]*[\0-\x7f]", packets)
    sizes = [sum((byte & 127) << 7 * power for power, byte in enumerate(reversed(number))) for number in numbers]
    if packets and (sum(sizes) != len(part) - place - 2 or packets[-1] > 127):
        yield "an index of packets that is none"


def _of_boxes(data: bytes) -> Iterator[str]:
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, place)
        length = length or len(data) - place
        if kind not in BOXES or length < 8 or place + length > len(data):
            yield "a box that decoding does not need"
            return
        inside = data[place + 8 : place + length]
        if kind == b"colr" and (len(inside) != 7 or inside[:1] != b"\1"):
            yield "a colour profile"
        if kind == b"jp2h":
            yield from _of_boxes(inside)
        elif kind == b"jp2c":
            end, strange, _ = _of_codestream(inside)
            yield from strange
            if end != len(inside):
                yield "bytes behind a codestream"
        place += length
    if place != len(data):
        yield "bytes behind the boxes"


def _of_run_lengths(dataset: FileDataset, piece: bytes) -> Iterator[str]:
    number, *offsets = struct.unpack_from("<16L", piece)
    if any(offsets[number:]) or offsets[0] != 64:
        yield "something in the header of a frame"
    wanted = int(dataset.Rows) * int(dataset.Columns)
    for start, stop in zip(offsets[:number], [*offsets[1:number], len(piece)], strict=True):
        made, place = 0, start
        while made < wanted and place < stop:
            code = piece[place]
            run = 0 if code == 128 else code + 1 if code < 128 else 257 - code
            made, place = made + run, place + (1 if code == 128 else run + 1 if code < 128 else 2)
        if made != wanted or stop - place > 2 or any(piece[place:stop]):
            yield "bytes behind a segment of a frame"
