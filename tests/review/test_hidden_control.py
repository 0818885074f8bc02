"""The hidden control in the image reviewer: a picture like the others, of which no decision is applied."""

from __future__ import annotations

import pytest
from blake3 import blake3

from chorus_nb import tables
from chorus_nb.errors import InputError
from chorus_nb.pixels.controls import CONTROL_LOG, plant_control
from chorus_nb.pixels.decisions import IMAGE_LOG, ImageDecisions
from chorus_nb.review import ImageReviewer
from chorus_nb.verify.claim import ControlCounts, controls_of
from chorus_nb.workspace import Workspace

ITEM = "00471183.dcm"


@pytest.fixture
def controlled(waiting: Workspace) -> Workspace:
    """Two pictures that wait, and one of the control made of the first."""
    made, box = plant_control(waiting.source.read("a.dcm"), 3)
    (waiting.local / "controls").mkdir()
    (waiting.local / "controls/0003.dcm").write_bytes(made)
    row = {"item": ITEM, "source_path": "a.dcm", "name": "0003.dcm", "box": f"{box.x0},{box.y0},{box.x1},{box.y1}"}
    waiting.write(tables.TEXT_CONTROLS, tables.frame(tables.TEXT_CONTROLS, [{**row, "detector": "d", "found": 1}]))
    return waiting


def test_a_control_stands_in_the_queue_like_a_picture_that_could_not_be_searched(controlled: Workspace) -> None:
    verdicts = controlled.read(tables.IMAGE_VERDICTS)
    controlled.write(tables.IMAGE_VERDICTS, verdicts.assign(beside=["", "0.0412"]))  # b.dcm, a.dcm
    reviewer = ImageReviewer(controlled, "ada")
    queue = reviewer.queue.set_index("source_path")
    assert set(queue.index) == {"a.dcm", "b.dcm", ITEM}
    same = ["verdict", "reason", "tier", "boxes", "beside", "device", "Modality", "risk_reason"]
    assert queue.loc[ITEM, same].tolist() == queue.loc["b.dcm", same].tolist()
    shown, [original] = reviewer.view(ITEM, "before"), reviewer.view("a.dcm", "before")[1]
    assert shown[0]["rows"] == 60 and shown[1] != [original]
    said = reviewer.found(ITEM)[0]
    assert (said["findings"], said["boxes"], said["series"], said["outdated"]) == ([], "", [ITEM], False)


def test_what_is_decided_about_it_is_counted_and_applied_to_nothing(controlled: Workspace) -> None:
    reviewer = ImageReviewer(controlled, "ada")
    reviewer.view(ITEM, "before")
    assert len(reviewer.decide(ITEM, "accept")[0]["decided"]) == 1
    [row] = CONTROL_LOG.history(controlled).to_dict("records")
    assert row["seen_digest"] == blake3((controlled.local / "controls/0003.dcm").read_bytes()).hexdigest()
    assert IMAGE_LOG.history(controlled).empty and not ImageDecisions(controlled).on(
        "a.dcm", "", "MAKER|MODEL|60x80", "", ""
    )
    assert controls_of(controlled) == ControlCounts(1, 1, 1, 0)
    reviewer.decide("b.dcm", "reject")
    assert reviewer.undo()[0]["undone"] == "b.dcm"
    assert reviewer.undo()[0]["undone"] == ITEM
    assert controls_of(controlled) == ControlCounts(1, 1, 0, 0)
    [planted] = controlled.read(tables.TEXT_CONTROLS)["box"]
    x0, y0, x1, y1 = map(int, planted.split(","))
    for decision, boxes, kept_in in (
        ("redact", "", 0),  # nothing is filled, so that what is there would leave
        ("redact", f"{x1},{y0},{x1 + 9},{y1}", 0),
        ("redact", f"{x0},{y0},{x0 + 2},{y1}", 0),
        ("reject", "", 1),
        ("redact", f"0,0,{x0 + 1},{y1};{planted}", 1),
    ):
        reviewer.decide(ITEM, decision, boxes)
        assert controls_of(controlled) == ControlCounts(1, 1, 1, kept_in), (decision, boxes)
    assert reviewer.found(ITEM)[0]["boxes"] == boxes and not reviewer.found(ITEM)[0]["outdated"]


@pytest.mark.parametrize("scope", ["series", "device"])
def test_a_control_decides_for_no_other_picture(controlled: Workspace, scope: str) -> None:
    with pytest.raises(InputError):
        ImageReviewer(controlled, "ada").decide(ITEM, "accept", scope=scope)
