"""A process in which all that the notebooks import is imported once; each kernel is a fork of it.

Every notebook has a fresh namespace as ever, without the seconds in which a new Python imports what the last one had.
Only on Linux: elsewhere a fork of a process that has such libraries loaded is not safe, and kernels start as they did.
"""

from __future__ import annotations

import ast
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
from collections.abc import Iterable, Iterator
from pathlib import Path

LARGEST_REQUEST = 1 << 20  # bytes of a request: arguments, folder and environment of a kernel
LOADING = 120.0  # seconds it may take to import
CLOSING = 0.5  # seconds it may take to end
FLUSHING = 0.2  # seconds a kernel waits until what it printed is on its way; nothing is lost if that takes longer
WARM_FIRST = (
    *("ipykernel.kernelapp", "ipykernel.debugger", "IPython.core.debugger", "IPython.extensions.storemagic"),
    *("IPython.core.completerlib", "IPython.core.logger", "IPython.core.oinspect", "tornado.platform.asyncio"),
    *("traitlets.config.argcomplete_config", "argcomplete"),
    *("chorus_nb.tables", "chorus_nb.explore"),
)
"""What every kernel imports beside that, some of it within functions, and what writes nothing when it is imported."""
WARM_THEN = "matplotlib.backends.backend_agg", "matplotlib.pyplot"
"""The same of what keeps a cache: where, is known when the parameters are."""


class Nursery:
    """That process, seen from the one that runs the notebooks."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST_REQUEST)
        self._door.settimeout(LOADING)
        self._told = False
        found = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        command = [
            sys.executable,
            "-P",
            "-c",
            "from chorus_nb.workbench.nursery import fork_when_asked; fork_when_asked()",
        ]
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libraries may quote headers there
                start_new_session=True,  # Ctrl-C is for the one that runs the notebooks
                env={**os.environ, "PYTHONPATH": os.pathsep.join(found)},
            )

    def prepare(self, notebooks: Iterable[Path]) -> None:
        """Have it import what kernels of these notebooks need, where this process keeps its caches."""
        with contextlib.suppress(OSError):  # it is gone: there will be no fork either
            self._door.send(json.dumps([list(map(str, notebooks)), dict(os.environ)]).encode())
            self._told = True

    def fork(self, arguments: list[str], folder: Path, environment: dict[str, str], stderr: int) -> Forked:
        """A kernel with these ``arguments``; ``OSError`` where there can be none."""
        socket.send_fds(self._door, [json.dumps([arguments, str(folder), environment]).encode()], [stderr])
        if not (answer := self._door.recv(64)):
            raise ChildProcessError("the nursery is gone")
        return Forked(int(answer))

    def close(self) -> None:
        """End it, once no kernel of it runs any more."""
        self._door.close()
        try:
            self._process.wait(CLOSING if self._told else 0)
        except subprocess.TimeoutExpired:  # in the middle of an import
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def opened() -> Iterator[Nursery | None]:
    """A nursery, where there can be one; returns at once, while it imports."""
    if sys.platform != "linux":
        yield None
        return
    nursery = Nursery()
    try:
        yield nursery
    finally:
        nursery.close()


class Forked:
    """A process that is no child of this one, spoken to like ``subprocess.Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
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
            raise subprocess.TimeoutExpired("kernel", timeout or 0)
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


# --- in the nursery ---------------------------------------------------------------------------------------------------


def fork_when_asked() -> None:
    """Import what the first notebook needs, then fork whenever asked, until the door is closed; what the others need
    is imported while the first is at work."""
    atexit.register(os._exit, 0)  # comes last: no time to take apart what was imported, here and in each kernel
    door = socket.socket(fileno=int(sys.argv[1]))
    os.environ["JPY_PARENT_PID"] = here = str(os.getpid())  # read when ipykernel is imported: a kernel ends with it
    os.umask(0o077)
    _import(WARM_FIRST)
    if not (told := door.recv(LARGEST_REQUEST)):
        return None
    (first, *later), environment = json.loads(told)
    os.environ.update({**environment, "JPY_PARENT_PID": here})
    _import(WARM_THEN)
    _import_for([first])
    while True:
        request, handles, *_ = socket.recv_fds(door, LARGEST_REQUEST, 1)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not request:
            return None
        if not (pid := os.fork()):
            door.close()
            return _be_kernel(*json.loads(request), *handles)
        os.close(*handles)
        door.send(str(pid).encode())
        if later:
            _import_later(later)
            later = []


def _import(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _import_for(notebooks: list[str]) -> None:
    """Import what these notebooks need, whatever is wrong with one: its kernel will say so."""
    for notebook in notebooks:
        with contextlib.suppress(Exception):
            _import_what(Path(notebook))
    gc.collect()
    gc.freeze()  # or the first collection in a kernel copies every page


def _import_later(notebooks: list[str]) -> None:
    """The same of the others, and what the first needs least: the words of the Standard, for each search of names."""
    with contextlib.suppress(Exception):
        importlib.import_module("chorus_nb.leaks.terms").vocabulary()
    _import_for(notebooks)


def _import_what(notebook: Path) -> None:
    """Import what the cells of ``notebook`` import."""
    cells = json.loads(notebook.read_bytes())["cells"]
    sources = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for line in (node for source in sources for node in ast.parse(source).body):
        if isinstance(line, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([line], []), str(notebook), "exec"), {})


def _be_kernel(arguments: list[str], folder: str, environment: dict[str, str], stderr: int) -> None:
    """In the fork: a kernel as ``python -m ipykernel_launcher`` makes it, that ends when it is told to.

    By itself (ipykernel 7.4) it waits for its children first, also for those that end with it and take no signal before
    (multiprocessing's tracker) or have ended already; and a thread of it may flush into another that has just stopped,
    and wait ten seconds. Such a kernel was ended by a signal, 2.5 seconds late and without what is done at exit.
    """
    from ipykernel.iostream import OutStream
    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp

    class Kernel(IPythonKernel):
        async def _progressively_terminate_all_children(self) -> None:
            """Each of them ends when its pipe to the kernel does, as where the kernel is killed."""

    OutStream.flush_timeout = FLUSHING  # type: ignore[assignment]  # of an Event.wait
    os.setsid()
    os.dup2(stderr, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["ipykernel_launcher", *arguments]
    IPKernelApp.launch_instance(kernel_class=Kernel)
