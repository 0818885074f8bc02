"""Values of data elements: the forms they must have, dummies, what a person could read in them (PS3.5 section 6.2)."""

from __future__ import annotations

import math
import re

from chorus_nb import standards
from chorus_nb.dicom.encodings import FORMATTED, TEXT, WORD_SIZES, vrs_of
from chorus_nb.dicom.spans import Element

UNDIVIDED = frozenset(("LT", "ST", "UR", "UT"))  # a backslash in them is a character, not a separator
LONGEST_TEXT = 16_384  # bytes of a text that is cleaned; PS3.5 allows 10,240 characters in the longest VR but UT and UC
MOST_CHARACTERS = {"AE": 16, "CS": 16, "LO": 64, "PN": 64, "SH": 16, "ST": 1024, "LT": 10240}
_TIME = rb"(?:(?:[01]\d|2[0-4])(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:\.\d*)?)?)?)?"
_NUMBER = rb"[ \0]*(?:[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[Nn][Aa][Nn]|[Ii][Nn][Ff])[ \0]*)?"
_NUMBERS = re.compile(rb"%s(?:\\%s)*\Z" % (_NUMBER, _NUMBER))
FORMS = {
    "AS": re.compile(rb"[0-9DWMY\\ \0]*\Z"),
    "DA": re.compile(rb"[0-9.\-\\ \0]*\Z"),
    "DS": _NUMBERS,
    "DT": re.compile(rb"[0-9.+\-\\ \0]*\Z"),
    "IS": _NUMBERS,  # 14.5 and 1.0 too: scanners write them, nothing breaks
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


def are_numbers(raw: bytes) -> bool:
    """Whether every value of a DS or IS is a finite number: NaN is harmless, but where something depends on it."""
    try:
        return all(math.isfinite(float(part.strip(b" \0"))) for part in raw.split(b"\\"))
    except ValueError:
        return False


def family(vr: str) -> str:
    """Text, formatted text, words of bytes, or a sequence: VRs of one family may stand in for each other."""
    if vr in TEXT:
        return "text"
    if vr in FORMATTED:
        return vr
    return "words" if vr in WORD_SIZES else "SQ" if vr == "SQ" else "bytes"


def expected_vr(e: Element, creator: str) -> str:
    """The VR the dictionary gives, whatever the file says: values whose VR lies are decided by tag."""
    if not e.tag >> 16 & 1:
        known = vrs_of(e.tag)
        return e.vr if e.vr in known or known == ("UN",) else known[0]
    private = standards.safe_private().get((creator, e.tag >> 16, e.tag & 0xFF))
    return private.vr[:2] if private else e.vr


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
    return text[: MOST_CHARACTERS[vr]] if vr in MOST_CHARACTERS else text
