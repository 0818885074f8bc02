"""A year of birth that tells an age above 90 leaves as the year by which the person is 90."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb.registry import build_omop, build_registry, check_registry, omop_findings
from chorus_nb.workspace import Workspace
from tests.small_release import PERSON, make_workspace

BORN = "1932,6,15,1932-06-15 08:00:00"  # the images are of 2024
DIED = "person_id,death_date,death_datetime,death_type_concept_id\n"


def delivered(folder: Path, person: str, **others: str | list[str]) -> tuple[list[str], Workspace]:
    """PERSON of the release as lines, with another first row of the site's."""
    asked = others.pop("omop_tables", ["person"])
    made = make_workspace(folder, omop_tables=asked, omop_columns=others.pop("omop_columns", []))
    omop = Path(made.parameters.omop)
    (omop / "person.csv").write_text(f"{PERSON}{person}502,8532,1950,,,,8527,0,,,,,F,0,,0,,0\n")
    for name, rows in others.items():
        (omop / f"{name}.csv").write_text(str(rows))
    build_registry(made)
    build_omop(made)
    return (made.omop_out / "person.csv").read_text().splitlines(), made


@pytest.mark.parametrize(
    ("born", "leaves"),
    [
        *[(BORN, "1934,,,"), ("1933,,,", "1934,,,"), ("1934,6,15,1934-06-15", "1934,6,15,1934-06-15")],
        *[("1950,1,2,", "1950,1,2,"), ('"1932",6,15,', "1934,,,"), ("1932.0,6,15,", "1934,,,"), (",,,", ",,,")],
        ("1724,6,15,", "1934,,,"),  # some sites move whoever is old out of every life
    ],
)
def test_a_year_of_birth_tells_no_age_above_90(tmp_path: Path, born: str, leaves: str) -> None:
    lines, made = delivered(tmp_path, f"501,8532,{born},8527,0,,,,,F,0,,0,,0\n")
    assert lines[1:] == [f"501,8532,{leaves},8527,0,,,,,F,0,,0,,0", "502,8532,1950,,,,8527,0,,,,,F,0,,0,,0"]
    counted = omop_findings(made).set_index("finding")["count"].to_dict()
    assert counted.get("old_age_capped", 0) == (leaves != born)
    checks = check_registry(made).set_index("check")
    assert checks.loc["old_age_told", "result"] == "pass"


@pytest.mark.parametrize(
    ("asked", "rows", "leaves"),
    [
        (["person", "death"], f"{DIED}501,2031-02-03,,32817\n", "1941"),  # 95 at death
        (["person"], f"{DIED}501,2031-02-03,,32817\n", "1936"),  # a table that stays tells nothing
        (["person", "death"], f"{DIED}501,2999-12-31,,32817\n", "1936"),  # and so does a year of no life
    ],
)
def test_an_age_is_told_by_every_table_that_is_delivered(
    tmp_path: Path, asked: list[str], rows: str, leaves: str
) -> None:
    lines, _ = delivered(tmp_path, "501,8532,1936,,,,8527,0,,,,,F,0,,0,,0\n", omop_tables=asked, death=rows)
    assert lines[1].split(",")[2] == leaves


def test_a_site_that_may_share_years_of_birth_names_the_column(tmp_path: Path) -> None:
    lines, made = delivered(tmp_path, f"501,8532,{BORN},8527,0,,,,,F,0,,0,,0\n", omop_columns=["person.year_of_birth"])
    assert lines[1].startswith(f"501,8532,{BORN},")
    assert check_registry(made).set_index("check").loc["old_age_told", "result"] == "not run"


def test_columns_in_another_order_and_odd_line_ends_are_capped_all_the_same(tmp_path: Path) -> None:
    made = make_workspace(tmp_path, omop_tables=["person"])
    (Path(made.parameters.omop) / "person.csv").write_bytes(
        b"year_of_birth,person_id,gender_concept_id,birth_datetime\r1932,501,8532,1932-06-15\r1950,502,8532,\r"
    )
    build_registry(made)
    build_omop(made)
    told = (made.omop_out / "person.csv").read_text()
    assert "1932" not in told and "501,8532,1934," in told


OBSERVED = (
    "observation_id,person_id,observation_concept_id,observation_date,observation_type_concept_id,value_as_number,"
    "value_as_string,observation_source_value,unit_source_value,value_source_value\n"
)


@pytest.mark.parametrize(
    ("called", "unit", "said", "leaves"),
    [
        *[("Age", "years", "94", "90"), ("AGE", "", "101.0", "90"), ("Patient Age (Years)", "", "91", "90")],
        *[("age at admission", "a", "93", "90"), ("30525-0", "", "97", "90"), ("pt_age", "", "89", "89")],
        *[("Age", "months", "94", "94"), ("Gestational age", "", "94", "94"), ("age", "", "266", "266")],
        *[("Dosage", "", "94", "94"), ("Heart rate", "", "94", "94"), ("Age group", "", "94", "94")],
    ],
)
def test_a_value_that_says_an_age_above_90_says_90(
    tmp_path: Path, called: str, unit: str, said: str, leaves: str
) -> None:
    row = f"1,501,0,2024-01-30,32817,{said},,{called},{unit},{said}\n"
    asked = ["person", "observation"]
    person = "501,8532,1950,,,,8527,0,,,,,F,0,,0,,0\n"
    _, made = delivered(tmp_path, person, omop_tables=asked, observation=OBSERVED + row)
    written = (made.omop_out / "observation.csv").read_text().splitlines()
    assert written[1] == f"1,501,0,2024-01-30,32817,{leaves},,{called},{unit},{leaves}"
    counted = omop_findings(made).query("finding == 'old_age_capped' and column == 'value_as_number'")
    assert len(counted) == (said != leaves)
