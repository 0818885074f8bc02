"""The demo stored in a real PACS and pulled by accession is the demo: Orthanc over three ways, DCMTK's archive."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, JPEGLosslessSV1, RLELossless

from chorus_nb import acquire, tables
from chorus_nb.acquire import pulling
from chorus_nb.parameters import Parameters
from chorus_nb.workspace import Workspace
from tests.acquire.real import DCMQRSCP, DICOMWEB, ORTHANC, Pacs, dcmqrscp, orthanc, store
from tests.acquire.test_pull import a_workspace
from tests.deid.conftest import encoded, image
from tests.deid.small_run import SmallSite, run, same_key, tree

PADDING = {0xFFFCFFFC}  # Data Set Trailing Padding, which stays behind
Stored = dict[str, Path]


def stored_files(site: Path, *, compressed: bool) -> Stored:
    """The files of the demo that an archive takes, by SOP Instance UID; of copies one."""
    found = {}
    for path in sorted((site / "dicom").rglob("*")):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            syntax = header.file_meta.TransferSyntaxUID
            if "SOPInstanceUID" in header and (compressed or not syntax.is_compressed):
                found.setdefault(str(header.SOPInstanceUID), path)
        except (OSError, AttributeError, pydicom.errors.InvalidDicomError):
            continue
    return found


def some_accessions(stored: Stored) -> list[str]:
    """Of the two studies with most classes and transfer syntaxes."""
    kinds = defaultdict[str, set[tuple[str, str]]](set)
    for path in stored.values():
        header = pydicom.dcmread(path, stop_before_pixels=True)
        kinds[str(header.get("AccessionNumber"))].add((header.SOPClassUID, header.file_meta.TransferSyntaxUID))
    return sorted(kinds, key=lambda accession: len(kinds[accession]))[-2:]


@pytest.fixture(scope="module")
def of_orthanc(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pacs, Stored]]:
    if not Path(ORTHANC).is_file() or DICOMWEB is None:
        pytest.skip("Orthanc with DICOMweb is not installed")
    files = stored_files(demo_site, compressed=True)
    with orthanc(tmp_path_factory.mktemp("orthanc")) as pacs:
        taken = store(pacs, files.values())
        yield pacs, {name: path for name, path in files.items() if name in taken}


@pytest.fixture(scope="module")
def of_dcmtk(demo_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pacs, Stored]]:
    if DCMQRSCP is None:
        pytest.skip("DCMTK is not installed")
    files = stored_files(demo_site, compressed=False)  # it sends in one family of transfer syntaxes at a time
    with dcmqrscp(tmp_path_factory.mktemp("dcmtk")) as pacs:
        taken = store(pacs, files.values())
        yield pacs, {name: path for name, path in files.items() if name in taken}


def value_of(dataset: pydicom.Dataset, tag: int) -> object:
    """The value as its bytes lie in the file: some of the demo no library can read."""
    return getattr(dataset.get_item(tag), "value", None)


@pytest.mark.parametrize("way", ["orthanc C-MOVE", "orthanc C-GET", "orthanc DICOMweb", "dcmtk C-MOVE", "dcmtk C-GET"])
def test_what_is_pulled_is_what_was_stored(
    way: str, request: pytest.FixtureRequest, demo_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, how = way.partition(" ")
    pacs, stored = request.getfixturevalue(f"of_{name}")
    monkeypatch.setattr(pulling, "pause", lambda attempt: None)
    place = {"C-MOVE": pacs.dimse, "C-GET": pacs.dimse.replace("dimse", "dimse+get"), "DICOMweb": pacs.web}[how]
    folders = {"omop": str(demo_site / "omop"), "lookup": str(demo_site / "lookup"), "workspace": str(tmp_path / "w")}
    values = {
        "site": "tiny",
        "source": "pacs:",
        **folders,
        "pacs": [place],
        "pacs_port": pacs.our_port,
        "pacs_timeout": 30,
    }
    workspace = Workspace(Parameters.of(values)).create()
    expected = acquire.expect_studies(workspace)
    if how != "DICOMweb":  # a question takes these archives 0.1 s over DIMSE
        expected = expected[expected["AccessionNumber"].isin(some_accessions(stored))]
        workspace.write(tables.EXPECTED_STUDIES, expected)
    acquire.ask_archives(workspace, lambda *_: None)
    acquire.pull(workspace, lambda *_: None)

    wanted = set(zip(expected["PatientID"], expected["AccessionNumber"], strict=True))
    due = {}
    for uid, path in stored.items():
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if (header.get("PatientID"), header.get("AccessionNumber")) in wanted:
            due[uid] = path
    came = {path.stem: path for path in (workspace.local / "incoming").rglob("*.dcm")}
    assert came.keys() == due.keys() and len(due) > 3
    syntaxes = Counter[str]()
    for uid, path in due.items():
        before, after = pydicom.dcmread(path), pydicom.dcmread(came[uid])
        assert after.get("PixelData") == before.get("PixelData")
        assert after.keys() ^ before.keys() <= PADDING
        if name == "orthanc":  # DCMTK sends uncompressed images in the syntax that it likes
            assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
            both = before.keys() & after.keys()
            plain = [tag for tag in both if before.get_item(tag).VR != "SQ"]  # its lengths may be written otherwise
            assert [tag for tag in plain if value_of(after, tag) != value_of(before, tag)] == []
        syntaxes[before.file_meta.TransferSyntaxUID] += 1
    assert len(syntaxes) > (2 if how == "DICOMweb" else 0)
    assert {oct(path.stat().st_mode & 0o77) for path in (workspace.local, *came.values())} <= {"0o0", "0o44"}


@pytest.mark.parametrize(("option", "syntax"), [("+xs", JPEGLosslessSV1), ("+xr", RLELossless)])
def test_compressed_images_of_dcmtk_come_over_c_get_as_they_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, syntax: UID
) -> None:
    if DCMQRSCP is None:
        pytest.skip("DCMTK is not installed")
    monkeypatch.setattr(pulling, "pause", lambda attempt: None)
    stored = {}
    for number, each in enumerate((syntax, syntax, ExplicitVRLittleEndian)):
        made = image(each, PatientID="P1", AccessionNumber="A1", SOPInstanceUID=f"1.2.3.{number}")
        if each.is_compressed:
            made.PixelData = encapsulate([bytes([0xFF, 0xD8, number, *range(100)])])
            made["PixelData"].is_undefined_length = True
        stored[made.SOPInstanceUID] = tmp_path / f"{number}"
        stored[made.SOPInstanceUID].write_bytes(encoded(made))
    with dcmqrscp(tmp_path, option) as pacs:  # it takes one compressed syntax, and those without
        assert store(pacs, stored.values()) == stored.keys()
        workspace = a_workspace(tmp_path, pacs=[pacs.dimse.replace("dimse", "dimse+get")])
        acquire.ask_archives(workspace, lambda *_: None)
        acquire.pull(workspace, lambda *_: None)
    came = {path.stem: path for path in (workspace.local / "incoming").rglob("*.dcm")}
    assert came.keys() == stored.keys()
    for uid, path in stored.items():
        before, after = pydicom.dcmread(path), pydicom.dcmread(came[uid])
        assert after.PixelData == before.PixelData
        syntaxes = {each.file_meta.TransferSyntaxUID for each in (before, after)}
        assert len(syntaxes) == 1 or not any(each.is_compressed for each in syntaxes)


def test_the_release_is_that_of_the_folder(of_orthanc: tuple[Pacs, Stored], tmp_path: Path) -> None:
    pacs, site = of_orthanc[0], SmallSite(tmp_path / "site")
    series = {"SeriesInstanceUID": "1.2.3.9", "StudyInstanceUID": "1.2.3.8", "Modality": "CR"}
    names = [f"{number}" for number in range(2)]
    paths = [site.add(name, **series, SOPClassUID=ComputedRadiographyImageStorage) for name in names]
    assert len(store(pacs, paths)) == len(paths)
    at_home = site.open("home", pacs_port=pacs.our_port)
    run(at_home)
    for number, place in enumerate((pacs.dimse, pacs.web)):
        away = same_key(at_home, site.open(f"away{number}", source="pacs:", pacs=[place], pacs_port=pacs.our_port))
        acquire.expect_studies(away)
        acquire.ask_archives(away, lambda *_: None)
        acquire.pull(away, lambda *_: None)
        assert set(run(away).status) == {"released"}
        assert tree(away.release) == tree(at_home.release) != {}
