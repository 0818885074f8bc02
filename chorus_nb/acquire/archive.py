"""What is asked of an archive, whatever protocol it speaks: studies, series, instances, and to send them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from chorus_nb.errors import InputError

STUDY_FIELDS = ("PatientID", "AccessionNumber", "StudyInstanceUID", "StudyDate", "StudyTime")
SERIES_FIELDS = ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances")
INSTANCE_FIELDS = ("SOPInstanceUID", "SOPClassUID")
QueryAnswer = dict[str, str]
Keep = Callable[[bytes], None]


class PullFault(Exception):
    """What came in between, as a code of gaps.csv; never with a text of the archive."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class SopInstance(NamedTuple):
    """An instance as the archive lists it; ``sop_class`` is "" where it does not say."""

    series: str
    sop_class: str


class Connection(Protocol):
    """An open way to an archive. Whatever goes wrong is a :class:`PullFault`."""

    def find(self, level: str, keys: Mapping[str, str], fields: tuple[str, ...]) -> list[QueryAnswer]:
        """The answers at ``level`` (STUDY, SERIES, IMAGE) to exact ``keys``, with ``fields``; "" = not told."""

    def fetch(self, study: str, wanted: Mapping[str, SopInstance], whole: bool, keep: Keep) -> None:
        """Have the instances ``wanted`` sent, each handed to ``keep`` as a DICOM file.

        ``whole``: nothing of the study is here, so that it may be asked for at once.
        """


class ImageArchive(Protocol):
    """A PACS: ``name`` is its place as parameter ``pacs`` writes it."""

    name: str

    def connect(self) -> AbstractContextManager[Connection]:
        """Open a connection; :class:`PullFault` not_reachable."""

    def close(self) -> None:
        """Give back what listens."""


class DimsePlace(NamedTuple):
    """``dimse://HOST:PORT/AET``; ``dimse+get`` asks with C-GET, ``dimse+tls`` over TLS, ``dimse+tls+get`` both."""

    host: str
    port: int
    ae_title: str
    get: bool
    tls: bool

    @classmethod
    def of(cls, place: str) -> DimsePlace:
        parts = urlsplit(place)
        ways = parts.scheme.split("+")
        title = parts.path.strip("/")
        if ways[0] != "dimse" or set(ways[1:]) - {"get", "tls"} or not (parts.hostname and parts.port and title):
            raise InputError("pacs: must be dimse://HOST:PORT/AET, with +get or +tls, or https://HOST/PATH")
        return cls(parts.hostname, parts.port, title, "get" in ways, "tls" in ways)


def list_instances(connection: Connection, study: str) -> dict[str, SopInstance]:
    """Every instance of a study by SOP Instance UID, as the archive lists it now."""
    listed: dict[str, SopInstance] = {}
    for series in series_of(connection, study):
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series["SeriesInstanceUID"]}
        for answer in connection.find("IMAGE", keys, INSTANCE_FIELDS):
            listed[answer["SOPInstanceUID"]] = SopInstance(series["SeriesInstanceUID"], answer["SOPClassUID"])
    return listed


def series_of(connection: Connection, study: str) -> Iterator[QueryAnswer]:
    """The series of a study, each once."""
    seen = set()
    for answer in connection.find("SERIES", {"StudyInstanceUID": study}, SERIES_FIELDS):
        if answer["SeriesInstanceUID"] not in seen:
            seen.add(answer["SeriesInstanceUID"])
            yield answer
