"""Clocks that are years off are findings of 04, and close no gate: a header, an accession, a linked procedure."""

from __future__ import annotations

import pytest

from chorus_nb.leaks.reading import parse_file
from chorus_nb.verify.clocks import apart, check_clocks
from chorus_nb.verify.file_checks import Pair, ReleasedFile
from tests.verify.small_site import STUDIES, original_image, write


def image(accession: int, number: int) -> str:
    return f"501/Images/CT/{accession}/2.25.1/{number:03d}.dcm"


@pytest.mark.parametrize(
    ("dates", "tags"),
    [
        ({}, []),
        ({"ContentDate": "20240215"}, []),  # reformatted later
        ({"AcquisitionDate": "20130131"}, ["(0008,0022)"]),
        ({"AcquisitionDateTime": "20350131101500", "SeriesDate": "20350131"}, ["(0008,002A)", "(0008,0021)"]),
        ({"StudyDate": "", "AcquisitionDate": "20130131"}, []),
    ],
)
def test_a_date_far_from_the_study_date_is_a_finding(dates: dict[str, str], tags: list[str]) -> None:
    made = original_image(STUDIES[0], 1)
    for keyword, value in dates.items():
        setattr(made, keyword, value)
    reading = parse_file(write(made))
    found = list(check_clocks(Pair(ReleasedFile("a", image(1, 1), "", ""), reading, reading, None)))
    assert [(one.severity, one.tag) for one in found] == [("medium", tag) for tag in tags]


def test_images_far_from_the_others_of_their_accession_are_findings() -> None:
    days = ["2013-01-05 09:00:00", "2024-01-05 10:00:00", "2024-01-06 10:00:00", "2024-01-20 10:00:00", ""]
    moments = {image(1, number): day for number, day in enumerate(days)}
    assert [one.file for one in apart(moments | {image(2, 0): days[0]}, {})] == [image(1, 0)]


@pytest.mark.parametrize(("procedure", "findings"), [("2024-01-04", 0), ("2013-01-04", 2), ("", 0)])
def test_images_far_from_the_procedure_of_their_accession_are_findings(procedure: str, findings: int) -> None:
    moments = {image(1, number): "2024-01-05 10:00:00" for number in range(2)}
    assert len(list(apart(moments, {"1": procedure}))) == findings
