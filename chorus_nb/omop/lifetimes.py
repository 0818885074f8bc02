"""When each person of PERSON can have been examined: one reading for deciding and registering."""

from __future__ import annotations

import pandas as pd

from chorus_nb.omop.reading import days

AFTER_DEATH = pd.Timedelta(days=60)  # OHDSI DataQualityDashboard, plausibleBeforeDeath
LONGEST_LIFE = 125  # years: a later date than that after a birth is a fault, or stands for none (2999-12-31)


def lifetimes(persons: pd.DataFrame, deaths: pd.DataFrame) -> pd.DataFrame:
    """By ``person_id``, the first day a person can have been ``born`` on (PERSON may hold the year alone), and the last
    moment ``until`` which an image can be of them; NaT where the tables say neither."""
    persons = persons.drop_duplicates("person_id").set_index("person_id")
    parts = persons[["year_of_birth", "month_of_birth", "day_of_birth"]].fillna(1)
    parts.columns = ["year", "month", "day"]
    deaths = deaths.drop_duplicates("person_id").set_index("person_id")
    died = days(deaths["death_date"]).reindex(persons.index)
    lives = pd.DataFrame({"born": pd.to_datetime(parts, errors="coerce"), "until": died + AFTER_DEATH})
    return lives.set_axis(lives.index.astype("Int64"))


def birthdays(persons: pd.DataFrame) -> pd.DataFrame:
    """``person_id`` and ``birthday`` of those whose day of birth PERSON holds, in parts or as a moment; the first of
    January is none, for most write it for a year alone."""
    parts = persons[["year_of_birth", "month_of_birth", "day_of_birth"]].fillna(0)  # no month and no day is 0
    parts.columns = ["year", "month", "day"]
    known = pd.to_datetime(parts, errors="coerce").fillna(days(persons["birth_datetime"]))
    held = known.notna() & ~((known.dt.month == 1) & (known.dt.day == 1))
    return pd.DataFrame({"person_id": persons["person_id"], "birthday": known.dt.normalize()})[held]
