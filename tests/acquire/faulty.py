"""A PACS of our own that does what PACS do: ends early, repeats, mixes patients up, refuses, grows, tells half."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_MOVE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from chorus_nb.acquire.dimse import ASSOCIATION_LIMITS
from tests.acquire.real import AET, Pacs
from tests.serving import free_ports

PRIVATE_SYNTAX = "1.2.3.4.5.6.7.8"
LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


def image(
    study: str, series: int, number: int, *, patient: str = "P1", accession: str = "A1", mark: str = "", uid: str = ""
) -> Dataset:
    """A CT image as small as can be."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, uid or f"{study}.{series}.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = study, f"{study}.{series}"
    made.PatientID, made.AccessionNumber, made.Modality = patient, accession, "CT"
    made.StudyDate, made.StudyTime, made.ImageComments = "20200131", "120000", mark
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


class FaultyPacs:
    """``fault`` happens in the first ``times`` moves; what it is stands in :meth:`_moved`."""

    def __init__(self) -> None:
        self.our_port = 0
        self.pacs = Pacs("", "", 0, 0)
        self.now_has([])

    def now_has(self, images: list[Dataset], fault: str = "", times: int = 1) -> None:
        """Begin anew with these images and this fault."""
        self.images, self.fault, self.times = images, fault, times
        self.moves: list[str] = []
        self.asked: list[dict[str, str]] = []
        self.sent: list[str] = []

    @contextmanager
    def listening(self) -> Iterator[Pacs]:
        port, self.our_port = free_ports(2)
        own = AE(ae_title=AET)
        own.acse_timeout = own.dimse_timeout = own.network_timeout = 10
        for model in (StudyRootQueryRetrieveInformationModelFind, StudyRootQueryRetrieveInformationModelMove):
            own.add_supported_context(model)
        handlers: list[Any] = [(evt.EVT_C_FIND, self._found), (evt.EVT_C_MOVE, self._moved), *ASSOCIATION_LIMITS]
        own.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        try:
            yield Pacs(f"dimse://127.0.0.1:{port}/{AET}", "", self.our_port, port)
        finally:
            own.shutdown()

    def _matching(self, query: Dataset) -> list[Dataset]:
        asked = {name: query.get(name) for name in (*LEVELS.values(), "AccessionNumber", "PatientID")}
        keys = {
            name: [value] if isinstance(value, str) else [*value] for name, value in asked.items() if value
        }  # of UIDs a list may be asked
        signs = "".join(str(query.get(name) or "") for name in ("AccessionNumber", "PatientID")).replace("*", "")
        if self.fault == "reads no signs" and not f"A{signs}".isalnum():
            return []
        if self.fault in ("answers anything", f"answers anything at {query.QueryRetrieveLevel}"):
            return self.images
        return [
            each
            for each in self.images
            if all(any(fnmatchcase(str(each.get(name)), one) for one in value) for name, value in keys.items())
        ]

    def _found(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        self.asked.append({element.keyword: str(element.value) for element in query if element.value})
        if self.fault == "refuses questions":
            yield 0xA700, None
            return
        level, seen = query.QueryRetrieveLevel, set()
        if self.fault == f"tells none at {level}":
            return
        for each in self._matching(query):
            if (key := (each[LEVELS[level]].value, each.PatientID)) not in seen:
                seen.add(key)
                answer = Dataset()
                for element in query:
                    if element.keyword in each and element.keyword != "QueryRetrieveLevel":
                        answer[element.keyword] = each[element.keyword]
                if self.fault == f"tells no name at {level}":
                    del answer[LEVELS[level]]
                if level == "SERIES" and self.fault == "counts more":
                    answer.NumberOfSeriesRelatedInstances = 9
                if level == "SERIES" and self.fault == "counts in words":
                    answer.add_new("NumberOfSeriesRelatedInstances", "LO", "two")
                yield 0xFF00, answer
                if self.fault == f"breaks off at {level}":
                    yield 0xC001, None
                while self.fault == f"repeats for ever at {level}" and event.assoc.is_established:
                    yield 0xFF00, answer

    def _moved(self, event: evt.Event) -> Iterator[Any]:
        self.moves.append(event.identifier.QueryRetrieveLevel)
        fault = self.fault if len(self.moves) <= self.times else ""
        images = self._matching(event.identifier)
        first = images[0]
        if fault == "drops":
            event.assoc.abort()
            return
        if fault == "refuses":
            yield None, None
            return
        if fault == "is busy for ever":
            self._is_busy(event)
            return
        context = build_context(CTImageStorage, ExplicitVRLittleEndian)
        if fault == "syntax":
            first = image(first.StudyInstanceUID, 1, 1)
            context = build_context(CTImageStorage, PRIVATE_SYNTAX)
        changed = {
            "ends early": images[:-1],
            "repeats": [*images, first],
            "other patient": [*images, image(first.StudyInstanceUID, 1, 99, patient="P2")],
            "listed of other patient": [image(first.StudyInstanceUID, 1, 1, patient="P2"), *images[1:]],
            "unlisted": [*images, image(first.StudyInstanceUID, 1, 77)],
            "wrong study in one": [image("9.9", 1, 1, uid=first.SOPInstanceUID), *images[1:]],
            "other study": [*images, image("9.9", 1, 1)],
            "differs": [*images, image(first.StudyInstanceUID, 1, 1, mark="another")],
        }.get(fault, images)
        if fault == "grows":
            self.images.append(image(first.StudyInstanceUID, 3, 1))
        yield "127.0.0.1", self.our_port, {"contexts": [context]}
        yield len(changed)
        for number, each in enumerate(changed, 1):
            self.sent.append(str(each.SOPInstanceUID))
            yield 0xFF00, each
            if fault == "closes between" and number == 2:
                event.assoc.abort()
                return

    @staticmethod
    def _is_busy(event: evt.Event) -> None:
        """Say every 0.05 s that it goes on."""
        said = C_MOVE()
        said.MessageIDBeingRespondedTo, said.AffectedSOPClassUID = (
            event.request.MessageID,
            event.context.abstract_syntax,
        )
        said.Status, said.NumberOfRemainingSuboperations = 0xFF00, 1
        while event.assoc.is_established:
            event.assoc.dimse.send_msg(said, event.context.context_id)
            time.sleep(0.05)
