"""Values of data elements: decoding and encoding text, headers of elements, dummies (PS3.5 sections 6.1, 6.2, 7.1)."""

from __future__ import annotations

import re
import struct
import warnings
from functools import lru_cache
from typing import NamedTuple

from pydicom import charset as pydicom_charset

from chorus_nb.dicom.spans import LONG, Buffer, Element

TEXT = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))  # may carry words
UNDIVIDED = frozenset(("LT", "ST", "UR", "UT"))  # a backslash in them is a character, not a separator
FORMATTED = frozenset(("AS", "DA", "DS", "DT", "IS", "TM", "UI"))  # text of a fixed form
LONGEST = {"AE": 16, "CS": 16, "LO": 64, "PN": 64, "SH": 16, "ST": 1024, "LT": 10240}
_TIME = rb"(?:(?:[01]\d|2[0-4])(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:\.\d*)?)?)?)?"
FORMS = {
    "AS": re.compile(rb"[0-9DWMY\\ \0]*\Z"),
    "DA": re.compile(rb"[0-9.\-\\ \0]*\Z"),
    "DS": re.compile(rb"[0-9+\-.eE\\ \0]*\Z"),
    "DT": re.compile(rb"[0-9.+\-\\ \0]*\Z"),
    "IS": re.compile(rb"[0-9+\-\\ \0]*\Z"),
    "TM": re.compile(rb"(?:%s)(?: *[\\-] *(?:%s))*[ \0]*\Z" % (_TIME, _TIME)),
    "UI": re.compile(rb"[0-9.\\ \0]*\Z"),
    "CS": re.compile(rb"[A-Z0-9_ \\\0]*\Z"),
}
DUMMIES = {
    "AS": "000D",
    "CS": "REMOVED",
    "DA": "20000101",  # 00010101 would break dcm2niix and pandas
    "DS": "0",
    "DT": "20000101000000",
    "IS": "0",
    "TM": "000000",
    "UI": "",
}
_PRINTABLE = re.compile(rb"[\x20-\x7e\xa0-\xff]{5,}")
WORD_SIZES = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}

Charset = tuple[str, ...]  # Python encodings of Specific Character Set (0008,0005)
DEFAULT_CHARSET: Charset = ("iso8859",)


def family(vr: str) -> str:
    """Text, formatted text, words of bytes, or a sequence: VRs of one family may stand in for each other."""
    if vr in TEXT:
        return "text"
    if vr in FORMATTED:
        return "SQ" if vr == "SQ" else vr
    return "words" if vr in WORD_SIZES else "SQ" if vr == "SQ" else "bytes"


def charset_of(data: Buffer, elements: list[Element], inherited: Charset) -> Charset:
    """The encodings a data set or item declares; an unknown one falls back to what a byte can always be read as."""
    for element in elements:
        if element.tag == 0x00080005:
            terms = bytes(data[element.value : element.end]).decode("ascii", "replace").strip(" \0")
            return encodings(terms)
        if element.tag > 0x00080005:
            break
    return inherited


@lru_cache(maxsize=256)
def encodings(terms: str) -> Charset:
    """Python encodings for the defined terms of Specific Character Set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warning quotes the value
        try:
            return tuple(pydicom_charset.convert_encodings(terms.split("\\")))
        except (LookupError, ValueError):
            return DEFAULT_CHARSET


def decode(raw: bytes, charset: Charset) -> str:
    """Text of a value; what its character set cannot say becomes a replacement character, never an error."""
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom_charset.decode_bytes(raw, list(charset), set(b"\\^=\r\n\f\t"))
        except (LookupError, ValueError):
            return raw.decode("latin-1")


def encode(text: str, charset: Charset) -> bytes:
    """Bytes of a text in its character set; a character it lacks becomes ``?``."""
    if text.isascii():
        return text.encode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom_charset.encode_string(text, list(charset))
        except (LookupError, ValueError):
            return text.encode(charset[0], "replace")


class Encoding(NamedTuple):
    """How elements are written: implicit or explicit VR, byte order."""

    implicit: bool
    big: bool

    def element(self, tag: int, vr: str, value: bytes, undefined: bool = False) -> bytes:
        """A whole element; ``value`` is padded to even length as its VR wants."""
        order = ">" if self.big else "<"
        if len(value) & 1:
            value += b"\0" if vr in ("OB", "UI", "UN") else b" "
        length = 0xFFFFFFFF if undefined else len(value)
        head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
        if self.implicit:
            return head + struct.pack(order + "L", length) + value
        code = vr.encode("ascii")
        if code in LONG:
            return head + code + b"\0\0" + struct.pack(order + "L", length) + value
        return head + code + struct.pack(order + "H", length) + value

    def item(self, content: bytes, undefined: bool) -> bytes:
        """An item of a sequence around its encoded elements."""
        order = ">" if self.big else "<"
        if undefined:
            end = struct.pack(order + "HHL", 0xFFFE, 0xE00D, 0)
            return struct.pack(order + "HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + content + end
        return struct.pack(order + "HHL", 0xFFFE, 0xE000, len(content)) + content

    def sequence(self, tag: int, vr: str, items: bytes, undefined: bool) -> bytes:
        """A sequence around its encoded items."""
        if undefined:
            order = ">" if self.big else "<"
            items += struct.pack(order + "HHL", 0xFFFE, 0xE0DD, 0)
        return self.element(tag, vr, items, undefined)


def dummy(vr: str) -> bytes:
    """A value that says nothing, legal for the VR (PS3.15 E.1.2)."""
    if vr in WORD_SIZES:
        return bytes(WORD_SIZES[vr])
    return DUMMIES.get(vr, "REMOVED" if vr in TEXT else "").encode("ascii")


def readable(raw: bytes) -> str:
    """What a person could read in binary data: its runs of at least five printable characters."""
    return " ".join(run.decode("latin-1") for run in _PRINTABLE.findall(raw)) if len(raw) >= 5 else ""


def shorten(text: str, vr: str) -> str:
    """Cut to what the VR can hold."""
    return text[: LONGEST[vr]] if vr in LONGEST else text
