"""Bytes among coded pixels that decoding does not need: behind the last block of a scan, the last packet of a tile.

No marker bounds them, and decoders pass over them. Coded pixels rarely read as text. Where they do, the image is
decoded with other bytes in that place: if no pixel changes, the bytes are none of the picture's.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chorus_nb.dicom import codecs
from chorus_nb.dicom.encodings import Buffer
from chorus_nb.dicom.streams import LOOKED_AT, WALKERS, NotWalked, Stretch, Walked
from chorus_nb.errors import ChildFault
from chorus_nb.processes.child import in_child

OF_TEXT = rb"A-Za-z0-9 ^.,:/()_'=&-"  # what people and headers write: 75 of 256 bytes
BY_NO_CHANCE = 14  # such bytes in a row: one 160 kB image in 200 has them by chance
LONG_RUN = re.compile(rb"[%s]{%d,}" % (OF_TEXT, BY_NO_CHANCE))
IS_OF_TEXT = bytes(re.match(rb"[%s]" % OF_TEXT, bytes([byte])) is not None for byte in range(256))
HIGH_BITS = np.uint64(0x0080808080808080)  # of seven bytes: no text has them, and it has one of the two bits beside
BEFORE_MARKER = 96  # bytes before a marker: fewer tell there, fewest right before it; with a zero each it is UTF-16
# one image in 58 has them by chance, one in 115 where decoding takes long or there are many such markers
_LETTER, _UTF8 = rb"(?:[%s]\0?)" % OF_TEXT, rb"(?:[\xc3-\xf4][\x80-\xbf]{1,3}){4,}"
FEW, FEWER = (re.compile(rb"%s{%d,}|%s{%d,}\Z|%s" % (_LETTER, least, _LETTER, least - 2, _UTF8)) for least in (8, 7))
SLOW = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93))
LAST = 4  # bytes of a run that no pixel must need: no real image seen has that many to spare at its end
DISTINCT = 4  # bytes in a run: coded evenness repeats one or two
BACK = 64  # bytes before a text in which the end of an image of JPEG-LS is looked for
OTHERS = b"\x55", b"\xaa"  # each bit is once 0 and once 1, and no marker comes of them
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")


class Readable(NamedTuple):
    """A run of bytes that reads as text, and the coded data in which it stands."""

    start: int
    stop: int
    coded: Stretch


def without_unneeded(walked: Walked, syntax: str) -> Walked:
    """The image without text that none of its pixels needs; :class:`NotWalked` where it cannot be cut off."""
    runs = runs_of_text(walked, syntax)
    if not runs:
        return walked
    content = bytes(walked.content)
    try:
        found = in_child(unneeded, content, syntax, runs)
    except ChildFault:
        raise NotWalked("coded pixels that read as text and cannot be decoded") from None
    if not found:
        return walked
    if not {part.stop for part in found} <= {part.stop for part in walked.coded}:
        raise NotWalked("a text in the midst of coded pixels")
    again = WALKERS[syntax](cut(content, found))
    noted = Counter({"bytes behind the last block": len(found)})
    return again._replace(end=walked.end, removed=walked.removed + again.removed + noted)


def runs_of_text(walked: Walked, syntax: str) -> list[Readable]:
    """Where coded data reads as text, from its end."""
    content, runs = walked.content, list[Readable]()
    for part in walked.coded:
        restarts = content[part.stop + 1] in range(0xD0, 0xD8)
        near = max(part.start, part.stop - BEFORE_MARKER)
        if codecs.imagecodecs:  # without a decoder only what is no chance is held back
            found = (FEW if restarts or syntax in SLOW else FEWER).finditer(content, near, part.stop)
            runs.extend(Readable(*run.span(), part) for run in found)
        runs.extend(Readable(*run, part) for run in _no_chance(content, part))
    told = (run for run in runs if len(set(content[run.start : run.stop])) >= DISTINCT)
    return sorted(set(told), reverse=True)


def _no_chance(content: Buffer, part: Stretch) -> Iterator[Stretch]:
    """The runs of :data:`BY_NO_CHANCE` bytes of text or more.

    Wherever such a run begins, it holds the first seven bytes of an aligned word of eight, all from 20 to 7F: looked at
    byte by byte is only where these are, at some twenty places of an image.
    """
    after = part.start
    for start in range(part.start + -part.start % 8, part.stop, LOOKED_AT):
        count = min(LOOKED_AT, part.stop - start + 7, len(content) - start) // 8
        words = np.frombuffer(content, "<u8", count, start)
        places = np.flatnonzero((words & HIGH_BITS) == 0)
        words = words[places]
        places = places[(words << 1 | words << 2) & HIGH_BITS == HIGH_BITS]
        for place in (start + 8 * places).tolist():
            before = bytes(content[max(after, place - 7) : place]).translate(IS_OF_TEXT)
            run = LONG_RUN.match(content, place - len(before) + before.rfind(b"\0") + 1, part.stop)
            if run and place >= after:
                yield Stretch(*run.span())
                after = run.end()


def unneeded(content: bytes, syntax: str, runs: list[Readable]) -> list[Stretch]:
    """For the supervised child: which bytes around ``runs`` no decoded pixel needs; none overlap, the last come first.

    Any fault of a decoder where the image cannot be decoded as it is.
    """
    try:
        pixels = codecs.decode_image(content, syntax)
    except Exception:
        if syntax not in JPEG_LS:
            raise
        return [_end_of_jpeg_ls(content, syntax, runs[-1])]
    found: list[Stretch] = []
    for run in runs:
        low, high, end = run.coded.start, run.stop - LAST, run.coded.stop
        if found and run.start >= found[-1].start:
            continue
        if not _is_unneeded(content, syntax, pixels, Stretch(high, end)):
            inner = Stretch(run.start + LAST, high)  # its letters at both ends may be pixels that read so
            if inner.stop - inner.start >= LAST and _is_unneeded(content, syntax, pixels, inner):
                found.append(inner)
            continue
        while low < high:  # where what is not needed begins: only its end needs to read as text
            middle = (low + high) // 2
            if _is_unneeded(content, syntax, pixels, Stretch(middle, end)):
                high = middle
            else:
                low = middle + 1
        high += content[high - 1] == 0xFF  # what is stuffed behind it stays
        # the last bytes of a packet may be any, but have to be there
        starts = range(high, max(high, run.stop - LAST) + 1)
        parts = (Stretch(start, end) for start in starts)
        part = next((part for part in parts if _same(cut(content, [part]), syntax, pixels)), None)
        if part is None:
            raise NotWalked("the end of an image")
        found.append(part)
    return found


def _is_unneeded(content: bytes, syntax: str, pixels: NDArray[np.generic], part: Stretch) -> bool:
    for other in OTHERS:
        changed = content[: part.start] + other * (part.stop - part.start) + content[part.stop :]
        if not _same(changed, syntax, pixels):
            return False
    return True


def _same(content: bytes, syntax: str, pixels: NDArray[np.generic]) -> bool:
    try:
        return np.array_equal(codecs.decode_image(content, syntax), pixels)
    except Exception:
        return False


def _end_of_jpeg_ls(content: bytes, syntax: str, run: Readable) -> Stretch:
    """Its decoders refuse what follows the last block: the only end with which they read the image is the right one."""
    latest = min(run.stop, run.start + BY_NO_CHANCE)  # its first letters may be coded pixels that read so
    for start in range(latest, max(run.coded.start, run.start - BACK), -1):
        try:
            codecs.decode_image(content[:start] + content[run.coded.stop :], syntax)
        except Exception:
            continue
        return Stretch(start, run.coded.stop)
    raise NotWalked("an image of JPEG-LS that cannot be decoded")


def cut(content: bytes, parts: list[Stretch]) -> bytes:
    """``content`` without ``parts``, and with the lengths of the tile-parts that then hold."""
    for part in parts:
        for sot in _tile_parts(content):
            (length,) = struct.unpack_from(">L", content, sot + 6)
            if length and sot + length == part.stop:
                told = struct.pack(">L", length - (part.stop - part.start))
                content = content[: sot + 6] + told + content[sot + 10 :]
        content = content[: part.start] + content[part.stop :]
    return content


def _tile_parts(content: bytes) -> list[int]:
    """Where tile-parts of a codestream begin; [] for any other image."""
    if content[:2] != b"\xff\x4f":
        return []
    found, at = list[int](), content.index(b"\xff\x90")
    while content[at : at + 2] == b"\xff\x90":
        found.append(at)
        (length,) = struct.unpack_from(">L", content, at + 6)
        at = at + length if length else len(content)
    return found
