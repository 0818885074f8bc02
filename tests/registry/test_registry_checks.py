"""The checks of the registry: each finds what it is there to find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.errors import DamagedTable
from chorus_nb.parameters import resolve
from chorus_nb.registry import build_registry, check_registry
from chorus_nb.registry.checks import RECORD_CHECKS
from chorus_nb.workspace import Workspace
from tests.small_release import MR, TWO_PATIENTS, make_workspace, registered


def failing(workspace: Workspace) -> set[str]:
    checks = check_registry(workspace)
    return set(checks.loc[checks["result"] == "fail", "check"])


def edit(workspace: Workspace, row: int, **values: object) -> None:
    registry = workspace.read(tables.IMAGE_REGISTRY)
    for name, value in values.items():
        registry.loc[row, name] = value
    workspace.write(tables.IMAGE_REGISTRY, registry)


def omop(workspace: Workspace, table: str, before: str, after: str) -> None:
    path = resolve(workspace.parameters.omop) / f"{table}.csv"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.fixture
def checked(small: Workspace) -> Workspace:
    build_registry(small)
    assert not failing(small)
    return small


def test_a_row_without_its_file_fails(checked: Workspace) -> None:
    (checked.release / "501/Images/CT/9001/2.25.90011/001.dcm").unlink()
    assert failing(checked) == {"row_has_file"}


def test_a_file_without_a_row_fails(checked: Workspace) -> None:
    (checked.release / "501/Images/CT/9001/2.25.90011/009.dcm").write_bytes(b"stray")
    assert failing(checked) == {"file_has_row"}


def test_a_gap_and_a_repeated_file_id_fail(checked: Workspace) -> None:
    edit(checked, 3, image_registry_id=9, file_id=checked.read(tables.IMAGE_REGISTRY)["file_id"][0])
    assert failing(checked) == {"gapless", "file_id_unique"}


def test_a_file_in_another_persons_folder_fails(checked: Workspace) -> None:
    edit(checked, 0, person_id=502)
    assert {"one_person_per_folder", "header_agrees", "visit_is_persons"} <= failing(checked)


def test_an_accession_that_the_header_does_not_hold_fails(checked: Workspace) -> None:
    edit(checked, 0, group_id=4)
    assert failing(checked) == {"header_agrees"}


def test_an_unknown_person_fails(checked: Workspace) -> None:
    omop(checked, "person", "501,", "999,")
    assert "person_exists" in failing(checked)


def test_a_visit_of_another_person_fails(checked: Workspace) -> None:
    edit(checked, 0, visit_id=72)
    assert "visit_is_persons" in failing(checked)


def test_a_visit_that_is_not_there_fails(checked: Workspace) -> None:
    edit(checked, 0, visit_id=7)
    assert failing(checked) == {"visit_is_persons"}


def test_a_linked_procedure_that_is_not_there_fails(checked: Workspace) -> None:
    omop(checked, "procedure_occurrence", "333,502", "334,502")
    assert failing(checked) == {"procedure_is_persons"}


def test_a_minted_id_that_the_record_uses_for_another_person_fails(checked: Workspace) -> None:
    omop(checked, "procedure_occurrence", "333,502", "2000000000,502,1,2024-01-01,,,,1,,,,,,,,\n333,502")
    assert failing(checked) == {"procedure_id_free"}


@pytest.mark.parametrize(("moment", "fails"), [("2024-03-10 23:59:59", False), ("2024-03-11 00:00:00", True)])
def test_seven_days_outside_the_visit_pass_and_more_do_not(checked: Workspace, moment: str, fails: bool) -> None:
    edit(checked, 0, datetime=moment)  # the visit ends on 2024-03-03
    assert ("within_visit" in failing(checked)) == fails


def test_patients_who_are_other_persons_are_counted(checked: Workspace) -> None:
    linkage = checked.read(tables.LINKAGE)
    linkage.loc[0, "person_differs"] = "sex"
    checked.write(tables.LINKAGE, linkage)
    row = check_registry(checked).set_index("check").loc["person_is_patient"]
    assert (row["examined"], row["findings"], row["result"]) == (2, 1, "pass")


@pytest.mark.parametrize(("unshifted", "fails"), [(1, False), (2, True)])
def test_a_record_that_was_not_shifted_does_not_leave(checked: Workspace, unshifted: int, fails: bool) -> None:
    linkage = checked.read(tables.LINKAGE)
    assert len(linkage) == 2
    linkage.loc[: unshifted - 1, ["visit_link", "visit_if"]] = ("none", "unshifted")
    checked.write(tables.LINKAGE, linkage)
    assert failing(checked) == ({"omop_is_shifted"} if fails else set())


@pytest.mark.parametrize(
    ("header", "month_day_and_moment", "shift", "delivered", "fails"),
    [
        ("19500914", "9,14,", -10, True, True),
        ("19500914", ",,1950-09-14 00:00:00", -10, True, True),
        ("19500914", "9,4,", -10, True, False),
        ("19500914", ",,", -10, True, False),
        ("19500101", "1,1,", -10, True, False),  # a year
        ("19500914", "9,14,", 0, True, False),
        ("19500914", "9,14,", -10, False, False),
    ],
)
def test_a_true_day_of_birth_does_not_leave(
    small: Workspace, header: str, month_day_and_moment: str, shift: int, delivered: bool, fails: bool
) -> None:
    omop(small, "person", "501,8532,1950,,,", f"501,8532,1950,{month_day_and_moment}")
    catalog, linkage = small.read(tables.CATALOG), small.read(tables.LINKAGE)
    patient = linkage.loc[linkage["person_id"] == 501, "PatientID"].iloc[0]
    catalog.loc[catalog["PatientID"].str.strip() == patient, "PatientBirthDate"] = header
    small.write(tables.CATALOG, catalog)
    small.write(tables.LINKAGE, linkage.assign(days_shifted=shift))
    small.parameters = small.parameters.model_copy(update={"omop_tables": ["person"] if delivered else []})
    build_registry(small)
    assert failing(small) == ({"birth_is_shifted"} if fails else set())


def test_an_image_before_birth_or_long_after_death_fails(checked: Workspace) -> None:
    omop(checked, "person", "1950", "2025")
    folder = resolve(checked.parameters.omop)
    (folder / "death.csv").write_text("person_id,death_date,death_type_concept_id\n501,2023-12-01,32817\n")
    assert failing(checked) == {"after_birth", "before_death"}


def test_a_share_within_the_threshold_passes_and_is_told(tmp_path: Path) -> None:
    many = replace(TWO_PATIENTS[0], images=40)
    workspace = make_workspace(tmp_path, (many,))
    build_registry(workspace)
    edit(workspace, 0, datetime="2020-01-01 00:00:00")
    checks = check_registry(workspace).set_index("check").loc["within_visit"]
    assert checks["result"] == "pass"
    assert checks["detail"] == "1 of 40; 5% tolerated"


def test_an_empty_release_is_checked_without_an_error(tmp_path: Path) -> None:
    held = tuple(replace(accession, status="held_back") for accession in TWO_PATIENTS)
    workspace = make_workspace(tmp_path, held)
    assert registered(workspace).empty
    assert not failing(workspace)
    assert isinstance(check_registry(workspace), pd.DataFrame)


@pytest.mark.parametrize(
    ("written", "instead", "says"),
    [
        (b"\n1,", b"\nQUILL^ADA,", "is damaged"),
        (b"image_registry_id,file_id", b"file_id,image_registry_id", "its columns are not those of the table"),
    ],
)
def test_a_registry_that_somebody_changed_is_one_line_and_no_value(
    checked: Workspace, written: bytes, instead: bytes, says: str
) -> None:
    path = checked.made(tables.IMAGE_REGISTRY)
    path.write_bytes(path.read_bytes().replace(written, instead, 1))
    with pytest.raises(DamagedTable, match=says) as caught:
        check_registry(checked)
    assert "QUILL" not in str(caught.value)


def test_every_check_is_a_row_and_a_function(checked: Workspace) -> None:
    assert list(check_registry(checked).check) == list(RECORD_CHECKS)


def test_what_found_nothing_to_examine_was_not_run(checked: Workspace) -> None:
    row = check_registry(checked).set_index("check").loc["birth_is_shifted"]
    assert (row["result"], row["examined"]) == ("not run", 0), "PERSON is not delivered"
    assert row["detail"]


def test_a_check_that_fails_says_what_to_do(checked: Workspace) -> None:
    edit(checked, 0, person_id=502)
    checks = check_registry(checked).set_index("check")
    assert checks.detail["one_person_per_folder"].endswith("run 03 and 05 again")
    assert "To do" not in checks.detail["gapless"]


@pytest.mark.parametrize(("strength", "found"), [("1.5", 0), ("15000", 2), ("strong", 0), ("", 0)])
def test_a_field_strength_in_gauss_is_told_and_closes_nothing(tmp_path: Path, strength: str, found: int) -> None:
    workspace = make_workspace(tmp_path, (MR,))
    build_registry(workspace)
    headers = workspace.read(tables.RELEASED_HEADERS)
    workspace.write(tables.RELEASED_HEADERS, headers.assign(MagneticFieldStrength=strength))
    assert not failing(workspace)
    assert check_registry(workspace).set_index("check").loc["value_possible", "findings"] == found


@pytest.mark.parametrize(("born", "told"), [(1932, 1), (1934, 0)])
@pytest.mark.parametrize("leaves", [True, False])
def test_a_year_of_birth_in_the_release_that_tells_an_age_above_90_closes_the_gate(
    small: Workspace, born: int, told: int, leaves: bool
) -> None:
    """Ages above 89 identify, and so does a year that tells one (Safe Harbor 3); the images of 2024 say 090Y."""
    workspace = Workspace(small.parameters.model_copy(update={"omop_tables": ["person"] if leaves else []}))
    build_registry(workspace)
    if leaves:
        workspace.omop_out.mkdir(parents=True, exist_ok=True)
        (workspace.omop_out / "person.csv").write_text(f"person_id,year_of_birth\n501,{born}\n502,1950\n")
    row = check_registry(workspace).set_index("check").loc["old_age_told"]
    assert (row["result"], row["findings"]) == (("fail" if told else "pass", told) if leaves else ("not run", 0))
