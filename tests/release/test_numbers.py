"""Ids of digits alone: as short as a count, a year or a size, and at a large hospital as many as there are numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.display import table_html
from chorus_nb.errors import WorkbenchError
from chorus_nb.release import pack
from chorus_nb.verify import verify_tree
from chorus_nb.workspace import Workspace


def everybody(workspace: Workspace, ids: list[str]) -> None:
    """There are patients with these ids, of whom nothing is released."""
    catalog = workspace.read(tables.CATALOG)
    made = catalog.iloc[[0] * len(ids)].assign(PatientID=ids, source_path=[f"{number}.dcm" for number in ids])
    workspace.write(tables.CATALOG, pd.concat([catalog, made], ignore_index=True))


def numbers_said(workspace: Workspace) -> set[str]:
    """Every number of four to seven digits in every file that is no image, but the short UIDs made for these tests."""
    files = [*workspace.release.rglob("*"), *workspace.audit.rglob("*")]
    texts = [path.read_bytes() for path in files if path.is_file() and path.suffix not in (".dcm", ".parquet")]
    return {
        number.decode()
        for text in texts
        for number in re.findall(rb"(?<!2\.25\.)(?<![\dA-Za-z])\d{4,7}(?![\dA-Za-z])", text)
    }


def test_no_number_that_a_release_says_of_itself_is_taken_for_a_patient(built: Workspace) -> None:
    """Tags, lengths, sizes, counts, years, versions and the structure of the PDF: nobody could ever mend these."""
    pack(built)
    said = sorted(numbers_said(built))
    assert {"1024", "65535"} < set(said)
    assert len(said) > 150
    everybody(built, said)
    pack(built)


def as_csv(folder: Path) -> None:
    (folder / "list.csv").write_text("patient_id,n\n\n10007,1\n")


def as_cdm(folder: Path) -> None:
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports/person.csv").write_text("person_id\n10007\n")


def as_json(folder: Path) -> None:
    (folder / "list.json").write_text(json.dumps({"patients": [10007]}))


def as_parquet(folder: Path) -> None:
    pd.DataFrame({"person_id": [10007]}).to_parquet(folder / "list.parquet")


def as_page(folder: Path) -> None:
    (folder / "list.html").write_text(table_html(pd.DataFrame({"n": [10007], "patient_id": [10007]})))


@pytest.mark.parametrize("put", [as_csv, as_cdm, as_json, as_parquet, as_page], ids=lambda put: put.__name__)
def test_in_a_file_that_is_none_of_ours_a_number_is_somebody_s_in_any_column(
    built: Workspace, put: Callable[[Path], None]
) -> None:
    everybody(built, ["10007"])
    assert dict(verify_tree(built)[["check", "result"]].values)["tables"] == "pass"
    put(built.audit)
    with pytest.raises(WorkbenchError, match=r"audit/.*: identifier"):
        pack(built)
