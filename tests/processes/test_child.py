"""The supervised child process: whatever happens in it, the caller goes on."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chorus_nb import seeds
from chorus_nb.dicom import unneeded
from chorus_nb.errors import ChildFault
from chorus_nb.parameters import Parameters
from chorus_nb.processes import child as children
from chorus_nb.processes.supervised import CHILD_MEMORY, Child


@pytest.fixture
def child():
    made = Child()
    yield made
    made.close()


def test_a_crash_of_native_code_is_an_answer_and_the_next_call_works(child: Child) -> None:
    with pytest.raises(ChildFault) as refused:
        child.call(os.abort)
    assert refused.value.code == "crashed"
    assert child.call(len, "four") == 4


def test_no_thread_is_answered_with_what_another_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Echo(Child):
        def call(self, function, *args, **how):
            self.asked = args
            time.sleep(0.05)
            return self.asked

    monkeypatch.setattr(children, "Child", Echo)
    monkeypatch.setattr(children, "_children", {})
    with ThreadPoolExecutor(4) as threads:  # as a worker of a Dask cluster may have them
        assert list(threads.map(lambda asked: children.in_child(len, asked), range(8))) == [(n,) for n in range(8)]


def test_a_few_pieces_start_no_worker_and_share_a_child_that_ends_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or with the steps that it is kept for; what crashes it costs itself."""
    monkeypatch.setattr(children, "_children", {})
    asked, door = Parameters(workers=2), {"door": lambda _: pytest.fail("a worker")}

    def ids(count: int) -> set[int]:
        return {process for _, process, _ in children.each_in_child(asked, os.getpid, [()] * count, **door)}

    [first], [second] = ids(children.FEW_PIECES), ids(1)
    assert first != second
    with children.one_child(asked):
        [first], [second] = ids(children.FEW_PIECES), ids(1)
        [(_, fault, _)] = children.each_in_child(asked, os.abort, [()], **door)
        [third] = ids(2)
        assert first == second != third and fault.code == "crashed"
        assert children._children
    assert not children._children
    with pytest.raises(pytest.fail.Exception):
        ids(children.FEW_PIECES + 1)


def test_one_piece_alone_starts_no_worker_and_its_child_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_children", {})
    asked, kept = Parameters(workers=2), []
    how = {"door": lambda _: pytest.fail("a worker"), "keep": lambda: kept.append(len(children._children))}
    [(_, first, _)] = children.each_in_child(asked, os.getpid, [()], **how)
    [(_, fault, _)] = children.each_in_child(asked, os.abort, [()], **how)
    assert first != os.getpid() and fault.code == "crashed"
    assert kept == [0, 0]


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each child is a new Python")
AT_WORK = """(lambda all: (all @ all, len(__import__('os').listdir('/proc/self/task')))[1])(
__import__('numpy').ones((600, 600)))"""


@LINUX
def test_children_are_forks_of_one_process_those_of_workers_too(child: Child) -> None:
    """It has imported where the function stands; the sums of a child are done in one thread."""
    parent = child.call(os.getppid)
    asked = Parameters(workers=2)
    looks = children.each_in_child(asked, os.getppid, [()] * (children.FEW_PIECES + 1))
    assert {one for _, one, _ in looks} == {parent}
    child.close()
    with pytest.raises(ChildFault):
        child.call(unneeded.unneeded, "not what it asks for")
    child.close()
    assert child.call(eval, f"{unneeded.__name__!r} in __import__('sys').modules")
    assert child.call(eval, AT_WORK) == 2, "and one that waits for the end of the caller"


@LINUX
def test_where_the_process_to_fork_was_killed_or_cannot_be_the_next_child_works(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = child.call(os.getppid)
    child.close()
    os.kill(gone, signal.SIGKILL)
    assert child.call(os.getppid) != gone
    child.close()
    monkeypatch.setattr(seeds.sys, "platform", "darwin")
    assert child.call(os.getppid) == os.getpid()


BEGINS_ONE_THAT_IS_HELD = """
import sys, time
from chorus_nb import seeds
forks = "{'hold': lambda door: time.sleep(60)}, {}"
here = "import socket, sys, time; from chorus_nb import seeds; door = socket.socket(fileno=int(sys.argv[1]))"
seed = seeds.Seed(f"{here}; seeds.fork_as_asked(door, {forks})", {})
held = seeds.fork(seed.door, "hold", handles=[seed.door.fileno()])
print(seed._process.pid, held.pid, flush=True)
time.sleep(60)
"""


@LINUX
def test_the_process_to_fork_ends_with_who_began_it_also_where_a_fork_could_ask_on() -> None:
    """As a kernel at work could: it ends with that process, or would write beside the next run."""
    began = subprocess.Popen([sys.executable, "-c", BEGINS_ONE_THAT_IS_HELD], stdout=subprocess.PIPE, text=True)
    assert began.stdout
    forked_from, held = map(int, began.stdout.readline().split())
    told = os.pidfd_open(forked_from)
    try:
        began.kill()
        began.wait()
        assert select.select([told], [], [], 20)[0]
    finally:
        for one in (held, forked_from):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)


AT_WORK_FOR_ONE_THAT_GOES_ON = """
import os, time
from chorus_nb.processes.supervised import Child
from chorus_nb.workbench.nursery import Nursery
nursery, child = Nursery(here=True), Child()
print(child.call(os.getpid), flush=True)
if caller := os.fork():
    print(caller, flush=True)
time.sleep(60)
"""


@LINUX
def test_a_child_ends_with_the_command_also_where_who_called_it_goes_on() -> None:
    """As a kernel does until it has seen that the command was killed: for so long its workers wrote on."""
    began = subprocess.Popen([sys.executable, "-c", AT_WORK_FOR_ONE_THAT_GOES_ON], stdout=subprocess.PIPE, text=True)
    assert began.stdout
    child, caller = int(began.stdout.readline()), int(began.stdout.readline())
    told = os.pidfd_open(child)
    try:
        began.kill()
        began.wait()
        assert select.select([told], [], [], 20)[0]
    finally:
        for one in (child, caller):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)


def test_a_call_that_takes_too_long_is_ended(child: Child) -> None:
    with pytest.raises(ChildFault) as refused:
        child.call(time.sleep, 60, seconds=0.5)
    assert refused.value.code == "timed_out"


WORK = """
import time
for _ in range({rounds}):
    until = time.process_time() + 0.03
    while time.process_time() < until: pass
    time.sleep({pause})
"""


def test_a_call_that_works_without_end_is_ended(child: Child) -> None:
    with pytest.raises(ChildFault) as refused:
        child.call(exec, WORK.format(rounds=10_000, pause=0), seconds=0.3)
    assert refused.value.code == "timed_out"


def test_time_in_which_others_had_the_processor_is_not_counted(child: Child) -> None:
    child.call(len, "")  # its start is work
    assert child.call(exec, WORK.format(rounds=10, pause=0.08), seconds=0.5) is None, "1.1 s, of which 0.3 s of work"


def test_a_call_that_wants_all_memory_is_refused(child: Child) -> None:
    with pytest.raises(ChildFault) as refused:
        child.call(bytearray, CHILD_MEMORY + (1 << 30))
    assert refused.value.code == "out_of_memory"


def test_an_exception_is_told_without_its_text(child: Child) -> None:
    with pytest.raises(ChildFault) as refused:
        child.call(int, "Zimmerwald")
    assert refused.value.code == "ValueError"
    assert "Zimmerwald" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_the_child_writes_to_temporary_files_goes_with_it(child: Child) -> None:
    folder = child.call(os.getenv, "TMPDIR")
    assert Path(folder).is_dir()
    child.close()
    assert not Path(folder).exists()


def test_a_child_whose_caller_was_killed_ends_and_cleans_up() -> None:
    caller = """
import os
from chorus_nb.errors import ChildFault
from chorus_nb.processes.supervised import Child
child = Child()
print(child.call(os.getenv, "TMPDIR"), child.call(os.getpid), flush=True)
os.kill(os.getpid(), 9)
"""
    folder, child = subprocess.run([sys.executable, "-c", caller], stdout=subprocess.PIPE, text=True).stdout.split()
    for _ in range(100):
        if not Path(folder).exists() and not Path("/proc", child).exists():
            return
        time.sleep(0.1)
    pytest.fail("the child or its folder is still there")


def test_a_child_at_work_ends_with_its_caller_and_writes_nothing_beside_the_next_run(tmp_path: Path) -> None:
    caller = """
import os, sys, threading, time
from chorus_nb.processes.supervised import Child
work = "import os, pathlib, time; pathlib.Path(%r).write_text(str(os.getpid())); time.sleep(60)" % sys.argv[1]
child = Child()
threading.Thread(target=child.call, args=(exec, work), daemon=True).start()
while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read():
    time.sleep(0.01)
os.kill(os.getpid(), 9)
"""
    told = tmp_path / "at_work"
    subprocess.run([sys.executable, "-c", caller, str(told)], check=False)
    at_work = Path("/proc", told.read_text())
    deadline = time.monotonic() + 10
    while at_work.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not at_work.exists()
