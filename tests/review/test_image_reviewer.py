"""The image reviewer: a decision is about what is on the screen, and nobody's is lost or taken for another's."""

from __future__ import annotations

import copy
import io
import os
import signal
import time
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file

from chorus_nb import decisions, tables
from chorus_nb.errors import InputError
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.review import ImageReviewer, QuarantineBrowser
from chorus_nb.review.views import Image
from chorus_nb.workspace import Workspace
from tests.browsing import Watched, open_panel
from tests.review.cine import PAYLOAD, ultrasound

STATUS = "document.querySelector('.status').textContent"
SEEN = "[...document.querySelectorAll('canvas')].every((canvas) => canvas.width === 80)"


@pytest.fixture
def stack(waiting: Workspace) -> Workspace:
    """The series as two single pictures, only the first of which waits."""
    for number, name in enumerate(("a.dcm", "b.dcm"), 1):
        (Path(waiting.parameters.source) / name).write_bytes(ultrasound(frames=1, number=number))
    verdicts = waiting.read(tables.IMAGE_VERDICTS)
    waiting.write(tables.IMAGE_VERDICTS, verdicts.assign(verdict=["clean", "hold"], checked=["looked", "looked"]))
    return waiting


def said(page: Any, text: str) -> None:
    page.wait_for_function(f"{STATUS}.startsWith('{text}')")


def test_it_says_why_a_picture_waits_and_how_much_its_boxes_would_take(
    waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = waiting.read(tables.IMAGE_VERDICTS)
    reasons = ["burned_in_text_unchecked", "filled_beside_text"]  # of b.dcm and a.dcm, which stands first
    waiting.write(tables.IMAGE_VERDICTS, verdicts.assign(reason=reasons, beside=["", "0.0412"]))
    page = open_panel(watched, ImageReviewer(waiting, "ada"), monkeypatch)
    page.wait_for_function(SEEN)
    text = page.locator("#panel").inner_text()
    assert "filling its text would take more than 2 % of what it shows beside it · 4.1 % of the picture" in text
    assert "the pixels could not be searched for text" in page.get_by_label("Show only: reason").inner_text()
    page.locator(".chorus-panel").press("n")
    page.wait_for_function("document.querySelector('.file').textContent === 'b.dcm'")
    assert "% of the picture" not in page.locator("#panel").inner_text()


def test_a_decision_is_about_the_slice_on_the_screen(
    stack: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_panel(watched, ImageReviewer(stack, "ada"), monkeypatch)
    page.wait_for_function(SEEN)
    page.locator(".chorus-panel").press("ArrowDown")
    page.wait_for_function("document.querySelector('.file').textContent === 'b.dcm'")
    page.wait_for_function("document.querySelector('#panel').textContent.includes('2 of 2')")
    page.keyboard.press("r")
    said(page, "redact: written")
    [row] = IMAGE_LOG.history(stack).to_dict("records")
    assert (row["item"], row["boxes"]) == ("b.dcm", ""), "neither the image of the queue nor its boxes"
    assert "this image: b.dcm" in page.evaluate(STATUS)
    page.get_by_label("What the decision is about").select_option("device")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Reject").click()
    said(page, "reject: written")
    assert IMAGE_LOG.history(stack)["item"].tolist() == ["b.dcm", "device:MAKER|MODEL|60x80"]
    page.locator(".chorus-panel").press("u")
    said(page, "Taken back: device")


def test_nothing_is_decided_before_the_picture_is_there(
    stack: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = ImageReviewer(stack, "ada")
    received, late = reviewer._received, []

    def slow(_: object, message: dict[str, Any], __: object) -> None:
        late.append(message) if message["ask"] == "view" else received(None, message, None)

    monkeypatch.setattr(reviewer, "_received", slow)
    page = open_panel(watched, reviewer, monkeypatch)
    page.wait_for_function("document.querySelector('.file').textContent === 'a.dcm'")
    for key in ("a", "x"):
        page.locator(".chorus-panel").press(key)
        page.wait_for_function("document.querySelector('.refused')?.textContent.includes('wait for the picture')")
    assert late and IMAGE_LOG.history(stack).empty


def test_what_cannot_be_seen_can_only_be_rejected(
    stack: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(stack.parameters.source) / "a.dcm"
    path.write_bytes(path.read_bytes()[:-3000])
    page = open_panel(watched, ImageReviewer(stack, "ada"), monkeypatch)
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('cannot be decoded')")
    page.locator(".chorus-panel").press("a")
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('only be rejected')")
    page.keyboard.press("x")
    said(page, "reject: written")
    assert list(IMAGE_LOG.history(stack)["decision"]) == ["reject"]


def test_a_file_that_changed_on_the_disk_while_it_was_looked_at_is_not_decided_about(waiting: Workspace) -> None:
    reviewer = ImageReviewer(waiting, "ada")
    reviewer.view("a.dcm", "before")
    path = Path(waiting.parameters.source) / "a.dcm"
    path.write_bytes(path.read_bytes() + b"\0")
    reviewer.decide("a.dcm", "accept")
    assert reviewer.found("a.dcm")[0]["outdated"]


def test_a_panel_without_its_kernel_says_so_and_takes_no_decision(
    stack: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = ImageReviewer(stack, "ada")
    page = open_panel(watched, reviewer, monkeypatch)
    page.wait_for_function(SEEN)
    asked: list[str] = []
    monkeypatch.setattr(reviewer, "_received", lambda _, message, __: asked.append(message["ask"]))
    page.wait_for_function("document.querySelector('.silent').textContent.includes('does not answer')", timeout=3000)
    page.locator(".chorus-panel").press("x")
    page.get_by_role("button", name="Accept").click(force=True)
    page.wait_for_timeout(100)
    assert set(asked) == {"alive"}


def test_a_shared_account_is_asked_who_decides(
    stack: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    page = open_panel(watched, ImageReviewer(stack), monkeypatch)
    page.wait_for_function(SEEN)
    page.locator(".chorus-panel").press("a")
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('say who decides')")
    page.get_by_label("Your name").fill("Jovyan ")
    page.get_by_role("button", name="This is me").click()
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('your own name')")
    page.get_by_label("Your name").fill(PAYLOAD)
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#panel').textContent.includes('Decisions are written as')")
    page.locator(".chorus-panel").press("a")
    said(page, "accept: written")
    assert list(IMAGE_LOG.history(stack)["reviewer"]) == [PAYLOAD]
    monkeypatch.setenv("JUPYTERHUB_USER", "grace")
    assert ImageReviewer(stack).reviewer == "grace"
    with pytest.raises(InputError, match="own name"):
        ImageReviewer(stack).sign(" ROOT ")


def test_a_blind_reading_shows_nothing_of_the_first(waiting: Workspace) -> None:
    verdicts = waiting.read(tables.IMAGE_VERDICTS)
    waiting.write(tables.IMAGE_VERDICTS, verdicts.assign(checked="decided", reason="rejected_by_review"))
    ImageReviewer(waiting, "ada").decide("a.dcm", "redact", "1,1,9,9", note="seen")
    assert ImageReviewer(waiting, "grace").found("a.dcm")[0]["boxes"] == "1,1,9,9"
    blind = ImageReviewer(waiting, "grace", blind=True)
    shown = [blind.content, blind.found("a.dcm")[0], blind.progress()[0]]
    assert not any(word in repr(shown) for word in ("ada", "redact", "rejected_by_review", "1,1,9,9", "6,4,60,14;"))
    assert blind.found("a.dcm")[0]["findings"], "what the machine read is shown"
    blind.decide("a.dcm", "accept")
    assert blind.progress()[0] == {"decided": {0: "accept"}, "changed": [], "disagreements": 0}
    [pair] = IMAGE_LOG.agreement(waiting).to_dict("records")
    assert (pair["reviewer"], pair["second_reviewer"], pair["items"], pair["agreed"]) == ("ada", "grace", 1, 0)


def test_two_browsers_decide_at_once_and_each_takes_back_its_own(
    stack: Workspace, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the kernel of a third is killed in the middle of a decision about the same image."""
    both = [Watched(browser), Watched(browser)]
    try:
        ada, grace = (
            open_panel(page, ImageReviewer(stack, name), monkeypatch)
            for page, name in zip(both, ("ada", "grace"), strict=True)
        )
        for page, key, word in ((ada, "a", "accept"), (grace, "x", "reject")):
            page.wait_for_function(SEEN)
            page.locator(".chorus-panel").press(key)
            said(page, f"{word}: written")
        killed_while_deciding(ImageReviewer(stack, PAYLOAD), "a.dcm", "redact")
        ada.locator(".chorus-panel").press("u")
        said(ada, "Taken back: a.dcm")
        below = "[...document.querySelectorAll('.said li')].map((line) => line.textContent.split(',')[0])"
        ada.wait_for_function(f"{below}.length === 2")
        assert ada.evaluate(below) == ["grace: reject", f"{PAYLOAD}: redact"], "both, by instant"
        both.append(Watched(browser))
        again = open_panel(both[2], ImageReviewer(stack, "grace"), monkeypatch)
        again.wait_for_function(SEEN)
        again.locator(".chorus-panel").press("u")  # another browser of hers
        said(again, "Taken back: a.dcm")
        history = IMAGE_LOG.history(stack)
        assert history["reviewer"].tolist() == ["ada", "grace", PAYLOAD, "ada", "grace"]
        assert [row["reviewer"] for row in IMAGE_LOG.standing(stack)] == [PAYLOAD]
    finally:
        for page in both:
            page.close()
    assert [(page.dialogs, page.errors, page.outside) for page in both] == [([], [], [])] * 3


def killed_while_deciding(reviewer: ImageReviewer, path: str, word: str) -> None:
    """Decide in a process that is gone when half of the line is in the file."""
    child = os.fork()
    if not child:
        on_disk = decisions._on_disk
        try:

            def dying(place: Path, mode: str, content: bytes) -> None:
                on_disk(place, mode, content[: len(content) // 2] if mode == "ab" else content)
                if mode == "ab":
                    os.kill(os.getpid(), signal.SIGKILL)

            decisions._on_disk = dying
            reviewer.decide(path, word)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def many(waiting: Workspace, number: int = 10_000) -> Workspace:
    catalog, verdicts = waiting.read(tables.CATALOG), waiting.read(tables.IMAGE_VERDICTS)
    names = [f"{place:05}/a.dcm" for place in range(number)]
    devices = [f"MAKER|MODEL {place % 40}|60x80" for place in range(number)]
    whole = catalog.iloc[[0] * number].assign(source_path=names, Modality=["US", "CT"] * (number // 2))
    waiting.write(tables.CATALOG, whole.assign(SeriesInstanceUID=[f"1.2.{place // 100}" for place in range(number)]))
    waiting.write(tables.IMAGE_VERDICTS, verdicts.iloc[[0] * number].assign(source_path=names, device=devices))
    return waiting


def test_ten_thousand_images_open_are_searched_and_filtered(
    waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = many(waiting)
    IMAGE_LOG.append(large, "ada", *({"item": f"{place:05}/a.dcm", "decision": "accept"} for place in range(5000)))
    started = time.process_time()
    page = open_panel(watched, ImageReviewer(large, "ada"), monkeypatch)
    page.wait_for_function("document.querySelector('.file').textContent === '05000/a.dcm'")
    assert time.process_time() - started < 15  # where each image looked at all others it took minutes
    queue = page.get_by_label("Image of the queue")
    assert queue.locator("option").count() <= 201
    page.get_by_role("button", name="all of this layout").click()
    assert "250 shown" in page.locator("#panel").text_content()
    page.get_by_label("Show only: decided or not").select_option("decided")
    assert "125 shown" in page.locator("#panel").text_content()
    page.get_by_label("Search the queue").fill("00100 us")
    page.wait_for_function("document.querySelector('#panel').textContent.includes('· 0 shown')")
    for label in ("decided or not", "device and size"):
        page.get_by_label(f"Show only: {label}").select_option("*")
    page.get_by_label("Search the queue").fill("09998")
    page.wait_for_function("document.querySelector('#panel').textContent.includes('9999 US')")
    page.get_by_role("button", name="Next image").click()
    page.wait_for_function("document.querySelector('.file').textContent === '09998/a.dcm'")


def test_a_picture_is_zoomed_at_the_pointer_moved_windowed_and_compared(
    stack: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewer = ImageReviewer(stack, "ada")
    asked: list[dict[str, Any]] = []
    view = reviewer.view
    monkeypatch.setattr(reviewer, "view", lambda **sent: (asked.append(sent), view(**sent))[1])
    page = open_panel(watched, reviewer, monkeypatch)
    page.wait_for_function(SEEN)
    area = page.locator("canvas.draw").bounding_box()

    def at(x: float, y: float) -> tuple[float, float]:
        return area["x"] + x * area["width"], area["y"] + y * area["height"]

    def until(after: int) -> dict[str, Any]:
        page.wait_for_function(
            "document.querySelectorAll('canvas')[1].width === document.querySelector('canvas').width"
        )
        deadline = time.monotonic() + 5
        while len(asked) <= after and time.monotonic() < deadline:
            page.wait_for_timeout(20)
        return next(sent for sent in reversed(asked) if sent["side"] == "before")

    before = len(asked)
    page.mouse.move(*at(0.75, 0.25))
    page.mouse.wheel(0, -100)
    sent = until(before)
    assert (sent["x0"], sent["y0"], sent["x1"] - sent["x0"]) == (18, 4, 56), "(60, 15) stays at three and one quarters"
    before = len(asked)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(*at(0.85, 0.25))
    page.mouse.up()
    page.keyboard.up("Shift")
    assert until(before)["x0"] == 12, "a tenth of 56 pixels to the left"
    before = len(asked)
    page.keyboard.press("0")
    assert "x0" not in until(before)
    page.wait_for_function(SEEN)
    old = float(page.get_by_label("Width").input_value())
    page.mouse.move(*at(0.5, 0.9))
    page.mouse.down(button="right")
    page.mouse.move(*at(0.25, 0.9))
    page.mouse.up(button="right")
    assert float(page.get_by_label("Width").input_value()) < old
    page.keyboard.press("d")
    shade = (
        "Math.max(...document.querySelectorAll('canvas')[1].getContext('2d').getImageData({},9,1,1).data.slice(0,3))"
    )
    page.wait_for_function(shade.format(20) + " > 60")
    assert page.evaluate(shade.format(70)) == 0, "nothing differs outside the box"


def test_a_loop_plays_at_its_own_pace(waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_panel(watched, ImageReviewer(waiting, "ada"), monkeypatch)
    page.wait_for_function(SEEN)
    page.locator(".chorus-panel").press("c")
    for number in (2, 3, 1):
        page.wait_for_function(f"document.querySelector('#panel').textContent.includes('{number} of 3')")
    page.locator(".chorus-panel").press("c")


def test_the_other_panels_watch_their_kernel_too(
    waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting.write(tables.OUTCOMES, tables.frame(tables.OUTCOMES, []))
    page = open_panel(watched, QuarantineBrowser(waiting, "ada"), monkeypatch)
    monkeypatch.setattr("chorus_nb.review.panel.Panel._received", lambda *_: None)
    page.wait_for_function("document.querySelector('.silent').textContent.includes('does not answer')", timeout=3500)


def test_the_pace_of_a_loop_is_read_from_its_header() -> None:
    data = pydicom.dcmread(io.BytesIO(ultrasound()))
    for name, value, rate in (("FrameTime", "40", 25.0), ("CineRate", "500", 60.0), ("FrameTime", "0", 10.0)):
        again = copy.deepcopy(data)
        setattr(again, name, value)
        sink = io.BytesIO()
        again.save_as(sink)
        assert Image(sink.getvalue()).view(0)[0]["rate"] == rate


@pytest.mark.parametrize("width", [0, -5, None])
def test_a_window_that_shows_nothing_does_not_hide_the_picture_from_the_reviewer(width: float | None) -> None:
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.WindowCenter, dataset.WindowWidth = 0, width
    sink = io.BytesIO()
    dataset.save_as(sink)
    shown = Image(sink.getvalue()).view(0)[0]
    assert shown["lowest"] <= shown["low"] < shown["high"] <= shown["highest"]
