"""Every path of a release is made and read in one place, and a release holds only files of kinds on the list."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from chorus_nb.layout import (
    FILE_KINDS,
    InstancePath,
    file_kind,
    files_below,
    instance_names,
    is_image_place,
    may_be_released,
    series_folder,
    upload_problem,
)
from chorus_nb.seal import release_digest

PLACE = InstancePath("501", "CT", "9001", "2.25.7", "001.dcm")
PATH = "501/Images/CT/9001/2.25.7/001.dcm"


def test_a_path_that_is_made_reads_as_it_was() -> None:
    assert PLACE.path == PATH
    assert InstancePath.read(PATH) == PLACE
    assert series_folder(PATH) == "501/Images/CT/9001/2.25.7"
    assert may_be_released(PATH)


@pytest.mark.parametrize("path", ["001.dcm", "501/CT/9001/2.25.7/001.dcm", "501/images/CT/9001/2.25.7/001.dcm"])
def test_other_folders_are_no_place_of_an_image(path: str) -> None:
    assert InstancePath.read(path) is None
    assert not may_be_released(path)


def test_the_parts_of_many_paths_are_columns() -> None:
    parts = InstancePath.columns(pd.Series([PATH, "OMOP/person.csv"], index=[3, 5]))
    assert tuple(parts.loc[3]) == PLACE
    assert parts.modality.isna().tolist() == [False, True]


def test_instances_are_numbered_within_their_series() -> None:
    rows = [("a", "2", "", ""), ("a", "+1", "", ""), ("a", "1", "", "z"), ("a", "x", "9", ""), ("a", "", "3", "")]
    rows += [("b", "1200", "", ""), ("b", "", "", "")]
    files = pd.DataFrame(rows, columns=["folder", "InstanceNumber", "SliceLocation", "uid"])
    names = instance_names(files, "uid")
    expected = ["002.dcm", "001.dcm", "001_1.dcm", "004.dcm", "003.dcm", "1200.dcm", "1201.dcm"]
    assert names.tolist() == expected
    backwards = instance_names(files.iloc[::-1], "uid")
    assert backwards[files.index].tolist() == expected


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (PATH, ""),
        ("OMOP/person.csv", ""),
        ("Metadata/series.parquet", ""),
        ("image_registry.csv", ""),
        ("readme.txt", "skips"),
        ("pt-1/Images/CT/1/2/001.dcm", "skips"),
        ("501/Images/CT/1/2/note.dcm", "the word note"),
        ("501/Images/CT/1/2/001", "no file extension"),
        ("Metadata/scan.docx", "of no kind"),
        ("OMOP/person.csv.gz", "of no kind"),
    ],
)
def test_what_the_upload_would_not_take_is_said(path: str, problem: str) -> None:
    said = upload_problem(path)
    assert problem in said
    assert bool(said) == bool(problem)


def test_a_file_is_of_one_kind_at_most() -> None:
    for path in (PATH, "OMOP/person.csv", "Metadata/image_registry.csv", "image_registry.csv", "Metadata/manifest.csv"):
        kind = file_kind(path)
        assert kind in FILE_KINDS
        assert is_image_place(path) == (kind.what == "an image")


def test_links_are_files_of_a_release_wherever_they_lead(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/secret").touch()
    (tmp_path / "release/b").mkdir(parents=True)
    (tmp_path / "release/b/file").touch()
    (tmp_path / "release/a").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert files_below(tmp_path / "release") == ["a", "b/file"]


def test_the_digest_of_a_release_changes_with_a_name_and_with_a_byte() -> None:
    one = release_digest({"a": "1", "b": "2"})
    assert one == release_digest({"b": "2", "a": "1"})
    assert len({one, release_digest({"a": "1", "c": "2"}), release_digest({"a": "1", "b": "3"})}) == 3
