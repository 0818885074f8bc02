"""The run: every file accounted for, the source untouched, nothing done twice, the same bytes however it runs."""

from __future__ import annotations

import builtins
import os
from pathlib import Path

import pandas as pd
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from chorus_nb import deid, explore, tables
from chorus_nb.deid import crosswalk, job
from chorus_nb.errors import WorkbenchError
from chorus_nb.identity.site_words import WORD_LOG
from chorus_nb.mapping import decide
from chorus_nb.source import folder, open_source
from chorus_nb.workspace import PARTIAL, Workspace
from tests.deid.small_run import SmallSite, age, but_seconds, plan, reasons, run, same_key, times, tree

OLD = 10**18


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


def rewritten(workspace: Workspace) -> set[str]:
    """Released files written since :func:`age`."""
    return {path for path, time in times(workspace.release).items() if time != OLD}


# --- nothing lost, nothing touched ------------------------------------------------------------------------------------


def test_a_member_of_an_archive_is_released_like_a_file(site: SmallSite) -> None:
    import zipfile

    file = site.add("a")
    with zipfile.ZipFile(site.dicom / "b.zip", "w") as archive:
        archive.write(file, "inner/a")
    file.unlink()
    assert run(site.open()).status.to_dict() == {"b.zip!inner/a": "released"}


def test_what_one_file_calls_the_patient_goes_from_all_files_also_from_those_done_before(site: SmallSite) -> None:
    WORD_LOG.append(site.open(), "A. Reviewer", {"word": "Threlkeld", "decision": "approve"})  # a word of this site
    site.add("a", PatientName="Brandt^Philippa", SeriesDescription="CT Threlkeld")
    workspace = site.open()
    first = run(workspace)
    assert b"Threlkeld" in (workspace.release / first.target_path["a"]).read_bytes()
    site.add("b", PatientName="Threlkeld^Philippa", SeriesDescription="CT Brandt")
    both = run(workspace)
    for path in both.target_path:
        content = (workspace.release / path).read_bytes()
        assert b"Threlkeld" not in content and b"Brandt" not in content


def test_a_word_that_is_approved_makes_the_files_again(site: SmallSite) -> None:
    site.add("a", SeriesDescription="CT Zorblit")
    workspace = site.open()
    assert b"Zorblit" not in (workspace.release / run(workspace).target_path["a"]).read_bytes()
    WORD_LOG.append(workspace, "A. Reviewer", {"word": "zorblit", "decision": "approve"})
    assert b"Zorblit" in (workspace.release / run(workspace).target_path["a"]).read_bytes()


def test_a_large_file_is_mapped_and_comes_out_the_same(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("a")
    first, second = site.open(), site.open("other")
    run(first)
    monkeypatch.setattr(folder, "MAPPED", 100)
    content, _ = open_source(site.dicom).look("a")
    assert isinstance(content, memoryview)
    assert content == (site.dicom / "a").read_bytes()
    from chorus_nb.deid import worker

    same_key(first, second)
    worklist = plan(second).reset_index()
    (task,) = job._tasks(worklist, second)
    assert worker.process(job._job(second), (task,))[0]["status"] == "released"
    assert tree(second.release) == tree(first.release)


# --- nothing twice ----------------------------------------------------------------------------------------------------


def test_a_second_run_writes_nothing(site: SmallSite) -> None:
    site.add_series(3)
    workspace = site.open()
    first = run(workspace)
    age(workspace.release)
    kept = workspace.path(tables.OUTCOMES).stat().st_mtime_ns
    pd.testing.assert_frame_equal(first, run(workspace))
    assert rewritten(workspace) == set()
    assert workspace.path(tables.OUTCOMES).stat().st_mtime_ns == kept


def test_a_new_file_is_the_only_one_written(site: SmallSite) -> None:
    site.add_series(3)
    workspace = site.open()
    run(workspace)
    age(workspace.release)
    site.add("new", InstanceNumber=9)
    assert rewritten_after_run(workspace) == {"009.dcm"}


def test_a_released_file_that_was_deleted_is_made_again(site: SmallSite) -> None:
    site.add_series(3)
    workspace = site.open()
    released = tree_after_run(workspace)
    age(workspace.release)
    (workspace.release / sorted(released)[1]).unlink()
    assert rewritten_after_run(workspace) == {"002.dcm"}
    assert tree(workspace.release) == released


def test_a_changed_shift_redoes_that_patient_only(site: SmallSite) -> None:
    site.add("one", PatientID="MRN-1", AccessionNumber="ACC-1", InstanceNumber=1)
    site.add("two", PatientID="MRN-2", AccessionNumber="ACC-3", InstanceNumber=2)
    workspace = site.open()
    run(workspace)
    age(workspace.release)
    table = site.folder / "lookup/Personal_map.csv"
    table.write_text(table.read_text().replace("MRN-1,1001,-100", "MRN-1,1001,-101"))
    assert rewritten_after_run(workspace) == {"001.dcm"}


def test_a_changed_plan_rewrites_the_files_it_changes_only(site: SmallSite) -> None:
    site.add("with", InstanceNumber=1, PatientSize="1.80")
    site.add("without", InstanceNumber=2)
    workspace = site.open()
    explore.scan(workspace)
    run(workspace)
    age(workspace.release)
    decide(workspace, "(0010,1020)", "X", "a test", "R. Eviewer")
    assert rewritten_after_run(workspace) == {"001.dcm"}


def test_another_key_rewrites_everything_and_leaves_nothing_of_the_old(site: SmallSite) -> None:
    site.add_series(2)
    workspace = site.open()
    before = tree_after_run(workspace)
    workspace.remember_key(bytes.fromhex("ab" * 32))
    workspace.key_path.write_text("ab" * 32 + "\n")
    after = tree_after_run(workspace)
    assert len(after) == 2
    assert not set(after) & set(before)


def rewritten_after_run(workspace: Workspace) -> set[str]:
    run(workspace)
    return {path.rpartition("/")[2] for path in rewritten(workspace)}


def tree_after_run(workspace: Workspace) -> dict[str, str]:
    run(workspace)
    return tree(workspace.release)


# --- what leaves the release ------------------------------------------------------------------------------------------


def test_a_file_rejected_later_leaves_the_release_and_the_crosswalk(site: SmallSite) -> None:
    site.add_series(2)
    workspace = site.open()
    run(workspace)
    rejected = {"item": "series/0001", "decision": "reject", "reviewer": "R", "time": "2026-01-01", "note": "a test"}
    workspace.write(tables.IMAGE_DECISIONS, tables.frame(tables.IMAGE_DECISIONS, [rejected]))
    assert run(workspace).reason["series/0001"] == "rejected_by_review"
    assert [Path(path).name for path in times(workspace.release)] == ["002.dcm"]
    assert set(crosswalk.query(workspace).source_path) == {"series/0002"}


def test_no_empty_folder_stays_behind(site: SmallSite) -> None:
    site.add("a")
    workspace = site.open()
    run(workspace)
    site.lookup("Personal_map", "PatientID,person_id,Days_Shifted\nMRN-2,1002,-37\n")
    site.lookup("Image_map", "PatientID,AccessionNumber,image_occurence_id\nMRN-2,ACC-3,503\n")
    run(workspace)
    assert list(workspace.release.iterdir()) == []


def test_a_file_that_became_unreadable_leaves_the_release(site: SmallSite) -> None:
    file = site.add("a")
    workspace = site.open()
    run(workspace)
    content = file.read_bytes()
    file.write_bytes(content.replace(b"CT", b"\xff\xff", 1)[:300])
    os.utime(file, ns=(1, 1))
    run(workspace)
    assert times(workspace.release) == {}


def test_a_vanished_file_is_reported_and_stays_until_somebody_decides(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add_series(2)
    workspace = site.open()
    before = tree_after_run(workspace)
    (site.dicom / "series/0001").unlink()
    run(workspace)
    assert tree(workspace.release) == before
    assert list(deid.vanished(workspace).source_path) == ["series/0001"]
    monkeypatch.setattr(builtins, "input", lambda prompt: "")
    assert deid.ask_to_withdraw(workspace).empty and tree(workspace.release) == before
    answers = ["R. Eviewer", "the patient withdrew"]
    monkeypatch.setattr(builtins, "input", lambda prompt: answers.pop(0))
    assert list(deid.ask_to_withdraw(workspace).source_path) == ["series/0001"]
    assert [Path(path).name for path in times(workspace.release)] == ["002.dcm"]
    assert deid.vanished(workspace).empty
    decision = workspace.read(tables.IMAGE_DECISIONS).iloc[0]
    assert (decision["item"], decision.decision, decision.reviewer) == ("series/0001", "reject", "R. Eviewer")


def test_a_file_that_moved_within_the_source_is_not_written_again(site: SmallSite) -> None:
    site.add("a", SOPInstanceUID="1.2.3.9")
    workspace = site.open()
    run(workspace)
    age(workspace.release)
    (site.dicom / "a").rename(site.dicom / "b")
    run(workspace)
    assert rewritten(workspace) == set()
    assert deid.vanished(workspace).empty


# --- trouble costs one file -------------------------------------------------------------------------------------------


def test_a_file_that_changed_since_the_scan_waits_for_the_next_one(site: SmallSite) -> None:
    site.add_series(2)
    workspace = site.open()
    plan(workspace)
    site.add("series/0001", InstanceNumber=1, PatientID="MRN-2")
    deid.deidentify(workspace)
    assert reasons(workspace) == {"series/0001": "changed_since_scan"}


def test_a_file_that_cannot_be_read_is_tried_again_in_the_next_run(site: SmallSite) -> None:
    site.add_series(2)
    workspace = site.open()
    plan(workspace)
    file = site.dicom / "series/0001"
    file.rename(site.dicom / "away")
    deid.deidentify(workspace)
    assert reasons(workspace) == {"series/0001": "unreadable"}
    (site.dicom / "away").rename(file)
    deid.deidentify(workspace)
    assert reasons(workspace) == {}


def test_a_source_that_is_gone_altogether_stops_the_run(site: SmallSite) -> None:
    site.add_series(2)
    workspace = site.open()
    plan(workspace)
    site.dicom.rename(site.folder / "unmounted")
    with pytest.raises(WorkbenchError, match="run again when it is back"):
        deid.deidentify(workspace)
    (site.folder / "unmounted").rename(site.dicom)
    assert set(deid.deidentify(workspace).status) == {"released"}


def test_a_target_that_cannot_be_written_costs_that_file(site: SmallSite) -> None:
    site.add_series(2)
    workspace = site.open()
    target = plan(workspace).target_path["series/0001"]
    (workspace.release / target / "in the way").mkdir(parents=True)
    deid.deidentify(workspace)
    assert reasons(workspace) == {"series/0001": "target_unwritable"}
    (workspace.release / target / "in the way").rmdir()
    (workspace.release / target).rmdir()
    assert set(deid.deidentify(workspace).status) == {"released"}


def test_two_runs_at_once_are_refused(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    from chorus_nb.deid import ledger

    monkeypatch.setattr(ledger, "PATIENCE", 0.2)
    site.add("a")
    workspace = site.open()
    plan(workspace)
    with ledger.Ledger(workspace), pytest.raises(WorkbenchError, match="another run is at work"):
        deid.deidentify(workspace)


def test_what_a_killed_run_left_half_written_is_swept(site: SmallSite) -> None:
    site.add("a")
    workspace = site.open()
    target = workspace.release / plan(workspace).target_path["a"]
    target.parent.mkdir(parents=True)
    (target.parent / f"{PARTIAL}0123").write_bytes(b"half")
    deid.deidentify(workspace)
    assert [path.name for path in target.parent.iterdir()] == ["001.dcm" if target.name == "001.dcm" else target.name]


# --- progress ---------------------------------------------------------------------------------------------------------


def test_progress_tells_counts_and_bytes_and_until_the_end_rate_and_time_left(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line stands in a report, where no time is."""
    site.add_series(3)
    workspace = site.open()
    plan(workspace)
    monkeypatch.setattr(job, "BATCH_FILES", 1)
    said: list[tuple[int, int, str]] = []
    deid.deidentify(workspace, lambda *step: said.append(step))
    *_, (halfway, _, meanwhile), (done, total, text) = said
    assert (halfway, done, total) == (2, 3, 3)
    for part in ("2 released", "0.0 MB of 0.0 MB", "files/s", "MB/s", "left"):
        assert part in meanwhile
    assert text == "files: 3 released; 0.0 MB of 0.0 MB"


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(site: SmallSite) -> None:
    site.add_series(8)
    workspace = site.open()
    plan(workspace)

    def interrupt(done: int, total: int, text: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(WorkbenchError, match="run again, it goes on where it stopped"):
        deid.deidentify(workspace, interrupt)
    assert not list(workspace.release.rglob(f"{PARTIAL}*"))
    assert set(deid.deidentify(workspace).status) == {"released"}


# --- the same bytes in every way of running ---------------------------------------------------------------------------


def test_any_number_of_workers_makes_the_same_release_and_outcomes(site: SmallSite) -> None:
    site.add_series(20)
    site.add_series(10, "two", PatientID="MRN-2", AccessionNumber="ACC-3", SeriesInstanceUID="1.2.3.8")
    site.add("deflated", transfer_syntax=DeflatedExplicitVRLittleEndian)
    one = site.open("one", workers=1)
    outcomes = run(one)
    for number in (2, 4):
        several = same_key(one, site.open(f"workers-{number}", workers=number))
        pd.testing.assert_frame_equal(but_seconds(run(several)), but_seconds(outcomes))
        assert tree(several.release) == tree(one.release)
