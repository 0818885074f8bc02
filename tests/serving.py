"""Servers for tests: a program in a group of its own on a loopback port, waited for no longer than SECONDS."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom
from typing import Any

SECONDS = 60  # a server may take to answer on a busy machine
SECONDS_TO_END = 10
TOLD = 2000  # characters of its log in the failure of one that does not answer


@contextmanager
def serving(command: Sequence[object], port: int, log: Path, **options: Any) -> Iterator[None]:
    """The program, answering on ``port``, ended with all that it started; one that answers not fails with its log."""
    with log.open("wb") as said:
        program = [str(part) for part in command]
        server = subprocess.Popen(
            program, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, **options
        )
    try:
        _wait(server, port, log)
        yield
    finally:
        _end(server)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    last = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < last:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    ended = "does not answer" if server.poll() is None else f"ended with {server.returncode}"
    raise AssertionError(f"{Path(str(server.args[0])).name} {ended}: ...{log.read_text(errors='replace')[-TOLD:]}")


def _end(server: subprocess.Popen[bytes]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        with suppress(subprocess.TimeoutExpired):
            server.wait(SECONDS_TO_END)


def free_port() -> int:
    """A port that nothing listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """As many ports, each another; none of those that the system gives to whoever asks for any."""
    found: list[int] = []
    for port in SystemRandom().sample(range(20_000, 32_000), 1_000):
        with suppress(OSError), socket.create_server(("", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError("no port is free")
