"""The face reviewer in a real Chromium: what is there before and after, tried again, decided; on disk at once."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("SimpleITK")
pytest.importorskip("pydeface")
pytest.importorskip("ipyniivue")
pytest.importorskip("nibabel")

import nibabel

from chorus_nb import tables
from chorus_nb.faces import shown_volume
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.faces.frames import remove_from
from chorus_nb.faces.surfaces import Surfaces, nifti
from chorus_nb.faces.volume import Volume
from chorus_nb.processes.child import in_child
from chorus_nb.review import CatalogExplorer, FaceReviewer, face_reviewer
from chorus_nb.review.face_reviewer import heads_to_review
from chorus_nb.workspace import Workspace
from tests import heads
from tests.browsing import Watched, open_panel
from tests.deid.small_run import SmallSite, run
from tests.faces.conftest import in_this_process

SHOWN = "[...document.querySelectorAll('canvas')].every((canvas) => canvas.width > 50)"


@pytest.fixture(scope="module", autouse=True)
def _registered_once() -> Iterator[None]:
    """Faces are looked for in this process, where a head is registered once; pictures of them are made in a child."""

    def in_place(function: Callable[..., Any], *args: Any, **how: Any) -> Any:
        return function(*args) if function is remove_from else in_child(function, *args, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chorus_nb.faces.judge.each_in_child", in_this_process)
        patch.setattr(importlib.import_module("chorus_nb.faces.surfaces"), "in_child", in_place)  # a verb has its name
        patch.setattr("chorus_nb.faces.study.register_head", heads.registered)
        yield


@pytest.fixture(scope="module")
def heads_site(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A head that is defaced and three slices of it that are held back."""
    site = SmallSite(tmp_path_factory.mktemp("faces"))
    head = heads.head("CT")
    mine = {"PatientID": "MRN-1", "AccessionNumber": "ACC-1", "StudyInstanceUID": "1.2.3.1"}
    heads.write(head, site.dicom / "head", SeriesDescription="<img src=x onerror=alert(1)>", **mine)
    few = head._replace(values=head.values[30:33])
    heads.write(few, site.dicom / "few", SeriesDescription="HEAD LOC", FrameOfReferenceUID="1.2.3.8", **mine)
    workspace = site.open(deface="apply")
    run(workspace)
    return workspace


def status(page: object, text: str) -> None:
    page.wait_for_function(f"document.querySelector('.status').textContent.startsWith('{text}')")  # type: ignore[attr-defined]


def test_what_waits_comes_first_and_what_was_released_is_shown(
    heads_site: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = open_panel(watched, FaceReviewer(heads_site, "ada"), monkeypatch)
    status(page, "There is no mask")
    sizes = "[...document.querySelectorAll('figure')].map((one) => !one.hidden && one.firstChild.width > 50)"
    assert page.evaluate(sizes) == [True, True, False, False, True, True, True], "what is decided about is seen"
    assert "not defaced" in page.locator("option").first.text_content()
    page.get_by_label("Heads of the queue").select_option("1")
    page.wait_for_function(SHOWN)
    assert "released" in page.locator("figcaption").nth(2).text_content()
    page.screenshot(path=str(tmp_path / "FaceReviewer.png"))


def test_a_shift_is_tried_before_it_is_decided_and_the_decision_is_taken_back(
    heads_site: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_panel(watched, FaceReviewer(heads_site, "ada"), monkeypatch)
    page.get_by_label("Heads of the queue").select_option("1")
    page.wait_for_function(SHOWN)
    page.get_by_label("Shift").fill("0,5")
    page.get_by_role("button", name="Try").click()
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('three numbers')")
    page.get_by_label("Shift").fill("0,8,0")
    page.get_by_role("button", name="Try").click()
    page.wait_for_function(SHOWN, timeout=120_000)
    assert page.locator("figcaption").nth(2).text_content() == "would be released"
    page.get_by_role("button", name="Deface").click()
    status(page, "deface: written")
    [row] = FACE_LOG.history(heads_site).to_dict("records")
    assert (row["decision"], row["shift"], row["reviewer"]) == ("deface_head", "0,8,0", "ada")
    other = FaceReviewer(heads_site, "grace").said(1)[0]
    assert other["path"].startswith("head/") and other["said"][0].startswith("ada: deface_head, 20")
    page.locator(".chorus-panel").press("u")
    status(page, "Taken back")
    assert not FACE_LOG.current(heads_site)


def test_a_face_is_released_only_with_a_reason(
    heads_site: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_panel(watched, FaceReviewer(heads_site, "ada"), monkeypatch)
    status(page, "There is no mask")
    page.get_by_role("button", name="Release as it is").click()
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('with a reason')")
    page.get_by_label("Reason of the decision").fill("a localizer")
    page.get_by_role("button", name="Release as it is").click()
    page.wait_for_function("document.querySelector('option').textContent.includes('release')")
    page.locator(".chorus-panel").press("u")
    status(page, "Taken back")


def test_no_head_is_decided_about_before_its_pictures_are_there(
    heads_site: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = FaceReviewer(heads_site, "ada")
    received = reviewer._received
    late = lambda _, message, __: message["ask"] != "view" and received(None, message, None)  # noqa: E731
    monkeypatch.setattr(reviewer, "_received", late)
    page = open_panel(watched, reviewer, monkeypatch)
    page.wait_for_function("document.querySelector('.file').textContent.startsWith('few/')")
    page.locator(".chorus-panel").press("x")
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('wait for the pictures')")
    assert not FACE_LOG.current(heads_site)


def test_a_head_is_shown_in_space_with_its_mask_where_both_lie(heads_site: Workspace) -> None:
    reviewer = FaceReviewer(heads_site, "ada")
    row = reviewer.queue.iloc[1]
    shown = shown_volume(heads_site, row["series_uid"], row["mask"])
    image, mask = (nibabel.Nifti1Image.from_bytes(part) for part in (shown.image, shown.mask))
    head = heads.head("CT")
    assert image.shape == mask.shape == head.values.shape[::-1]
    assert (image.affine == mask.affine).all()
    assert abs(image.get_fdata().max() - head.values.max()) < 1 and (shown.low, shown.high) == (-200, 300)
    middle = np.argwhere(np.asarray(mask.dataobj) == 1).mean(axis=0)
    forward = (mask.affine @ [*middle, 1])[1] - (mask.affine @ [*(np.array(mask.shape) / 2), 1])[1]
    assert forward > 20, "a face is in front: + of NIfTI's second axis"
    reviewer.volume(1)
    assert [type(part).__name__ for part in reviewer._box.children] == ["FaceReviewer", "NiiVue"]
    assert [layer.opacity for layer in reviewer._box.children[1].volumes] == [1.0, 0.5]
    reviewer.volume()
    assert reviewer._box.children == (reviewer,)
    explorer = CatalogExplorer(heads_site)
    names = lambda: [type(part).__name__ for part in explorer._box.children]  # noqa: E731
    explorer.ask_sql("SELECT * FROM files WHERE series_files > 3")
    explorer.counts()
    explorer.volume(0)
    assert names() == ["Widget", "CatalogExplorer", "NiiVue"]
    explorer.volume()
    assert names() == ["Widget", "CatalogExplorer"]


def test_a_large_volume_is_thinned_to_what_a_browser_holds() -> None:
    whole = Volume(np.arange(8000, dtype=np.float32).reshape(20, 20, 20), np.diag([1.0, 2.0, 3.0, 1.0]), "CT")
    parts = whole._replace(values=whole.values / 7)  # MR with a slope
    scaled = nibabel.Nifti1Image.from_bytes(nifti(parts, "i2"))
    assert len(scaled.to_bytes()) < 8000 * 2.1
    assert np.abs(scaled.get_fdata().transpose(2, 1, 0) - parts.values).max() < parts.values.max() / 60_000
    thinned = nibabel.Nifti1Image.from_bytes(nifti(whole, "i2", 1000))
    assert thinned.shape == (10, 10, 10) and np.diag(thinned.affine).tolist() == [-2, -4, 6, 1]
    assert thinned.get_fdata()[3, 1, 2] == whole.values[4, 2, 6]


def test_the_report_shows_counts_instead_of_the_panel(heads_site: Workspace) -> None:
    table = FaceReviewer(heads_site).static_table()
    assert dict(zip(table.status, table.heads, strict=True)) == {"defaced": 1, "not_defaced": 1}
    assert not set(heads_site.read(tables.FACE_VERDICTS).series_uid) & set(table.astype(str).to_numpy().ravel())


def test_the_queue_shows_heads_and_says_what_one_decision_frees() -> None:
    """Of one head: an accepted T1, a localizer that shares its face, two series that wait; and another head."""
    rows = [
        ("t1", "one", "defaced", "", "m1", "", 160, 0.97),
        ("loc", "one", "defaced", "", "m2", "t1", 3, 0.97),
        ("epi", "one", "not_defaced", "turned too far", "m3", "", 200, 0.98),
        ("few", "one", "not_defaced", "too few", "", "", 4, None),
        ("ct", "two", "no_face_in_view", "", "", "", 30, 0.95),
    ]
    names = ["series_uid", "head", "status", "reason", "mask", "shared_from", "files", "dice"]
    verdicts = pd.DataFrame(rows, columns=names).assign(modality="MR", need="face", need_reason="")
    first, second = heads_to_review(verdicts).to_dict("records")
    assert (first["series_uid"], first["mask"]) == ("t1", "m1"), "looked at is the face that was accepted"
    assert (first["status"], first["series"], first["files"], first["waiting"]) == ("not_defaced", 4, 367, 204)
    assert (second["head"], second["waiting"]) == ("two", 0)
    [left] = heads_to_review(verdicts[verdicts.series_uid.isin(("epi", "few"))]).to_dict("records")
    assert left["series_uid"] == "epi"
    doubted = heads_to_review(verdicts, {"two": "04 perhaps sees a face"})
    assert list(doubted["head"]) == ["two", "one"] and doubted["reason"][0] == "04 perhaps sees a face"


def test_a_head_in_which_04_sees_a_face_comes_first_until_somebody_decides(waiting: Workspace) -> None:
    numbers = dict.fromkeys(("removed", "brain_ml", "seconds"), 0.0)
    kinds = {"modality": "MR", "need": "face", "files": 2, "mask": "m", **numbers}
    said = {"1.2.3.1": "not_defaced", "1.2.3.2": "defaced", "1.2.3.3": "no_head"}
    rows = [{"series_uid": uid, "head": uid[-1], "status": status, **kinds} for uid, status in said.items()]
    waiting.write(tables.FACE_VERDICTS, tables.frame(tables.FACE_VERDICTS, rows))
    other = {"modality": "MR", "files": 2, "status": "", "own_look": "", "held": False}
    looks = [
        {**other, "folder": said, "head": head, "beside": said} for head, said in (("2", "unsure"), ("3", "disagrees"))
    ]
    waiting.write(tables.FACE_LOOKS, tables.frame(tables.FACE_LOOKS, looks))
    shown = FaceReviewer(waiting, "ada").queue
    assert list(shown["head"]) == ["2", "3", "1"]
    assert list(shown["reason"]) == ["04 perhaps sees a face", "04 sees a face", ""]
    FaceReviewer(waiting, "ada").decide(0, "release", note="a neck")
    assert list(FaceReviewer(waiting, "ada").queue["head"]) == ["3", "1", "2"]


def test_a_blind_reading_shows_nothing_of_what_another_said_about_a_face(
    waiting: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {"modality": "CT", "need": "face", "files": 2, "mask": "m"}
    rows = [
        {"series_uid": "1.2.3.4", "head": "one", "status": "held", "reason": "held_by_review", **kinds},
        {"series_uid": "1.2.3.5", "head": "two", "status": "defaced", **kinds},
    ]
    numbers = dict.fromkeys(("removed", "brain_ml", "seconds"), 0.0)
    table = tables.frame(tables.FACE_VERDICTS, [{**row, **numbers} for row in rows])
    waiting.write(tables.FACE_VERDICTS, table)
    FaceReviewer(waiting, "ada").decide(0, "hold", shift="0,8,0", note="a nose is left")
    assert "a nose is left" in FaceReviewer(waiting, "grace").said(0)[0]["said"][0]
    blind = FaceReviewer(waiting, "grace", blind=True)
    shown = repr([blind.content, blind.said(0)[0]])
    assert not any(word in shown for word in ("ada", "held", "a nose", "0,8,0")) and blind.queue["waiting"][0] == 2
    asked: list[tuple[str, str]] = []
    surfaces = Surfaces("", "", "", [], [], [], written=False)
    monkeypatch.setattr(face_reviewer, "render", lambda *_: pytest.fail("the mask that the run made of it"))
    monkeypatch.setattr(face_reviewer, "face_preview", lambda *values: asked.append(values[2:]) or surfaces)
    blind.view(0)
    assert asked == [("", "0,0,0")], "searched for anew"
    blind.decide(0, "deface")
    assert blind.content["blind"] and blind.said(0)[0]["said"][0].startswith("grace: deface_head")
    assert list(FACE_LOG.history(waiting)["blind"]) == ["", "yes"]
    [pair] = FACE_LOG.agreement(waiting).to_dict("records")
    assert (pair["items"], pair["blind"], pair["agreed"]) == (1, 1, 0)
