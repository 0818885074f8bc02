"""What the next run will change, and why, is told before anything is written: by person, with one true cause each."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from chorus_nb import deid, explore, memory, tables
from chorus_nb.deid.ledger import MADE_FROM, Ledger
from chorus_nb.identity.site_words import WORD_LOG
from chorus_nb.withdrawn import WITHDRAWAL_LOG
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.waiting import what_waits
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite, plan, tree

PERSONS = "PatientID,person_id,Days_Shifted\nMRN-1,1001,-100\nMRN-2,1002,-37\nMRN-2B,1002,-37\nMRN-3,1003,-100\n"
IMAGES = "PatientID,AccessionNumber,image_occurence_id\nMRN-1,ACC-1,501\nMRN-2,ACC-2,502\n"
IMAGES += "MRN-2B,ACC-3,503\nMRN-3,ACC-4,504\n"
FILES = {1001: 2, 1002: 2, 1003: 1}  # in the release
Row = tuple[int | None, int | None, str, str, str, int]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = SmallSite(tmp_path_factory.mktemp("outlook") / "site")
    site.lookup("Personal_map", PERSONS)
    site.lookup("Image_map", IMAGES)
    for path, patient, accession in (
        *(("a/1", "MRN-1", "ACC-1"), ("a/2", "MRN-1", "ACC-1"), ("b/1", "MRN-2", "ACC-2")),
        *(("b/2", "MRN-2B", "ACC-3"), ("c/1", "MRN-3", "ACC-4"), ("d/1", "MRN-9", "ACC-9")),
    ):
        site.add(
            path,
            PatientID=patient,
            AccessionNumber=accession,
            InstanceNumber=int(path[-1]),
            SeriesInstanceUID=f"1.2.3.{accession[-1]}",
            StudyInstanceUID=f"1.2.{accession[-1]}",
        )
    workspace = opened(site)
    plan(workspace)
    deid.outlook(workspace)
    deid.deidentify(workspace)
    return site.folder


@pytest.fixture
def site(made: Path, tmp_path: Path) -> SmallSite:
    shutil.copytree(made, tmp_path / "site")
    found = SmallSite.__new__(SmallSite)
    found.folder, found.dicom = tmp_path / "site", tmp_path / "site" / "dicom"
    return found


def opened(site: SmallSite, **parameters: object) -> Workspace:
    return site.open(deface="skip", **parameters)


def rows(table: pd.DataFrame) -> set[Row]:
    """The rows of what changes."""
    named = ["person_before", "person_now", "what", "cause", "changed", "files"]
    changing = table[(table.what != "stays") | (table.cause != "")][named]
    return {
        tuple(None if pd.isna(cell) else cell for cell in row) for row in changing.itertuples(index=False, name=None)
    }


def persons(site: SmallSite, old: str, new: str) -> None:
    site.lookup("Personal_map", PERSONS.replace(old, new))


def everybody(what: str, cause: str, changed: str) -> set[Row]:
    return {(person, None if what == "leaves" else person, what, cause, changed, n) for person, n in FILES.items()}


def corrected(site: SmallSite) -> None:
    persons(site, "-37", "-44")
    site.lookup("Personal_map", PERSONS.replace("-37", "-44").replace("MRN-1,1001", "MRN-1,1007"))
    site.lookup("Image_map", IMAGES.replace("504", "599"))


def split_and_merged(site: SmallSite) -> None:
    site.lookup(
        "Personal_map", PERSONS.replace("MRN-2B,1002,-37", "MRN-2B,1008,-50").replace("MRN-3,1003", "MRN-3,1001")
    )


def others_mapped(site: SmallSite) -> None:
    persons(site, "MRN-3,1003,-100", "MRN-9,1009,-3")
    site.lookup("Image_map", IMAGES + "MRN-9,ACC-9,509\n")


def decided(site: SmallSite) -> None:
    WORD_LOG.append(opened(site), "A. Reviewer", {"word": "zorblit", "decision": "approve"})
    gone = {"item": "person:1003", "decision": "remove", "note": "consent"}
    WITHDRAWAL_LOG.append(opened(site), "A. Reviewer", gone)


def source_changed(site: SmallSite) -> None:
    attributes = {"PatientID": "MRN-3", "AccessionNumber": "ACC-4", "SeriesInstanceUID": "1.2.3.4"}
    site.add("c/1", InstanceNumber=1, PatientSize="1.80", **attributes)
    site.add("a/3", InstanceNumber=3)
    (site.dicom / "a/1").rename(site.dicom / "z")
    (site.dicom / "a/2").unlink()
    next((site.folder / "workspace/release/1002/Images/CT/502").rglob("*.dcm")).unlink()


CASES: dict[str, tuple[Callable[[SmallSite], object], dict[str, object], set[Row]]] = {
    "shift, person and accession are corrected": (
        corrected,
        {},
        {
            (1002, 1002, "made_again", "shift", "days_shifted", 2),
            (1001, 1007, "moved", "remapped", "person_id", 2),
            (1003, 1003, "moved", "accession", "image_occurrence_id", 1),
        },
    ),
    "a patient is split, two are merged": (
        split_and_merged,
        {},
        {
            (1002, 1002, "made_again", "split", "known", 1),
            (1002, 1008, "moved", "split", "known, person_id, days_shifted", 1),
            (1001, 1001, "made_again", "merged", "known", 2),
            (1003, 1001, "moved", "merged", "known, person_id", 1),
        },
    ),
    "others are mapped": (
        others_mapped,
        {},
        {(None, 1009, "new", "lookup", "", 1), (1003, None, "leaves", "lookup", "", 1)},
    ),
    "kinds": (lambda site: None, {"kinds": ["MR"]}, everybody("leaves", "parameter", "kinds")),
    "uid_method": (lambda site: None, {"uid_method": "ctp"}, everybody("moved", "parameter", "uid_method")),
    "the key": (lambda site: exchange_key(opened(site)), {}, everybody("moved", "key", "site_key")),
    "decisions": (
        decided,
        {},
        {
            *((person, person, "made_again", "words", "known_words", 2) for person in (1001, 1002)),
            (1003, None, "leaves", "withdrawn", "", 1),
        },
    ),
    "the source changes": (
        source_changed,
        {},
        {
            (1003, 1003, "made_again", "source", "size", 1),
            (None, 1001, "new", "new", "", 1),
            (1001, 1001, "made_again", "path", "source_path", 1),
            (1001, 1001, "stays", "vanished", "", 1),
            (None, 1002, "new", "again", "", 1),
        },
    ),
}


def exchange_key(workspace: Workspace) -> None:
    workspace.remember_key(bytes.fromhex("ab" * 32))
    workspace.key_path.write_text("ab" * 32 + "\n")


@pytest.mark.parametrize("name", CASES)
def test_what_changes_is_told_by_person_with_its_cause(site: SmallSite, name: str) -> None:
    change, parameters, expected = CASES[name]
    change(site)
    workspace = opened(site, **parameters)
    before = tree(workspace.release)
    if name == "the source changes":
        explore.scan(workspace)
    deid.make_worklist(workspace)
    table = deid.outlook(workspace)
    assert rows(table) == expected
    assert tree(workspace.release) == before
    shown = deid.summary.outlook_by_cause(table).to_csv()
    assert not any(text in shown for text in ("100", "MRN", "-50")), "the report names no person"
    now = set(table.person_now[table.what != "stays"].dropna())
    assert set(deid.summary.outlook_by_person(table).person_now.dropna()) == now


def test_another_version_of_the_workbench_is_told_as_that(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "closure_digest", lambda module: "other")
    workspace = opened(site)
    deid.make_worklist(workspace)
    assert {(row[2], row[3]) for row in rows(deid.outlook(workspace))} == {("made_again", "code")}


def test_much_at_once_is_told_loudly_and_stops_nothing(site: SmallSite) -> None:
    workspace = opened(site)
    deid.make_worklist(workspace)
    usual = deid.outlook(workspace)
    assert not deid.unusual(usual) and deid.alerts(usual) is None
    assert deid.outlook_said(usual) == "Of 5 files in the release 0 (0.0%) are made again, moved or leave."
    persons(site, "-37", "-44")
    deid.make_worklist(workspace)
    much = deid.outlook(workspace)
    assert deid.unusual(much) and deid.outlook_said(much).startswith("Of 5 files in the release 2 (40.0%) are made")
    assert list(deid.alerts(much)) == [True, False]
    assert (deid.deidentify(workspace).status == "released").sum() == 5
    assert "Is it what was meant?" in " ".join(one.what for one in what_waits(workspace, {}))
    deid.make_worklist(workspace)
    assert rows(deid.outlook(workspace)) == set(), "it is told once"
    assert "Is it what was meant?" not in " ".join(one.what for one in what_waits(workspace, {}))
    with Ledger(workspace) as ledger:
        assert set(ledger.rested().days_shifted) == {-100, -44}
        assert len(ledger.connection.execute("select * from rested").fetchall()) == 5


def test_every_cause_has_a_sentence_and_every_reason_and_column_one_cause() -> None:
    with Path(deid.__file__).with_name("outlook_causes.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert all(row["sentence"] for row in found)
    reasons = [reason for row in found for reason in row["reasons"].split()]
    assert len(reasons) == len(set(reasons)) and set(reasons) <= set(tables.REMEDIES)
    changed = [name for row in found for name in row["changed"].split()]
    assert len(changed) == len(set(changed)) and set(MADE_FROM) <= set(changed)


def test_the_command_says_it_without_writing_anything(site: SmallSite, capfd: pytest.CaptureFixture[str]) -> None:
    workspace = opened(site)
    file = site.folder / "site.yaml"
    file.write_text(yaml.safe_dump(workspace.parameters.model_dump()))
    site.lookup("Personal_map", PERSONS.replace("-37", "-44").replace("-100", "-107"))
    site.add("a/9", InstanceNumber=9)
    before = tree(workspace.root)
    assert main(["outlook", str(file)]) == 0
    said = capfd.readouterr()
    assert [line.split(",")[:3] for line in said.out.splitlines()[1:]] == [
        [person, person, "made again"] for person in ("1001", "1002", "1003")
    ]
    assert "Of 5 files in the release 5 (100.0%) are made again" in said.err
    assert "1 new, 0 changed, 0 gone" in said.err
    assert tree(workspace.root) == before
    assert main(["outlook", str(file), "--set", f"workspace={site.folder / 'other'}"]) == 1
    assert not (site.folder / "other").exists()
    (workspace.local / "ledger.sqlite").unlink()
    before = tree(workspace.root)
    assert main(["outlook", str(file)]) == 1
    assert "ledger.sqlite is not there" in capfd.readouterr().err
    assert tree(workspace.root) == before
