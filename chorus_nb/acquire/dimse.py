"""An archive over DIMSE: C-FIND, and C-MOVE to a port of our own or C-GET (PS3.4 annex C; pynetdicom)."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
)
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from chorus_nb import standards
from chorus_nb.acquire.archive import DimsePlace, Keep, Patience, PullFault, QueryAnswer, SopInstance, as_text, fits
from chorus_nb.acquire.secure import calling, listening
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters

SUCCESS, WARNING = 0x0000, 0xB000
PENDING = (0xFF00, 0xFF01)
CANNOT_UNDERSTAND = 0xC000  # what we answer to an instance that nobody asked for
SECONDS_TO_PART, SECONDS_TO_ABORT = 5, 1
IDLE = "Sta1"  # no association (PS3.8 table 9-1)
MOST_CONTEXTS = 126  # of the 128 of an association: one for C-GET, one to spare
LARGEST_PDU = 131_072  # bytes that we take at once: the library does much for each packet, and takes 16 KB
MOST_INSTANCES = 500  # UIDs in one question: an element has 64 KB
FREQUENT = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGLosslessSV1, JPEG2000Lossless, JPEGBaseline8Bit)
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)  # it writes identifiers


def _opened(event: evt.Event) -> None:
    """Send each part of a message at once: waiting to fill a packet cost 0.09 s a question, measured on loopback.

    pynetdicom reads and writes without a limit: who stops amid a message would hold thread and process for ever.
    """
    if (held := event.assoc.dul.socket) and held.socket:
        held.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        held.socket.settimeout(event.assoc.network_timeout)


def _aborted(event: evt.Event) -> None:
    """Whoever aborts waits until the other end has read the abort: here only so long, then the line is cut."""
    dul, last = event.assoc.dul, time.monotonic() + SECONDS_TO_ABORT
    while dul.is_alive() and dul.state_machine.current_state != IDLE and time.monotonic() < last:
        time.sleep(0.01)
    if held := dul.socket:
        held._shutdown_socket()


ASSOCIATION_LIMITS = (
    (evt.EVT_CONN_OPEN, _opened),
    (evt.EVT_ABORTED, _aborted),
)  # of every association, whoever opens it


def _leave_answers(association: Association) -> None:
    """Keep the library's own thread from taking what whoever asks is waiting for.

    It looks for requests of the other end, of which there are none here, and is not always stopped before a question
    is sent: of 300 questions one or two lost their first answer, without a word (pynetdicom 3.0.4, its issue 875).
    """
    take = association.dimse.get_msg
    association.dimse.get_msg = lambda block=False: take(block) if block else (None, None)  # type: ignore[method-assign]


@cache
def storage_contexts() -> list[PresentationContext]:
    """Every storage class in every transfer syntax: each image is taken as it is stored."""
    every = (str(context.abstract_syntax) for context in AllStoragePresentationContexts)
    return [build_context(each, ALL_TRANSFER_SYNTAXES) for each in every]


class Receiver:
    """Our own storage SCP: what arrives goes to the request that moved it.

    A request is known by its message id, which most archives hand on (PS3.7 9.1.1.1.8), else there is only one.
    """

    def __init__(self, parameters: Parameters, tls: bool) -> None:
        self.tls, context = tls, listening(parameters) if tls else None
        self._keeps: dict[int, Keep] = {}
        self._ids = itertools.cycle(range(1, 2**15))
        self._lock = threading.Lock()
        self.refused_contexts = 0
        own = AE(ae_title=parameters.pacs_aet)
        _limit(own, parameters)
        own.require_called_aet = True
        own.maximum_associations = 4 * parameters.pacs_associations + 4
        own.supported_contexts = storage_contexts()
        own.add_supported_context(Verification)
        self._own = own
        handlers: list[Any] = [(evt.EVT_C_STORE, self._stored), (evt.EVT_ACCEPTED, self._accepted), *ASSOCIATION_LIMITS]
        try:
            place = ("", parameters.pacs_port)
            self._server = own.start_server(place, block=False, ssl_context=context, evt_handlers=handlers)
        except OSError:
            raise InputError(f"pacs_port: {parameters.pacs_port} cannot be opened; does another listen?") from None

    @contextmanager
    def taking(self, keep: Keep) -> Iterator[int]:
        """Hand what arrives to ``keep`` meanwhile; gives the message id of the request."""
        with self._lock:
            number = next(each for each in self._ids if each not in self._keeps)
            self._keeps[number] = keep
        try:
            yield number
        finally:
            with self._lock:
                del self._keeps[number]

    def _stored(self, event: evt.Event) -> int:
        with self._lock:
            keeps = list(self._keeps.values())
            keep = self._keeps.get(getattr(event.request, "MoveOriginatorMessageID", None) or 0)
        if keep is None and len(keeps) != 1:
            return CANNOT_UNDERSTAND
        (keep or keeps[0])(event.encoded_dataset())
        return SUCCESS

    def _accepted(self, event: evt.Event) -> None:
        self.refused_contexts += len(event.assoc.rejected_contexts)

    def close(self) -> None:
        """Listen no more, and end what is still connected: else the process would wait for it when it ends."""
        if self._server:  # several archives share it, each closes it
            self._server.shutdown()
        self._server = None
        for each in self._own.active_associations:
            if each.is_established:
                each.abort()
            elif each.dul.socket:  # which waits for who connected and asks for nothing
                each.dul.socket._shutdown_socket()


class DimseArchive:
    """A PACS that speaks DIMSE; all that move to us share ``port``, our own, which the first opens."""

    def __init__(self, place: str, parameters: Parameters, port: Receiver | None = None) -> None:
        self.name, self.place, self.parameters = place, DimsePlace.of(place), parameters
        if port and not self.place.get and port.tls != self.place.tls:
            raise InputError("pacs: our one port is open to C-MOVE with TLS or without, not both; use +get for some")
        self.receiver = None if self.place.get else port or Receiver(parameters, self.place.tls)

    @contextmanager
    def connect(self) -> Iterator[DimseConnection]:
        connection = DimseConnection(self)
        try:
            yield connection
        except BaseException:
            connection.close(in_order=False)
            raise
        connection.close()

    def close(self) -> None:
        if self.receiver:
            self.receiver.close()

    def associate(
        self, contexts: list[PresentationContext], handlers: Sequence[Any] = (), **options: Any
    ) -> Association:
        """An association, or :class:`PullFault`."""
        own = AE(ae_title=self.parameters.pacs_aet)
        _limit(own, self.parameters)
        context = calling(self.parameters) if self.place.tls else None
        host, handlers = self.place.host, [*handlers, *ASSOCIATION_LIMITS]
        tls = (context, host) if context else None
        made = own.associate(
            host, self.place.port, contexts, self.place.ae_title, tls_args=tls, evt_handlers=handlers, **options
        )
        if not made.is_established:
            not_believed = context is not None and context.refused
            raise PullFault("query_refused" if made.is_rejected else "not_trusted" if not_believed else "not_reachable")
        _leave_answers(made)
        return made


class DimseConnection:
    """An association for questions, opened again when it broke; moves use the same, C-GET one for each series."""

    def __init__(self, archive: DimseArchive) -> None:
        self.archive = archive
        self._open: Association | None = None
        self._association()

    def _association(self) -> Association:
        if self._open is None or not self._open.is_established:
            models = (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelMove)
            self._open = self.archive.associate([build_context(model) for model in models])
        return self._open

    def close(self, in_order: bool = True) -> None:
        _part(self._open, in_order)

    def find(self, level: str, keys: Mapping[str, str], fields: tuple[str, ...]) -> list[QueryAnswer]:
        """As :class:`chorus_nb.acquire.archive.Connection` says."""
        query, found = _identifier(level, {**dict.fromkeys(fields, ""), **keys}), dict[str, QueryAnswer]()
        answered = self._association().send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
        for status, answer in _answers(answered, "query_refused", self._patience(), lambda: len(found)):
            if status in PENDING and answer is not None:
                told = {name: as_text(answer.get(name)) for name in (*fields, *keys)}
                if fits(told, keys):
                    found[str(told)] = told
        return [*found.values()]

    def _patience(self) -> Patience:
        return Patience(self.archive.parameters.pacs_timeout)

    def fetch(self, study: str, wanted: Mapping[str, SopInstance], level: str, keep: Keep) -> None:
        """As :class:`chorus_nb.acquire.archive.Connection` says."""
        if self.archive.place.get:
            for series in sorted({instance.series for instance in wanted.values()}):
                of_series = {name: each for name, each in wanted.items() if each.series == series}
                keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
                self._get("IMAGE" if level == "IMAGE" else "SERIES", keys, of_series, keep)
            return
        receiver, came = self.archive.receiver, 0
        assert receiver
        before = receiver.refused_contexts

        def counted(content: bytes) -> None:
            nonlocal came
            came += 1
            keep(content)

        with receiver.taking(counted) as number:
            for keys in _requests(study, wanted, level):
                query, title = _identifier(level, keys), self.archive.parameters.pacs_aet
                model = StudyRootQueryRetrieveInformationModelMove
                try:
                    answered = self._association().send_c_move(query, title, model, msg_id=number)
                    failed = _failed(answered, self._patience(), lambda: came)
                except PullFault as fault:
                    failed = fault.code == "move_refused"
                    if not failed or receiver.refused_contexts == before:
                        raise
                if failed and receiver.refused_contexts > before:
                    raise PullFault("syntax_refused")

    def _get(self, level: str, keys: Mapping[str, str], wanted: Mapping[str, SopInstance], keep: Keep) -> None:
        """C-GET of a series or of its images by name, and again with other classes and syntaxes for what did not come.

        Of more than :data:`MOST_INSTANCES` the rest is left to the next attempt.
        """
        came, fault = set[str](), None

        def stored(event: evt.Event) -> int:
            came.add(str(getattr(event.request, "AffectedSOPInstanceUID", "")))
            keep(event.encoded_dataset())
            return SUCCESS

        for pairs in _proposals({each.sop_class for each in wanted.values()}):
            if level == "IMAGE":
                lacking = sorted(wanted.keys() - came)[:MOST_INSTANCES]
                keys = {**keys, "SOPInstanceUID": "\\".join(lacking)}
            try:
                fault = self._get_once(pairs, _identifier(level, keys), stored, lambda: len(came))
            except PullFault as refused:
                if refused.code != "move_refused":
                    raise
                fault = refused
            if fault is None or wanted.keys() <= came:
                return
            level = "IMAGE"
        if fault:
            raise fault

    def _get_once(
        self, pairs: list[tuple[str, str]], query: Dataset, stored: Any, came: Callable[[], int]
    ) -> PullFault | None:
        """C-GET with a context for each class and syntax, so that each image comes as it is stored; the fault."""
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in pairs]
        roles = [build_role(UID(sop_class), scp_role=True) for sop_class in dict(pairs)]
        asked = [build_context(StudyRootQueryRetrieveInformationModelGet), *contexts]
        association = self.archive.associate(asked, [(evt.EVT_C_STORE, stored)], ext_neg=roles)
        in_order = False
        try:
            answered = association.send_c_get(query, StudyRootQueryRetrieveInformationModelGet)
            failed = _failed(answered, self._patience(), came)
            in_order = True
        finally:
            _part(association, in_order)
        return PullFault("syntax_refused") if failed else None


def _proposals(classes: set[str]) -> Iterator[list[tuple[str, str]]]:
    """Classes and transfer syntaxes to propose, as many at once as an association has room for, the likely ones first.

    Not every archive tells the class of an instance: then images in every syntax, and what else there is uncompressed.
    Not every one takes the context of the syntax it has where a class has several: then a syntax at a time.
    """
    every = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    likely = sorted(classes) if all(classes) else [*standards.releasable(("SC",))]
    others = [] if all(classes) else [each for each in every if each not in likely]
    rare = [syntax for syntax in ALL_TRANSFER_SYNTAXES if syntax not in FREQUENT]
    orders = ((FREQUENT, likely), (FREQUENT[:2], others), (rare, likely))
    pairs = [(each, syntax) for syntaxes, group in orders for syntax in syntaxes for each in group]
    for start in range(0, len(pairs), MOST_CONTEXTS):
        yield pairs[start : start + MOST_CONTEXTS]
    for syntax in FREQUENT:
        yield [(each, syntax) for each in likely[:MOST_CONTEXTS]]


def _limit(own: AE, parameters: Parameters) -> None:
    own.acse_timeout = own.dimse_timeout = own.network_timeout = parameters.pacs_timeout
    own.connection_timeout = min(parameters.pacs_timeout, 30)
    own.maximum_pdu_size = LARGEST_PDU


def _part(association: Association | None, in_order: bool) -> None:
    """End an association: released where all went well, aborted after a fault, for a lost one answers no release."""
    if association is None or not association.is_established:
        return
    if not in_order:
        association.abort()
        return
    association.acse_timeout = SECONDS_TO_PART
    association.release()


def _requests(study: str, wanted: Mapping[str, SopInstance], level: str) -> Iterator[dict[str, str]]:
    """The keys of what to move at ``level``."""
    if level == "STUDY":
        yield {"StudyInstanceUID": study}
        return
    for series in sorted({instance.series for instance in wanted.values()}):
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
        names = sorted(name for name, instance in wanted.items() if instance.series == series)
        if level == "SERIES":
            yield keys
            continue
        for start in range(0, len(names), MOST_INSTANCES):
            yield {**keys, "SOPInstanceUID": "\\".join(names[start : start + MOST_INSTANCES])}


def _identifier(level: str, keys: Mapping[str, str]) -> Dataset:
    made = Dataset()
    made.QueryRetrieveLevel = level
    if not all(value.isascii() for value in keys.values()):
        made.SpecificCharacterSet = "ISO_IR 192"
    for name, value in keys.items():
        setattr(made, name, value)
    return made


def _answers(
    answered: Iterator[tuple[Dataset, Any]], refused: str, patience: Patience, come: Callable[[], int]
) -> Iterator[tuple[int, Any]]:
    """Status and answer of each response; :class:`PullFault` where it breaks off, ends in a failure or never."""
    try:
        for response, answer in answered:
            status = response.get("Status")
            if status is None:
                raise PullFault("association_lost")
            if status not in (*PENDING, SUCCESS, WARNING):
                raise PullFault(refused)
            yield status, response if answer is None and status not in PENDING else answer
            patience.seen(come())
    except (ValueError, RuntimeError, OSError):  # a model that was not accepted; an association that is gone
        raise PullFault(refused) from None


def _failed(answered: Iterator[tuple[Dataset, Any]], patience: Patience, come: Callable[[], int]) -> bool:
    """Wait for the end of a transfer; whether some of it failed."""
    failed = 0
    for status, response in _answers(answered, "move_refused", patience, come):
        if status in (SUCCESS, WARNING):
            failed = int(getattr(response, "NumberOfFailedSuboperations", 0) or 0)
    return bool(failed)
