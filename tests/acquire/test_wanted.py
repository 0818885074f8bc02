"""What is expected, and what an archive may be asked for."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine

from chorus_nb import acquire, tables
from chorus_nb.acquire.wanted import fault_of_request, read_orders
from chorus_nb.errors import InputError
from chorus_nb.omop.imaging import imaging_codes, modalities_of
from chorus_nb.parameters import Parameters
from chorus_nb.withdrawn import WITHDRAWAL_LOG, marks_of
from chorus_nb.workspace import Workspace
from tests.small_release import PROCEDURE, make_workspace

VECTORS = list(csv.DictReader(Path(__file__).with_name("procedures.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: f"{row['concept_id']} {row['source_value']}")
def test_a_procedure_is_imaging_of_the_modality_that_its_code_says(row: dict[str, str]) -> None:
    expected = None if row["modalities"] == "no imaging" else row["modalities"]
    assert modalities_of(imaging_codes(), int(row["concept_id"]), row["source_value"]) == expected


def test_a_row_of_the_site_comes_before_those_of_the_lists(tmp_path: Path) -> None:
    (tmp_path / "imaging_codes.csv").write_text(
        "vocabulary,form,first,last,modality,source\nEHR,range,221214,221214,CT,our items\n"
        "EHR,range,71046,71046,US,ours\n"
    )
    codes = imaging_codes(tmp_path)
    assert [modalities_of(codes, 0, value) for value in ("221214", "71046", "71045")] == ["CT", "US", "CR DX"]


@pytest.mark.parametrize("bad", ["EHR,pattern,(,,CT,x", "EHR,other,1,2,CT,x", "EHR,range,,,CT,x"])
def test_a_row_that_no_code_can_be_on_is_refused(tmp_path: Path, bad: str) -> None:
    (tmp_path / "imaging_codes.csv").write_text(f"vocabulary,form,first,last,modality,source\n{bad}\n")
    with pytest.raises(InputError, match="row 2"):
        imaging_codes(tmp_path)


@pytest.mark.parametrize("value", ["A*", "A?1", "A\\B", "", " ", " A1", "A1 ", "A\n1", "A" * 65])
def test_what_an_archive_reads_as_any_is_never_asked(value: str) -> None:
    assert fault_of_request("P1", value or " ", "2020-01-01") == "accession_unusable"
    assert fault_of_request(value.replace("\\", "*") or "*", "A1", "") == "patient_unusable"


def test_a_study_is_asked_by_its_accession_or_by_patient_and_day() -> None:
    asked = [("P1", "A1", ""), ("P1\\P2", "", "2020-01-01"), ("P1", "", ""), ("", "A1", "2020-01-01")]
    assert [fault_of_request(*row) for row in asked] == ["", "", "no_day", "person_not_mapped"]


def with_orders(workspace: Workspace, orders: str) -> Workspace:
    return Workspace(Parameters.of({**workspace.parameters.model_dump(exclude_unset=True), "orders": orders})).create()


def test_orders_are_read_from_a_file_and_from_a_database_alike(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"PatientID": ["P1", "P2"], "AccessionNumber": ["A1", "007"], "StudyDate": ["20200131", "2020-02-01"]}
    frame = pd.DataFrame({**rows, "Modality": ["CT", ""], "series": ["2", ""], "instances": ["300", ""]})
    frame.to_csv(tmp_path / "orders.csv", index=False, sep=";")
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    frame.to_sql("imaging_orders", create_engine(url), index=False)
    monkeypatch.setenv("ORDERS_URL", url)
    read = [read_orders(with_orders(workspace, place)) for place in (str(tmp_path / "orders.csv"), "env:ORDERS_URL")]
    pd.testing.assert_frame_equal(*read)
    assert read[0]["day"].tolist() == ["2020-01-31", "2020-02-01"] and read[0]["AccessionNumber"][1] == "007"
    assert read[0]["instances"].tolist() == [300, pd.NA]


def test_a_cell_of_orders_that_cannot_be_read_costs_that_cell(workspace: Workspace, tmp_path: Path) -> None:
    odd = "P1,A1,31.1.2020,two\nP2,A2,20200131-20200201,2\nP3,,20201399,\nP4,A4,2020-01-31,3\n"
    (tmp_path / "orders.csv").write_text("PatientID,AccessionNumber,StudyDate,series\n" + odd)
    ordered = with_orders(workspace, str(tmp_path / "orders.csv"))
    orders = read_orders(ordered)
    assert orders["unread"].tolist() == ["StudyDate series", "StudyDate", "StudyDate", ""]
    assert orders["day"].tolist() == ["", "", "", "2020-01-31"] and orders["series"].tolist() == [pd.NA, 2, pd.NA, 3]
    expected = acquire.expect_studies(ordered).set_index("PatientID")
    assert expected["fault"][["P1", "P2", "P3", "P4"]].tolist() == ["", "", "no_day", ""]
    told = acquire.by_request(expected.reset_index())
    assert told.set_index("unread")["studies"][["StudyDate", "StudyDate series"]].sum() == 3


def test_a_patient_with_a_backslash_is_not_asked_for_as_two_others(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, orders=str(tmp_path / "orders.csv"))
    (tmp_path / "orders.csv").write_text("PatientID,AccessionNumber\n12\\34,N1\nNEW,N2\n")
    (tmp_path / "lookup" / "Personal_map.csv").write_text("PatientID,person_id,Days_Shifted\n56\\78,502,-31\n")
    (tmp_path / "lookup" / "Image_map.csv").write_text("PatientID,AccessionNumber,image_occurence_id\n")
    (tmp_path / "omop" / "procedure_occurrence.csv").write_text(
        PROCEDURE + "7,502,0,2024-01-30,,,,32817,,,,72,,71260,,\n"
    )
    expected = acquire.expect_studies(workspace)
    assert dict(zip(expected["AccessionNumber"], expected["fault"], strict=True)) == {
        "N1": "patient_unusable",
        "N2": "",
        "": "patient_unusable",
    }


def test_rows_of_orders_of_one_study_are_one(workspace: Workspace, tmp_path: Path) -> None:
    rows = "PatientID,AccessionNumber,StudyDate,Modality,series\nP1,A1,,CT,2\nP1,A1,20200131,SR,2\n"
    place = tmp_path / "orders.csv"
    place.write_text(rows)
    (one,) = read_orders(with_orders(workspace, str(place))).to_dict("records")
    assert (one["day"], one["modality"], one["series"], one["unread"]) == ("2020-01-31", "CT SR", 2, "")
    place.write_text(rows + "P1,A1,,,3\nP2,A2,,,1\n")
    both = read_orders(with_orders(workspace, str(place)))
    assert both["series"].tolist() == [pd.NA, 1] and both["unread"].tolist() == ["series", ""]


def test_orders_without_accession_are_a_study_a_day(workspace: Workspace, tmp_path: Path) -> None:
    rows = "PatientID,AccessionNumber,StudyDate\nP1,,20200131\nP1,,20200201\nP1,,20200201\n"
    (tmp_path / "orders.csv").write_text(rows)
    orders = read_orders(with_orders(workspace, str(tmp_path / "orders.csv")))
    assert orders["day"].tolist() == ["2020-01-31", "2020-02-01"] and set(orders["unread"]) == {""}


def test_an_order_and_image_map_of_one_accession_are_one_study(workspace: Workspace, tmp_path: Path) -> None:
    before = acquire.expect_studies(workspace)
    known = before[before["AccessionNumber"] != ""].iloc[0]
    lines = f"PatientID,AccessionNumber\n{known.PatientID},{known.AccessionNumber}\nNEW,N1\n"
    (tmp_path / "orders.csv").write_text(lines)
    after = acquire.expect_studies(with_orders(workspace, str(tmp_path / "orders.csv")))
    assert len(after) == len(before) + 1
    mine = after[after["AccessionNumber"] == known.AccessionNumber]
    assert mine["asked_by"].tolist() == ["order list\\" + known.asked_by]
    assert after.loc[after["PatientID"] == "NEW", "asked_by"].tolist() == ["order list"]
    tables.to_arrow(tables.EXPECTED_STUDIES, after)


def withdraw(workspace: Workspace, item: str, *identifiers: tuple[str, ...]) -> None:
    row = {"item": item, "decision": "remove", "note": "consent"}
    row |= {"marks": " ".join(marks_of(workspace.key(), identifiers))}
    WITHDRAWAL_LOG.append(workspace, "A. Privacy", row)


def test_who_withdrew_is_counted_and_nothing_asks_for_them(workspace: Workspace, tmp_path: Path) -> None:
    before = acquire.expect_studies(workspace)
    person = before["person_id"].dropna().iloc[0]
    patients = set(before.loc[before["person_id"] == person, "PatientID"])
    withdraw(workspace, f"person:{person}", *((patient,) for patient in patients))
    (tmp_path / "orders.csv").write_text("PatientID,AccessionNumber\nNEW,N1\nNEW,N2\n")
    ordered = with_orders(workspace, str(tmp_path / "orders.csv"))
    withdraw(ordered, "accession:77", ("NEW", "N1"))
    after = acquire.expect_studies(ordered)
    gone = after[after["fault"] == "withdrawn"]
    assert len(gone) == (before["person_id"] == person).sum() + 1 and len(after) == len(before) + 2
    assert set(gone["PatientID"]) | set(gone["AccessionNumber"]) | set(gone["day"]) == {""}
    assert gone[["person_id", "image_occurrence_id", "procedure_occurrence_id"]].isna().all(axis=None)
    asked = after[after["fault"] == ""]
    assert not patients & set(asked["PatientID"])
    assert asked.loc[asked["PatientID"] == "NEW", "AccessionNumber"].tolist() == ["N2"]
