"""The archives of a run, each with the protocol that parameter ``pacs`` names."""

from __future__ import annotations

from chorus_nb.acquire.archive import ImageArchive
from chorus_nb.parameters import Parameters


def open_archives(parameters: Parameters) -> list[ImageArchive]:
    """The archives of parameter ``pacs``; nothing is asked of them yet, but for our own port being opened."""
    made, port = list[ImageArchive](), None
    for place in parameters.pacs:
        if place.startswith(("https://", "http://")):
            from chorus_nb.acquire.dicomweb import WebArchive  # each needs a library of its own, of the extra pacs

            made.append(WebArchive(place, parameters))
        else:
            from chorus_nb.acquire.dimse import DimseArchive

            made.append(dimse := DimseArchive(place, parameters, port))
            port = port or dimse.receiver
    return made
