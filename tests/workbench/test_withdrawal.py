"""A patient withdraws: at once, for good, and nothing of them is found any more."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import deid, explore, tables
from chorus_nb.drawn import Drawn
from chorus_nb.errors import InputError
from chorus_nb.metadata import build_metadata
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.registry import build_mi_cdm, build_omop, build_registry
from chorus_nb.release.manifest import record_delivery
from chorus_nb.workbench import audit
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.site_keys import rotate_key
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workbench.withdrawal import take_back, withdraw_for_good
from chorus_nb.workbench.withdrawal.erasing import place_of
from chorus_nb.workbench.withdrawal.registry import OWN, STRANGE
from chorus_nb.workspace import Workspace, digest_of
from tests.conftest import parameter_file
from tests.deid.small_run import SmallSite
from tests.small_release import PERSON, PROCEDURE, VISIT, write_manifest_of

NAMES = {"MRN-1": "Okonkwo-Lindqvist^Adaeze", "MRN-2": "Vasquez-Thorne^Benedikta", "MRN-2B": "Vasquez-Thorne^Benedikta"}
ACCESSIONS = {"ACC-1001": "MRN-1", "ACC-1002": "MRN-1", "ACC-2003": "MRN-2", "ACC-2004": "MRN-2B"}
WHO = {"by": "A. Privacy", "note": "consent withdrawn"}


class Site(SmallSite):
    """Two persons in one folder: 1001 with two accessions, 1002 with two PatientIDs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lookup(
            "Personal_map", "PatientID,person_id,Days_Shifted\nMRN-1,1001,-100\nMRN-2,1002,-37\nMRN-2B,1002,-37\n"
        )
        rows = [f"{p},{a},{50 + n}\n" for n, (a, p) in enumerate(ACCESSIONS.items(), 1)]
        self.lookup("Image_map", "PatientID,AccessionNumber,image_occurence_id\n" + "".join(rows))
        omop = folder / "omop"
        persons = {1001: "MRN-1", 1002: "MRN-2"}
        (omop / "person.csv").write_text(
            PERSON + "".join(f"{p},8532,1950,,,,8527,0,,,,{s},F,0,,0,,0\n" for p, s in persons.items())
        )
        (omop / "visit_occurrence.csv").write_text(VISIT)
        (omop / "procedure_occurrence.csv").write_text(
            PROCEDURE
            + "".join(
                f"{n},{p},4180642,2024-01-30,,,,32833,,1,,,,{v},0,\n"
                for n, p, v in ((333, 1001, "51"), (334, 1001, "52"), (335, 1002, ""))
            )
        )
        head = "measurement_id,person_id,measurement_concept_id,measurement_date,measurement_type_concept_id"
        (omop / "measurement.csv").write_text(
            f"{head},measurement_event_id,meas_event_field_concept_id\n"
            "1,1001,3000,2024-01-30,32817,333,1147082\n"
            "2,1001,3000,2024-01-30,32817,333,1147127\n"
            "3,1002,3000,2024-01-30,32817,,\n"
        )
        (omop / "note.csv").write_text("note_id,person_id\n7,1001\n8,1002\n")
        (omop / "note_nlp.csv").write_text("note_nlp_id,note_id\n70,7\n80,8\n")
        for number, (accession, patient) in enumerate(ACCESSIONS.items(), 1):
            for image in (1, 2):
                self.add(
                    f"export/{patient}-{accession}-{image}.dcm",
                    PatientID=patient,
                    PatientName=NAMES[patient],
                    AccessionNumber=accession,
                    StudyInstanceUID=f"1.2.826.77.{number}",
                    SeriesInstanceUID=f"1.2.826.77.{number}.1",
                    InstanceNumber=image,
                )

    def workspace(self) -> Workspace:
        asked = ["person", "measurement", "note", "note_nlp"]
        return self.open(omop_tables=asked, site="north")


def run(workspace: Workspace) -> Workspace:
    """What 01, 03 and 05 do."""
    explore.scan(workspace)
    explore.profile(workspace)
    explore.link(workspace)
    return run_03(workspace)


def run_03(workspace: Workspace) -> Workspace:
    deid.make_worklist(workspace)
    deid.deidentify(workspace)
    workspace.write(tables.SEARCH_TERMS, tables.empty(tables.SEARCH_TERMS))
    build_registry(workspace)
    build_metadata(workspace)
    build_omop(workspace)
    build_mi_cdm(workspace)
    return workspace


def deliver(workspace: Workspace) -> pd.DataFrame:
    """What 06 does with the manifest."""
    write_manifest_of(workspace)
    record_delivery(workspace)
    return workspace.read(tables.MANIFEST).set_index("path")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "site"
    workspace = run(Site(folder).workspace())
    (workspace.reports_local / "01_explore_headers.html").write_text(f"<p>{NAMES['MRN-1']}</p>")
    Drawn(workspace, "previews").of("f", lambda: ["their picture", 1])  # which nothing tells to be theirs
    deliver(workspace)
    workspace.path(tables.SIGN_OFF).parent.mkdir(exist_ok=True)
    workspace.path(tables.SIGN_OFF).write_text("signed")  # a delivery rests on it
    return folder


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Site:
    folder = tmp_path / "site"
    shutil.copytree(made, folder)
    found = Site.__new__(Site)
    found.folder, found.dicom = folder, folder / "dicom"
    return found


def persons_in(workspace: Workspace) -> dict[str, set[int]]:
    """Persons by table of the release."""
    found = {}
    for path in sorted(workspace.release.rglob("*.csv")):
        frame = pd.read_csv(path)
        if "person_id" in frame:
            found[path.relative_to(workspace.release).as_posix()] = set(frame.person_id)
    return found


def holding(workspace: Workspace, *texts: str) -> set[str]:
    """Files of the workspace in whose bytes or names a text stands."""
    return {
        path.relative_to(workspace.root).as_posix()
        for path in workspace.root.rglob("*")
        if path.is_file() and any(t.encode() in path.read_bytes() + str(path.name).encode() for t in texts)
    }


def test_a_person_is_taken_out_of_everything_at_once(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = site.workspace()
    assert "local/reports/01_explore_headers.html" in holding(workspace, "Okonkwo")
    file = parameter_file(workspace)
    assert main(["withdraw", file, "--person", "1001", "--by", "A. Privacy", "--note", "consent withdrawn"]) == 0
    said = capsys.readouterr().out
    assert "; 4 images taken out of release/" in said and "the source has 4 files of theirs" in said
    [(standing, identifiers)] = re.findall(r"^(\d+) of (\d+) identifiers stand in", said, re.MULTILINE)
    assert int(standing) == 0 and int(identifiers) >= 3 + 4 * 3
    assert not (workspace.release / "1001").exists()
    assert not holding(workspace, "their picture")
    assert len([*(workspace.release / "1002").rglob("*.dcm")]) == 4
    assert holding(workspace, "Okonkwo", "MRN-1", "ACC-100", "1.2.826.77.1", "1.2.826.77.2") == set()


def test_what_decisions_were_about_goes_with_them_and_the_rest_is_read_on(site: Site) -> None:
    workspace = site.workspace()
    row = {
        "decision": "accept",
        "boxes": "",
        "reviewer": "rev",
        "time": "2026-01-01T00:00:00Z",
        "note": "",
        "seen_digest": "",
    }
    rows = [{**row, "item": f"series:1.2.826.77.{number}.1"} for number in (1, 2, 3)]
    workspace.write(tables.IMAGE_DECISIONS, tables.frame(tables.IMAGE_DECISIONS, rows))
    IMAGE_LOG.current(workspace)
    assert [len(workspace.read(table)) for table in (tables.MET_FILES, tables.MET_DECISIONS)] == [6, 3]
    assert (
        main(["withdraw", parameter_file(workspace), "--person", "1001", "--by", "A. Privacy", "--note", "asked"]) == 0
    )
    assert [len(workspace.read(table)) for table in (tables.MET_FILES, tables.MET_DECISIONS)] == [2, 1]
    assert len(IMAGE_LOG.current(workspace)) == 3


def test_after_it_03_to_06_are_due_again_and_no_report_shows_a_new_uid_of_theirs(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """All had passed and nobody had signed: the command ended with an error, and 05's page kept their UIDs."""
    workspace = site.workspace()
    theirs, others = (next((workspace.release / person).rglob("*.dcm")).parent.name for person in ("1001", "1002"))
    for step, shown in zip(STEPS, ("", "", others, "", f"series {theirs}", others), strict=True):
        page = step.report(workspace)
        page.write_text(shown)
        event = {"event": "report", "notebook": step.name, "status": "passed", "seconds": 1.0, "lines": []}
        audit.append_line(workspace, event | {"report": audit.place(workspace, page), "digest": digest_of(page)})
    file = parameter_file(workspace)
    assert main(["withdraw", file, "--person", "1001", "--by", "A. Privacy", "--note", "consent withdrawn"]) == 0
    assert "   audit/reports/*: 1 files changed or gone" in capsys.readouterr().out.splitlines()
    assert not any("reports/" in place for place in holding(workspace, theirs)) and STEPS[2].report(workspace).is_file()
    assert audit.verify_chain(workspace) == []
    assert main(["status", file]) == 1
    assert "Still to come: 03 Run de-identification, 04 Verify, 05 Build" in capsys.readouterr().out
    index = (workspace.reports_local / "index.html").read_text()
    assert index.count(">run again<") == 4 and index.count(">passed<") == 2


def test_next_month_they_stay_away_in_every_table_and_the_manifest_says_so(site: Site) -> None:
    workspace = site.workspace()
    delivered = workspace.read(tables.MANIFEST).set_index("path")
    numbers = set(workspace.read(tables.REGISTRY_IDS).file_id)
    withdraw_for_good(workspace, patient="MRN-2B", **WHO)
    run(workspace)
    outcomes = workspace.read(tables.OUTCOMES)
    assert dict(outcomes.groupby(["status", "reason"]).size()) == {("released", ""): 4, ("held_back", "withdrawn"): 4}
    assert {person for found in persons_in(workspace).values() for person in found} == {1001}
    assert "OMOP/measurement.csv" in persons_in(workspace)
    assert (workspace.omop_out / "note_nlp.csv").read_text() == "note_nlp_id,note_id\n70,7\n"
    for _ in range(2):  # this delivery, and the next one, too
        manifest = deliver(workspace)
        gone = manifest[manifest.why == "withdrawn"]
        assert set(gone.index) == {path for path in delivered.index if path.startswith("1002/")}
        assert set(gone.delta) == {"removed"}
        (workspace.metadata / "new.csv").write_text("x\n1\n")
    assert set(workspace.read(tables.REGISTRY_IDS).file_id) == numbers


def test_an_accession_leaves_the_others_of_its_person(site: Site) -> None:
    workspace = site.workspace()
    done = withdraw_for_good(workspace, accession=51, **WHO)
    assert (done.images, done.standing) == (2, 0)
    assert holding(workspace, "ACC-1001", "1.2.826.77.1") == set()
    assert "local/catalog.parquet" in holding(workspace, "ACC-1002")
    run(workspace)
    assert set(workspace.read(tables.IMAGE_REGISTRY).group_id) == {52, 53, 54}
    assert 1001 in persons_in(workspace)["OMOP/person.csv"]
    procedures = pd.read_csv(workspace.omop_out / "procedure_occurrence.csv").procedure_occurrence_id
    assert 333 not in set(procedures) and {334, 335} <= set(procedures)
    assert set(pd.read_csv(workspace.omop_out / "measurement.csv").measurement_id) == {2, 3}


def test_a_withdrawn_person_under_another_number_stays_withdrawn(site: Site) -> None:
    withdraw_for_good(site.workspace(), person=1001, **WHO)
    text = (site.folder / "lookup/Personal_map.csv").read_text()
    site.lookup("Personal_map", text.replace("MRN-1,1001", "MRN-1,1009"))
    workspace = run(site.workspace())
    assert not (workspace.release / "1009").exists()
    assert (workspace.read(tables.OUTCOMES).reason == "withdrawn").sum() == 4


def test_whom_no_lookup_table_knows_is_known_by_a_mark(site: Site) -> None:
    workspace = site.workspace()
    assert withdraw_for_good(workspace, patient="MRN-77", **WHO).item.startswith("patient:")
    assert "MRN-77" not in (workspace.decisions / "withdrawals.csv").read_text()
    site.lookup("Personal_map", "PatientID,person_id,Days_Shifted\nMRN-77,1001,-100\nMRN-2,1002,-37\nMRN-2B,1002,-37\n")
    rows = "MRN-77,ACC-1001,51\nMRN-2,ACC-2003,53\nMRN-2B,ACC-2004,54\n"
    site.lookup("Image_map", f"PatientID,AccessionNumber,image_occurence_id\n{rows}")
    site.add("new.dcm", PatientID="MRN-77", AccessionNumber="ACC-1001", PatientName="Abara^Ifeoma")
    explore.scan(workspace)
    explore.link(workspace)
    assert deid.make_worklist(workspace).set_index("source_path").reason["new.dcm"] == "withdrawn"


def test_given_again_it_proves_and_writes_no_second_line(site: Site) -> None:
    workspace = site.workspace()
    for _ in range(2):
        assert withdraw_for_good(workspace, person=1001, **WHO).standing == 0
    assert len((workspace.decisions / "withdrawals.csv").read_text().splitlines()) == 2


def test_who_withdrew_takes_back(site: Site) -> None:
    workspace = site.workspace()
    withdraw_for_good(workspace, person=1001, **WHO)
    with pytest.raises(InputError, match="who did"):
        take_back(workspace, by="Somebody Else", person=1001)
    take_back(workspace, by=WHO["by"], person=1001)
    run(workspace)
    assert (workspace.read(tables.OUTCOMES).status == "released").sum() == 8
    assert len((workspace.decisions / "withdrawals.csv").read_text().splitlines()) == 3


def test_uids_that_a_key_before_made_go_too(site: Site) -> None:
    workspace = site.workspace()
    theirs = [path.parent.name for path in (workspace.release / "1001").rglob("*.dcm")]
    others = [path.parent.name for path in (workspace.release / "1002").rglob("*.dcm")]
    rotate_key(workspace, by="A. Privacy", note="the key was seen")
    assert "local/uid_map.csv" in holding(workspace, *theirs)
    (workspace.local / "my_notes.txt").write_text(f"asked about {theirs[0]}")
    assert withdraw_for_good(workspace, person=1001, **WHO).standing == 1
    assert "local/uid_map.csv" not in holding(workspace, *theirs) and "local/uid_map.csv" in holding(workspace, *others)
    assert (pd.read_csv(workspace.local / "uid_map.csv", dtype=str, keep_default_na=False) != "").all(axis=None)


def test_the_lookup_tables_and_the_source_are_left_alone_and_the_log_says_it(site: Site) -> None:
    before = {
        path: path.read_bytes() for name in ("dicom", "lookup", "omop") for path in (site.folder / name).rglob("*.*")
    }
    workspace = site.workspace()
    withdraw_for_good(workspace, person=1001, **WHO)
    assert {path: path.read_bytes() for path in before} == before
    [line] = audit.read_log(workspace)
    assert (line["event"], line["item"], line["images"]) == ("withdrawal", "person:1001", 4)


def test_what_a_killed_selftest_left_goes_whole() -> None:
    """Its copies have the pixels of the person and an invented name: no search knows whose they are."""
    assert place_of("selftest/source/Vexzorab_Zorvexab/Q7000293_1.dcm").what == "all"


def test_what_no_list_says_is_searched_and_told(site: Site) -> None:
    workspace = site.workspace()
    (workspace.local / "my_notes.txt").write_text("called Okonkwo-Lindqvist, Adaeze (MRN-1)")
    done = withdraw_for_good(workspace, person=1001, **WHO)
    assert done.standing == 2
    [row] = done.proof[(done.proof.identifiers > 0) & (done.proof.kept == "")].itertuples()
    assert (row.place, row.holding) == ("local/elsewhere", 1)


def test_the_database_of_the_registry_is_searched_or_said_not_to_be(site: Site) -> None:
    """Its own rows go with 05; another workspace's are not its to take out."""

    def at(url: str) -> Workspace:
        return Workspace(site.workspace().parameters.model_copy(update={"registry_url": url}))

    elsewhere = f"sqlite:///{site.folder / 'elsewhere.sqlite'}"
    build_registry(at(elsewhere))
    with sqlite3.connect(site.folder / "elsewhere.sqlite") as database:
        database.execute("UPDATE image_registry SET file_id = 'of another', trg_file = 'MRN-1' WHERE group_id = 51")
    done = withdraw_for_good(at(elsewhere), person=1001, **WHO)
    there = done.proof[done.proof.place.str.startswith("registry_url")].set_index("place")
    assert there.holding.to_dict() == {OWN: 2, STRANGE: 2} and there.files.sum() == 8
    assert done.standing == there.identifiers[STRANGE] >= 3 and there.kept[OWN] and not done.unsearched
    done = withdraw_for_good(at("postgresql://user@127.0.0.1:1/none"), person=1001, **WHO)
    assert done.standing == 0 and done.unsearched.startswith("registry_url: cannot be reached")
