"""A real Azurite on a free loopback port, and a proxy before it that can be slow or cut connections."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from tests.serving import SECONDS, free_port, serving

ACCOUNT = "devstoreaccount1"  # Azurite's own, well known and worth nothing
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "chorus-nb"  # as .ci/run installs it


@dataclass
class Azurite:
    """The service and the way to it. ``connection(port)`` leads through a proxy on that port."""

    port: int
    containers: int = field(default=0)

    def connection(self, port: int = 0, key: str = KEY) -> str:
        host = f"http://127.0.0.1:{port or self.port}/{ACCOUNT}"
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={host};"

    def client(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(
            self.connection(), connection_timeout=SECONDS, read_timeout=SECONDS, retry_total=2
        )

    def container(self) -> str:
        """The name of a new, empty container."""
        self.containers += 1
        name = f"site{self.containers}"
        self.client().create_container(name)
        return name

    def blobs(self, container: str) -> dict[str, bytes]:
        client = self.client().get_container_client(container)
        return {blob.name: client.download_blob(blob.name).readall() for blob in client.list_blobs()}


@contextmanager
def azurite() -> Iterator[Azurite]:
    places = f"{os.environ.get('PATH', '')}{os.pathsep}{CACHE / 'node_modules' / '.bin'}"
    program = shutil.which("azurite-blob", path=places)
    if program is None:
        pytest.skip(f"not run: no Azurite (npm install azurite in {CACHE})")
    port = free_port()
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), *options]
    with tempfile.TemporaryDirectory() as folder, serving(command, port, Path(folder) / "log", cwd="/"):
        yield Azurite(port)


class Proxy:
    """Passes bytes on to ``port``; ``cut`` connections break after ``after`` bytes, every read waits ``delay``.

    With ``tls`` it speaks TLS to who connects. ``silent`` says how many of the next blocks of answers are swallowed.
    ``requests`` and ``received`` count what was asked over HTTP and the bytes that came back.
    """

    def __init__(
        self, port: int, cut: int = 0, after: int = 0, delay: float = 0.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.tls, self.target, self.cut, self.after, self.delay = tls, port, cut, after, delay
        self.silent = 0
        self.broken = self.requests = self.received = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listening.accept()
                if self.tls:
                    try:
                        near = self.tls.wrap_socket(near, server_side=True)
                    except OSError:  # who is not believed
                        continue
                far = socket.create_connection(("127.0.0.1", self.target), SECONDS)
                threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        passed = 0
        with suppress(OSError):
            while block := source.recv(65536):
                time.sleep(self.delay)
                passed += len(block)
                if up:
                    self.requests += len(re.findall(rb"^(?:GET|HEAD|PUT|POST) /", block, re.MULTILINE))
                else:
                    self.received += len(block)
                if not up and self.silent:
                    self.silent -= 1
                    continue
                if up and self.broken < self.cut and passed > self.after:
                    self.broken += 1
                    break
                target.sendall(block)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Gate:
    """Answers the first requests of ``method`` with what is in ``made`` (status, headers, body), then asks ``port``.

    Without a port everything is answered with the last of them.
    """

    def __init__(self, made: list[tuple[int, dict[str, str], str]], port: int = 0, method: str = "PUT") -> None:
        gate = self
        self.waiting, self.asked = list(made), list[float]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if not port or (gate.waiting and self.command == method):
                    gate.asked.append(time.monotonic())
                    status, headers, text = gate.waiting.pop(0) if port else gate.waiting[-1]
                    body = text.encode()
                else:
                    asked = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
                    asked.request(self.command, self.path, content, dict(self.headers))
                    answer = asked.getresponse()
                    status, headers, body = answer.status, dict(answer.getheaders()), answer.read()
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

            def log_message(self, *said: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
