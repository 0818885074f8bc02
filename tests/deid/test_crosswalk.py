"""For every changed element the crosswalk tells what it was and what it became, both ways; it stays local."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from chorus_nb.deid import crosswalk
from chorus_nb.deid.worklist import uid_map
from chorus_nb.errors import DamagedTable
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite, run, times


@pytest.fixture
def ran(tmp_path: Path) -> Workspace:
    site = SmallSite(tmp_path)
    site.add_series(2)
    workspace = site.open()
    run(workspace)
    return workspace


def test_an_original_value_leads_to_the_new_one_and_back(ran: Workspace) -> None:
    new = uid_map(ran).replace("1.2.3.4.5")
    assert set(crosswalk.find_changes(ran, old="1.2.3.4.5").new) == {new}
    assert set(crosswalk.find_changes(ran, new=new).original) == {"1.2.3.4.5"}
    person = crosswalk.query(ran, "keyword = ?", ["PatientID"])
    assert set(zip(person.original, person.new, strict=True)) == {("MRN-1", "1001")}


def test_it_names_the_file_before_and_after(ran: Workspace) -> None:
    rows = crosswalk.query(ran, "keyword = 'PatientID'")
    assert rows.source_path.tolist() == ["series/0001", "series/0002"]
    assert [(ran.release / path).is_file() for path in rows.target_path] == [True, True]


def test_of_some_files_only_the_parts_that_hold_them_are_opened(tmp_path: Path) -> None:
    """A page for each series asks for its files: of a million files all parts would be read a thousand times."""
    site = SmallSite(tmp_path)
    site.add("a.dcm")
    workspace = site.open()
    run(workspace)
    [first] = (workspace.local / crosswalk.CROSSWALK_FOLDER).glob("*.parquet")
    site.add("b.dcm")
    run(workspace)
    assert set(crosswalk.of_files(workspace, ["a.dcm", "b.dcm", "none.dcm"]).source_path) == {"a.dcm", "b.dcm"}
    first.write_bytes(b"damaged")
    assert set(crosswalk.of_files(workspace, ["b.dcm"]).source_path) == {"b.dcm"}
    assert crosswalk.of_files(workspace, []).empty
    with pytest.raises(DamagedTable):
        crosswalk.of_files(workspace, ["a.dcm"])


def test_it_holds_only_what_the_ledger_names(ran: Workspace) -> None:
    before = len(crosswalk.query(ran))
    part = next((ran.local / crosswalk.CROSSWALK_FOLDER).glob("*.parquet"))
    stale = part.with_name("stale.parquet")
    stale.write_bytes(part.read_bytes())
    assert len(crosswalk.query(ran)) == before
    run(ran)
    assert not stale.exists()


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def other_columns(content: bytes) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(content)).drop_columns(["action"]), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "damage", [cut, other_columns, lambda _: b"", lambda _: None], ids=["cut", "other", "", "gone"]
)
def test_a_part_that_is_damaged_or_gone_is_one_line_and_03_makes_it_again(
    ran: Workspace, damage: Callable[[bytes], bytes | None]
) -> None:
    before, kept = crosswalk.query(ran), times(ran.release)
    part = next((ran.local / crosswalk.CROSSWALK_FOLDER).glob("*.parquet"))
    content = damage(part.read_bytes())
    part.unlink()
    if content is not None:
        part.write_bytes(content)
    with pytest.raises(DamagedTable) as refused:
        crosswalk.query(ran)
    assert str(refused.value) == (
        "local/crosswalk: 1 of its parts are gone or damaged; delete that folder and run 03_run_deid again"
    )
    run(ran)
    pd.testing.assert_frame_equal(crosswalk.query(ran), before)
    assert times(ran.release) == kept, "the files are as they were, so nothing is written"


def test_a_part_whose_rows_are_damaged_is_one_line_without_a_value(ran: Workspace) -> None:
    before = crosswalk.query(ran)
    folder = ran.local / crosswalk.CROSSWALK_FOLDER
    for part in folder.glob("*.parquet"):
        content = part.read_bytes()
        part.write_bytes(content[:4] + bytes(len(content) - 3500) + content[-3496:])
    with pytest.raises(
        DamagedTable, match=r"^local/crosswalk: is damaged; delete that folder and run 03_run_deid again$"
    ):
        crosswalk.query(ran)
    shutil.rmtree(folder)
    run(ran)
    pd.testing.assert_frame_equal(crosswalk.query(ran), before)


def test_it_lies_under_local(ran: Workspace) -> None:
    assert list((ran.local / crosswalk.CROSSWALK_FOLDER).glob("*.parquet"))
    assert not list(ran.release.rglob("*.parquet"))
    assert not list(ran.audit.rglob("*.parquet"))


def test_before_a_run_it_is_empty(tmp_path: Path) -> None:
    assert crosswalk.query(SmallSite(tmp_path).open()).empty
