"""The tag profile counts every tag at any depth, exactly, and knows which lists name it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pydicom.dataset import Dataset

from chorus_nb.errors import NotReady
from chorus_nb.explore import profile, scan, summary
from chorus_nb.explore.profile import NOT_COVERED
from chorus_nb.explore.values import keeps_its_vr, text_of
from chorus_nb.workspace import Workspace
from tests.explore.survey_site import dataset, save

Add = Callable[..., Path]


def tags(workspace: Workspace) -> pd.DataFrame:
    scan(workspace)
    return profile(workspace)


def tag(frame: pd.DataFrame, keyword: str, path: str = "", modality: str = "CT") -> pd.Series:
    chosen = frame[(frame["keyword"] == keyword) & (frame["path"] == path) & (frame["modality"] == modality)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_files_missing_empty_and_distinct_are_counted(survey: Workspace, add: Add) -> None:
    add("a", StudyDescription="HEAD")
    add("b", StudyDescription="HEAD")
    add("c", StudyDescription="")
    add("d")
    add("e", Modality="MR", StudyDescription="BRAIN")
    row = tag(tags(survey), "StudyDescription")
    assert (row["files"], row["missing"], row["empty"], row["distinct"]) == (3, 1, 1, 1)
    assert (row["shortest"], row["longest"], row["examples"]) == (0, 4, "HEAD")


def test_distinct_values_are_counted_across_the_parts_of_a_scan(survey: Workspace, add: Add) -> None:
    for number in range(50):
        add(f"{number:02d}", InstanceNumber=number % 7)
    row = tag(tags(survey), "InstanceNumber")
    assert (row["files"], row["distinct"], row["lowest"], row["highest"]) == (50, 7, "0", "6")


def test_a_nested_tag_is_counted_once_a_file(survey: Workspace, add: Add) -> None:
    items = [Dataset(), Dataset(), Dataset()]
    for item, value in zip(items, ("A", "B", "B"), strict=True):
        item.PatientID = value
    add("a", OtherPatientIDsSequence=items)
    add("b", OtherPatientIDsSequence=[])
    frame = tags(survey)
    row = tag(frame, "PatientID", "OtherPatientIDsSequence")
    assert (row["files"], row["missing"], row["distinct"], row["examples"]) == (1, 1, 2, "A | B")
    assert tag(frame, "OtherPatientIDsSequence")["empty"] == 1


def test_private_tags_are_one_row_by_creator_wherever_their_block_lies(survey: Workspace) -> None:
    first, second = dataset(), dataset()
    first.private_block(0x0019, "ACME", create=True).add_new(0x01, "LO", "one")
    second.private_block(0x0019, "OTHER", create=True).add_new(0x05, "LO", "x")
    second.private_block(0x0019, "ACME", create=True).add_new(0x01, "LO", "two")
    for name, made in (("a", first), ("b", second)):
        save(Path(survey.parameters.source) / name, made)
    frame = tags(survey)
    row = frame[(frame["tag"] == "(0019,xx01)") & (frame["private_creator"] == "ACME")]
    assert row["files"].tolist() == [2]
    assert frame[frame["tag"] == "(0019,00xx)"]["private_creator"].tolist() == ["ACME", "OTHER"]


def test_dates_and_numbers_have_a_lowest_and_a_highest(survey: Workspace, add: Add) -> None:
    add("a", StudyDate="20240105", SliceThickness="1.5", PixelSpacing=["0.5", "0.25"])
    add("b", StudyDate="20230105", SliceThickness="10", PixelSpacing=["0.5", "0.75"])
    frame = tags(survey)
    span = {name: (tag(frame, name)["lowest"], tag(frame, name)["highest"]) for name in ("StudyDate", "SliceThickness")}
    assert span == {"StudyDate": ("20230105", "20240105"), "SliceThickness": ("1.5", "10")}
    assert tag(frame, "PixelSpacing")["lowest"] == "0.25"


@pytest.mark.parametrize(
    ("vr", "good", "bad"),
    [
        ("DA", ["20240229", ""], ["2024-02-29", "20241301", "20240132"]),
        ("TM", ["070907.0705 ", "1010", "235960"], ["07:09:07", "2400"]),
        ("DT", ["20240105", "20240105101500.5-0500", "2024"], ["20240105T1015"]),
        ("UI", ["1.2.840.10008.1.2"], ["1.02", "MRN 0012345", "1." + "2" * 64]),
        ("CS", ["ORIGINAL\\PRIMARY", "NO_1"], ["lower", "A" * 17]),
        ("DS", ["1.5", "-1e3", " 2 "], ["1,5", "abc"]),
        ("IS", ["12", "-3"], ["1.5"]),
        ("AS", ["045Y"], ["45", "45Y"]),
        ("SH", ["x" * 16], ["x" * 17]),
        ("LO", ["x" * 64], ["x" * 65]),
        ("PN", ["Doe^Jane"], []),
    ],
)
def test_values_that_break_their_vr_are_known(vr: str, good: list[str], bad: list[str]) -> None:
    assert all(keeps_its_vr(value.encode(), vr, len(value)) for value in good)
    assert not any(keeps_its_vr(value.encode(), vr, len(value)) for value in bad)


def test_each_tag_says_which_lists_name_it(survey: Workspace) -> None:
    made = dataset(SliceThickness="1", PatientName="Doe^Jane", PatientPosition="HFS", ReasonForVisit="x")
    made.private_block(0x0019, "ACME", create=True).add_new(0x01, "LO", "one")
    made.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "1000")
    save(Path(survey.parameters.source) / "a", made)
    frame = tags(survey)
    covered = {
        row.keyword or f"{row.private_creator} {row.tag}": row.covered_by.split("; ") for row in frame.itertuples()
    }
    assert {"minimum", "keep list"} <= set(covered["SliceThickness"])
    assert "E.1-1" in covered["PatientName"]
    assert covered["SIEMENS MR HEADER (0019,xx0C)"] == ["safe private"]
    assert covered["ACME (0019,xx01)"] == [NOT_COVERED]
    assert covered["PatientPosition"] == [NOT_COVERED]
    local = summary.not_covered(frame)["name"].tolist()
    assert "private, ACME" in local and "PatientPosition" in local and "PatientName" not in local


def test_long_values_and_bytes_are_not_shown_whole(survey: Workspace, add: Add) -> None:
    add("a", ImageComments="c" * 5000)
    made = dataset()
    made.private_block(0x0019, "ACME", create=True).add_new(0x01, "OB", bytes(range(256)) * 10)
    save(Path(survey.parameters.source) / "b", made)
    frame = tags(survey)
    row = tag(frame, "ImageComments")
    assert (row["longest"], len(row["examples"])) == (5000, 65)
    assert frame[frame["private_creator"] == "ACME"]["examples"].tolist()[-1] == "(2560 bytes)"


def test_what_pads_a_value_is_no_part_of_it() -> None:
    assert [text_of(value, "LO") for value in (b"MRN1 ", b"MRN1\r\n", b" MRN1\t\0")] == ["MRN1"] * 3


def test_a_profile_needs_a_scan(survey: Workspace) -> None:
    with pytest.raises(NotReady):
        profile(survey)
