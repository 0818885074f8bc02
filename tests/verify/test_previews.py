"""Previews: every kind of image once, at its window, with the difference only where something was redacted."""

from __future__ import annotations

import importlib

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from chorus_nb import tables
from chorus_nb.figures import verify as figures
from chorus_nb.leaks import reading
from chorus_nb.verify import checks, previews, verify
from chorus_nb.verify.previews import SIDE, Preview, _preview, preview_sample, window
from chorus_nb.workspace import Workspace
from tests.verify.small_site import BOX


def test_the_sample_shows_each_kind_before_a_second_of_any(release: Workspace) -> None:
    picked = preview_sample(release, 3)
    assert set(picked.modality) == {"CT", "US"}
    assert picked.boxes.iloc[0] == BOX  # what was redacted comes first


def test_redacted_images_do_not_crowd_out_the_others(release: Workspace) -> None:
    outcomes = release.read(tables.OUTCOMES)
    plain = outcomes.index[outcomes.status == "released"][-1]
    release.write(tables.OUTCOMES, outcomes.assign(boxes=["" if row == plain else BOX for row in outcomes.index]))
    assert preview_sample(release, 3).boxes.tolist() == [BOX, BOX, ""]


def test_the_difference_lies_inside_the_redacted_box(release: Workspace) -> None:
    redacted, *others = previews(release, 8)
    x0, y0, x1, y1 = map(int, BOX.split(","))
    outside = np.ones((16, 16), bool)
    outside[y0:y1, x0:x1] = False
    assert redacted.changed
    assert redacted.difference[~outside].any()
    assert not redacted.difference[outside].any()
    assert all(preview.changed == 0 and not preview.difference.any() for preview in others)


def test_what_did_not_change_is_not_decoded_again(release: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = previews(release, 4)
    module = importlib.import_module("chorus_nb.verify.previews")  # a verb has its name
    monkeypatch.setattr(module, "_preview", lambda title, path, *_: Preview(f"again: {path}", *[0] * 6))
    for one, other in zip(first, previews(release, 4), strict=True):
        assert all(np.array_equal(old, new) for old, new in zip(one, other, strict=True))
    path = release.release / first[0].target_path
    path.write_bytes(path.read_bytes() + b"\0")
    assert [one.title for one in previews(release, 4)] == [
        f"again: {first[0].target_path}",
        *(one.title for one in first[1:]),
    ]


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm", "examples_palette.dcm", "JPEG2000.dcm"]
)
def test_every_kind_of_image_becomes_a_small_thumbnail(name: str) -> None:
    dataset = reading.parse_file(open(str(get_testdata_file(name)), "rb").read()).dataset  # noqa: SIM115
    preview = _preview("x", "y", dataset, dataset, "")
    frames = 3 if "NumberOfFrames" in dataset and dataset.NumberOfFrames > 1 else 1
    assert preview.after.dtype == np.uint8
    assert preview.after.shape[0] <= SIDE
    assert preview.after.shape[1] <= SIDE * frames
    assert preview.after.min() < preview.after.max()


def test_monochrome1_is_shown_the_right_way_round() -> None:
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    straight = _preview("x", "y", dataset, dataset, "").after.astype(int)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert np.abs(straight + _preview("x", "y", dataset, dataset, "").after - 255).max() <= 1


@pytest.mark.parametrize(
    "said",
    [
        *({"WindowWidth": 0}, {"WindowWidth": -5}, {"WindowWidth": []}, {"WindowCenter": None}),
        *({"WindowWidth": float("inf")}, {"WindowCenter": float("nan")}),
    ],
)
def test_a_window_that_means_nothing_is_none(said: dict[str, object]) -> None:
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    assert window(dataset, dataset.pixel_array) == (40, 400)
    for keyword, value in said.items():
        setattr(dataset, keyword, value)
    assert window(dataset, dataset.pixel_array) == window(dataset, dataset.pixel_array, from_header=False)


def test_the_figures_draw(release: Workspace) -> None:
    images = previews(release, 4)
    assert len(figures.before_after(images).axes) == 12
    gate, findings = checks(release)[["check", "result"]], verify(release)[["check", "severity", "held"]]
    assert figures.gate(gate, findings).axes
