"""Tesseract as a second reader of the released pictures: what 03 missed is found, and never told to anybody."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom.dataset import FileDataset

from chorus_nb import tables
from chorus_nb.errors import WorkbenchError
from chorus_nb.layout import CERTIFICATE
from chorus_nb.leaks import reading
from chorus_nb.leaks.terms import SearchTerm, of_name
from chorus_nb.verify import certificate, checks, require_pass, second_look, verify
from chorus_nb.workspace import Workspace
from tests.pixels.images_with_text import image
from tests.verify import small_site

tesseract = pytest.mark.skipif(not second_look.version(), reason="Tesseract is not installed")
TERMS = [*of_name("Müller^Änne Maria"), *of_name("Quillfeather^Tim"), *of_name("Heart^Rose")]
TERMS += [SearchTerm("identifier", "ACC4471982"), SearchTerm("identifier", "77120034"), SearchTerm("date", "20240131")]
TERMS += [
    SearchTerm("place", "Saint Brigid Hospital"),
    SearchTerm("contact", "6175550142"),
    SearchTerm("device", "CTROOM9"),
]


@pytest.fixture
def missed(tmp_path: Path) -> Workspace:
    """A release in which 03 saw nothing of the name in the pictures of source and release."""
    return small_site.make(tmp_path / "site", burned_in="MULLER, AENNE  MRN-77120034")


@tesseract
def test_text_that_03_missed_closes_the_gate(missed: Workspace) -> None:
    findings = verify(missed)
    grave = findings[findings.severity == "high"]
    assert set(grave.check) == {"second_look"}
    assert grave.file.str.contains("/US/").all() and grave.file.nunique() == 2
    with pytest.raises(WorkbenchError, match="second_look"):
        require_pass(checks(missed))


@tesseract
def test_what_was_read_is_told_to_nobody(
    missed: Workspace, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    findings, gate = verify(missed), checks(missed)
    with pytest.raises(WorkbenchError) as raised:
        require_pass(gate)
    memory = [json.loads(path.read_bytes())["findings"] for path in (missed.local / "verified").glob("*.json")]
    said = [findings.to_csv(), gate.to_csv(), str(raised.value), str(memory)]
    for place in (*said, *capfd.readouterr(), caplog.text):
        assert "muller" not in place.casefold() and "77120034" not in place


@tesseract
def test_text_a_person_accepted_is_noted_and_does_not_close_the_gate(missed: Workspace) -> None:
    verdicts = missed.read(tables.IMAGE_VERDICTS).assign(checked="decided", verdict="clean")
    missed.write(tables.IMAGE_VERDICTS, verdicts)
    findings = verify(missed)
    assert set(findings.severity[findings.check == "second_look"]) == {"info"}
    require_pass(checks(missed))


@tesseract
def test_text_put_back_into_a_recorded_redaction_is_found(missed: Workspace) -> None:
    """Inside its boxes a redacted image may differ from its original, so the comparison of pixels cannot see it."""
    target = small_site.first(missed, "US")
    box = (8, 8, 470, 60)
    small_site.rewrite(missed, lambda d: small_site.burn(d, "QUILLFEATHER TIM", box), target)
    outcomes = missed.read(tables.OUTCOMES)
    own = outcomes.target_path == target.relative_to(missed.release).as_posix()
    outcomes.loc[own, "boxes"] = f"{small_site.BOX};8,8,470,60"
    missed.write(tables.OUTCOMES, outcomes)
    proofs = missed.read(tables.TEXT_PROOFS).assign(target_digest=outcomes.target_digest[own].iloc[0])
    missed.write(tables.TEXT_PROOFS, proofs)  # as if 03 itself had not seen it again
    findings = verify(missed)
    grave = findings[(findings.severity == "high") & (findings.file == outcomes.target_path[own].iloc[0])]
    assert set(grave.check) == {"second_look"}


@tesseract
def test_a_picture_is_not_read_again_when_nothing_changed(release: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    verify(release)
    monkeypatch.setattr(second_look, "read_with_tesseract", lambda picture: pytest.fail("read again"))
    verify(release)
    assert checks(release).set_index("check").examined["second_look"] > 0


@tesseract
def test_a_reader_that_hangs_is_ended_and_said(release: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_look, "TESSERACT_SECONDS", 0.001)
    reader = second_look.SecondLook()
    reader.ask("a", _dataset(release), TERMS, accepted=False)
    assert [(one.severity, one.detail) for one in reader.findings()] == [
        ("medium", "Tesseract could not read it: it takes too long")
    ]


def test_of_images_read_together_the_fault_is_that_of_one(release: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(pages: list[second_look.Page]) -> list[list[second_look.TesseractLine]]:
        if any(page.image.size == spoilt for page in pages):
            raise ValueError
        return [[second_look.TesseractLine("QUILLFEATHER TIM", (1, 2, 3, 4))] for _ in pages]

    monkeypatch.setattr(second_look, "read_with_tesseract", read)
    dataset, other, reader = _dataset(release), _dataset(release), second_look.SecondLook()
    other.Rows, other.PixelData = dataset.Rows // 2, dataset.PixelData[: len(dataset.PixelData) // 2]
    spoilt = second_look._page(next(iter(second_look.looked_at(other)))[1]).image.size
    for name, one in (("a", dataset), ("b", other), ("c", dataset)):
        reader.ask(name, one, TERMS, accepted=False)
    assert [(one.file, one.severity, one.kind) for one in reader.findings()] == [
        ("a", "high", "name"),
        ("b", "medium", "Tesseract could not read it: it is damaged"),
        ("c", "high", "name"),
    ]


def test_without_tesseract_the_check_is_not_run_and_the_gate_stays_open(
    release: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_look, "version", lambda: "")
    verify(release)
    row = checks(release).set_index("check").loc["second_look"]
    assert row.result == "not run" and "not installed" in row.detail
    require_pass(checks(release))
    facts = json.loads(certificate(release, "")[f"{CERTIFICATE}.json"])
    [told] = [check for check in facts["checks"] if check["check"] == "second_look"]
    assert (told["result"], told["examined"], told["why"]) == ("not run", 0, row.detail)


@tesseract
@pytest.mark.parametrize(
    ("line", "severity", "kind"),
    [
        ("MULLER, AENNE", "high", "name"),
        ("QUILLFEATHFR", "high", "name"),  # a letter wrongly read
        ("xxQuillfeather-Txx", "high", "name"),
        ("Acc ACC447I982", "high", "identifier"),  # 1 read as I
        ("77 12 00 34", "high", "identifier"),
        ("31 Jan 2024", "high", "date"),
        ("1/31/2024", "high", "date"),
        ("St Brigid", "high", "place"),
        ("tel 617-555-0142", "high", "contact"),
        ("MRN: 9981234", "high", "looks like a record number"),
        ("DOB 07/19/48", "high", "looks like a date of birth"),
        ("19/07/48", "medium", "looks like a date"),
        ("4418 2937 1", "medium", "looks like a number of a person or an order"),
    ],
)
def test_a_patients_own_identifiers_are_told_from_others(line: str, severity: str, kind: str) -> None:
    assert second_look.identifier_in(line, TERMS) == (severity, kind)


@tesseract
@pytest.mark.parametrize(
    "line", ["HEART 72 bpm", "W 400 L 40", "MI 0.8 TIS 0.4", "120 kV 80 mA", "CTROOM9", "Im: 12/60", "771200", "ii -"]
)
def test_technical_text_says_nothing(line: str) -> None:
    assert second_look.identifier_in(line, TERMS) is None


def test_every_redacted_image_is_read_and_every_series_before_a_second_picture_of_any() -> None:
    kinds = {"redacted": "likely", "likely": "likely", "others": "unlikely"}
    rows = [
        {"source_path": f"{why}{series}{number}", "target_path": f"p/{why}{series}/{number}", "risk": risk}
        | {"boxes": "0,0,9,9" if why == "redacted" else "", "verdict": "clean", "checked": "looked"}
        for why, risk in kinds.items()
        for series in range(40)
        for number in range(5)
    ]
    frame = pd.DataFrame(rows)
    picked = pd.Series([*second_look.chosen_to_read(frame[["source_path", "target_path", "boxes"]], frame)])
    counts = picked.str.split("/").str[1].value_counts()
    assert counts.filter(like="redacted").tolist() == [5] * 40
    assert counts.filter(like="likely").tolist() == [second_look.MOST_READ["likely"].of_series] * 40
    assert counts.filter(like="others").tolist() == [second_look.MOST_READ["others"].of_series] * 40


def test_the_pictures_read_of_a_large_release_are_bounded() -> None:
    paths = [f"p/{number}/001" for number in range(5000)]
    frame = pd.DataFrame({"source_path": paths, "target_path": paths, "boxes": "", "verdict": "clean"})
    verdicts = frame.assign(checked="looked", risk=["likely", "unlikely"] * 2500)
    most = [second_look.MOST_READ[why].of_release for why in ("likely", "others")]
    assert len(second_look.chosen_to_read(frame, verdicts)) == sum(most)


def _dataset(release: Workspace) -> FileDataset:
    return reading.parse_file(small_site.first(release).read_bytes()).dataset


@pytest.mark.parametrize(("ground", "ink", "over_all"), [(230, 20, -2), (20, 230, -1)])
def test_what_one_frame_of_a_loop_shows_is_read_in_its_minimum_or_maximum(ground: int, ink: int, over_all: int) -> None:
    frames = np.full((7, 32, 64), ground, np.uint8)
    frames[2, 8:16, 10:50:4] = ink
    pictures = list(second_look.looked_at(image(pixels=frames)))  # type: ignore[arg-type]
    assert [number for number, _ in pictures] == [0, 0, 3, 6, -1, -2]
    assert {number for number, picture in pictures if np.ptp(picture)} == {over_all}
