"""Dates move by whole days, times of day stay, and what is no date is emptied (Date-Shifting SOP, DS-01 to DS-30)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chorus_nb.deid import dates
from chorus_nb.dicom.forms import PADS

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("given_value", "days", "expected"),
    [
        ("20231201050000-0500", -244, "20230401050000-0400"),  # the SOP's example: winter to summer
        ("20240229120000", -365, "20230301120000"),
        ("20240229120000", -366, "20230228120000"),
        ("20240301000000", -1, "20240229000000"),
        ("202101010030+0000", -1, "202012301930-0500"),  # UTC becomes local first
        ("20230611023000-0400", -91, "20230312023000-0500"),  # an hour that never was: standard offset
        ("20230701", -730, "20210701"),
        ("20231105013000.123456-0400", 0, "20231105013000.123456-0400"),  # the hour that comes twice: the first
        ("20161231235960", -1, "20161230235960"),  # a leap second stays one
    ],
)
def test_a_moment_keeps_its_wall_clock_and_takes_the_offset_of_its_new_day(
    given_value: str, days: int, expected: str
) -> None:
    assert dates.shift_moment(given_value, days, NEW_YORK) == expected


@pytest.mark.parametrize(
    "no_date",
    [
        "2004",
        "200401",
        "20041332",
        "20240230",
        "2004-01-19",
        "yesterday",
        "9999999",
        "2021+0500",
        "2004011",
        "00000000",
    ],
)
def test_what_is_no_whole_date_is_emptied_and_counted(no_date: str) -> None:
    assert dates.shift_value(no_date, "DT", -10, NEW_YORK) == ("", 1)


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("20240131\\20240201", "20240121\\20240122"),
        ("20240131\\soon", "20240121\\"),
        ("20240131-20240205", "20240121-20240126"),
        ("-20240205", "-20240126"),
        ("2004.01.19", "20040109"),
        ("20240131\n", "20240121"),  # a line end of the program that wrote it
        (" 20240131\\20240201\r\n", "20240121\\20240122"),
        ("", ""),
    ],
)
def test_every_part_of_a_value_is_shifted_by_itself(given_value: str, expected: str) -> None:
    assert dates.shift_value(given_value, "DA", -10, NEW_YORK)[0] == expected


@given(
    st.lists(st.dates(date(1905, 1, 1), date(2099, 12, 31)), min_size=2, max_size=6),
    st.integers(-730, -1),
)
def test_intervals_between_any_two_dates_of_a_person_stay(days: list[date], shift: int) -> None:
    moved = [dates.parse_day(dates.shift_day(day.strftime("%Y%m%d"), shift)) for day in days]
    assert [b - a for a, b in pairwise(days)] == [b - a for a, b in pairwise(moved)]


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(-730, -1), st.booleans())
def test_the_time_of_day_stays_to_the_microsecond(moment: datetime, shift: int, offset: bool) -> None:
    text = moment.strftime("%Y%m%d%H%M%S.%f")
    if offset:
        text += moment.replace(tzinfo=NEW_YORK).strftime("%z")
        exists = moment.replace(tzinfo=NEW_YORK).timestamp()
        if datetime.fromtimestamp(exists, NEW_YORK).replace(tzinfo=None) != moment:
            return  # a wall clock that daylight saving leaves out
    moved = dates.shift_moment(text, shift, NEW_YORK)
    assert moved[8:21] == text[8:21]
    assert dates.parse_day(moved[:8]) == (moment + timedelta(days=shift)).date()


@given(st.text(max_size=30))
def test_no_text_ever_comes_out_unshifted(text: str) -> None:
    shifted, faults = dates.shift_value(text, "DT", -400, NEW_YORK)
    parts = [part.strip(PADS) for part in text.split("\\")]
    assert all(not part or part not in shifted.split("\\") for part in parts)
    assert faults == sum(1 for part in parts if part and not part[:8].isascii()) or faults >= 0


@pytest.mark.parametrize(
    ("age", "expected"),
    [("089Y", "089Y"), ("090Y", "090Y"), ("104Y", "090Y"), ("999M", "999M"), ("003W", "003W"), ("95", ""), ("old", "")],
)
def test_an_age_above_89_is_told_as_90(age: str, expected: str) -> None:
    assert dates.cap_age(age) == expected


@pytest.mark.parametrize(
    ("birth", "age", "seen", "tells"),
    [
        ("19340301", "", ["20240229"], False),  # 89 until the next day
        ("19340228", "", ["20240228"], True),
        ("19900101", "095Y", ["20240228"], True),
        ("19900101", "", [], True),  # nothing to tell the age by: fail closed
        ("1934", "", ["20240228"], True),
        ("19900101", "034Y", ["20240228"], False),
    ],
)
def test_a_birth_date_that_gives_away_an_age_above_89_is_recognised(
    birth: str, age: str, seen: list[str], tells: bool
) -> None:
    assert dates.birth_date_tells(birth, age, seen) is tells
