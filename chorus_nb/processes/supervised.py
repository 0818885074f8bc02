"""A child process that can be killed: decoders and text detectors meet damaged and hostile files.

Whatever happens in there (a crash of native code, a loop without end, all memory taken), the caller gets a
:class:`ChildFault` with a short code and goes on with a fresh child.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import pickle
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import psutil

from chorus_nb import seeds
from chorus_nb.errors import ChildFault
from chorus_nb.processes.programs import scratch

Answer = TypeVar("Answer")
CHILD_MEMORY = 6 << 30  # bytes a child may take: a 12-megapixel mammogram needs 2 GB, a long cine loop 3 GB
CHILD_SECONDS = 300  # for one file; the slowest seen, a 300-frame colour cine, took 60
STANDS_STILL = 0.02  # of a core: a child that uses less waits for what does not come

Process = subprocess.Popen[bytes] | seeds.Forked


class Child:
    """Runs functions of this package in a child process of its own, one at a time."""

    def __init__(self, module: str = "") -> None:
        """``module``: where stands what it will be asked for, if that is not the function itself."""
        self._module = module
        self._child: Process | None = None
        self._folder: TemporaryDirectory[str] | None = None

    def call(self, function: Callable[..., Answer], *args: Any, seconds: float = CHILD_SECONDS) -> Answer:
        """``function(*args)`` in the child; :class:`ChildFault` when it raises, crashes or takes too long.

        ``seconds``: of work. Where others are at work too more time may pass, unless the child stands still.
        """
        if self._child and self._child.poll() is not None:
            self.close()  # somebody killed it while it had nothing to do
        child = self._child or self._start(function)
        answered, killed = threading.Event(), threading.Event()
        watch = threading.Thread(target=_watch, args=(child, seconds, answered, killed), daemon=True)
        watch.start()
        try:
            assert child.stdin and child.stdout
            pickle.dump((function, args), child.stdin, protocol=5)
            child.stdin.flush()
            good, value = pickle.load(child.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            self.close()
            raise ChildFault("timed_out" if killed.is_set() else "crashed") from None
        except BaseException:  # interrupted: a late answer must not be taken for the next one
            self.close()
            raise
        finally:
            answered.set()
            watch.join()  # or it might end the next call
        if killed.is_set():  # just when it had answered
            self.close()
        if not good:
            raise ChildFault(value)
        result: Answer = value
        return result

    def close(self) -> None:
        """End the child."""
        if self._child:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                with contextlib.suppress(OSError):  # what was to be sent is not
                    pipe.close()  # type: ignore[union-attr]  # both are pipes
        if self._folder:
            self._folder.cleanup()
        self._child = self._folder = None

    def _start(self, function: Callable[..., Any]) -> Process:
        """A fork of a process that has imported where ``function`` stands; elsewhere a new Python that does."""
        self._folder = scratch()  # what a codec writes to temporary files goes with the child
        environment = {**os.environ, "TMPDIR": self._folder.name, "OMP_NUM_THREADS": "1"}
        try:
            self._child = _forked(environment, self._module or function.__module__)
        except OSError:
            self._child = subprocess.Popen(
                [sys.executable, "-c", "from chorus_nb.processes.supervised import serve; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libraries quote header values and recognised text in their warnings
                env={**environment, "PYTHONPATH": seeds.import_path()},
            )
        return self._child


def _forked(environment: dict[str, str], module: str) -> seeds.Forked:
    door = seeds.door()
    if module.startswith("chorus_nb."):
        seeds.tell(door, "import", module)
    theirs_in, ours_in = os.pipe()
    ours_out, theirs_out = os.pipe()
    try:
        handles = [theirs_in, theirs_out, door.fileno()]
        made = seeds.fork(door, "child", str(Path.cwd()), environment, handles=handles)
    except BaseException:
        os.close(ours_in)
        os.close(ours_out)
        raise
    finally:
        os.close(theirs_in)
        os.close(theirs_out)
    made.stdin, made.stdout = os.fdopen(ours_in, "wb"), os.fdopen(ours_out, "rb")
    return made


def _watch(child: Process, seconds: float, answered: threading.Event, killed: threading.Event) -> None:
    """In a thread: end ``child`` when ``seconds`` have passed and it has worked as long, or stands still."""
    begun = worked = _worked(child)
    wait = seconds
    while not answered.wait(wait):
        before, worked = worked, _worked(child)
        left = seconds - (worked - begun)
        if left <= 0 or worked - before < STANDS_STILL * wait:
            killed.set()
            child.kill()
            return
        wait = max(left, seconds / 10)


def _worked(child: Process) -> float:
    """Seconds of CPU time of a child; none where it has ended."""
    try:
        times = psutil.Process(child.pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


# --- in the child -----------------------------------------------------------------------------------------------------


def serve() -> None:
    """The child: answers calls from standard input on standard output until the input ends."""
    limit_memory(CHILD_MEMORY)
    threading.Thread(target=_end_with_caller, daemon=True).start()
    asked, answers = os.fdopen(0, "rb", closefd=False), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    while True:
        try:
            function, args = pickle.load(asked)
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


def _end_with_caller() -> None:
    """What a killed notebook had under way does not write on beside the next run, nor what a killed command had."""
    if os.name == "posix":
        seeds.wait_for_end(0)
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
        os._exit(1)


def be_their_parent() -> None:
    """The process that children are forks of, for what runs without a nursery (:mod:`chorus_nb.workbench.nursery`)."""
    atexit.register(os._exit, 0)  # comes last: no time to take apart what was imported
    seeds.fork_as_asked(socket.socket(fileno=int(sys.argv[1])), {"child": serve_as}, {"import": seeds.import_all})


def serve_as(folder: str, environment: dict[str, str], asked: int, answers: int, door: int) -> None:
    """:func:`serve` in a fork, whose own children are forks of the same process."""
    seeds.become(folder, environment)
    seeds.use(socket.socket(fileno=door))
    for handle, standard in ((asked, 0), (answers, 1)):
        os.dup2(handle, standard)
        os.close(handle)
    serve()


def limit_memory(memory: int) -> None:
    """No more than ``memory`` bytes for this process; Windows has no such limit."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)  # may be infinite, which counts as -1
        resource.setrlimit(resource.RLIMIT_DATA, (min(memory, most) if most > 0 else memory, most))


def keep_memory() -> None:
    """Let glibc keep freed memory for the next file: taking it anew, page by page, costs 0.2 ms per CT slice."""
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(trim_threshold, 64 << 20)
        mallopt(mmap_threshold, 32 << 20)
