"""The colour profile of a picture (PS3.3 C.11.15; ICC.1:2022) without the words of whoever made it: what its colours
are stays, and says nothing of anybody."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from chorus_nb.deid.values import readable, reads_as_text

ICC_PROFILE = 0x00282000
ICC_TEXTS = "ICC.1:2022: the texts of a colour profile are no part of its colours"
HEADER, ENTRY = 128, 12  # bytes (ICC.1 7.2, 7.3.1)
MOST_TAGS = 100
# tags and types of numbers (ICC.1 section 9 and 10); every other tag goes
COLOUR_TAGS = frozenset(
    b"rXYZ gXYZ bXYZ rTRC gTRC bTRC kTRC wtpt bkpt lumi chad chrm meas view tech gamt A2B0 A2B1 A2B2 B2A0 B2A1 B2A2 "
    b"A2B3 B2A3 D2B0 D2B1 D2B2 D2B3 B2D0 B2D1 B2D2 B2D3 pre0 pre1 pre2 cicp".split()
)
TYPES_OF_NUMBERS = re.compile(rb"XYZ |curv|para|mft[12]|m[AB][AB] |sf32|chrm|meas|view|sig |mpet|cicp")
FIRST_FIELDS = re.compile(  # version, class, colour space, and the space it is connected by (ICC.1 7.2.4 to 7.2.7)
    rb"[\2-\5].\0\0(?:scnr|mntr|prtr|spac)(?:XYZ |Lab |Luv |YCbr|Yxy |RGB |GRAY|HSV |HLS |CMYK|CMY )(?:XYZ |Lab )",
    re.DOTALL,
)
KEPT_OF_HEADER = (slice(8, 24), slice(36, 40), slice(44, 48), slice(56, 80))  # and "acsp", flags, intent, white
NO_WORD_V2, NO_WORD = b"desc" + bytes(7) + b"\1" + bytes(79), b"text" + bytes(5)
NO_WORD_V4 = b"mluc" + bytes(7) + b"\1" + struct.pack(">I2s2sII", 12, b"en", b"US", 2, 28) + b"\0 "
ANY_DAY = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)


def without_texts(profile: bytes, is_own: Callable[[str], bool]) -> bytes:
    """The profile with the numbers of its colours only; nothing where it is none that can be read, or
    where a text stands among these numbers. ``is_own``: whether a text holds what is the patient's.

    >>> without_texts(b"no profile", bool)
    b''
    """
    if len(profile) < HEADER + 4 or profile[36:40] != b"acsp" or not FIRST_FIELDS.match(profile, 8):
        return b""
    (count,) = struct.unpack_from(">I", profile, HEADER)
    if count > MOST_TAGS or HEADER + 4 + count * ENTRY > len(profile):
        return b""
    entries = [struct.unpack_from(">4sII", profile, HEADER + 4 + at * ENTRY) for at in range(count)]
    bodies = {tag: profile[start : start + size] for tag, start, size in entries if tag in COLOUR_TAGS}
    kept = {tag: body for tag, body in bodies.items() if TYPES_OF_NUMBERS.match(body)}
    newer = profile[8] >= 4
    kept |= {b"desc": NO_WORD_V4 if newer else NO_WORD_V2, b"cprt": NO_WORD_V4 if newer else NO_WORD}  # must stand
    header = bytearray(HEADER)
    for part in KEPT_OF_HEADER:
        header[part] = profile[part]
    header[24:36] = ANY_DAY
    table, data, start = struct.pack(">I", len(kept)), b"", HEADER + 4 + len(kept) * ENTRY
    places = dict[bytes, int]()  # red, green and blue often share a curve
    for tag, body in kept.items():
        if body not in places:
            places[body] = start + len(data)
            data += body + bytes(-len(body) % 4)
        table += struct.pack(">4sII", tag, places[body], len(body))
    made = struct.pack(">I", start + len(data)) + bytes(header[4:]) + table + data
    return b"" if reads_as_text(made) or is_own(readable(made)) else made
