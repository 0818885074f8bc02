"""Words that nobody knows yet: what they cost, and that a decision about one holds from release to release."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.identity.site_words import site_vocabulary
from chorus_nb.mapping import decide_words, text_words
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace

# patient, series, files, SeriesDescription, OperatorsName
SERIES = [
    ("A", "1", 3, "AX KLMBRT CHEST", "Threlkeld^Ada"),
    ("A", "2", 1, "KLMBRT ABDOMEN", ""),
    ("B", "3", 9, "CHEST ZWXPROT", ""),
    ("B", "4", 1, "CHEST for Threlkeld", ""),
    ("C", "5", 1, "CHEST", ""),
]


@pytest.fixture
def scanned(tmp_path: Path) -> Workspace:
    folders = {name: str(tmp_path / name) for name in ("source", "omop", "lookup", "workspace")}
    (tmp_path / "source").mkdir()
    workspace = Workspace(Parameters.of({**folders, "decisions": str(tmp_path / "decisions")})).create()
    rows = [
        {
            "source_path": f"{series}/{number}",
            "status": "dicom",
            "PatientID": patient,
            "SeriesInstanceUID": series,
            "SeriesDescription": text,
            "OperatorsName": operator,
        }
        for patient, series, files, text, operator in SERIES
        for number in range(files)
    ]
    blank = {column.name: {"integer": 0, "truth": False}.get(column.kind, "") for column in tables.CATALOG.columns}
    workspace.write(tables.CATALOG, pd.DataFrame([blank | row for row in rows]))
    return workspace


def test_words_that_would_go_are_listed_by_what_they_cost(scanned: Workspace) -> None:
    found = text_words(scanned).unknown.set_index("word")
    assert list(found.index) == ["klmbrt", "zwxprot", "threlkeld"]
    assert found.series.to_dict() == {"klmbrt": 2, "zwxprot": 1, "threlkeld": 1}
    assert found.files.to_dict() == {"klmbrt": 4, "zwxprot": 9, "threlkeld": 1}
    assert found.examples["klmbrt"] == "AX KLMBRT CHEST | KLMBRT ABDOMEN"
    assert found.is_name.to_dict() == {"klmbrt": False, "zwxprot": False, "threlkeld": True}


def test_the_first_screen_says_what_approving_is_worth(scanned: Workspace) -> None:
    said = text_words(scanned).headline
    assert said == (
        "4 words known, 2 unknown in 5 series; approving all of them keeps 100 % of what would be lost. "
        "1 more are names of people and go."
    )


def test_a_decision_holds_in_the_next_release(scanned: Workspace, tmp_path: Path) -> None:
    decide_words(scanned, ["KLMBRT"], "approve", "our protocol", "ada")
    decide_words(scanned, ["chest"], "refuse", "", "ada")
    parameters = scanned.parameters.model_copy(update={"workspace": str(tmp_path / "next")})
    after = Workspace(parameters).create()
    after.write(tables.CATALOG, scanned.read(tables.CATALOG))
    found = text_words(after).unknown.set_index("word")
    assert found.decision.to_dict() == {"zwxprot": "", "threlkeld": "", "chest": "refuse", "klmbrt": "approve"}
    assert not site_vocabulary(after).unknown("AX KLMBRT") and site_vocabulary(after).unknown("CHEST")
    kept = (tmp_path / "decisions" / "known_words.csv").read_text("utf-8")
    assert "klmbrt,approve,our protocol,ada," in kept


def test_what_is_no_word_cannot_be_decided_about(scanned: Workspace) -> None:
    with pytest.raises(InputError, match="one word"):
        decide_words(scanned, ["klmbrt", "two words"], "approve", "", "ada")
    assert text_words(scanned).unknown.decision.eq("").all(), "all or none"


def test_a_word_of_a_makers_code_waits_for_a_person_too(scanned: Workspace) -> None:
    catalog = scanned.read(tables.CATALOG)
    coded = catalog.assign(ConvolutionKernel="ZWXKERN FC51", ImageType="ORIGINAL\\PRIMARY\\TRACEW")
    scanned.write(tables.CATALOG, coded)
    waiting = text_words(scanned).waiting.set_index("word")
    assert waiting.attributes["zwxkern"] == "ConvolutionKernel"
    assert waiting.attributes["klmbrt"] == "SeriesDescription" and "tracew" not in waiting.index
    decide_words(scanned, ["zwxkern"], "approve", "the kernel of our old scanner", "A. Reviewer")
    assert "zwxkern" not in text_words(scanned).waiting.word.to_list()
