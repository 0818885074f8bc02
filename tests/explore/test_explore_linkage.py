"""Which accessions belong to the encounters of interest (SOP steps 5, 6; facts: chorus.md §3.5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb.explore import absent, assess, link, procedures_without_images, profile, scan
from chorus_nb.metadata import studies_without_code
from chorus_nb.workspace import Workspace
from tests.explore.survey_site import write_procedures, write_visits

Add = Callable[..., object]


def linked(workspace: Workspace) -> pd.Series:
    scan(workspace)
    return link(workspace).set_index("AccessionNumber").loc["ACC1"]


def test_the_shifted_moment_decides_the_visit(survey: Workspace, add: Add) -> None:
    add("a")
    row = linked(survey)
    assert row["acquired"] == "2024-01-05 10:20:30"
    assert row["acquired_shifted"] == "2023-12-26 10:20:30"  # Days_Shifted is -10
    assert (row["visit_occurrence_id"], row["visit_link"]) == (100, "overlap")
    assert (row["person_id"], row["image_occurrence_id"]) == (1, 101)


@pytest.mark.parametrize(
    ("visits", "expected", "how"),
    [
        (["1,1,9202,2023-12-26,2023-12-26", "2,1,9201,2023-12-01,2023-12-31"], 2, "tie"),  # inpatient first
        (["1,1,9201,2023-12-01,2023-12-31", "2,1,9201,2023-12-20,2023-12-30"], 2, "tie"),  # then the shortest
        (["2,1,9201,2023-12-21,2023-12-27", "1,1,9201,2023-12-22,2023-12-28"], 2, "tie"),  # then the earliest
        (["1,1,9201,2023-12-20,2023-12-26"], 1, "overlap"),  # a date alone lasts to 23:59:59
        (["1,1,9201,2023-12-20,2023-12-26 10:20:29"], None, "none"),
        (["1,1,9201,2023-12-26 10:20:31,2023-12-27"], None, "none"),
        (["1,2,9201,2023-12-20,2023-12-28"], None, "none"),  # another person's
        (["1,1,9201,2023-12-20,"], 1, "overlap"),  # still open
        (["1,1,9201,2019-03-01,", "2,1,9203,2023-12-26,2023-12-26"], 2, "tie"),  # never closed, and admitted again
        (["1,1,9201,2019-03-01,9999-12-31", "2,1,9203,2023-12-26,"], 2, "tie"),
        (["1,1,9201,2023-12-26 10:00:00,", "2,1,9203,2023-12-26,2023-12-26"], 1, "tie"),  # from the emergency room
        (["1,1,9201,2023-12-20,", "2,1,9202,2023-12-26,2023-12-26"], 1, "tie"),  # to an outpatient clinic from a ward
    ],
)
def test_visits_that_hold_the_moment(
    survey: Workspace, add: Add, visits: list[str], expected: int | None, how: str
) -> None:
    write_visits(survey, *visits)
    add("a")
    row = linked(survey)
    assert row["visit_link"] == how
    assert pd.isna(row["visit_occurrence_id"]) if expected is None else row["visit_occurrence_id"] == expected


def test_an_image_with_a_date_alone_is_of_the_visit_of_its_day(survey: Workspace, add: Add) -> None:
    """Read as midnight it was before the visit, and so was its whole accession."""
    write_visits(survey, "1,1,9203,2023-12-26 09:00:00,2023-12-26 12:00:00")
    add("a", AcquisitionTime="", StudyTime="")
    assert linked(survey)[["acquired", "visit_link"]].tolist() == ["2024-01-05 00:00:00", "overlap"]
    add("b")
    assert linked(survey)[["acquired", "visit_link"]].tolist() == ["2024-01-05 10:20:30", "overlap"]


@pytest.mark.parametrize(
    ("header", "record", "differs"),
    [
        ({"PatientSex": "F", "PatientBirthDate": "19600101"}, "8532,1959", ""),  # the record's year is shifted
        ({"PatientSex": "M"}, "8532,1960", "sex"),
        ({"PatientSex": "F", "PatientBirthDate": "19600101"}, "8507,1960", "sex"),
        ({"PatientSex": "O", "PatientBirthDate": "19600101"}, "8507,1971", "birth"),
        ({"PatientBirthDate": "19300101"}, "8507,1915", ""),  # one year for everybody older
        ({"PatientSex": "M", "PatientBirthDate": "1960"}, "0,", ""),  # silent
        ({}, "8507,1960", ""),
    ],
)
def test_a_person_of_another_sex_or_birth_is_told(
    survey: Workspace, add: Add, header: dict[str, str], record: str, differs: str
) -> None:
    head = "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id\n"
    (Path(survey.parameters.omop) / "person.csv").write_text(f"{head}1,{record},0,0\n2,0,1950,0,0\n")
    add("a", **header)
    assert linked(survey)["person_differs"] == differs
    profile(survey)
    assert ("another_person" in set(assess(survey)["rule"])) == bool(differs)


@pytest.mark.parametrize(
    ("visit", "why", "rule"),
    [
        ("2024-01-05,2024-01-05", "unshifted", "omop_not_shifted"),  # as the header dates it
        ("2024-01-15,2024-01-15", "other_sign", "shift_of_other_sign"),
        ("2023-12-26,2023-12-26", "", ""),  # as it should be
        ("2022-12-26,2022-12-26", "", ""),
    ],
)
def test_visits_that_were_not_shifted_or_the_other_way_are_told(
    survey: Workspace, add: Add, visit: str, why: str, rule: str
) -> None:
    write_visits(survey, f"100,1,9201,{visit}")
    add("a")
    assert linked(survey)["visit_if"] == why
    profile(survey)
    told = {"omop_not_shifted", "shift_of_other_sign"} & set(assess(survey)["rule"])
    assert told == ({rule} if rule else set())


@pytest.mark.parametrize("wrong", ["20130105", "20350105", "19700101"])
def test_a_wrong_clock_does_not_move_its_accession(survey: Workspace, add: Add, wrong: str) -> None:
    add("a", AcquisitionDate=wrong)  # StudyDate is right
    assert linked(survey)["acquired"] == "2024-01-05 10:15:00"
    add("b", AcquisitionTime="103000")
    add("c", AcquisitionDate="20240106", StudyDate="20240106")
    add("d", AcquisitionDate=wrong, StudyDate=wrong)
    row = linked(survey)
    assert (row["acquired"], row["files"]) == ("2024-01-05 10:15:00", 4)


def test_an_accession_goes_by_what_most_of_its_files_say_though_they_lie_on_several_days(
    survey: Workspace, add: Add
) -> None:
    for number, day in enumerate(("20130105", "20130105", "20240107", "20240106", "20240105")):
        add(str(number), AcquisitionDate=day, StudyDate=day)
    assert linked(survey)["acquired"][:10] == "2024-01-05"


@pytest.mark.parametrize("value", ["101", "ACC1"])
def test_a_procedure_that_names_the_accession_brings_its_visit(survey: Workspace, add: Add, value: str) -> None:
    write_visits(survey, "100,1,9201,2023-12-01,2023-12-31", "200,1,9201,2020-01-01,2020-01-02")
    write_procedures(survey, f"77,1,200,{value}")
    add("a")
    row = linked(survey)
    assert (row["procedure_occurrence_id"], row["visit_occurrence_id"], row["visit_link"]) == (77, 200, "explicit")


def test_a_procedure_without_a_visit_leaves_the_visit_to_the_moment(survey: Workspace, add: Add) -> None:
    write_procedures(survey, "77,1,,ACC1")
    add("a")
    row = linked(survey)
    assert (row["procedure_occurrence_id"], row["visit_occurrence_id"], row["visit_link"]) == (77, 100, "overlap")


def test_a_value_that_several_persons_share_is_a_code_and_links_nothing(survey: Workspace, add: Add) -> None:
    write_procedures(survey, "77,1,100,101", "78,2,,101")
    add("a")
    assert linked(survey)["procedure_link"] == ""


def test_a_procedure_of_another_person_links_nothing(survey: Workspace, add: Add) -> None:
    write_procedures(survey, "77,2,,ACC1")
    add("a")
    assert linked(survey)["procedure_link"] == ""


def test_a_patient_without_a_map_row_is_unmapped(survey: Workspace, add: Add) -> None:
    add("a", PatientID="STRANGER")
    row = linked(survey)
    assert row["visit_link"] == "unmapped"
    assert pd.isna(row["person_id"])
    assert row["acquired_shifted"] == ""


def test_an_accession_is_linked_once_however_many_series_it_has(survey: Workspace, add: Add) -> None:
    add("a", AcquisitionTime="120000")
    add("b", AcquisitionTime="090000", Modality="SR", SeriesInstanceUID="1.2.3.2")
    row = linked(survey)
    assert (row["files"], row["modalities"], row["acquired"]) == (2, "CT\\SR", "2024-01-05 09:00:00")


def test_accessions_the_tables_expect_and_the_export_lacks_are_listed(survey: Workspace, add: Add) -> None:
    add("a")
    scan(survey)
    missing = absent(survey).set_index("AccessionNumber")
    assert missing["patient_in_source"].to_dict() == {"ACC2": True, "ACC3": False}
    assert set(missing["expected_by"]) == {"Image_map"}


def write_image_occurrences(workspace: Workspace, *rows: str) -> None:
    """MI-CDM's image_occurrence: id, person, procedure, visit."""
    head = "image_occurrence_id,person_id,procedure_occurrence_id,visit_occurrence_id,image_occurrence_date,"
    lines = [
        head + "image_study_uid,image_series_uid,modality_concept_id",
        *(f"{row},2023-12-26,1,1,0" for row in rows),
    ]
    (Path(workspace.parameters.omop) / "image_occurrence.csv").write_text("\n".join(lines) + "\n")


def test_the_sites_image_occurrence_table_links_before_all_else(survey: Workspace, add: Add) -> None:
    write_visits(survey, "100,1,9201,2023-12-01,2023-12-31", "200,1,9201,2020-01-01,2020-01-02")
    write_procedures(survey, "77,1,100,ACC1")
    write_image_occurrences(survey, "101,1,88,200", "999,1,89,200")
    add("a")
    row = linked(survey)
    assert (row["procedure_occurrence_id"], row["visit_occurrence_id"], row["visit_link"]) == (88, 200, "explicit")
    assert row["procedure_link"] == "image_occurrence"
    expected = absent(survey).set_index("image_occurrence_id")["expected_by"]
    assert expected.to_dict() == {102: "Image_map", 103: "Image_map", 999: "image_occurrence"}


def test_imaging_that_omop_knows_and_the_export_lacks_is_listed(survey: Workspace, add: Add) -> None:
    write_visits(survey, "100,1,9201,2023-12-01,2023-12-31")
    write_procedures(survey, "77,1,100,ACC1", "78,1,100,71260", "79,1,100,99213")
    add("a")
    assert linked(survey)["procedure_occurrence_id"] == 77
    lacking = procedures_without_images(survey)
    assert lacking[["procedure_occurrence_id", "modality"]].to_numpy().tolist() == [[78, "CT"]]


def test_the_sites_own_loinc_map_comes_first(survey: Workspace, add: Add) -> None:
    description = "CT CHEST WO CONTRAST"
    add("a", StudyDescription=description)
    assert linked(survey)["loinc_source"] == "MIDRC map, exact description"
    (survey.parameters.lookup_path / "loinc_map.csv").write_text(
        f"Modality,StudyDescription,loinc_code\nCT,{description.lower()},1234-5\n"
    )
    row = link(survey).iloc[0]
    assert (row["loinc_code"], row["loinc_source"]) == ("1234-5", "site map")


def test_a_plain_description_that_no_map_knows_has_the_code_of_its_parts(survey: Workspace, add: Add) -> None:
    add("a", StudyDescription="ROUTINE CT THORAX NONENH")
    row = linked(survey)
    assert (row["loinc_code"], row["loinc_source"]) == ("29252-4", "parts of the description")
    add("b", StudyDescription="ROUTINE CT ABDOMEN NONENH", SeriesInstanceUID="1.2.3")
    assert linked(survey)["loinc_code"] == ""  # two plain codes in one accession: which is not known


def test_a_study_without_a_code_is_listed_with_the_words_that_keep_it_from_one(survey: Workspace, add: Add) -> None:
    add("a", StudyDescription="CT ABDOMEN STONES BIOPSY")
    add("b", StudyDescription="CT CHEST WO", AccessionNumber="ACC2", SeriesInstanceUID="1.2.3")
    add("c", StudyDescription="REPORT", AccessionNumber="ACC2", SeriesInstanceUID="1.2.4", Modality="SR")
    linked(survey)
    assert studies_without_code(survey).values.tolist() == [["CT", "CT ABDOMEN STONES BIOPSY", "STONES, BIOPSY", 1]]


def test_a_description_without_a_body_part_takes_that_of_the_header(survey: Workspace, add: Add) -> None:
    add("a", StudyDescription="TRIAL 17 T0", BodyPartExamined="CHEST")
    add("b", StudyDescription="TRIAL 17 T0", SeriesInstanceUID="1.2.3", BodyPartExamined="")
    row = linked(survey)
    assert (row["loinc_code"], row["loinc_source"]) == ("24627-2", "parts of the description and BodyPartExamined")
    add("c", StudyDescription="TRIAL 17 T0", SeriesInstanceUID="1.2.4", BodyPartExamined="ABDOMEN")
    assert linked(survey)["loinc_code"] == ""
