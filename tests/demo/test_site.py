"""The demo site is what its answer key says it is."""

from __future__ import annotations

import io
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from chorus_nb.demo import make_site
from chorus_nb.demo.scenario import patients
from chorus_nb.omop import cdm_fields
from chorus_nb.source import open_source
from tests.demo.planted import answer_key, is_broken, read, value_at


@pytest.fixture(scope="module")
def full_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("full"))


@pytest.fixture(params=["tiny", "full"])
def site(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue({"tiny": "demo_site", "full": "full_site"}[request.param])


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
        content = open_source(site / "dicom").read(str(source_path))
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
    for file in open_source(site / "dicom").find():
        if is_broken(file.source_path):
            continue
        dataset = read(site, file.source_path)
        if "PixelData" in dataset:
            assert dataset.pixel_array.size, file.source_path
            decoded += 1
    assert decoded >= 12


def test_the_full_site_is_as_large_as_promised(full_site: Path) -> None:
    files = list(open_source(full_site / "dicom").find())
    assert 280 <= len(files) <= 310
    assert sum(path.stat().st_size for path in full_site.rglob("*") if path.is_file()) < 60e6
    assert len(patients()) == 12
    assert 20 <= sum(len(patient.studies) for patient in patients()) <= 24


@pytest.fixture(scope="module")
def headers(full_site: Path) -> list[Dataset]:
    """The headers of every DICOM file of the full site that can be read in full."""
    paths = [file.source_path for file in open_source(full_site / "dicom").find() if not is_broken(file.source_path)]
    found = [dcmread(io.BytesIO(open_source(full_site / "dicom").read(path)), force=True) for path in paths]
    return [header for header in found if "SOPClassUID" in header]


def test_the_full_site_has_every_kind_of_image(headers: list[Dataset]) -> None:
    assert {header.Modality for header in headers} == {"CT", "MR", "CR", "DX", "MG", "US", "OT", "SR", "DOC"}
    assert len({header.Manufacturer for header in headers}) >= 7
    assert {UID(header.SOPClassUID).keyword for header in headers} >= {
        "EnhancedCTImageStorage",
        "EncapsulatedPDFStorage",
    }
    assert sum(int(header.get("NumberOfFrames") or 1) > 1 for header in headers) >= 3


def test_the_full_site_has_every_transfer_syntax(headers: list[Dataset]) -> None:
    found = {UID(header.file_meta.TransferSyntaxUID).keyword for header in headers if header.file_meta}
    assert found >= {"ImplicitVRLittleEndian", "ExplicitVRBigEndian", "DeflatedExplicitVRLittleEndian"}
    assert found >= {"RLELossless", "JPEGBaseline8Bit", "JPEGLSLossless", "ExplicitVRLittleEndian", "JPEG2000Lossless"}


def test_names_are_written_in_three_character_sets(headers: list[Dataset]) -> None:
    names = {str(header.PatientName) for header in headers}
    assert "Müller-Østergård^Jürgen" in names
    assert "Шевченко-Гринько^Оксана" in names
    assert "Kurozawa^Tetsunosuke=黒澤^鉄之助=くろざわ^てつのすけ" in names


def test_two_series_have_one_description_and_instance_numbers_are_missing_and_repeated(headers: list[Dataset]) -> None:
    twins = {header.SeriesInstanceUID for header in headers if header.get("SeriesDescription") == "AXIAL 2.5MM"}
    assert len(twins) == 2
    numbers = [header.InstanceNumber for header in headers if header.get("SeriesDescription") == "LUNG 5.0 FC52"]
    assert numbers.count(None) == 1
    assert numbers.count(4) == 2


def test_every_mapped_image_but_one_study_lies_in_a_visit_of_its_person(full_site: Path) -> None:
    persons = pd.read_csv(full_site / "lookup/Personal_map.csv", dtype=str).set_index("PatientID")
    visits = pd.read_csv(full_site / "omop/visit_occurrence.csv", dtype=str)
    outside = set()
    for file in open_source(full_site / "dicom").find():
        header = read(full_site, file.source_path)
        if header.get("PatientID") not in persons.index or is_broken(file.source_path):
            continue
        person = persons.loc[header.PatientID]
        moment = datetime.strptime(header.StudyDate + header.StudyTime[:6], "%Y%m%d%H%M%S")
        shifted = f"{moment + timedelta(days=int(person.Days_Shifted)):%Y-%m-%d %H:%M:%S}"
        own = visits[visits.person_id == person.person_id]
        if not ((own.visit_start_datetime <= shifted) & (own.visit_end_datetime >= shifted)).any():
            outside.add(header.StudyInstanceUID)
    assert len(outside) == 1


def test_the_lookup_tables_have_the_official_header_and_one_person_has_two_numbers(full_site: Path) -> None:
    persons, images = ((full_site / "lookup" / name).read_text() for name in ("Personal_map.csv", "Image_map.csv"))
    assert persons.startswith("PatientID,person_id,Days_Shifted\n")
    assert images.startswith("PatientID,AccessionNumber,image_occurence_id\n")
    table = pd.read_csv(io.StringIO(persons), dtype=str)
    assert table.person_id.duplicated().sum() == 1
    assert table.groupby("person_id").Days_Shifted.nunique().max() == 1
    assert table.Days_Shifted.astype(int).between(-730, -1).all()
    assert table.person_id.str.fullmatch(r"\d{7,8}").all()


def test_omop_tables_have_the_columns_of_the_cdm_and_some_accessions_have_a_procedure(full_site: Path) -> None:
    for path in (full_site / "omop").glob("*.csv"):
        assert list(pd.read_csv(path).columns) == list(cdm_fields(path.stem)["column"])
    procedures = pd.read_csv(full_site / "omop/procedure_occurrence.csv", dtype=str).procedure_source_value
    accessions = pd.read_csv(full_site / "lookup/Image_map.csv", dtype=str).image_occurence_id
    assert 0 < accessions.isin(procedures).sum() < len(accessions)
