"""When a visit begins and ends, and how near an image must be: one reading for linking, verifying and registering."""

from __future__ import annotations

import pandas as pd

from chorus_nb.omop.reading import LAST_SECOND, moments

NEAR_VISIT = pd.Timedelta(days=7)  # OHDSI DataQualityDashboard, withinVisitDates
NO_END = pd.Timestamp(2250, 1, 1)  # of a visit that is still open


def visit_spans(visits: pd.DataFrame) -> pd.DataFrame:
    """``starts`` and ``ends`` of each row of ``visit_occurrence``, local wall clock; NaT where the start is unreadable.

    A visit that ends as it begins, or before, says no more than its day and lasts through it (56 % of the visits of
    the OMOP demo data); one without an end is open (OMOP CDM 5.4, visit_occurrence).
    """
    starts = moments(visits["visit_start_date"], visits["visit_start_datetime"])
    ends = moments(visits["visit_end_date"], visits["visit_end_datetime"], end_of_day=True)
    through_the_day = starts.dt.normalize() + LAST_SECOND
    ends = ends.where(ends.isna() | (ends > starts), through_the_day)
    return pd.DataFrame({"starts": starts, "ends": ends.fillna(NO_END)}, index=visits.index)
