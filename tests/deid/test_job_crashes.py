"""Whatever happens to a run, it resumes: nothing half written, nothing lost, the same bytes as without the accident."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest

from chorus_nb import deid, seeds
from chorus_nb.deid import job
from chorus_nb.errors import WorkbenchError
from chorus_nb.mapping import Policy, Rule
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import PARTIAL, Workspace
from tests.deid.small_run import SmallSite, but_seconds, plan, reasons, run, same_key, tree

FILES = 500  # so many that no run ends before it is killed
LOOKED_AFTER = 0.002  # seconds
TRAP = 0x00104000  # PatientComments

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is a fork of another")


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


def whole(workspace: Workspace, expected: Workspace) -> None:
    """The release and the outcomes are those of a run without an accident, and nothing else is there."""
    assert tree(workspace.release) == tree(expected.release)
    assert not list(workspace.root.rglob(f"{PARTIAL}*"))
    pd.testing.assert_frame_equal(but_seconds(deid.deidentify(workspace)), but_seconds(deid.deidentify(expected)))


# --- kill -9 ----------------------------------------------------------------------------------------------------------


def _run_to_be_killed(parameters: Parameters) -> None:
    os.setsid()
    deid.deidentify(Workspace(parameters))


def _count(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def _be_killed(release: Path, wanted: int, delay: float) -> None:
    """Kill the group of this process once so many files are released: from within, for who watches from outside is not
    asked on a busy machine before the run has ended."""

    def look(*_: object) -> None:
        if _count(release) >= wanted:
            time.sleep(delay)
            os.killpg(0, signal.SIGKILL)
        signal.setitimer(signal.ITIMER_REAL, LOOKED_AFTER)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOKED_AFTER)


def _run_and_kill(parameters: Parameters, kills: int, forks: bool) -> None:
    """Begin the run and kill its process group at a random point, again and again; exits with how often it could.

    ``forks``: its workers are forks of a process that is none of its group and stays.
    """
    if forks:
        seeds.door()
    release, choose, killed = Workspace(parameters).release, random.Random(6), 0
    for _ in range(kills):
        wanted, delay = _count(release) + choose.randint(1, 12), choose.random() * 0.01
        run = os.fork()  # of a process that has no threads
        if run == 0:
            with contextlib.suppress(BaseException):
                os.setsid()
                _be_killed(release, wanted, delay)
                deid.deidentify(Workspace(parameters))
            os._exit(0)
        killed += os.waitstatus_to_exitcode(os.waitpid(run, 0)[1]) == -signal.SIGKILL
    sys.exit(killed)


@posix
@pytest.mark.parametrize(("kills", "forks"), [(3, False), pytest.param(10, True, marks=linux)])
def test_a_run_killed_again_and_again_ends_with_the_release_of_an_undisturbed_run(
    site: SmallSite, kills: int, forks: bool
) -> None:
    site.add_series(FILES)
    undisturbed = site.open("undisturbed")
    run(undisturbed)
    workspace = same_key(undisturbed, site.open())
    plan(workspace)
    killed = workspace.parameters, kills, forks
    process = multiprocessing.get_context("forkserver").Process(target=_run_and_kill, args=killed)
    process.start()
    process.join()
    assert process.exitcode == kills
    expected = tree(undisturbed.release)
    half_way = {path: digest for path, digest in tree(workspace.release).items() if PARTIAL not in path}
    assert 0 < len(half_way) < FILES
    assert all(expected[path] == digest for path, digest in half_way.items())
    assert len(deid.deidentify(workspace)) == FILES
    whole(workspace, undisturbed)


@posix
def test_no_worker_outlives_a_killed_run(site: SmallSite) -> None:
    site.add_series(4)
    workspace = site.open()
    plan(workspace)
    (site.dicom / "series/0002").unlink()
    os.mkfifo(site.dicom / "series/0002")  # a worker waits here until somebody writes
    process = multiprocessing.get_context("forkserver").Process(target=_run_to_be_killed, args=(workspace.parameters,))
    process.start()
    while not (workers := _of_group(process.pid) - {process.pid}):
        assert process.is_alive()
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    deadline = time.monotonic() + 60  # it may still import
    while _of_group(process.pid) & workers and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _of_group(process.pid) & workers


def _of_group(group: int) -> set[int]:
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if process.status() != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                found.add(process.pid)
    return found


# --- a worker dies, hangs or takes all memory -------------------------------------------------------------------------


_TRAPS = {
    "dies": lambda: os._exit(9),
    "hangs": lambda: re.match(r"(a|a)*$", "a" * 60 + "b"),  # native code that holds the interpreter
    "hogs": lambda: bytearray(1 << 40),
}


@pytest.mark.parametrize(
    ("trap", "reason"), [("dies", "worker_lost"), ("hangs", "timed_out"), ("hogs", "out_of_memory")]
)
def test_a_file_that_ruins_its_worker_costs_that_file_only(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch, trap: str, reason: str
) -> None:
    site.add_series(30)
    site.add("trap", PatientComments="x", InstanceNumber=99)
    workspace = site.open(workers=2)
    plan(workspace)
    monkeypatch.setattr(job, "FILE_SECONDS", 1.5)
    monkeypatch.setattr(job, "load_policy", lambda workspace: _trapped(trap))
    outcomes = deid.deidentify(workspace)
    assert reasons(workspace) == {"trap": reason}
    assert list(outcomes.status).count("released") == 30
    assert not list(workspace.release.rglob(f"{PARTIAL}*"))
    monkeypatch.undo()
    deid.deidentify(workspace)
    assert reasons(workspace) == {}, "what failed for want of time or memory is tried again in the next run"


@dataclass(frozen=True)
class Trapped(Policy):
    """The default policy, with a trap that springs at :data:`TRAP`."""

    kind: str = ""

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str = "") -> Rule:
        if tag == TRAP:
            _TRAPS[self.kind]()
        return Policy.rule(self, sop_class, path, tag, vr, creator)


def _trapped(kind: str) -> Policy:
    return Trapped(Chorus(), (), kind)


@posix
def test_a_pipe_that_took_the_place_of_a_file_costs_that_file_only(site: SmallSite) -> None:
    site.add_series(3)
    workspace = site.open()
    plan(workspace)
    (site.dicom / "series/0002").unlink()
    os.mkfifo(site.dicom / "series/0002")
    deid.deidentify(workspace)
    assert reasons(workspace) == {"series/0002": "changed_since_scan"}


@posix
def test_killed_workers_cost_nothing(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add_series(120)
    undisturbed = site.open("undisturbed")
    run(undisturbed)
    workspace = same_key(undisturbed, site.open(workers=2))
    plan(workspace)
    killed = []

    def kill_one(done: int, total: int, text: str) -> None:
        if done and not killed:
            child = multiprocessing.active_children()[-1]
            os.kill(child.pid or 0, signal.SIGKILL)
            killed.append(child.pid)

    monkeypatch.setattr(seeds, "_known", [])  # workers of a server, which can be found
    deid.deidentify(workspace, kill_one)
    assert killed
    whole(workspace, undisturbed)


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="needs Linux")
def test_a_full_disk_stops_the_run_with_a_clear_line_and_it_resumes(site: SmallSite, small_disk: Path) -> None:
    site.add_series(300)
    undisturbed = site.open("undisturbed")
    run(undisturbed)
    workspace = same_key(undisturbed, site.open())
    plan(workspace)
    workspace.release.rmdir()
    workspace.release.symlink_to(small_disk)
    with pytest.raises(WorkbenchError, match=r"release cannot be written .No space left on device.*run again"):
        deid.deidentify(workspace)
    written = tree(small_disk)
    assert 0 < len(written) < 300
    assert all(tree(undisturbed.release)[path] == digest for path, digest in written.items())
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    deid.deidentify(workspace)
    whole(workspace, undisturbed)
