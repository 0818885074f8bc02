"""What 01 and 03 say about a file that is set aside is true: the strict reader was asked, an archive is called one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from chorus_nb import tables
from chorus_nb.dicom.spans import read_meta
from tests.deid.conftest import encoded, image
from tests.deid.small_run import SmallSite, run
from tests.deid.test_values import with_raw
from tests.source.kinds import tarred


def plain(number: int, syntax: str = "1.2.840.10008.1.2.1") -> bytes:
    return encoded(image(syntax, PatientID="MRN-1", AccessionNumber="ACC-1", SOPInstanceUID=f"1.2.9.{number}"))


def data_of(content: bytes) -> bytes:
    return content[read_meta(content).end :]


def meta_of(content: bytes) -> bytes:
    return content[: read_meta(content).end]


def zipped(content: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("in.zip" if content[:2] == b"PK" else "a", content)
    return sink.getvalue()


EXPLICIT, IMPLICIT = plain(1), plain(2, ImplicitVRLittleEndian)


def with_sequence(number: int, vr: bytes = b"SQ", spare: bytes = b"") -> bytes:
    """A file with a sequence of one item, ``spare`` bytes behind the item inside it."""
    step = Dataset()
    step.ScheduledProcedureStepDescription = "CT chest"
    values = {"PatientID": "MRN-1", "AccessionNumber": "ACC-1", "SOPInstanceUID": f"1.2.9.{number}"}
    content = encoded(image(**values, RequestAttributesSequence=[step]))
    at = content.index(b"\x40\x00\x75\x02SQ")
    length = int.from_bytes(content[at + 8 : at + 12], "little")
    head = content[at : at + 4] + vr + bytes(2) + (length + len(spare)).to_bytes(4, "little")
    end = at + 12 + length
    return content[:at] + head + content[at + 12 : end] + spare + content[end:]


_STORED = zipped(plain(10))
DAMAGED = _STORED[:60] + bytes([_STORED[60] ^ 1]) + _STORED[61:]
UNKNOWN_VR = with_raw("LO", "SeriesDescription", b"CHEST ").replace(b"\x3e\x10LO", b"\x3e\x10??")
FILES = {  # content, status and reason
    "explicit data under implicit meta": (meta_of(IMPLICIT) + data_of(plain(3)), "released", ""),
    "implicit data under explicit meta": (
        meta_of(EXPLICIT) + data_of(plain(4, ImplicitVRLittleEndian)),
        "released",
        "",
    ),
    "a second group 2": (meta_of(EXPLICIT) + meta_of(EXPLICIT)[132:] + data_of(plain(5)), "released", ""),
    "a sequence with bytes that are no item": (with_sequence(21, spare=bytes(4)), "quarantined", "structure_refused"),
    "explicit items in UN of defined length": (with_sequence(22, b"UN"), "released", ""),
    "no preamble": (plain(6)[132:], "released", ""),
    "the prefix DICM without its preamble": (plain(8)[128:], "released", ""),
    "no bytes that inflate": (
        meta_of(EXPLICIT)
        .replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99\0\0")
        .replace(b"UI\x14\0" + b"1.2.840.10008.1.2.1.99", b"UI\x18\0" + b"1.2.840.10008.1.2.1.99")
        + data_of(plain(9)),
        "quarantined",
        "structure_refused",
    ),
    "letters where an element should be": (
        EXPLICIT[: EXPLICIT.index(b"\x10\0\x10\0PN")] + b"QuelXXXX" + EXPLICIT[EXPLICIT.index(b"\x10\0\x10\0PN") :],
        "quarantined",
        "structure_refused",
    ),
    "little-endian data under big-endian meta": (
        EXPLICIT.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"),
        "quarantined",
        "structure_refused",
    ),
    "VR ??": (UNKNOWN_VR, "quarantined", "structure_refused"),
    "cut": (plain(7)[:-10], "quarantined", "truncated"),
    "zip in zip": (zipped(zipped(EXPLICIT)), "quarantined", "archive_not_opened"),
    "a.dcm.gz": (gzip.compress(plain(31)), "released", ""),
    "a.bz2": (bz2.compress(EXPLICIT), "quarantined", "archive_not_opened"),
    "a.xz": (lzma.compress(plain(32)), "released", ""),
    "a.tar.gz": (gzip.compress(tarred({"x": EXPLICIT})), "quarantined", "archive_not_opened"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(100), "quarantined", "archive_not_opened"),
    "a program that unpacks itself.exe": (b"MZ" + bytes(600) + zipped(EXPLICIT), "quarantined", "archive_not_opened"),
    "a program.exe": (b"MZ" + bytes(600), "not_dicom", "not_dicom"),
    "a damaged member.zip": (DAMAGED, "quarantined", "unreadable"),
    "cut zip": (zipped(EXPLICIT)[:300], "quarantined", "archive_damaged"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(500), "not_dicom", "not_dicom"),
    "a page": (b"%PDF-1.4" + bytes(500), "not_dicom", "not_dicom"),
}
REFUSED = {
    "little-endian data under big-endian meta": "the order of bytes is not that of its transfer syntax",
    "VR ??": "(0008,103E) has no valid value representation",
    "letters where an element should be": "an element has no valid value representation",  # not (7551,6C65): "Quel"
    "no bytes that inflate": "the data set is not deflated, as its transfer syntax says",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str, str]]:
    site = SmallSite(Path(tmp_path_factory.mktemp("reasons")) / "site")
    for name, (content, _, _) in FILES.items():
        (site.dicom / name).write_bytes(content)
    rows = run(site.open())
    return {str(path).partition("!")[0]: (row.status, row.reason, row.detail) for path, row in rows.iterrows()}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_set_aside_for_what_is_wrong_with_it(told: dict[str, tuple[str, str, str]], name: str) -> None:
    status, reason, detail = told[name]
    assert (status, reason) == FILES[name][1:]
    assert not reason or tables.REMEDIES[reason]
    if reason == "structure_refused":
        assert detail == REFUSED.get(name, "(0040,0275) is a sequence that cannot be taken apart")
    if name.startswith("explicit items"):
        assert detail == ""  # not "removed: unknown value representation"
