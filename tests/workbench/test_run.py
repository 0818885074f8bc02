"""The runner, on notebooks of a few cells: progress, failure, withheld reports."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from chorus_nb import explore, seeds
from chorus_nb.errors import InputError
from chorus_nb.workbench import audit, check, execution, kernel, nursery, run, terminal
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.jupyter import papermill
from chorus_nb.workbench.printing import PRINTED
from chorus_nb.workbench.report import Outcome
from chorus_nb.workbench.steps import STEPS
from chorus_nb.workspace import Workspace

PARAMETERS = new_code_cell('site: str = "demo"', id="parameters", metadata={"tags": ["parameters"]})


def notebook(folder: Path, name: str, *cells: str) -> Path:
    made = new_notebook(cells=[new_markdown_cell("# Title\n\nA test.", id="title"), PARAMETERS])
    made.cells += [new_code_cell(source, id=f"cell-{number}") for number, source in enumerate(cells)]
    made.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / f"{name}.ipynb"
    nbformat.write(made, path)
    return path


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(run, "NOTEBOOKS", folder)
    return folder


def test_progress_of_a_cell_reaches_the_runner_and_parameters_reach_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a folder is called in braces, which papermill takes for a parameter. It is written when it begins and
    when it has ended, not twice a cell."""
    folder = tmp_path / "export {2024}"
    folder.mkdir()
    path = notebook(
        folder,
        "one",
        "from chorus_nb.display import Meter\nmeter = Meter(every=0)",
        "for done in range(1, 4):\n    meter(done, 3, f'reading at {site}')",
    )
    heard: list[tuple[int, int, str]] = []
    executed, written = folder / "out.ipynb", list[str]()
    monkeypatch.setattr(kernel, "SAVED_EVERY", 3600.0)
    write = papermill.engines.write_ipynb
    monkeypatch.setattr(papermill.engines, "write_ipynb", lambda *told: written.append(told[1]) or write(*told))
    kernel.execute(path, executed, {"site": "north"}, folder, lambda *step: heard.append(step))
    assert len(written) == 2
    assert heard == [(1, 3, "reading at north"), (2, 3, "reading at north"), (3, 3, "reading at north")]
    [output] = nbformat.read(executed, as_version=4).cells[-1].outputs
    assert "3 of 3" in output.data["text/html"], "one bar, updated in place"


def test_the_first_failure_ends_the_run_with_its_report_written(notebooks: Path, workspace: Workspace) -> None:
    notebook(notebooks, STEPS[0].name, "raise ValueError('QUILL^ADA')", "print('never')")
    notebook(notebooks, STEPS[1].name, "print('never')")
    ended = run.run_notebooks(workspace.parameters)
    assert list(ended) == [STEPS[0].name]
    assert ended[STEPS[0].name].status == "failed"
    assert "QUILL" not in " ".join(ended[STEPS[0].name].lines), "the terminal and the log are told no value"
    assert "The notebook stopped here" in STEPS[0].report(workspace).read_text(encoding="utf-8")
    assert audit.verify_chain(workspace) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each kernel is a new Python")
def test_kernels_of_a_run_are_forks_of_one_process_with_names_of_their_own(
    notebooks: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that process is gone the next kernel is a Python of its own."""
    told = f"open({str(workspace.local)!r} + '/told', 'a').write(f'{{os.getppid()}} {{\"left\" in globals()}}\\n')"
    for step in STEPS[:3]:
        notebook(notebooks, step.name, "import os", told, "left = 1")
    door = nursery.Nursery.fork

    def closed_at_the_third(self: nursery.Nursery, *request: Any) -> seeds.Forked:
        if len((workspace.local / "told").read_text().splitlines()) == 2:
            raise ChildProcessError
        return door(self, *request)

    (workspace.local / "told").touch()
    monkeypatch.setattr(nursery.Nursery, "fork", closed_at_the_third)
    with nursery.opened() as kernels:
        assert kernels
        there = kernels._process.pid
        run.run_notebooks(workspace.parameters, ["01", "02", "03"], kernels=kernels)
    lines = [line.split() for line in (workspace.local / "told").read_text().splitlines()]
    parents = [int(parent) for parent, _ in lines]
    assert parents == [there, there, os.getpid()]
    assert {left for _, left in lines} == {"False"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such process")
def test_a_run_that_cannot_begin_leaves_nothing_behind_that_imports_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a fork of the command where that is all that a process does, as here it is not."""
    made, forked = list[nursery.Nursery](), list[bool]()
    begin = nursery.Nursery.__init__

    def begun(self: nursery.Nursery, here: bool = False) -> None:
        forked.append(here)
        made.append(self)
        begin(self)  # a Python of its own: this process has threads

    monkeypatch.setattr(nursery.Nursery, "__init__", begun)
    (tmp_path / "wrong.yaml").write_text("sites: one too many\n")
    assert main(["run", str(tmp_path / "wrong.yaml")]) == InputError.exit_code
    assert not made
    named = "site: a\n" + "".join(f"{name}: {tmp_path / name}\n" for name in ("source", "omop", "lookup", "workspace"))
    (tmp_path / "missing.yaml").write_text(named)
    assert main(["run", str(tmp_path / "missing.yaml")]) == InputError.exit_code
    monkeypatch.setattr(sys, "argv", ["chorus-nb", "run", str(tmp_path / "missing.yaml")])
    assert main() == InputError.exit_code
    assert [one._process.returncode is None for one in made] == [False, False]
    assert forked == [False, True]


FORKED = """
import os, signal, sys
from chorus_nb.processes.supervised import Child
from chorus_nb.workbench.nursery import Nursery
signal.signal(signal.SIGTERM, signal.default_int_handler)
nursery = Nursery(here=True)
child = Child()
print(os.getpid(), nursery._process.pid, child.call(os.getppid), child.call(eval, "__import__('signal').getsignal(15)"))
parent = child.call(eval, f"open('/proc/{nursery._process.pid}/stat').read().split()[3]")
child.close()
nursery.close()
print(parent, os.path.exists(f"/proc/{nursery._process.pid}"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such process")
def test_a_command_forks_what_forks_for_it_and_sees_it_end() -> None:
    """What it forks takes signals as a new process does, and never comes to where the command goes on."""
    said = subprocess.run([sys.executable, "-c", FORKED], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    command, nursed, parent, handler, nursed_by, there = said
    assert (parent, nursed_by) == (nursed, command)
    assert (handler, there) == ("0", "False")


RUNS_A_NOTEBOOK = """
import sys
from pathlib import Path
from chorus_nb.workbench.kernel import execute
from chorus_nb.workbench.nursery import Nursery
folder = Path(sys.argv[1])
execute(folder / "01.ipynb", folder / "out.ipynb", {}, folder, print, print, Nursery(here=True))
"""
SEES_LATE = """
import os, time
sleep, time.sleep = time.sleep, lambda seconds: sleep(60)
sleep(1.1)
with open("pid", "w") as told:
    told.write(f"{os.getpid()}\\n")
sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each kernel is a new Python")
def test_a_kernel_ends_at_once_with_a_command_that_is_killed(tmp_path: Path) -> None:
    """By itself it looks once a second, or, as here, a minute."""
    notebook(tmp_path, "01", SEES_LATE)
    began = subprocess.Popen([sys.executable, "-c", RUNS_A_NOTEBOOK, str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        while not (tmp_path / "pid").is_file() or not (pid := (tmp_path / "pid").read_text()).endswith("\n"):
            assert began.poll() is None
            time.sleep(0.05)
        told = os.pidfd_open(int(pid))
    finally:
        began.kill()
        began.wait()
    ended = bool(select.select([told], [], [], 10)[0])
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(told, signal.SIGKILL)
    os.close(told)
    assert ended


FLUSHED_TOO_LATE = """
import atexit, sys, threading, time
from pathlib import Path
from ipykernel.kernelapp import IPKernelApp

def unlucky(told, stream, app):  # IPython empties its namespace before the kernel closes
    flush, reset, loop = stream.flush, app.reset_io, sys.stdout.pub_thread.io_loop
    closed = loop.close

    def late(self, current=threading.current_thread, sleep=time.sleep):
        sleep(0.6 if current().name == "Control" else 0)
        flush(self)

    stream.flush = late
    app.reset_io = lambda self, sleep=time.sleep: (sleep(0.2), reset(self))
    loop.close = lambda sleep=time.sleep, **options: (sleep(1), closed(**options))
    atexit.unregister(app.instance().close)
    atexit.register(told.touch)  # after it, as the last comes first
    atexit.register(app.instance().close)

unlucky(Path(TOLD), type(sys.stdout), IPKernelApp)
"""


CHILD = """
import atexit, subprocess, sys
from pathlib import Path
deaf = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", deaf], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
atexit.register(Path(TOLD).touch)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forks on Linux only")
@pytest.mark.parametrize(
    "cell", [FLUSHED_TOO_LATE, CHILD], ids=["its threads in another order", "a child that is deaf"]
)
def test_a_kernel_that_is_told_to_end_does_at_exit_what_it_has_to(
    cell: str, notebooks: Path, workspace: Workspace
) -> None:
    notebook(notebooks, STEPS[0].name, f"TOLD = {str(workspace.local / 'told')!r}", cell)
    assert run.run_notebooks(workspace.parameters, ["01"])[STEPS[0].name].status == "passed"
    assert (workspace.local / "told").exists()


def test_a_killed_notebook_is_reported(notebooks: Path, workspace: Workspace) -> None:
    notebook(notebooks, STEPS[0].name, "import os", "os._exit(9)")
    ended = run.run_notebooks(workspace.parameters, ["01"])
    assert ended[STEPS[0].name].status == "failed"
    assert "killed" in STEPS[0].report(workspace).read_text(encoding="utf-8")


def test_a_shareable_report_with_an_original_value_is_withheld(notebooks: Path, workspace: Workspace) -> None:
    explore.scan(workspace)
    step = STEPS[2]
    clean = "from chorus_nb.display import say\nsay('12 files released')"
    notebook(notebooks, step.name, clean)
    superseded = [workspace.reports_local / name for name in (f"{step.name}.html", PRINTED)]
    for one in superseded:
        one.write_text("a page that was withheld, and one of pages as they were, last month")
    assert run.run_notebooks(workspace.parameters, ["03"])[step.name].status == "passed"
    assert not any(one.exists() for one in superseded)
    assert "was searched" in (page := step.report(workspace).read_text()) or "were searched" in page
    leaking = (
        "import pandas as pd",
        f"catalog = pd.read_parquet({str(workspace.local / 'catalog.parquet')!r})",
        "from chorus_nb.display import say\nsay(f'last file: {catalog.StudyInstanceUID.max()}')",
    )
    notebook(notebooks, step.name, *leaking)
    ended = run.run_notebooks(workspace.parameters, ["03"])[step.name]
    assert ended == Outcome("withheld", ended.seconds, (execution.WITHHELD,))
    assert not step.report(workspace).exists(), "the earlier report is gone too: it is not of this run"
    kept = (workspace.reports_local / f"{step.name}.html").read_text(encoding="utf-8")
    assert '<span class="badge withheld">' in kept and "May be shared" not in kept


def test_a_shareable_report_that_could_not_be_searched_is_withheld(notebooks: Path, workspace: Workspace) -> None:
    notebook(notebooks, STEPS[2].name, "print('no catalog yet')")
    ended = run.run_notebooks(workspace.parameters, ["03"])[STEPS[2].name]
    assert (ended.status, ended.lines) == ("withheld", (execution.UNSEARCHED,))


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX systems")
@pytest.mark.parametrize(
    ("name", "cell"), [("SIGTERM", "time.sleep(60)"), ("SIGINT", "pass")], ids=["in a cell", "between"]
)
def test_a_run_that_is_told_to_stop_ends_within_seconds(
    notebooks: Path, workspace: Workspace, name: str, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between cells too: nbclient takes the signal there and forgets it."""
    monkeypatch.setattr(check, "check_inputs", lambda workspace: None)  # the signal is to come after it
    notebook(notebooks, STEPS[0].name, "import time", *[cell] * (400 if cell == "pass" else 3))
    notebook(notebooks, STEPS[1].name, "print('never')")
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    begun = threading.Timer(3, signal.raise_signal, [getattr(signal, name)])
    begun.start()
    try:
        ended = run.run_notebooks(workspace.parameters, ["01", "02"])
    finally:
        begun.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert [(outcome.status, outcome.seconds < 30) for outcome in ended.values()] == [("interrupted", True)]


def test_without_a_terminal_progress_is_a_line_and_all_is_in_the_log(
    notebooks: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN", {logging.INFO: 0.2, logging.WARNING: 0.2})
    meter = "from chorus_nb.display import Meter\nimport time\nmeter = Meter(every=0)"
    counting = "for n in range(9):\n    meter(n, 9, 'headers')\n    time.sleep(0.1)"
    notebook(notebooks, STEPS[0].name, meter, counting, "time.sleep(1)")
    run.run_notebooks(workspace.parameters, ["01"])
    said = capsys.readouterr().err
    assert 2 <= said.count("of 9 headers") < 9 and "passed" in said
    silent = [
        line for line in said.partition("of 9 headers")[2].splitlines() if re.search(r"Explore headers +at work", line)
    ]
    assert silent, "a cell that counts nothing"
    run.run_notebooks(workspace.parameters, ["01"], logging.WARNING)
    assert capsys.readouterr().err == "", "quiet: nothing failed"
    log = (workspace.local / "run.log").read_text()
    assert log.count("passed") == 2 and log.count("of 9 headers") >= 4


def test_a_failure_is_told_in_quiet_too_without_the_type_of_an_exception(
    notebooks: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook(notebooks, STEPS[0].name, "raise ValueError('QUILL^ADA')")
    run.run_notebooks(workspace.parameters, ["01"], logging.WARNING)
    said = capsys.readouterr().err
    assert "failed" in said and "unforeseen fault" in said
    assert "ValueError" not in said and "QUILL" not in said
