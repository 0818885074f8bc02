"""Why 03 leaves a file out: each reason is made to appear, and what its advice says is done to the letter."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from chorus_nb import deid, explore, tables
from chorus_nb.deid import job
from chorus_nb.deid.cohort import EXCLUSION_LOG
from chorus_nb.deid.dataset import IMPLEMENTATION_UID
from chorus_nb.deid.worklist import DICOMDIR
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.mapping import Policy, Rule
from chorus_nb.mapping.chorus import Chorus
from chorus_nb.pixels import detection
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.pixels.judge import Verdict, _Judge
from chorus_nb.verify import checks, require_pass, verify
from chorus_nb.workspace import Workspace
from tests.deid import conftest as small
from tests.deid.small_run import SmallSite, reasons, run
from tests.verify.faulty_files import (
    Do,
    a_slice,
    also,
    archive_of,
    at_its_place,
    changed,
    copied,
    copied_again,
    cut,
    damaged,
    decided,
    delivered,
    empty_archive,
    encapsulated,
    float_pixels,
    gone,
    having,
    image,
    in_locked_folder,
    in_map,
    link_to,
    linked,
    locked,
    meta,
    misplaced,
    of_pet,
    one_left,
    place_freed,
    renamed,
    renamed_back,
    text_file,
    to_file,
    twice,
    two_weeks_later,
    unpacked,
    with_broken_sequence,
    with_tail,
    zipped,
)

IMAGES = "MRN-2,ACC-3,503\nMRN-2,ACC-4,504\nMRN-2,ACC-5,505\nMRN-2B,ACC-9,509\nMRN-1,ACC-1,501\n"
IMAGES += "MRN-6,ACC-6,506\nMRN-8,ACC-10,510\n"
PATIENTS = "MRN-6,1006,-9\nMRN-8,1008,-9\n"
VISITS = "71,1002,9201,2024-01-20,2024-01-25,32817\n72,1007,9201,2024-02-15,2024-02-25,32817\n"
VISITS += "76,1006,9201,2024-02-15,2024-02-25,32817\n78,1008,9201,2024-02-15,2024-02-25,32817\n"
PERSONS = "person_id,year_of_birth\n" + "".join(f"{person},1950\n" for person in (1001, 1002, 1007, 1008))
VISIT_HEAD = "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date,visit_type_concept_id\n"
DEATHS = "person_id,death_date\n1008,2023-11-20\n"
DIRECTION = (-0.49999999, 0.50000001, 0.70710678)
TRAP = 0x00104000  # PatientComments
KINDS = ["CT", "MR", "CR", "DX", "MG", "US"]


class Reason(NamedTuple):
    reason: str
    says: str  # what stands in the remedy of the reason
    plant: Do
    do: Do | None = None  # None: nothing is to be done
    left: bool = False  # it does not go, and need not
    when: str = "before 01"  # that it is planted


UNDATED = {"AccessionNumber": "ACC-5"}  # no other file says when it was
NEW = {"PatientID": "MRN-7", "AccessionNumber": "ACC-7"}
RENDERING = {"ImageType": ["DERIVED", "SECONDARY", "VOLREN"], "SeriesDescription": "HEAD 3D"}
NOTHING = "Nothing to "
REASONS = [
    Reason(
        "patient_not_mapped",
        "Add the patient to Personal_map.csv",
        having(**NEW),
        in_map("Personal_map", "MRN-7,1007,-9\n"),
    ),
    Reason(
        "accession_not_mapped",
        "add it to Image_map.csv",
        having(AccessionNumber="ACC-8"),
        in_map("Image_map", "MRN-2,ACC-8,508\nMRN-7,ACC-7,507\n"),
    ),
    Reason("identifiers_missing", "Export it again", having(SeriesInstanceUID=None), having()),
    Reason("truncated", "Copy or export it again", cut, having()),
    Reason("archive_not_opened", "Unpack it and deliver the files", zipped, unpacked),
    Reason("link_leaves_source", "Put the file itself into the source", linked, delivered),
    Reason("duplicate_conflict", "Find out at the PACS which is right", twice, one_left),
    Reason("name_not_text", "Rename the file", renamed, renamed_back),
    Reason("archive_damaged", "Copy or export it again", archive_of(b"PK\3\4" + bytes(300)), copied_again),
    Reason("encrypted_member", "Unpack the archive with its password", locked, copied_again),
    Reason("no_date", "Have the study date filled in", having(StudyDate=None, **UNDATED), having(**UNDATED)),
    Reason("path_not_allowed", "Export it again from the PACS", having(SeriesInstanceUID="1.2 9"), having()),
    Reason(
        "structure_refused",
        "Export it again",
        damaged(lambda c: c.replace(b"\x08\x00\x60\x00CS", b"\x08\x00\x60\x00??")),
        having(),
    ),
    Reason("pixels_not_walked", "in another transfer syntax", damaged(encapsulated), having()),
    Reason(
        "value_unusable",
        "Have it mended in the PACS",
        damaged(lambda c: c.replace(b"4.25", b"4,25"), having(RescaleSlope="4.25", RescaleIntercept=0)),
        having(RescaleSlope=1, RescaleIntercept=0),
    ),
    Reason("geometry_unusable", "export the series again", misplaced, a_slice),
    Reason("series_incomplete", "Have the slice mended", lambda *_: None, lambda *_: None),  # the other slice of it
    Reason("already_deidentified", "out of the source", meta("ImplementationClassUID", IMPLEMENTATION_UID), gone),
    Reason("archive_empty", NOTHING, empty_archive, left=True),
    Reason("bits_beyond_stored", "Correct Bits Stored", having(BitsStored=12, HighBit=11), having()),
    Reason(
        "burned_in_text", "Review the images in notebook 04", having(), decided(IMAGE_LOG, "burned_in_text", "accept")
    ),
    Reason(
        "burned_in_text_unchecked",
        "Review the images",
        having(BurnedInAnnotation="YES"),
        decided(IMAGE_LOG, "burned_in_text_unchecked", "accept"),
    ),
    Reason("filled_beside_text", "redact it there", having(), decided(IMAGE_LOG, "filled_beside_text", "accept")),
    Reason(
        "changed_since_review",
        "Look at it again in 04's review and decide",
        also(having(), decided(IMAGE_LOG, "changed_since_review", "reject", seen_digest="another file")),
        decided(IMAGE_LOG, "changed_since_review", "accept"),
    ),
    Reason(
        "changed_since_scan", "Run 01 again, then this notebook", having(KVP="1200"), lambda *_: None, when="before 03"
    ),
    Reason("dicomdir", NOTHING, meta("MediaStorageSOPClassUID", DICOMDIR), left=True),
    Reason("duplicate_instance", NOTHING, copied, left=True),
    Reason(
        "excluded",
        "withdraw the decision",
        also(having(), decided(EXCLUSION_LOG, "excluded", "exclude")),
        decided(EXCLUSION_LOG, "excluded", "withdraw"),
    ),
    Reason(
        "face_not_removed",
        "and decide",
        also(having(SeriesInstanceUID="1.2.9.5", **RENDERING), decided(IMAGE_LOG, "face_not_removed", "accept")),
        decided(FACE_LOG, "1.2.9.5", "release"),
    ),
    Reason("float_pixels", NOTHING, changed(float_pixels), left=True),
    Reason("folder_unreadable", "Check its permissions, then run 01 again", in_locked_folder, lambda *_: None),
    Reason("kind_not_released", "The parameter kinds widens the modalities", changed(of_pet), lambda *_: None),
    Reason("link_loop", NOTHING, link_to(lambda site: site.dicom), left=True),
    Reason("no_pixels", NOTHING, changed(lambda dataset: dataset.__delitem__("PixelData")), left=True),
    Reason(
        "no_visit",
        "Add the visit to the OMOP tables",
        having(PatientID="MRN-1", AccessionNumber="ACC-1"),
        to_file("omop/visit_occurrence.csv", "73,1001,9201,2023-11-20,2023-11-25,32817\n"),
    ),
    Reason(
        "no_person",
        "Add the person to the OMOP tables",
        having(PatientID="MRN-6", AccessionNumber="ACC-6"),
        to_file("omop/person.csv", "1006,1950\n"),
    ),
    Reason("not_a_regular_file", "Take it out of the source", lambda site, name: os.mkfifo(site.dicom / name), gone),
    Reason("not_dicom", NOTHING, text_file, left=True),
    Reason(
        "not_in_cohort",
        "to the CSV that the parameter cohort names",
        having(PatientID="MRN-2B", AccessionNumber="ACC-9"),
        to_file("cohort.csv", "MRN-2B\n"),
    ),
    Reason(
        "outside_lifetime",
        "Have Personal_map.csv, PERSON, DEATH or the date at the PACS mended",
        having(PatientID="MRN-8", AccessionNumber="ACC-10"),
        lambda site, _: (site.folder / "omop" / "death.csv").write_text(DEATHS.replace("2023", "2024")),
    ),
    Reason(
        "outside_visit",
        "Have it mended in the PACS",
        two_weeks_later,
        having(AccessionNumber="ACC-4"),
    ),
    Reason("pixels_undecodable", "Export it again", damaged(encapsulated), having()),
    Reason(
        "rejected_by_review",
        "change the decision in 04's review",
        also(having(), decided(IMAGE_LOG, "rejected_by_review", "reject")),
        decided(IMAGE_LOG, "rejected_by_review", "accept"),
    ),
    Reason("structure_damaged", "Nothing to do if it is released", damaged(with_broken_sequence)),
    Reason("target_unwritable", "Take that away", at_its_place, place_freed, when="before 03"),
    Reason("trailing_bytes", NOTHING, damaged(with_tail)),
    Reason("file_behind", "into files of their own", damaged(lambda content: content + content), having()),
    Reason("unexpected_fault", "when it was exported again", having(PatientComments="x"), having()),
    Reason("unreadable", "what it leads to", link_to(lambda site: site.dicom / "nowhere"), also(gone, having())),
]
ELSEWHERE = {  # reason to the test that follows its advice
    "filtered_by_script": "tests.verify.test_reasons test_a_script_that_is_changed_lets_its_files_go",
    "refused_by_script": "tests.verify.test_reasons test_a_script_that_is_changed_lets_its_files_go",
    "not_kept": "tests.deid.test_earlier test_what_may_go_now_and_was_not_kept_is_told",
    "original_gone": "tests.deid.test_earlier test_a_released_file_that_changed_gives_no_original",
    "withdrawn": "tests.workbench.test_withdrawal"
    " test_next_month_they_stay_away_in_every_table_and_the_manifest_says_so",
    "held_by_verify": "tests.verify.test_advice test_advice_done_to_the_letter_opens_the_gate",
    **dict.fromkeys(
        ("out_of_memory", "timed_out", "worker_lost"),
        "tests.deid.test_job_crashes test_a_file_that_ruins_its_worker_costs_that_file_only",
    ),
}


def test_every_reason_has_its_advice_followed() -> None:
    """A reason that nobody can produce, or whose advice nobody has tried, is none."""
    assert sorted(tables.REMEDIES) == sorted([*(row.reason for row in REASONS), *ELSEWHERE])
    for place in ELSEWHERE.values():
        module, test = place.split()
        assert hasattr(importlib.import_module(module), test)


# --- one site with all of them ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trapped(Policy):
    """The default policy, with an element on which it fails."""

    def rule(self, sop_class: str, path: tuple[str, ...], tag: int, vr: str, creator: str = "") -> Rule:
        if tag == TRAP:
            raise ZeroDivisionError
        return Policy.rule(self, sop_class, path, tag, vr, creator)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """What lies in the machine: ended by ``undo``. Text is found, or told to be redacted, in two pictures."""
    settled, scandir = _Judge._settled, os.scandir
    seen = {"burned_in_text": Verdict("hold", "burned_in_text", checked="looked")}
    seen |= {"filled_beside_text": Verdict("hold", "filled_beside_text", checked="looked")}
    seen |= {"pixels_undecodable": Verdict("redact", boxes="0,0,2,2", checked="looked")}

    def look(judge: _Judge, row: Any) -> Verdict | None:
        return seen.get(row.source_path) or settled(judge, row)

    def read(folder: Any = ".") -> Any:
        if str(folder).endswith("folder_unreadable"):
            raise PermissionError
        return scandir(folder)

    with pytest.MonkeyPatch.context() as ended:
        monkeypatch.setattr(detection, "installed", lambda: False)  # pictures of a CT pass without a detector
        ended.setattr(_Judge, "_settled", look)
        ended.setattr(os, "scandir", read)
        ended.setattr(job, "load_policy", lambda _: Trapped(Chorus()))
        yield ended


def one_run(workspace: Workspace, before_03: Callable[[], object] = lambda: None) -> set[tuple[str, str]]:
    """Notebooks 01 to 03: every file of which a reason is told."""
    explore.scan(workspace)
    explore.link(workspace)
    deid.make_worklist(workspace)
    before_03()
    deid.deidentify(workspace)
    told = pd.concat([workspace.read(table)[["source_path", "reason"]] for table in (tables.CATALOG, tables.OUTCOMES)])
    told = told[told.reason != ""]
    return {(planted(row.source_path), row.reason) for row in told.itertuples()}


def planted(source_path: str) -> str:
    """The reason a file was made for."""
    return source_path.split(".")[0].split("-")[0]


def test_what_03_leaves_out_goes_when_its_advice_is_done(
    tmp_path_factory: pytest.TempPathFactory, faults: pytest.MonkeyPatch
) -> None:
    site = SmallSite(tmp_path_factory.mktemp("reasons") / "site")
    site.lookup("Image_map", f"PatientID,AccessionNumber,image_occurence_id\n{IMAGES}")
    to_file("lookup/Personal_map.csv", PATIENTS)(site, "")
    for name, text in (("visit_occurrence", VISIT_HEAD + VISITS), ("person", PERSONS), ("death", DEATHS)):
        (site.folder / "omop" / f"{name}.csv").write_text(text)
    (site.folder / "cohort.csv").write_text("patient\nMRN-1\nMRN-2\nMRN-6\nMRN-7\nMRN-8\n")
    for row in REASONS:
        assert row.says in tables.REMEDIES[row.reason]
        if row.when == "before 01":
            row.plant(site, row.reason)
        else:
            image(site, row.reason)
    image(site, "whole")
    late = [row for row in REASONS if row.when == "before 03"]
    cohort = str(site.folder / "cohort.csv")
    chosen = {"visit_policy": "hold", "burned_in_text": "detect", "deface": "apply", "cohort": cohort}
    told = one_run(site.open(**chosen), lambda: [row.plant(site, row.reason) for row in late])
    assert told == {(row.reason, row.reason) for row in REASONS}
    faults.undo()
    for row in REASONS:
        if row.do:
            row.do(site, row.reason)
    workspace = site.open(**chosen, kinds=[*KINDS, "PT"])
    assert one_run(workspace) == {(row.reason, row.reason) for row in REASONS if row.do is None}
    verify(workspace)
    require_pass(checks(workspace))
    outcomes = workspace.read(tables.OUTCOMES)
    kept = {planted(path) for path in outcomes.source_path[outcomes.status != "released"]}
    assert kept == {row.reason for row in REASONS if row.left}


def test_a_script_that_is_changed_lets_its_files_go(tmp_path_factory: pytest.TempPathFactory) -> None:
    site = SmallSite(tmp_path_factory.mktemp("script") / "site")
    for number, name in enumerate(("filtered_by_script", "refused_by_script", "whole"), 1):
        image(site, name, KVP=str(number))
    script, passing = site.folder / "site.script", site.folder / "DicomFilter.script"
    line = "<script><e en='T' t='00180060'>{}</e></script>"
    script.write_text(line.format("@if(KVP,matches,&quot;2&quot;){@quarantine()}{@keep()}"))
    passing.write_text('!KVP.equals("1")')
    workspace = site.open(policy=str(script))
    run(workspace)
    assert reasons(workspace) == {name: name for name in ("filtered_by_script", "refused_by_script")}
    for reason in reasons(workspace):
        assert "change" in tables.REMEDIES[reason] and "script" in tables.REMEDIES[reason]
    script.write_text(line.format("@keep()"))
    passing.write_text('!KVP.equals("4")')
    run(workspace)
    assert reasons(workspace) == {}


def test_numbers_of_a_maker_in_implicit_vr_stay_and_pass_04(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Bytes of which nobody knows whether they are a text: as every Siemens diffusion in Implicit VR has them."""
    site = SmallSite(tmp_path_factory.mktemp("numbers") / "site")
    made = small.image(ImplicitVRLittleEndian, PatientID="MRN-1", AccessionNumber="ACC-1")
    block = made.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0E, "FD", list(DIRECTION))
    (site.dicom / "a").write_bytes(small.encoded(made))
    workspace = site.open()
    run(workspace)
    verify(workspace)
    require_pass(checks(workspace))
    (target,) = workspace.read(tables.OUTCOMES).query("status == 'released'").target_path
    released = pydicom.dcmread(workspace.release / target).private_block(0x0019, "SIEMENS MR HEADER")
    assert tuple(released[0x0E].value) == DIRECTION


WORDS = (b"ORIGINAL\\PRIMARY\\K\xd6RPER", b"K\xd6RPER\\PRIMARY\\AXIAL", b"ORIGINAL\\PRIMARY\\AXIAL\\K\xd6RPER")


def test_a_code_that_is_a_word_is_replaced_in_its_place_and_passes_04(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Image Type, of which no value may be empty (Type 1): an empty one is a fault of our own making."""
    site = SmallSite(tmp_path_factory.mktemp("codes") / "site")
    for name, value in zip("abc", WORDS, strict=True):
        image(site, name, SpecificCharacterSet="ISO_IR 100")
        content = (site.dicom / name).read_bytes()
        (at,) = [found.start() for found in re.finditer(rb"\x08\0\x08\0CS", content)]
        value += b" " * (len(value) % 2)
        end = at + 8 + int.from_bytes(content[at + 6 : at + 8], "little")
        content = content[: at + 6] + len(value).to_bytes(2, "little") + value + content[end:]
        (site.dicom / name).write_bytes(content)
    workspace = site.open(held_share=1.0)
    run(workspace)
    verify(workspace)
    require_pass(checks(workspace))
    made = workspace.read(tables.OUTCOMES).query("status == 'released'").target_path
    codes = [list(pydicom.dcmread(workspace.release / path).ImageType) for path in made]
    assert codes == [
        ["ORIGINAL", "PRIMARY", "REMOVED"],
        ["REMOVED", "PRIMARY", "AXIAL"],
        ["ORIGINAL", "PRIMARY", "AXIAL", "REMOVED"],
    ]
