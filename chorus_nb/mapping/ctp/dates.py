"""Date arithmetic of CTP scripts: CTP's results where it is right, empty where a value is no date (ctp.md §1.6)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

EMPTY = "@empty()"
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
_VALUE = re.compile(r"\d{8}(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?([+-]\d{4})?\Z")
_RANGE = re.compile(r"(\d{8})-(\d{8})\Z")


def increment(value: str, days: int) -> str:
    """Every day of a DA or DT value moved; times and offsets stay. ``@empty()`` if a part of it is no date."""
    try:
        return "\\".join(_moved(part.strip(), days) for part in value.split("\\"))
    except (ValueError, OverflowError):
        return EMPTY


def _moved(text: str, days: int) -> str:
    if span := _RANGE.match(text):
        return "-".join(_day(end, days) for end in span.groups())
    if not _VALUE.match(text):
        raise ValueError
    return _day(text[:8], days) + text[8:]


def _day(text: str, days: int) -> str:
    return (datetime.strptime(text, "%Y%m%d").date() + timedelta(days=days)).strftime("%Y%m%d").zfill(8)


def modify(value: str, year: str, month: str, day: str) -> str:
    """The first day with fields replaced; what is no number (``*``) stays. Days too many roll over, as in CTP."""
    match = _DAY.match(value)
    if not match:
        return EMPTY
    given = [
        int(new) if new.isdigit() else int(old) for new, old in zip((year, month, day), match.groups(), strict=True)
    ]
    try:
        moved = date(given[0] + (given[1] - 1) // 12, (given[1] - 1) % 12 + 1, 1) + timedelta(days=given[2] - 1)
    except (ValueError, OverflowError):
        return EMPTY
    return moved.strftime("%Y%m%d").zfill(8) + value[8:]


def interval(value: str, base: str, origin: str) -> str:
    """Days from ``base`` (M/d/yyyy) to the value, or ``origin`` plus these days; ``ValueError`` if any is no date."""
    days = (datetime.strptime(value[:8], "%Y%m%d") - datetime.strptime(base, "%m/%d/%Y")).days
    return _day(origin, days) if origin else str(days)
