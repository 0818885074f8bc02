"""One door to processes: everything is done once, memory stays flat, a dead worker costs only what killed it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from chorus_nb import processes, seeds
from chorus_nb.errors import WorkerLost
from chorus_nb.parameters import Parameters
from chorus_nb.processes import pool as pool_module

Batch = tuple[int, ...]
DEADLY = 13


def double(number: int) -> int:
    return 2 * number


def doubled(batch: Batch) -> list[int]:
    if DEADLY in batch:
        os._exit(1)
    return [2 * number for number in batch]


def fails(number: int) -> int:
    raise ValueError("3 is not to be told")


def process_id(number: int) -> int:
    return os.getpid()


def allocates(size: int) -> int:
    return len(bytearray(size))


def singles(batch: Batch) -> Iterator[Batch]:
    return ((number,) for number in batch)


def test_for_one_piece_alone_no_worker_starts() -> None:
    assert dict(processes.each(Parameters(workers=2), process_id, [1])) == {1: os.getpid()}
    with processes.executor(Parameters(workers=2), 1) as pool:
        assert isinstance(pool, pool_module.Here)
    with processes.executor(Parameters(workers=2), 2) as pool:
        assert not isinstance(pool, pool_module.Here)


@pytest.mark.parametrize(("door", "workers"), [("executor", 1), ("executor", 2), ("threads", 2)])
def test_everything_is_done_once(door: str, workers: int) -> None:
    with getattr(processes, door)(Parameters(workers=workers)) as pool:
        results = dict(processes.map_unordered(pool, double, range(50)))
    assert results == {number: 2 * number for number in range(50)}


def test_one_worker_is_this_very_process() -> None:
    with processes.executor(Parameters(workers=1)) as pool:
        assert [result for _, result in processes.map_unordered(pool, process_id, [0])] == [os.getpid()]


def test_an_error_comes_back_with_its_item() -> None:
    with processes.executor(Parameters(workers=1)) as pool:
        ((item, error),) = processes.map_unordered(pool, fails, [3])
    assert item == 3
    assert isinstance(error, ValueError)


def test_no_more_is_taken_than_is_under_way() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with processes.executor(Parameters(workers=1)) as pool:
        for done, _ in enumerate(processes.map_unordered(pool, double, items(), ahead=4), 1):
            assert len(taken) <= done + 4


def test_a_pool_that_breaks_is_said_and_not_passed_over() -> None:
    with (
        processes.workers(Parameters(workers=2)) as pool,
        pytest.raises(WorkerLost, match="run again, it goes on where it stopped"),
    ):
        list(processes.map_unordered(pool, doubled, [(number,) for number in range(40)]))


@pytest.fixture(params=["a server", "forks"])
def workers_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Workers of a server of their own, and forks of a process that children are forks of, too."""
    monkeypatch.setattr(seeds, "_known", [])
    if request.param == "forks":
        if sys.platform != "linux":
            pytest.skip("elsewhere no process is a fork of another")
        seeds.door()
    return str(request.param)


def test_workers_are_forks_where_there_is_a_process_for_it(workers_of: str) -> None:
    """All of one; those that have nothing to do are not begun; what raises comes back as it is."""
    with processes.workers(Parameters(workers=4)) as pool:
        assert isinstance(pool, pool_module._Forks) == (workers_of == "forks")
        error = pool.submit(fails, 3).exception()
        assert isinstance(error, ValueError)
        assert {pool.submit(process_id, 1).result(), pool.submit(process_id, 2).result()} != {os.getpid()}


@pytest.mark.usefixtures("workers_of")
def test_a_dead_worker_costs_only_the_piece_that_killed_it() -> None:
    batches = [tuple(range(start, start + 5)) for start in range(0, 60, 5)]
    lost, results = [], []
    for item, result in processes.map_surviving(Parameters(workers=2), doubled, batches, singles):
        if isinstance(result, WorkerLost):
            lost.append(item)
        else:
            assert not isinstance(result, BaseException)
            results += result
    assert lost == [(DEADLY,)]
    assert sorted(results) == [2 * number for number in range(60) if number != DEADLY]


@pytest.mark.usefixtures("workers_of")
def test_a_worker_may_not_take_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "WORKER_MEMORY", 1 << 30)
    with processes.workers(Parameters(workers=1)) as pool:
        if pool.submit(os.uname).result().sysname != "Linux":
            pytest.skip("no limit on memory here")
        assert isinstance(pool.submit(allocates, 2 << 30).exception(), MemoryError)
        assert pool.submit(allocates, 1 << 20).result() == 1 << 20


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a terminal, also where a shell started the tests in the background and so without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_lets_what_has_begun_come_to_its_end() -> None:
    done = []
    with processes.workers(Parameters(workers=2)) as pool, pytest.raises(KeyboardInterrupt):
        threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
        for item, _ in processes.map_unordered(pool, time.sleep, [0.0, 1.0, 1.01, 1.02, 1.03] * 20):
            done.append(item)
    assert 1 < len(done) < 20
    assert 1.0 in done


def test_a_door_that_is_kept_open_is_opened_once_and_only_for_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, executor = list[str](), pool_module.executor

    @contextlib.contextmanager
    def told(parameters: Parameters) -> Iterator[Executor]:
        with executor(parameters) as pool:
            steps.append("opened")
            yield pool
            steps.append("closed")

    monkeypatch.setattr(pool_module, "executor", told)
    alone = Parameters(workers=1)
    with processes.kept_open() as door:
        for _ in range(2):
            assert list(processes.each(alone, double, [1], door=door)) == [(1, 2)]
        steps.append("done")
    assert steps == ["opened", "done", "closed"]
    with processes.kept_open():
        pass
    assert steps == ["opened", "done", "closed"]
