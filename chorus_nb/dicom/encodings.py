"""How DICOM is encoded (PS3.5 §7): value representations, byte order, and the names of tags and sequences."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from pydicom import datadict

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
LONG_VRS = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"  # a 32-bit length follows two reserved bytes (PS3.5 §7.1.2)
SHORT_VRS = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
VRS = {vr.encode(): (vr, long) for vrs, long in ((LONG_VRS, True), (SHORT_VRS, False)) for vr in vrs.split()}
WORD = {"US": 2, "SS": 2, "OW": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4}
WORD |= {"FD": 8, "OD": 8, "SV": 8, "UV": 8, "OV": 8}


@lru_cache(maxsize=65536)
def dictionary_vr(tag: int, creator: str) -> str:
    """The VR the DICOM dictionary (or pydicom's private one) gives; the first where it gives a choice, UN if none."""
    try:
        vr = datadict.private_dictionary_VR(tag, creator) if tag >> 16 & 1 else datadict.dictionary_VR(tag)
    except KeyError:
        return "UN"
    return vr.split(" or ")[0]


def swapped(value: bytes, vr: str) -> bytes:
    """A big endian value as little endian."""
    width = WORD.get(vr, 1)
    if width == 1 or len(value) % width:
        return value
    return np.frombuffer(value, f">u{width}").astype(f"<u{width}").tobytes()


def encoding_of(first: bytes) -> tuple[bool, str]:
    """(explicit VR, byte order), seen from the first element: what the file says of itself is not always true."""
    explicit = first[4:6] in VRS
    if not explicit:
        return False, "<"
    return True, ">" if first[0] == 0 and first[1] != 0 else "<"  # group 0008 as 00 08
