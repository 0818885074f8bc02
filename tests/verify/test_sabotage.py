"""The verifier is tested by sabotage: each kind of fault, planted alone in a clean release, is found. A file or series
at fault is held back, and the release goes on without it; what concerns all closes the gate.

The list grows: a fault that once slipped through gets a row here before it gets a fix.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pandas as pd
import pydicom
import pytest
from blake3 import blake3
from pydicom.dataset import Dataset

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.verify import checks, require_pass, second_look, verify, verify_tree
from chorus_nb.verify.findings import ASKED_OF_TREE, GATE_CHECKS
from chorus_nb.workspace import Workspace
from tests.verify.small_site import burn, first, new_uid, patch, record, rename, rewrite


class Sabotage(NamedTuple):
    kind: str
    check: str  # the check that must find it, whatever else does
    plant: Callable[[Workspace], object]


def on_header(kind: str, check: str, change: Callable[[Dataset], object], modality: str = "CT") -> Sabotage:
    return Sabotage(kind, check, lambda release: rewrite(release, change, first(release, modality)))


def on_bytes(kind: str, check: str, change: Callable[[bytes], bytes]) -> Sabotage:
    return Sabotage(kind, check, lambda release: patch(release, change))


def on_registry(kind: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Sabotage:
    def plant(release: Workspace) -> None:
        release.write(tables.IMAGE_REGISTRY, change(release.read(tables.IMAGE_REGISTRY)))

    return Sabotage(kind, "registry", plant)


def on_outcomes(kind: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Sabotage:
    def plant(release: Workspace) -> None:
        release.write(tables.OUTCOMES, change(release.read(tables.OUTCOMES)))

    return Sabotage(kind, "accounted", plant)


def on_proofs(kind: str, **values: object) -> Sabotage:
    def plant(release: Workspace) -> None:
        release.write(tables.TEXT_PROOFS, one_row(release.read(tables.TEXT_PROOFS), **values))

    return Sabotage(kind, "burned_in", plant)


def sets(**values: object) -> Callable[[Dataset], None]:
    def change(d: Dataset) -> None:
        for keyword, value in values.items():
            setattr(d, keyword, value)

    return change


def nested(keyword: str, value: object, depth: int = 1) -> Callable[[Dataset], None]:
    def change(d: Dataset) -> None:
        for _ in range(depth):
            item = Dataset()
            d.RequestAttributesSequence = [item]
            d = item
        setattr(d, keyword, value)

    return change


def private(d: Dataset, creator: str, value: str, group: int = 0x0019) -> None:
    d.private_block(group, creator, create=True).add_new(0x01, "LO", value)


def nested_private(d: Dataset) -> None:
    item = Dataset()
    private(item, "ACME SECRET", "Müller Änne")
    d.DerivationCodeSequence = [item]


def one_pixel(d: Dataset) -> None:
    d.PixelData = bytes([d.PixelData[0] ^ 1]) + d.PixelData[1:]


def outside_the_box(d: Dataset) -> None:
    frame = d.pixel_array.copy()
    frame[15, 15] ^= 1
    d.compress(pydicom.uid.RLELossless, arr=frame, generate_instance_uid=False)


def icon(d: Dataset) -> None:
    d.IconImageSequence = [Dataset()]
    d.IconImageSequence[0].Rows = 8


def write_text(where: str, text: str | bytes) -> Callable[[Workspace], object]:
    def plant(release: Workspace) -> None:
        path = release.root / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return plant


def parquet(release: Workspace) -> None:
    release.metadata.mkdir(exist_ok=True)
    pd.DataFrame({"StudyDescription": ["CT CHEST Müller Änne"]}).to_parquet(release.metadata / "study.parquet")


def said_by_another_file(keyword: str, value: str) -> Callable[[Workspace], None]:
    """What only the header of another study of this person says."""

    def plant(release: Workspace) -> None:
        catalog = release.read(tables.CATALOG)
        catalog.loc[catalog.source_path.str.contains("ACC4471990"), keyword] = value
        release.write(tables.CATALOG, catalog)
        rewrite(release, sets(StudyDescription=f"CT {value.split('^')[0]}"), first(release))

    return plant


def swapped_persons(release: Workspace) -> None:
    one, other = first(release), sorted(release.release.glob("502/Images/CT/*/*/*.dcm"))[0]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    record(release, one)
    record(release, other)


def duplicated_instance(release: Workspace) -> None:
    one, two, *_ = sorted(release.release.glob("501/Images/CT/*/*/*.dcm"))
    uid = pydicom.dcmread(one).SOPInstanceUID
    rewrite(release, sets(SOPInstanceUID=uid), two)
    rewrite(release, lambda d: setattr(d.file_meta, "MediaStorageSOPInstanceUID", uid), two)


def renamed(pattern: Callable[[list[str]], list[str]]) -> Callable[[Workspace], None]:
    def plant(release: Workspace) -> None:
        path = first(release)
        rename(release, path, "/".join(pattern(path.relative_to(release.release).parts)))  # type: ignore[arg-type]

    return plant


def links_to(**values: object) -> Callable[[Workspace], object]:
    def plant(release: Workspace) -> None:
        release.write(tables.LINKAGE, one_row(release.read(tables.LINKAGE), **values))

    return plant


def after_holding(then: Callable[[Workspace, str], object]) -> Callable[[Workspace], object]:
    """A file is held back, and then something goes wrong with what was held; ``then`` is told its target path."""

    def plant(release: Workspace) -> None:
        path = first(release)
        rewrite(release, sets(InstitutionName="Mercy Hospital"), path)
        verify(release)
        then(release, path.relative_to(release.release).as_posix())

    return plant


def put_back(release: Workspace, target_path: str, name: str = "") -> None:
    place = release.release / target_path
    shutil.copy(release.quarantine / target_path, place.with_name(name or place.name))


def called_released(release: Workspace, target_path: str) -> None:
    """Back in its place, and 03 says that it made it so."""
    put_back(release, target_path)
    outcomes = release.read(tables.OUTCOMES)
    own = outcomes.reason == "held_by_verify"
    content = (release.source.read(outcomes.source_path[own].iloc[0]), (release.release / target_path).read_bytes())
    values = ("released", "", target_path, *(blake3(one).hexdigest() for one in content))
    outcomes.loc[own, ["status", "reason", "target_path", "source_digest", "target_digest"]] = values
    release.write(tables.OUTCOMES, outcomes)


def one_row(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    for column, value in values.items():
        frame.loc[frame.index[0], column] = value
    return frame


SHIFTED_DAY = "20231023"  # 2024-01-31 moved by -100 days
SABOTAGES = [
    on_header("somebody's full name as the scanner's", "leaks", sets(ManufacturerModelName="of Änne Müller")),
    # names
    on_header("a full name in a description", "leaks", sets(SeriesDescription="Axial 5mm Müller, Änne")),
    on_header("a surname alone", "leaks", sets(StudyDescription="CT CHEST MUELLER")),
    on_header("a surname in capitals", "leaks", sets(StudyDescription="CT CHEST MÜLLER")),
    on_header("a surname without its accent", "leaks", sets(StudyDescription="ct chest muller")),
    on_header("a surname in decomposed letters", "leaks", sets(StudyDescription="CT Mu\u0308ller")),
    on_header("an MRN with a sign within", "leaks", sets(StudyDescription="CT 7712-0034.")),
    on_header("day and month of the study", "patterns", sets(StudyDescription="CT of Jan 31, chest")),
    on_header("a stranger's name without a title", "patterns", sets(StudyDescription="CT chest Vandersloot")),
    on_header("names run together", "leaks", sets(StudyDescription="MÜLLERÄNNE")),
    on_header("a surname in hexadecimal digits", "leaks", sets(ManufacturerModelName="T-4dc3bc6c6c6572-")),
    on_header("an MRN in Base64", "leaks", sets(ManufacturerModelName="T2_TVJOLTc3MTIwMDM0")),
    on_header("the physician's name", "leaks", sets(StudyDescription="seen by fitzgerald")),
    on_header("the operator's name", "leaks", sets(ImageComments="Quillfeather")),
    Sabotage("an id of another file", "leaks", said_by_another_file("OtherPatientIDs", "QX-4417")),
    on_header("a name in a nested item", "leaks", nested("ScheduledProcedureStepDescription", "Chest for Müller")),
    on_header("a name three sequences deep", "leaks", nested("RequestedProcedureDescription", "Müller", depth=3)),
    on_header("a name in a nested private element", "leaks", nested_private),
    on_header("an institution nobody knows", "removed", sets(InstitutionName="Mercy Hospital")),
    on_header("an operator nobody knows", "removed", sets(OperatorsName="Someone^Else")),
    on_header("an address in an item", "removed", nested("InstitutionAddress", "1 High Street")),
    on_header("PatientName not empty", "removed", sets(PatientName="Müller^Änne Maria")),
    on_header("a physician not empty", "removed", sets(ReferringPhysicianName="Fitzgerald^Siobhan")),
    on_header("a name after a title", "patterns", sets(ImageComments="reported to Dr. Vandersloot")),
    # identifiers
    on_header("the MRN in a description", "leaks", sets(SeriesDescription="MRN-77120034")),
    on_header("the digits of the MRN", "leaks", sets(ImageComments="pt MRN 77120034")),
    on_header("the accession in a description", "leaks", sets(StudyDescription="CT ACC4471982")),
    on_header("another accession of the patient", "leaks", sets(StudyDescription="prior ACC4471990")),
    on_header("the study ID", "leaks", sets(StudyID="STUDY8812")),
    on_header("a requested procedure ID in an item", "leaks", nested("RequestedProcedureID", "RP00471")),
    on_header("the phone number", "leaks", sets(ImageComments="call 6175550142")),
    on_header("the address", "leaks", sets(ImageComments="12 elmwood street, springfield")),
    on_header("the institution", "leaks", sets(InstitutionName="Saint Brigid Hospital")),
    on_header("the station", "leaks", sets(StationName="CTROOM9")),
    on_header("the serial number", "leaks", sets(DeviceSerialNumber="SN-8821344")),
    on_header("an e-mail address", "patterns", sets(ImageComments="ask jo@example.org")),
    on_header("a social security number", "patterns", sets(ImageComments="078-05-1120")),
    on_header("somebody's phone number", "patterns", sets(ImageComments="(212) 555-0188")),
    on_header("somebody's record number", "patterns", sets(ImageComments="MRN: 4456123")),
    # encodings and odd places
    on_header("a name in UTF-16", "leaks", lambda d: d.add_new(0x00204000, "LT", "Müller".encode("utf-16-le"))),
    on_header(
        "an identifier in UTF-16 big endian",
        "leaks",
        lambda d: d.add_new(0x00204000, "LT", b"\0" + "ACC4471982".encode("utf-16-be")[1:]),
    ),
    on_header("a name in Latin-1", "leaks", lambda d: d.add_new(0x00204000, "LT", "Müller ".encode("latin-1"))),
    on_header("a name in an element of bytes", "leaks", lambda d: d.add_new(0x00282000, "OB", "Müller, Änne".encode())),
    on_bytes("an identifier in the preamble", "leaks", lambda c: b"MRN-77120034".ljust(128, b"\0") + c[128:]),
    on_bytes("text behind zeros behind the data set", "removed", lambda c: c + bytes(64) + b"BROUGHT BY ZELDRIC"),
    on_bytes("an identifier behind the end", "leaks", lambda c: c + b"\xfc\xff\xfc\xffOB\0\0\x0c\0\0\0MRN-77120034"),
    on_bytes(
        "the original UID in the file meta",
        "leaks",
        lambda c: (
            c.replace(b"\x02\x00\x13\x00SH", b"\x02\x00\x16\x00AE", 1).replace(b"PYDICOM", b"ACC4471", 1)
            + b"ACC4471982 "
        ),
    ),
    on_header("the patient's name as method", "leaks", sets(DeidentificationMethod="by hand, Müller")),
    on_header("somebody's phone number as method", "patterns", sets(DeidentificationMethod="ask (212) 555-0188")),
    on_header(
        "words as character set", "patterns", lambda d: d.add_new(0x00080005, "CS", ["ISO_IR 192", "VANDERSLOOT"])
    ),
    on_header(
        "a sending station in the file meta",
        "removed",
        lambda d: setattr(d.file_meta, "SourceApplicationEntityTitle", "VANDERSLOOT"),
    ),
    on_header(
        "a name as version of the writer",
        "leaks",
        lambda d: setattr(d.file_meta, "ImplementationVersionName", "MULLER"),
    ),
    # dates
    on_header("a date in a comment", "leaks", sets(ImageComments="compared with 31 Jan 2024")),
    on_header("an ISO date in a comment", "leaks", sets(ImageComments="2024-01-31")),
    on_header("an American date in a comment", "leaks", sets(ImageComments="exam of 1/31/2024")),
    on_header("the date as a series number", "leaks", sets(SeriesNumber="20240131")),
    on_header("the birth date in a comment", "leaks", sets(ImageComments="02.04.1961")),
    on_header("a real date in a DA", "dates", sets(ContentDate="20240131")),
    on_header("a real date in a DT", "dates", sets(AcquisitionDateTime="20240131101500.000000")),
    on_header("another shift in one date", "dates", sets(SeriesDate="20231024")),
    on_header("the time of day changed", "dates", sets(StudyTime="111500")),
    on_header("the time inside a DT changed", "dates", sets(AcquisitionDateTime=f"{SHIFTED_DAY}111500.000000")),
    on_header("a birth date not shifted", "dates", sets(PatientBirthDate="19610402")),
    on_header("an age above 89", "removed", sets(PatientAge="093Y")),
    # UIDs
    on_header("an original UID", "uids", sets(FrameOfReferenceUID="1.2.826.0.1.3680043.8.498.4471982.9")),
    on_header("an original UID in a text", "leaks", sets(ImageComments="see 1.2.826.0.1.3680043.8.498.4471982.1.2")),
    on_header("a UID of its own in one file", "uids", sets(FrameOfReferenceUID=new_uid("another"))),
    on_header("two UIDs merged", "uids", lambda d: setattr(d, "FrameOfReferenceUID", d.StudyInstanceUID)),
    on_header("a UID that is none", "uids", sets(FrameOfReferenceUID="2.25.007")),
    on_header(
        "a reference that leads nowhere",
        "uids",
        lambda d: setattr(d.ReferencedImageSequence[0], "ReferencedSOPInstanceUID", new_uid("nowhere")),
    ),
    on_header(
        "file meta of another instance",
        "uids",
        lambda d: setattr(d.file_meta, "MediaStorageSOPInstanceUID", new_uid("other")),
    ),
    Sabotage("one instance UID in two files", "uids", duplicated_instance),
    # ids, folders, names
    on_header("another person's id", "ids", sets(PatientID="502")),
    on_header("another accession's id", "ids", sets(AccessionNumber="9002")),
    Sabotage("two persons' files swapped", "ids", swapped_persons),
    Sabotage("the folder of another person", "layout", renamed(lambda p: ["502", *p[1:]])),
    Sabotage("the folder of another modality", "layout", renamed(lambda p: [*p[:2], "MR", *p[3:]])),
    Sabotage("the folder of another accession", "layout", renamed(lambda p: [*p[:3], "9002", *p[4:]])),
    Sabotage("the folder of another series", "layout", renamed(lambda p: [*p[:4], "2.25.99", *p[5:]])),
    Sabotage("a file name of another number", "layout", renamed(lambda p: [*p[:5], "017.dcm"])),
    Sabotage("an identifier in a file name", "names", renamed(lambda p: [*p[:5], "MRN-77120034.dcm"])),
    # pixels
    on_header("one pixel changed", "pixels", one_pixel),
    on_header("a pixel outside the redacted box changed", "pixels", outside_the_box, "US"),
    on_header("a name drawn into the picture", "second_look", lambda d: burn(d, "MULLER, AENNE MARIA")),
    on_header("a record number drawn into the picture", "second_look", lambda d: burn(d, "ID MRN-77120034"), "US"),
    on_header("the date drawn into the picture", "second_look", lambda d: burn(d, "2024-01-31  10:15")),
    on_header("somebody's birth date drawn into the picture", "second_look", lambda d: burn(d, "DOB 07/19/1948")),
    on_header("the pixel data gone", "readable", lambda d: d.__delitem__("PixelData")),
    on_header("pixel data too short", "readable", lambda d: setattr(d, "PixelData", d.PixelData[:100])),
    on_header(
        "compressed pixels damaged",
        "pixels",
        lambda d: setattr(d, "PixelData", d.PixelData[:40] + b"\0" * (len(d.PixelData) - 40)),
        "US",
    ),
    on_bytes("a truncated file", "readable", lambda c: c[: len(c) * 3 // 4]),
    on_bytes("a file cut in its header", "readable", lambda c: c[:700]),
    on_bytes("an empty file", "readable", lambda c: b""),
    on_bytes("a file that is no DICOM", "readable", lambda c: b"not DICOM at all" * 40),
    # what must be gone, what must be there
    on_header("an unknown private element", "private", lambda d: private(d, "ACME SECRET", "harmless")),
    on_header("a private element without creator", "private", lambda d: d.add_new(0x00191001, "LO", "harmless")),
    on_header("an overlay", "removed", lambda d: d.add_new(0x60003000, "OW", b"\1\2" * 16)),
    on_header("a thumbnail", "removed", icon),
    on_header(
        "attributes from before a correction",
        "removed",
        lambda d: setattr(d, "OriginalAttributesSequence", [Dataset()]),
    ),
    on_header("an element the dictionary does not know", "removed", lambda d: d.add_new(0x0008FFF0, "LO", "harmless")),
    on_header("Modality gone", "retained", lambda d: d.__delitem__("Modality")),
    on_header("Slice Thickness gone", "retained", lambda d: d.__delitem__("SliceThickness")),
    on_header("Pixel Spacing changed", "retained", sets(PixelSpacing=[2, 2])),
    on_header("an image moved in space", "retained", sets(ImagePositionPatient=[0, 0, 999])),
    on_header("a required attribute gone", "iod", lambda d: d.__delitem__("ImageType")),
    on_header("no word of de-identification", "claims", lambda d: d.__delitem__("PatientIdentityRemoved")),
    # the release as a whole
    Sabotage("a missing slice", "accounted", lambda r: first(r).unlink()),
    Sabotage(
        "a stale file of a former run", "accounted", lambda r: shutil.copy(first(r), first(r).with_name("099.dcm"))
    ),
    Sabotage("a file half written", "accounted", lambda r: shutil.copy(first(r), first(r).with_name(".partial-1"))),
    Sabotage("a file changed after 03", "accounted", lambda r: first(r).write_bytes(first(r).read_bytes() + b"\0\0")),
    Sabotage("a person folder nobody released", "accounted", write_text("release/777/Images/CT/1/2/001.dcm", "x")),
    Sabotage(
        "a second series in a folder", "geometry", lambda r: rewrite(r, sets(SeriesInstanceUID=new_uid("series")))
    ),
    on_outcomes("a source file that was lost", lambda f: f.iloc[1:]),
    on_outcomes(
        "a file held back without a reason", lambda f: one_row(f, status="held_back", reason="", target_path="")
    ),
    on_outcomes("an original that changed", lambda f: one_row(f, source_digest="0" * 64)),
    Sabotage("an image outside its visit", "visits", links_to(visit_occurrence_id=72)),
    Sabotage("an image in another person's visit", "visits", links_to(visit_occurrence_id=73)),
    Sabotage("an image in a visit that is not", "visits", links_to(visit_occurrence_id=9)),
    Sabotage("an image without a visit", "visits", links_to(visit_occurrence_id=None)),
    Sabotage("an image nobody looked at for text", "burned_in", lambda r: r.path(tables.IMAGE_VERDICTS).unlink()),
    Sabotage("a redaction nobody looked at again", "burned_in", lambda r: r.path(tables.TEXT_PROOFS).unlink()),
    on_proofs("text left in a redacted image", result="high_text_left"),
    on_proofs("another redacted file than the one proven", target_digest="0" * 64),
    # what was held back
    Sabotage("a held file back under another name", "accounted", after_holding(partial(put_back, name="099.dcm"))),
    Sabotage("a held file called released again", "removed", after_holding(called_released)),
    Sabotage(
        "a held file without its finding",
        "accounted",
        after_holding(lambda r, _: r.path(tables.HELD_FINDINGS).unlink()),
    ),
    Sabotage("a held file that stays in the registry", "registry", after_holding(lambda r, path: None)),
    # tables, reports, audit
    on_registry("a row missing in the registry", lambda f: f.iloc[:-1]),
    on_registry("another person in the registry", lambda f: one_row(f, person_id=502)),
    on_registry("the original date in the registry", lambda f: one_row(f, datetime="2024-01-31 10:15:00")),
    on_registry("a file twice in the registry", lambda f: one_row(f, src_file=f.src_file.iloc[1])),
    on_registry("a registry row of no file", lambda f: one_row(f, src_file="501/Images/CT/1/2/001.dcm")),
    Sabotage(
        "a name in a table", "tables", write_text("release/Metadata/series.csv", "a,b\n1,Chest for Müller Änne\n")
    ),
    Sabotage("a name in a Parquet table", "tables", parquet),
    Sabotage("an MRN in a table", "tables", write_text("release/Metadata/study.csv", "person,x\n501,MRN-77120034\n")),
    Sabotage(
        "an original UID in a table",
        "tables",
        write_text("release/Metadata/study.csv", "u\n1.2.826.0.1.3680043.8.498.4471982\n"),
    ),
    Sabotage(
        "an identifier in the name of a table", "tables", write_text("release/Metadata/MRN-77120034.csv", "a\n1\n")
    ),
    Sabotage(
        "an MRN as source value in OMOP",
        "tables",
        write_text("release/OMOP/person.csv", "person_id,person_source_value\n501,MRN-77120034\n"),
    ),
    Sabotage(
        "a name in a shareable report",
        "tables",
        write_text("audit/reports/03_run_deid.html", "<p>Okonkwo, Bartholomew</p>"),
    ),
    Sabotage(
        "a name in an attribute of a report",
        "tables",
        write_text("audit/reports/03_run_deid.html", '<img alt="Okonkwo, Bartholomew">'),
    ),
    Sabotage(
        "an escaped name in a report", "tables", write_text("audit/reports/05.html", "<p>M&uuml;ller, &Auml;nne</p>")
    ),
    Sabotage(
        "an identifier in a comment of a report", "tables", write_text("audit/reports/05.html", "<!-- MRN-77120034 -->")
    ),
    Sabotage("an accession in the audit log", "tables", write_text("audit/audit.jsonl", '{"event": "ACC5560017"}\n')),
    Sabotage(
        "a source path in a report",
        "tables",
        write_text("audit/reports/05.html", "<td>MRN-77120034/ACC4471982/IM00001</td>"),
    ),
    Sabotage("a table that cannot be read", "tables", write_text("release/Metadata/image.parquet", b"PAR1damaged")),
]


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=[sabotage.kind for sabotage in SABOTAGES])
def test_a_planted_fault_is_found_and_held_back_or_closes_the_gate(
    release: Workspace, sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sabotage.check != "second_look":
        # most of the time of a test
        monkeypatch.setattr(second_look, "read_with_tesseract", lambda pictures: [[] for _ in pictures])
    elif not second_look.version():
        pytest.skip("Tesseract is not installed")
    sabotage.plant(release)
    findings = verify(release)
    if sabotage.check in ASKED_OF_TREE:
        result = verify_tree(release).set_index("check").result
        assert result[sabotage.check] == "fail"
        return
    grave = findings[findings.severity == "high"]
    assert sabotage.check in set(grave.check), f"found only by {sorted(set(grave.check))}"
    gate = checks(release).set_index("check")
    if concerns_all(sabotage):
        assert gate.result["released_bytes"] == "fail"
        with pytest.raises(WorkbenchError, match=sabotage.check):
            require_pass(gate.reset_index())
    else:
        assert grave.held.all()
        assert gate.held[sabotage.check] > 0
        is_held_back(release, set(grave.check))
        require_pass(gate.reset_index())


def concerns_all(sabotage: Sabotage) -> bool:
    """Whether no single file or series is at fault: the accounting, a table that is not there, most of the files."""
    all_files = ("an image nobody looked at for text", "two persons' files swapped")
    return GATE_CHECKS[sabotage.check].scope == "release" or sabotage.kind in all_files


def is_held_back(release: Workspace, found_by: set[str]) -> None:
    """Each file at fault is out of the release and of every table about it, with the checks that found it."""
    held = release.read(tables.HELD_FINDINGS)
    assert set(held.check) == found_by
    outcomes = release.read(tables.OUTCOMES).set_index("source_path")
    for row in held.itertuples():
        assert not (release.release / row.target_path).exists()
        assert (release.local / "quarantine" / row.target_path).is_file()
        became = outcomes.loc[row.source_path]
        assert (became.status, became.reason, became.target_path) == ("held_back", "held_by_verify", "")
        assert row.check in became.detail.split(", ")
    assert len(set(held.source_path)) == (outcomes.reason == "held_by_verify").sum()
    assert set(release.read(tables.VERIFIED_IMAGES).target_path) == set(outcomes.target_path) - {""}
    assert not [path for path in release.release.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_a_held_file_that_is_copied_back_to_its_place_is_moved_out_again(release: Workspace) -> None:
    after_holding(put_back)(release)
    held = release.read(tables.HELD_FINDINGS).target_path.iloc[0]
    assert (release.release / held).exists()
    verify(release)
    assert not (release.release / held).exists()
    require_pass(checks(release))


def test_a_hundred_kinds_of_fault_are_known() -> None:
    assert len({sabotage.kind for sabotage in SABOTAGES}) == len(SABOTAGES) >= 100


def test_the_clean_release_has_no_finding_and_passes(release: Workspace) -> None:
    findings = verify(release)
    assert findings.empty
    require_pass(checks(release))
    assert set(verify_tree(release).result) == {"pass"}
    assert release.read(tables.TREE_FINDINGS).empty
