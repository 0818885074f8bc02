"""What an archive tells wrong, by halves or without end is a row with its reason, and gets nothing wrong in."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from chorus_nb import acquire, explore, tables
from chorus_nb.acquire import archive as ways
from chorus_nb.acquire import incoming, pulling
from chorus_nb.acquire.archive import ImageArchive, Keep, SopInstance
from chorus_nb.acquire.gaps import gap_meaning, gap_remedy
from chorus_nb.acquire.opening import open_archives
from chorus_nb.errors import WorkbenchError
from chorus_nb.parameters import Parameters
from tests.acquire.faulty import FaultyPacs, image
from tests.acquire.test_pull import a_workspace, silent
from tests.acquire.test_several import InMemory

STUDY = "1.2.3"
IMAGES = [image(STUDY, series, number) for series, number in ((1, 1), (1, 2), (2, 1))]
UIDS = {str(each.SOPInstanceUID) for each in IMAGES}
SECONDS = 30  # in which what has no end is given up, on a busy machine


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "pause", lambda attempt: None)
    monkeypatch.setattr(pulling, "ATTEMPTS", 2)


@pytest.fixture(scope="module")
def faulty() -> Iterator[FaultyPacs]:
    made = FaultyPacs()
    with made.listening() as made.pacs:
        yield made


@pytest.fixture(scope="module")
def opened(faulty: FaultyPacs) -> Iterator[list[ImageArchive]]:
    archives = open_archives(
        Parameters.of({"pacs": [faulty.pacs.dimse], "pacs_port": faulty.our_port, "pacs_timeout": 10})
    )
    yield archives
    archives[0].close()


def run(folder: Path, opened: list[ImageArchive]) -> tuple[list[dict[str, object]], set[str]]:
    """Rows of ``pulled_studies``, and the UIDs of the images that came in, each as its file, of patient and study."""
    workspace = a_workspace(folder)
    acquire.ask_archives(workspace, silent, opened)
    rows = acquire.pull(workspace, silent, opened).to_dict("records")
    files = sorted((workspace.local / "incoming").rglob("*.dcm"))
    headers = [pydicom.dcmread(path) for path in files]
    assert [each.SOPInstanceUID for each in headers] == [path.stem for path in files]
    assert {(each.PatientID, each.StudyInstanceUID) for each in headers} <= {("P1", STUDY)}
    outside = [path for path in folder.rglob("*.dcm") if workspace.local not in path.parents]
    assert outside == []
    for row in rows:
        reason = str(row["reason"])
        assert not reason or (gap_meaning(reason) and gap_remedy(reason).endswith("."))
    return rows, {path.stem for path in files}


@pytest.mark.parametrize(
    ("fault", "times", "state", "reason", "came"),
    [
        ("answers anything at SERIES", 9, "complete", "", UIDS),
        ("answers anything at IMAGE", 9, "complete", "", UIDS),
        ("tells none at SERIES", 9, "short", "lists_less", set()),
        ("tells none at IMAGE", 9, "short", "lists_less", set()),
        ("tells no name at SERIES", 9, "short", "uid_unusable", set()),
        ("tells no name at IMAGE", 9, "short", "uid_unusable", set()),
        ("counts more", 9, "complete", "lists_less", UIDS),
        ("counts in words", 9, "complete", "", UIDS),
        ("wrong study in one", 9, "complete", "another_patient", UIDS - {f"{STUDY}.1.1"}),
        ("closes between", 1, "complete", "", UIDS),
        ("closes between", 9, "complete", "", UIDS),  # two images an attempt
    ],
)
def test_half_answers_and_too_many(
    faulty: FaultyPacs,
    opened: list[ImageArchive],
    tmp_path: Path,
    fault: str,
    times: int,
    state: str,
    reason: str,
    came: set[str],
) -> None:
    others = [image("1.9", 1, 1, accession="B"), image("1.8", 1, 1, patient="P9", accession="C")]
    faulty.now_has([*IMAGES, *others], fault, times)
    [row], kept = run(tmp_path, opened)
    assert (row["StudyInstanceUID"], row["state"], row["reason"], kept) == (STUDY, state, reason, came)


def test_a_study_without_a_name_is_told_and_not_asked_for(
    faulty: FaultyPacs, opened: list[ImageArchive], tmp_path: Path
) -> None:
    faulty.now_has(IMAGES, "tells no name at STUDY")
    [row], kept = run(tmp_path, opened)
    assert (row["state"], row["reason"], kept, faulty.moves) == ("short", "uid_unusable", set(), [])


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_a_list_that_breaks_off_is_never_taken_for_the_whole(
    faulty: FaultyPacs, opened: list[ImageArchive], tmp_path: Path, level: str
) -> None:
    faulty.now_has(IMAGES, f"breaks off at {level}")
    if level == "IMAGE":  # the series say no counts: the question fails already
        level = "SERIES"
    with pytest.raises(WorkbenchError, match="refused the question"):
        run(tmp_path, opened)
    assert faulty.moves == []


@pytest.mark.parametrize("fault", ["is busy for ever", "repeats for ever at IMAGE", "repeats for ever at STUDY"])
def test_who_goes_on_for_ever_is_given_up(
    faulty: FaultyPacs, opened: list[ImageArchive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(ways, "TIMES_TIMEOUT", 0.1)
    faulty.now_has(IMAGES, fault, 9)
    began = time.monotonic()
    if fault == "is busy for ever":
        [row], kept = run(tmp_path, opened)
        assert (row["state"], row["reason"], row["attempts"], kept) == ("short", "never_ends", 1, set())
    else:
        with pytest.raises(WorkbenchError, match="nothing new comes"):
            run(tmp_path, opened)
    assert time.monotonic() - began < SECONDS


def test_answers_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = ways.Patience(1000)
    patience.seen(ways.MOST_ANSWERS)
    with pytest.raises(ways.PullFault, match="never_ends"):
        patience.seen(ways.MOST_ANSWERS + 1)


def test_one_study_of_two_patients_is_pulled_for_the_one_that_is_wanted(tmp_path: Path) -> None:
    other = image(STUDY, 1, 7, patient="P9")
    for place, images in enumerate(([*IMAGES, other], [other, *IMAGES])):

        class OfBoth(InMemory):
            def find(self, level: str, keys: Mapping[str, str], fields: tuple[str, ...]) -> list[ways.QueryAnswer]:
                if level != "STUDY":
                    return super().find(level, keys, fields)
                found = [{name: str(each.get(name) or "") for name in {*fields, *keys}} for each in self.images]
                return [each for number, each in enumerate(found) if each not in found[:number]]

        [row], kept = run(tmp_path / str(place), [OfBoth("https://a.example.org", images)])
        assert (row["state"], row["reason"], kept) == ("complete", "another_patient", UIDS)
        workspace = a_workspace(tmp_path / str(place))
        answers = workspace.read(tables.ARCHIVE_SERIES)
        assert set(zip(answers["PatientID"], answers["other_patient"], strict=True)) == {("P1", False), ("P9", True)}


LONG = "1." + "2" * 63  # 65 characters


@pytest.mark.parametrize("odd", [LONG, "../../../out", "1.2/../../3", "", "*"])
@pytest.mark.parametrize("level", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_uid_that_is_none_costs_itself_and_is_told(tmp_path: Path, level: str, odd: str) -> None:
    strange = image(STUDY, 1, 9)
    strange.add_new(level, "LO", odd)
    archive = Odd("https://a.example.org", [*IMAGES, strange])
    rows, kept = run(tmp_path, [archive])
    assert kept == UIDS
    found = {str(row["StudyInstanceUID"]): (row["state"], row["reason"]) for row in rows}
    if level == "StudyInstanceUID":
        assert found == {STUDY: ("complete", ""), odd: ("short", "uid_unusable")}
    else:
        assert found == {STUDY: ("complete", "uid_unusable")}


class Odd(InMemory):
    """An archive of which what comes is what :meth:`content` makes of it."""

    def content(self, one: Dataset) -> bytes:
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.save_as(content := BytesIO(), enforce_file_format=True)
        return content.getvalue()

    def fetch(self, study: str, wanted: Mapping[str, SopInstance], level: str, keep: Keep) -> None:
        for each in self.images:
            if each.SOPInstanceUID in wanted:
                keep(self.content(each))


@pytest.mark.parametrize("what", ["nothing", "another syntax", "no DICOM"])
def test_what_cannot_be_read_is_set_aside(tmp_path: Path, what: str) -> None:
    class Broken(Odd):
        def content(self, one: Dataset) -> bytes:
            whole = super().content(one)
            if one.SOPInstanceUID != f"{STUDY}.1.1":
                return whole
            return {
                "nothing": b"",
                "another syntax": whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"),
                "no DICOM": b"<html>" + bytes(1000),
            }[what]

    [row], kept = run(tmp_path, [Broken("https://a.example.org", IMAGES)])
    assert (row["state"], row["reason"], kept) == ("short", "damaged", set())


def test_what_lacks_its_end_or_its_pixels_comes_as_it_is_stored(tmp_path: Path) -> None:
    class Cut(Odd):
        def content(self, one: Dataset) -> bytes:
            one.Rows = one.Columns = 16
            one.add_new("PixelData", "OW", b"" if one.SOPInstanceUID == f"{STUDY}.1.1" else bytes(512))
            whole = super().content(one)
            return whole[:-100] if one.SOPInstanceUID == f"{STUDY}.1.2" else whole

    [row], kept = run(tmp_path, [Cut("https://a.example.org", [copy.deepcopy(each) for each in IMAGES])])
    assert (row["state"], row["reason"], kept) == ("complete", "", UIDS)
    workspace = a_workspace(tmp_path)
    explore.scan(workspace)
    found = workspace.read(tables.CATALOG).set_index("SOPInstanceUID")
    assert found.loc[f"{STUDY}.1.2", "reason"] == "truncated"


def test_a_disk_that_is_full_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, *parts: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(incoming, "put", full)
    [row], kept = run(tmp_path, [InMemory("https://a.example.org", IMAGES)])
    assert (row["state"], row["reason"], row["attempts"], kept) == ("short", "disk", 1, set())


def test_what_is_half_here_is_asked_for_by_name_and_then_by_series(
    faulty: FaultyPacs, opened: list[ImageArchive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "ATTEMPTS", 4)
    images = [image(STUDY, 1, number) for number in range(1, 6)]
    faulty.now_has(images, "ends early", 9)
    [row], kept = run(tmp_path, opened)
    assert (row["reason"], faulty.moves, kept) == ("move_short", ["STUDY", "IMAGE", "SERIES", "SERIES"], set())
    faulty.now_has(images)
    [row], kept = run(tmp_path, opened)
    assert faulty.moves == ["IMAGE"] and faulty.sent == [f"{STUDY}.1.5"] and len(kept) == 5


def test_no_answer_is_taken_by_another_thread(opened: list[ImageArchive]) -> None:
    with opened[0].connect() as connection:
        messages = connection._association().dimse  # type: ignore[attr-defined]
        for number in range(20):
            messages.msg_queue.put((1, number))
            time.sleep(0.01)  # in which the library's own thread looks for requests a few times
            assert messages.get_msg(block=True) == (1, number)
