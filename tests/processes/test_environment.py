"""A process that keeps to itself."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions and signals as on POSIX systems")

CHILD = """
import os, sys, tempfile
from pathlib import Path
from chorus_nb.processes.environment import keep_within
from chorus_nb.processes.programs import scratch
keep_within(Path(sys.argv[1]))
handle, path = tempfile.mkstemp()
with scratch() as folder:
    print(Path(path).resolve(), Path(folder).resolve(), os.environ["MPLCONFIGDIR"], tempfile.gettempdir(), sep="\\n")
if len(sys.argv) > 2:
    os.kill(os.getpid(), 9)
"""


def places(local: Path, *arguments: str) -> list[Path]:
    done = subprocess.run([sys.executable, "-c", CHILD, str(local), *arguments], capture_output=True, text=True)
    assert done.returncode == (-9 if arguments else 0), done.stderr
    return [Path(line) for line in done.stdout.split()]


def test_temporary_files_and_caches_lie_below_local_and_are_gone_at_the_end(tmp_path: Path) -> None:
    temporary, folder, cache, _ = places(tmp_path)
    assert temporary.is_relative_to(tmp_path / "scratch") and folder.is_relative_to(tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []
    assert cache.is_relative_to(tmp_path) and stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = places(tmp_path, "and be killed")[0]
    assert killed.is_file()
    running = tmp_path / "scratch" / f"{socket.gethostname()}-{os.getpid()}"
    elsewhere = tmp_path / "scratch" / "another-machine-1"
    running.mkdir()
    elsewhere.mkdir()
    places(tmp_path)
    assert not killed.exists()
    assert running.is_dir() and elsewhere.is_dir(), "their processes may still run"


def test_a_long_path_has_a_short_name_for_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 20) / "local"
    temporary, *_, short = places(deep)
    assert temporary.is_relative_to(deep / "scratch")
    assert len(str(short)) <= 60 and not short.is_symlink(), "the link is gone with the process"


def test_libraries_are_told_not_to_report_home_before_they_are_imported() -> None:
    code = "import chorus_nb, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "1\n"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the state of a process is read from /proc")
def test_a_process_that_ended_does_not_run_though_nobody_asked_for_its_end(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    while not Path(f"/proc/{ended.pid}/stat").read_text().partition(") ")[2].startswith("Z"):
        pass
    left = tmp_path / "scratch" / f"{socket.gethostname()}-{ended.pid}"
    left.mkdir(parents=True)
    places(tmp_path)
    assert not left.exists()
    ended.wait()


def test_a_process_that_dies_leaves_no_picture_of_its_memory() -> None:
    """Nor does a child of it, such as a decoder: the limit is inherited."""
    asked = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    child = f"import chorus_nb, subprocess, sys; subprocess.run([sys.executable, '-c', {asked!r}])"
    done = subprocess.run(
        [
            "sh",
            "-c",
            'ulimit -c unlimited 2>/dev/null || ulimit -c "$(ulimit -Hc)"; exec "$0" -c "$1"',
            sys.executable,
            child,
        ],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "0", done.stderr
