"""The hidden control: pictures with planted text, which detector and reviewers look at and which never leave."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread

from chorus_nb.pixels import Box, controls, detection, triage
from chorus_nb.pixels.detection import TextFinding
from chorus_nb.pixels.judge import _Judge
from chorus_nb.verify.claim import ControlCounts, _measured, controls_of, least_share, most_with_text
from tests.pixels.images_with_text import Site, content, image


@pytest.mark.parametrize("modality", ["US", "CT"])
def test_what_is_drawn_stands_in_its_box_and_nowhere_else(modality: str) -> None:
    original = content(image(modality=modality))
    before = dcmread(io.BytesIO(original)).pixel_array.astype(int)
    places = set()
    for seed in range(8):
        made, box = controls.plant_control(original, seed)
        dataset = dcmread(io.BytesIO(made))
        changed = np.argwhere(dataset.pixel_array.astype(int) != before)
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
        assert len(changed) > 20 and box.x0 <= left and right < box.x1 and box.y0 <= top and bottom < box.y1
        assert dataset.SOPInstanceUID != dcmread(io.BytesIO(original)).SOPInstanceUID
        places.add(box)
    assert len(places) == 8
    assert controls.plant_control(original, 3)[1] == controls.plant_control(original, 3)[1]


def test_a_colour_picture_and_one_with_several_frames_can_be_drawn_on() -> None:
    loop = image(pixels=np.full((5, 64, 96, 3), 40, np.uint8), NumberOfFrames=5)
    made, box = controls.plant_control(content(loop), 4)
    drawn = dcmread(io.BytesIO(made)).pixel_array
    assert drawn.shape == (64, 96, 3) and (drawn[box.y0 : box.y1, box.x0 : box.x1] != 40).any()


@pytest.mark.parametrize("seed", range(6))
def test_what_is_drawn_is_seen_in_the_window_of_the_header(seed: int) -> None:
    values = np.random.default_rng(1).integers(0, 30, (256, 256))
    values[:, 128:] += 3000  # bone beside air, both outside the window
    window = {"WindowCenter": 40, "WindowWidth": 400, "RescaleIntercept": -1024, "RescaleSlope": 1}
    made, box = controls.plant_control(content(image(modality="CT", pixels=values.astype(np.uint16), **window)), seed)
    shown = (dcmread(io.BytesIO(made)).pixel_array.astype(float) - 1024 + 160).clip(0, 400) * 255 / 400
    drawn, before = (array[box.y0 : box.y1, box.x0 : box.x1] for array in (shown, np.where(values < 900, 0.0, 255.0)))
    assert np.percentile(abs(drawn - before), 90) >= 50  # of 60 grey levels and more, at soft edges less


def test_only_what_holds_a_picture_back_counts_as_found() -> None:
    box = Box(10, 10, 90, 30)
    line = TextFinding(Box(8, 8, 92, 32), "Bonek", 0.9, "medium", "")
    assert controls.is_told([line], box)
    assert not controls.is_told([line._replace(tier="low")], box)
    assert not controls.is_told([line._replace(box=Box(8, 8, 30, 32))], box)


@pytest.fixture
def small(site: Site, monkeypatch: pytest.MonkeyPatch):
    """A site of three pictures and twelve controls; the detector finds every other one, whatever the key draws."""
    monkeypatch.setattr(controls, "CONTROLS", 12)
    boxes: list[Box] = []
    plant = controls.plant_control

    def planted(original: bytes, seed: int) -> tuple[bytes, Box]:
        made, box = plant(original, seed)
        boxes.append(box)
        return made, box

    def looked(shown: bytes, words: object = ()) -> list[TextFinding]:
        found = boxes[-1:] if len(boxes) % 2 else []
        return [TextFinding(box, "Bonek", 0.9, "medium", "not known to be technical") for box in found]

    monkeypatch.setattr(controls, "plant_control", planted)
    monkeypatch.setattr(detection, "look", looked)
    monkeypatch.setattr(
        controls, "each_in_child", lambda _, function, items, *more: ((item, function(*item), 0.1) for item in items)
    )
    return (*site({name: image(modality="CT") for name in ("a", "b", "c")}, text_bound=0.1), boxes)


def test_what_was_found_is_counted_and_nothing_is_looked_at_twice(small) -> None:
    workspace, catalog, boxes = small
    made = controls.look_at_controls(workspace, triage.triage(catalog))
    assert (len(made), len(boxes), made.found.sum()) == (12, 12, 6)
    assert (controls_of(workspace).looked, controls_of(workspace).found) == (12, 6)
    again = controls.look_at_controls(workspace, triage.triage(catalog))
    assert len(boxes) == 12 and again.equals(made)


def test_no_control_is_a_picture_of_the_source(small) -> None:
    workspace, catalog, _ = small
    made = controls.look_at_controls(workspace, triage.triage(catalog))
    assert not set(made.item) & set(catalog.source_path) and set(made.source_path) <= set(catalog.source_path)
    files = set(workspace.root.rglob("*.dcm"))
    assert files == {workspace.local / "controls" / name for name in made.name} and len(files) == 12
    assert not any(workspace.release.rglob("*"))


def test_a_site_that_wants_a_bound_draws_by_what_its_control_showed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = pd.DataFrame({"found": [1] * 9 + [0]})
    monkeypatch.setattr(controls, "look_at_controls", lambda *_: control)
    drawn = {}
    for bound in (0, 0.01):
        workspace, catalog = site({"a": image(modality="CT")}, text_bound=bound)
        drawn[bound] = _Judge(workspace, triage.triage(catalog))._draw_for_bound(None)(3000)
    assert drawn[0] == 0 and drawn[0.01] > 1.5 * triage.share_to_draw(3000, 0.01)
    assert most_with_text(0, drawn[0.01], 3000, *_measured(ControlCounts(10, 9))) <= 0.01 * 3000


@pytest.mark.parametrize(("found", "shown"), [(60, 60), (57, 60), (1, 60), (0, 5), (5, 5), (59, 120)])
def test_both_sides_make_the_same_of_what_was_found(found: int, shown: int) -> None:
    assert triage.least_found(found, shown) == pytest.approx(least_share(found, shown, triage.HALF_RISK), abs=1e-6)
