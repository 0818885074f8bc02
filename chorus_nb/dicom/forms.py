"""The form that a value must have to be used, generously: what scanners write and nothing breaks of is one."""

from __future__ import annotations

import math
import re

PADS = " \0\t\r\n"  # PS3.5 6.2 pads with the first two; the others are line ends of a program between
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


def are_numbers(raw: bytes) -> bool:
    """Whether every value of a DS or IS is a finite number: NaN is harmless, but where something depends on it."""
    try:
        return all(math.isfinite(float(part.strip(b" \0"))) for part in raw.split(b"\\"))
    except ValueError:
        return False
