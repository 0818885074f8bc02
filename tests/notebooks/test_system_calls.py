"""What a whole run asks of the system: no connection, and nothing written but below its workspace."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from chorus_nb.workbench.jupyter import UNUSED
from tests.notebooks.finished_chain import ROOT, Chain, can_be_watched, watched

LIBRARY = re.compile(r"/site-packages/(\w+)/(?:__pycache__/)?__init__\.[^\"]*pyc?\"")
CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
WRITTEN_ASIDE = (
    re.compile(r"/dev/(null|tty)"),
    re.compile(r"/dev/shm/(sem\.|pym-).*"),  # semaphores between processes of one run
    re.compile(r".*/__pycache__(/.*)?"),  # bytecode beside modules
    re.compile(r"/tmp/chorus-[0-9a-f]{12}(/.*)?"),  # a short link to scratch in local/, for the names of sockets
)
"""What may be written outside the workspace, none of it from a header."""


@pytest.fixture(scope="module")
def calls(chain: Chain) -> list[tuple[str, str]]:
    """Name and arguments of every call that was watched."""
    if not chain.calls.is_file():
        pytest.skip("strace is not here, or may not watch")
    return read_calls(chain.calls)


def read_calls(file: Path) -> list[tuple[str, str]]:
    found = [CALL.match(line) for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    return [match.groups() for match in found if match]  # type: ignore[misc]


def outside_connections(calls: list[tuple[str, str]]) -> list[str]:
    """Connections, and doors opened to other machines."""
    asked = [text for name, text in calls if name in ("connect", "bind") and "AF_UNIX" not in text]
    here = re.compile(r"AF_NETLINK|127\.0\.0\.1|::1")
    return [text for text in asked if not here.search(text)]


def written(calls: list[tuple[str, str]]) -> Iterator[Path]:
    """Paths that were made or opened to be written."""
    for name, text in calls:
        if name in ("socket", "connect", "bind") or "= -1 " in text:
            continue
        if name == "openat" and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", text):
            continue
        yield from (ROOT / path for path in re.findall(r'"((?:[^"\\]|\\.)*)"', text))


def strangers(calls: list[tuple[str, str]], workspace: Path) -> set[str]:
    """Paths written that are neither below the workspace nor on the list."""
    others = {str(path) for path in written(calls) if not path.is_relative_to(workspace)}
    return {path for path in others if not any(pattern.fullmatch(path) for pattern in WRITTEN_ASIDE)}


def test_a_run_opens_no_connection(calls: list[tuple[str, str]]) -> None:
    assert any(name == "socket" for name, _ in calls), "kernels talk over sockets of this machine, so some were seen"
    assert outside_connections(calls) == []


def test_a_run_writes_nothing_but_below_its_workspace(chain: Chain, calls: list[tuple[str, str]]) -> None:
    link = {Path("/tmp") / path.name for path in written(calls) if path.parent == Path("/tmp")}
    assert len({path for path in written(calls) if path.is_relative_to(chain.workspace.root)}) > 100
    assert {
        path for path in strangers(calls, chain.workspace.root) if not path.startswith(tuple(map(str, link)))
    } == set()
    assert all(re.fullmatch(r"chorus-[0-9a-f]{12}", path.name) for path in link), "short names of folders in local/"


def test_a_run_loads_no_library_of_a_cloud_and_kernels_no_maker_of_pdf_but_where_one_is_made(
    calls: list[tuple[str, str]],
) -> None:
    """They take seconds of every start; papermill and jsonschema would load them where they are installed."""
    loaded = Counter(found[1] for _, text in calls if (found := LIBRARY.search(text)) and "= -1 " not in text)
    assert loaded["papermill"] and loaded["jsonschema"] and loaded["fpdf"] == 1
    assert [name for name in UNUSED if loaded[name]] == []


def test_what_is_not_on_the_list_is_seen() -> None:
    seen = [
        ("connect", '9, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.53")}, 16) = 0'),
        ("openat", 'AT_FDCWD, "/root/.cache/x.db", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 5'),
        ("openat", 'AT_FDCWD, "/usr/lib/x.so", O_RDONLY|O_CLOEXEC) = 5'),
    ]
    assert len(outside_connections(seen)) == 1
    assert strangers(seen, Path("/w")) == {"/root/.cache/x.db"}


def test_what_a_child_of_a_child_does_is_seen(tmp_path: Path) -> None:
    if not can_be_watched():
        pytest.skip("strace is not here, or may not watch")
    inside, outside = tmp_path / "workspace", tmp_path / "outside"
    inside.mkdir()
    does = f"""
import socket
for path in ({str(inside / "kept")!r}, {str(outside)!r}):
    open(path, "w").close()
with socket.socket() as one:
    one.settimeout(0.1)
    one.connect_ex(("192.0.2.1", 9))
"""
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {does!r}], check=True)"
    subprocess.run(watched([sys.executable, "-c", child], tmp_path / "calls"), check=True)
    seen = read_calls(tmp_path / "calls")
    assert strangers(seen, inside) == {str(outside)}
    assert len(outside_connections(seen)) == 1 and "192.0.2.1" in outside_connections(seen)[0]
