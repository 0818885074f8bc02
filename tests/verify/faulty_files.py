"""Files that 03 sets aside, each with the fault of one reason, and what a site does about it."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pydicom
from pydicom.uid import PositronEmissionTomographyImageStorage

from chorus_nb import tables
from tests.deid.small_run import SmallSite

Do = Callable[[SmallSite, str], object]
BOB = {"PatientID": "MRN-2", "AccessionNumber": "ACC-3", "PatientName": "Quellbrook^Tom"}
COMMON = {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "StudyDescription": "CT chest", "KVP": "120"}


def image(site: SmallSite, name: str, **values: object) -> None:
    """An image of a series of its own, as it should be exported, but for ``values``."""
    uids = {"StudyInstanceUID": "1.2.9", "SeriesInstanceUID": f"1.2.9.{sum(map(ord, name))}"}
    site.add(name, **{**COMMON, **BOB, **uids, "InstanceNumber": 1, "KVP": "120", **values})


def having(**values: object) -> Callable[[SmallSite, str], object]:
    return lambda site, name: image(site, name, **values)


def cut(site: SmallSite, name: str) -> None:
    image(site, name)
    (site.dicom / name).write_bytes((site.dicom / name).read_bytes()[:-20])


def zipped(site: SmallSite, name: str) -> None:
    image(site, name)
    with zipfile.ZipFile(site.dicom / f"{name}.zip", "w") as outer:
        outer.writestr(f"{name}.tar.gz", gzip.compress((site.dicom / name).read_bytes()))
    (site.dicom / name).unlink()


def unpacked(site: SmallSite, name: str) -> None:
    (site.dicom / f"{name}.zip").unlink()
    image(site, name)


def linked(site: SmallSite, name: str) -> None:
    image(site, name)
    (site.dicom / name).rename(site.folder / name)
    (site.dicom / name).symlink_to(site.folder / name)


def delivered(site: SmallSite, name: str) -> None:
    (site.dicom / name).unlink()
    image(site, name)


def twice(site: SmallSite, name: str) -> None:
    image(site, name, SOPInstanceUID="1.2.9.99")
    image(site, f"{name}-other", SOPInstanceUID="1.2.9.99", KVP="80")


def one_left(site: SmallSite, name: str) -> None:
    (site.dicom / f"{name}-other").unlink()


def in_map(table: str, row: str) -> Callable[[SmallSite, str], object]:
    def do(site: SmallSite, _: str) -> None:
        path = site.folder / "lookup" / f"{table}.csv"
        path.write_text(path.read_text() + row)

    return do


def damaged(change: Callable[[bytes], bytes], of: Callable[[SmallSite, str], object] = image) -> Callable[..., object]:
    """A file whose bytes were changed on the way."""

    def plant(site: SmallSite, name: str) -> None:
        of(site, name)
        (site.dicom / name).write_bytes(change((site.dicom / name).read_bytes()))

    return plant


def gone(site: SmallSite, name: str) -> None:
    (site.dicom / name).unlink()


def renamed(site: SmallSite, name: str) -> None:
    image(site, name)
    (site.dicom / name).rename(site.dicom / "name_not_text.\udcff")


def renamed_back(site: SmallSite, name: str) -> None:
    (site.dicom / "name_not_text.\udcff").rename(site.dicom / name)


def archive_of(content: bytes) -> Callable[[SmallSite, str], object]:
    return lambda site, name: (site.dicom / f"{name}.zip").write_bytes(content)


def copied_again(site: SmallSite, name: str) -> None:
    (site.dicom / f"{name}.zip").unlink()
    image(site, name)


def locked(site: SmallSite, name: str) -> None:
    """A zip whose member says that a password locks it."""
    sink = io.BytesIO()
    image(site, name)
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, (site.dicom / name).read_bytes())
    gone(site, name)
    content = bytearray(sink.getvalue())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    (site.dicom / f"{name}.zip").write_bytes(content)


def a_slice(site: SmallSite, name: str) -> None:
    for number, place in enumerate(((0, 0, 0), (0, 0, 5))):
        uids = {"SeriesInstanceUID": "1.2.9.77", "StudyInstanceUID": "1.2.9", "FrameOfReferenceUID": "1.2.9.78"}
        geometry = {
            "ImagePositionPatient": list(place),
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [1, 1],
        }
        path = name if number else "series_incomplete"
        site.add(path, **{**COMMON, **BOB, **uids, **geometry, "InstanceNumber": number + 1, "SliceThickness": 5})


def misplaced(site: SmallSite, name: str) -> None:
    a_slice(site, name)
    path = site.dicom / name
    path.write_bytes(path.read_bytes().replace(b"0.0\\0.0\\5.0", b"0.0\\0.0\\5,0"))


def encapsulated(content: bytes) -> bytes:
    """Native pixels under the name of JPEG: there is nothing to walk."""
    return content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")


def changed(change: Callable[[pydicom.Dataset], object]) -> Do:
    """An image with something done to it as a data set."""

    def plant(site: SmallSite, name: str) -> None:
        image(site, name)
        dataset = pydicom.dcmread(site.dicom / name)
        change(dataset)
        dataset.save_as(site.dicom / name)

    return plant


def meta(element: str, value: str) -> Do:
    return changed(lambda dataset: setattr(dataset.file_meta, element, value))


def of_pet(dataset: pydicom.Dataset) -> None:
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = PositronEmissionTomographyImageStorage
    dataset.Modality = "PT"


def float_pixels(dataset: pydicom.Dataset) -> None:
    del dataset.PixelData
    dataset.FloatPixelData = bytes(64)


def with_tail(content: bytes) -> bytes:
    return content + b"STRAY BYTES BEHIND THE DATA SET."


def with_broken_sequence(content: bytes) -> bytes:
    """An item longer than the sequence that holds it, in its place by tag: before StudyDate's successor."""
    at = content.index(b"\x10\x00\x10\x00PN")
    broken = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 8) + b"\xfe\xff\x00\xe0" + struct.pack("<L", 500)
    return content[:at] + broken + content[at:]


def empty_archive(site: SmallSite, name: str) -> None:
    zipfile.ZipFile(site.dicom / f"{name}.zip", "w").close()


def copied(site: SmallSite, name: str) -> None:
    image(site, name)
    (site.dicom / f"{name}-copy").write_bytes((site.dicom / name).read_bytes())


def link_to(target: Callable[[SmallSite], Any]) -> Do:
    return lambda site, name: (site.dicom / name).symlink_to(target(site))


def text_file(site: SmallSite, name: str) -> None:
    (site.dicom / name).write_text("Read me first.")


def in_locked_folder(site: SmallSite, name: str) -> None:
    image(site, f"{name}/1")


def two_weeks_later(site: SmallSite, name: str) -> None:
    image(site, name, AccessionNumber="ACC-4", StudyDate="20240314", SeriesDate="20240314")
    image(site, f"{name}-other", AccessionNumber="ACC-4")
    image(site, f"{name}-third", AccessionNumber="ACC-4")


def at_its_place(site: SmallSite, name: str) -> None:
    target = site.open().read(tables.WORKLIST).set_index("source_path").target_path[name]
    (site.open().release / target).mkdir(parents=True)


def place_freed(site: SmallSite, name: str) -> None:
    (folder,) = (path for path in site.open().release.rglob("*.dcm") if path.is_dir())
    folder.rmdir()


def decided(log: Any, item: str, decision: str, **more: str) -> Do:
    row = {"item": item, "decision": decision, "note": "a test", **more}
    return lambda site, _: log.append(site.open(), "A. Reviewer", row)


def also(*steps: Do) -> Do:
    return lambda site, name: [step(site, name) for step in steps]


def to_file(path: str, row: str) -> Do:
    def do(site: SmallSite, _: str) -> None:
        file = site.folder / path
        file.write_text(file.read_text() + row)

    return do
