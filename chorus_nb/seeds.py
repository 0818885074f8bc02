"""A process that has imported what others will need; they are forks of it, and begin in milliseconds.

Only on Linux: elsewhere a fork of a process that has such libraries loaded is not safe, and each imports for itself.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

LARGEST_REQUEST = 1 << 20  # bytes of a request: arguments, folder and environment of a process
MOST_HANDLES = 4  # open files that go with a request
LOADING = 120.0  # seconds it may take to import
CLOSING = 0.5  # seconds it may take to end
CHILDREN = "from chorus_nb.processes.supervised import be_their_parent; be_their_parent()"


class Seed:
    """That process, seen from those that it makes forks for.

    Several processes may share one: each request is one packet, answered where the packet says.
    """

    _process: subprocess.Popen[bytes] | Forked

    def __init__(self, program: str | Callable[[socket.socket], None], environment: Mapping[str, str]) -> None:
        """``program``: of Python; it calls :func:`fork_as_asked` with the socket whose number is its argument. Or a
        function that does: then it is a fork of this process."""
        door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST_REQUEST)
        self.door = door
        with theirs:
            if isinstance(program, str):
                self._process = _begun(program, theirs, environment)
            else:
                self._process = _split(program, door, theirs)

    def close(self, patience: float = CLOSING) -> None:
        """End it, once no process that knows it runs any more."""
        if self.door in _known:
            _known.remove(self.door)
        self.door.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:  # in the middle of an import
            self._process.kill()
            self._process.wait()
        if isinstance(self._process, Forked):  # this is its parent
            os.waitpid(self._process.pid, 0)


def _begun(program: str, theirs: socket.socket, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # libraries may quote headers there
        start_new_session=True,  # Ctrl-C is for the one that runs the notebooks
        env={**os.environ, "PYTHONPATH": import_path(), **environment},
    )


def _split(program: Callable[[socket.socket], None], door: socket.socket, theirs: socket.socket) -> Forked:
    """A fork of this process that does ``program`` and ends; it has what a new one would have."""
    if pid := os.fork():
        return Forked(pid)
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        door.close()  # or it would never see that nobody is left who could ask
        program(theirs)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    finally:
        os._exit(0)  # never back to where the other one goes on


_known: list[socket.socket] = []
"""The doors of those that this process can ask; it asks the last one."""
_one_at_a_time = threading.Lock()


def use(door: socket.socket) -> None:
    """From now on this process asks behind ``door``."""
    _known.append(door)


def door() -> socket.socket:
    """Of the process that this one, or what started it, asks for forks; begun where there is none, or none any more."""
    if sys.platform != "linux":
        raise OSError("no forks here")
    with _one_at_a_time:
        while _known and _is_gone(_known[-1]):
            _known.pop()
        if _known:
            return _known[-1]
        own = Seed(CHILDREN, {"OMP_NUM_THREADS": "1"})  # read when numpy is imported
        atexit.register(own.close)
        use(own.door)
        return own.door


def known() -> socket.socket | None:
    """That door, if there is one, for a process that this one starts."""
    return _known[-1] if _known else None


def _is_gone(door: socket.socket) -> bool:
    waiting = select.poll()
    waiting.register(door, 0)  # told whatever is asked for: that the other end is closed
    return bool(waiting.poll(0))


def import_path() -> str:
    """Where a new Python finds this package, also when it is not installed."""
    return os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])


def tell(door: socket.socket, kind: str, *arguments: object) -> None:
    """Have the process behind ``door`` do something itself."""
    door.sendall(json.dumps([kind, *arguments]).encode())


def fork(door: socket.socket, kind: str, *arguments: object, handles: Sequence[int]) -> Forked:
    """A fork of the process behind ``door``, given copies of ``handles``; ``OSError`` where there can be none."""
    answer, theirs = os.pipe()
    with open(answer, "rb") as told:
        try:
            socket.send_fds(door, [json.dumps([kind, *arguments]).encode()], [theirs, *handles])
        finally:
            os.close(theirs)
        if not select.select([told], [], [], LOADING)[0] or not (pid := told.read()):
            raise ChildProcessError("the process to fork is gone")
    return Forked(int(pid))


class Forked:
    """A process that is no child of this one, spoken to like ``subprocess.Popen``."""

    stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.stdin: BinaryIO | None = None
        self.stdout: BinaryIO | None = None
        self.returncode: int | None = None
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:  # it ended as soon as it was born
            self.returncode = 1

    def poll(self) -> int | None:
        """None while it runs, then 1: how it ended is told its parent only."""
        if self.returncode is None and self._ends_within(0):
            self.returncode = 1
            os.close(self._handle)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and not self._ends_within(timeout):
            raise subprocess.TimeoutExpired("fork", timeout or 0)
        return self.poll() or 1

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _ends_within(self, seconds: float | None) -> bool:
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        return bool(waiting.poll(None if seconds is None else 1000 * seconds))


# --- in that process --------------------------------------------------------------------------------------------------

_all_end_with: list[int] = []
"""In that process and in its forks: a handle of who began it."""


def fork_as_asked(
    door: socket.socket,
    forked: Mapping[str, Callable[..., None]],
    here: Mapping[str, Callable[..., object]],
    then: Callable[[], object] = lambda: None,
) -> None:
    """Do what is asked, ``here`` or in a fork, until nobody is left who could ask. Returns in each fork, too.

    ``then``: what is done each time there is a new fork.
    """
    _all_end_with.append(parent := os.pidfd_open(os.getppid()))
    while True:
        # forks hold the door, too: where who began this was killed, it must not go on for them, nor they with it
        if parent in select.select([door.fileno(), parent], [], [])[0]:
            return None
        request, handles, *_ = socket.recv_fds(door, LARGEST_REQUEST, MOST_HANDLES)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not request:
            return None
        kind, *arguments = json.loads(request)
        if kind in here:
            here[kind](*arguments)
            continue
        answer, *given = handles
        if not (pid := os.fork()):
            door.close()
            os.close(answer)
            for handle in given:
                os.set_inheritable(handle, False)
            return forked[kind](*arguments, *given)
        os.write(answer, str(pid).encode())
        for handle in handles:
            os.close(handle)
        then()


def wait_for_end(*pipes: int) -> None:
    """In a fork: until who began the process that it is a fork of has ended, or nobody can write to one of these."""
    waiting = select.poll()
    for pipe in pipes:
        waiting.register(pipe, 0)  # told whatever is asked for: that the other end is closed
    for handle in _all_end_with:
        waiting.register(handle, select.POLLIN)
    waiting.poll()


def import_all(*names: str) -> None:
    """Import these, as far as they can be."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.freeze()  # or the first collection in a fork copies every page


def become(folder: str, environment: Mapping[str, str]) -> None:
    """In a fork: what a new process has from the one that starts it."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # asked anew
