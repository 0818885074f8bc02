"""Shifting dates by whole days, at any depth, times of day intact (Date-Shifting SOP, chorus.md §6).

What cannot be read as a date is emptied, never kept and never guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from chorus_nb.dicom.forms import PADS

OLDEST_AGE = 89  # years; above it only "90 or more" may be told (Safe Harbor item 3)

_DA = re.compile(r"(\d{4})(\d{2})(\d{2})\Z")
_DA_ACR_NEMA = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})\Z")  # PS3.5 6.2: to be read for backward compatibility
_DT = re.compile(
    r"(?P<day>\d{8})(?P<clock>(?P<hour>\d\d)((?P<minute>\d\d)((?P<second>\d\d)(?P<fraction>\.\d{1,6})?)?)?)?"
    r"(?P<offset>[+-]\d{4})?\Z"
)
_AGE = re.compile(r"(\d{1,3})([DWMY])\Z")  # 42Y too: scanners write it, it means one thing


class NotADate(ValueError):
    """The text is no date that can be shifted exactly."""


def parse_day(text: str) -> date:
    """A DA value; :class:`NotADate` if it is not a whole, real day."""
    match = _DA.match(text) or _DA_ACR_NEMA.match(text)
    if not match:
        raise NotADate
    try:
        return date(*map(int, match.groups()))
    except ValueError:
        raise NotADate from None


def shift_day(text: str, days: int) -> str:
    """A DA value moved by ``days``; :class:`NotADate` if it is no real day or leaves the years 1 to 9999.

    >>> shift_day("20240228", 2), shift_day("2024.02.28", -28)
    ('20240301', '20240131')
    """
    try:
        return (parse_day(text) + timedelta(days=days)).strftime("%Y%m%d").zfill(8)
    except OverflowError:
        raise NotADate from None


def shift_moment(text: str, days: int, zone: ZoneInfo) -> str:
    """A DT value moved by ``days``: the wall clock of the site stays, an offset becomes that of the new local date.

    A DT in another zone is turned into local time first (DS-10). An hour that occurs twice is its first occurrence; an
    hour that daylight saving leaves out keeps its wall clock and takes the standard offset (DS-12, DS-13).
    """
    match = _DT.match(text)
    if not match:
        raise NotADate
    day = parse_day(match["day"])
    if not match["offset"]:
        return shift_day(match["day"], days) + (match["clock"] or "")
    if not match["hour"]:
        raise NotADate  # an offset without a time of day: which day it is locally is not known
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    fraction = match["fraction"] or ""
    try:
        given = datetime.combine(day, time(hour, minute, min(second, 59)), _offset(match["offset"]))
        local = given.astimezone(zone).replace(tzinfo=None)
        local += timedelta(days=days)
    except (ValueError, OverflowError):
        raise NotADate from None
    clock = local.strftime("%H%M%S")[: len(match["clock"].split(".")[0])]
    if second == 60:  # a leap second stays one
        clock = clock[:4] + "60"
    return local.strftime("%Y%m%d").zfill(8) + clock + fraction + _offset_text(local, zone)


def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _offset_text(local: datetime, zone: ZoneInfo) -> str:
    aware = local.replace(tzinfo=zone)
    left_out = aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local
    standard = aware.utcoffset() if not left_out else aware.replace(fold=0).utcoffset()
    assert standard is not None
    minutes = int(standard.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def shift_value(text: str, vr: str, days: int, zone: ZoneInfo) -> tuple[str, int]:
    """A DA or DT value, multi-valued or a query-like range, moved by ``days``; and how many parts had to be emptied."""
    faults = 0
    shifted = []
    for part in text.split("\\"):
        try:
            shifted.append(_shift_part(part.strip(PADS), vr, days, zone))
        except NotADate:
            shifted.append("")
            faults += 1
    return ("" if not any(shifted) else "\\".join(shifted)), faults


def _shift_part(text: str, vr: str, days: int, zone: ZoneInfo) -> str:
    if not text:
        return ""
    if vr == "DA" and "-" in text and not text.startswith("0000"):
        ends = text.split("-")
        if len(ends) != 2 or not any(ends):
            raise NotADate
        return "-".join(shift_day(end, days) if end else "" for end in ends)
    return shift_day(text, days) if vr == "DA" else shift_moment(text, days, zone)


def with_offset_of_its_day(before: str, after: str, zone: ZoneInfo) -> str:
    """A DT value of which something else moved the days, and nothing but them, as :func:`shift_moment` moves it."""
    pairs = [(old.strip(PADS), new) for old, new in zip(before.split("\\"), after.split("\\"), strict=False)]
    if len(pairs) <= before.count("\\") or len(pairs) <= after.count("\\"):
        return after
    return "\\".join(_moved_alike(old, new, zone) for old, new in pairs)


def _moved_alike(before: str, after: str, zone: ZoneInfo) -> str:
    if not re.search(r"[+-]\d{4}\Z", before) or before[8:] != after[8:]:
        return after
    try:
        return shift_moment(before, (parse_day(after[:8]) - parse_day(before[:8])).days, zone)
    except NotADate:
        return ""


def cap_age(text: str) -> str:
    """An AS value with every age above 89 years as ``090Y``; "" if it is no age."""
    match = _AGE.match(text.strip(PADS))
    if not match:
        return ""
    return "090Y" if age_in_years(match.group()) > OLDEST_AGE else match.group()


def age_in_years(text: str) -> int:
    """Whole years of an AS value; -1 if it is no age."""
    match = _AGE.match(text.strip(PADS))
    if not match:
        return -1
    number, unit = int(match[1]), match[2]
    return {"D": number * 100 // 36525, "W": number * 700 // 36525, "M": number // 12, "Y": number}[unit]


def years_between(birth: date, day: date) -> int:
    """Age in whole years on ``day``."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def birth_date_tells(birth: str, age: str, days_seen: list[str], *, is_old: bool = False) -> bool:
    """Whether a birth date would give away an age above 89: fails closed when the age at the study is not known.

    ``is_old``: whether the person is of one in another image or in OMOP.
    """
    if is_old or age_in_years(age) > OLDEST_AGE:
        return True
    try:
        born = parse_day(birth)
    except NotADate:
        return True
    ages = []
    for text in days_seen:
        try:
            ages.append(years_between(born, parse_day(text[:8])))
        except NotADate:
            continue
    return not ages or max(ages) > OLDEST_AGE
