"""A PACS of our own that does what PACS do: ends early, repeats, mixes patients up, drops, refuses, grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
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
    study: str, series: int, number: int, *, patient: str = "P1", accession: str = "A1", mark: str = ""
) -> Dataset:
    """A CT image as small as can be."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, f"{study}.{series}.{number}"
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
        keys = {
            name: query.get(name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "AccessionNumber", "PatientID")
        }
        if self.fault == "answers anything" and query.QueryRetrieveLevel == "STUDY":
            return self.images
        return [
            each for each in self.images if all(not value or each.get(name) == value for name, value in keys.items())
        ]

    def _found(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        self.asked.append({element.keyword: str(element.value) for element in query if element.value})
        if self.fault == "refuses questions":
            yield 0xA700, None
            return
        seen, name = set(), LEVELS[query.QueryRetrieveLevel]
        for each in self._matching(query):
            if each[name].value not in seen:
                seen.add(each[name].value)
                answer = Dataset()
                for element in query:
                    if element.keyword in each and element.keyword != "QueryRetrieveLevel":
                        answer[element.keyword] = each[element.keyword]
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
            "other study": [*images, image("9.9", 1, 1)],
            "differs": [*images, image(first.StudyInstanceUID, 1, 1, mark="another")],
        }.get(fault, images)
        if fault == "grows":
            self.images.append(image(first.StudyInstanceUID, 3, 1))
        yield "127.0.0.1", self.our_port, {"contexts": [context]}
        yield len(changed)
        for each in changed:
            yield 0xFF00, each
