"""The panels' own JavaScript in a real Chromium, answered by the real Python: drawn, driven by keys, and harmless."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.identity.site_words import WORD_LOG
from chorus_nb.mapping.overrides import TAG_LOG
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.review import HeaderExplorer, ImageReviewer, KnownWordsEditor, QuarantineBrowser, TagPlanEditor
from chorus_nb.workspace import Workspace
from tests.browsing import Watched, open_panel
from tests.review.cine import PAYLOAD, ultrasound


def test_an_action_is_changed_with_a_reason(
    planned: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_panel(watched, TagPlanEditor(planned, "ada"), monkeypatch)
    assert not page.locator(".change").is_visible()  # nothing is proposed yet
    page.get_by_label("Filter rows").fill("StationName")
    page.wait_for_function("document.querySelectorAll('tbody tr').length < 30")
    page.get_by_label("Action for StationName").first.select_option("Z")
    save = page.get_by_role("button", name="Decide")
    assert save.is_disabled(), "a reason is required"
    page.get_by_label("Reason of the decision").fill("no one needs it")
    page.wait_for_function("document.querySelector('.example').textContent.includes('→')")
    save.click()
    page.wait_for_function("document.querySelector('.status').textContent.startsWith('Written')")
    assert list(planned.read(tables.TAG_DECISIONS)["reason"]) == ["no one needs it"]
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("document.querySelector('.status').textContent === 'Taken back.'")
    assert not TAG_LOG.current(planned)


def test_many_tags_are_decided_at_once_and_the_filter_stays(
    planned: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = TagPlanEditor(planned, "ada")
    page = open_panel(watched, editor, monkeypatch)
    assert "(0002" not in page.locator("tbody").text_content()
    page.get_by_label("Filter rows").fill("PhysicianName")
    page.wait_for_function("document.querySelectorAll('tbody tr').length < 12")
    page.get_by_label("Choose all rows that are shown").check()
    page.get_by_label("Action for the chosen rows").select_option("X")
    page.get_by_label("Reason of the decision").fill("no one needs it")
    page.wait_for_function("document.querySelector('.example').textContent.includes('→')")
    page.get_by_role("button", name="Decide").click()
    page.wait_for_function("document.querySelector('.status').textContent.startsWith('Written')")
    decided = planned.read(tables.TAG_DECISIONS)
    shown = editor.plan[editor.plan["keyword"].str.contains("PhysicianName")]
    assert len(decided) == len(shown[["path", "tag", "private_creator"]].drop_duplicates()) > 1
    assert set(shown["action"]) == {"X"} and set(shown["decided_by"]) == {"ada"}
    assert page.locator("tbody td.gone").count() > 0, "what the engine did"
    assert TagPlanEditor(planned).content["filters"]["filter"] == "PhysicianName"
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("document.querySelector('.status').textContent === 'Taken back.'")
    assert not TAG_LOG.current(planned)


def test_three_thousand_rows_are_usable(planned: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned.read(tables.TAG_PLAN)
    copies = [plan.assign(sop_class=plan["sop_class"] + f".{number}") for number in range(3000 // len(plan) + 1)]
    many = pd.concat(copies)
    planned.write(tables.TAG_PLAN, many.head(3000))
    page = open_panel(watched, TagPlanEditor(planned), monkeypatch)
    assert page.locator("tbody tr").count() == 100, "paged, so that the page stays quick"
    page.get_by_label("Show the file meta information").check()
    assert "3,000 of 3,000" in page.locator(".count").first.text_content()
    page.get_by_role("button", name="Sort by tag").click()
    page.get_by_role("button", name="next ›").click()
    assert "101–200" in page.locator(".bar .count").nth(1).text_content()


def test_payloads_in_headers_stay_text(planned: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned.read(tables.TAG_PLAN)
    text = ["keyword", "reason", "rule_source", "example_before", "example_after", "private_creator"]
    planned.write(
        tables.TAG_PLAN, plan.assign(**dict.fromkeys(text, PAYLOAD)).drop_duplicates(list(tables.TAG_PLAN.key))
    )
    page = open_panel(watched, TagPlanEditor(planned), monkeypatch)
    assert PAYLOAD in page.locator("tbody tr").first.text_content()
    assert page.locator("#panel img, #panel script").count() == 0
    page.wait_for_timeout(100)


def test_a_header_is_read_searched_and_counted(
    planned: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_panel(watched, HeaderExplorer(planned), monkeypatch)
    page.wait_for_selector("tbody tr")
    everything = page.locator("tbody tr").count()
    page.get_by_label("Search the header").fill("StudyInstanceUID")
    page.wait_for_function(f"document.querySelectorAll('tbody tr').length < {everything}")
    page.get_by_label("Distribution of StudyInstanceUID").first.click()
    page.wait_for_selector(".distribution td")
    assert "in the whole source" in page.locator(".distribution").text_content()


def test_causes_open_and_files_are_sorted_again(
    waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"source_path": "a.dcm", "status": "quarantined", "reason": "patient_not_mapped", "detail": PAYLOAD}]
    waiting.write(tables.OUTCOMES, tables.frame(tables.OUTCOMES, [{**row, "seconds": 0.0} for row in rows]))
    mended = pd.DataFrame({"source_path": ["a.dcm"], "status": ["release"]})
    monkeypatch.setattr("chorus_nb.deid.make_worklist", lambda workspace: mended)
    page = open_panel(watched, QuarantineBrowser(waiting), monkeypatch)
    page.get_by_role("button", name="the patient has no row in Personal_map").press("Enter")
    page.wait_for_selector(".count")
    assert "patient_not_mapped" not in page.locator("#panel").text_content()
    assert PAYLOAD in page.locator("#panel").text_content()
    page.get_by_role("button", name="Sort again").click()
    page.wait_for_function("document.querySelector('.status').textContent.startsWith('1 of 1')")


def ready(page: Any) -> None:
    """Both sides are drawn."""
    page.wait_for_function("[...document.querySelectorAll('canvas')].every((canvas) => canvas.width === 80)")


def press_once_seen(page: Any, key: str, decision: str) -> None:
    """Decide about the next picture: until it is on the screen the panel asks to wait for it."""
    status = "document.querySelector('.status').textContent"
    for _ in range(50):
        page.keyboard.press(key)
        if page.evaluate(f"{status}.startsWith('{decision}')"):
            break
        page.wait_for_timeout(100)
    page.wait_for_function(f"{status}.startsWith('{decision}: written')")


def test_boxes_are_drawn_and_keys_decide(waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_panel(watched, ImageReviewer(waiting, "ada"), monkeypatch)
    ready(page)
    assert PAYLOAD in page.locator(".found").text_content()
    area = page.locator("canvas.draw").bounding_box()
    scale = area["width"] / 80
    page.mouse.move(area["x"] + 10 * scale, area["y"] + 30 * scale)
    page.mouse.down()
    page.mouse.move(area["x"] + 40 * scale, area["y"] + 50 * scale)
    page.mouse.up()
    page.keyboard.press("r")
    page.wait_for_function("document.querySelector('.status').textContent.startsWith('redact')")
    [row] = IMAGE_LOG.history(waiting).to_dict("records")
    assert row["item"] == "a.dcm" and row["decision"] == "redact"
    found, drawn = row["boxes"].split(";")
    assert found == "6,4,60,14"
    assert [abs(a - b) <= 1 for a, b in zip(map(int, drawn.split(",")), (10, 30, 40, 50), strict=True)] == [True] * 4
    assert page.get_by_label("Image of the queue").input_value() == "1", "the next one that waits is opened"
    press_once_seen(page, "x", "reject")
    page.keyboard.press("u")
    page.wait_for_function("document.querySelector('.status').textContent === 'Taken back: b.dcm'")
    assert list(IMAGE_LOG.history(waiting)["decision"]) == ["redact", "reject", "withdraw"]
    assert [row["decision"] for row in IMAGE_LOG.current(waiting).values()] == ["redact"]


def test_a_box_can_be_deleted_and_frames_scrolled_by_keys(
    waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_panel(watched, ImageReviewer(waiting, "ada"), monkeypatch)
    ready(page)
    page.locator("canvas.draw").click(position={"x": 60, "y": 50})
    page.keyboard.press("Delete")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.querySelector('#panel').textContent.includes('2 of 3')")
    page.keyboard.press("r")
    page.wait_for_function("document.querySelector('.status').textContent.startsWith('redact')")
    assert list(IMAGE_LOG.history(waiting)["boxes"]) == [""]


def test_a_box_is_made_moved_and_sized_by_keys(
    waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_panel(watched, ImageReviewer(waiting, "ada"), monkeypatch)
    ready(page)
    root = page.locator(".chorus-panel")
    for key in ("b", "Alt+ArrowRight", "Alt+ArrowRight", "Alt+Shift+ArrowDown", "o", "Delete", "r"):
        root.press(key)
    page.wait_for_function("document.querySelector('.status').textContent.startsWith('redact: written')")
    [box] = IMAGE_LOG.history(waiting)["boxes"]
    assert box == "34,26,54,36", "a quarter of 80 by an eighth of 60 amid it, twice 2 to the right, 2 lower below"


def test_an_87_frame_ultrasound_is_scrolled_without_a_stall(
    waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(waiting.parameters.source) / "a.dcm"
    path.write_bytes(ultrasound(frames=87, rows=480, columns=640))
    page = open_panel(watched, ImageReviewer(waiting), monkeypatch)
    page.wait_for_function("document.querySelector('canvas').width === 640")
    for _ in range(5):
        page.locator(".chorus-panel").press("ArrowDown")
    page.wait_for_function("document.querySelector('#panel').textContent.includes('6 of 87')", timeout=5000)


def test_an_image_that_cannot_be_decoded_never_shows_the_picture_of_another(
    waiting: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(waiting.parameters.source) / "b.dcm"
    path.write_bytes(path.read_bytes()[:-9000])
    page = open_panel(watched, ImageReviewer(waiting), monkeypatch)
    ready(page)
    page.locator(".chorus-panel").press("n")
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('cannot be decoded')")
    assert page.evaluate("[...document.querySelectorAll('canvas')].map((canvas) => canvas.width)") == [300, 300]


def test_words_are_approved_in_bulk(planned: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_panel(watched, KnownWordsEditor(planned, "ada"), monkeypatch)
    before = page.locator(".headline").text_content()
    page.get_by_role("button", name="Choose the first 10").click()
    chosen = page.locator("tr.chosen b").all_text_contents()
    page.get_by_role("button", name="Approve").click()
    page.wait_for_function("document.querySelector('.status').textContent.endsWith('words approved.')")
    assert {word: row["reviewer"] for word, row in WORD_LOG.current(planned).items()} == dict.fromkeys(chosen, "ada")
    assert page.locator(".headline").text_content() != before
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("document.querySelector('.status').textContent === 'Taken back.'")
    assert not WORD_LOG.current(planned) and page.locator(".headline").text_content() == before
