"""Checks of the registry against files, persons, visits and procedures: what the consortium's own checks ask for."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cached_property
from importlib import resources

import pandas as pd

from chorus_nb import layout, tables
from chorus_nb.metadata.dictionary import possible_ranges
from chorus_nb.omop import NEAR_VISIT, read_omop, visit_spans
from chorus_nb.registry.identifiers import MINTED
from chorus_nb.registry.omop import PROCEDURE_TABLE
from chorus_nb.workspace import Workspace

AFTER_DEATH = pd.Timedelta(days=60)  # the same, plausibleBeforeDeath


def check_registry(workspace: Workspace) -> pd.DataFrame:
    """The table ``registry_checks``: every row of ``checks.csv`` with what was examined and what broke it.

    A share of wrong ones up to ``tolerated`` passes (DataQualityDashboard thresholds).
    """
    record = Record(workspace)
    rows = []
    text = resources.files(__package__).joinpath("checks.csv").read_text(encoding="utf-8")
    for check in csv.DictReader(text.splitlines()):
        wrong, tolerated = RECORD_CHECKS[check["check"]](record), float(check["tolerated"])
        examined, findings = len(wrong), int(wrong.sum())
        result = "pass" if findings <= tolerated * examined else "fail"
        detail = f"{findings} of {examined}; {tolerated:.0%} tolerated" if findings else ""
        if result == "fail":
            detail += f". To do: {check['remedy']}"
        row = {"check": check["check"], "question": check["question"], "result": result, "detail": detail}
        rows.append({**row, "examined": examined, "findings": findings})
    made = tables.frame(tables.REGISTRY_CHECKS, rows)
    workspace.write(tables.REGISTRY_CHECKS, made)
    return made


class Record:
    """The registry and the tables it links to, each read once."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.rows = workspace.read(tables.IMAGE_REGISTRY)
        images = filter(layout.is_image_place, layout.files_below(workspace.release))
        self.on_disk = pd.Series([path for path in images if path.endswith(".dcm")], dtype="string")
        self.taken = pd.to_datetime(self.rows.datetime)
        self.minted = self.rows.proc_id.between(MINTED.start, MINTED.stop - 1)

    @cached_property
    def persons(self) -> pd.DataFrame:
        return read_omop(self.workspace, "person").set_index("person_id")

    @cached_property
    def visits(self) -> pd.DataFrame:
        return read_omop(self.workspace, "visit_occurrence").set_index("visit_occurrence_id")

    @cached_property
    def person_of_procedure(self) -> pd.Series:
        return read_omop(self.workspace, PROCEDURE_TABLE).set_index("procedure_occurrence_id").person_id

    def of_person(self, by_person: pd.Series) -> pd.Series:
        """A value of each row's person."""
        return by_person.reindex(self.rows.person_id).set_axis(self.rows.index)

    def of_visit(self, by_visit: pd.Series) -> pd.Series:
        """A value of each row's visit."""
        return by_visit.reindex(self.rows.visit_id).set_axis(self.rows.index)


def _gapless(record: Record) -> pd.Series:
    numbers = record.rows.image_registry_id.sort_values(ignore_index=True)
    return numbers != numbers.index + 1


def _person_folder(record: Record) -> pd.Series:
    folders = layout.InstancePath.columns(record.rows.src_file)["person_id"]
    return folders != record.rows.person_id.astype("string")


def _header_agrees(record: Record) -> pd.Series:
    headers = record.workspace.read(tables.RELEASED_HEADERS, ["target_path", "PatientID", "AccessionNumber"])
    named = headers.set_index("target_path").reindex(record.rows.src_file)
    person, group = record.rows.person_id.astype("string"), record.rows.group_id.astype("string")
    return (named.PatientID.to_numpy() != person) | (named.AccessionNumber.to_numpy() != group)


def _value_possible(record: Record) -> pd.Series:
    """Each number of a header that has a range in ``units.csv``: field strengths in gauss, voltages in volt. Told, and
    closes nothing: the release says what the device wrote."""
    ranges = possible_ranges()
    headers = record.workspace.read(tables.RELEASED_HEADERS, list(ranges))
    numbers = (pd.to_numeric(headers[name], errors="coerce").dropna() for name in ranges)
    wrong = [~own.between(*ranges[str(own.name)]) for own in numbers]
    return pd.concat(wrong, ignore_index=True)


def _visit_is_persons(record: Record) -> pd.Series:
    visited = record.rows.dropna(subset=["visit_id"])
    return (visited.visit_id.map(record.visits.person_id) != visited.person_id).fillna(True)


def _procedure_is_persons(record: Record) -> pd.Series:
    own = record.rows[~record.minted]
    return (own.proc_id.map(record.person_of_procedure) != own.person_id).fillna(True)


def _procedure_id_free(record: Record) -> pd.Series:
    ours = record.rows[record.minted].drop_duplicates("proc_id")
    return (ours.proc_id.map(record.person_of_procedure) != ours.person_id).fillna(False)


def _within_visit(record: Record) -> pd.Series:
    spans = visit_spans(record.visits)
    start, end = record.of_visit(spans.starts), record.of_visit(spans.ends)
    outside = (record.taken < start - NEAR_VISIT) | (record.taken > end + NEAR_VISIT)
    return outside[record.rows.visit_id.notna()]


def _after_birth(record: Record) -> pd.Series:
    """The first day a person can have been born on: PERSON may hold the year alone."""
    parts = record.persons[["year_of_birth", "month_of_birth", "day_of_birth"]].fillna(1)
    parts.columns = ["year", "month", "day"]
    return record.taken < record.of_person(pd.to_datetime(parts, errors="coerce"))


def _before_death(record: Record) -> pd.Series:
    deaths = read_omop(record.workspace, "death").drop_duplicates("person_id").set_index("person_id")
    died = pd.to_datetime(deaths.death_date, format="%Y-%m-%d", errors="coerce")
    return record.taken > record.of_person(died) + AFTER_DEATH


RECORD_CHECKS: dict[str, Callable[[Record], pd.Series]] = {
    "row_has_file": lambda record: ~record.rows.src_file.isin(record.on_disk),
    "file_has_row": lambda record: ~record.on_disk.isin(record.rows.src_file),
    "one_row_per_file": lambda record: record.rows.src_file.duplicated(),
    "gapless": _gapless,
    "file_id_unique": lambda record: record.rows.file_id.duplicated(),
    "one_person_per_folder": _person_folder,
    "header_agrees": _header_agrees,
    "person_exists": lambda record: ~record.rows.person_id.isin(record.persons.index),
    "visit_is_persons": _visit_is_persons,
    "procedure_is_persons": _procedure_is_persons,
    "procedure_id_free": _procedure_id_free,
    "within_visit": _within_visit,
    "after_birth": _after_birth,
    "before_death": _before_death,
    "value_possible": _value_possible,
}
"""What each check asks for: a truth for each thing examined, true where it breaks the rule."""
