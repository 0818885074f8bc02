"""One door to this machine's processes or a Dask cluster; nothing else knows which."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures import wait as wait_for
from contextlib import AbstractContextManager
from functools import cache, partial
from itertools import islice
from multiprocessing.connection import wait as wait_for_sentinels
from typing import Any, TypeVar

from chorus_nb import seeds
from chorus_nb.errors import ChildFault, WorkerLost
from chorus_nb.parameters import Parameters
from chorus_nb.processes import dask
from chorus_nb.processes.supervised import Child, keep_memory, limit_memory

Progress = Callable[[int, int, str], None]
"""Called with things done, things in all (0 = not known yet) and a short text free of header values."""

Door = Callable[[Parameters], AbstractContextManager[Executor]]
"""Opens what does the work; closes it behind itself"""

Piece = TypeVar("Piece")
Result = TypeVar("Result")

PRELOADED = ["chorus_nb.deid.worker"]  # and all it needs: imported once, then shared by all local workers
A_DAY = 86_400.0  # seconds that no call of a worker takes
WORKER_MEMORY = 8 << 30  # bytes a local worker may allocate; files mapped into memory do not count


class Here(Executor):
    """Runs each call at once in this process: ``workers: 1``, no pickling, easy to debug."""

    ahead = 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(ProcessPoolExecutor):
    """Local worker processes, which end when this one does."""

    def __init__(self, count: int) -> None:
        given = WORKER_MEMORY, dict(os.environ), seeds.known()
        super().__init__(count, mp_context=_context(), initializer=_begin_worker, initargs=given)
        self.ahead = 2 * count + 2


class _Forks(Executor):
    """Local workers that are forks of a process which has imported all that they need: they begin in milliseconds,
    and one that dies takes no other along."""

    def __init__(self, count: int) -> None:
        self.ahead = 2 * count + 2
        self._threads, self._idle = ThreadPoolExecutor(count), list[Child]()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._threads.submit(self._in_worker, fn, args, kwargs)

    def _in_worker(self, function: Callable[..., Any], *given: Any) -> Any:
        try:
            worker = self._idle.pop()  # the one that worked last: it remembers most
        except IndexError:
            worker = Child(_home_of(function))
        try:
            good, told = worker.call(_tried, WORKER_MEMORY, function, *given, seconds=A_DAY)
        except ChildFault as fault:
            raise BrokenExecutor(fault.code) from None
        finally:
            self._idle.append(worker)
        if good:
            return told
        raise told

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for worker in self._idle:
            worker.close()


def _home_of(function: Callable[..., Any]) -> str:
    """The module of what is called in the end."""
    while isinstance(function, partial):
        function = function.func
    return function.__module__


def _context() -> Any:
    # a fork server where there is one: a fork of a kernel with its threads can deadlock
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload(PRELOADED)
    return context


def prepare(parameters: Parameters) -> None:
    """Let what local workers need be imported while this process does something else; returns at once."""
    if not (parameters.scheduler or seeds.known()) and _context().get_start_method() == "forkserver":
        from multiprocessing import forkserver  # not on Windows

        forkserver.ensure_running()


@contextlib.contextmanager
def executor(parameters: Parameters, pieces: int = 2) -> Iterator[Executor]:
    """A ``concurrent.futures.Executor``: this process, local processes, or the Dask cluster at ``scheduler``.

    ``pieces`` of work that there are: for one alone no worker starts.
    """
    if (parameters.worker_count == 1 or pieces < 2) and not parameters.scheduler:
        yield Here()
    else:
        with workers(parameters) as pool:
            yield pool


@contextlib.contextmanager
def threads(parameters: Parameters) -> Iterator[Executor]:
    """The same for what leaves the interpreter to others while it works, as hashing does: threads instead of processes.

    No worker has to start. On a cluster its workers do it: they are more.
    """
    if parameters.worker_count == 1 or parameters.scheduler:
        with executor(parameters) as pool:
            yield pool
    else:
        with ThreadPoolExecutor(parameters.worker_count) as pool:
            yield pool


@contextlib.contextmanager
def workers(parameters: Parameters) -> Iterator[Executor]:
    """Processes other than this one, however few: what happens to them does not happen to the notebook."""
    if parameters.scheduler:
        with dask.client(parameters) as client:
            yield dask.dask_executor(client)
    else:
        pool = _Forks(parameters.worker_count) if seeds.known() else _Processes(parameters.worker_count)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def kept_open() -> Iterator[Door]:
    """A door like :func:`executor` for several steps: opened by the first of them, closed in the end.

    Their workers stay, and so do the children of those, with all that these have imported.
    """
    with contextlib.ExitStack() as stack:
        opened: list[Executor] = []

        def door(parameters: Parameters) -> AbstractContextManager[Executor]:
            if not opened:
                opened.append(stack.enter_context(executor(parameters)))
            return contextlib.nullcontext(opened[0])

        yield door


def map_unordered(
    pool: Executor, function: Callable[[Piece], Result], items: Iterable[Piece], *, ahead: int = 0
) -> Iterator[tuple[Piece, Result | BaseException]]:
    """Yield ``(item, result or exception)`` as they end, with at most ``ahead`` calls under way: memory stays flat.

    When a worker dies, what was under way is yielded with :class:`WorkerLost`, which is raised in the end.
    """
    ahead = ahead or getattr(pool, "ahead", 8)
    queue = iter(items)
    running: dict[Future[Result], Piece] = {}
    broken = stopped = False
    try:
        while True:
            for item in () if broken or stopped else islice(queue, ahead - len(running)):
                running[_submit(pool, function, item)] = item
            if not running:
                break
            try:
                done = wait_for(running, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:  # what has begun is let to its end, so that its results are not lost
                if stopped:
                    raise
                stopped = True
                running = {future: item for future, item in running.items() if not future.cancel()}
                continue
            for future in done:
                item = running.pop(future)
                error = CancelledError() if future.cancelled() else future.exception()
                if isinstance(error, BrokenExecutor | CancelledError):
                    broken = True
                    error = WorkerLost()
                yield item, future.result() if error is None else error
    finally:
        for future in running:
            future.cancel()
    if stopped:
        raise KeyboardInterrupt
    if broken:
        raise WorkerLost()


def each(
    parameters: Parameters,
    function: Callable[[Piece], Result],
    items: Collection[Piece],
    progress: Progress | None = None,
    doing: str = "",
    *,
    door: Door = executor,
) -> Iterator[tuple[Piece, Result]]:
    """``(item, function(item))`` for all ``items`` as they end, in workers; what a call raises ends it.

    ``doing``: what is told to ``progress``, free of header values. ``door``: :func:`executor`, :func:`threads`, or one
    that is :func:`kept_open`.
    """
    with executor(parameters, len(items)) if door is executor else door(parameters) as pool:
        for done, (item, result) in enumerate(map_unordered(pool, function, items), 1):
            if isinstance(result, BaseException):
                raise result
            yield item, result
            if progress:
                progress(done, len(items), doing)


def _submit(pool: Executor, function: Callable[[Piece], Result], item: Piece) -> Future[Result]:
    try:
        return pool.submit(function, item)
    except BrokenExecutor as error:
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


def map_surviving(
    parameters: Parameters,
    function: Callable[[Piece], Result],
    items: Iterable[Piece],
    split: Callable[[Piece], Iterable[Piece]],
) -> Iterator[tuple[Piece, Result | BaseException]]:
    """Like :func:`map_unordered` in workers of its own, and a worker that dies does not stop it.

    Whatever was under way then is ``split`` and tried again piece by piece, nothing beside it; a piece on which a
    worker dies again is yielded with :class:`WorkerLost`.
    """
    queue = _Queue(items)
    while queue:
        suspects: _Queue[Piece] = _Queue(())
        with workers(parameters) as pool, contextlib.suppress(WorkerLost):
            for item, result in map_unordered(pool, function, queue):
                if isinstance(result, WorkerLost) or dask.is_lost(result):
                    suspects.add(split(item))
                else:
                    yield item, result
        while suspects:
            with workers(parameters) as pool, contextlib.suppress(WorkerLost):
                for item, result in map_unordered(pool, function, suspects, ahead=1):
                    yield item, WorkerLost() if dask.is_lost(result) else result


class _Queue(Iterator[Piece]):
    """Items still to be taken; true while there are any."""

    def __init__(self, items: Iterable[Piece]) -> None:
        self._waiting: list[Piece] = []
        self._rest = iter(items)

    def add(self, items: Iterable[Piece]) -> None:
        self._waiting.extend(items)

    def __bool__(self) -> bool:
        self._waiting.extend([] if self._waiting else islice(self._rest, 1))
        return bool(self._waiting)

    def __next__(self) -> Piece:
        return self._waiting.pop(0) if self._waiting else next(self._rest)


# --- in a local worker ------------------------------------------------------------------------------------------------


def _begin_worker(memory: int, environment: Mapping[str, str] | None = None, door: socket.socket | None = None) -> None:
    """``environment``: what became known since the server of workers was started, such as a renewed credential.
    ``door``: of the process that the children of workers are forks of."""
    os.environ.update(environment or {})
    if door:
        seeds.use(door)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _take_memory(memory)


@cache
def _take_memory(memory: int) -> None:
    keep_memory()
    limit_memory(memory)


def _tried(
    memory: int, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[bool, Any]:
    """In a fork: what a function gives, or what it raises."""
    _take_memory(memory)
    try:
        return True, function(*args, **kwargs)
    except Exception as error:
        return False, error


def _end_with_parent() -> None:
    """A killed notebook leaves no worker behind that would write on beside the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_sentinels([parent.sentinel])
        os._exit(1)
