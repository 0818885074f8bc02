"""Values of a header as text, as numbers, as dates; and whether they keep the rules of their VR (PS3.5 §6.2)."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from chorus_nb.dicom.charsets import Charset, decode_text
from chorus_nb.dicom.encodings import BYTES, NUMBERS, WORD_SIZES, numbers_in
from chorus_nb.dicom.forms import FORMS, PADS
from chorus_nb.standards import tag_name

RANGE = re.compile(r"\d{8}-(\d{8})?|-\d{8}")  # of dates, as a query has them (PS3.5 table 6.2-1)

DECODED = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})  # VRs that SpecificCharacterSet speaks of
EXAMPLE_LENGTH = 64  # characters of a value shown as an example

_TIME_FORM = r"([01]\d|2[0-3])(([0-5]\d)(([0-5]\d|60)(\.\d{1,6})?)?)?"
_DATE_FORM = r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
_RULES = {
    "AE": r"[^\\\x00-\x1f]{0,16}",
    "AS": r"\d{3}[DWMY]",
    "CS": r"[A-Z0-9_ ]{0,16}",
    "DA": _DATE_FORM,
    "DS": r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *",
    "DT": r"\d{4}((0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])(" + _TIME_FORM + r")?)?)?([+-](0\d|1[0-4])[0-5]\d)?",
    "IS": r" *[+-]?\d{1,10} *",
    "LO": r"[^\\]{0,64}",
    "SH": r"[^\\]{0,16}",
    "TM": _TIME_FORM,
    "UI": r"(?=.{1,64}$)(0|[1-9]\d*)(\.(0|[1-9]\d*))*",
}
RULES = {vr: re.compile(rule, re.ASCII | re.DOTALL) for vr, rule in _RULES.items()}


@lru_cache(maxsize=16384)  # most values of a series are those of its first image
def text_of(value: bytes, vr: str, codecs: Charset = ()) -> str:
    """The value as text, multi-values joined by ``\\``. Without ``codecs``, what is not ASCII is UTF-8 or Latin-1."""
    if vr in NUMBERS:
        return "\\".join(map(str, numbers_in(value, vr)))
    if vr == "AT":
        words = [int(word) for word in numbers_in(value[: len(value) // 4 * 4], "US")]
        return "\\".join(tag_name(a << 16 | b) for a, b in zip(words[::2], words[1::2], strict=True))
    if codecs and (vr in DECODED or vr == "UN"):
        decoded = decode_text(value, codecs)
    else:
        try:
            decoded = value.decode("utf-8")
        except UnicodeDecodeError:
            decoded = value.decode("latin-1")
    return decoded.strip(PADS)


def example(value: bytes, vr: str, length: int) -> str:
    """A value as an example: text cut to :data:`EXAMPLE_LENGTH` characters, bytes only as their number."""
    if vr in BYTES and (length > EXAMPLE_LENGTH or not value.isascii() or b"\0" in value.rstrip(b"\0")):
        return f"({length} bytes)"
    shown = text_of(value, vr)
    return shown[:EXAMPLE_LENGTH] + "…" if len(shown) > EXAMPLE_LENGTH else shown


def keeps_its_vr(value: bytes, vr: str, length: int) -> bool:
    """Whether every part of the value is what its VR allows; VRs without a rule here always keep it."""
    if vr in NUMBERS:
        return length % WORD_SIZES[vr] == 0
    rule = RULES.get(vr)
    if rule is None or not length or len(value) != length:
        return True
    parts = value.decode("utf-8", "replace").rstrip(" \0").split("\\")
    return all(
        not part or rule.fullmatch(part.rstrip() if vr in ("DA", "TM", "DT", "CS", "AS") else part) for part in parts
    )


@lru_cache(maxsize=65536)  # most values of a series are those of its first image
def trouble(value: bytes, vr: str, length: int) -> int:
    """0 where a value keeps the rules of its VR, 1 where it breaks them and does no harm, 2 where nobody can use it."""
    if keeps_its_vr(value, vr, length):
        return 0
    if vr in NUMBERS or (vr in ("DA", "DT") and not all(map(_is_day, text_of(value, vr).split("\\")))):
        return 2
    form = FORMS.get(vr) if vr in ("DS", "IS", "TM", "AS") else None  # other texts are cleaned, UIDs replaced
    return 1 if form is None or form.match(value) else 2


def _is_day(value: str) -> bool:
    """A date, none, or a range of them, of which both ends are shifted."""
    ends = [end.strip() for end in value.split("-")] if RANGE.fullmatch(value.strip()) else [value.strip()]
    return all(not end or date_of(end[:8] if end[:8].isdigit() else end) is not None for end in ends)


def numbers(value: bytes, vr: str) -> list[float]:
    """The finite numbers of the value, [] where it holds none."""
    if vr in NUMBERS:
        return [float(number) for number in numbers_in(value, vr) if math.isfinite(number)]
    if vr in ("DS", "IS"):
        try:
            return [
                number for number in map(float, filter(None, value.rstrip(b" \0").split(b"\\"))) if abs(number) < 1e300
            ]
        except ValueError:
            return []
    return []


# --- dates and times --------------------------------------------------------------------------------------------------

_DA_FORM = re.compile(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)", re.ASCII)  # also the old forms 1994.05.30 and 1994-05-30
_TM = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.\d*)?)?)?", re.ASCII)
_OFFSET = re.compile(r"(.*?)([+-])(\d\d)(\d\d)", re.ASCII)

CLOCK_TOLERANCE = timedelta(days=31)  # between Study Date and the other dates of an image
FURTHEST_OFFSET = timedelta(hours=14)  # of a time zone from UTC (PS3.5 Table 6.2-1, DT)

SOURCES = (  # chorus.md §3.6: where the date and time of an image come from, best first
    ("AcquisitionDateTime", ""),
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
    ("SeriesDate", "SeriesTime"),
    ("StudyDate", "StudyTime"),
)


def date_of(da: str) -> datetime | None:
    """Midnight of a DA value (its first, if there are several); None for what is no date."""
    match = _DA_FORM.fullmatch(da.split("\\")[0].strip())
    try:
        return datetime(*map(int, match.groups())) if match else None  # type: ignore[arg-type]
    except ValueError:
        return None


def time_of(tm: str) -> timedelta | None:
    """Time since midnight of a TM value, whole seconds; None for what is no time."""
    match = _TM.fullmatch(tm.split("\\")[0].strip())
    if not match:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return timedelta(hours=hours, minutes=minutes, seconds=min(seconds, 59))  # a leap second has no place in SQL


def datetime_of(dt: str, zone: ZoneInfo) -> tuple[datetime, bool] | None:
    """A DT value in local time, and whether it has a time of day; an offset is converted to ``zone``."""
    plain = dt.split("\\")[0].strip()
    with_offset = _OFFSET.fullmatch(plain)
    digits = with_offset[1] if with_offset else plain
    day, time = date_of(digits[:8]) if len(digits) >= 8 else None, time_of(digits[8:])
    if day is None:
        return None
    if time is None:
        return day, False
    local = day + time
    if with_offset:
        offset = timedelta(hours=int(with_offset[3]), minutes=int(with_offset[4]))
        if offset > FURTHEST_OFFSET:
            return None
        try:
            moment = (local - offset if with_offset[2] == "+" else local + offset).replace(tzinfo=ZoneInfo("UTC"))
            local = moment.astimezone(zone).replace(tzinfo=None)
        except OverflowError:
            return None
    return local, True


def acquired(header: dict[str, str], zone: ZoneInfo) -> tuple[str, str]:
    """(local date and time, the attributes it comes from): the best source with a time, else the best date alone.

    A device whose date is further than :data:`CLOCK_TOLERANCE` from Study Date has a wrong clock: it is not asked.
    """
    dates: list[tuple[str, str]] = []
    study = date_of(header.get("StudyDate", ""))
    for date_keyword, time_keyword in SOURCES:
        value = header.get(date_keyword, "")
        if not value:
            continue
        if not time_keyword:
            found = datetime_of(value, zone)
            moment, timed = found if found else (None, False)
            source = date_keyword
        else:
            moment, time = date_of(value), time_of(header.get(time_keyword, ""))
            timed = time is not None
            if moment is not None and time is not None:
                moment += time
            source = f"{date_keyword}+{time_keyword}" if timed else date_keyword
        if moment is None or (study is not None and not -CLOCK_TOLERANCE <= moment - study <= CLOCK_TOLERANCE):
            continue
        if timed:
            return moment.isoformat(" "), source
        dates.append((moment.isoformat(" "), source))
    return dates[0] if dates else ("", "")
