"""Ask the archives for what is expected, and pull it: politely, resumably, and complete or not at all."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import pandas as pd

from chorus_nb import tables
from chorus_nb.acquire.archive import (
    SERIES_FIELDS,
    STUDY_FIELDS,
    Connection,
    ImageArchive,
    PullFault,
    QueryAnswer,
    SopInstance,
    instance_count,
    is_usable_uid,
    list_instances,
    series_of,
)
from chorus_nb.acquire.asked import AnsweredQuestions
from chorus_nb.acquire.gaps import gap_meaning, gap_remedy
from chorus_nb.acquire.incoming import Arrival, Incoming
from chorus_nb.acquire.opening import open_archives
from chorus_nb.acquire.wanted import ORDERED
from chorus_nb.errors import WorkbenchError
from chorus_nb.parameters import Parameters
from chorus_nb.processes import Progress
from chorus_nb.withdrawn import Withdrawn
from chorus_nb.workspace import Workspace

ATTEMPTS = 4
LONGEST_PAUSE = 60.0  # seconds between two attempts; the first pause is a second, each next twice as long
BY_NAME = 2  # attempts that ask for single images; then for whole series, for not every archive knows a list of UIDs
HARD_TO_ASK = re.compile(r"[^\w.:/@~-]", re.ASCII)
"""In an accession that finds nothing: some archives do not take apart what a query escapes (Orthanc's DICOMweb)."""
LEAST_TO_ASK = 5  # letters and digits of a PatientID that is asked for with a wildcard
FINAL = ("repeated_differently", "disk")  # asking again changes nothing
GRAVE = ("another_patient", "uid_unusable", "damaged")


def ask_archives(workspace: Workspace, progress: Progress, archives: list[ImageArchive] | None = None) -> pd.DataFrame:
    """What the archives have of the expected studies, a row a series: the table ``archive_series``.

    Each study is asked for by its accession, or by patient and day. What answers with another accession or day is
    dropped, and so is what was withdrawn; another patient's study under the accession is listed and never pulled. A
    run that was broken off goes on with what was not answered.
    """
    expected = workspace.read(tables.EXPECTED_STUDIES)
    expected, withdrawn = expected[expected["fault"] == ""], Withdrawn.of(workspace)
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    answered = AnsweredQuestions(workspace)
    with _opened(workspace, archives) as opened:
        total = len(expected) * len(opened)
        for place, archive in enumerate(opened):
            asked = _Asking(archive, workspace.parameters)
            for number, row in enumerate(expected.itertuples(), 1):
                question = (archive.name, row.PatientID, row.AccessionNumber, row.day)
                if (told := answered.rows(question)) is None:
                    told = asked.rows(row)
                    answered.note(question, told)
                told = [each for each in told if not withdrawn.has(each["PatientID"], each["AccessionNumber"])]
                rows |= {tuple(each[name] for name in tables.ARCHIVE_SERIES.key): each for each in told}
                progress(place * len(expected) + number, total, "asking")
            asked.close()
    workspace.write(tables.ARCHIVE_SERIES, tables.frame(tables.ARCHIVE_SERIES, list(rows.values())))
    answered.close()
    return workspace.read(tables.ARCHIVE_SERIES)


class _Asking:
    """Questions to one archive over one connection, opened again after a fault; the last fault ends it."""

    def __init__(self, archive: ImageArchive, parameters: Parameters) -> None:
        self.archive, self.hours = archive, parameters.pacs_hours
        self._way: AbstractContextManager[Connection] | None = None
        self.connection: Connection | None = None

    def _find(self, *question: Any) -> Any:
        for attempt in range(ATTEMPTS):
            if not within_hours(self.hours):
                raise WorkbenchError("outside the hours of pacs_hours: run 00 again within them")
            try:
                if self.connection is None:
                    self._way = self.archive.connect()
                    self.connection = self._way.__enter__()
                return question[0](self.connection, *question[1:])
            except PullFault as fault:
                self.close(fault)
                if attempt == ATTEMPTS - 1 or fault.code == "never_ends":
                    raise WorkbenchError(f"{self.archive.name}: {gap_meaning(fault.code)}") from None
                pause(attempt)
        return None

    def rows(self, row: Any) -> list[dict[str, Any]]:
        """What the archive has of an expected row, a row of ``archive_series`` each."""
        told = []
        for study, other in self.studies(row):
            series_told = self.series(study) if is_usable_uid(study["StudyInstanceUID"]) else []
            for series in series_told or [dict.fromkeys(SERIES_FIELDS, "")]:
                count = instance_count(series["NumberOfSeriesRelatedInstances"]) or 0
                of_series = {"SeriesInstanceUID": series["SeriesInstanceUID"], "Modality": series["Modality"]}
                of_study = {name: study[name] for name in STUDY_FIELDS} | {"pacs": self.archive.name}
                told.append(of_study | of_series | {"instances": count, "other_patient": other})
        return told

    def studies(self, row: Any) -> list[tuple[QueryAnswer, bool]]:
        """The studies of an expected row, and whether each is another patient's."""
        patients, found = row.PatientID.split("\\"), list[tuple[QueryAnswer, bool]]()
        if row.AccessionNumber:
            keys = {"AccessionNumber": row.AccessionNumber}
            for answer in self._find(lambda way: way.find("STUDY", keys, STUDY_FIELDS)):
                if answer["AccessionNumber"] == row.AccessionNumber:
                    found.append((answer, answer["PatientID"] not in patients))
            if found or not HARD_TO_ASK.search(row.AccessionNumber):
                return found
        day = row.day.replace("-", "")
        name, value = ("AccessionNumber", row.AccessionNumber) if row.AccessionNumber else ("StudyDate", day)
        for patient in patients:
            for asked in _ways_to_ask(patient):
                keys = {"PatientID": asked} | ({} if row.AccessionNumber else {"StudyDate": day})
                told = self._find(lambda way, keys=keys: way.find("STUDY", keys, STUDY_FIELDS))
                exact = [each for each in told if (each["PatientID"], each[name]) == (patient, value)]
                found += [(each, False) for each in exact]
                if exact:
                    break
        return found

    def series(self, study: QueryAnswer) -> list[QueryAnswer]:
        """Its series; where the archive does not count the instances of one, they are listed."""
        uid = study["StudyInstanceUID"]
        found: list[QueryAnswer] = self._find(lambda way: list(series_of(way, uid)))
        if not all(instance_count(series["NumberOfSeriesRelatedInstances"]) for series in found):
            listed: dict[str, SopInstance] = self._find(lambda way: list_instances(way, uid))
            for series in found:
                count = sum(each.series == series["SeriesInstanceUID"] for each in listed.values())
                series["NumberOfSeriesRelatedInstances"] = str(count)
        return found

    def close(self, fault: PullFault | None = None) -> None:
        if self._way is not None and self.connection is not None:
            self._way.__exit__(type(fault) if fault else None, fault, None)
        self._way, self.connection = None, None


def _ways_to_ask(patient: str) -> Iterator[str]:
    """A PatientID, and with ``*`` for signs that some archives do not take apart, where enough is left to be nearly
    alone: whose answers are not exact are dropped."""
    yield patient
    plain = HARD_TO_ASK.sub("*", patient)
    if plain != patient and sum(map(str.isalnum, plain)) >= LEAST_TO_ASK:
        yield plain


def pull(workspace: Workspace, progress: Progress, archives: list[ImageArchive] | None = None) -> pd.DataFrame:
    """Pull the studies of ``archive_series`` into ``local/incoming``: the table ``pulled_studies``.

    Each is listed first, so that only what is not here is sent. At most ``pacs_associations`` at once, each
    with connections of its own. What is at fault is a row with a reason; the others go on.
    """
    answers = workspace.read(tables.ARCHIVE_SERIES)
    answers = answers[~answers["other_patient"]]
    if answers.empty and not workspace.parameters.pacs:
        workspace.write(tables.PULLED_STUDIES, tables.empty(tables.PULLED_STUDIES))
        return workspace.read(tables.PULLED_STUDIES)
    incoming, done = Incoming(workspace), dict[tuple[str, str], dict[str, Any]]()
    size = answers.groupby(["StudyInstanceUID", "pacs"])["instances"].sum().reset_index()
    best = size.sort_values(["instances", "pacs"], ascending=[False, True]).drop_duplicates("StudyInstanceUID")
    told = answers.drop_duplicates(["pacs", "StudyInstanceUID"]).drop(columns="instances")
    wanted = best.merge(told, on=["pacs", "StudyInstanceUID"])
    with _opened(workspace, archives) as opened:
        by_name = {archive.name: archive for archive in opened}
        began, bytes_done = time.monotonic(), 0
        with ThreadPoolExecutor(workspace.parameters.pacs_associations) as threads:
            tasks = [
                threads.submit(_pull_study, by_name[row.pacs], workspace.parameters, incoming, row)
                for row in wanted.itertuples()
                if row.pacs in by_name
            ]
            try:
                for number, task in enumerate(as_completed(tasks), 1):
                    row = task.result()
                    done[row["pacs"], row["StudyInstanceUID"]] = row
                    bytes_done += row["bytes"]
                    left = (time.monotonic() - began) / number * (len(tasks) - number)
                    progress(number, len(tasks), f"studies pulled, {bytes_done / 1e6:,.0f} MB, {_time_left(left)} left")
            except BaseException:
                STOPPED.set()
                threads.shutdown(cancel_futures=True)
                raise
            finally:
                STOPPED.clear()
    rows = [done[key] for key in sorted(done)]
    workspace.write(tables.PULLED_STUDIES, tables.frame(tables.PULLED_STUDIES, rows))
    return workspace.read(tables.PULLED_STUDIES)


STOPPED = threading.Event()  # the run is interrupted: no thread begins another attempt


def _pull_study(archive: ImageArchive, parameters: Parameters, incoming: Incoming, row: Any) -> dict[str, Any]:
    """One study, asked for until it is whole or :data:`ATTEMPTS` are used up; its row of ``pulled_studies``."""
    began, ids = time.monotonic(), {name: getattr(row, name) for name in ("StudyInstanceUID", *ORDERED)}
    made: dict[str, Any] = dict.fromkeys(("listed", "instances", "set_aside", "repeated", "attempts", "bytes"), 0)
    if is_usable_uid(row.StudyInstanceUID):
        made |= _pull_whole(archive, parameters.pacs_hours, Arrival(incoming, row.StudyInstanceUID, row.PatientID), row)
    else:
        made |= {"state": "short", "reason": "uid_unusable"}
    incoming.note(pacs=archive.name, **ids, **made)
    return {"pacs": archive.name, **ids, **made, "seconds": time.monotonic() - began}


def _pull_whole(archive: ImageArchive, hours: str, arrival: Arrival, row: Any) -> dict[str, Any]:
    """State, reason and counts of a study after as many attempts as it took."""
    attempts, reasons, whole, first = 0, list[str](), False, set[str]()
    while attempts < ATTEMPTS and not whole and not STOPPED.is_set():
        if not within_hours(hours):
            reasons.append("outside_hours")
            break
        if attempts:
            pause(attempts - 1)
        attempts += 1
        try:
            with archive.connect() as connection:
                arrival.lists(listed := list_instances(connection, arrival.study))
                first, here = first or arrival.listed, arrival.here()
                lacking = {name: listed[name] for name in arrival.listed - here - arrival.foreign}
                for level, wanted in _parts(lacking, {listed[name].series for name in here & arrival.listed}, attempts):
                    connection.fetch(arrival.study, wanted, level, arrival.keep)
                if lacking:
                    arrival.lists(now := list_instances(connection, arrival.study))  # grown, or cut short before?
                    whole = now.keys() == listed.keys() and arrival.is_whole()
                    reasons += [] if whole else ["grew" if now.keys() - listed.keys() else "move_short"]
                else:
                    whole = bool(here)
                    reasons += [] if whole else ["lists_less"]
        except PullFault as fault:
            reasons.append(fault.code)
        if arrival.faults & set(FINAL) or "never_ends" in reasons:
            break
    if len(arrival.listed) < row.instances:
        arrival.faults.add("lists_less")
    state, reason = _outcome(arrival, reasons, whole, grown=bool(first) and arrival.listed != first)
    if state == "complete":
        arrival.complete()
    made = {"state": state, "reason": reason, "listed": len(arrival.listed), "attempts": attempts}
    counts = {name: getattr(arrival, name) for name in ("set_aside", "repeated", "bytes")}
    return made | counts | {"instances": len(arrival.here() & arrival.listed)}


def _parts(
    lacking: dict[str, SopInstance], begun: set[str], attempts: int
) -> Iterator[tuple[str, dict[str, SopInstance]]]:
    """What is lacking, and the level to ask for it: of series of which some is here the images by name."""
    if attempts == 1 and lacking and not begun:
        yield "STUDY", lacking
        return
    by_name = {name for name, one in lacking.items() if one.series in begun and attempts <= BY_NAME}
    for level, names in (("IMAGE", by_name), ("SERIES", lacking.keys() - by_name)):
        if names:
            yield level, {name: lacking[name] for name in names}


def _outcome(arrival: Arrival, reasons: list[str], whole: bool, *, grown: bool) -> tuple[str, str]:
    """State and reason: what came in between, the gravest first."""
    if arrival.faults & set(FINAL) or not whole:
        graver = [code for code in (*FINAL, *GRAVE) if code in arrival.faults]
        return "short", (*graver, *reversed(reasons), "move_short")[0]
    for code in GRAVE:
        if code in arrival.faults:
            return "complete", code
    told = [code for code in ("lists_less", "not_listed") if code in arrival.faults]
    return "complete", "grew" if grown else (*told, "")[0]


def within_hours(hours: str, now: datetime | None = None) -> bool:
    """Whether it is one of the ``hours``, HH:MM-HH:MM local time, also over midnight; "" is any.

    >>> within_hours("20:00-06:00", datetime(2026, 1, 1, 23)), within_hours("20:00-06:00", datetime(2026, 1, 1, 12))
    (True, False)
    """
    if not hours:
        return True
    first, _, last = hours.partition("-")
    clock = f"{now or datetime.now():%H:%M}"
    return first <= clock < last if first <= last else clock >= first or clock < last


def pause(attempt: int) -> None:
    """Wait before asking again: a second, then twice as long each time, :data:`LONGEST_PAUSE` at most."""
    STOPPED.wait(min(2.0**attempt, LONGEST_PAUSE))


@contextmanager
def _opened(workspace: Workspace, archives: list[ImageArchive] | None) -> Iterator[list[ImageArchive]]:
    """The archives given, or those of the parameters, which are closed at the end."""
    if archives is not None:
        yield archives
        return
    opened = open_archives(workspace.parameters)
    try:
        yield opened
    finally:
        for archive in opened:
            archive.close()


def _time_left(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds > 90 else f"{seconds:,.0f} s"


def by_archive(answers: pd.DataFrame) -> pd.DataFrame:
    """How many studies, series and instances answered, by PACS and modality; those of another patient apart."""
    by = ["pacs", "Modality", "other_patient"]
    how = {"studies": ("StudyInstanceUID", "nunique"), "series": ("SeriesInstanceUID", "size")}
    return answers.groupby(by, as_index=False).agg(**how, instances=("instances", "sum"))


def by_state(pulled: pd.DataFrame) -> pd.DataFrame:
    """How many studies came, by state and reason, with what to do."""
    counts = ("listed", "instances", "set_aside", "repeated", "bytes")
    rows = pulled.groupby(["state", "reason"], as_index=False).agg(
        studies=("StudyInstanceUID", "size"), **{name: (name, "sum") for name in counts}
    )
    return rows.assign(what_to_do=[gap_remedy(code) if code else "" for code in rows["reason"]])
