"""Older layouts, and files de-identified elsewhere, brought into today's layout."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from chorus_nb.errors import InputError
from chorus_nb.mapping import read_lookups
from chorus_nb.release.relayout import relayout, write_identity_lookups
from chorus_nb.workspace import Workspace
from tests.small_release import TWO_PATIENTS, parameters, released_file

CT, MR = TWO_PATIENTS
LAYOUTS = {
    "CTP": "CT/501/9001/CHEST_W/1.2.826.0.1.dcm",
    "CTP v1": "501/9001/CT/CHEST_W/1.2.826.0.1.dcm",
    "Broad SOP": "501/CT/2.25.9001/2.25.90011/501_20240302_081530_CT_01_001.dcm",
    "first upload": "501/Images/9001/90011/501_9001_90011_CT_000.dcm",
    "no names at all": "a/b/c",
}
TODAY = "501/Images/CT/9001/2.25.90011/001.dcm"


def put(folder: Path, path: str, *args: object, **changes: object) -> bytes:
    target = folder / "dicom" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    accession, series, number = args or (CT, 1, 1)
    dataset = released_file(accession, series, number)  # type: ignore[arg-type]
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(target, enforce_file_format=True)
    return target.read_bytes()


@pytest.mark.parametrize("older", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_older_layout_becomes_todays_with_the_same_bytes(tmp_path: Path, older: str) -> None:
    content = put(tmp_path, older)
    table = relayout(parameters(tmp_path), tmp_path / "new")
    assert table.values.tolist() == [[older, TODAY, ""]]
    assert (tmp_path / "new" / TODAY).read_bytes() == content


def test_two_series_of_one_description_get_folders_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, "CT/501/9001/AXIAL/1.dcm", CT, 1, 1)
    put(tmp_path, "CT/501/9001/AXIAL/2.dcm", CT, 2, 1)
    table = relayout(parameters(tmp_path), tmp_path / "new")
    assert table["target_path"].tolist() == [TODAY, TODAY.replace("90011", "90012")]


def test_a_repeated_number_gets_a_suffix_and_a_missing_one_follows(tmp_path: Path) -> None:
    put(tmp_path, "1", CT, 1, 1, SOPInstanceUID="2.25.1", InstanceNumber=4)
    put(tmp_path, "2", CT, 1, 1, SOPInstanceUID="2.25.2", InstanceNumber=4)
    put(tmp_path, "3", CT, 1, 1, SOPInstanceUID="2.25.3", InstanceNumber=None)
    put(tmp_path, "4", CT, 1, 1, SOPInstanceUID="2.25.4", InstanceNumber=1234)
    table = relayout(parameters(tmp_path), tmp_path / "new")
    names = [Path(path).name for path in table["target_path"]]
    assert names == ["004.dcm", "004_1.dcm", "1235.dcm", "1234.dcm"]


def test_what_has_no_place_stays_behind_with_its_reason(tmp_path: Path) -> None:
    put(tmp_path, "a", CT, 1, 1, PatientID="MRN-7")
    put(tmp_path, "b", CT, 1, 2, AccessionNumber="")
    put(tmp_path, "c", CT, 1, 3)
    put(tmp_path, "d", CT, 1, 3)
    put(tmp_path, "e", CT, 1, 4, Rows=1)
    put(tmp_path, "f", CT, 1, 4, Rows=2)
    (tmp_path / "dicom" / "g").write_text("a note")
    table = relayout(parameters(tmp_path), tmp_path / "new").set_index("source_path")["reason"]
    assert table.to_dict() == {
        "a": "PatientID_not_mapped",
        "b": "AccessionNumber_not_mapped",
        "c": "",
        "d": "duplicate_instance",
        "e": "duplicate_conflict",
        "f": "duplicate_conflict",
        "g": "not_dicom",
    }


def test_an_archive_is_read_and_a_second_run_rewrites_nothing(tmp_path: Path) -> None:
    content = put(tmp_path, "x/1.dcm")
    with zipfile.ZipFile(tmp_path / "dicom" / "old.zip", "w") as archive:
        archive.writestr("deep/1.dcm", content)
    (tmp_path / "dicom" / "x" / "1.dcm").unlink()
    relayout(parameters(tmp_path), tmp_path / "new")
    before = (tmp_path / "new" / TODAY).stat().st_mtime_ns
    relayout(parameters(tmp_path), tmp_path / "new")
    assert (tmp_path / "new" / TODAY).stat().st_mtime_ns == before


def test_a_source_without_files_has_none_to_copy(tmp_path: Path) -> None:
    (tmp_path / "dicom").mkdir()
    assert relayout(parameters(tmp_path), tmp_path / "new").empty


def test_the_old_release_is_never_written_to(tmp_path: Path) -> None:
    put(tmp_path, "1")
    with pytest.raises(InputError, match="never written to"):
        relayout(parameters(tmp_path), tmp_path / "dicom" / "new")


def test_identity_lookups_let_the_policy_run_over_mapped_ids(tmp_path: Path) -> None:
    put(tmp_path, "CT/1.dcm", CT, 1, 1)
    put(tmp_path, "MR/1.dcm", replace(MR, person=501), 1, 1)
    put(tmp_path, "MR/2.dcm", MR, 2, 1, PatientID="MRN-7")
    (tmp_path / "lookup").mkdir()
    with pytest.raises(InputError, match="shift_code: 0 and pseudonymous_source: true"):
        write_identity_lookups(Workspace(parameters(tmp_path)))
    site = Workspace(parameters(tmp_path, shift_code=0, pseudonymous_source=True))
    left = write_identity_lookups(site)
    assert left["reason"].tolist() == ["PatientID_not_mapped"]
    (tmp_path / "dicom" / "CT" / "1.dcm").unlink()  # an earlier delivery: its rows stay
    put(tmp_path, "MR/3.dcm", replace(MR, person=777), 3, 1, AccessionNumber="9003")
    write_identity_lookups(site)
    lookups = read_lookups(site)
    assert lookups.person("501") == (501, 0) and lookups.person("777") == (777, 0)
    assert lookups.image("501", "9002") == 9002
    assert lookups.image("501", "9001") == 9001
