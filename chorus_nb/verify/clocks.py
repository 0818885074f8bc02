"""When a released image was made, by its header; and whether the clocks behind its dates can be right.

The verifier's own reading of chorus.md section 3.6, held to the vectors that hold 01 to it.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from chorus_nb import layout, standards
from chorus_nb.leaks.reading import Reading
from chorus_nb.leaks.terms import read_date
from chorus_nb.verify.file_checks import Pair, text
from chorus_nb.verify.findings import Finding, Findings

MOST_APART = 31  # days between Study Date and any other date of the image, or between the images of an accession
STUDY_TAGS = (0x00080020, 0x00080030)
ACQUISITION_DATETIME = 0x0008002A
DATE_TAGS = ((0x00080022, 0x00080032), (0x00080023, 0x00080033), (0x00080021, 0x00080031), STUDY_TAGS)  # best first


def moment(reading: Reading, zone: ZoneInfo) -> str:
    """Local date and time of an image, "" if unknown: of its dates that lie near Study Date the first with a time."""
    study, days = read_date(text(reading, STUDY_TAGS[0])), list[str]()
    for date, clock in _told(reading, zone):
        if study is not None and abs((date - study).days) > MOST_APART:
            continue
        if clock:
            return f"{date} {clock}"
        days.append(f"{date} 00:00:00")
    return days[0] if days else ""


def _told(reading: Reading, zone: ZoneInfo) -> Iterator[tuple[datetime.date, str]]:
    """The dates a header tells with their time of day ("" = none), best first."""
    stamp = text(reading, ACQUISITION_DATETIME).split("\\")[0].strip()
    if date := read_date(stamp):
        offset = re.search(r"[+-]\d{4}$", stamp)
        clock = _time(stamp[8 : offset.start() if offset else None])
        if offset and clock:
            try:
                aware = datetime.datetime.strptime(f"{date:%Y%m%d} {clock}{offset[0]}".zfill(22), "%Y%m%d %H:%M:%S%z")
                there = aware.astimezone(zone)
                yield there.date(), f"{there:%H:%M:%S}"
            except (ValueError, OverflowError):
                pass
        else:
            yield date, clock
    for day_tag, time_tag in DATE_TAGS:
        if date := read_date(text(reading, day_tag)):
            yield date, _time(text(reading, time_tag))


def _time(value: str) -> str:
    """HH:MM:SS of a TM value, "" if it tells no time; a leap second is the second before."""
    digits = value.split("\\")[0].partition(".")[0].replace(":", "").strip()
    if not re.fullmatch(r"(\d\d){1,3}", digits, re.ASCII):
        return ""
    hour, minute, second = (int(digits[at : at + 2] or 0) for at in (0, 2, 4))
    return "" if hour > 23 or minute > 59 or second > 60 else f"{hour:02}:{minute:02}:{min(second, 59):02}"


def check_clocks(pair: Pair) -> Findings:
    """Dates of one header that lie far from its Study Date: the clock of a device is wrong."""
    study = read_date(text(pair.release, STUDY_TAGS[0]))
    for tag in (ACQUISITION_DATETIME, *(day for day, _ in DATE_TAGS)):
        date = read_date(text(pair.release, tag))
        if date and study and abs((date - study).days) > MOST_APART:
            name = standards.tag_name(tag)
            yield Finding("clocks", "medium", pair.task.target_path, name, "lies far from Study Date")


def apart(moments: Mapping[str, str], procedures: Mapping[str, str]) -> Findings:
    """Images (``moments`` by path) far from most others of their accession, or from its linked procedure.

    ``procedures``: date by image_occurrence_id, as in OMOP.
    """
    accessions: defaultdict[str, dict[str, datetime.date]] = defaultdict(dict)
    for path, told in moments.items():
        place = layout.InstancePath.read(path)
        if place and (date := read_date(told)):
            accessions[place.image_occurrence_id][path] = date
    for accession, dates in accessions.items():
        counts = Counter(dates.values())
        usual = max(counts, key=lambda day: (sum(n for other, n in counts.items() if _near(day, other)), day))
        procedure = read_date(procedures.get(accession, ""))
        for path, date in dates.items():
            if not _near(date, usual):
                yield Finding("clocks", "medium", path, "", "lies far from the other images of its accession")
            elif procedure and not _near(date, procedure):
                yield Finding("clocks", "medium", path, "", "lies far from the procedure of its accession")


def _near(day: datetime.date, other: datetime.date) -> bool:
    return abs((day - other).days) <= MOST_APART
