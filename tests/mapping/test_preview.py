"""The plan and the engine are one: what is shown before the run is what the run does."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.datadict import tag_for_keyword

from chorus_nb import standards, tables
from chorus_nb.deid.preview import UNREADABLE, header_lines, preview
from chorus_nb.mapping import decide, make_plan, plan
from chorus_nb.parameters import Parameters
from chorus_nb.standards.lists import data_rows
from chorus_nb.workspace import Workspace
from tests.deid.test_values import with_raw

CODES = {row["keyword"]: row["values"].split("|")[0] for row in data_rows("closed_lists.csv")}
VALUES = {"DS": "1.5", "IS": "2", "UL": 3, "CS": "TERM", "SH": "TERM", "LO": "A TERM"}
LISTED = [*standards.keep_list(), *standards.minimum_metadata()]


@pytest.fixture
def site(tmp_path: Path) -> Workspace:
    """One CT of pydicom's with every listed attribute in it, in catalog, profile and lookup tables."""
    for folder in ("dicom", "lookup"):
        (tmp_path / folder).mkdir()
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    dataset.PatientID, dataset.AccessionNumber, dataset.StudyDescription = "E9698046", "A1", "CT of E9698046 head"
    for tag in LISTED:
        fill(dataset, int(tag[1:5] + tag[6:10], 16))
    dataset.save_as(tmp_path / "dicom" / "one.dcm")
    (tmp_path / "lookup" / "Personal_map.csv").write_text("PatientID,person_id,Days_Shifted\nE9698046,7,-5\n")
    (tmp_path / "lookup" / "Image_map.csv").write_text("PatientID,AccessionNumber,image_occurence_id\nE9698046,A1,70\n")
    names = {name: str(tmp_path / folder) for name, folder in (("source", "dicom"), ("lookup", "lookup"))}
    workspace = Workspace(Parameters(**names, workspace=str(tmp_path / "workspace"))).create()
    blank = {c.name: False if c.kind == "truth" else 0 for c in tables.CATALOG.columns if c.kind != "text"}
    file = {"source_path": "one.dcm", "status": "dicom", "has_pixels": True, "Modality": "CT"}
    header = {"PatientID": "E9698046", "AccessionNumber": "A1", "SOPClassUID": str(dataset.SOPClassUID)}
    workspace.write(tables.CATALOG, tables.frame(tables.CATALOG, [{**blank, **file, **header}]))
    counts = {c.name: 1 for c in tables.TAG_PROFILE.columns if c.kind == "integer"}
    rows = [
        {
            **counts,
            "modality": "CT",
            "sop_class": str(dataset.SOPClassUID),
            "tag": standards.tag_name(e.tag),
            "vr": e.VR,
        }
        for e in dataset
        if not e.tag.is_private
    ]
    workspace.write(tables.TAG_PROFILE, tables.frame(tables.TAG_PROFILE, rows))
    return workspace


def fill(dataset: pydicom.Dataset, tag: int) -> None:
    keyword = pydicom.datadict.keyword_for_tag(tag)
    vr = pydicom.datadict.dictionary_VR(tag)
    if dataset.get(keyword) in (None, ""):
        setattr(dataset, keyword, CODES.get(keyword, VALUES[vr]))


def shown(workspace: Workspace) -> pd.DataFrame:
    seen = preview(workspace)
    return seen[seen.path == ""].set_index("keyword")


def test_keep_list_and_minimum_metadata_survive_with_their_values(site: Workspace) -> None:
    seen = shown(site)
    for tag in LISTED:
        row = seen[seen.tag == tag].iloc[0]
        changed = tag in ("(0008,0050)", "(0020,000D)", "(0020,000E)", "(0008,0020)", "(0008,1030)")
        assert row.after, tag
        assert (row.after == row.before) is not changed, tag


def test_the_preview_shows_what_the_lookup_tables_say(site: Workspace) -> None:
    seen = shown(site)
    assert (seen.after["PatientID"], seen.after["AccessionNumber"]) == ("7", "70")
    assert seen.before["StudyDate"] == "20040119"
    assert seen.after["StudyDate"] == "20040114"
    assert "E9698046" not in seen.after["StudyDescription"]
    assert "head" in seen.after["StudyDescription"]


def test_a_decision_changes_the_plan_and_what_the_engine_does(site: Workspace) -> None:
    def state() -> tuple[str, str]:
        made = make_plan(site).set_index("keyword")
        return made.action["KVP"], shown(site).after["KVP"]

    assert state() == ("K", "120")
    decide(site, standards.tag_name(tag_for_keyword("KVP") or 0), "X", "to see both change", "a test")
    assert state() == ("X", "")


def test_the_plan_takes_its_examples_from_the_engine(site: Workspace) -> None:
    made = plan.with_examples(site, make_plan(site), preview(site)).set_index("keyword")
    assert made.example_after["PatientID"] == "7"
    assert made.example_before["PatientID"] == "E9698046"
    [(caption, changed)] = plan.headers(made.reset_index(), preview(site))
    assert caption.startswith("One CT image: ")
    assert "PatientID" in set(changed.element)
    assert "Rows" not in set(changed.element)


def test_an_element_that_stays_without_its_value_is_not_said_to_be_kept() -> None:
    """A station's name in an element that the policy keeps; a date of birth that tells an age above 89."""
    cells = [("StationName", "K", "ETHELCT68", ""), ("Model", "K", "ACME of St. X", "ACME")]
    cells += [("PatientBirthDate", "shift", "19260430", ""), ("StudyDate", "shift", "20200102", "20191103")]
    rows = [dict(zip(("keyword", "action", "before", "after"), row, strict=True)) for row in cells]
    frame = pd.DataFrame(rows).assign(
        sop_class="1.2", modality="CT", path="", private_creator="", tag=[f"(0008,000{n})" for n in range(4)]
    )
    [(_, changed)] = plan.headers(frame, frame.drop(columns="action"))
    assert list(changed.action) == [
        "keep (K), but not this value",
        "keep (K), but not all of this value",
        "shift, but not this value",
        "shift",
    ]


def test_a_file_of_an_unmapped_patient_is_not_previewed(site: Workspace) -> None:
    (site.parameters.lookup_path / "Personal_map.csv").write_text("PatientID,person_id,Days_Shifted\nP2,7,-5\n")
    assert preview(site).empty


def test_an_element_that_pydicom_cannot_read_is_a_line_like_others() -> None:
    """Three bytes where numbers of two stand: the rest of the header is shown all the same."""
    content = with_raw("US", "SmallestImagePixelValue", b"\1\0\0")
    lines = {line.keyword: line.value for line in header_lines(content)}
    assert lines["SmallestImagePixelValue"] == UNREADABLE
    assert lines["PatientID"] == "MRN-0042-77" and lines["BitsStored"] == "16"


def test_a_private_sequence_and_what_is_in_it_are_named_by_their_creator() -> None:
    """Without it 02 found no row of the plan for them and told no action."""
    dataset, item = pydicom.Dataset(), pydicom.Dataset()
    item.PatientName = "Doe^Jane"
    dataset.private_block(0x0029, "ACME", create=True).add_new(0x20, "SQ", [item])
    content = io.BytesIO()
    dataset.save_as(content, implicit_vr=False, little_endian=True)
    places = [line.place for line in header_lines(content.getvalue())]
    assert places == [
        ("", "(0029,00xx)", "ACME"),
        ("", "(0029,xx20)", "ACME"),
        ("0029[ACME]20", "(0010,0010)", ""),
    ]
