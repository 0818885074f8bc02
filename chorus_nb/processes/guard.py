"""A child process that can be killed: decoders and text detectors meet damaged and hostile files.

Whatever happens in there (a crash of native code, a loop without end, all memory taken), the caller gets a
:class:`Refused` with a short code and goes on with a fresh child.
"""

from __future__ import annotations

import atexit
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from chorus_nb.errors import WorkbenchError

Result = TypeVar("Result")
MEMORY = 6 << 30  # bytes a child may take: a 12-megapixel mammogram needs 2 GB, a long cine loop 3 GB
SECONDS = 300  # for one file; the slowest seen, a 300-frame colour cine, took 60


class Refused(WorkbenchError):
    """The child could not do it. ``code`` is ``timed_out``, ``crashed``, or the name of the exception raised there."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"the pixels of a file could not be processed ({code})")


class Guard:
    """Runs functions of this package in a child process of its own, one at a time."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def call(self, function: Callable[..., Result], *args: Any, seconds: float = SECONDS) -> Result:
        """``function(*args)`` in the child; :class:`Refused` when it raises, crashes or takes too long."""
        child = self._child or self._start()
        timer = threading.Timer(seconds, child.kill)
        timer.start()
        try:
            assert child.stdin and child.stdout
            pickle.dump((function, args), child.stdin, protocol=5)
            child.stdin.flush()
            good, value = pickle.load(child.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            self.close()
            raise Refused("timed_out" if timer.finished.is_set() else "crashed") from None
        except BaseException:  # interrupted: a late answer must not be taken for the next one
            self.close()
            raise
        finally:
            timer.cancel()
        if not good:
            raise Refused(value)
        result: Result = value
        return result

    def close(self) -> None:
        """End the child."""
        if self._child:
            self._child.kill()
            self._child.communicate()
        if self._folder:
            self._folder.cleanup()
        self._child = self._folder = None

    def _start(self) -> subprocess.Popen[bytes]:
        # what a codec writes to temporary files is identifiable: it stays in memory where the system offers that,
        # and goes with the child
        shared_memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=shared_memory if os.access(shared_memory, os.W_OK) else None)
        self._child = subprocess.Popen(
            [sys.executable, "-c", "from chorus_nb.processes.guard import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries quote header values and recognised text in their warnings
            env={**os.environ, "TMPDIR": self._folder.name, "OMP_NUM_THREADS": "1", "PYTHONPATH": _import_path()},
        )
        return self._child


def _import_path() -> str:
    """Where the child finds this package, also when it is not installed."""
    return os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])


def serve() -> None:
    """The child: answers calls from standard input on standard output until the input ends."""
    _limit_memory()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    while True:
        try:
            function, args = pickle.load(sys.stdin.buffer)
        except EOFError:  # the caller has ended, perhaps killed
            shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
            return
        try:
            answer = (True, function(*args))
        except MemoryError:
            answer = (False, "out_of_memory")
        except Exception as error:
            answer = (False, type(error).__name__)
        pickle.dump(answer, answers, protocol=5)
        answers.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit; time is limited all the same
        return
    _, most = resource.getrlimit(resource.RLIMIT_DATA)  # may be infinite, which counts as -1
    resource.setrlimit(resource.RLIMIT_DATA, (min(MEMORY, most) if most > 0 else MEMORY, most))


_guards: dict[int, Guard] = {}


def guarded(function: Callable[..., Result], *args: Any, seconds: float = SECONDS) -> Result:
    """Run ``function`` in the guarded child of this process (made at the first call, ended with the process)."""
    guard = _guards.get(os.getpid())
    if guard is None:
        guard = _guards[os.getpid()] = Guard()
        atexit.register(guard.close)
    return guard.call(function, *args, seconds=seconds)
