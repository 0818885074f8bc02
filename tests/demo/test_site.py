"""The demo site is what its answer key says it is."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from chorus_nb import sources
from chorus_nb.demo import make_site
from chorus_nb.demo.scenario import PATIENTS


@pytest.fixture(scope="module")
def full_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("full"))


@pytest.fixture(params=["tiny", "full"])
def site(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue({"tiny": "demo_site", "full": "full_site"}[request.param])


def is_broken(source_path: Any) -> bool:
    return str(source_path).startswith("broken/")


def answer_key(site: Path) -> pd.DataFrame:
    return pd.read_csv(site / "answer_key.csv", dtype=str, keep_default_na=False)


def read(site: Path, source_path: str) -> Dataset:
    return dcmread(io.BytesIO(sources.read_bytes(site / "dicom", source_path)), force=True)


def value_at(dataset: Dataset, row: Any) -> str:
    """The value the answer key speaks of, as text ("" if it is not there)."""
    charset = convert_encodings(dataset.get("SpecificCharacterSet", "ISO_IR 6"))
    for step in filter(None, row.path.split(".")):
        items = [e.value for e in dataset if e.VR == "SQ" and step in (e.keyword, private_name(dataset, e.tag))]
        if not items:
            return ""
        dataset = items[0][0]
    element = dataset.get(Tag(row.tag.strip("()").replace(",", "")))
    if element is None:
        return ""
    if isinstance(element.value, bytes):
        return decode_bytes(element.value, charset, set())
    return "\\".join(map(str, element.value)) if element.VM > 1 else str(element.value)


def private_name(dataset: Dataset, tag: int) -> str:
    tag = Tag(tag)
    creator = dataset.get(Tag(tag.group, tag.element >> 8), None)
    return f"{tag.group:04X}[{creator.value if creator else ''}]{tag.element & 0xFF:02X}"


def test_the_same_seed_gives_the_same_bytes(demo_site: Path, tmp_path: Path) -> None:
    again = make_site(tmp_path / "again", size="tiny")
    paths = sorted(path.relative_to(demo_site) for path in demo_site.rglob("*") if path.is_file())
    assert paths == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert [p for p in paths if (demo_site / p).read_bytes() != (again / p).read_bytes()] == []


def test_another_seed_gives_other_patients(demo_site: Path, tmp_path: Path) -> None:
    other = make_site(tmp_path / "other", seed=2, size="tiny")
    ids = [set(pd.read_csv(s / "lookup/Personal_map.csv", dtype=str)["PatientID"]) for s in (demo_site, other)]
    assert ids[0].isdisjoint(ids[1])


def test_every_row_of_the_answer_key_is_in_the_file_it_names(site: Path) -> None:
    missing = []
    for source_path, rows in answer_key(site).groupby("source_path"):
        content = sources.read_bytes(site / "dicom", str(source_path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(io.BytesIO(content), force=True, stop_before_pixels=is_broken(source_path))
            for row in rows.itertuples():
                if row.place in ("header", "trailing", "meta"):
                    found = row.value in value_at(dataset.file_meta if row.place == "meta" else dataset, row)
                elif row.place == "preamble":
                    found = row.value.encode() in content[:128]
                elif row.place == "name":
                    found = row.value in row.source_path
                else:
                    found = "PixelData" in dataset
                if not found:
                    missing.append((row.source_path, row.place, row.path, row.tag))
    assert missing == []


def test_pixel_data_of_every_intact_image_decodes(site: Path) -> None:
    decoded = 0
    for file in sources.find(site / "dicom"):
        if is_broken(file.source_path):
            continue
        dataset = read(site, file.source_path)
        if "PixelData" in dataset:
            assert dataset.pixel_array.size, file.source_path
            decoded += 1
    assert decoded >= 12


def test_the_full_site_is_as_large_as_promised(full_site: Path) -> None:
    files = list(sources.find(full_site / "dicom"))
    assert 280 <= len(files) <= 330
    assert sum(path.stat().st_size for path in full_site.rglob("*") if path.is_file()) < 60e6
    assert len(PATIENTS) == 12
    assert 19 <= sum(len(patient.studies) for patient in PATIENTS) <= 22
