"""A real PACS on loopback, with folders and ports of its own: Orthanc with DICOMweb, or DCMTK's dcmqrscp."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pydicom
from pynetdicom import AE
from pynetdicom.presentation import build_context

from chorus_nb.acquire.dimse import ASSOCIATION_LIMITS
from tests.serving import free_ports, serving

ORTHANC = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
DICOMWEB = next(iter(sorted(Path("/usr/lib/orthanc").glob("libOrthancDicomWeb.so*"))), None)
DCMQRSCP = shutil.which("dcmqrscp")
AET = "ARCHIVE"


class Pacs(NamedTuple):
    """Where it listens: DIMSE, DICOMweb ("" = not spoken), and the port to which it moves."""

    dimse: str
    web: str
    our_port: int
    port: int


@contextmanager
def orthanc(folder: Path, more: dict[str, object] | None = None) -> Iterator[Pacs]:
    """Orthanc with ``more`` settings, which needs a moment to start."""
    http, dicom, ours = free_ports(3)
    settings = {
        "Name": AET,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": AET,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowFind": True,
        "DicomModalities": {"us": {"AET": "CHORUS", "Host": "127.0.0.1", "Port": ours, "UseDicomTls": bool(more)}},
        "Plugins": [str(DICOMWEB)],
        "DicomWeb": {"Enable": True},
        "UnknownSopClassAccepted": True,
        **(more or {}),
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with serving([ORTHANC, folder / "orthanc.json"], http, folder / "log", cwd=folder):
        yield Pacs(f"dimse://127.0.0.1:{dicom}/{AET}", f"http://127.0.0.1:{http}/dicom-web", ours, dicom)


@contextmanager
def dcmqrscp(folder: Path, *options: str) -> Iterator[Pacs]:
    """DCMTK's image archive."""
    port, ours = free_ports(2)
    (folder / "storage").mkdir()
    (folder / "dcmqrscp.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nus = (CHORUS, 127.0.0.1, {ours})\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{AET} {folder / 'storage'} RW (900, 1024mb) ANY\nAETable END\n"
    )
    with serving([DCMQRSCP, *options, "-c", folder / "dcmqrscp.cfg"], port, folder / "log", cwd=folder):
        yield Pacs(f"dimse://127.0.0.1:{port}/{AET}", "", ours, port)


def store(pacs: Pacs, paths: Iterable[Path]) -> set[str]:
    """Store files, an association for each class and transfer syntax; the SOP Instance UIDs that were taken."""
    groups, taken = defaultdict[tuple[str, str], list[pydicom.Dataset]](list), set()
    for path in paths:
        dataset = pydicom.dcmread(path)
        if "SOPClassUID" not in dataset or "SOPInstanceUID" not in dataset:
            continue
        groups[dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.TransferSyntaxUID].append(dataset)
    own = AE(ae_title="CHORUS")
    for (sop_class, syntax), datasets in groups.items():
        way = {
            "contexts": [build_context(sop_class, syntax)],
            "ae_title": AET,
            "evt_handlers": list(ASSOCIATION_LIMITS),
        }
        association = own.associate("127.0.0.1", pacs.port, **way)
        for dataset in datasets:
            for _ in range(3):  # an archive that answers too late may have kept it: it is asked until it answers
                if not association.is_established:  # some files of the demo break the association
                    association = own.associate("127.0.0.1", pacs.port, **way)
                try:
                    status = association.send_c_store(dataset).get("Status")
                except RuntimeError:
                    continue  # the association is broken, or the archive does not take this class or syntax
                except (ValueError, AttributeError):
                    break  # the file is not sent
                if status in (0x0000, 0xB000, 0xB006, 0xB007):
                    taken.add(str(dataset.SOPInstanceUID))
                if status is not None:
                    break
        association.release()
    return taken
