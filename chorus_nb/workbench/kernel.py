"""How a notebook is executed: papermill in this process, a fresh kernel of this very Python, progress passed on."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.utils import run_sync
from traitlets import Any as AnyTrait

from chorus_nb.display import PROGRESS
from chorus_nb.processes import Progress
from chorus_nb.workbench.jupyter import (
    DeadKernelError,
    Engine,
    NotebookExecutionManager,
    PapermillExecutionError,
    PapermillNotebookClient,
    papermill,
    papermill_engines,
)
from chorus_nb.workbench.notebook import SESSION
from chorus_nb.workbench.nursery import Nursery

GRACE = 3.0  # seconds a kernel has to end its cell when it is told to stop
ASKED_EVERY = 0.01  # seconds between two looks whether a kernel that was told to end has ended
SAVED_EVERY = 10.0  # seconds between two copies of a notebook that is at work; the last is made when it has ended


class _Client(PapermillNotebookClient):
    """Passes on the progress that ``display.Meter`` sends along with its bar; begins no cell once it is to stop."""

    on_progress = AnyTrait()
    stop = AnyTrait()

    async def async_execute_cell(self, *arguments: Any, **options: Any) -> Any:
        if self.stop.is_set():
            raise DeadKernelError
        return await super().async_execute_cell(*arguments, **options)

    execute_cell = run_sync(async_execute_cell)

    def process_message(self, *arguments: Any, **options: Any) -> Any:
        message = arguments[0] if arguments else options["msg"]
        if step := message["content"].get("metadata", {}).get(PROGRESS):
            self.on_progress(step["done"], step["total"], step["text"])
        return super().process_message(*arguments, **options)


class _Spoken(AsyncKernelClient):
    """Takes a kernel for ready when it says that it is idle. By itself it then listens on until nothing comes for a
    fifth of a second, in each notebook; what would come is the answer to no cell, and nbclient passes it over."""

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        deadline = time.monotonic() + (timeout or float("inf"))
        while time.monotonic() < deadline and await self._async_is_alive():
            self.kernel_info()
            with contextlib.suppress(Empty):  # it is not there yet, or not connected: asked again
                reply = await self.shell_channel.get_msg(timeout=1)
                if reply["msg_type"] == "kernel_info_reply" and await self._says_idle():
                    self._handle_kernel_info_reply(reply)
                    return
        raise RuntimeError("the kernel did not answer")

    wait_for_ready = _async_wait_for_ready

    async def _says_idle(self) -> bool:
        while (await self.iopub_channel.get_msg(timeout=1))["content"].get("execution_state") != "idle":
            pass
        return True


class _Manager(AsyncKernelManager):
    async def _async_wait(self, pollinterval: float = ASKED_EVERY) -> None:
        """By itself it looks ten times a second, and each notebook's end waits for that."""
        await super()._async_wait(min(pollinterval, ASKED_EVERY))


class _FromNursery(LocalProvisioner):
    """Kernels that are forks of a process which has imported what they need."""

    nursery = AnyTrait()

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        try:
            self.process = self.nursery.fork(arguments, Path.cwd(), options["env"], options["stderr"].fileno())
        except OSError:  # it is gone: a kernel as anywhere else
            return await super().launch_kernel(cmd, **options)
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class _Engine(Engine):
    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        on_progress: Progress,
        km: Any,
        log: Any,
        stop: threading.Event,
        **_: Any,
    ) -> None:
        client = _Client(
            nb_man,
            km=km,
            on_progress=on_progress,
            stop=stop,
            timeout=None,
            startup_timeout=120,
            store_widget_state=False,  # it would hold the raw bytes of every image shown
            coalesce_streams=True,
        )
        client.owns_km = True  # or nbclient leaves the kernel running until this process ends
        with _saved_now_and_then(nb_man):
            client.execute(stderr=log)  # what libraries write there may quote headers: never to the terminal


@contextlib.contextmanager
def _saved_now_and_then(notebook: NotebookExecutionManager) -> Iterator[None]:
    """Papermill writes all of a notebook, pictures and all, before each cell and behind it: a quarter of what this
    process does in a run with nothing new. Of what a kill leaves only the cells of the last seconds are missing."""
    save, saved = notebook.save, time.monotonic()

    def save_if_due(**options: Any) -> None:
        nonlocal saved
        if time.monotonic() - saved >= SAVED_EVERY:
            save(**options)
            saved = time.monotonic()

    notebook.save = save_if_due
    try:
        yield
    finally:
        notebook.save = save  # papermill saves once more when it has ended, however that was


papermill_engines.register("chorus", _Engine)
logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of parameters a notebook does not use: normal here


def _literally(path: Path) -> str:
    """A path as papermill takes it, which fills in parameters where it finds braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def execute(
    notebook: Path,
    executed: Path,
    values: dict[str, Any],
    folder: Path,
    on_progress: Progress,
    on_wait: Callable[[], None] = lambda: None,
    nursery: Nursery | None = None,
) -> None:
    """Run ``notebook`` with the parameters ``values`` in ``folder`` into ``executed``, which also holds what failed.

    ``on_wait`` is called several times a second while it runs. ``nursery``: what its kernel is a fork of, if anything.

    :class:`KeyboardInterrupt` when this process is told to stop, at whatever moment, once the kernel is gone. The
    kernel is spoken to by another thread: in this one nbclient would take the signals, and forget them between cells.
    """
    os.environ.pop(SESSION, None)  # asked for in a cell of a notebook: this kernel belongs to another file
    stop, managers = threading.Event(), list[AsyncKernelManager]()

    def executing() -> None:
        with (
            _kernel_manager(nursery) as manager,
            open(executed.with_suffix(".log"), "wb") as log,
            contextlib.suppress(PapermillExecutionError),
        ):
            managers.append(manager)
            papermill.execute_notebook(
                _literally(notebook),
                _literally(executed),
                values,
                engine_name="chorus",
                cwd=folder,
                progress_bar=False,
                km=manager,
                on_progress=on_progress,
                log=log,
                stop=stop,
            )

    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(executing)
        try:
            while not run.done():
                wait([run], timeout=0.2)
                on_wait()
        except KeyboardInterrupt:
            stop.set()
            _end(managers, run)
            raise
        run.result()


def _end(managers: list[AsyncKernelManager], run: Future[None]) -> None:
    """Interrupt the kernel, and kill it where that does not help; one that is just being started too."""
    deadline, told = time.monotonic() + GRACE, False
    while not run.done():
        process = getattr(managers[0].provisioner, "process", None) if managers else None
        if process and process.poll() is None:
            if time.monotonic() > deadline or os.name != "posix":
                process.kill()
            elif not told:
                process.send_signal(signal.SIGINT)
                told = True
        with contextlib.suppress(KeyboardInterrupt):  # told again: it is on its way
            wait([run], timeout=0.2)


@contextlib.contextmanager
def _kernel_manager(nursery: Nursery | None) -> Iterator[AsyncKernelManager]:
    """A manager of a kernel in this Python, whatever kernels a user has installed; no open port where possible."""
    specs = KernelSpecManager(kernel_dirs=[])
    with tempfile.TemporaryDirectory(prefix="chorus-") as folder:
        connection = {"connection_file": str(Path(folder, "kernel.json"))}
        if os.name == "posix":
            connection["transport"] = "ipc"
        manager = _Manager(kernel_name="python3", kernel_spec_manager=specs, **connection)
        manager.client_factory = _Spoken
        if nursery:
            manager.provisioner = _FromNursery(kernel_spec=manager.kernel_spec, parent=manager, nursery=nursery)
        yield manager
