"""A file at fault is held back by the verifier and the release goes on; the advice lets it go again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pydicom
import pytest

from chorus_nb import deid, explore, holds, tables
from chorus_nb.layout import files_below
from chorus_nb.mapping.overrides import decide
from chorus_nb.omop import read_omop
from chorus_nb.parameters import Parameters
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.verify import answer, checks, file_checks, held_by_check, iods, require_pass, to_do, verify
from chorus_nb.verify.file_checks import Pair
from chorus_nb.verify.findings import GATE_CHECKS, Finding
from chorus_nb.verify.holding import FEW, too_many
from chorus_nb.workspace import Workspace
from tests.deid.small_run import SmallSite

IMAGES = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SmallSite:
    """A site of two series, scanned and de-identified by the workbench itself."""
    site = SmallSite(tmp_path_factory.mktemp("held") / "site")
    for series, patient, accession in (("1", "MRN-1", "ACC-1"), ("2", "MRN-2", "ACC-3")):
        uids = {"StudyInstanceUID": f"1.2.3.{series}", "SeriesInstanceUID": f"1.2.3.{series}.5"}
        given = {"PatientID": patient, "AccessionNumber": accession, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}
        site.add_series(IMAGES // 2, f"s{series}", **uids, **given, StudyDescription="CT chest", KVP="120")
    run_again(site.open())
    return site


@pytest.fixture
def site(made: SmallSite, tmp_path: Path) -> SmallSite:
    """A copy to spoil, with the workspace."""
    shutil.copytree(made.folder, tmp_path / "site")
    copy = SmallSite.__new__(SmallSite)
    copy.folder, copy.dicom = tmp_path / "site", tmp_path / "site" / "dicom"
    run_again(copy.open())
    return copy


def run_again(workspace: Workspace, first: int = 1) -> None:
    """Notebooks ``first`` to 03."""
    if first == 1:
        explore.scan(workspace)
        if workspace.parameters.visit_policy == "hold":
            explore.link(workspace)
    deid.make_worklist(workspace)
    deid.deidentify(workspace)


def released(workspace: Workspace) -> list[str]:
    return sorted(workspace.read(tables.OUTCOMES).query("status == 'released'").target_path)


def open_gate(workspace: Workspace) -> None:
    verify(workspace)
    require_pass(checks(workspace))
    assert files_below(workspace.release) == released(workspace)


def state(workspace: Workspace) -> dict[str, bytes]:
    """What must not change when nothing did: the release, and what 03 and 04 say of it."""
    said = (tables.OUTCOMES, tables.HELD_FINDINGS, tables.VERIFICATION, tables.CHECKS, tables.SEARCH_TERMS)
    paths = [*workspace.release.rglob("*.dcm"), *workspace.quarantine.rglob("*.dcm")]
    return {str(path): path.read_bytes() for path in paths} | {
        table.name: workspace.read(table).drop(columns="seconds", errors="ignore").to_csv().encode() for table in said
    }


@pytest.fixture
def third_image_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third image of each series has what 03 makes wrong every time."""

    def check(pair: Pair, _: Parameters) -> Iterator[Finding]:
        if file_checks.text(pair.release, 0x00200013) == "3":
            yield Finding("removed", "high", pair.task.target_path, "(0018,0060)", "has a value")

    monkeypatch.setitem(file_checks.FILE_CHECKS, "removed", check)


@pytest.mark.usefixtures("third_image_at_fault")
def test_what_is_held_stays_held_while_nothing_changed_and_goes_when_it_was_mended(site: SmallSite) -> None:
    workspace = site.open()
    open_gate(workspace)
    assert len(released(workspace)) == IMAGES - 2
    assert "2 more files are held back" in answer(checks(workspace))
    assert held_by_check(workspace).set_index("check").files.to_dict() == {"removed": 2}
    before = state(workspace)
    open_gate(workspace)
    assert state(workspace) == before
    run_again(workspace)
    assert not (set(released(workspace)) & set(workspace.read(tables.HELD_FINDINGS).target_path))
    open_gate(workspace)
    assert state(workspace) == before
    names = dict(workspace.read(tables.HELD_FINDINGS)[["source_path", "target_path"]].itertuples(index=False))
    site.add("s1/0003", **header(site, "s1/0002"), InstanceNumber=31)
    run_again(workspace)
    open_gate(workspace)
    assert len(released(workspace)) == IMAGES - 1
    assert files_below(workspace.quarantine) == [names["s2/0003"]]


def test_what_dciodvfy_finds_in_a_sample_is_asked_of_the_whole_series_at_once(
    site: SmallSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def new_errors(_: bytes, after: Path) -> list[str]:
        asked.append(after.name)
        return ["Missing attribute"] if int(after.stem) % 2 else []

    monkeypatch.setattr(iods, "program", lambda: Path("dciodvfy"))
    monkeypatch.setattr(iods, "new_errors", new_errors)
    workspace = site.open(held_share=1.0)
    verify(workspace)
    held = workspace.read(tables.HELD_FINDINGS)
    assert set(held.check) == {"iod"}
    assert {int(Path(path).stem) % 2 for path in held.target_path} == {1}
    assert len(held) == IMAGES // 2
    assert len(asked) == IMAGES + 6, "all of both series once, then first, middle and last of what is left"


def header(site: SmallSite, path: str) -> dict[str, object]:
    dataset = pydicom.dcmread(site.dicom / path)
    keywords = ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "ImageType", "KVP")
    return {keyword: getattr(dataset, keyword) for keyword in keywords}


@pytest.mark.usefixtures("third_image_at_fault")
@pytest.mark.parametrize("what", ["a decision on the image", "a word that was approved", "another version of 04"])
def test_what_a_verdict_rests_on_changed(site: SmallSite, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = site.open()
    verify(workspace)
    worklist = workspace.read(tables.WORKLIST)
    assert set(holds.still_held(workspace, worklist)) == {"s1/0003", "s2/0003"}
    if what == "a decision on the image":
        verdicts = workspace.read(tables.IMAGE_VERDICTS)
        verdicts.loc[verdicts.source_path == "s1/0003", ["verdict", "checked"]] = "clean", "decided"
        workspace.write(tables.IMAGE_VERDICTS, verdicts)
        assert set(holds.still_held(workspace, worklist)) == {"s2/0003"}
        return
    if what == "a word that was approved":
        row = {"word": "stent", "decision": "approve", "reviewer": "A", "time": "2026-01-01T00:00:00+00:00"}
        workspace.write(tables.KNOWN_WORDS, tables.frame(tables.KNOWN_WORDS, [row]))
    else:
        monkeypatch.setattr(holds, "HOLD_RECIPE", holds.HOLD_RECIPE._replace(libraries=("pydicom",)))
    assert holds.still_held(workspace, worklist) == {}


def test_a_run_killed_while_it_held_files_back_is_taken_up(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = site.open()
    target = workspace.release / released(workspace)[0]
    target.write_bytes(b"not DICOM")
    monkeypatch.setattr(holds, "put_aside", _killed)
    with pytest.raises(KeyboardInterrupt):
        verify(workspace)
    monkeypatch.undo()
    assert target.exists()
    open_gate(workspace)
    assert not target.exists()


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("files", "faults", "of", "closed"),
    [
        (1, 1, 50, False),
        (FEW, FEW, 50, False),
        (FEW + 1, FEW + 1, 50, True),
        (40, 1, 400, False),  # a whole series is one fault
        (100, 100, 10_000, False),
        (101, 101, 10_000, True),
        (2, 2, 4, False),
        (3, 3, 4, True),
    ],
)
def test_a_few_files_are_never_too_many_unless_they_are_most(files: int, faults: int, of: int, closed: bool) -> None:
    rows = [{"source_path": str(number), "file": str(number % faults)} for number in range(files)]
    assert too_many(pd.DataFrame(rows), of - files, 0.01) == closed


@pytest.mark.usefixtures("third_image_at_fault")
def test_too_many_close_the_gate_and_running_04_again_does_not_open_it(site: SmallSite) -> None:
    workspace = site.open(held_share=0.0)
    frame = held_share_of_nothing(workspace)
    assert frame.set_index("check").result["removed"] == "fail"
    assert "too many files held back: 2" in frame.set_index("check").detail["removed"]
    assert held_share_of_nothing(workspace).equals(frame)


@pytest.mark.usefixtures("third_image_at_fault")
@pytest.mark.parametrize(
    "advice", ["reject some in 04's review and run 03 and 04 again", "raise held_share and run 04"]
)
def test_too_many_are_released_without_as_the_advice_says(
    site: SmallSite, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chorus_nb.verify.holding.FEW", 1)
    workspace = site.open()
    verify(workspace)
    assert advice in to_do(checks(workspace)).set_index("check").what_to_do["removed"]
    if advice.startswith("reject"):
        IMAGE_LOG.append(workspace, "A. Reviewer", {"item": "s1/0003", "decision": "reject", "note": "at fault"})
        run_again(workspace, 3)
    else:
        workspace = site.open(held_share=0.1)
    open_gate(workspace)
    assert len(released(workspace)) == IMAGES - 2


def held_share_of_nothing(workspace: Workspace) -> pd.DataFrame:
    """The gate when not even a few may be held back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chorus_nb.verify.holding.FEW", 0)
        verify(workspace)
    return checks(workspace)


@pytest.mark.usefixtures("third_image_at_fault")
def test_a_table_of_omop_is_read_once_though_files_are_held(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counted(source: Workspace, table: str) -> pd.DataFrame:
        read.append(table)
        return read_omop(source, table)

    monkeypatch.setattr("chorus_nb.verify.verification.read_omop", counted)
    verify(site.open())
    assert "person" in read
    assert len(read) == len(set(read))


# --- the advice -------------------------------------------------------------------------------------------------------


def edit(**values: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with pydicom.config.disable_value_validation():
            dataset = pydicom.dcmread(path)
            for keyword, value in values.items():
                setattr(dataset, keyword, value)
            dataset.save_as(path)

    return change


def without_pixels(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)


def private(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0019, "ACME SECRET", create=True).add_new(0x01, "LO", "harmless")
    dataset.save_as(path)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "readable": without_pixels,
    "pixels": edit(PixelData=bytes(32)),
    "container": edit(PixelData=bytes(range(32)) + b"Ann Quellbrook"),
    "leaks": edit(StudyDescription="CT chest Okonkwo-Lindqvist"),
    "patterns": edit(StudyDescription="CT chest MRN: 4456123"),
    "removed": edit(InstitutionName="Mercy Hospital"),
    "private": private,
    "retained": edit(KVP="80"),
    "claims": edit(PatientIdentityRemoved="NO"),
    "ids": edit(PatientID="1002"),
    "iod": edit(ImageType=None),  # of the first file of a series, which dciodvfy looks at
    "layout": edit(InstanceNumber="77"),
    "dates": edit(StudyDate="20240229"),
    "uids": edit(FrameOfReferenceUID="2.25.007"),
    "geometry": edit(SeriesInstanceUID="2.25.99"),
}
"""A fault that each check finds in a file that something changed after 03 wrote it."""


def test_advice_followed_to_the_letter_opens_the_gate_with_every_file(site: SmallSite) -> None:
    workspace = site.open(held_share=1.0)
    whole = released(workspace)
    for path, damage in zip(whole, DAMAGE.values(), strict=False):
        damage(workspace.release / path)
    verify(workspace)
    frame = checks(workspace).set_index("check")
    assert {check for check in DAMAGE if frame.held[check]} == set(DAMAGE)
    assert {remedy.partition(";")[0] for remedy in held_by_check(workspace).what_to_do} == {"run 03 and 04 again"}
    run_again(workspace, 3)
    open_gate(workspace)
    assert released(workspace) == whole
    assert files_below(workspace.quarantine) == []


def test_a_visit_that_was_mended_lets_its_images_go(site: SmallSite) -> None:
    visits = site.folder / "omop" / "visit_occurrence.csv"
    heading = "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,visit_end_date,visit_type_concept_id\n"
    right = [f"{number},{1000 + number},9201,2023-01-01,2024-12-31,32817\n" for number in (1, 2)]
    visits.write_text(heading + "".join(right))
    workspace = site.open(visit_policy="hold", held_share=1.0)
    run_again(workspace)
    open_gate(workspace)
    visits.write_text(heading + right[0] + right[1].replace("2024-12-31", "2023-01-02"))
    verify(workspace)
    assert held_by_check(workspace).set_index("check").files.to_dict() == {"visits": IMAGES // 2}
    remedy = "mend the visit in the OMOP tables or Days_Shifted in the lookup table, run 01 to 04 again"
    assert GATE_CHECKS["visits"].remedy == remedy
    visits.write_text(heading + "".join(right))
    run_again(workspace)
    open_gate(workspace)
    assert len(released(workspace)) == IMAGES


def test_a_fault_that_comes_back_goes_with_the_rest_of_the_advice(site: SmallSite) -> None:
    """A site keeps a tag that says who the patient is."""
    named = header(site, "s1/0003") | {"StationName": "CT Okonkwo", "PatientName": "Okonkwo-Lindqvist^Sade"}
    site.add("s1/0003", **named, InstanceNumber=3)
    workspace = site.open()
    decide(workspace, "(0008,1010)", "K", "a device", "A. Reviewer")
    for _ in range(2):
        run_again(workspace)
        verify(workspace)
        found = held_by_check(workspace).set_index("check").what_to_do
        assert "if it comes back, set the tag to X (remove) in 02's tag plan" in found["removed"]
        assert len(released(workspace)) == IMAGES - 1
    decide(workspace, "(0008,1010)", "X", "an identifier was left", "A. Reviewer")
    run_again(workspace)
    open_gate(workspace)
    assert len(released(workspace)) == IMAGES


def test_what_closes_the_gate_can_be_put_right_as_it_says(site: SmallSite) -> None:
    workspace = site.open()
    changed, gone, *_ = released(workspace)
    path = workspace.release / changed
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    (workspace.release / gone).unlink()
    stray = workspace.release / "777/Images/CT/1/2.3/001.dcm"
    stray.parent.mkdir(parents=True)
    shutil.copy(path, stray)
    site.add("s1/0099", **header(site, "s1/0002"), InstanceNumber=99)
    verify(workspace)
    assert checks(workspace).set_index("check").result["accounted"] == "fail"
    assert GATE_CHECKS["accounted"].remedy.startswith("take files that changed since 03 wrote them, or that no run")
    for file in (path, stray):
        file.unlink(missing_ok=True)
    shutil.rmtree(workspace.release / "777")
    run_again(workspace, 1)
    open_gate(workspace)
    assert len(released(workspace)) == IMAGES + 1
