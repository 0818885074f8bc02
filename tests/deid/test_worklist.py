"""Every file has a place in the release or a reason why not, before the first is written."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from pydicom.uid import ColorPaletteStorage, SecondaryCaptureImageStorage

import chorus_nb
from chorus_nb import explore, tables
from chorus_nb.deid.cohort import EXCLUSION_LOG
from chorus_nb.deid.worklist import CATALOG_COLUMNS, make_worklist, uid_map
from chorus_nb.errors import InputError
from chorus_nb.faces import ASKED_COLUMNS
from chorus_nb.layout import may_be_released
from chorus_nb.pixels import TRIAGE_COLUMNS
from chorus_nb.workspace import Workspace
from tests.deid.conftest import encoded, image
from tests.deid.small_run import SmallSite, plan


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


def names(worklist: pd.DataFrame) -> dict[str, str]:
    """Last part of the target path by source path."""
    released = worklist[worklist.status == "release"]
    return {path: target.rpartition("/")[2] for path, target in released.target_path.items()}


DECIDE = (
    *("deid/worklist.py", "deid/cohort.py", "holds.py", "withdrawn.py"),
    *("pixels/triage.py", "pixels/triage.json", "pixels/judge.py", "pixels/decisions.py"),
    *("faces/needs.py", "faces/asking.py", "faces/judge.py"),
)


@pytest.mark.parametrize("module", DECIDE)
def test_every_column_of_the_catalog_that_something_is_decided_by_is_read(module: str) -> None:
    text = Path(chorus_nb.__file__).parent.joinpath(module).read_text("utf-8")
    asked = {name for name in tables.CATALOG.column_names if re.search(rf"\b{name}\b", text)}
    assert asked <= {*CATALOG_COLUMNS, *TRIAGE_COLUMNS, *ASKED_COLUMNS}


# --- target paths -----------------------------------------------------------------------------------------------------


def test_a_target_path_is_person_modality_accession_series_and_number(site: SmallSite) -> None:
    site.add("a", InstanceNumber=7, SeriesInstanceUID="1.2.3.4.5")
    workspace = site.open()
    series = uid_map(workspace).replace("1.2.3.4.5")
    assert plan(workspace).target_path["a"] == f"1001/Images/CT/501/{series}/007.dcm"


def test_a_number_beyond_999_keeps_all_its_digits(site: SmallSite) -> None:
    site.add("a", InstanceNumber=12345)
    assert names(plan(site.open())) == {"a": "12345.dcm"}


def test_a_repeated_number_is_told_apart_by_slice_location(site: SmallSite) -> None:
    site.add("upper", InstanceNumber=1, SliceLocation=20)
    site.add("lower", InstanceNumber=1, SliceLocation=-20)
    assert names(plan(site.open())) == {"lower": "001.dcm", "upper": "001_1.dcm"}


@pytest.mark.parametrize("number", [None, "", "-3", "2.5", "٣"])
def test_images_without_a_usable_number_follow_the_highest(site: SmallSite, number: str | None) -> None:
    site.add("first", InstanceNumber=2)
    odd = image(PatientID="MRN-1", AccessionNumber="ACC-1", SOPInstanceUID="1.2.3.9", InstanceNumber=None)
    if number is not None:
        odd.SpecificCharacterSet = "ISO_IR 192"
        odd.add_new(0x00200013, "LO", number)
    (site.dicom / "odd").write_bytes(encoded(odd).replace(b"\x20\x00\x13\x00LO", b"\x20\x00\x13\x00IS"))
    assert names(plan(site.open())) == {"first": "002.dcm", "odd": "003.dcm"}


def test_a_multi_frame_image_is_one_file(site: SmallSite) -> None:
    site.add("cine", InstanceNumber=4, NumberOfFrames=2, Rows=2)
    assert names(plan(site.open())) == {"cine": "004.dcm"}


def test_the_names_do_not_depend_on_where_the_files_lie(site: SmallSite, tmp_path: Path) -> None:
    other = SmallSite(tmp_path / "other")
    for number, (here, there) in enumerate((("a", "z"), ("b", "y"), ("c", "x"))):
        uid = f"1.2.3.{number}"
        site.add(here, InstanceNumber=1, SOPInstanceUID=uid)
        other.add(there, InstanceNumber=1, SOPInstanceUID=uid)
    first = site.open()
    second = other.open()
    second.key_path.write_bytes((first.key(), first.key_path.read_bytes())[1])
    second.key_path.chmod(0o600)
    assert set(plan(first).target_path) == set(plan(second).target_path)
    assert names(plan(first))["a"] == names(plan(second))["z"]


@pytest.mark.parametrize("uid", ["1.2.840.10008.1/../../../../x", "1.2.840.10008.5.note"])
def test_what_is_no_registered_uid_is_replaced_and_gets_into_no_path(site: SmallSite, uid: str) -> None:
    site.add("a", SeriesInstanceUID=uid)
    row = plan(site.open()).loc["a"]
    assert re.fullmatch(r"\d+/Images/CT/\d+/2\.25\.\d+/\d+\.dcm", row.target_path)


def test_two_uids_in_one_are_no_folder(site: SmallSite) -> None:
    site.add("a", SeriesInstanceUID="1.2.840.10008.1.2\\1.2")
    row = plan(site.open()).loc["a"]
    assert (row.status, row.reason, row.target_path) == ("held_back", "path_not_allowed", "")


@pytest.mark.parametrize("path", ["1001/Images/CT/501/1.2/note.dcm", "1/Images/AUX/2/1.3/001.dcm", "1/../2.dcm"])
def test_a_path_the_upload_tool_or_windows_would_misread_is_not_allowed(path: str) -> None:
    assert not may_be_released(path)


# --- what is not released ---------------------------------------------------------------------------------------------


def test_what_is_not_released_says_why(site: SmallSite) -> None:
    site.add("unmapped patient", PatientID="MRN-9")
    site.add("unmapped accession", AccessionNumber="ACC-9")
    site.add("no study", StudyInstanceUID=None)
    site.add("other kind", Modality="PT")
    site.add("wrong class", SOPClassUID=SecondaryCaptureImageStorage)
    site.add(
        "of no study", SOPClassUID=ColorPaletteStorage, StudyInstanceUID=None, SeriesInstanceUID=None, PatientID=None
    )
    site.add("good")
    whole = site.add("truncated").read_bytes()
    (site.dicom / "truncated").write_bytes(whole[:-20])
    no_pixels = image(PatientID="MRN-1", AccessionNumber="ACC-1", SOPInstanceUID="1.2.3.77")
    del no_pixels[0x7FE00010]
    (site.dicom / "no pixels").write_bytes(encoded(no_pixels))
    (site.dicom / "readme.txt").write_text("no DICOM")
    worklist = plan(site.open())
    assert dict(zip(worklist.index, zip(worklist.status, worklist.reason, strict=True), strict=True)) == {
        "good": ("release", ""),
        "no pixels": ("held_back", "no_pixels"),
        "of no study": ("held_back", "kind_not_released"),
        "no study": ("quarantined", "identifiers_missing"),
        "other kind": ("held_back", "kind_not_released"),
        "readme.txt": ("not_dicom", "not_dicom"),
        "truncated": ("quarantined", "truncated"),
        "unmapped accession": ("held_back", "accession_not_mapped"),
        "unmapped patient": ("quarantined", "patient_not_mapped"),
        "wrong class": ("held_back", "kind_not_released"),
    }
    assert (worklist.target_path[worklist.status != "release"] == "").all()


def test_missing_identifiers_are_named_by_keyword(site: SmallSite) -> None:
    site.add("a", StudyInstanceUID=None, SeriesInstanceUID=None)
    assert plan(site.open()).detail["a"] == "missing StudyInstanceUID, SeriesInstanceUID"


def test_an_image_outside_every_visit_is_held_back(site: SmallSite) -> None:
    site.add("a")
    workspace = site.open(visit_policy="hold")
    workspace.write(tables.LINKAGE, tables.empty(tables.LINKAGE))
    assert plan(workspace).reason["a"] == "no_visit"


@pytest.mark.parametrize("policy", ["hold", "blank"])
@pytest.mark.parametrize(
    ("day", "link", "reason"),
    [
        ("20231120", "overlap", ""),  # shifted by 100 days: 12 August
        ("20231125", "tie", "outside_visit"),
        ("20231103", "overlap", ""),
        ("20231102", "overlap", "outside_visit"),
        ("20231102", "explicit", ""),
        ("", "overlap", ""),
    ],
)
def test_an_image_far_from_the_visit_of_its_accession_is_held_back(
    site: SmallSite, policy: str, day: str, link: str, reason: str
) -> None:
    """The visit is one week of August; a week on either side is near (OHDSI, withinVisitDates)."""
    site.add("a", StudyDate=day, AcquisitionDate=day, StudyTime="120000")
    (site.folder / "omop" / "visit_occurrence.csv").write_text(
        "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date,visit_type_concept_id\n"
        "71,1001,9201,2023-08-02,2023-08-09,44818517\n"
    )
    workspace = site.open(visit_policy=policy)
    row = {"PatientID": "MRN-1 ", "AccessionNumber": "ACC-1", "files": 1, "visit_occurrence_id": 71, "visit_link": link}
    row |= {"acquired_shifted": "2023-08-05 12:00:00"}  # that of another image of the accession
    workspace.write(tables.LINKAGE, tables.frame(tables.LINKAGE, [row]))
    assert plan(workspace).reason["a"] == reason


@pytest.mark.parametrize(
    ("person", "death", "reason"),
    [
        ("1001,2023,8,12", "", ""),  # the day of the image, shifted by 100 days
        ("1001,2023,8,13", "", "outside_lifetime"),
        ("1001,2023,,", "", ""),  # some day of that year
        ("1001,2024,,", "", "outside_lifetime"),
        ("1001,1950,,", "1001,2023-06-14", ""),  # 59 days and a half before
        ("1001,1950,,", "1001,2023-06-12", "outside_lifetime"),
        ("1002,1950,,", "", "no_person"),
    ],
)
def test_an_image_that_its_person_cannot_be_on_is_held_back(
    site: SmallSite, person: str, death: str, reason: str
) -> None:
    """One such image of 72 closed the gate of a site: a check of the registry tolerates one in a hundred."""
    site.add("a", StudyDate="20231120", AcquisitionDate="20231120", StudyTime="120000")
    birth = "person_id,year_of_birth,month_of_birth,day_of_birth"
    for name, text in (("person", f"{birth}\n{person}\n"), ("death", f"person_id,death_date\n{death}\n")):
        (site.folder / "omop" / f"{name}.csv").write_text(text)
    assert plan(site.open()).reason["a"] == reason


@pytest.mark.parametrize("item", ["a", "series:1.2.3.4.5"])
def test_what_a_reviewer_rejected_is_held_back(site: SmallSite, item: str) -> None:
    site.add("a")
    workspace = site.open()
    decide(workspace, item, "reject")
    assert plan(workspace).reason["a"] == "rejected_by_review"


def test_the_last_decision_counts(site: SmallSite) -> None:
    site.add("a")
    workspace = site.open()
    decide(workspace, "a", "reject")
    decide(workspace, "a", "accept", "2026-02-01T09:00:00-05:00")
    assert plan(workspace).status["a"] == "release"


def decide(workspace: Workspace, item: str, decision: str, time: str = "2026-01-01T09:00:00-05:00") -> None:
    row = {"item": item, "decision": decision, "reviewer": "R. Eviewer", "time": time, "note": "a test"}
    frame = tables.frame(tables.IMAGE_DECISIONS, [row])
    if workspace.has(tables.IMAGE_DECISIONS):
        frame = pd.concat([workspace.read(tables.IMAGE_DECISIONS), frame], ignore_index=True)
    workspace.write(tables.IMAGE_DECISIONS, frame)


# --- duplicates -------------------------------------------------------------------------------------------------------


def test_of_equal_copies_the_first_is_released(site: SmallSite) -> None:
    content = site.add("a/1").read_bytes()
    (site.dicom / "a/2").write_bytes(content)
    (site.dicom / "a/3").write_bytes(b"X" * 128 + content[128:])  # another preamble is no other image
    worklist = plan(site.open())
    assert worklist.status.to_dict() == {"a/1": "release", "a/2": "duplicate", "a/3": "duplicate"}


def test_of_different_files_with_one_uid_none_is_released(site: SmallSite) -> None:
    site.add("a", SOPInstanceUID="1.2.3.9", InstanceNumber=1)
    site.add("b", SOPInstanceUID="1.2.3.9", InstanceNumber=2)
    site.add("c", SOPInstanceUID="1.2.3.9", InstanceNumber=2)
    assert set(plan(site.open()).reason) == {"duplicate_conflict"}


def test_a_different_copy_that_is_held_back_still_is_a_conflict(site: SmallSite) -> None:
    site.add("a", SOPInstanceUID="1.2.3.9")
    site.add("b", SOPInstanceUID="1.2.3.9", AccessionNumber="ACC-9")
    assert plan(site.open()).reason.to_dict() == {"a": "duplicate_conflict", "b": "accession_not_mapped"}


def test_a_copy_cut_short_does_not_hold_up_the_whole_one(site: SmallSite) -> None:
    content = site.add("a").read_bytes()
    (site.dicom / "b").write_bytes(content[:-20])
    assert plan(site.open()).status.to_dict() == {"a": "release", "b": "quarantined"}


# --- what a result depends on -----------------------------------------------------------------------------------------


def test_the_plan_is_the_same_every_time(site: SmallSite) -> None:
    site.add_series(3)
    workspace = site.open()
    first = plan(workspace)
    pd.testing.assert_frame_equal(first, make_worklist(workspace).set_index("source_path"))


def test_another_id_of_a_patient_changes_what_that_patient_s_results_depend_on(site: SmallSite) -> None:
    site.add("one", PatientID="MRN-1", AccessionNumber="ACC-1")
    site.add("two", PatientID="MRN-2", AccessionNumber="ACC-3")
    workspace = site.open()
    before = plan(workspace).fingerprint
    site.lookup("Personal_map", (site.folder / "lookup/Personal_map.csv").read_text() + "MRN-1X,1001,-100\n")
    after = plan(workspace).fingerprint
    assert (before == after).to_dict() == {"one": False, "two": True}


@pytest.mark.parametrize("change", [{"uid_method": "ctp"}, {"time_zone": "Europe/Zurich"}, {"policy": "ps3.15"}])
def test_what_every_result_depends_on_changes_every_fingerprint(site: SmallSite, change: dict[str, str]) -> None:
    site.add("a")
    before = plan(site.open()).fingerprint["a"]
    assert plan(site.open(**change)).fingerprint["a"] != before


@pytest.mark.parametrize("day", [None, "20241399", "00010101"])  # none, no date, one that the shift takes out of time
def test_an_image_without_a_date_waits_and_does_not_end_05(site: SmallSite, day: str | None) -> None:
    site.add("a", StudyDate=day, StudyTime=None)
    site.add("b", SeriesInstanceUID="1.2.3.4.6")
    rows = plan(site.open())
    assert (rows.status["a"], rows.reason["a"], rows.status["b"]) == ("held_back", "no_date", "release")
    workspace = site.open()
    explore.link(workspace)  # the date of its accession is as good
    assert plan(workspace).status.tolist() == ["release", "release"]


@pytest.mark.parametrize(
    ("kinds", "modality", "released"),
    [
        (["CT"], "CT", False),
        (["CT", "OT"], "OT", False),  # the kind of a capture is SC, whatever device it names
        (["CT", "SC"], "CT", True),  # a dose page
        (["CT", "SC"], "OT", True),
        (["CT", "SC"], "PT", False),  # a capture of a modality that is not wanted
        (["SC"], "RG", True),  # a film
    ],
)
def test_secondary_captures_go_when_kinds_says_so(
    site: SmallSite, kinds: list[str], modality: str, released: bool
) -> None:
    site.add("page", Modality=modality, SOPClassUID=SecondaryCaptureImageStorage)
    assert (plan(site.open(kinds=kinds)).status["page"] == "release") == released


# --- cohort and exclusions --------------------------------------------------------------------------------------------


def released(worklist: pd.DataFrame) -> set[str]:
    return set(worklist.index[worklist.status == "release"])


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ("study\n1.2.3.7\n", {"b", "c"}),
        ("StudyInstanceUID,series\n1.2.3.7,1.2.3.72\n", {"c"}),  # all cells of a row agree
        ("study,file\n1.2.3.7,\n,a\n", {"a", "b", "c"}),  # an empty cell says nothing
        ("accession\nACC-2 \n", {"b"}),
        ("patient\nMRN-2\n", {"c"}),
        ("\ufefffile\r\na\r\n\r\n", {"a"}),
        ("file\nnowhere\n", set()),
    ],
)
def test_what_is_not_in_the_cohort_is_held_back(site: SmallSite, rows: str, kept: set[str]) -> None:
    site.add("a")
    site.add("b", StudyInstanceUID="1.2.3.7", SeriesInstanceUID="1.2.3.71", AccessionNumber="ACC-2")
    site.add("c", StudyInstanceUID="1.2.3.7", SeriesInstanceUID="1.2.3.72", AccessionNumber="ACC-3", PatientID="MRN-2")
    (site.folder / "cohort.csv").write_text(rows, encoding="utf-8")
    worklist = plan(site.open(cohort=str(site.folder / "cohort.csv")))
    assert released(worklist) == kept
    assert set(worklist.loc[worklist.status != "release", "reason"]) <= {"not_in_cohort"}


@pytest.mark.parametrize(
    "rows", ["", "study\n", "study,other\n1.2,3\n", "study,study\n1,2\n", "study\n1,2\n", "file\n \n"]
)
def test_a_cohort_that_says_nothing_clear_stops_the_run(site: SmallSite, rows: str) -> None:
    site.add("a")
    (site.folder / "cohort.csv").write_text(rows)
    with pytest.raises(InputError, match=r"^cohort"):
        plan(site.open(cohort=str(site.folder / "cohort.csv")))


@pytest.mark.parametrize("item", ["study:1.2.3.7", "series:1.2.3.71", "b"])
def test_what_a_person_excluded_is_held_back_until_it_is_taken_back(site: SmallSite, item: str) -> None:
    site.add("a")
    site.add("b", StudyInstanceUID="1.2.3.7", SeriesInstanceUID="1.2.3.71")
    workspace = site.open()
    EXCLUSION_LOG.append(workspace, "ada", {"item": item, "decision": "exclude", "note": "a phantom"})
    worklist = plan(workspace)
    assert released(worklist) == {"a"} and worklist.reason["b"] == "excluded"
    (site.dicom / "b").rename(site.dicom / "elsewhere")
    assert released(plan(workspace)) == {"a"}
    EXCLUSION_LOG.withdraw(workspace, "ada")
    assert released(plan(workspace)) == {"a", "elsewhere"}


def test_of_two_copies_the_one_in_the_cohort_goes(site: SmallSite) -> None:
    for name in ("a", "b"):
        site.add(name, SOPInstanceUID="1.2.3.4")
    (site.folder / "cohort.csv").write_text("file\nb\n")
    assert released(plan(site.open(cohort=str(site.folder / "cohort.csv")))) == {"b"}
