"""What 03, and the previews of 02, clean every file of a person of."""

from __future__ import annotations

from pathlib import Path

from chorus_nb import tables
from chorus_nb.deid.persons import subject_of
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
