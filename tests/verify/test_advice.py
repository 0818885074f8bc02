"""What 04 advises, done to the letter, opens the gate: a row of ``ADVICE`` for each piece of advice."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pydicom
import pytest

from chorus_nb import tables
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.mapping.overrides import decide
from chorus_nb.mapping.text_words import decide_words
from chorus_nb.parameters import Parameters
from chorus_nb.pixels import detection
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.verify import checks, file_checks, held_by_check, require_pass, second_look, to_do, verify
from chorus_nb.verify.file_checks import Pair
from chorus_nb.verify.findings import ASKED_OF_TREE, GATE_CHECKS, Finding
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite
from tests.verify.test_held import released, run_again

ANN = {"PatientID": "77120034", "AccessionNumber": "ACC-1", "PatientName": "Okonkwo-Lindqvist^Sade"}
BOB = {"PatientID": "MRN-2", "AccessionNumber": "ACC-3", "PatientName": "Quellbrook^Tom"}
PERSONS = "PatientID,person_id,Days_Shifted\n77120034,1001,-100\nMRN-2,1002,-37\n"
IMAGES = "PatientID,AccessionNumber,image_occurence_id\n77120034,ACC-1,501\nMRN-2,ACC-3,503\n"
COMMON = {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "StudyDescription": "CT chest", "KVP": "120"}
ALWAYS_WRONG = {  # by slice thickness: what 04 is made to find in such a file, however often 03 makes it
    "91": ("readable", "decoded", "second_decoder", "pixels", "container", "layout", "geometry"),
    "92": ("burned_in",),
}
Do = Callable[[SmallSite, Workspace], object]


def export(number: int, **values: object) -> Do:
    """A file of the source, exported again: its place stays, what is given changes."""

    def do(site: SmallSite, _: Workspace) -> None:
        person = (ANN, BOB)[number % 2]
        uids = {"StudyInstanceUID": f"1.2.3.{number % 2}", "SeriesInstanceUID": f"1.2.3.{number % 2}.5"}
        site.add(
            f"{number:04d}", **{**COMMON, **person, **uids, "InstanceNumber": number, "SliceThickness": "5", **values}
        )

    return do


def private(number: int) -> Do:
    def do(site: SmallSite, _: Workspace) -> None:
        export(number)(site, _)
        path = site.dicom / f"{number:04d}"
        dataset = pydicom.dcmread(path)
        dataset.private_block(0x0019, "ACME", create=True).add_new(0x01, "LO", "harmless")
        dataset.save_as(path)

    return do


def plan(tag: str, action: str, **place: str) -> Do:
    return lambda _, workspace: decide(workspace, tag, action, "a test", "A. Reviewer", **place)


def both(*steps: Do) -> Do:
    return lambda site, workspace: [step(site, workspace) for step in steps]


def reject(number: int) -> Do:
    row = {"item": f"{number:04d}", "decision": "reject", "note": "text is left"}
    return lambda _, workspace: IMAGE_LOG.append(workspace, "A. Reviewer", row)


class Advice(NamedTuple):
    check: str
    says: str  # what stands in the remedy of the check
    plant: Do
    do: Do


ADVICE = [
    *(
        Advice(check, "export the file again" if check != "geometry" else "export the series again", wrong, mended)
        for wrong, mended in [(export(1, SliceThickness="91"), export(1))]
        for check in ALWAYS_WRONG["91"]
    ),
    Advice("burned_in", "reject the image in 04's review", export(2, SliceThickness="92"), reject(2)),
    Advice("second_look", "redact or reject these images", export(3), reject(3)),
    Advice(
        "patterns",
        "approve the word in 02's known words",
        both(export(4, ImageComments="Vandersloot"), plan("(0020,4000)", "K")),
        lambda _, workspace: decide_words(workspace, ["vandersloot"], "approve", "a test", "A. Reviewer"),
    ),
    *(
        Advice(
            check,
            "or to Z (empty) where retained or iod then asks for it",
            export(7, ContrastBolusAgent="Iodine"),
            plan("(0018,0010)", "Z"),
        )
        for check in ("leaks", "dates")
    ),
    Advice("names", "have the Instance Number mended in the PACS", export(8, InstanceNumber=77120034), export(8)),
    Advice(
        "removed",
        "set the tag to X (remove) in 02's tag plan",
        both(export(10, StationName="CT Okonkwo"), plan("(0008,1010)", "K")),
        plan("(0008,1010)", "X"),
    ),
    Advice(
        "private",
        "or the tag to X (remove) in 02's tag plan",
        both(private(5), plan("(0019,xx01)", "K", creator="ACME")),
        plan("(0019,xx01)", "X", creator="ACME"),
    ),
    *(
        Advice(check, "take back what 02's tag plan decided", plan("(0018,0060)", "X"), plan("(0018,0060)", "withdraw"))
        for check in ("retained", "iod")
    ),
]


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some files 04 finds the same again and again; Tesseract reads a number in the picture of the third."""

    def check(pair: Pair, _: Parameters) -> Iterator[Finding]:
        for name in ALWAYS_WRONG.get(file_checks.text(pair.release, 0x00180050), ()):
            yield Finding(name, "high", pair.task.target_path, "", "planted")
        for name in ("leaks", "dates") if file_checks.text(pair.release, 0x00180010) else ():
            yield Finding(name, "high", pair.task.target_path, "(0018,0010)", "planted")

    def ask(reader: second_look.SecondLook, path: str, dataset: pydicom.Dataset, *_: object) -> None:
        if dataset.InstanceNumber == 3:
            reader._found.append(Finding("second_look", "high", path, "(7FE0,0010)", "planted"))

    monkeypatch.setitem(file_checks.FILE_CHECKS, "planted", check)
    monkeypatch.setattr(detection, "installed", lambda: False)  # pictures of a CT pass without a detector
    monkeypatch.setattr(second_look, "version", lambda: "5")
    monkeypatch.setattr(second_look.SecondLook, "ask", ask)
    monkeypatch.setitem(second_look.MOST_READ, "others", second_look.MOST_READ["others"]._replace(of_series=99))


@pytest.mark.usefixtures("faults")
def test_advice_done_to_the_letter_opens_the_gate(tmp_path_factory: pytest.TempPathFactory) -> None:
    site = SmallSite(tmp_path_factory.mktemp("advice") / "site")
    site.lookup("Personal_map", PERSONS)
    site.lookup("Image_map", IMAGES)
    workspace = site.open(held_share=1.0, burned_in_text="detect")
    for number in range(1, 13):
        export(number)(site, workspace)
    for advice in ADVICE:
        assert advice.says in GATE_CHECKS[advice.check].remedy
        advice.plant(site, workspace)
    run_again(workspace)
    for _ in range(2):  # "run 03 and 04 again": it comes back
        verify(workspace)
        told = set(held_by_check(workspace).check) | set(to_do(checks(workspace)).check)
        assert {advice.check for advice in ADVICE} <= told
        run_again(workspace, 3)
    for advice in ADVICE:
        advice.do(site, workspace)
    run_again(workspace)
    verify(workspace)
    require_pass(checks(workspace))
    assert len(released(workspace)) == 10
    outcomes = workspace.read(tables.OUTCOMES).set_index("source_path")
    assert outcomes.reason[outcomes.status != "released"].to_dict() == dict.fromkeys(
        ("0002", "0003"), "rejected_by_review"
    )


def test_what_is_wrong_beside_the_files_is_put_right_as_it_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A lookup table with another person, a head that nobody looked at, a clock that is off."""
    site = SmallSite(tmp_path_factory.mktemp("beside") / "site")
    site.lookup("Personal_map", PERSONS)
    site.lookup("Image_map", IMAGES)
    export(1, SeriesDescription="HEAD")(site, site.open())
    export(2, ContentDate="20191231")(site, site.open())
    workspace = site.open(held_share=1.0, deface="skip")
    run_again(workspace)
    site.lookup("Personal_map", PERSONS.replace("1002", "1003"))
    workspace = site.open(held_share=1.0, deface="apply")
    verify(workspace)
    told = held_by_check(workspace).groupby("check").what_to_do.first()
    assert "mend the lookup tables" in told["ids"]
    assert "decide in 04's face review" in told["faces"]
    site.lookup("Personal_map", PERSONS)
    FACE_LOG.append(workspace, "A. Reviewer", {"item": "1.2.3.1.5", "decision": "release", "note": "a test"})
    run_again(workspace)
    verify(workspace)
    require_pass(checks(workspace))
    assert len(released(workspace)) == 2
    clocks = workspace.read(tables.VERIFICATION).query("check == 'clocks'")
    assert set(clocks.severity) == {"medium"}, "where the study date is right nothing need be done"


ELSEWHERE = {  # check to the test that follows its advice
    **dict.fromkeys(("ids", "faces", "clocks"), "test_what_is_wrong_beside_the_files_is_put_right_as_it_says"),
    "accounted": "tests.verify.test_held test_what_closes_the_gate_can_be_put_right_as_it_says",
    **dict.fromkeys(
        ("claims", "uids"), "tests.verify.test_held test_advice_followed_to_the_letter_opens_the_gate_with_every_file"
    ),
    "visits": "tests.verify.test_held test_a_visit_that_was_mended_lets_its_images_go",
    "tables": "tests.release.test_seal test_what_06_refuses_is_put_right_by_its_advice",
    "registry": "tests.release.test_seal test_what_06_refuses_is_put_right_by_its_advice",
}


def test_every_check_has_its_advice_followed() -> None:
    assert sorted({*GATE_CHECKS, *ASKED_OF_TREE}) == sorted({*(row.check for row in ADVICE), *ELSEWHERE})
    for place in ELSEWHERE.values():
        module, _, test = place.rpartition(" ")
        assert hasattr(importlib.import_module(module or __name__), test)
