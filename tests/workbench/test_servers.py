"""What a run would ask hours later is asked before it: registry, archives, extras; what cannot be mended by waiting
keeps it from starting."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from chorus_nb.acquire import opening
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters
from chorus_nb.workbench import servers
from chorus_nb.workbench.inputs import RunInput, faults_of, input_lines
from chorus_nb.workspace import Workspace
from tests.acquire.faulty import FaultyPacs
from tests.acquire.test_limits import answering
from tests.serving import free_port


def at(folder: Path, **values: object) -> Workspace:
    return Workspace(Parameters.of({"workspace": str(folder / "workspace"), **values}))


def asked(folder: Path, **values: object) -> list[RunInput]:
    return [*servers.servers(at(folder, **values))]


def test_nothing_is_asked_where_no_server_is_named(tmp_path: Path) -> None:
    assert asked(tmp_path) == [] and asked(tmp_path, registry_url="env:NOT_SET_ANYWHERE") == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "registry_url: is not an SQLAlchemy URL"),
        ("postgresql://ada:hush@127.0.0.1:{port}/r", "registry_url: cannot be reached"),
        ("oracle://ada@127.0.0.1/r", "registry_url: no driver"),
        ("sqlite:///{folder}/nowhere/r.db", "registry_url: the folder of the database is not there"),
        ("sqlite:///{folder}/other.db", "registry_url: a table image_registry with other columns"),
    ],
)
def test_a_registry_that_05_could_not_write_to_keeps_a_run_from_starting(
    tmp_path: Path, url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("create table image_registry (x int)")
    monkeypatch.setenv("A_REGISTRY", url.format(folder=tmp_path, port=free_port()))
    [one] = asked(tmp_path, registry_url="env:A_REGISTRY")
    assert len(one.faults) == 1 and one.faults[0].startswith(says) and "hush" not in " ".join(input_lines([one]))
    workspace = at(tmp_path, registry_url="env:A_REGISTRY")
    servers.refuse_without_servers(workspace, ["03_run_deid"])
    with pytest.raises(InputError, match=r"^registry_url: "):
        servers.refuse_without_servers(workspace, ["03_run_deid", "05_build_registry"])


def test_a_registry_that_answers_is_told_and_none_is_made(tmp_path: Path) -> None:
    [one] = asked(tmp_path, registry_url=f"sqlite:///{tmp_path}/r.db")
    assert input_lines([one]) == ["ok     registry_url  answers"]
    assert not (tmp_path / "r.db").exists()


def test_an_archive_is_asked_and_no_port_of_ours_is_opened(tmp_path: Path) -> None:
    pacs = FaultyPacs()
    with pacs.listening() as there:
        silent = f"dimse://127.0.0.1:{free_port()}/ANY"
        archives = asked(tmp_path, pacs=[there.dimse, silent], pacs_port=there.port)  # which is taken
    first, second = input_lines(archives)
    assert first.startswith("ok") and first.endswith("answers") and pacs.asked == []
    assert second.startswith("look") and "the PACS does not answer; Check host, port" in second
    assert faults_of(archives) == [], "00 tells of each study that it did not come"


def web(status: int) -> AbstractContextManager[str]:
    def answer(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(status if asked.path == "/dicom-web/studies?limit=1" else 500)
        asked.send_header("Content-Length", "1000000")  # which never come, and nobody waits for
        asked.end_headers()

    return answering(answer)


@pytest.mark.parametrize(("status", "mark", "says"), [(200, "ok", "answers"), (401, "look", "the PACS refused the")])
def test_a_web_archive_is_asked_for_one_study(tmp_path: Path, status: int, mark: str, says: str) -> None:
    with web(status) as place:
        [line] = input_lines(asked(tmp_path, pacs=[place]))
    assert line.startswith(mark) and says in line


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"pacs": ["https://127.0.0.1/x"], "pacs_token": "env:NOT_SET_ANYWHERE"}, "pacs_token: environment variable"),
        ({"pacs": ["dimse+tls://127.0.0.1:1/A"]}, "pacs_certificate: is needed"),
        ({"pacs": ["dimse+tls+get://127.0.0.1:1/A"], "pacs_ca": "no.pem"}, "pacs_ca: is no PEM file"),
    ],
)
def test_what_no_archive_mends_keeps_a_run_from_starting(tmp_path: Path, values: dict[str, object], says: str) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    values = {
        name: value.format(folder=tmp_path) if isinstance(value, str) else value for name, value in values.items()
    }
    [one] = asked(tmp_path, **values)
    assert one.faults and one.faults[0].startswith(says)
    servers.refuse_without_servers(at(tmp_path, **values), ["01_explore_headers"])
    with pytest.raises(InputError, match=f"^{says}"):
        servers.refuse_without_servers(at(tmp_path, **values), ["00_acquire"])


def test_out_of_hours_nobody_is_asked(tmp_path: Path) -> None:
    never = {"pacs_hours": "00:00-00:00", "pacs": ["dimse://127.0.0.1:1/A"]}
    assert [one.found for one in asked(tmp_path, **never)] == ["not asked: outside pacs_hours"]


def test_what_is_not_installed_is_told_with_what_it_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line[:12] for line in input_lines([*servers.extras()])] == ["ok     extras"[:12]]
    gone = {"rapidocr", "pydeface"}
    monkeypatch.setattr(servers, "find_spec", lambda name: None if name in gone else name)
    first, second = input_lines([*servers.extras()])
    assert first.startswith("look   extra pixels  without rapidocr; no picture is read for text")
    assert second.startswith("look   extra deface  without pydeface; ") and "chorus-nb[deface]" in second
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    [one] = asked(tmp_path, pacs=["dimse://127.0.0.1:1/A"])
    assert one.faults == ("pacs: needs the extra pacs: pip install 'chorus-nb[pacs]'",)
