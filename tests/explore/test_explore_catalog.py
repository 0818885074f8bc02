"""Every file of the source ends in a row of the catalog, read once, and again only when it changed."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.explore import parts, profile, scan
from chorus_nb.explore.catalog import parts_folder
from chorus_nb.memory import Recipe
from chorus_nb.source import Source, SourceFile, open_source
from chorus_nb.workspace import Workspace
from tests.explore.survey_site import dataset, save

Add = Callable[..., Path]


def catalog(workspace: Workspace) -> pd.DataFrame:
    scan(workspace)
    return workspace.read(tables.CATALOG).set_index("source_path")


def test_every_file_of_pydicoms_test_data_ends_in_a_row(survey: Workspace) -> None:
    for number, name in enumerate(path for path in get_testdata_files() if Path(path).is_file()):
        shutil.copy(name, Path(survey.parameters.source) / f"{number:03d}")
    found = scan(survey)
    expected = [file.source_path for file in survey.source.find()]
    assert sorted(survey.read(tables.CATALOG)["source_path"]) == sorted(expected)
    assert found["files"].sum() == len(expected)
    assert set(found["status"]) <= {"dicom", "not_dicom", "unreadable"}


def test_every_shared_file_ends_in_a_row(survey: Workspace, shared: Path) -> None:
    parameters = survey.parameters.model_copy(update={"source": str(shared / "dicom")})
    workspace = Workspace(parameters).create()
    assert scan(workspace)["files"].sum() == sum(path.is_file() for path in (shared / "dicom").rglob("*"))


def test_names_folders_and_preambles_do_not_matter(survey: Workspace, add: Add) -> None:
    plain = add("deep/er/no extension")
    root = Path(survey.parameters.source)
    (root / "bare").write_bytes(plain.read_bytes()[132:])
    with zipfile.ZipFile(root / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, "member/one")
        archive.writestr("readme.txt", "no image")
    rows = catalog(survey)
    assert rows["status"].to_dict() == {
        "archive.zip!member/one": "dicom",
        "archive.zip!readme.txt": "not_dicom",
        "bare": "dicom",
        "deep/er/no extension": "dicom",
    }
    assert rows["has_preamble"].to_dict() == {
        "archive.zip!member/one": True,
        "archive.zip!readme.txt": False,
        "bare": False,
        "deep/er/no extension": True,
    }
    assert (rows.loc[rows["status"] == "dicom", "pixel_bytes"] == 8).all()


def test_links_that_loop_and_special_files_have_a_reason(survey: Workspace, add: Add) -> None:
    add("a")
    root = Path(survey.parameters.source)
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    rows = catalog(survey)
    assert rows["status"].to_dict() == {"a": "dicom", "loop": "unreadable", "pipe": "unreadable"}
    assert all(rows.loc[["loop", "pipe"], "reason"])


def test_a_damaged_archive_member_is_a_row_not_an_error(survey: Workspace, add: Add) -> None:
    plain = add("a")
    archive = Path(survey.parameters.source) / "b.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(plain, "one")
        opened.write(plain, "two")
    content = bytearray(archive.read_bytes())
    content[40:60] = bytes(20)  # inside the first member
    archive.write_bytes(content)
    rows = catalog(survey)
    assert set(rows.index) == {"a", "b.zip!one", "b.zip!two"}
    assert rows.at["b.zip!two", "status"] == "dicom"


def test_a_file_name_that_is_no_text_is_a_row(survey: Workspace, add: Add) -> None:
    folder = os.fsencode(Path(survey.parameters.source))
    try:
        shutil.copy(add("a"), folder + b"/caf\xe9")
    except OSError:
        pytest.skip("this file system wants names in UTF-8")
    rows = catalog(survey)
    assert len(rows) == 2
    assert "name_not_text" in set(rows["reason"])


def test_text_is_decoded_by_its_character_set(survey: Workspace, add: Add) -> None:
    add("a", SpecificCharacterSet="ISO_IR 100", StudyDescription="Schädel nativ")
    add("b", SpecificCharacterSet="\\ISO 2022 IR 87", StudyDescription="胸部")
    add("c", SpecificCharacterSet="ISO-IR 999", StudyDescription="CHEST")
    rows = catalog(survey)
    assert list(rows["StudyDescription"]) == ["Schädel nativ", "胸部", "CHEST"]


def test_numbers_multi_values_and_codes_are_text(survey: Workspace, add: Add) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "24627-2", "LN"
    region = Dataset()
    add(
        "a",
        ImageType=["ORIGINAL", "PRIMARY"],
        ProcedureCodeSequence=[code],
        SequenceOfUltrasoundRegions=[region, region],
    )
    row = catalog(survey).loc["a"]
    assert (row["Rows"], row["Columns"]) == ("2", "4")
    assert row["ImageType"] == "ORIGINAL\\PRIMARY"
    assert row["procedure_codes"] == "LN:24627-2"
    assert row["us_regions"] == 2


def test_multi_frame_objects_lend_the_attributes_of_their_shared_groups(survey: Workspace, add: Add) -> None:
    measures = Dataset()
    measures.SliceThickness = "2.5"
    shared_groups = Dataset()
    shared_groups.PixelMeasuresSequence = [measures]
    add("a", SharedFunctionalGroupsSequence=[shared_groups])
    assert catalog(survey).at["a", "SliceThickness"] == "2.5"


def test_the_places_of_frames_are_counted(survey: Workspace, add: Add) -> None:
    frames = []
    for height in (0, 0, 2, 4):
        place, frame = Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, height]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    add("a", PerFrameFunctionalGroupsSequence=frames)
    add("b", ImagePositionPatient=[0, 0, 0])
    assert catalog(survey).frame_places.to_dict() == {"a": 3, "b": 0}


def test_identifiers_in_folder_names_are_named_by_attribute(survey: Workspace, add: Add) -> None:
    add("DOE_JANE/MRN12345/a", PatientName="Doe^Jane", PatientID="MRN12345")
    add("clean/b", PatientName="Doe^Jane", PatientID="MRN12345")
    add("müller/c", PatientName="Müller^Jan", SpecificCharacterSet="ISO_IR 100")
    rows = catalog(survey)["identifiers_in_path"]
    assert list(rows) == ["PatientID\\PatientName", "", "PatientName"]


@pytest.mark.parametrize(
    ("attributes", "acquired", "source"),
    [
        ({}, "2024-01-05 10:20:30", "AcquisitionDate+AcquisitionTime"),
        ({"AcquisitionDateTime": "20240105090000.5"}, "2024-01-05 09:00:00", "AcquisitionDateTime"),
        # noon in Greenwich is seven in the morning in New York in winter, eight in summer
        ({"AcquisitionDateTime": "20240105120000+0000"}, "2024-01-05 07:00:00", "AcquisitionDateTime"),
        (
            {"AcquisitionDateTime": "20240705120000+0000", "StudyDate": "20240705"},
            "2024-07-05 08:00:00",
            "AcquisitionDateTime",
        ),
        ({"AcquisitionDateTime": "2024"}, "2024-01-05 10:20:30", "AcquisitionDate+AcquisitionTime"),
        ({"AcquisitionTime": None}, "2024-01-05 10:15:00", "StudyDate+StudyTime"),
        ({"AcquisitionDate": None, "StudyTime": None}, "2024-01-05 00:00:00", "StudyDate"),
        (
            {"AcquisitionDate": None, "SeriesDate": "20240106", "SeriesTime": "0701"},
            "2024-01-06 07:01:00",
            "SeriesDate+SeriesTime",
        ),
        (
            {"AcquisitionDate": None, "ContentDate": "20240107", "ContentTime": "07"},
            "2024-01-07 07:00:00",
            "ContentDate+ContentTime",
        ),
        ({"AcquisitionDate": None, "StudyDate": None}, "", ""),
    ],
)
def test_the_moment_of_an_image_comes_from_the_best_source(
    survey: Workspace, add: Add, attributes: dict[str, str | None], acquired: str, source: str
) -> None:
    add("a", **attributes)
    row = catalog(survey).loc["a"]
    assert (row["acquired"], row["acquired_from"]) == (acquired, source)


# --- again ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read, as they are read."""
    seen: list[str] = []
    original = parts.read_file

    def spy(source: Source, file: SourceFile) -> object:
        seen.append(file.source_path)
        return original(source, file)

    monkeypatch.setattr(parts, "read_file", spy)
    return seen


def test_unchanged_files_are_not_read_again(survey: Workspace, add: Add, read: list[str]) -> None:
    for name in "abc":
        add(name)
    first = catalog(survey)
    first_profile = profile(survey)
    read.clear()
    pd.testing.assert_frame_equal(catalog(survey), first)
    assert read == []
    pd.testing.assert_frame_equal(profile(survey), first_profile)


def test_new_changed_and_removed_files_are_seen(survey: Workspace, add: Add, read: list[str]) -> None:
    for name in "abc":
        add(name)
    scan(survey)
    root = Path(survey.parameters.source)
    (root / "a").unlink()
    save(root / "b", dataset(PatientID="MRN2"))
    add("d", Modality="MR")
    rows = catalog(survey)
    assert rows["PatientID"].to_dict() == {"b": "MRN2", "c": "MRN1", "d": "MRN1"}
    tags = profile(survey).query("keyword == 'PatientID'")
    assert dict(zip(tags["modality"], tags["files"], strict=True)) == {"CT": 2, "MR": 1}


def test_a_scan_that_was_stopped_goes_on_where_it_was(survey: Workspace, add: Add, read: list[str]) -> None:
    for number in range(40):
        add(f"{number:02d}")
    scan(survey)
    seals = sorted(parts_folder(survey).glob("*.catalog.parquet"))
    assert len(seals) > 1
    seals[0].unlink()  # as if the scan had been killed before this part was sealed
    read.clear()
    assert len(catalog(survey)) == 40
    assert 0 < len(read) < 40


@pytest.mark.parametrize("differs", ["nothing", "a part", "the table", "the code"])
def test_the_catalog_is_put_together_again_only_where_something_differs(
    survey: Workspace, add: Add, monkeypatch: pytest.MonkeyPatch, differs: str
) -> None:
    add("one", PatientID="A")
    first = catalog(survey)
    path = survey.path(tables.CATALOG)
    made = path.stat().st_ino
    if differs == "a part":
        [part] = parts_folder(survey).glob("*.catalog.parquet")
        rows = pd.read_parquet(part).assign(PatientID="B")
        pq.write_table(tables.to_arrow(tables.CATALOG, rows), part)
    elif differs == "the table":
        survey.write(tables.CATALOG, survey.read(tables.CATALOG).assign(PatientID="B"))
        made = path.stat().st_ino
    elif differs == "the code":
        monkeypatch.setattr("chorus_nb.explore.catalog.CATALOG_RECIPE", Recipe("chorus_nb.explore.linkage"))
    again = catalog(survey)
    assert (path.stat().st_ino == made) == (differs == "nothing")
    assert list(again["PatientID"]) == ["B" if differs == "a part" else "A"] and len(first) == 1


def test_another_time_zone_reads_everything_anew(survey: Workspace, add: Add, read: list[str]) -> None:
    add("a", AcquisitionDateTime="20240105120000+0000")
    scan(survey)
    other = Workspace(survey.parameters.model_copy(update={"time_zone": "America/Los_Angeles"}))
    assert catalog(other).at["a", "acquired"] == "2024-01-05 04:00:00"


def test_any_number_of_workers_gives_the_same_catalog_and_profile(survey: Workspace, add: Add, tmp_path: Path) -> None:
    for number in range(30):
        add(f"{number:02d}", InstanceNumber=number)
    update = {"workers": 2, "workspace": str(tmp_path / "other")}
    other = Workspace(survey.parameters.model_copy(update=update)).create()
    pd.testing.assert_frame_equal(catalog(survey), catalog(other))
    pd.testing.assert_frame_equal(profile(survey), profile(other))


def test_a_workspace_may_have_any_name(survey: Workspace, add: Add, tmp_path: Path) -> None:
    add("a")
    update = {"workspace": str(tmp_path / "o'brien [2024] *")}
    other = Workspace(survey.parameters.model_copy(update=update)).create()
    assert len(catalog(other)) == len(catalog(other)) == 1  # made, and taken again
    assert not profile(other).empty


def test_an_empty_source_gives_empty_tables(survey: Workspace) -> None:
    assert scan(survey).empty
    assert profile(survey).empty


def test_where_the_source_is_gone_no_file_of_it_is_at_fault(tmp_path: Path) -> None:
    """An empty folder is what is left where a share was mounted."""
    source, file = open_source(tmp_path / "export"), SourceFile("image", 1, 1)
    for _ in range(2):
        with pytest.raises(WorkbenchError, match="cannot be read any more; run again when it is back"):
            parts.read_file(source, file)
        (tmp_path / "export").mkdir(exist_ok=True)
    (tmp_path / "export" / "other").touch()
    assert parts.read_file(source, file) == (None, "unreadable")
