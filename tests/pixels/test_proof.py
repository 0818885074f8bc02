"""A redacted image is looked at again as it was written; what is left is said, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from chorus_nb import tables
from chorus_nb.pixels import parse_boxes, proof, prove, redact
from chorus_nb.workspace import Workspace
from tests.pixels.images_with_text import PERSON, Site, content, image, picture

BOXES = "0,0,320,34"


def written(site: Site, left: str) -> tuple[Workspace, Path]:
    """A workspace whose release holds one redacted image in which ``left`` can still be read."""
    original = image(PERSON)
    workspace, catalog = site({"name": original})
    workspace.write(tables.CATALOG, catalog)
    file = redact(content(original), parse_boxes(BOXES))
    if left:
        file = content(image(pixels=picture(left), PatientName="", PatientID="17"))
    target = workspace.release / "17" / "001.dcm"
    target.parent.mkdir(parents=True)
    target.write_bytes(file)
    paths = {"source_path": "name", "target_path": "17/001.dcm"}
    outcome = {"status": "released", "boxes": BOXES, "target_digest": blake3(file).hexdigest(), "seconds": 0.0}
    workspace.write(tables.OUTCOMES, tables.frame(tables.OUTCOMES, [{**paths, **outcome}]))
    verdict = {**paths, "device": "INVENTED|SCAN ONE|160x320"}
    workspace.write(tables.IMAGE_VERDICTS, tables.frame(tables.IMAGE_VERDICTS, [verdict]))
    return workspace, target


@pytest.mark.parametrize(
    ("left", "result"),
    [
        ("", "nothing_left"),
        ("MI 0.8", "nothing_left"),
        (PERSON, "high_text_left"),  # the released header does not say it any more, the original does
        ("Qxanvil Brottle", "medium_text_left"),
    ],
)
def test_the_written_file_is_looked_at_with_the_words_of_its_original(site: Site, left: str, result: str) -> None:
    proofs = prove(written(site, left)[0])
    assert proofs.result.tolist() == [result]
    assert PERSON.split()[0] not in proofs.to_csv().upper()


def test_where_a_person_drew_the_boxes_medium_text_may_stay(site: Site) -> None:
    workspace, _ = written(site, "Qxanvil Brottle")
    row = {"item": "name", "decision": "redact", "boxes": BOXES, "reviewer": "rev", "note": "test"}
    row |= {"time": "2026-01-01T00:00:00+00:00", "seen_digest": ""}
    workspace.write(tables.IMAGE_DECISIONS, tables.frame(tables.IMAGE_DECISIONS, [row]))
    assert prove(workspace).result.tolist() == ["nothing_left"]


LINES = {"all of it": BOXES, "a line of it": "0,0,160,34", "nothing": ""}


@pytest.mark.parametrize(("lines", "result"), zip(LINES, ("nothing_left", *["filled_beside_text"] * 2), strict=True))
def test_what_is_gone_beside_the_lines_is_measured_in_the_written_file(site: Site, lines: str, result: str) -> None:
    workspace, _ = written(site, "")
    verdicts = workspace.read(tables.IMAGE_VERDICTS).assign(verdict="redact", boxes=BOXES)
    workspace.write(tables.IMAGE_VERDICTS, verdicts)
    found = {"source_path": "name", "frame": 0, "box": BOXES, "line": LINES[lines], "confidence": 0.9}
    workspace.write(tables.TEXT_FINDINGS, tables.frame(tables.TEXT_FINDINGS, [found]))
    assert prove(workspace).result.tolist() == [result]
    row = {"item": "name", "decision": "redact", "reviewer": "rev", "note": "test", "time": "2026-01-01T00:00:00+00:00"}
    workspace.write(tables.IMAGE_DECISIONS, tables.frame(tables.IMAGE_DECISIONS, [row]))
    assert prove(workspace).result.tolist() == ["nothing_left"], "a person saw it"


@pytest.mark.parametrize("removed", [{"face_mask": "a head"}, {"boxes": f"{BOXES};0,100,320,160"}])
def test_a_face_or_a_region_of_a_script_is_no_text_that_was_filled(site: Site, removed: dict[str, str]) -> None:
    workspace, target = written(site, "")
    target.write_bytes(redact(content(image(PERSON)), parse_boxes(f"{BOXES};0,100,320,160")))
    outcomes = workspace.read(tables.OUTCOMES).assign(**removed)
    digest = blake3(target.read_bytes()).hexdigest()
    workspace.write(tables.OUTCOMES, outcomes.assign(target_digest=digest))
    verdicts = workspace.read(tables.IMAGE_VERDICTS).assign(verdict="redact", boxes=BOXES)
    workspace.write(tables.IMAGE_VERDICTS, verdicts)
    found = {"source_path": "name", "frame": 0, "box": BOXES, "line": BOXES, "confidence": 0.9}
    workspace.write(tables.TEXT_FINDINGS, tables.frame(tables.TEXT_FINDINGS, [found]))
    assert prove(workspace).result.tolist() == ["nothing_left"]


def test_a_proven_file_is_not_looked_at_again_until_it_changes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, target = written(site, "")
    first = prove(workspace)
    with monkeypatch.context() as patch:
        patch.setattr(proof, "each_in_child", lambda *_: pytest.fail("looked again"))
        assert prove(workspace).equals(first)
    target.write_bytes(content(image(pixels=picture(PERSON))))
    outcomes = workspace.read(tables.OUTCOMES).assign(target_digest=blake3(target.read_bytes()).hexdigest())
    workspace.write(tables.OUTCOMES, outcomes)
    assert prove(workspace).result.tolist() == ["high_text_left"]


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"not DICOM"), lambda path: path.unlink()])
def test_a_file_that_cannot_be_looked_at_is_not_proven(site: Site, spoil) -> None:
    workspace, target = written(site, "")
    spoil(target)
    assert prove(workspace).result.iloc[0] != "nothing_left"
