"""The metadata tables for sharing: images can be queried without opening DICOM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pydicom.dataset import Dataset

from chorus_nb import tables
from chorus_nb.errors import SchemaError
from chorus_nb.metadata import ask, build_metadata
from chorus_nb.metadata.building import ACQUIRED_BY
from chorus_nb.metadata.local_fields import decide_fields
from chorus_nb.registry import build_registry
from chorus_nb.standards import keep_list, minimum_metadata
from chorus_nb.workspace import Workspace
from tests.small_release import TWO_PATIENTS, make_workspace

CT = TWO_PATIENTS[0]


def test_every_minimum_and_every_keep_attribute_has_its_column() -> None:
    study, series, image = (set(t.column_names) for t in (tables.STUDY, tables.SERIES, tables.IMAGE))
    by_level = {"study": study | {"AccessionNumber"}, "series": series}
    assert not [k for k, level in minimum_metadata().values() if k not in by_level[level]]
    assert not [k for k in keep_list().values() if k not in image | series]


def test_csv_and_parquet_say_the_same(small: Workspace) -> None:
    build_metadata(small)
    for table in tables.METADATA:
        pd.testing.assert_frame_equal(small.read(table), small.read(replace(table, format="parquet")))


def test_rows_in_parts_are_the_rows_at_once(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    build_metadata(small)
    image = small.path(tables.IMAGE)
    at_once, rows = image.read_bytes(), small.read(replace(tables.IMAGE, format="parquet"))
    image.unlink()
    monkeypatch.setattr("chorus_nb.metadata.building.ROWS_IN_MEMORY", 1)
    build_metadata(small)
    assert image.read_bytes() == at_once
    pd.testing.assert_frame_equal(small.read(replace(tables.IMAGE, format="parquet")), rows)


def test_a_table_of_images_that_are_not_there_is_the_one_that_asking_for_them_gives(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_metadata(small)
    paths = [small.path(replace(tables.TABLES["pt"], format=kind)) for kind in ("csv", "parquet")]
    not_asked = [path.read_bytes() for path in paths]
    paths[0].unlink()
    monkeypatch.setitem(ACQUIRED_BY, "pt", ("PT", "CT"))
    monkeypatch.setattr("chorus_nb.metadata.building._acquired", lambda _: "placed WHERE false GROUP BY ALL")
    build_metadata(small)
    assert [path.read_bytes() for path in paths] == not_asked


def a_header(workspace: Workspace) -> None:
    workspace.write(tables.RELEASED_HEADERS, workspace.read(tables.RELEASED_HEADERS).assign(SliceThickness="7"))


def pixels_redacted(workspace: Workspace) -> None:
    workspace.write(tables.OUTCOMES, workspace.read(tables.OUTCOMES).assign(boxes="[[0, 0, 9, 9]]"))


def a_code(workspace: Workspace) -> None:
    workspace.write(tables.LINKAGE, workspace.read(tables.LINKAGE).assign(loinc_code="24627-2"))


def a_visit(workspace: Workspace) -> None:
    build_registry(workspace)


def a_decision(workspace: Workspace) -> None:
    row = {"field": "body_part", "attribute": "BodyPartExamined", "local": "CHEST"}
    decide_fields(workspace, [row], "KNEE", "", "ada")


def a_licence(workspace: Workspace) -> None:
    workspace.parameters.__dict__["licence"] = "CC0"


def a_file_that_somebody_changed(workspace: Workspace) -> None:
    path = workspace.path(tables.SERIES)
    path.write_bytes(path.read_bytes().replace(b"CHEST", b"ELBOW"))


def a_file_that_is_gone(workspace: Workspace) -> None:
    (workspace.metadata / "croissant.json").unlink()


CHANGES = a_header, pixels_redacted, a_code, a_visit, a_decision, a_licence, a_file_that_somebody_changed
CHANGES += (a_file_that_is_gone,)


def test_tables_are_made_again_where_one_thing_differs_that_they_are_made_of_and_else_not(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, made = build_metadata(small), list[str]()
    monkeypatch.setattr("chorus_nb.metadata.building._build", lambda *_: made.append(now))
    now = "as it was"
    for one, again in zip(first, build_metadata(small), strict=True):
        pd.testing.assert_frame_equal(one, again)
    for change in CHANGES:
        change(small)
        now = change.__name__
        build_metadata(small)
        now = f"{now}, and as it was"
        build_metadata(small)
    assert made == [change.__name__ for change in CHANGES]


def test_a_release_without_an_image_has_tables_without_a_row(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, (replace(CT, status="held_back"),))
    assert [len(table) for table in build_metadata(workspace)] == [0, 0]


def test_a_key_that_is_there_twice_is_refused_and_nothing_is_replaced(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, (CT,))
    build_metadata(workspace)
    before = workspace.path(tables.IMAGE).read_bytes()
    headers = workspace.read(tables.RELEASED_HEADERS)
    workspace.write(tables.RELEASED_HEADERS, headers.assign(SOPInstanceUID=headers["SOPInstanceUID"].iloc[0]))
    with pytest.raises(SchemaError, match="image: file_id is not unique"):
        build_metadata(workspace)
    assert workspace.path(tables.IMAGE).read_bytes() == before


def test_the_data_dictionary_explains_every_column(small: Workspace) -> None:
    build_metadata(small)
    dictionary = pd.read_csv(small.metadata / "data_dictionary.csv")
    described = set(zip(dictionary["table"], dictionary["column"], strict=True))
    for table in (*tables.METADATA, tables.IMAGE_REGISTRY):
        assert {(table.name, name) for name in table.column_names} <= described
    assert dictionary["meaning"].notna().all()


def test_contrast_chest_ct_under_one_millimetre_is_found_without_dicom(small: Workspace) -> None:
    build_metadata(small)
    build_registry(small)
    for path in small.release.glob("*/Images/**/*.dcm"):
        path.unlink()
    question = """SELECT image_occurrence_id, SliceThickness FROM series WHERE Modality = 'CT'
                  AND BodyPartExamined = 'CHEST' AND ContrastBolusAgent <> '' AND SliceThickness < 1"""
    assert ask(small, question).values.tolist() == [[9001, 0.625]]


def test_a_number_that_is_none_is_null_and_several_values_stay_text(tmp_path: Path) -> None:
    attributes = (("KVP", None), ("PixelSpacing", [0.5, 0.5]), ("EchoTime", "3.2"))
    workspace = make_workspace(tmp_path, (replace(CT, attributes=attributes),))
    build_metadata(workspace)
    row = workspace.read(tables.IMAGE).iloc[0]
    assert pd.isna(row["KVP"])
    assert row["PixelSpacing"] == "0.5\\0.5"
    assert row["EchoTime"] == 3.2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Exposure", {"14.5": "14.5", "14": "14.0", "1e2": "100.0"}),  # IS; a quantity: makers write parts of mAs
        ("AcquisitionNumber", {"14.5": "<NA>", "14": "14", "14.0": "14"}),
    ],
)
def test_what_is_measured_keeps_its_fraction_and_what_is_counted_is_not_rounded(
    tmp_path: Path, name: str, told: dict[str, str]
) -> None:
    for number, (written, expected) in enumerate(told.items()):
        workspace = make_workspace(tmp_path / str(number), (replace(CT, attributes=((name, written),)),))
        build_metadata(workspace)
        assert {*workspace.read(tables.IMAGE)[name].astype("object").map(str)} == {expected}, written


def test_an_enhanced_image_tells_its_thickness_and_region_from_its_sequences(tmp_path: Path) -> None:
    measures, groups, region = Dataset(), Dataset(), Dataset()
    measures.SliceThickness = "0.75"
    groups.PixelMeasuresSequence = [measures]
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "51185008", "SCT", "Chest"
    attributes = (("SharedFunctionalGroupsSequence", [groups]), ("AnatomicRegionSequence", [region]))
    _, series = build_metadata(make_workspace(tmp_path, (replace(CT, attributes=attributes),)))
    assert series["SliceThickness"].tolist() == [0.75]
    assert series["anatomic_region"].tolist() == ["SCT:51185008"]


def test_a_study_lists_what_its_images_say_with_counts(tmp_path: Path) -> None:
    second = replace(CT, modality="DX", first_series=5, attributes=(("BodyPartExamined", "ABDOMEN"),))
    workspace = make_workspace(tmp_path, (CT, second))
    study, series = build_metadata(workspace)
    assert study["Modality"].tolist() == ["CT (2); DX (2)"]
    assert study["BodyPartExamined"].tolist() == ["ABDOMEN (2); CHEST (2)"]
    assert study["images"].tolist() == [4]
    assert len(series) == 2


@pytest.mark.parametrize(
    ("said", "years"), [("045Y", 45.0), ("018M", 1.5), ("095Y", 90.0), ("", None), ("Y045", None), ("0450", None)]
)
def test_the_age_of_a_study_is_in_years_and_none_where_none_is_said(
    tmp_path: Path, said: str, years: float | None
) -> None:
    attributes = (("PatientAge", said),) if said else ()
    study, _ = build_metadata(make_workspace(tmp_path, (replace(CT, attributes=attributes),)))
    assert study["age"].astype(object).where(study["age"].notna(), None).tolist() == [years]


@pytest.mark.parametrize("text", ["=1+1", 'a "quoted", value', "two\nlines"])
def test_text_of_any_kind_survives_csv(tmp_path: Path, text: str) -> None:
    workspace = make_workspace(tmp_path, (replace(CT, attributes=(("SeriesDescription", text),)),))
    build_metadata(workspace)
    assert workspace.read(tables.SERIES)["SeriesDescription"].tolist() == [text]
