"""The data package: every table fits its types and keys, by a reader that knows nothing but ``datapackage.json``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.metadata import build_metadata
from chorus_nb.metadata.dictionary import data_dictionary, data_package
from chorus_nb.registry import build_registry
from chorus_nb.workspace import Workspace

READ = {"integer": int, "number": float, "string": str, "boolean": {"True": True, "False": False}.__getitem__}


@pytest.fixture
def cells_as_long_as_before() -> Iterator[None]:
    """``frictionless`` lets ``csv`` read longer cells, in the whole process."""
    longest = csv.field_size_limit()
    yield
    csv.field_size_limit(longest)


@pytest.fixture
def package(small: Workspace) -> dict[str, Any]:
    build_registry(small)
    build_metadata(small)
    described: dict[str, Any] = json.loads((small.metadata / "datapackage.json").read_text("utf-8"))
    for resource in described["resources"]:
        resource["rows"] = pd.read_csv(small.metadata / resource["path"], dtype=str, keep_default_na=False)
    return described


def test_types_and_keys_of_every_table_hold(package: dict[str, Any]) -> None:
    by_name = {resource["name"]: resource for resource in package["resources"]}
    assert set(by_name) == {table.name for table in (*tables.METADATA, tables.IMAGE_REGISTRY)}
    for resource in package["resources"]:
        rows, schema = resource["rows"], resource["schema"]
        assert [field["name"] for field in schema["fields"]] == rows.columns.tolist()
        for field in schema["fields"]:
            cells = rows[field["name"]]
            assert not (field.get("constraints") and (cells == "").any()), field["name"]
            cells[cells != ""].map(READ[field["type"]])
        assert not rows.duplicated(schema["primaryKey"]).any()
        for key in schema.get("foreignKeys", ()):
            other = by_name[key["reference"]["resource"]]["rows"][key["reference"]["fields"]]
            assert set(rows[key["fields"]].itertuples(index=False, name=None)) <= set(
                other.itertuples(index=False, name=None)
            )


@pytest.mark.usefixtures("cells_as_long_as_before")
def test_frictionless_finds_no_fault(small: Workspace, package: dict[str, Any]) -> None:
    frictionless = pytest.importorskip("frictionless")
    report = frictionless.Package(str(small.metadata / "datapackage.json")).validate()
    assert report.valid, report.flatten(["resource", "fieldName", "message"])


def test_licence_and_citation_are_those_of_the_parameters() -> None:
    package = data_package(data_dictionary(), "CC BY 4.0", "A site (2026): Images")
    assert package["licenses"] == [{"name": "other-closed", "title": "CC BY 4.0"}]
    assert package["citation"] == "A site (2026): Images"


def test_a_unit_is_of_a_column_that_a_table_has() -> None:
    words = data_dictionary()
    assert words.loc[words["column"].eq("KVP_max"), ["unit", "tag"]].drop_duplicates().values.tolist() == [
        ["kV", "(0018,0060)"]
    ]
    numbers = words[words["type"].eq("number") & words["tag"].ne("")]
    assert set(numbers.loc[numbers["unit"] == "", "column"].str.replace(r"_(min|max)$", "", regex=True)) <= UNITLESS


def test_what_mapping_can_say_is_told_in_the_dictionary() -> None:
    terms = data_dictionary().set_index(["table", "column"])["values"]
    assert terms["series", "mapped_plane"] == terms["image", "mapped_plane"] == "AXIAL|SAGITTAL|CORONAL|OBLIQUE"
    assert terms["series", "mapped_view_confidence"] == "high|medium|contradicted"


UNITLESS = {
    *("RescaleIntercept", "RescaleSlope", "SpiralPitchFactor", "NumberOfAverages", "MechanicalIndex"),
    *("SoftTissueThermalIndex", "BoneThermalIndex", "RadionuclidePositronFraction", "ExposureIndex"),
    "EstimatedRadiographicMagnificationFactor",
}
"""Ratios, indexes and counts."""
