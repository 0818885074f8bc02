"""An archive that stops amid an answer, trickles, or never comes to an end holds nobody for ever."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find  # type: ignore[attr-defined]

from chorus_nb import acquire
from chorus_nb.acquire import dimse, pulling
from chorus_nb.acquire.opening import open_archives
from chorus_nb.errors import WorkbenchError
from chorus_nb.parameters import Parameters
from tests.acquire.faulty import image
from tests.acquire.real import AET
from tests.acquire.test_pull import a_workspace, silent

STALLED = 15  # seconds, after which a test that waits for it fails
BEGUN = b"\x04\x00\x00\x00\x20\x00"  # of a P-DATA-TF of 8,192 bytes
A_LIMIT = {"pacs_timeout": 0.5}


@pytest.fixture(autouse=True)
def _once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "ATTEMPTS", 1)
    monkeypatch.setattr(dimse, "SECONDS_TO_ABORT", 0.1)


def parameters(place: str) -> Parameters:
    return Parameters.of({"pacs": [place]}).model_copy(update=A_LIMIT)


@contextmanager
def stalling(says: bytes, every: float) -> Iterator[str]:
    """A PACS that answers a question with these bytes, one each ``every`` seconds for ever, and nothing else."""
    ended = threading.Event()

    def found(event: evt.Event) -> Iterator[tuple[int, None]]:
        line, last = event.assoc.dul.socket.socket, time.monotonic() + STALLED
        with suppress(OSError):
            line.sendall(says)
            while not ended.wait(every) and time.monotonic() < last:
                line.sendall(b"\0" if says else b"")
        yield 0x0000, None

    own = AE(ae_title=AET)
    own.add_supported_context(Find)
    server = own.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, found), *dimse.ASSOCIATION_LIMITS]
    )
    assert server
    try:
        yield f"dimse+get://127.0.0.1:{server.server_address[1]}/{AET}"
    finally:
        ended.set()
        own.shutdown()


@pytest.mark.parametrize(
    ("says", "every"),
    [(b"", 0.1), (BEGUN, STALLED), (BEGUN, 0.05), (BEGUN[:3], STALLED)],
    ids=["says nothing", "stops amid a message", "trickles", "stops amid a head"],
)
def test_a_pacs_that_stops_amid_an_answer_is_given_up(tmp_path: Path, says: bytes, every: float) -> None:
    before, workspace = threading.active_count(), a_workspace(tmp_path)
    with stalling(says, every) as place:
        began = time.monotonic()
        with pytest.raises(WorkbenchError, match=r"broke off|does not answer"):
            acquire.ask_archives(workspace, silent, open_archives(parameters(place)))
        assert time.monotonic() - began < STALLED / 3
    last = time.monotonic() + STALLED
    while threading.active_count() > before and time.monotonic() < last:
        time.sleep(0.05)
    assert threading.active_count() <= before  # a thread of an association would keep the process from ending


Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A DICOMweb service of which each request is answered so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
    finally:
        server.shutdown()
        server.server_close()


def as_json(asked: BaseHTTPRequestHandler, answers: Sequence[Dataset | dict[str, Any]]) -> None:
    told = [each.to_json_dict() if isinstance(each, Dataset) else each for each in answers]
    send(asked, json.dumps(told).encode())


def send(asked: BaseHTTPRequestHandler, content: bytes) -> None:
    asked.send_response(200)
    asked.send_header("Content-Type", "application/dicom+json")
    asked.send_header("Content-Length", str(len(content)))
    asked.end_headers()
    asked.wfile.write(content)


def test_a_service_that_knows_no_offset_is_asked_twice_and_not_for_ever(tmp_path: Path) -> None:
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        found = image("1.2.3", 1, 1)
        found.NumberOfSeriesRelatedInstances = 1
        as_json(request, [found] if len(asked) < 50 else [])

    with answering(answer) as place:
        answers = acquire.ask_archives(a_workspace(tmp_path), silent, open_archives(parameters(place)))
    assert answers["StudyInstanceUID"].to_list() == ["1.2.3"]
    assert ["offset=1" in each for each in asked] == [False, True] * 2


ODD = {  # what else an answer may hold, by tag; nobody asked for it
    "0008103E": ["no element"],
    "00081111": {"vr": "SQ", "Value": ["no item"]},
    "00180050": {"vr": "DS", "Value": ["thick"]},
    "00280010": {"vr": "US", "Value": ["many"]},
    "0020000d": None,
    "note": {"vr": "LT", "Value": ["no tag"]},
}


@pytest.mark.parametrize("count", ["two", "2.5", "-1", "1e30", None, [1, 2], 10**30])
def test_a_count_that_is_none_and_odd_elements_cost_nothing(tmp_path: Path, count: object) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        told = {**ODD, **image("1.2.3", 1, 1).to_json_dict()}
        told["00100020"] = {"Value": "P1"}
        told["00201209"] = {"vr": "IS", "Value": count if isinstance(count, list) else [count]}
        as_json(request, [told] if "offset=0" in request.path else [])

    with answering(answer) as place:
        answers = acquire.ask_archives(a_workspace(tmp_path), silent, open_archives(parameters(place)))
    told = answers[["PatientID", "StudyInstanceUID", "instances", "other_patient"]]
    assert told.to_numpy().tolist() == [["P1", "1.2.3", 1, False]]  # counted by name


@pytest.mark.parametrize("content", [b'["text"]', b"[null]", b"5", b"<html>"])
def test_what_is_no_answer_is_never_taken_for_none(tmp_path: Path, content: bytes) -> None:
    with answering(lambda request: send(request, content)) as place, pytest.raises(WorkbenchError, match="refused"):
        acquire.ask_archives(a_workspace(tmp_path), silent, open_archives(parameters(place)))


def test_an_accession_is_escaped_as_a_query_wants_it() -> None:
    """Orthanc 1.10 finds 2019/12 under itself alone, and who reads + as a plus finds no blank."""
    asked = []
    with answering(lambda request: asked.append(request.path) or send(request, b"[]")) as place:  # type: ignore[func-returns-value]
        [archive] = open_archives(parameters(place))
        with archive.connect() as connection:
            connection.find("STUDY", {"AccessionNumber": "CT 2019/12:3@a+b&c#d%"}, ("PatientID",))
    assert "AccessionNumber=CT%202019/12:3@a%2Bb%26c%23d%25&" in asked[0]


def test_a_service_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    ended = threading.Event()
    with answering(lambda _: ended.wait(STALLED) and None) as place:  # type: ignore[func-returns-value]
        began = time.monotonic()
        with pytest.raises(WorkbenchError, match="does not answer"):
            acquire.ask_archives(a_workspace(tmp_path), silent, open_archives(parameters(place)))
        assert time.monotonic() - began < STALLED / 3
        ended.set()


@pytest.mark.parametrize("cut", [0, 1, 20, 400])
def test_an_answer_closed_amid_an_instance_keeps_those_before_it(cut: int) -> None:
    made = image("1.2.3", 1, 1)
    made.PixelData, made["PixelData"].VR = bytes(1000), "OW"
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = made.SOPClassUID, "1.2"
    made.save_as(written := BytesIO(), enforce_file_format=True)
    part = b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + written.getvalue() + b"\r\n"
    whole = part + part + b"--edge--"

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)  # HTTP/1.0 without a length: the end is where it closes
        request.send_header("Content-Type", 'multipart/related; type="application/dicom"; boundary=edge')
        request.end_headers()
        request.wfile.write(whole[: len(whole) - cut])

    kept: list[bytes] = []
    with answering(answer) as place:
        [archive] = open_archives(parameters(place))
        with archive.connect() as way:
            if cut:
                with pytest.raises(acquire.archive.PullFault, match="association_lost"):
                    way.fetch("1.2.3", {}, "STUDY", kept.append)
            else:
                way.fetch("1.2.3", {}, "STUDY", kept.append)
    assert kept == [written.getvalue()] * (1 if cut else 2)
