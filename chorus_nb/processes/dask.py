"""A Dask cluster as workers: every fault that can be known beforehand is one clear line before a file is touched."""

from __future__ import annotations

import contextlib
import platform
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chorus_nb.errors import InputError
from chorus_nb.memory import code_digest
from chorus_nb.parameters import Parameters
from chorus_nb.source import Source

if TYPE_CHECKING:
    from distributed import Client

ANSWER = 10  # seconds within which a scheduler answers
JOIN = 60  # seconds within which its first worker joins: a batch system takes its time


@contextlib.contextmanager
def client(parameters: Parameters) -> Iterator[Client]:
    """A client of the cluster, every worker of which was found fit."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("scheduler: Dask is not installed; pip install 'chorus-nb[cluster]'") from None
    address = parameters.scheduler
    try:
        connected = Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError, RuntimeError):
        raise InputError(f"scheduler: nothing answers at {address}") from None
    with connected:
        _check_workers(connected, parameters)
        yield connected


def dask_executor(connected: Client) -> Executor:
    """``concurrent.futures`` on the cluster; a lost worker's calls are given to another one by the scheduler."""
    pool: Any = connected.get_executor(pure=False)
    pool.ahead = max(32, 4 * sum(connected.nthreads().values()))
    return cast(Executor, pool)


def is_lost(result: object) -> bool:
    """Whether a call's result says that the workers it was given to died."""
    distributed = sys.modules.get("distributed")  # without it nothing came from a cluster
    return distributed is not None and isinstance(result, distributed.KilledWorker)


def check_cluster(parameters: Parameters) -> None:
    """:class:`InputError` unless the cluster named in ``scheduler`` can do the work ("" = none)."""
    if parameters.scheduler:
        with client(parameters):
            pass


def _check_workers(connected: Client, parameters: Parameters) -> None:
    try:
        connected.wait_for_workers(1, timeout=JOIN)
    except TimeoutError:
        raise InputError(f"scheduler: no worker has joined {parameters.scheduler} within {JOIN} s") from None
    places = parameters.open_source(), parameters.workspace_path
    answers = connected.run(worker_view, *places, on_error="return")
    own = worker_view(*places)
    lines = []
    for worker, answer in sorted(answers.items()):
        if isinstance(answer, BaseException):
            lines.append(f"scheduler: worker {worker} cannot run this package: install the same version there")
            continue
        for name in own:
            if answer.get(name) != own[name]:
                lines.append(f"scheduler: worker {worker} {_DIFFERS[name]}")
    if lines:
        raise InputError(*lines)


_DIFFERS = {
    "code": "has another version of chorus-nb",
    "python": "has another version of Python or pydicom",
    "source": "does not see the source folder, or sees another one",
    "workspace": "does not see the workspace folder",
}


def worker_view(source: Source, workspace: Path) -> dict[str, str]:
    """What a process sees: its code, the source and the workspace."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "code": code_digest(),
        "python": f"{python} {version('pydicom')}",
        "source": source.mark(),
        "workspace": str((workspace / "local").is_dir()),  # its listing may be stale on a network file system
    }
