"""An archive over DICOMweb: QIDO-RS, and WADO-RS with the transfer syntax as stored (PS3.18; dicomweb-client)."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from dicomweb_client import DICOMwebClient
from pydicom.datadict import tag_for_keyword
from requests.adapters import HTTPAdapter

from chorus_nb.acquire.archive import Keep, Patience, PullFault, QueryAnswer, SopInstance, as_text, fits
from chorus_nb.acquire.secure import calling
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters, resolve

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'  # the default is Explicit VR Little Endian
END_LOOKED_AT = 256  # bytes; a boundary has at most 70
READ_AS_THEY_ARE = {"+": "%20", "%2A": "*", "%2F": "/", "%3A": ":", "%40": "@"}
OF_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL + 1)  # it writes addresses with identifiers


class WebArchive:
    """A PACS that speaks DICOMweb."""

    def __init__(self, place: str, parameters: Parameters) -> None:
        self.name, self.parameters = place, parameters

    @contextmanager
    def connect(self) -> Iterator[WebConnection]:
        with _Session() as session:
            session.trust_env = False  # no proxy and no password but those that a parameter names
            session.max_redirects = 0  # nor a host
            session.mount("https://", _Secure(self.parameters))
            session.verify = str(resolve(self.parameters.pacs_ca)) if self.parameters.pacs_ca else True
            if token := self.parameters.pacs_token.removeprefix("env:"):
                if not os.environ.get(token):
                    raise InputError(f"pacs_token: environment variable {token} is not set")
                if self.name.startswith("http:") and urlsplit(self.name).hostname not in OF_THIS_MACHINE:
                    raise InputError("pacs_token: is sent over https only")
                session.headers["Authorization"] = f"Bearer {os.environ[token]}"
            yield WebConnection(self.name, session, self.parameters.pacs_timeout)

    def close(self) -> None:
        return None


class _Session(requests.Session):
    """In a query is escaped what RFC 3986 wants (section 3.4): not every archive reads more of it, or + as a blank."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        place, mark, query = str(request.url).partition("?")
        for escaped, sign in READ_AS_THEY_ARE.items():
            query = query.replace(escaped, sign)
        request.url = place + mark + query
        return super().send(request, **options)


class _Secure(HTTPAdapter):
    """The same trust and certificate as over DIMSE."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        super().__init__()

    def init_poolmanager(self, *options: Any, **more: Any) -> None:
        super().init_poolmanager(*options, **more, ssl_context=calling(self._parameters))


class WebConnection:
    """A session."""

    def __init__(self, place: str, session: requests.Session, timeout: float) -> None:
        self.place, self.session, self.timeout = place.rstrip("/"), session, timeout
        self.client = DICOMwebClient(self.place, session=session, timeout=timeout)
        self.client.set_http_retry_params(retry=False)  # whoever asks decides when to ask again

    def ask(self) -> None:
        """Ask for one study and leave the answer unread; :class:`PullFault`."""
        with _told("query_refused"):
            kind = {"Accept": "application/dicom+json"}
            url = f"{self.place}/studies?limit=1"
            with self.session.get(url, headers=kind, stream=True, timeout=self.timeout) as answer:
                answer.raise_for_status()

    def find(self, level: str, keys: Mapping[str, str], fields: tuple[str, ...]) -> list[QueryAnswer]:
        """As :class:`chorus_nb.acquire.archive.Connection` says."""
        above = [keys[name] for name in ("StudyInstanceUID", "SeriesInstanceUID") if name in keys and level != "STUDY"]
        search: Any = {
            "STUDY": self.client.search_for_studies,
            "SERIES": self.client.search_for_series,
            "IMAGE": self.client.search_for_instances,
        }[level]
        filters = {name: value for name, value in keys.items() if value not in above}
        found, asked_from, patience = dict[str, Any](), 0, Patience(self.timeout)
        with _told("query_refused"):
            while page := search(*above, search_filters=filters, fields=list(fields), offset=asked_from):
                if not isinstance(page, list):
                    raise PullFault("query_refused")
                new = {str(each): each for each in page}.keys() - found
                found |= {str(each): each for each in page}
                asked_from += len(page)
                patience.seen(len(found))
                if not new:  # it does not know offset, and would tell the same for ever
                    break
        told = [_answer_of(each, {*fields, *keys}) for each in found.values()]
        return [each for each in told if fits(each, keys)]

    def fetch(self, study: str, wanted: Mapping[str, SopInstance], level: str, keep: Keep) -> None:
        """As :class:`chorus_nb.acquire.archive.Connection` says."""
        fault = None
        if level == "STUDY":
            return self._retrieve(study, keep)
        for series in sorted({instance.series for instance in wanted.values()}):
            place = f"{study}/series/{series}"
            try:
                if level == "SERIES":
                    self._retrieve(place, keep)
                    continue
            except PullFault as one:
                fault = one
            for name in [name for name, instance in wanted.items() if instance.series == series]:
                try:
                    self._retrieve(f"{place}/instances/{name}", keep)
                except PullFault as one:  # what else is wanted goes on: a damaged instance costs itself
                    fault = fault or one
        if fault:
            raise fault
        return None

    def _retrieve(self, place: str, keep: Keep) -> None:
        with _told("move_refused"):
            url = f"{self.place}/studies/{place}"
            answer = self.session.get(url, headers={"Accept": AS_STORED}, stream=True, timeout=self.timeout)
            answer.raise_for_status()
            arrived, end = b"", _watch_end(answer)
            try:
                for content in self.client._decode_multipart_message(answer, stream=True):
                    if arrived:
                        keep(arrived)
                    arrived = content
            except ValueError:
                if end():
                    raise
            if not end():  # closed amid the last instance: the client hands out what there is of it
                raise PullFault("association_lost")
            if arrived:
                keep(arrived)


def _answer_of(told: object, names: Collection[str]) -> QueryAnswer:
    """What an answer in DICOM JSON (PS3.18 annex F) says under these names; how it writes anything else costs nothing.

    :class:`PullFault` where it is no such answer: the study of it must not be lost without a word.
    """
    if not isinstance(told, dict):
        raise PullFault("query_refused")
    elements = {str(tag).upper(): element for tag, element in told.items()}
    made = {}
    for name in names:
        element = elements.get(f"{tag_for_keyword(name):08X}")
        values = element.get("Value") if isinstance(element, dict) else element
        made[name] = as_text(values)
    return made


def _watch_end(answer: requests.Response) -> Callable[[], bool]:
    """Whether the answer, once it was read, ended with the delimiter that closes a multipart message (RFC 2046)."""
    chunks, last = answer.iter_content, b""
    named = re.search(r'boundary="?([^";]+)', answer.headers.get("Content-Type", ""), re.IGNORECASE)

    def watched(chunk_size: int | None = None, decode_unicode: bool = False) -> Iterator[bytes]:
        nonlocal last
        for chunk in chunks(chunk_size):
            last = (last + chunk)[-END_LOOKED_AT:]
            yield chunk

    answer.iter_content = watched  # type: ignore[method-assign]
    return lambda: named is None or f"--{named[1]}--".encode() in last


@contextmanager
def _told(refused: str) -> Iterator[None]:
    """What goes wrong inside as a :class:`PullFault`; a text of the server never leaves."""
    try:
        yield
    except requests.exceptions.SSLError:
        raise PullFault("not_trusted") from None
    except requests.exceptions.ConnectionError as error:
        broke = "Connection broken" in str(error) or "Connection aborted" in str(error)
        raise PullFault("association_lost" if broke else "not_reachable") from None
    except requests.exceptions.ChunkedEncodingError:
        raise PullFault("association_lost") from None
    except requests.exceptions.Timeout:
        raise PullFault("not_reachable") from None
    except (requests.exceptions.RequestException, ValueError):
        raise PullFault(refused) from None
