"""One door to this machine's processes or a Dask cluster; nothing else knows which."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters

Progress = Callable[[int, int, str], None]
"""Called with things done, things in all (0 = not known yet) and a short text free of header values."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Here(Executor):
    """Runs each call at once in this process: ``workers: 1``, no pickling, easy to debug."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def executor(parameters: Parameters) -> Iterator[Executor]:
    """A ``concurrent.futures.Executor``: this process, local processes, or the Dask cluster at ``scheduler``."""
    if parameters.scheduler:
        with _dask_client(parameters.scheduler) as client:
            yield client.get_executor(pure=False)
    elif parameters.worker_count == 1:
        yield _Here()
    else:
        # forkserver where there is one: a fork of a threaded kernel can deadlock
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        pool = ProcessPoolExecutor(
            parameters.worker_count, mp_context=multiprocessing.get_context(method), initializer=_quiet
        )
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def map_unordered(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = 8
) -> Iterator[tuple[Item, Result | BaseException]]:
    """Yield ``(item, result or exception)`` as they end, with at most ``ahead`` calls under way: memory stays flat."""
    queue = iter(items)
    running: dict[Future[Result], Item] = {}
    try:
        while True:
            for item in islice(queue, ahead - len(running)):
                running[pool.submit(function, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                item = running.pop(future)
                error = future.exception()
                yield item, future.result() if error is None else error
    finally:
        for future in running:
            future.cancel()


def _quiet() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


@contextlib.contextmanager
def _dask_client(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError:
        raise InputError("scheduler: Dask is not installed; pip install 'chorus-nb[cluster]'") from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError):
        raise InputError(f"scheduler: nothing answers at {address}") from None
    with client:
        yield client
