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
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from chorus_nb import seeds

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
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


class Nursery(seeds.Seed):
    """That process, seen from the one that runs the notebooks."""

    def __init__(self, here: bool = False) -> None:
        """``here``: a fork of this process, which began as :func:`one_thread` and imported what both need."""
        program = "from chorus_nb.workbench.nursery import fork_when_asked; fork_when_asked()"
        super().__init__(fork_when_asked if here else program, ONE_THREAD)
        self._told = False
        seeds.use(self.door)  # the pages of series are made by this process: for their children

    def prepare(self, notebooks: Iterable[Path]) -> None:
        """Have it import what kernels of these notebooks need, where this process keeps its caches."""
        with contextlib.suppress(OSError):  # it is gone: there will be no fork either
            seeds.tell(self.door, "prepare", list(map(str, notebooks)), dict(os.environ))
            self._told = True

    def fork(self, arguments: list[str], folder: Path, environment: dict[str, str], stderr: int) -> seeds.Forked:
        """A kernel with these ``arguments``; ``OSError`` where there can be none."""
        handles = [stderr, self.door.fileno()]
        return seeds.fork(self.door, "kernel", arguments, str(folder), environment, handles=handles)

    def close(self, patience: float = seeds.CLOSING) -> None:
        super().close(patience if self._told else 0)


@contextlib.contextmanager
def opened(here: bool = False) -> Iterator[Nursery | None]:
    """A nursery, where there can be one; returns at once, while it imports."""
    if sys.platform != "linux":
        yield None
        return
    nursery = Nursery(here)
    try:
        yield nursery
    finally:
        nursery.close()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """What is imported in this does its sums in one thread, here and in the forks of this process."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})


# --- in the nursery ---------------------------------------------------------------------------------------------------


def fork_when_asked(door: socket.socket | None = None) -> None:
    """Import what the first notebook needs, then fork whenever asked, until nobody is left who could ask; what the
    others need is imported while the first is at work."""
    atexit.register(os._exit, 0)  # comes last: no time to take apart what was imported, here and in each kernel
    os.environ["JPY_PARENT_PID"] = number = str(os.getpid())  # read when ipykernel is imported: a kernel ends with it
    os.umask(0o077)
    seeds.import_all(*WARM_FIRST)
    later: list[str] = []

    def prepare(notebooks: list[str], environment: dict[str, str]) -> None:
        os.environ.update({**environment, **ONE_THREAD, "JPY_PARENT_PID": number})
        seeds.import_all(*WARM_THEN)
        _import_for(notebooks[:1])
        later[:] = notebooks[1:]

    def go_on() -> None:
        if later:
            _import_later(later)
            later.clear()

    from chorus_nb.processes.supervised import serve_as

    here: dict[str, Callable[..., object]] = {"prepare": prepare, "import": seeds.import_all}
    if not sys.flags.safe_path:  # nothing is imported from where the command was given
        sys.path[0] = str(Path(__file__).parents[2])
    door = door or socket.socket(fileno=int(sys.argv[1]))
    seeds.fork_as_asked(door, {"kernel": _be_kernel, "child": serve_as}, here, go_on)


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


def _be_kernel(arguments: list[str], folder: str, environment: dict[str, str], stderr: int, door: int) -> None:
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
    seeds.become(folder, environment)
    seeds.use(socket.socket(fileno=door))
    threading.Thread(target=_end_with_command, daemon=True).start()
    sys.argv = ["ipykernel_launcher", *arguments]
    IPKernelApp.launch_instance(kernel_class=Kernel, ignore_cwd=True)


def _end_with_command() -> None:
    """By itself a kernel looks once a second whether what it is a fork of is there: time for hundreds of files."""
    seeds.wait_for_end()
    os._exit(1)
