"""What 04 searches for of a person: all that their files, the lookup tables and OMOP say, once for each person."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from chorus_nb import tables
from chorus_nb.leaks.terms import SearchTerm
from chorus_nb.mapping.lookups import read_lookups
from chorus_nb.omop import read_omop
from chorus_nb.verify.persons import terms_of_persons
from tests.verify import small_site


def test_a_person_is_known_by_all_files_lookup_rows_and_omop(tmp_path: Path) -> None:
    workspace = small_site.make(tmp_path / "site")
    (tmp_path / "site" / "omop" / "person.csv").write_text(
        "person_id,year_of_birth,person_source_value\n501,1961,KX-4417\n502,1933,501\n"
    )
    catalog = workspace.read(tables.CATALOG)
    first = catalog.index[catalog.PatientID == "MRN-77120034"]
    catalog.loc[first[0], ["PatientName", "PatientBirthDate"]] = ["Quillfeather^Ada", "19610402"]
    catalog.loc[first[1], ["PatientBirthName", "OtherPatientIDs"]] = ["UNKNOWN", "OLD-5\\0000"]
    many = pd.concat([catalog] * 5, ignore_index=True)
    workspace.write(tables.CATALOG, many.assign(source_path=[f"{n}" for n in range(len(many))]))
    known = terms_of_persons(workspace, read_lookups(workspace), partial(read_omop, workspace))
    assert set(known) == {501, 502}
    said = {(term.kind, term.text) for term in known[501]}
    assert said == {
        *(("name", part) for part in ("Quillfeather", "Ada")),
        *(("identifier", text) for text in ("MRN-77120034", "ACC4471982", "ACC4471990", "KX-4417", "OLD-5")),
        ("date", "19610402"),
    }
    assert len(known[501]) == len(said)
    assert SearchTerm("identifier", "501") in known[502]
