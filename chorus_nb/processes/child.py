"""Many pieces, each in a worker's supervised child (:mod:`chorus_nb.processes.supervised`), and few in one of this
process."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

from chorus_nb import seeds
from chorus_nb.errors import ChildFault
from chorus_nb.parameters import Parameters
from chorus_nb.processes.pool import Door, Here, Progress, each, executor
from chorus_nb.processes.supervised import CHILD_SECONDS, Answer, Child

Arguments = TypeVar("Arguments", bound=tuple[Any, ...])
KEPT_EVERY = 60  # seconds between two writes of what was found so far
FEW_PIECES = 3  # for which no worker starts: what a child imports before its first takes as long as three of them


def _supervised(
    function: Callable[..., Answer], seconds: float, arguments: tuple[Any, ...]
) -> tuple[Answer | ChildFault, float]:
    """In a worker: one call in the worker's child, and the seconds it took."""
    began = time.monotonic()
    try:
        return in_child(function, *arguments, seconds=seconds), time.monotonic() - began
    except ChildFault as fault:
        return fault, time.monotonic() - began


def each_in_child(
    parameters: Parameters,
    function: Callable[..., Answer],
    items: Collection[Arguments],
    progress: Progress | None = None,
    doing: str = "",
    *,
    seconds: float = CHILD_SECONDS,
    keep: Callable[[], None] = lambda: None,
    door: Door = executor,
) -> Iterator[tuple[Arguments, Answer | ChildFault, float]]:
    """``(item, function(*item), seconds)`` for all ``items``, each in a worker's supervised child.

    One bad file costs itself: its answer is a :class:`ChildFault`. ``keep`` writes down what was found so far: now and
    then, and when all is done or the run is interrupted.
    """
    kept = time.monotonic()
    if len(items) <= FEW_PIECES and parameters.worker_count > 1 and not parameters.scheduler:
        door = _here  # such as the looks at a series that changed, or the file that cannot be read and is tried again
    elif door is executor and items and not parameters.scheduler:
        with contextlib.suppress(OSError):
            seeds.door()  # the children of all workers are forks of one process
    try:
        call = partial(_supervised, function, seconds)
        for item, (answer, took) in each(parameters, call, items, progress, doing, door=door):
            yield item, answer, took
            if time.monotonic() - kept > KEPT_EVERY:
                keep()
                kept = time.monotonic()
    finally:
        keep()


@contextlib.contextmanager
def _here(parameters: Parameters) -> Iterator[Executor]:
    """A door to this process, for a few pieces; the child that they were done in ends with them, unless it is kept."""
    with one_child(parameters):
        yield Here()


@contextlib.contextmanager
def one_child(parameters: Parameters) -> Iterator[None]:
    """The child of this thread ends with this, and not before: few pieces of several steps are done in one.

    With ``workers: 1`` all are, and it stays as a worker would.
    """
    if parameters.worker_count == 1:
        yield
        return
    here = os.getpid(), threading.get_ident()
    _users[here] += 1
    try:
        yield
    finally:
        _users[here] -= 1
        if not _users[here] and (child := _children.pop(here, None)):
            child.close()


_children: dict[tuple[int, int], Child] = {}
_users = Counter[tuple[int, int]]()  # by thread: how many keep its child


def in_child(function: Callable[..., Answer], *args: Any, seconds: float = CHILD_SECONDS) -> Answer:
    """Run ``function`` in the supervised child of this thread (made at the first call, ended with the process): of two
    threads of a Dask worker that shared one, each could get the other's answer.

    :class:`ChildFault` when it raises, crashes, or takes more than ``seconds`` of work or the memory a child may have.
    """
    child = _children.get(here := (os.getpid(), threading.get_ident()))
    if child is None:
        child = _children[here] = Child()
        atexit.register(child.close)
    return child.call(function, *args, seconds=seconds)
