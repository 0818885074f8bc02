"""The run on a Dask cluster of real processes: checked before a file is touched, and the same bytes as at home."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydicom.uid import ComputedRadiographyImageStorage

from chorus_nb import deid, processes
from chorus_nb.errors import InputError
from chorus_nb.processes import dask as dask_workers
from chorus_nb.source import open_source
from chorus_nb.workspace import PARTIAL, Workspace
from tests import heads
from tests.deid.small_run import SmallSite, but_seconds, plan, run, same_key, tree
from tests.source.services import InS3

distributed = pytest.importorskip("distributed")
RADIOGRAPH = {"Modality": "CR", "SOPClassUID": ComputedRadiographyImageStorage, "SeriesInstanceUID": "1.2.3.9"}
NOWHERE = "tcp://127.0.0.1:9"  # the discard port


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with contextlib.suppress(pytest.skip.Exception):
        InS3(tmp_path_factory.mktemp("bucket"))  # workers have the credentials that are there when they start
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=50
    ) as started:
        yield started


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


@pytest.fixture
def at_home(site: SmallSite) -> Workspace:
    site.add_series(60)
    workspace = site.open("at home")
    run(workspace)
    return workspace


def test_the_cluster_makes_the_release_and_outcomes_of_one_process(
    site: SmallSite, at_home: Workspace, dask: Any
) -> None:
    away = same_key(at_home, site.open("away", scheduler=dask.scheduler_address))
    outcomes = run(away)
    assert tree(away.release) == tree(at_home.release)
    pd.testing.assert_frame_equal(but_seconds(outcomes), but_seconds(run(at_home)))


def test_images_and_heads_in_a_store_are_read_by_the_cluster_and_their_children(
    site: SmallSite, tmp_path: Path, dask: Any
) -> None:
    pytest.importorskip("SimpleITK")
    kind, head = InS3(tmp_path), heads.head("CT")
    few = head._replace(values=head.values[30:33])  # in which no face is found, so that it is held
    heads.write(few, site.dicom / "few", PatientID="MRN-1", AccessionNumber="ACC-1", StudyInstanceUID="1.2.3.1")
    for number in range(3):
        site.add(f"radiograph/{number}", SOPInstanceUID=f"1.2.3.9.{number}", **RADIOGRAPH)
    files = {path.relative_to(site.dicom).as_posix(): path for path in site.dicom.rglob("*") if path.is_file()}
    kind.put({name: path.read_bytes() for name, path in files.items()})
    at_home = site.open("at home", deface="apply")
    from_folder = run(at_home)
    place = {"source": kind.address, "scheduler": dask.scheduler_address}
    away = same_key(at_home, site.open("away", deface="apply", **place))
    pd.testing.assert_frame_equal(but_seconds(run(away)), but_seconds(from_folder))
    assert tree(away.release) == tree(at_home.release)
    assert from_folder.reason.value_counts().to_dict() == {"": 3, "face_not_removed": 3}


def test_a_killed_worker_of_the_cluster_costs_nothing(
    site: SmallSite, at_home: Workspace, dask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deid.job, "BATCH_FILES", 2)
    away = same_key(at_home, site.open("away", scheduler=dask.scheduler_address))
    plan(away)
    killed = []

    def kill_one(done: int, total: int, text: str) -> None:
        if done and not killed:
            killed.append(dask.workers[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    deid.deidentify(away, kill_one)
    assert killed
    assert tree(away.release) == tree(at_home.release)
    assert not list(away.root.rglob(f"{PARTIAL}*"))


def test_a_scheduler_that_does_not_answer_is_one_clear_line(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_workers, "ANSWER", 1)
    site.add("a")
    workspace = site.open()
    plan(workspace)
    with pytest.raises(InputError, match=f"^scheduler: nothing answers at {NOWHERE}$"):
        deid.deidentify(site.open(scheduler=NOWHERE))
    assert list(workspace.release.iterdir()) == []


def test_a_scheduler_without_workers_is_one_clear_line(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_workers, "JOIN", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty,
        pytest.raises(InputError, match="no worker has joined"),
    ):
        dask_workers.check_cluster(site.open(scheduler=empty.scheduler_address).parameters)


@pytest.mark.parametrize(
    ("differs", "line"),
    [
        ("processes.dask.code_digest", "has another version of chorus-nb"),
        ("processes.dask.version", "has another version of Python or pydicom"),
        ("source.archives.Archives.mark", "does not see the source folder, or sees another one"),
    ],
)
def test_a_worker_that_cannot_do_the_work_is_named_before_a_file_is_touched(
    site: SmallSite, dask: Any, monkeypatch: pytest.MonkeyPatch, differs: str, line: str
) -> None:
    monkeypatch.setattr(f"chorus_nb.{differs}", lambda *_: "here it is this")
    dask.wait_for_workers(2, timeout=60)  # the worker that another test killed may still be on its way back
    with pytest.raises(InputError) as refused:
        dask_workers.check_cluster(site.open(scheduler=dask.scheduler_address).parameters)
    assert len(refused.value.lines) == 2, "a line for each worker"
    assert all(line in text for text in refused.value.lines)


def test_a_folder_that_is_not_there_looks_different(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    there, gone = (dask_workers.worker_view(open_source(place), place) for place in (tmp_path, tmp_path / "gone"))
    assert {name for name in there if there[name] != gone[name]} == {"source", "workspace"}


def test_a_cluster_that_can_do_the_work_passes(site: SmallSite, dask: Any) -> None:
    dask_workers.check_cluster(site.open(scheduler=dask.scheduler_address).parameters)


def test_without_a_scheduler_there_is_nothing_to_check(site: SmallSite) -> None:
    dask_workers.check_cluster(site.open().parameters)


def test_work_goes_out_to_all_threads_of_the_cluster(site: SmallSite, dask: Any) -> None:
    with processes.workers(site.open(scheduler=dask.scheduler_address).parameters) as pool:
        assert {result for _, result in processes.map_unordered(pool, abs, range(-5, 0))} == {1, 2, 3, 4, 5}
