"""When a visit begins and ends, and how near an image must be: one reading for linking, verifying and registering."""

from __future__ import annotations

import pandas as pd

from chorus_nb.omop.reading import LAST_SECOND, moments

NEAR_VISIT = pd.Timedelta(days=7)  # OHDSI DataQualityDashboard, withinVisitDates
INPATIENT = (9201, 262, 32037)  # inpatient, emergency and inpatient, intensive care: preferred among several visits
ADMITTED = (*INPATIENT, 9203)  # and emergency: who comes there lies in no ward
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


def holding_visits(visits: pd.DataFrame, persons: pd.Series, since: pd.Series, until: pd.Series) -> pd.DataFrame:
    """The visit of each person that holds a moment between ``since`` and ``until``, and how many ``candidates`` do.

    Several hold it: inpatient first, then the shortest, then the earliest (facts: chorus.md §3.5). One without an end
    comes behind the others where a later day has an admission: who is admitted again had been discharged. By the index
    of ``persons``; without a row where no visit does.
    """
    spans = visits[["visit_occurrence_id", "person_id", "visit_concept_id"]].join(visit_spans(visits))
    spans["inpatient"] = visits["visit_concept_id"].isin(INPATIENT)
    asked = pd.DataFrame({"number": persons.index, "person_id": persons, "since": since, "until": until}).dropna()
    held = asked.merge(spans, on="person_id")
    held = held[(held["since"] <= held["ends"]) & (held["until"] >= held["starts"])]
    held = held.assign(
        length=held["ends"] - held["starts"], candidates=held.groupby("number")["number"].transform("size")
    )
    began = held["starts"].dt.normalize()
    admissions = began.where(held["visit_concept_id"].isin(ADMITTED)).groupby(held["number"])
    held["left_open"] = (held["ends"] >= NO_END) & (began < admissions.transform("max"))
    order = ["number", "left_open", "inpatient", "length", "starts", "visit_occurrence_id"]
    first = held.sort_values(order, ascending=[True, True, False, True, True, True]).drop_duplicates("number")
    return first.set_index("number")[["visit_occurrence_id", "candidates"]].astype("Int64")
