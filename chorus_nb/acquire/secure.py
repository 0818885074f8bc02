"""TLS with an archive: whom we believe, who we are, and whether a certificate was the fault (PS3.15 annex B)."""

from __future__ import annotations

import ssl
from typing import Any, TypeVar

from chorus_nb.errors import InputError
from chorus_nb.parameters import Parameters, resolve

AnyContext = TypeVar("AnyContext", bound=ssl.SSLContext)


class _NotingSocket(ssl.SSLSocket):
    """pynetdicom hands on no reason: what TLS refused is noted in the context. TLS 1.3 tells it at the first read."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except ssl.SSLError:
            self.context.refused = True  # type: ignore[attr-defined]
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except ssl.SSLError:
            self.context.refused = True  # type: ignore[attr-defined]
            raise


class CallingContext(ssl.SSLContext):
    """For connections that we open; ``refused``: a certificate, ours or theirs, was not believed."""

    refused = False
    sslsocket_class = _NotingSocket


class ListeningContext(ssl.SSLContext):
    """For connections to our port; who connects and says nothing holds up no other."""

    def wrap_socket(self, *options: Any, **more: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*options, **{**more, "do_handshake_on_connect": False})  # at the first read instead


def calling(parameters: Parameters) -> CallingContext:
    """Believes ``pacs_ca`` ("" = the authorities of the system), shows ``pacs_certificate`` where it is asked for."""
    return _load(CallingContext(ssl.PROTOCOL_TLS_CLIENT), parameters)


def listening(parameters: Parameters) -> ListeningContext:
    """Shows ``pacs_certificate``, and takes images only from those whom the same authority certified."""
    if not parameters.pacs_certificate:
        raise InputError("pacs_certificate: is needed where a PACS sends to our port over TLS; or use dimse+tls+get://")
    made = _load(ListeningContext(ssl.PROTOCOL_TLS_SERVER), parameters)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def _load(context: AnyContext, parameters: Parameters) -> AnyContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    name = "pacs_ca"
    try:
        if parameters.pacs_ca:
            context.load_verify_locations(str(resolve(parameters.pacs_ca)))
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if name := "pacs_certificate" if parameters.pacs_certificate else "":
            context.load_cert_chain(str(resolve(parameters.pacs_certificate)), password="")  # "": asks nobody for it
    except (OSError, ValueError):
        raise InputError(f"{name}: is no PEM file that can be read without a password") from None
    return context
