"""Several archives and studies: each study from where most of it is, and never more at once than is allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset

from chorus_nb import acquire, tables
from chorus_nb.acquire import asked, pulling
from chorus_nb.acquire.archive import Keep, PullFault, QueryAnswer, SopInstance
from chorus_nb.errors import WorkbenchError
from tests.acquire.faulty import LEVELS, image
from tests.acquire.test_pull import a_workspace, silent


class InMemory:
    """An archive without a network, which counts how many ask it at once."""

    def __init__(self, name: str, images: list[Dataset]) -> None:
        self.name, self.images, self.now, self.most = name, images, 0, 0
        self.fetched: list[str] = []
        self.asked, self.ends_at = list[str](), 0
        self._lock = threading.Lock()

    @contextmanager
    def connect(self) -> Iterator[InMemory]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        try:
            yield self
        finally:
            with self._lock:
                self.now -= 1

    def close(self) -> None:
        return None

    def find(self, level: str, keys: Mapping[str, str], fields: tuple[str, ...]) -> list[QueryAnswer]:
        if level == "STUDY":
            self.asked.append(keys.get("AccessionNumber", ""))
            if len(self.asked) == self.ends_at:
                raise PullFault("association_lost")
        fitting = [each for each in self.images if all(each.get(name) == value for name, value in keys.items())]
        once = {each[LEVELS[level]].value: each for each in fitting}
        return [{name: str(each.get(name) or "") for name in {*fields, *keys}} for each in once.values()]

    def fetch(self, study: str, wanted: Mapping[str, SopInstance], level: str, keep: Keep) -> None:
        self.fetched.append(study)
        for each in self.images:
            if each.SOPInstanceUID in wanted:
                each.file_meta.MediaStorageSOPClassUID = each.SOPClassUID
                each.file_meta.MediaStorageSOPInstanceUID = each.SOPInstanceUID
                each.save_as(content := BytesIO(), enforce_file_format=True)
                keep(content.getvalue())


def test_a_study_comes_from_the_archive_that_has_most_of_it(tmp_path: Path) -> None:
    some = InMemory("https://some.example.org", [image("1.2", 1, 1), image("1.3", 1, 1), image("1.3", 1, 2)])
    most = InMemory("https://most.example.org", [image("1.2", 1, 1), image("1.2", 2, 1), image("1.3", 1, 1)])
    workspace = a_workspace(tmp_path)
    answers = acquire.ask_archives(workspace, silent, [some, most])
    assert answers.groupby("pacs")["instances"].sum().to_dict() == {some.name: 3, most.name: 3}
    pulled = acquire.pull(workspace, silent, [some, most]).set_index("StudyInstanceUID")
    assert pulled["pacs"].to_dict() == {"1.2": most.name, "1.3": some.name}
    assert (some.fetched, most.fetched) == (["1.3"], ["1.2"]) and set(pulled["state"]) == {"complete"}
    assert len(list((workspace.local / "incoming").rglob("*.dcm"))) == 4


def test_no_more_studies_are_pulled_at_once_than_is_allowed(tmp_path: Path) -> None:
    archive = InMemory("https://one.example.org", [image(f"1.2.{number}", 1, 1) for number in range(12)])
    workspace = a_workspace(tmp_path, pacs_associations=3)
    acquire.ask_archives(workspace, silent, [archive])
    assert archive.most == 1
    told: list[str] = []
    pulled = acquire.pull(workspace, lambda done, total, text: told.append(f"{done}/{total} {text}"), [archive])
    assert archive.most == 3 and len(pulled) == 12
    assert told[-1].startswith("12/12 studies pulled") and told[-1].endswith("0 s left")


def test_an_accession_with_several_studies_is_one_line_of_the_account(tmp_path: Path) -> None:
    archive = InMemory("https://one.example.org", [image("1.2", 1, 1), image("1.3", 1, 1)])
    (tmp_path / "lookup").mkdir()
    (tmp_path / "lookup" / "Personal_map.csv").write_text("PatientID,person_id,Days_Shifted\nP1,1,-10\n")
    (tmp_path / "lookup" / "Image_map.csv").write_text("PatientID,AccessionNumber,image_occurence_id\nP1,A1,1\n")
    workspace = a_workspace(tmp_path, lookup=str(tmp_path / "lookup"))
    acquire.ask_archives(workspace, silent, [archive])
    [line] = acquire.account(workspace).to_dict("records")
    assert (line["cell"], line["StudyInstanceUID"], line["instances_listed"]) == ("not_pulled", "1.2\\1.3", 2)
    tables.to_arrow(tables.ACQUISITION, acquire.close_account(workspace))


def test_a_run_that_was_broken_off_asks_only_what_was_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "ATTEMPTS", 1)
    accessions = [f"A{number}" for number in range(6)]
    images = [image(f"1.2.{number}", 1, 1, accession=each) for number, each in enumerate(accessions)]
    archive = InMemory("https://one.example.org", images)
    workspace = a_workspace(tmp_path)
    expected = workspace.read(tables.EXPECTED_STUDIES)
    rows = [expected.iloc[0].to_dict() | {"number": n, "AccessionNumber": a} for n, a in enumerate(accessions)]
    workspace.write(tables.EXPECTED_STUDIES, tables.frame(tables.EXPECTED_STUDIES, rows))
    whole = acquire.ask_archives(workspace, silent, [archive])

    def asked_from(start: int) -> list[str]:
        archive.asked, archive.ends_at = [], 0
        assert acquire.ask_archives(workspace, silent, [archive]).equals(whole)
        assert archive.asked == accessions[start:]
        return archive.asked

    def broken_off_at(number: int) -> None:
        archive.asked, archive.ends_at = [], number + 1
        with pytest.raises(WorkbenchError):
            acquire.ask_archives(workspace, silent, [archive])

    asked_from(0)  # a run that came to its end asks anew
    broken_off_at(4)
    asked_from(4)
    broken_off_at(3)
    answers = workspace.local / "asked.jsonl"
    answers.write_bytes(answers.read_bytes()[:-20])  # killed amid the third answer
    archive.asked, archive.ends_at = [], 2
    with pytest.raises(WorkbenchError):
        acquire.ask_archives(workspace, silent, [archive])  # answers the third, breaks off again
    asked_from(3)
    broken_off_at(2)
    this_year = f'"time": "{datetime.now(UTC).year}-'
    answers.write_text(answers.read_text().replace(this_year, '"time": "2999-'))  # the clock was set back since
    asked_from(0)
    broken_off_at(2)
    monkeypatch.setattr(asked, "HOLDS", timedelta())  # days went by
    asked_from(0)
