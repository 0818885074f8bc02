"""Whatever an archive does: nothing wrong gets in, a study is whole or not there, and its row says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import BasicTextSRStorage, CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

from chorus_nb import acquire, tables
from chorus_nb.acquire import dimse, pulling
from chorus_nb.acquire.archive import ImageArchive
from chorus_nb.acquire.opening import open_archives
from chorus_nb.acquire.pulling import within_hours
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.parameters import Parameters
from chorus_nb.withdrawn import WITHDRAWAL_LOG, marks_of
from chorus_nb.workspace import PARTIAL, Workspace
from tests.acquire.faulty import FaultyPacs, image

STUDY = "1.2.3"
IMAGES = [(1, 1), (1, 2), (2, 1)]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "pause", lambda attempt: None)
    monkeypatch.setattr(pulling, "ATTEMPTS", 2)


def silent(done: int, total: int, text: str) -> None:
    """A progress bar that nobody sees."""


@pytest.fixture(scope="module")
def archive() -> Iterator[FaultyPacs]:
    """One PACS that listens; each test says what it has and does."""
    archive = FaultyPacs()
    with archive.listening() as archive.pacs:
        yield archive


@pytest.fixture(scope="module")
def opened(archive: FaultyPacs) -> Iterator[list[ImageArchive]]:
    """The way to it, with our own port."""
    archives = open_archives(
        Parameters.of({"pacs": [archive.pacs.dimse], "pacs_port": archive.pacs.our_port, "pacs_timeout": 10})
    )
    yield archives
    archives[0].close()


@pytest.fixture
def expecting(tmp_path: Path) -> Workspace:
    """A workspace that expects A1 of P1."""
    return a_workspace(tmp_path)


def a_workspace(folder: Path, **more: object) -> Workspace:
    values = {"site": "x", "pacs_timeout": 10, "source": "pacs:", "workspace": str(folder / "workspace"), **more}
    workspace = Workspace(Parameters.of(values)).create()
    row = dict.fromkeys(("person_id", "visit_occurrence_id", "procedure_occurrence_id", "image_occurrence_id"))
    row |= {"number": 1, "PatientID": "P1", "AccessionNumber": "A1", "series": None, "instances": None}
    workspace.write(tables.EXPECTED_STUDIES, tables.frame(tables.EXPECTED_STUDIES, [row]))
    return workspace


def pulled(workspace: Workspace, opened: list[ImageArchive]) -> dict[str, object]:
    [row] = acquire.pull(workspace, silent, opened).to_dict("records")
    return row


WHOLE = {f"{STUDY}/{STUDY}.{series}.{number}.dcm" for series, number in IMAGES}
FIRST = f"{STUDY}/{STUDY}.1.1.dcm"


@pytest.mark.parametrize(
    ("fault", "times", "state", "reason", "attempts", "set_aside", "kept"),
    [
        ("", 0, "complete", "", 1, 0, WHOLE),
        ("ends early", 1, "complete", "", 2, 0, WHOLE),
        ("ends early", 9, "short", "move_short", 2, 0, set()),
        ("repeats", 1, "complete", "", 1, 0, WHOLE),
        ("other patient", 1, "complete", "another_patient", 1, 1, WHOLE),
        ("listed of other patient", 9, "complete", "another_patient", 1, 1, WHOLE - {FIRST}),
        ("unlisted", 1, "complete", "not_listed", 1, 1, WHOLE),
        ("other study", 1, "complete", "another_patient", 1, 1, WHOLE),
        ("differs", 9, "short", "repeated_differently", 1, 1, set()),
        ("drops", 1, "complete", "", 2, 0, WHOLE),
        ("drops", 9, "short", "association_lost", 2, 0, set()),
        ("refuses", 9, "short", "move_refused", 2, 0, set()),
        ("syntax", 9, "short", "syntax_refused", 2, 0, set()),
        ("grows", 1, "complete", "grew", 2, 0, WHOLE | {f"{STUDY}/{STUDY}.3.1.dcm"}),
    ],
)
def test_what_a_pacs_does_wrong_is_a_row_with_a_reason(
    archive: FaultyPacs,
    opened: list[ImageArchive],
    expecting: Workspace,
    fault: str,
    times: int,
    state: str,
    reason: str,
    attempts: int,
    set_aside: int,
    kept: set[str],
) -> None:
    archive.now_has([image(STUDY, *each) for each in IMAGES], fault, times)
    acquire.ask_archives(expecting, silent, opened)
    row = pulled(expecting, opened)
    assert (row["state"], row["reason"], row["attempts"], row["set_aside"]) == (state, reason, attempts, set_aside)
    incoming = expecting.local / "incoming"
    whole = {path.relative_to(incoming).as_posix() for path in incoming.rglob("*.dcm")}
    assert whole == kept
    assert all(pydicom.dcmread(incoming / name).PatientID == "P1" for name in whole)
    assert row["repeated"] == (fault in ("repeats", "differs"))
    ledger = [json.loads(line) for line in (expecting.local / "incoming.jsonl").read_text().splitlines()]
    assert [(line["StudyInstanceUID"], line["state"], line["reason"]) for line in ledger] == [(STUDY, state, reason)]


def test_only_the_exact_accession_is_taken_and_another_patient_is_never_pulled(
    archive: FaultyPacs, opened: list[ImageArchive], expecting: Workspace
) -> None:
    images = [image(STUDY, 1, 1), image("1.9", 1, 1, accession="A11"), image("1.8", 1, 1, patient="P9")]
    archive.now_has(images, "answers anything")
    answers = acquire.ask_archives(expecting, silent, opened).set_index("StudyInstanceUID")
    assert answers["other_patient"].to_dict() == {STUDY: False, "1.8": True}
    assert pulled(expecting, opened)["StudyInstanceUID"] == STUDY
    asked = [query for query in archive.asked if query["QueryRetrieveLevel"] == "STUDY"]
    assert asked == [{"QueryRetrieveLevel": "STUDY", "AccessionNumber": "A1"}]


def test_an_accession_that_an_archive_cannot_read_is_found_among_the_patients(
    archive: FaultyPacs, opened: list[ImageArchive], expecting: Workspace
) -> None:
    row = expecting.read(tables.EXPECTED_STUDIES).assign(AccessionNumber="A 1&2")
    expecting.write(tables.EXPECTED_STUDIES, row)
    others = [image("1.9", 1, 1, accession="A 1"), image("1.8", 1, 1, accession="A 1&2", patient="P9")]
    archive.now_has([image(STUDY, 1, 1, accession="A 1&2"), *others], "reads no signs")
    assert acquire.ask_archives(expecting, silent, opened)["StudyInstanceUID"].tolist() == [STUDY]
    asked = [query for query in archive.asked if query["QueryRetrieveLevel"] == "STUDY"]
    assert [query.get("PatientID") for query in asked] == [None, "P1"]


def test_a_patient_whose_number_an_archive_cannot_read_is_found_and_nobody_like_them(
    archive: FaultyPacs, opened: list[ImageArchive], expecting: Workspace
) -> None:
    row = expecting.read(tables.EXPECTED_STUDIES).assign(AccessionNumber="", day="2020-01-31", PatientID="M&47 11")
    expecting.write(tables.EXPECTED_STUDIES, row)
    others = [image("1.9", 1, 1, patient="M&47 12"), image("1.8", 1, 1, patient="Mx47x11")]
    archive.now_has([image(STUDY, 1, 1, patient="M&47 11"), *others], "reads no signs")
    assert acquire.ask_archives(expecting, silent, opened)["StudyInstanceUID"].tolist() == [STUDY]
    asked = [query for query in archive.asked if query["QueryRetrieveLevel"] == "STUDY"]
    assert [query.get("PatientID") for query in asked] == ["M&47 11", "M*47*11"]
    expecting.write(tables.EXPECTED_STUDIES, row.assign(PatientID="M& 1"))
    archive.now_has([image(STUDY, 1, 1, patient="M&47 11")], "reads no signs")
    assert acquire.ask_archives(expecting, silent, opened).empty
    asked = [query for query in archive.asked if query["QueryRetrieveLevel"] == "STUDY"]
    assert [query.get("PatientID") for query in asked] == ["M& 1"]


def test_a_withdrawn_accession_is_not_taken_where_a_day_is_asked_for(
    archive: FaultyPacs, opened: list[ImageArchive], expecting: Workspace
) -> None:
    row = expecting.read(tables.EXPECTED_STUDIES).assign(AccessionNumber="", day="2020-01-31")
    expecting.write(tables.EXPECTED_STUDIES, row)
    archive.now_has([image(STUDY, 1, 1), image("1.9", 1, 1, accession="A2")])
    told = {"item": "accession:7", "decision": "remove", "note": "consent"}
    WITHDRAWAL_LOG.append(expecting, "A. Privacy", told | {"marks": marks_of(expecting.key(), [("P1", "A2")])[0]})
    assert acquire.ask_archives(expecting, silent, opened)["AccessionNumber"].tolist() == ["A1"]


def test_a_run_goes_on_with_what_is_lacking_and_asks_nothing_twice(
    archive: FaultyPacs, opened: list[ImageArchive], expecting: Workspace
) -> None:
    archive.now_has([image(STUDY, *each) for each in IMAGES], "ends early", 9)
    acquire.ask_archives(expecting, silent, opened)
    pulled(expecting, opened)  # the last image never came; then the run was killed
    arriving = expecting.local / "arriving" / STUDY
    (arriving / f"{PARTIAL}1").write_bytes(b"half")
    archive.now_has(archive.images)
    again = pulled(expecting, opened)
    assert archive.moves == ["SERIES"] and (again["state"], again["instances"]) == ("complete", 3)
    pulled(expecting, opened)
    assert archive.moves == ["SERIES"] and not list(arriving.glob("*"))
    archive.images.append(image(STUDY, 3, 1))
    grown = pulled(expecting, opened)
    assert archive.moves == ["SERIES"] * 2 and (grown["state"], grown["instances"]) == ("complete", 4)


def test_what_cannot_be_asked_ends_the_notebook_in_words(
    archive: FaultyPacs, opened: list[ImageArchive], tmp_path: Path, expecting: Workspace
) -> None:
    archive.now_has([image(STUDY, 1, 1)], "refuses questions")
    with pytest.raises(WorkbenchError, match="the PACS refused the question"):
        acquire.ask_archives(expecting, silent, opened)
    nobody = open_archives(Parameters.of({"pacs": ["dimse+get://127.0.0.1:9/NOBODY"], "pacs_timeout": 5}))
    with pytest.raises(WorkbenchError, match="the PACS does not answer"):
        acquire.ask_archives(expecting, silent, nobody)
    now = f"{datetime.now():%H}"
    with pytest.raises(WorkbenchError, match="outside the hours"):
        acquire.ask_archives(a_workspace(tmp_path / "b", pacs_hours=f"{now}:00-{now}:00"), silent, opened)


@pytest.mark.parametrize("told", [{CTImageStorage}, {CTImageStorage, BasicTextSRStorage}, {CTImageStorage, ""}, {""}])
def test_every_class_and_syntax_is_proposed_and_never_more_than_an_association_takes(told: set[str]) -> None:
    rounds = list(dimse._proposals(told))
    proposed = [pair for pairs in rounds[: -len(dimse.FREQUENT)] for pair in pairs]
    assert len(proposed) == len(set(proposed)) and max(map(len, rounds)) < 128
    classes = {str(each.abstract_syntax) for each in AllStoragePresentationContexts} if "" in told else told
    assert {sop_class for sop_class, _ in proposed} >= classes
    assert {(each, ExplicitVRLittleEndian) for each in classes} <= set(proposed)
    assert {syntax for each, syntax in proposed if each == CTImageStorage} == set(ALL_TRANSFER_SYNTAXES)


@pytest.mark.parametrize(
    ("hours", "hour", "within"),
    [
        *(("", 3, True), ("20:00-06:00", 23, True), ("20:00-06:00", 5, True), ("20:00-06:00", 6, False)),
        *(("20:00-06:00", 12, False), ("08:00-09:00", 8, True), ("08:00-09:00", 9, False)),
    ],
)
def test_an_archive_is_asked_within_its_hours(hours: str, hour: int, within: bool) -> None:
    assert within_hours(hours, datetime(2026, 1, 1, hour)) is within


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pacs", ["dimse://user:hush@host:104/AET"]),
        ("pacs", ["dimse://host/AET"]),
        ("pacs", ["https://host/dicom-web?token=hush"]),
        ("pacs", ["ftp://host/x"]),
        ("pacs_hours", "8-9"),
        ("pacs_aet", "TOO LONG A TITLE FOR AN AE"),
        ("pacs_token", "hush"),
        ("pacs_associations", 0),
    ],
)
def test_a_parameter_that_no_archive_can_be_asked_with_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputError) as refused:
        Parameters.of({name: value})
    assert all(line.startswith(f"{name}:") and "hush" not in line for line in refused.value.lines)
