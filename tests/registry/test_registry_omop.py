"""The OMOP tables of the release: the site's bytes, and a procedure for each accession without one."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.omop import cdm_fields, read_omop
from chorus_nb.parameters import resolve
from chorus_nb.registry import build_omop, build_registry
from chorus_nb.standards import modality_concepts
from chorus_nb.workspace import Workspace
from tests.small_release import MR, TWO_PATIENTS, Accession, make_workspace

CT = TWO_PATIENTS[0]


def built(workspace: Workspace) -> pd.DataFrame:
    build_registry(workspace)
    return build_omop(workspace)


def site(workspace: Workspace) -> Path:
    return resolve(workspace.parameters.omop)


def test_the_added_row_has_the_16_columns_of_cdm_5_4_in_order(small: Workspace) -> None:
    built(small)
    lines = (small.omop_out / "procedure_occurrence.csv").read_text().splitlines()
    assert lines[0].split(",") == cdm_fields("procedure_occurrence")["column"].tolist()
    assert lines[-1] == (
        '2000000000,501,4180938,2024-03-02,2024-03-02 08:15:30,,,32880,,,,71,,"path: 501/Images/CT/9001, group: 9001",,'
    )


def test_rows_of_the_record_stay_byte_for_byte_and_get_no_second_row(small: Workspace) -> None:
    ehr = (site(small) / "procedure_occurrence.csv").read_bytes()
    added = built(small)
    merged = (small.omop_out / "procedure_occurrence.csv").read_bytes()
    assert merged.startswith(ehr)
    assert added["procedure_occurrence_id"].tolist() == [2_000_000_000]


@pytest.mark.parametrize("ending", [b"\r\n", b"\n", b""])
def test_line_ends_and_a_missing_last_one_are_the_sites_own(small: Workspace, ending: bytes) -> None:
    path = site(small) / "procedure_occurrence.csv"
    newline = ending or b"\n"
    text = path.read_bytes().replace(b"\n", newline)
    path.write_bytes(text if ending else text.removesuffix(b"\n"))
    ehr = path.read_bytes()
    built(small)
    merged = (small.omop_out / "procedure_occurrence.csv").read_bytes()
    assert merged.startswith(ehr)
    assert merged.count(newline) == 3
    assert len(merged.splitlines()) == 3


def test_columns_in_another_order_are_filled_by_name(small: Workspace) -> None:
    path = site(small) / "procedure_occurrence.csv"
    path.write_text(
        "PERSON_ID,procedure_occurrence_id,procedure_concept_id,procedure_date,procedure_type_concept_id,extra\n"
        "502,333,4180642,2024-01-30,32833,\n"
    )
    built(small)
    released = (small.omop_out / "procedure_occurrence.csv").read_text()
    assert released == (
        "procedure_occurrence_id,PERSON_ID,procedure_concept_id,procedure_date,procedure_type_concept_id\n"
        "333,502,4180642,2024-01-30,32833\n"
        "2000000000,501,4180938,2024-03-02,32880\n"
    )


def test_a_site_without_procedures_gets_a_table_of_its_own(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, (CT,))
    (site(workspace) / "procedure_occurrence.csv").unlink()
    built(workspace)
    assert len((workspace.omop_out / "procedure_occurrence.csv").read_text().splitlines()) == 2


def test_a_procedure_of_several_modalities_names_their_common_folder(tmp_path: Path) -> None:
    both = (CT, replace(CT, modality="DX", first_series=5, acquired="2024-06-10 08:00:00"))
    workspace = make_workspace(tmp_path, both)
    (row,) = built(workspace).to_dict("records")
    assert row["procedure_source_value"] == "path: 501/Images, group: 9001"
    assert row["procedure_datetime"] == "2024-03-02 08:00:00"


def test_the_concept_is_the_most_particular_one_the_site_decided_on(tmp_path: Path) -> None:
    accessions = (
        replace(CT, loinc="24627-2"),
        Accession("MRN-2", "ACC-2", 501, 9010, modality="DX", loinc="36643-5"),
        Accession("MRN-3", "ACC-3", 501, 9011, modality="DX"),
        Accession("MRN-4", "ACC-4", 501, 9012, modality="MR"),
    )
    workspace = make_workspace(tmp_path, accessions)
    decided = [("CT", "24627-2", 1), ("CT", "", 2), ("", "36643-5", 3), ("DX", "", 4)]
    rows = [{"modality": m, "loinc_code": c, "procedure_concept_id": n} for m, c, n in decided]
    workspace.write(tables.PROCEDURE_CONCEPTS, tables.frame(tables.PROCEDURE_CONCEPTS, rows))
    assert built(workspace)["procedure_concept_id"].tolist() == [1, 3, 4, 4180938]


def test_a_table_goes_along_if_it_is_asked_for_and_nothing_else_does(small: Workspace) -> None:
    (site(small) / "DEATH.csv").write_bytes(b"person_id,death_date\r\n501,2024-03-20\r\n")
    built(small)
    assert {path.name for path in small.omop_out.iterdir()} == {"procedure_occurrence.csv"}
    asked = asking(small, omop_tables=["death"])
    build_omop(asked)
    assert (small.omop_out / "death.csv").read_bytes() == b"person_id,death_date\r\n501,2024-03-20\r\n"
    build_omop(small)
    assert {path.name for path in small.omop_out.iterdir()} == {"procedure_occurrence.csv"}


def asking(workspace: Workspace, **parameters: list[str]) -> Workspace:
    return Workspace(workspace.parameters.model_copy(update=parameters))


def test_a_record_that_took_our_rows_in_does_not_get_them_twice(small: Workspace) -> None:
    built(small)
    released = (small.omop_out / "procedure_occurrence.csv").read_bytes()
    (site(small) / "procedure_occurrence.csv").write_bytes(released)
    assert built(small).empty
    assert (small.omop_out / "procedure_occurrence.csv").read_bytes() == released


def test_an_id_of_ours_that_the_record_gave_to_another_person_stops_the_build(small: Workspace) -> None:
    built(small)
    path = site(small) / "procedure_occurrence.csv"
    path.write_text(path.read_text() + "2000000000,502,1,2024-01-01,,,,1,,,,,,,,\n")
    with pytest.raises(InputError, match="other persons"):
        build_omop(small)


def test_a_database_is_exported_table_by_table(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{small.local / 'cdm.sqlite'}"
    engine = create_engine(url)
    for name in ("person", "visit_occurrence", "procedure_occurrence"):
        read_omop(small, name).replace("", None).to_sql(name.upper(), engine, index=False)
    engine.dispose()
    monkeypatch.setenv("CDM", url)
    workspace = Workspace(small.parameters.model_copy(update={"omop": "env:CDM"}))
    built(workspace)
    lines = (workspace.omop_out / "procedure_occurrence.csv").read_text().splitlines()
    assert lines[1].startswith("333,502,4180642,2024-01-30")
    assert lines[2].startswith("2000000000,501,4180938")
    before = {path: path.stat().st_mtime_ns for path in workspace.omop_out.iterdir()}
    built(workspace)
    assert before == {path: path.stat().st_mtime_ns for path in workspace.omop_out.iterdir()}


def test_mr_alone_needs_no_row(tmp_path: Path) -> None:
    assert built(make_workspace(tmp_path, (MR,))).empty


@pytest.mark.parametrize(("agreed", "text"), [(False, "MR1"), (True, "MR1"), (True, 'MR 5" FOV')])
def test_a_concept_of_a_linked_procedure_is_filled_where_none_stands_and_the_site_agrees(
    small: Workspace, agreed: bool, text: str
) -> None:
    """``text`` with a quote is no CSV as it stands: the table is written anew, and says the same."""
    workspace = Workspace(small.parameters.model_copy(update={"omop_concepts": agreed}))
    rows: list[dict[str, object]] = [{"modality": "MR", "loinc_code": "", "procedure_concept_id": 4013636}]
    workspace.write(tables.PROCEDURE_CONCEPTS, tables.frame(tables.PROCEDURE_CONCEPTS, rows))
    path = site(workspace) / "procedure_occurrence.csv"
    lines = list(csv.reader(path.read_text().splitlines()))
    concept, modifier = lines[0].index("procedure_concept_id"), lines[0].index("modifier_concept_id")
    mine, source = lines[1], lines[0].index("procedure_source_value")
    other = ["424242", *mine[1:]]  # no image is linked to it
    mine[concept] = other[concept] = "0"
    mine[source], other[source] = text, "MR2"
    path.write_text("\n".join(map(",".join, [lines[0], mine, other])) + "\n")
    built(workspace)
    said = list(csv.reader((workspace.omop_out / path.name).read_text().splitlines()))
    modality = str(modality_concepts()["MR"].omop_concept_id)
    assert [said[1][concept], said[1][modifier]] == (["4013636", modality] if agreed else ["0", mine[modifier]])
    assert said[2] == other
    assert [a for n, a in enumerate(said[1]) if n not in (concept, modifier)] == [
        a for n, a in enumerate(mine) if n not in (concept, modifier)
    ]
    found = workspace.read(tables.OMOP_FINDINGS)
    assert found.loc[found.finding == "concept_added", "count"].tolist() == ([1, 1] if agreed else [])


def test_a_concept_that_stands_is_never_changed(small: Workspace) -> None:
    workspace = Workspace(small.parameters.model_copy(update={"omop_concepts": True}))
    rows: list[dict[str, object]] = [{"modality": "MR", "loinc_code": "", "procedure_concept_id": 4013636}]
    workspace.write(tables.PROCEDURE_CONCEPTS, tables.frame(tables.PROCEDURE_CONCEPTS, rows))
    before = pd.read_csv(site(workspace) / "procedure_occurrence.csv", dtype=str)["procedure_concept_id"].tolist()
    built(workspace)
    after = pd.read_csv(workspace.omop_out / "procedure_occurrence.csv", dtype=str)["procedure_concept_id"].tolist()
    assert after[: len(before)] == before
