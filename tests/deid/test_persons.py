"""What 03, and the previews of 02, clean every file of a person of."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb import tables
from chorus_nb.deid.persons import known_digests, known_of_persons, old_persons, subject_of
from chorus_nb.mapping.lookups import read_lookups
from tests.verify import small_site


def test_a_subject_is_known_by_what_its_other_files_say(tmp_path: Path) -> None:
    workspace = small_site.make(tmp_path / "site")
    catalog = workspace.read(tables.CATALOG)
    first = catalog.index[catalog.PatientID == "MRN-77120034"][0]
    catalog.loc[first, "PatientBirthName"] = "Quillfeather"
    workspace.write(tables.CATALOG, catalog)
    subject = subject_of(workspace, read_lookups(workspace))
    assert "Quillfeather" in subject(501, -100, 9002).everything.names
    assert "MRN-77120034" in subject(501, -100, 9002).everything.numbers
    assert "Quillfeather" not in subject(502, -37, 9003).everything.names


@pytest.mark.parametrize(
    ("born", "age", "day", "visit", "is_old"),
    [
        *[("19331231", "", "2023-12-05", "", False), ("19331231", "", "2024-02-05", "", True)],
        *[("19400815", "093Y", "2023-01-05", "", True), ("19400815", "", "2023-01-05", "2031-01-01", True)],
        *[("19400815", "", "2023-01-05", "2199-01-01", False), ("no day", "", "2023-01-05", "", False)],
    ],
)
def test_who_is_above_89_in_any_image_or_visit_has_no_birth_date_in_any(
    tmp_path: Path, born: str, age: str, day: str, visit: str, is_old: bool
) -> None:
    """The birth date of an image at 86 left beside one at 93, whose own was emptied."""
    workspace = small_site.make(tmp_path / "site")
    catalog = workspace.read(tables.CATALOG)
    own = catalog.index[catalog.PatientID == "MRN-77120035"]
    catalog.loc[own, ["PatientBirthDate", "PatientAge", "acquired"]] = [born, "", "2020-01-31 10:00:00"]
    catalog.loc[own[0], ["PatientAge", "acquired"]] = [age, f"{day} 10:00:00"]
    workspace.write(tables.CATALOG, catalog)
    if visit:
        path = Path(workspace.parameters.omop) / "visit_occurrence.csv"
        header, *rows = path.read_text().splitlines()
        at = [header.split(",").index(name) for name in ("visit_occurrence_id", "person_id", "visit_start_date")]
        row = rows[0].split(",")
        row[at[0]], row[at[1]], row[at[2]] = "990", "502", visit
        path.write_text("\n".join([header, *rows, ",".join(row)]) + "\n")
    lookups = read_lookups(workspace)
    assert (502 in old_persons(workspace, lookups)) is is_old
    assert subject_of(workspace, lookups)(502, -37, 9003).is_old is is_old
    known = known_of_persons(workspace, lookups)
    assert (known_digests(known, old_persons(workspace, lookups))[502] != known_digests(known)[502]) is is_old
    assert not subject_of(workspace, lookups)(501, -100, 9002).is_old
