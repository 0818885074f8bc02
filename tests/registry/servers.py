"""A real PostgreSQL and a real MariaDB, each started as an ordinary user with its own data folder and loopback port."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.serving import SECONDS, free_port, serving

PASSWORD = "open-sesame"  # of servers that live for one test run


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, by the user who owns it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    programs = found[0] if found else None
    if programs is None:
        pytest.skip("not run: no PostgreSQL server on this machine (Debian package postgresql)")
    with _home() as (home, user):
        port = free_port()
        secret = home / "password"
        secret.write_text(PASSWORD)
        _give(home, user)
        options = ["--username=owner", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--no-sync"]
        _run([programs / "initdb", "-D", home / "data", *options], user)
        settings = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"]
        command = [programs / "postgres", "-D", home / "data", "-k", home, "-p", str(port), *settings]
        with serving(command, port, home / "log", cwd="/", **_as(user)):
            url = f"postgresql+psycopg://owner:{PASSWORD}@127.0.0.1:{port}/postgres"
            _wait(url)
            yield url


@contextmanager
def mariadb() -> Iterator[str]:
    """The URL of an empty MariaDB database, by the user who owns it."""
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd", path="/usr/sbin:/usr/bin")
    if not install or not server:
        pytest.skip("not run: no MariaDB server on this machine (Debian package mariadb-server)")
    with _home() as (home, user):
        port = free_port()
        setup = home / "setup.sql"
        setup.write_text(
            f"CREATE DATABASE chorus;\nCREATE USER owner@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON chorus.* TO owner@'127.0.0.1' WITH GRANT OPTION;\n"
            "GRANT CREATE USER ON *.* TO owner@'127.0.0.1';\n"
        )
        _give(home, user)
        _run([install, "--no-defaults", f"--datadir={home / 'data'}", "--auth-root-authentication-method=normal"], user)
        options = [f"--datadir={home / 'data'}", f"--socket={home / 's'}", "--bind-address=127.0.0.1", f"--port={port}"]
        command = [server, "--no-defaults", *options, f"--init-file={setup}"]
        with serving(command, port, home / "log", cwd="/", **_as(user)):
            url = f"mysql+pymysql://owner:{PASSWORD}@127.0.0.1:{port}/chorus"
            _wait(url)
            yield url


@contextmanager
def _home() -> Iterator[tuple[Path, str]]:
    """A folder that the ordinary user can reach, and that user: neither server runs as root."""
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    home = Path(tempfile.mkdtemp(prefix="chorus-"))
    try:
        yield home, user
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _give(home: Path, user: str) -> None:
    for path in (home, *home.rglob("*")):
        shutil.chown(path, user)


def _run(command: list[object], user: str) -> None:
    program = [str(part) for part in command]
    subprocess.run(program, check=True, capture_output=True, cwd="/", timeout=SECONDS, **_as(user))


def _as(user: str) -> dict[str, object]:
    return {"user": user, "extra_groups": []} if os.geteuid() == 0 else {}


def _wait(url: str) -> None:
    engine = create_engine(url, connect_args={"connect_timeout": SECONDS})
    last = time.monotonic() + SECONDS
    while True:
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            engine.dispose()
            return
        except OperationalError:
            if time.monotonic() > last:
                raise
            time.sleep(0.2)
