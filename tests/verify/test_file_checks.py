"""One file against its original: dates move by whole days on the wall clock, ages stop at 90."""

from __future__ import annotations

import pytest

from chorus_nb.verify import verify
from chorus_nb.verify.file_checks import date_fault
from chorus_nb.workspace import Workspace
from tests.verify.small_site import first, rewrite


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
        ("20230611023000-0400", "20230312023000-0500", -91),  # a local time that does not exist
    ],
)
def test_a_date_moved_by_the_days_of_the_person_has_no_fault(before: str, after: str, days: int) -> None:
    assert date_fault(before, after, days) == ""


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
    ],
)
def test_any_other_date_is_a_fault(before: str, after: str) -> None:
    assert date_fault(before, after, -100) != ""


def test_no_date_is_right_for_a_patient_without_a_shift() -> None:
    assert date_fault("20240131", "20231023", None) != ""


def test_a_date_of_the_release_that_is_another_original_date_of_the_patient_is_no_leak(release: Workspace) -> None:
    """The image of day 100 after another shows, shifted, the original day of that other: a coincidence."""

    def change(d: object) -> None:
        d.ImageComments = "prior 20231023"  # type: ignore[attr-defined]

    rewrite(release, change, first(release))
    findings = verify(release)
    assert not ((findings.check == "leaks") & (findings.severity == "high")).any()
