"""The archives of a run, each with the protocol that parameter ``pacs`` names."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from chorus_nb.acquire.archive import ImageArchive, PullFault
from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters


def open_archives(parameters: Parameters) -> list[ImageArchive]:
    """The archives of parameter ``pacs``; nothing is asked of them yet, but for our own port being opened."""
    _need_libraries(parameters.pacs)
    made, port = list[ImageArchive](), None
    for place in parameters.pacs:
        if _is_web(place):
            from chorus_nb.acquire.dicomweb import WebArchive  # each needs a library of its own, of the extra pacs

            made.append(WebArchive(place, parameters))
        else:
            from chorus_nb.acquire.dimse import DimseArchive

            made.append(dimse := DimseArchive(place, parameters, port))
            port = port or dimse.receiver
    return made


def ask_archive(place: str, parameters: Parameters, within: int) -> str:
    """Connect to one archive of ``pacs`` and leave: "" where it takes our questions, else a code of gaps.csv.

    ``within``: seconds for each answer. :class:`InputError` for what no archive would mend: a library, a certificate or
    a token that is not there. Our own port is not opened.
    """
    _need_libraries([place])
    soon = parameters.model_copy(update={"pacs_timeout": min(within, parameters.pacs_timeout)})
    try:
        if _is_web(place):
            from chorus_nb.acquire.dicomweb import WebArchive

            with WebArchive(place, soon).connect() as asked:
                asked.ask()
            return ""
        from chorus_nb.acquire.dimse import DimseArchive
        from chorus_nb.acquire.secure import listening

        scheme, _, rest = place.partition("://")
        if "+get" not in scheme:
            if "+tls" in scheme:
                listening(parameters)  # what our own port will need
            place = f"{scheme}+get://{rest}"  # whoever asks with that opens no port
        with DimseArchive(place, soon).connect():
            return ""
    except PullFault as fault:
        return fault.code


def _is_web(place: str) -> bool:
    return place.startswith(("https://", "http://"))


def _need_libraries(places: Iterable[str]) -> None:
    needed = {"dicomweb_client" if _is_web(place) else "pynetdicom" for place in places}
    if not all(map(find_spec, needed)):
        raise InputError("pacs: needs the extra pacs: pip install 'chorus-nb[pacs]'")
