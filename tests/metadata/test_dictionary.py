"""The data package: every table fits its types and keys, by a reader that knows nothing but ``datapackage.json``."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chorus_nb import tables
from chorus_nb.leaks.terms import page_words
from chorus_nb.metadata import build_metadata
from chorus_nb.metadata.dictionary import STATED, data_dictionary, data_package
from chorus_nb.registry import build_registry
from chorus_nb.workspace import Workspace
from tests.small_release import make_workspace

READ = {"integer": int, "number": float, "string": str, "boolean": {"True": True, "False": False}.__getitem__}


@pytest.fixture
def cells_as_long_as_before() -> Iterator[None]:
    """``frictionless`` lets ``csv`` read longer cells, in the whole process."""
    longest = csv.field_size_limit()
    yield
    csv.field_size_limit(longest)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = make_workspace(tmp_path_factory.mktemp("made"), licence="CC BY 4.0")
    build_registry(workspace)
    build_metadata(workspace)
    return workspace


@pytest.fixture(scope="module")
def package(made: Workspace) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((made.metadata / "datapackage.json").read_text("utf-8"))
    for resource in described["resources"]:
        resource["rows"] = pd.read_csv(made.metadata / resource["path"], dtype=str, keep_default_na=False)
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
def test_frictionless_finds_no_fault(made: Workspace) -> None:
    frictionless = pytest.importorskip("frictionless")
    report = frictionless.Package(str(made.metadata / "datapackage.json")).validate()
    assert report.valid, report.flatten(["resource", "fieldName", "message"])


@pytest.mark.parametrize("name", ["croissant.json", "datapackage.json"])
def test_no_key_of_a_package_is_somebody_s_name(made: Workspace, name: str) -> None:
    """A patient may be called Record."""
    keys = set[str]()
    json.loads((made.metadata / name).read_text("utf-8"), object_hook=keys.update)
    assert set(re.findall(r"[a-z]{4,}", " ".join(keys).lower())) - page_words() == set()


def test_croissant_names_every_parquet_file_with_its_digest_columns_and_types(made: Workspace) -> None:
    said: dict[str, Any] = json.loads((made.metadata / "croissant.json").read_text("utf-8"))
    assert said["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert (said["license"], said["citeAs"]) == ("CC BY 4.0", STATED)
    files = {file["@id"]: file for file in said["distribution"]}
    assert set(files) == {path.name for path in made.metadata.glob("*.parquet")}
    for name, file in files.items():
        assert file["sha256"] == hashlib.sha256((made.metadata / name).read_bytes()).hexdigest()
    for records in said["recordSet"]:
        rows = pq.read_table(made.metadata / f"{records['name']}.parquet")
        columns = [field["source"]["extract"]["column"] for field in records["field"]]
        assert columns == rows.column_names
        kinds = {"sc:Text": pa.types.is_string, "sc:Integer": pa.types.is_integer, "sc:Float": pa.types.is_floating}
        kinds["sc:Boolean"] = pa.types.is_boolean
        assert all(kinds[field["dataType"]](rows.schema.field(field["name"]).type) for field in records["field"])
        assert all(field["source"]["fileObject"]["@id"] in files for field in records["field"])
        key = [part["@id"].partition("/")[2] for part in records["key"]]
        assert not rows.select(key).to_pandas().duplicated().any()


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
