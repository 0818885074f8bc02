"""Panels without a browser: what a person decides is on disk at once, and is what the next run reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chorus_nb import explore, tables
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.identity.site_words import WORD_LOG
from chorus_nb.mapping import load_policy
from chorus_nb.mapping.overrides import TAG_LOG
from chorus_nb.pixels.decisions import IMAGE_LOG, ImageDecisions, outdated
from chorus_nb.review import HeaderExplorer, ImageReviewer, KnownWordsEditor, TagPlanEditor, panel
from chorus_nb.workspace import Workspace
from tests.review.cine import ultrasound


def row_of(editor: TagPlanEditor, keyword: str, path: str = "") -> int:
    found = editor.plan[(editor.plan["keyword"] == keyword) & (editor.plan["path"] == path)]
    return int(found.index[0])


def test_an_overridden_tag_is_in_the_decisions_the_plan_and_the_policy(planned: Workspace) -> None:
    editor = TagPlanEditor(planned, "ada")
    editor.decide(row_of(editor, "StationName"), "Z", "not needed here")
    [decision] = planned.read(tables.TAG_DECISIONS).to_dict("records")
    assert (decision["tag"], decision["action"], decision["reviewer"]) == ("(0008,1010)", "Z", "ada")
    plan = planned.read(tables.TAG_PLAN)
    assert set(plan.loc[(plan["keyword"] == "StationName") & (plan["path"] == ""), "action"]) == {"Z"}
    assert load_policy(planned).rule("1.2.840.10008.5.1.4.1.1.2", (), 0x00081010, "SH").action == "Z"


def test_undo_takes_the_decision_and_the_plan_back(planned: Workspace) -> None:
    before = planned.path(tables.TAG_PLAN).read_bytes()
    editor = TagPlanEditor(planned, "ada")
    editor.decide(row_of(editor, "StationName"), "Z", "not needed here")
    assert planned.path(tables.TAG_PLAN).read_bytes() != before
    editor.undo()
    assert not TAG_LOG.current(planned)
    assert set(editor.plan["decided_by"]) == {"policy"}


def test_an_override_without_a_reason_is_refused(planned: Workspace) -> None:
    editor = TagPlanEditor(planned, "ada")
    with pytest.raises(InputError, match="reason"):
        editor.decide(row_of(editor, "StationName"), "Z", "  ")
    for keyword in ("PatientID", "Rows"):
        with pytest.raises(InputError, match="depends on this attribute"):
            editor.decide(row_of(editor, keyword), "X", "I like it")
    assert not planned.has(tables.TAG_DECISIONS)


def test_of_many_decisions_all_stand_or_none(planned: Workspace) -> None:
    editor = TagPlanEditor(planned, "ada")
    rows = [row_of(editor, keyword) for keyword in ("StationName", "PatientID")]
    with pytest.raises(InputError, match="depends on this attribute"):
        editor.decide_all(rows, "X", "I like it")
    assert not planned.has(tables.TAG_DECISIONS)


def test_after_is_what_the_engine_did(planned: Workspace) -> None:
    editor = TagPlanEditor(planned, "ada")
    at = {name: number for number, name in enumerate(editor.content["columns"])}
    rows = [row for row in editor.content["rows"] if row[at["keyword"]] == "Rows" and row[at["path"]] == ""]
    kept = [(row[at["example_before"]], row[at["example_after"]]) for row in rows if row[at["example_after"]]]
    assert len(kept) > 1 and all(before == after for before, after in kept), "of each SOP class with a file to show"
    number = row_of(editor, "Manufacturer")
    assert editor.content["rows"][number][at["example_before"]] == editor.attempt(number, "K")[0]["before"]
    [changed] = [row for index, row in editor.decide(number, "X", "try")[0]["rows"].items() if index == number]
    assert changed[at["gone"]] is True


def test_an_attempt_shows_what_the_engine_would_make_and_keeps_nothing(planned: Workspace) -> None:
    editor = TagPlanEditor(planned, "ada")
    row = row_of(editor, "Manufacturer")
    removed, kept = editor.attempt(row, "X")[0], editor.attempt(row, "K")[0]
    assert removed["before"] and removed["gone"]
    assert not kept["gone"] and kept["after"] == kept["before"]
    assert not planned.has(tables.TAG_DECISIONS)


def test_the_explorer_sets_every_element_beside_what_becomes_of_it(planned: Workspace) -> None:
    explorer = HeaderExplorer(planned)
    path = explorer.files(0)[0]["files"][0]
    answer = explorer.header(path)[0]
    rows = {row[2]: dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"] if row[0] == ""}
    assert rows["StudyInstanceUID"]["action"] == "U"
    assert rows["StudyInstanceUID"]["after"] != rows["StudyInstanceUID"]["value"]
    assert rows["Rows"]["after"] == rows["Rows"]["value"]


def test_an_image_decision_is_on_disk_with_what_was_seen(waiting: Workspace) -> None:
    reviewer = ImageReviewer(waiting, "ada")
    reviewer.decide("a.dcm", "redact", "6,4,60,14", note="a name")
    [row] = IMAGE_LOG.history(waiting).to_dict("records")
    assert (row["item"], row["decision"], row["boxes"], row["note"]) == ("a.dcm", "redact", "6,4,60,14", "a name")
    assert re.fullmatch("[0-9a-f]{64}", row["seen_digest"])
    assert ImageDecisions(waiting).on("a.dcm", "1.2.3.4", "x", "", "") == ("redact", "6,4,60,14", "image")


def test_a_decision_can_be_about_the_series_or_the_device(waiting: Workspace) -> None:
    reviewer = ImageReviewer(waiting, "ada")
    reviewer.decide("a.dcm", "reject", scope="series")
    assert ImageDecisions(waiting).on("b.dcm", "1.2.3.4", "x", "", "") == ("reject", "", "series")
    assert reviewer.decide("a.dcm", "accept", scope="device")[0]["decided"] == {0: "reject", 1: "reject"}
    assert ImageDecisions(waiting).on("other", "9.9", "MAKER|MODEL|60x80", "", "") == ("accept", "", "device")


def test_a_decision_on_a_file_that_changed_since_is_not_applied_and_is_listed(waiting: Workspace) -> None:
    ImageReviewer(waiting, "ada").decide("a.dcm", "accept")
    assert outdated(waiting).empty
    path = Path(waiting.parameters.source) / "a.dcm"
    path.write_bytes(path.read_bytes() + b"\0")
    assert list(outdated(waiting)["item"]) == ["a.dcm"]
    assert ImageDecisions(waiting).on("a.dcm", "1.2.3.4", "x", "", "") is None
    assert ImageReviewer(waiting, "ada").found("a.dcm")[0]["outdated"]


def test_what_was_decided_about_something_else_is_not_shown_as_decided(waiting: Workspace) -> None:
    reviewer = ImageReviewer(waiting, "ada")
    reviewer.decide("a.dcm", "accept", scope="series")
    reviewer.decide("a.dcm", "redact", "6,4,60,14")
    assert reviewer.progress()[0]["decided"] == {0: "redact", 1: "accept"}
    source = Path(waiting.parameters.source)
    (source / "c.dcm").write_bytes(ultrasound(number=3))  # comes later to the series
    (source / "a.dcm").write_bytes(ultrasound(frames=2))
    explore.scan(waiting)
    waiting.write(tables.IMAGE_VERDICTS, waiting.read(tables.IMAGE_VERDICTS).assign(reason="changed"))  # as 03 does
    again = ImageReviewer(waiting, "ada")
    assert (again.content["decided"], again.content["changed"]) == ({}, [0, 1])
    assert "changed since" in again._repr_mimebundle_()[0]["text/html"]
    assert again.found("a.dcm")[0]["outdated"]
    assert again.decide("a.dcm", "reject")[0]["decided"] == {0: "reject"}


def test_what_was_decided_is_shown_with_the_image_under_another_path(waiting: Workspace) -> None:
    ImageReviewer(waiting, "ada").decide("a.dcm", "redact", "6,4,60,14")
    source = Path(waiting.parameters.source)
    (source / "a.dcm").rename(source / "moved.dcm")
    explore.scan(waiting)
    verdicts = waiting.read(tables.IMAGE_VERDICTS).replace({"source_path": {"a.dcm": "moved.dcm"}})
    waiting.write(tables.IMAGE_VERDICTS, verdicts)
    reviewer = ImageReviewer(waiting, "ada")
    place = reviewer.queue["source_path"].tolist().index("moved.dcm")
    assert reviewer.content["decided"] == {place: "redact"}
    told = reviewer.found("moved.dcm")[0]
    assert (told["boxes"], told["outdated"], told["said"][0][2]) == ("6,4,60,14", False, "a.dcm")


def test_a_review_goes_on_where_it_stopped_and_can_be_taken_back(waiting: Workspace) -> None:
    ImageReviewer(waiting, "ada").decide("a.dcm", "accept")
    later = ImageReviewer(waiting, "ada")
    assert later.content["decided"] == {0: "accept"}
    assert later.undo()[0] == {"undone": "a.dcm", "place": 0, "decided": {}, "changed": [], "disagreements": 0}
    assert later.undo()[0]["undone"] == ""


def test_two_reviewers_opinions_are_kept_and_their_disagreement_is_listed(waiting: Workspace) -> None:
    ImageReviewer(waiting, "ada").decide("a.dcm", "accept")
    answer = ImageReviewer(waiting, "grace").decide("a.dcm", "reject")[0]
    assert answer["disagreements"] == 2
    assert list(IMAGE_LOG.disagreements(waiting)["reviewer"]) == ["ada", "grace"]
    ImageReviewer(waiting, "ada").decide("a.dcm", "reject")
    assert IMAGE_LOG.disagreements(waiting).empty


def test_images_are_queued_by_risk(waiting: Workspace) -> None:
    assert list(ImageReviewer(waiting).queue["source_path"]) == ["a.dcm", "b.dcm"]


def test_a_decision_that_is_none_is_refused(waiting: Workspace) -> None:
    with pytest.raises(WorkbenchError):
        ImageReviewer(waiting).decide("a.dcm", "maybe")


def test_what_would_be_released_is_made_by_the_real_redaction(waiting: Workspace) -> None:
    reviewer = ImageReviewer(waiting)
    facts, [before] = reviewer.view("a.dcm", "before")
    _, [after] = reviewer.view("a.dcm", "after", boxes="6,4,60,14")
    inside = 2 * (5 * facts["width"] + 10)
    outside = 2 * (40 * facts["width"] + 10)
    assert before[inside] == 250 and after[inside] != 250
    assert before[outside] == after[outside] == 90


def test_a_large_radiograph_is_sent_small_and_its_part_in_full(waiting: Workspace) -> None:
    (Path(waiting.parameters.source) / "a.dcm").write_bytes(ultrasound(frames=1, rows=3000, columns=4000))
    reviewer = ImageReviewer(waiting)
    facts, [content] = reviewer.view("a.dcm", "before")
    assert max(facts["width"], facts["height"]) <= 1024 and len(content) <= 2 * 1024 * 1024
    part, _ = reviewer.view("a.dcm", "before", x0=1000, y0=1000, x1=1500, y1=1400)
    assert (part["step"], part["width"], part["height"]) == (1, 500, 400)


def test_the_browser_can_ask_only_what_it_may(waiting: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    reviewer = ImageReviewer(waiting)
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(reviewer, "send", lambda content, buffers: sent.append(content))
    reviewer._received(None, {"ask": "close", "id": 1}, None)
    assert sent == []
    reviewer._received(None, {"ask": "view", "id": 2, "with": {"path": "../../etc/passwd", "side": "before"}}, None)
    assert sent[0]["to"] == 2 and "refused" in sent[0]


def test_the_table_in_a_report_shows_no_original_value(planned: Workspace, waiting: Workspace) -> None:
    for made in (ImageReviewer(waiting), TagPlanEditor(planned), HeaderExplorer(planned)):
        html = made._repr_mimebundle_()[0]["text/html"]
        assert ("<table" in html or "none." in html) and "a.dcm" not in html and "alert(1)" not in html


def test_panels_write_text_and_never_markup() -> None:
    for file in panel.STATIC.glob("*.js"):
        source = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|https?://", source), (
            file.name
        )


def test_a_name_of_a_person_is_never_approved(planned: Workspace) -> None:
    editor = KnownWordsEditor(planned, "ada")
    named = editor.words[editor.words.is_name].word.iloc[0]
    with pytest.raises(WorkbenchError, match="a name of a person"):
        editor.decide([named], "approve", "")
    assert not WORD_LOG.current(planned)
