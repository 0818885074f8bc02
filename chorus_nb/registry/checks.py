"""Checks of the registry against files, persons, visits and procedures: what the consortium's own checks ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.omop import moments, read_omop
from chorus_nb.registry.identifiers import MINTED
from chorus_nb.registry.omop import PROCEDURE_TABLE
from chorus_nb.workspace import Workspace

NEAR_VISIT = pd.Timedelta(days=7)  # OHDSI DataQualityDashboard, withinVisitDates
AFTER_DEATH = pd.Timedelta(days=60)  # the same, plausibleBeforeDeath


class _Check(NamedTuple):
    check: str
    question: str
    wrong: pd.Series  # true for each thing that breaks the rule
    tolerated: float = 0.0  # share of wrong ones the rule lets pass (DataQualityDashboard thresholds)


def check_registry(workspace: Workspace) -> pd.DataFrame:
    """The table ``registry_checks``: every rule with what was examined and what broke it."""
    rows = []
    for check in _registry_checks(workspace):
        examined, findings = len(check.wrong), int(check.wrong.sum())
        passed = findings <= check.tolerated * examined
        detail = "" if not findings else f"{findings} of {examined}; {check.tolerated:.0%} tolerated"
        rows.append(
            {"check": check.check, "question": check.question, "result": "pass" if passed else "fail"}
            | {"detail": detail, "examined": examined, "findings": findings}
        )
    made = tables.frame(tables.REGISTRY_CHECKS, rows)
    workspace.write(tables.REGISTRY_CHECKS, made)
    return made


def _registry_checks(workspace: Workspace) -> Iterator[_Check]:
    registry = workspace.read(tables.IMAGE_REGISTRY)
    yield from _file_checks(workspace, registry)
    persons = read_omop(workspace, "person").set_index("person_id")
    visits = read_omop(workspace, "visit_occurrence").set_index("visit_occurrence_id")
    procedures = read_omop(workspace, PROCEDURE_TABLE).set_index("procedure_occurrence_id")
    deaths = read_omop(workspace, "death").drop_duplicates("person_id").set_index("person_id")
    yield from _record_checks(registry, persons, visits["person_id"], procedures["person_id"])
    yield from _date_checks(registry, persons, visits, deaths)


def _file_checks(workspace: Workspace, registry: pd.DataFrame) -> Iterator[_Check]:
    images = filter(layout.is_image_place, layout.files_below(workspace.release))
    on_disk = pd.Series([path for path in images if path.endswith(".dcm")], dtype="string")
    yield _Check("row_has_file", "Does every row have its file?", ~registry["src_file"].isin(on_disk))
    yield _Check("file_has_row", "Does every released file have a row?", ~on_disk.isin(registry["src_file"]))
    yield _Check("one_row_per_file", "Is there one row per file?", registry["src_file"].duplicated())
    numbers = registry["image_registry_id"].sort_values(ignore_index=True)
    yield _Check("gapless", "Are the numbers 1 to n without gaps?", numbers != numbers.index + 1)
    yield _Check("file_id_unique", "Is every file_id unique?", registry["file_id"].duplicated())
    folder = layout.InstancePath.columns(registry["src_file"])["person_id"]
    yield _Check(
        "one_person_per_folder", "Is the folder that of the person?", folder != registry["person_id"].astype("string")
    )
    headers = workspace.read(tables.RELEASED_HEADERS, ["target_path", "PatientID", "AccessionNumber"])
    named = headers.set_index("target_path").reindex(registry["src_file"])
    yield _Check(
        "header_agrees",
        "Do PatientID and AccessionNumber of the header equal person and group?",
        (named["PatientID"].to_numpy() != registry["person_id"].astype("string"))
        | (named["AccessionNumber"].to_numpy() != registry["group_id"].astype("string")),
    )


def _record_checks(
    registry: pd.DataFrame, persons: pd.DataFrame, visits: pd.Series, procedures: pd.Series
) -> Iterator[_Check]:
    yield _Check("person_exists", "Is every person in PERSON?", ~registry["person_id"].isin(persons.index))
    visited = registry.dropna(subset=["visit_id"])
    yield _Check(
        "visit_is_persons",
        "Is every visit in VISIT_OCCURRENCE, and the person's own?",
        (visited["visit_id"].map(visits) != visited["person_id"]).fillna(True),
    )
    minted = registry["proc_id"].between(MINTED.start, MINTED.stop - 1)
    own = registry[~minted]
    yield _Check(
        "procedure_is_persons",
        "Is every linked procedure in PROCEDURE_OCCURRENCE, and the person's own?",
        (own["proc_id"].map(procedures) != own["person_id"]).fillna(True),
    )
    ours = registry[minted].drop_duplicates("proc_id")
    yield _Check(
        "procedure_id_free",
        "Are the minted procedure ids free in the EHR?",
        (ours["proc_id"].map(procedures) != ours["person_id"]).fillna(False),
    )


def _date_checks(
    registry: pd.DataFrame, persons: pd.DataFrame, visits: pd.DataFrame, deaths: pd.DataFrame
) -> Iterator[_Check]:
    taken = pd.to_datetime(registry["datetime"])
    starts = moments(visits["visit_start_date"], visits["visit_start_datetime"])
    ends = moments(visits["visit_end_date"], visits["visit_end_datetime"], end_of_day=True)
    start, end = _moments_of(registry["visit_id"], starts), _moments_of(registry["visit_id"], ends)
    outside = ((taken < start - NEAR_VISIT) | (taken > end + NEAR_VISIT))[registry["visit_id"].notna()]
    yield _Check("within_visit", "Is every image within 7 days of its visit?", outside, tolerated=0.05)
    before = taken < _moments_of(registry["person_id"], _birth(persons))
    yield _Check("after_birth", "Is every image after birth?", before, tolerated=0.01)
    died = pd.to_datetime(deaths["death_date"], format="%Y-%m-%d", errors="coerce")
    after = taken > _moments_of(registry["person_id"], died) + AFTER_DEATH
    yield _Check("before_death", "Is no image later than 60 days after death?", after, tolerated=0.01)


def _moments_of(ids: pd.Series, moments_by_id: pd.Series) -> pd.Series:
    return moments_by_id.reindex(ids).set_axis(ids.index)


def _birth(persons: pd.DataFrame) -> pd.Series:
    """The first day a person can have been born on: PERSON may hold the year alone."""
    parts = persons[["year_of_birth", "month_of_birth", "day_of_birth"]].fillna(1)
    parts.columns = ["year", "month", "day"]
    return pd.to_datetime(parts, errors="coerce")
