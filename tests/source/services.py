"""Real stores on free loopback ports, each started once: rclone (S3, SFTP), moto (S3), fake-gcs-server and Azurite."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import fsspec
import pytest

from tests.release.azurite_service import CACHE, Azurite, azurite
from tests.serving import SECONDS, free_port, serving
from tests.source.kinds import CLOCK, Kind, write, zipped

STORES = CACHE / "stores"  # as .ci/run installs them
USER, PASSWORD = "site", "invented-for-this-test"
FRESH = ("--dir-cache-time", "1ms")  # of 0s rclone's walk begins anew for ever: 20 s for one stat, at a full core
SETTLED = 0.02  # seconds after which rclone has forgotten what it knew of a folder
NUMBERS = itertools.count(1)
_running = ExitStack()
atexit.register(_running.close)


def _program(name: str) -> str:
    there = [*STORES.glob(f"bin/{name}"), *STORES.glob(f"lib/*/site-packages/*/vendor/*/bin/{name}-{sys.platform}-*")]
    found = shutil.which(name) or (str(there[0]) if there else None)
    if found is None:
        pytest.skip(f"not run: no {name} (.ci/run installs it in {STORES})")
    return found


def _folder() -> Path:
    return Path(_running.enter_context(tempfile.TemporaryDirectory(prefix="stores-")))


def _serve(port: int, *command: str) -> int:
    _running.enter_context(serving(command, port, _folder() / "log", cwd="/"))
    return port


@cache
def s3() -> tuple[Path, int]:
    """The folder whose folders are buckets, and the port."""
    root, port = _folder(), free_port()
    options = ("--auth-key", f"{USER},{PASSWORD}", "--vfs-cache-mode", "off", *FRESH)
    return root, _serve(port, _program("rclone"), "serve", "s3", str(root), "--addr", f"127.0.0.1:{port}", *options)


@cache
def sftp() -> tuple[Path, int]:
    root, port = _folder(), free_port()
    options = ("--user", USER, "--pass", PASSWORD, "--cache-dir", str(_folder()), *FRESH)
    _serve(port, _program("rclone"), "serve", "sftp", str(root), "--addr", f"127.0.0.1:{port}", *options)
    import paramiko

    with paramiko.Transport(("127.0.0.1", port)) as asked:
        asked.start_client(timeout=SECONDS)
        key = asked.get_remote_server_key()
    (root.parent / f"{root.name}.known").write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    _running.callback((root.parent / f"{root.name}.known").unlink)
    return root, port


@cache
def openssh() -> tuple[Path, int]:
    """OpenSSH's own server, which lets nothing be written: the folder of its keys, and the port."""
    server, maker = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin"), shutil.which("ssh-keygen")
    if not (server and maker and (os.geteuid() or Path("/run/sshd").is_dir())):
        pytest.skip("not run: no OpenSSH server, or none that this user may start")
    root, port = _folder(), free_port()
    for name in ("host", "user", "other"):
        subprocess.run([maker, "-q", "-t", "ed25519", "-N", "", "-f", str(root / name)], check=True)
    options = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": root / "host",
        "PidFile": "none",
        "AuthorizedKeysFile": root / "user.pub",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
        "ForceCommand": "internal-sftp -R",
    }
    (root / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    key = " ".join((root / "host.pub").read_text().split()[:2])
    (root / "known").write_text(f"[127.0.0.1]:{port} {key}\n")
    return root, _serve(port, server, "-D", "-e", "-f", str(root / "config"))


@cache
def google() -> int:
    port = free_port()
    options = ("-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-log-level", "error")
    return _serve(port, _program("fake-gcs-server"), *options, "-public-host", f"127.0.0.1:{port}")


@cache
def moto() -> int:
    """S3 as moto has it: its own errors, and ETags as Amazon makes them."""
    port = free_port()
    return _serve(port, _program("moto_server"), "--host", "127.0.0.1", "--port", str(port))


@cache
def azure() -> Azurite:
    return _running.enter_context(azurite())


class InRealStore(Kind):
    """A bucket or folder of its own in a real service, and the environment that leads there."""

    def __init__(self, folder: Path) -> None:
        from chorus_nb.source import open_source

        self.name = f"bucket{next(NUMBERS)}"
        self.address = self.start()
        self.source = open_source(self.address, kept=folder / "kept")


class InS3(InRealStore):
    def start(self, port: int = 0) -> str:
        root, own = s3()
        os.environ |= {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_DEFAULT_REGION": "us-east-1"}
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port or own}"
        self.folder = root / "site"  # one for all tests: to make a client takes a second
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        return "s3://site"

    def put(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            write(self.folder / name, content)
        time.sleep(SETTLED)

    def lose(self) -> None:
        shutil.rmtree(self.folder)
        time.sleep(SETTLED)


class InMoto(InRealStore):
    """A destination; as a source it would say what InS3 says."""

    def start(self) -> str:
        os.environ |= {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_DEFAULT_REGION": "us-east-1"}
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{moto()}"
        self.system = fsspec.filesystem("s3", skip_instance_cache=True)
        self.system.mkdir(self.name)
        return f"s3://{self.name}"

    def put(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            self.system.pipe_file(f"{self.name}/{name}", content)

    def lose(self) -> None:
        self.system.rm(self.name, recursive=True)


class BelowAPrefix(InS3):
    """Not the whole bucket; archives too."""

    before = "export.zip!"

    def start(self, port: int = 0) -> str:
        address = super().start(port)
        self.folder /= "2019"
        self.folder.mkdir()
        return f"{address}/2019/"

    def put(self, files: dict[str, bytes]) -> None:
        super().put({"export.zip": zipped(files)})


class InSftp(InS3):
    def start(self, port: int = 0) -> str:
        root, port = sftp()
        os.environ |= {"SFTP_PASSWORD": PASSWORD, "SFTP_KNOWN_HOSTS": f"{root}.known"}
        self.folder = root / self.name
        self.folder.mkdir()
        return f"sftp://{USER}@127.0.0.1:{port}/{self.name}"

    def put(self, files: dict[str, bytes]) -> None:
        super().put(files)
        for name in files:  # SFTP tells whole seconds
            os.utime(self.folder / name, ns=(1, 1_000_000 * next(CLOCK)))
        time.sleep(SETTLED)


class InGoogle(InRealStore):
    def start(self) -> str:
        os.environ["STORAGE_EMULATOR_HOST"] = self.host = f"http://127.0.0.1:{google()}"
        self._ask("POST", "/storage/v1/b", f'{{"name": "{self.name}"}}'.encode())
        return f"gs://{self.name}"

    def put(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            place = f"/upload/storage/v1/b/{self.name}/o?uploadType=media&name={quote(name, safe='')}"
            self._ask("POST", place, content)

    def lose(self) -> None:
        for file in list(self.source.find()):
            self._ask("DELETE", f"/storage/v1/b/{self.name}/o/{quote(file.source_path, safe='')}")
        self._ask("DELETE", f"/storage/v1/b/{self.name}")

    def _ask(self, method: str, place: str, content: bytes | None = None) -> None:
        urlopen(Request(self.host + place, content, method=method), timeout=SECONDS).close()


class InAzure(InRealStore):
    def start(self) -> str:
        service = azure()
        os.environ["AZURE_STORAGE_CONNECTION_STRING"] = service.connection()
        self.name = service.container()
        self.client = service.client().get_container_client(self.name)
        return f"az://{self.name}"

    def put(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            self.client.upload_blob(name, content, overwrite=True)

    def lose(self) -> None:
        self.client.delete_container()


REAL: list[type[InRealStore]] = [InS3, BelowAPrefix, InSftp, InGoogle, InAzure]
