"""What the source does not hold any more stays in the release, verified against what is kept of its original."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from chorus_nb import deid, explore, tables
from chorus_nb.errors import InputError
from chorus_nb.mapping import make_plan
from chorus_nb.parameters import Parameters
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.source.earlier import counted_only, read_earlier
from chorus_nb.verify import checks, verify
from chorus_nb.workbench.index import render_index
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite, age, run, same_key, times, tree


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    site = SmallSite(tmp_path / "50% #1?")  # a list that is opened by an address stands below it
    site.add("january/one", InstanceNumber=1)
    site.add("january/two", InstanceNumber=2, StudyTime="080000")
    site.add(
        "january/other", StudyTime="090000", PatientID="MRN-2", AccessionNumber="ACC-3", SeriesInstanceUID="1.2.3.77"
    )
    return site


def gate_of(workspace: Workspace) -> dict[str, str]:
    """The results of 04 that are no pass, by check."""
    explore.profile(workspace)
    explore.link(workspace)
    make_plan(workspace)
    verify(workspace)
    failed = checks(workspace)
    return {row.check: row.detail for row in failed[failed.result == "fail"].itertuples()}


def from_scratch(site: SmallSite, workspace: Workspace, months: Path) -> Workspace:
    """The release of all that was ever delivered, made in a new workspace with the same key."""
    whole = Workspace(
        workspace.parameters.model_copy(update={"source": str(months), "workspace": str(site.folder / "whole")})
    )
    same_key(workspace, whole.create())
    run(whole)
    return whole


def deliver(site: SmallSite, name: str, months: Path) -> None:
    """The source holds a new month only; all months stand in ``months``."""
    shutil.copytree(site.dicom, months, dirs_exist_ok=True)
    shutil.rmtree(site.dicom)
    site.dicom.mkdir()
    site.add(f"{name}/three", InstanceNumber=3)


def test_a_new_month_leaves_the_one_before_in_the_release(site: SmallSite, tmp_path: Path) -> None:
    workspace = site.open(delivery="append")
    run(workspace)
    age(workspace.release)
    before = times(workspace.release)
    deliver(site, "february", tmp_path / "months")
    outcomes = run(workspace)
    assert (outcomes.status == "released").all() and len(outcomes) == 4
    assert times(workspace.release).items() >= before.items()
    assert gate_of(workspace) == {}
    shutil.copytree(site.dicom, tmp_path / "months", dirs_exist_ok=True)
    assert tree(workspace.release) == tree(from_scratch(site, workspace, tmp_path / "months").release)


def test_what_is_wrong_in_an_earlier_month_is_made_anew_without_its_source(site: SmallSite, tmp_path: Path) -> None:
    workspace = site.open(delivery="append")
    run(workspace)
    deliver(site, "february", tmp_path / "months")
    run(workspace)
    corrected = "PatientID,person_id,Days_Shifted\nMRN-1,1009,-200\nMRN-2,1002,-37\nMRN-2B,1002,-37\n"
    site.lookup("Personal_map", corrected)
    outcomes = run(workspace)
    assert (outcomes.status == "released").all()
    assert sorted(path.name for path in workspace.release.iterdir()) == ["1002", "1009"]
    assert gate_of(workspace) == {}
    shutil.copytree(site.dicom, tmp_path / "months", dirs_exist_ok=True)
    assert tree(workspace.release) == tree(from_scratch(site, workspace, tmp_path / "months").release)


def test_an_original_is_made_again_byte_for_byte(site: SmallSite, tmp_path: Path) -> None:
    workspace = site.open()
    run(workspace)
    before = {path: (site.dicom / path).read_bytes() for path in tree(site.dicom)}
    shutil.rmtree(site.dicom)
    site.dicom.mkdir()
    explore.scan(workspace)
    assert {path: workspace.source.read(path) for path in before} == before


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\x7f"),
        lambda file: file.unlink(),
    ],
    ids=["another pixel", "gone"],
)
def test_a_released_file_that_changed_gives_no_original(site: SmallSite, spoilt: Callable[[Path], object]) -> None:
    workspace = site.open()
    target = workspace.release / run(workspace).target_path["january/one"]
    original = (site.dicom / "january/one").read_bytes()
    (site.dicom / "january/one").unlink()
    explore.scan(workspace)
    spoilt(target)
    with pytest.raises(OSError, match="cannot be made again"):
        workspace.source.read("january/one")
    told = run(workspace).reason["january/one"]
    assert told == "original_gone" if not target.exists() else "accounted" in gate_of(workspace)
    (site.dicom / "january/one").write_bytes(original)  # as the advice says
    assert run(workspace).status["january/one"] == "released"


def test_what_comes_again_elsewhere_takes_the_place_of_what_came_before(site: SmallSite) -> None:
    workspace = site.open()
    before = run(workspace)
    (site.dicom / "january").rename(site.dicom / "moved")
    outcomes = run(workspace)
    assert sorted(outcomes.index) == ["moved/one", "moved/other", "moved/two"]
    assert set(outcomes.target_path) == set(before.target_path)
    assert not read_earlier(workspace.local)


def test_a_vanished_file_stays_until_somebody_takes_it_out(site: SmallSite) -> None:
    workspace = site.open()
    target = run(workspace).target_path["january/one"]
    (site.dicom / "january/one").unlink()
    run(workspace)
    assert deid.vanished(workspace).target_path.tolist() == [target]
    deid.withdraw_vanished(workspace, "Ada", "the study was deleted")
    assert not (workspace.release / target).exists() and gate_of(workspace) == {}
    outcomes = run(workspace)
    assert outcomes.reason["january/one"] == "rejected_by_review"
    assert deid.vanished(workspace).empty
    site.add("elsewhere", InstanceNumber=1)
    again = run(workspace)
    assert again.reason["elsewhere"] == "rejected_by_review", "the same pixels under another UID"
    assert (again.status == "released").sum() == 2


@pytest.mark.parametrize("delivery", ["full", "append"])
def test_a_rejected_image_that_is_sent_again_elsewhere_stays_out(site: SmallSite, delivery: str) -> None:
    """A row by hand names a path only, and the next month has another."""
    workspace = site.open(delivery=delivery)
    IMAGE_LOG.append(workspace, "ada", {"item": "january/one", "decision": "reject", "note": "a face"})
    assert run(workspace).reason["january/one"] == "rejected_by_review"
    (site.dicom / "january/one").rename(site.dicom / "two")
    for name in ("three", "four"):
        (site.dicom / ("two" if name == "three" else "three")).rename(site.dicom / name)
        assert run(workspace).reason[name] == "rejected_by_review"
    assert len(tree(workspace.release)) == 2


def test_a_file_that_leaves_the_release_comes_back_without_its_source(site: SmallSite) -> None:
    workspace = site.open()
    target = run(workspace).target_path["january/one"]
    (site.dicom / "january/one").unlink()
    site.lookup("Image_map", "PatientID,AccessionNumber,image_occurence_id\nMRN-2,ACC-3,503\n")
    assert run(workspace).reason["january/one"] == "accession_not_mapped"
    assert not (workspace.release / target).exists()
    run(workspace)
    site.lookup("Image_map", "PatientID,AccessionNumber,image_occurence_id\nMRN-1,ACC-1,501\nMRN-2,ACC-3,503\n")
    assert run(workspace).target_path["january/one"] == target


def test_a_delivery_takes_no_path_of_another_without_a_name(site: SmallSite) -> None:
    workspace = site.open(delivery="append")
    run(workspace)
    held = tree(workspace.release)
    site.add("january/one", SOPInstanceUID="1.2.3.999", InstanceNumber=9)
    with pytest.raises(InputError, match="batch"):
        explore.scan(workspace)
    named = site.open(delivery="append", batch="february")
    outcomes = run(named)
    assert (outcomes.status == "released").all() and len(outcomes) == 4
    assert tree(workspace.release).items() >= held.items()


def test_the_table_of_what_is_kept_names_every_released_file(site: SmallSite) -> None:
    workspace = site.open()
    run(workspace)
    assert workspace.read(tables.ORIGINALS).source_path.tolist() == sorted(tree(site.dicom))


def test_a_member_of_an_archive_that_is_gone_stays(site: SmallSite) -> None:
    with zipfile.ZipFile(site.dicom / "cd.zip", "w") as archive:
        archive.write(site.dicom / "january/one", "one")
    (site.dicom / "january/one").unlink()
    workspace = site.open()
    target, content = run(workspace).target_path["cd.zip!one"], workspace.source.read("cd.zip!one")
    (site.dicom / "cd.zip").unlink()
    assert run(workspace).target_path["cd.zip!one"] == target
    assert workspace.source.read("cd.zip!one") == content


@pytest.mark.parametrize("batch", ["..", ".", "a/b", "-x", "a" * 65])
def test_the_name_of_a_delivery_is_no_path(site: SmallSite, batch: str) -> None:
    with pytest.raises(InputError, match="batch"):
        Parameters.of(site.open().parameters.model_dump() | {"batch": batch})


def test_the_name_of_a_delivery_is_shown_to_the_site_only(site: SmallSite) -> None:
    workspace = site.open()
    row = dict.fromkeys(tables.DELIVERIES.column_names, 1) | {"recorded": "2026-11-27", "delivery": "append"}
    workspace.write(tables.DELIVERIES, tables.frame(tables.DELIVERIES, [row | {"batch": "Quellbrook"}]))
    shown = [shareable for shareable in (True, False) if "Quellbrook" in render_index(workspace, shareable=shareable)]
    assert shown == [False]


def test_what_was_not_released_stays_counted_as_what_it_was(site: SmallSite, tmp_path: Path) -> None:
    site.add("january/elsewhere", AccessionNumber="ACC-9")
    site.add("january/report", Modality="SR")
    site.add("january/nobody", PatientID="MRN-9")
    shutil.copy(site.dicom / "january/one", site.dicom / "january/twice")
    (site.dicom / "january/read.me").write_text("a text")
    workspace = site.open(delivery="append")
    before = run(workspace)
    deliver(site, "february", tmp_path / "months")
    for _ in range(2):
        after = run(workspace)
        told = ["status", "reason", "detail"]
        assert after.loc[before.index, told].equals(before[told])
    assert len(after) == len(before) + 1 and gate_of(workspace) == {}
    gone = set(before.index[before.status != "released"])
    assert counted_only(workspace.local) == gone and len(gone) == 5
    shutil.rmtree(next((workspace.local / "survey").glob("*/")))  # of another version
    assert run(workspace)[told].equals(after[told])
    assert len(run(site.open(delivery="full"))) == 5 - 1  # a full export says that they are no more


def test_what_may_go_now_and_was_not_kept_is_told(site: SmallSite, tmp_path: Path) -> None:
    site.add("january/elsewhere", AccessionNumber="ACC-9", SOPInstanceUID="1.2.3.444")
    workspace = site.open(delivery="append")
    run(workspace)
    deliver(site, "february", tmp_path / "months")
    run(workspace)
    site.lookup("Image_map", f"{(site.folder / 'lookup/Image_map.csv').read_text()}MRN-1,ACC-9,509\n")
    assert run(workspace).reason["january/elsewhere"] == "not_kept"
    site.add("again/elsewhere", AccessionNumber="ACC-9", SOPInstanceUID="1.2.3.444")
    outcomes = run(workspace)
    assert outcomes.status["again/elsewhere"] == "released" and "january/elsewhere" not in outcomes.index
