"""Over TLS: whom we believe, who believes us, and a token that goes to the archive and nowhere else."""

from __future__ import annotations

import io
import ipaddress
import logging
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from chorus_nb import acquire
from chorus_nb.acquire import pulling
from chorus_nb.acquire.dimse import ASSOCIATION_LIMITS, Receiver
from chorus_nb.acquire.opening import open_archives
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.parameters import Parameters
from tests.acquire.faulty import image
from tests.acquire.real import DICOMWEB, ORTHANC, Pacs, orthanc
from tests.acquire.test_limits import answering, as_json
from tests.acquire.test_pull import a_workspace, silent
from tests.release.azurite_service import Proxy
from tests.serving import free_port

SECONDS = 20
UIDS = {f"1.2.3.{series}.{number}" for series, number in ((1, 1), (1, 2), (2, 1))}


class Authority:
    """A certificate authority that lives for a test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.path = folder, folder / "authority.pem"
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
        self.path.write_bytes(self._certify(self.name, self.key, is_authority=True))

    def certificate(self, name: str) -> Path:
        """Of 127.0.0.1, with its key, one file."""
        key, path = ec.generate_private_key(ec.SECP256R1()), self.folder / f"{name}.pem"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        (self.folder / f"{name}.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
        (self.folder / f"{name}.crt").write_bytes(self._certify(subject, key))
        path.write_bytes((self.folder / f"{name}.crt").read_bytes() + (self.folder / f"{name}.key").read_bytes())
        return path

    def _certify(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False) -> bytes:
        now, host = datetime.now(UTC), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        made = made.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        made = made.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(autouse=True)
def _once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "ATTEMPTS", 1)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """The hospital's and another; each certified "us", the first "pacs" too."""
    folder = tmp_path_factory.mktemp("authorities")
    made = Authority(folder / "hospital"), Authority(folder / "elsewhere")
    for each in made:
        each.certificate("us")
    made[0].certificate("pacs")
    return made


@pytest.fixture(scope="module")
def secured(authorities: tuple[Authority, Authority], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    """Orthanc behind TLS that believes only what the hospital's authority certified."""
    if not Path(ORTHANC).is_file() or DICOMWEB is None:
        pytest.skip("Orthanc with DICOMweb is not installed")
    hospital = authorities[0].folder
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(hospital / "pacs.crt"),
        "DicomTlsPrivateKey": str(hospital / "pacs.key"),
        "DicomTlsTrustedCertificates": str(hospital / "authority.pem"),
        "DicomTlsRemoteCertificateRequired": True,
    }
    before_it = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(hospital / "authority.pem"))
    before_it.load_cert_chain(str(hospital / "pacs.pem"))
    before_it.verify_mode = ssl.CERT_REQUIRED
    with orthanc(tmp_path_factory.mktemp("secured"), settings) as pacs:
        for uid in UIDS:
            made = image("1.2.3", *map(int, uid.split(".")[3:]))
            made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = made.SOPClassUID, uid
            made.save_as(content := io.BytesIO(), enforce_file_format=True)
            place = pacs.web.replace("/dicom-web", "/instances")
            requests.post(place, content.getvalue(), timeout=SECONDS).raise_for_status()
        proxy = Proxy(urlsplit(pacs.web).port or 0, tls=before_it)  # Debian's Orthanc 1.10 ends when HTTPS is asked
        yield pacs._replace(web=f"https://127.0.0.1:{proxy.port}/dicom-web")
        proxy.close()


def place_of(pacs: Pacs, way: str) -> str:
    return pacs.web if way == "DICOMweb" else pacs.dimse.replace("dimse", f"dimse+tls{way}")


def asking(place: str, authority: Path | str, certificate: Path | str, port: int = 0, token: str = "") -> Parameters:
    named = {"pacs": [place], "pacs_ca": str(authority), "pacs_certificate": str(certificate), "pacs_token": token}
    return Parameters.of({**named, "pacs_timeout": SECONDS, "pacs_port": port or free_port()})


@pytest.mark.parametrize("way", ["", "+get", "DICOMweb"])
def test_a_study_is_pulled_over_tls(
    secured: Pacs, authorities: tuple[Authority, Authority], tmp_path: Path, way: str
) -> None:
    hospital, workspace = authorities[0], a_workspace(tmp_path)
    opened = open_archives(asking(place_of(secured, way), hospital.path, hospital.folder / "us.pem", secured.our_port))
    try:
        acquire.ask_archives(workspace, silent, opened)
        [row] = acquire.pull(workspace, silent, opened).to_dict("records")
    finally:
        opened[0].close()
    assert (row["state"], row["reason"]) == ("complete", "")
    assert {str(dcmread(path).SOPInstanceUID) for path in (workspace.local / "incoming").rglob("*.dcm")} == UIDS


@pytest.mark.parametrize("way", ["+get", "DICOMweb"])
@pytest.mark.parametrize(("authority", "certificate"), [(0, 1), (0, None), (1, 0), (None, 0)])
def test_who_is_not_believed_asks_nothing(
    secured: Pacs,
    authorities: tuple[Authority, Authority],
    tmp_path: Path,
    way: str,
    authority: int | None,
    certificate: int | None,
) -> None:
    believed = "" if authority is None else authorities[authority].path
    shown = "" if certificate is None else authorities[certificate].folder / "us.pem"
    opened = open_archives(asking(place_of(secured, way), believed, shown))
    with pytest.raises(WorkbenchError, match="a certificate is not believed"):
        acquire.ask_archives(a_workspace(tmp_path), silent, opened)


def test_our_port_takes_nothing_from_who_is_not_believed(authorities: tuple[Authority, Authority]) -> None:
    hospital, elsewhere = authorities
    parameters = asking("dimse+tls://127.0.0.1:9/X", hospital.path, hospital.folder / "us.pem")
    receiver, own = Receiver(parameters, tls=True), AE()
    own.acse_timeout = own.dimse_timeout = own.network_timeout = own.connection_timeout = 2

    def reached(context: ssl.SSLContext | None) -> bool:
        tls = (context, "127.0.0.1") if context else None
        called = ("127.0.0.1", parameters.pacs_port, [build_context(Verification)], "CHORUS")
        made = own.associate(*called, tls_args=tls, evt_handlers=list(ASSOCIATION_LIMITS))
        made.release()
        return bool(made.is_released)

    def showing(certificate: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(hospital.path))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 asks for more than hospitals' authorities give
        if certificate:
            context.load_cert_chain(str(certificate))
        return context

    try:
        with socket.create_connection(("127.0.0.1", parameters.pacs_port), SECONDS):  # who says nothing holds up nobody
            assert reached(showing(hospital.folder / "us.pem"))
            assert not reached(showing(elsewhere.folder / "us.pem"))
            assert not reached(showing(None))
            assert not reached(None)
    finally:
        receiver.close()


def test_a_certificate_that_cannot_be_read_or_is_lacking_is_named(
    authorities: tuple[Authority, Authority], tmp_path: Path
) -> None:
    hospital, place = authorities[0], "dimse+tls://127.0.0.1:104/X"
    (tmp_path / "none").write_text("no certificate")
    us, none = hospital.folder / "us.pem", tmp_path / "none"
    for named, authority, certificate in (
        ("pacs_certificate", hospital.path, ""),
        ("pacs_certificate", hospital.path, none),
        ("pacs_ca", none, us),
        ("pacs_ca", tmp_path / "gone", us),
    ):
        with pytest.raises(InputError, match=f"^{named}: is "):
            open_archives(asking(place, authority, certificate))


def test_several_archives_move_to_our_one_port_with_tls_or_without() -> None:
    several = ["dimse://127.0.0.1:1/A", "dimse+get://127.0.0.1:1/B", "dimse://127.0.0.1:1/C"]
    opened = open_archives(Parameters.of({"pacs": several, "pacs_port": free_port()}))
    for archive in opened:
        archive.close()
    assert len(opened) == 3
    with pytest.raises(InputError, match="not both"):
        open_archives(Parameters.of({"pacs": [several[0], "dimse+tls://127.0.0.1:1/B"], "pacs_port": free_port()}))


# --- the token --------------------------------------------------------------------------------------------------------


def test_the_token_goes_to_the_archive_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PACS_TOKEN", "hush-8842-hush")
    caplog.set_level(logging.DEBUG)
    shown, elsewhere = [], list[str]()

    def answer(request: BaseHTTPRequestHandler) -> None:
        shown.append(request.headers.get("Authorization"))
        if shown[-1] != "Bearer hush-8842-hush":
            request.send_error(401, "hush-8842-hush is what I want")
        elif len(shown) > 3:
            request.send_response(302)
            request.send_header("Location", f"{other}/studies")
            request.end_headers()
        else:
            as_json(request, [])

    workspace = a_workspace(tmp_path)
    with answering(lambda request: elsewhere.append(request.path)) as other, answering(answer) as place:
        acquire.ask_archives(workspace, silent, open_archives(asking(place, "", "", token="env:PACS_TOKEN")))
        assert set(shown) == {"Bearer hush-8842-hush"}
        shown += [""] * 3
        for token in ("env:PACS_TOKEN", ""):  # sent on to another host; refused
            with pytest.raises(WorkbenchError, match="refused the question") as told:
                acquire.ask_archives(workspace, silent, open_archives(asking(place, "", "", token=token)))
            assert "hush" not in str(told.value)
    assert elsewhere == [] and "hush" not in caplog.text
    assert not [path for path in workspace.local.rglob("*") if path.is_file() and b"hush" in path.read_bytes()]


@pytest.mark.parametrize(
    ("place", "name", "says"),
    [
        ("http://pacs.example.org/dicom-web", "PACS_TOKEN", "over https only"),
        ("https://pacs.example.org/dicom-web", "NO_SUCH_TOKEN", "NO_SUCH_TOKEN is not set"),
    ],
)
def test_a_token_that_cannot_be_shown_safely_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, name: str, says: str
) -> None:
    monkeypatch.setenv("PACS_TOKEN", "hush")
    with pytest.raises(InputError, match=says):
        acquire.ask_archives(a_workspace(tmp_path), silent, open_archives(asking(place, "", "", token=f"env:{name}")))
