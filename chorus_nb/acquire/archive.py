"""What is asked of an archive, whatever protocol it speaks: studies, series, instances, and to send them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from chorus_nb.errors import InputError

STUDY_FIELDS = ("PatientID", "AccessionNumber", "StudyInstanceUID", "StudyDate", "StudyTime")
SERIES_FIELDS = ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances")
INSTANCE_FIELDS = ("SOPInstanceUID", "SOPClassUID")
MOST_ANSWERS = 100_000  # to one question: no series has more images
TIMES_TIMEOUT = 5  # an archive may say so long that it goes on, without anything new
VALUE_ENDS = "\0 \t\r\n"  # what pads a value
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

    def fetch(self, study: str, wanted: Mapping[str, SopInstance], level: str, keep: Keep) -> None:
        """Have the instances ``wanted`` sent, each handed to ``keep`` as a DICOM file.

        ``level``: STUDY asks for all of it at once, SERIES for the series that hold them, IMAGE for each by name.
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


class Patience:
    """Whether something new came within :data:`TIMES_TIMEOUT` times the timeout; else :class:`PullFault` never_ends."""

    def __init__(self, timeout: float) -> None:
        self._limit, self._last, self._seen = TIMES_TIMEOUT * timeout, time.monotonic(), 0

    def seen(self, count: int) -> None:
        """How much there is by now."""
        if count > MOST_ANSWERS:
            raise PullFault("never_ends")
        if count != self._seen:
            self._seen, self._last = count, time.monotonic()
        elif time.monotonic() - self._last > self._limit:
            raise PullFault("never_ends")


def is_usable_uid(value: str) -> bool:
    """Whether a UID can be asked for and name a file: of digits and dots, 64 at most, however its parts begin."""
    return re.fullmatch(r"[0-9][0-9.]{0,63}", value) is not None


def as_text(value: object) -> str:
    r"""A value as an archive tells it, several with the sign between them that DICOM has for it; "" = not told.

    >>> as_text(["P1", None, "P9 "]), as_text(12), as_text(None)
    ('P1\\P9', '12', '')
    """
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return "\\".join(str(each).strip(VALUE_ENDS) for each in several if each is not None)


def instance_count(value: str) -> int | None:
    """How many instances an archive says there are; ``None`` where it says nothing that can be a number of them."""
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def fits(answer: QueryAnswer, keys: Mapping[str, str]) -> bool:
    """Whether it answers the question: a key that it tells is the one asked for; ``*`` in one is any text."""
    return all(
        answer[name] in ("", value) or ("*" in value and _any_for_star(value).fullmatch(answer[name]))
        for name, value in keys.items()
    )


def _any_for_star(value: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, value.split("*"))), re.DOTALL)


def list_instances(connection: Connection, study: str) -> dict[str, SopInstance]:
    """Every instance of a study by SOP Instance UID, as the archive lists it now.

    A series whose UID cannot be asked for stands for its instances.
    """
    listed: dict[str, SopInstance] = {}
    for series in series_of(connection, study):
        uid = series["SeriesInstanceUID"]
        if not is_usable_uid(uid):
            listed[uid] = SopInstance(uid, "")
            continue
        for answer in connection.find("IMAGE", {"StudyInstanceUID": study, "SeriesInstanceUID": uid}, INSTANCE_FIELDS):
            listed[answer["SOPInstanceUID"]] = SopInstance(uid, answer["SOPClassUID"])
    return listed


def series_of(connection: Connection, study: str) -> Iterator[QueryAnswer]:
    """The series of a study, each once."""
    seen = set()
    for answer in connection.find("SERIES", {"StudyInstanceUID": study}, SERIES_FIELDS):
        if answer["SeriesInstanceUID"] not in seen:
            seen.add(answer["SeriesInstanceUID"])
            yield answer
