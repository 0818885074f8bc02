"""The verdict on each image: clean, hold or redact."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from blake3 import blake3
from pydicom.uid import RLELossless

from chorus_nb import tables
from chorus_nb.errors import ChildFault
from chorus_nb.pixels import Box, TextFinding, checks, controls, detection, judge
from chorus_nb.pixels.decisions import IMAGE_LOG, LOOK_AGAIN, ImageDecisions, seen_digest
from chorus_nb.pixels.judge import _Judge
from chorus_nb.pixels.tiers import tier
from chorus_nb.workspace import Workspace
from tests.pixels.images_with_text import PERSON, Site, content, image, picture

TELLING = f"{PERSON}\nMI 0.8"
DEVICE = "device:INVENTED|SCAN ONE|160x320"


def decide(workspace: Workspace, item: str, decision: str, boxes: str = "", **seen: str) -> None:
    row = {"item": item, "decision": decision, "boxes": boxes, "reviewer": "rev", "note": "test"}
    row |= {"time": "2026-01-01T00:00:00+00:00", **seen}
    workspace.write(tables.IMAGE_DECISIONS, tables.frame(tables.IMAGE_DECISIONS, [row]))


def told(verdicts: pd.DataFrame) -> dict[str, tuple[str, str]]:
    return {row.source_path: (row.verdict, row.reason) for row in verdicts.itertuples()}


def test_a_name_in_the_picture_holds_the_image_back_and_technical_text_does_not(site: Site) -> None:
    workspace, catalog = site({"name": image(TELLING), "technical": image("MI 0.8"), "plain": image()})
    verdicts = judge(workspace, catalog)
    assert told(verdicts) == {"name": ("hold", "burned_in_text"), "technical": ("clean", ""), "plain": ("clean", "")}
    assert verdicts.tier.tolist() == ["high", "low", ""]


def test_what_was_read_stays_in_the_local_findings(site: Site, capfd, caplog) -> None:
    workspace, catalog = site({"name": image(TELLING)})
    verdicts = judge(workspace, catalog)
    assert "ZIMMERWALD" in " ".join(workspace.read(tables.TEXT_FINDINGS).text)
    for place in (verdicts.to_csv(), *capfd.readouterr(), caplog.text):
        assert "zimmerwald" not in place.casefold()


def test_an_image_that_cannot_be_decoded_is_held_back_and_tried_again_with_another_decoder(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = image(TELLING)
    damaged.compress(RLELossless)
    damaged.PixelData = (
        damaged.PixelData[:8] + b"\xfe\xff\x00\xe0\x04\x00\x00\x00ABCD" + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    )
    workspace, catalog = site({"damaged": damaged})
    held = {"damaged": ("hold", "burned_in_text_unchecked")}
    assert told(judge(workspace, catalog)) == held
    asked, look = list[object](), checks.each_in_child
    monkeypatch.setattr(checks, "each_in_child", lambda *given, **named: asked.append(given) or look(*given, **named))
    assert told(judge(workspace, catalog)) == held and not asked
    monkeypatch.setattr(detection, "detector_version", lambda recipe=detection.TEXT_RECIPE: "another")
    assert told(judge(workspace, catalog)) == held and asked


def test_what_went_wrong_in_the_moment_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, catalog = site({"name": image(TELLING)})

    def crashing(*given: list[object], keep: Callable[[], None], **_: object) -> Iterator[tuple[object, ...]]:
        yield from ((task, ChildFault("crashed"), 0.1) for task in given[2])
        keep()

    with monkeypatch.context() as failing:
        failing.setattr(checks, "each_in_child", crashing)
        assert told(judge(workspace, catalog)) == {"name": ("hold", "burned_in_text_unchecked")}
    assert workspace.read(tables.TEXT_CHECKS).problem.tolist() == ["crashed"]
    assert told(judge(workspace, catalog)) == {"name": ("hold", "burned_in_text")}


def test_without_a_detector_risky_images_are_held_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "installed", lambda: False)
    workspace, catalog = site({"us": image(), "ct": image(modality="CT")})
    assert told(judge(workspace, catalog)) == {"us": ("hold", "burned_in_text_unchecked"), "ct": ("clean", "")}


def test_redact_fills_what_tells_and_leaves_the_rest(site: Site) -> None:
    workspace, catalog = site({"name": image(TELLING)}, burned_in_text="redact")
    verdict = judge(workspace, catalog).iloc[0]
    assert (verdict.verdict, verdict.tier) == ("redact", "high")
    assert "MI" in workspace.read(tables.TEXT_FINDINGS).query("filled == @verdict.boxes").text.str[:2].tolist()


def test_a_picture_full_of_text_is_for_a_person_to_decide(site: Site) -> None:
    workspace, catalog = site({"page": image("\n".join([PERSON] * 5))}, burned_in_text="redact")
    assert told(judge(workspace, catalog)) == {"page": ("hold", "burned_in_text")}


@pytest.mark.parametrize(("text", "columns", "too_much"), [("", 1000, False), ("", 400, True), ("OKTAVIA", 400, False)])
def test_a_large_line_that_was_not_read_is_filled_by_a_person_only(text: str, columns: int, too_much: bool) -> None:
    picture = pd.Series({"Rows": "400", "Columns": str(columns)})
    line = TextFinding(Box(0, 0, 160, 40), text, 0.7, "medium", "")
    assert _Judge._too_much("0,0,160,40", [line], picture) == too_much


def test_skip_releases_everything_unseen(site: Site) -> None:
    workspace, catalog = site({"name": image(TELLING)}, burned_in_text="skip")
    verdict = judge(workspace, catalog).iloc[0]
    assert (verdict.verdict, verdict.checked) == ("clean", "not")


@pytest.mark.parametrize(("policy", "installed"), [("detect", False), ("skip", False), ("skip", True)])
def test_what_a_person_marked_to_be_redacted_never_leaves_as_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch, policy: str, installed: bool
) -> None:
    monkeypatch.setattr(detection, "installed", lambda: installed)
    workspace, catalog = site({"ct": image(modality="CT"), "other": image(modality="CT")}, burned_in_text=policy)
    decide(workspace, "ct", "redact", "10,10,40,40")
    verdicts = told(judge(workspace, catalog))
    assert verdicts["other"] == ("clean", "")
    assert verdicts["ct"] == (("redact", "") if installed else ("hold", "burned_in_text_unchecked"))


def test_a_group_whose_sample_tells_is_held_without_looking_at_each(site: Site) -> None:
    series = {f"{n}": image(TELLING, SeriesInstanceUID="1.2.3", InstanceNumber=n) for n in range(5)}
    verdicts = judge(*site(series))
    assert set(verdicts.reason) == {"burned_in_text"}
    assert verdicts.checked.tolist() == ["looked", "group", "looked", "group", "looked"]
    assert verdicts.boxes.ne("").all()


def test_a_decision_on_one_image_of_a_held_group_counts(site: Site) -> None:
    series = {f"{n}": image(TELLING, SeriesInstanceUID="1.2.3", InstanceNumber=n) for n in range(4)}
    workspace, catalog = site(series)
    decide(workspace, "1", "redact", "0,0,320,34")
    assert judge(workspace, catalog).verdict.tolist() == ["hold", "redact", "hold", "hold"]


def test_text_in_the_sample_of_an_unlikely_series_brings_all_of_it_under_the_detector(site: Site) -> None:
    common = {"modality": "CT", "SeriesInstanceUID": "1.2.3"}
    series = {
        f"{n}": image(TELLING if n in (0, 1) else "", InstanceNumber=n, SOPInstanceUID=f"1.2.3.4.{n}", **common)
        for n in range(3)
    }  # by these UIDs one of the two is the sample
    verdicts = judge(*site(series)).set_index("source_path")
    assert verdicts.index[verdicts.verdict == "hold"].tolist() == ["0", "1"]
    assert set(verdicts.checked) == {"looked"}


Series = Callable[..., pd.DataFrame]
Answers = Iterator[tuple[object, checks.Look, float]]


@pytest.fixture
def judged(site: Site, monkeypatch: pytest.MonkeyPatch) -> Series:
    """Verdicts on 20 slices of which some read as ``line``: the first sample is 18, the second 1, 5, 9, 12, 16, 20."""

    def make(*telling: int, line: str, matched: str = "", **parameters: object) -> pd.DataFrame:
        def look(
            _: object,
            __: object,
            tasks: list[tuple[object, str, str]],
            *___: object,
            keep: Callable[[], None],
            **____: object,
        ) -> Answers:
            read = TextFinding(Box(8, 8, 90, 30), line, 0.9, *tier(line, matched), matched)
            for task in tasks:
                yield task, checks.Look("", (read,) if int(task[1]) in telling else ()), 0.0
            keep()

        monkeypatch.setattr(checks, "each_in_child", look)
        monkeypatch.setattr(controls, "look_at_controls", lambda *_: tables.empty(tables.TEXT_CONTROLS))
        slice_ = image(modality="CT", SeriesInstanceUID="1.2.3")
        workspace, catalog = site({f"{n:02}": slice_ for n in range(1, 21)}, **parameters)
        catalog["InstanceNumber"] = catalog["SOPInstanceUID"] = catalog.source_path
        return judge(workspace, catalog).set_index("source_path")

    return make


def test_one_picture_of_an_unlikely_series_that_reads_like_text_costs_a_second_sample(judged: Series) -> None:
    verdicts = judged(18, line="Qxanvil Brottle")
    assert verdicts.index[verdicts.verdict == "hold"].tolist() == ["18"]
    assert verdicts.index[verdicts.checked == "looked"].tolist() == ["01", "05", "09", "12", "16", "18", "20"]


def test_a_sampled_picture_says_of_which_group_and_how_much_of_it_was_read(judged: Series) -> None:
    verdicts = judged(line="none tells")
    assert verdicts.checked.value_counts().to_dict() == {"sampled": 19, "looked": 1}
    assert verdicts.index[verdicts.drawn == 1].tolist() == ["18"]
    assert verdicts[["group_read", "group_size"]].drop_duplicates().to_numpy().tolist() == [[1, 20]]
    assert verdicts.group.nunique() == 1


def test_a_bound_that_a_site_wants_is_what_is_read(judged: Series) -> None:
    """One in ten of 20 is two: with three, one would be among 15 drawn at 95 % (without a hidden control)."""
    verdicts = judged(line="none tells", text_bound=0.1)
    assert (verdicts.drawn == 1).sum() == 14
    assert set(judged(line="none tells", text_bound=0.01).checked) == {"looked"}


def test_what_told_once_is_not_released_because_others_are_drawn_now(
    judged: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = judged(1, line="Qxanvil Brottle", text_bound=0.1)
    assert (told.drawn["01"], told.verdict["01"], told.drawn.sum()) == (1, "hold", 14)
    later = judged(line="none tells")
    assert (later.drawn["01"], later.drawn.sum()) == (0, 1)
    assert later.index[later.verdict == "hold"].tolist() == ["01"]
    assert later.checked.value_counts().to_dict() == {"looked": 16, "sampled": 4}
    monkeypatch.setattr(detection, "detector_version", lambda *_: "another")
    again = judged(1, line="Qxanvil Brottle")
    assert again.index[again.checked == "looked"].tolist() == ["01", "18"], "it is read again, and nobody else"
    assert again.index[again.verdict == "hold"].tolist() == ["01"]


@pytest.mark.parametrize(
    ("telling", "read"),
    [((3, 18), {"line": PERSON, "matched": "PatientName"}), ((3, 9, 18), {"line": "Qxanvil Brottle"})],
)
def test_a_name_or_a_second_such_picture_brings_all_of_the_series_under_the_detector(
    judged: Series, telling: tuple[int, ...], read: dict[str, str]
) -> None:
    verdicts = judged(*telling, **read)
    assert verdicts.index[verdicts.verdict == "hold"].tolist() == [f"{n:02}" for n in telling]
    assert set(verdicts.checked) == {"looked"}


def test_an_accepted_picture_speaks_for_itself_only(site: Site) -> None:
    series = {f"{n}": image(modality="CT", SeriesInstanceUID="1.2.3", InstanceNumber=n) for n in range(3)}
    workspace, catalog = site(series)
    drawn = judge(workspace, catalog).query("drawn == 1").source_path.item()
    decide(workspace, drawn, "accept")
    verdicts = judge(workspace, catalog).set_index("source_path")
    assert verdicts.checked.value_counts().to_dict() == {"looked": 2, "decided": 1}


def test_a_second_run_looks_at_nothing_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    images = {"name": image(TELLING)}
    workspace, catalog = site(images)
    first = judge(workspace, catalog)
    monkeypatch.setattr(checks, "each_in_child", lambda *_, **__: pytest.fail("looked again"))
    pd.testing.assert_frame_equal(judge(workspace, catalog), first)
    copied = catalog.assign(modified_ns=catalog.modified_ns + 1)
    pd.testing.assert_frame_equal(judge(workspace, copied), first)
    source = Path(workspace.parameters.source)
    (source / "name").rename(source / "moved")
    moved = judge(workspace, copied.assign(source_path="moved"))
    pd.testing.assert_frame_equal(moved.drop(columns="source_path"), first.drop(columns="source_path"))
    (source / "moved").write_bytes(content(image(TELLING))[:-2] + b"\1\1")
    with pytest.raises(pytest.fail.Exception):
        judge(workspace, catalog.assign(source_path="moved", modified_ns=catalog.modified_ns + 2))


@pytest.mark.parametrize(("item", "decided"), [("name", "accept"), ("series:1.2.3", "accept"), ("name", "reject")])
def test_a_reviewer_decides_for_an_image_or_a_series(site: Site, item: str, decided: str) -> None:
    workspace, catalog = site({"name": image(TELLING, SeriesInstanceUID="1.2.3")})
    decide(workspace, item, decided)
    verdict = judge(workspace, catalog).iloc[0]
    expected = {"accept": ("clean", ""), "reject": ("hold", "rejected_by_review")}[decided]
    assert (verdict.verdict, verdict.reason, verdict.checked) == (*expected, "decided")


def test_an_accepted_device_lets_unknown_words_pass_but_never_a_name(site: Site) -> None:
    workspace, catalog = site({"name": image(TELLING), "unknown": image("Qxanvil Brottle")})
    assert set(judge(workspace, catalog).verdict) == {"hold"}
    decide(workspace, DEVICE, "accept")
    assert told(judge(workspace, catalog)) == {"name": ("hold", "burned_in_text"), "unknown": ("clean", "")}


def test_boxes_for_a_device_are_filled_and_the_rest_is_still_looked_at(site: Site) -> None:
    elsewhere = picture(TELLING)
    elsewhere[100:130] = picture(PERSON)[10:40]
    workspace, catalog = site({"here": image(TELLING), "also": image(pixels=elsewhere)})
    decide(workspace, DEVICE, "redact", "0,0,320,34")
    verdicts = judge(workspace, catalog).set_index("source_path")
    assert (verdicts.verdict["here"], verdicts.boxes["here"]) == ("redact", "0,0,320,34")
    assert verdicts.reason["also"] == "burned_in_text"


def test_a_decision_holds_only_for_the_file_that_was_seen(site: Site) -> None:
    seen = image(TELLING)
    workspace, catalog = site({"name": seen})
    decide(workspace, "name", "accept", seen_digest=blake3(b"another file").hexdigest())
    assert told(judge(workspace, catalog)) == {"name": ("hold", "burned_in_text")}
    decide(workspace, "name", "accept", seen_digest=blake3(content(seen)).hexdigest())
    assert told(judge(workspace, catalog)) == {"name": ("clean", "")}


@pytest.mark.parametrize(("item", "decided"), [("name", "accept"), ("name", "redact"), ("series:1.2.3", "accept")])
def test_a_decision_by_hand_is_about_what_was_there_when_a_run_first_met_it(
    site: Site, item: str, decided: str
) -> None:
    """The next delivery may have another picture under the same path: it was released with the name in it."""
    workspace, catalog = site({"name": image(SeriesInstanceUID="1.2.3")})
    workspace.write(tables.CATALOG, catalog)
    decide(workspace, item, decided, "0,200,9,209" if decided == "redact" else "")
    assert judge(workspace, catalog).reason.tolist() == [""]
    again = content(image(TELLING, SeriesInstanceUID="1.2.3", SOPInstanceUID="1.2.3.98"))
    (Path(workspace.parameters.source) / "name").write_bytes(again)
    catalog = catalog.assign(SOPInstanceUID="1.2.3.98", size=len(again), modified_ns=catalog.modified_ns + 1)
    workspace.write(tables.CATALOG, catalog)
    assert judge(workspace, catalog).verdict.tolist() == ["hold"]
    assert [row["item"] for row in ImageDecisions(workspace).outdated()] == [item]
    decide(workspace, item, decided, time="2026-02-01T00:00:00+00:00")  # somebody looked again
    assert judge(workspace, catalog).verdict.tolist() == ["clean" if decided == "accept" else "redact"]


@pytest.mark.parametrize("decided", ["reject", "redact"])
def test_what_kept_something_back_is_not_forgotten_when_the_file_changes(site: Site, decided: str) -> None:
    """The pixels that somebody drew boxes on are not these; nothing found in them does not make them safe."""
    workspace, catalog = site({"name": image()})
    decide(workspace, "name", decided, "0,0,9,9", seen_digest=blake3(b"another file").hexdigest())
    assert told(judge(workspace, catalog)) == {"name": ("hold", "changed_since_review")}


SAME, OTHER_HEADER, OTHER_PIXELS, NEW_UIDS, HARMLESS = "bytes", "header", "pixels", "uids", "another image"
COMES_AGAIN = {
    SAME: {},
    OTHER_HEADER: {"PatientName": "Other^Name"},
    OTHER_PIXELS: {"PixelData": bytes(160 * 320)},
    NEW_UIDS: {"SOPInstanceUID": "1.2.3.5", "SeriesInstanceUID": "1.2.3.6"},
    HARMLESS: {"SOPInstanceUID": "1.2.3.5", "PixelData": bytes(160 * 320)},
}


@pytest.mark.parametrize("by_hand", [False, True], ids=["panel", "hand"])
@pytest.mark.parametrize(
    ("decided", "applied", "waits"),
    [
        ("accept", {SAME}, set()),
        ("reject", {SAME, OTHER_HEADER, NEW_UIDS}, {OTHER_PIXELS}),
        ("redact", {SAME, OTHER_HEADER, NEW_UIDS}, {OTHER_PIXELS}),
    ],
)
def test_a_decision_follows_the_image_to_another_path(
    site: Site, decided: str, applied: set[str], waits: set[str], by_hand: bool
) -> None:
    """Of a row by hand only its file tells which image it meant; what lets nothing go is about whatever comes."""
    seen = image(SOPInstanceUID="1.2.3.4")
    workspace, catalog = site({"a": seen} | {how: copy.deepcopy(seen) for how in COMES_AGAIN})
    for how, changes in COMES_AGAIN.items():
        again = copy.deepcopy(seen)
        again.update(changes)
        (Path(workspace.parameters.source) / how).write_bytes(content(again))
        for name in {"SOPInstanceUID"} & {*changes}:
            catalog.loc[catalog.source_path == how, name] = changes[name]
    catalog["acquired"] = "2024-01-01 10:00:00"
    workspace.write(tables.CATALOG, catalog)
    kept = {"SOPInstanceUID": "1.2.3.4", "acquired": "2024-01-01 10:00:00"}
    kept |= {"pixel_digest": blake3(seen.PixelData).hexdigest(), "seen_digest": seen_digest(workspace, "a")}
    decide(workspace, "a", decided, "0,0,9,9", **({} if by_hand else kept))
    if by_hand:
        changed = {OTHER_HEADER, OTHER_PIXELS}
        applied, waits = ({SAME} | changed, set()) if decided == "reject" else ({SAME}, waits and changed)
    else:
        (Path(workspace.parameters.source) / "a").unlink()
    decisions = ImageDecisions(workspace)
    said = {
        row.source_path: decisions.on(row.source_path, "", "", row.SOPInstanceUID, row.acquired)
        for row in catalog[1:].itertuples()
    }
    expected = dict.fromkeys(COMES_AGAIN) | dict.fromkeys(applied, decided) | dict.fromkeys(waits, LOOK_AGAIN)
    assert {how: one and one.decision for how, one in said.items()} == expected
    assert decisions.outdated() == []


def test_one_that_was_rejected_elsewhere_is_not_taken_for_what_its_group_is(site: Site) -> None:
    common = {"modality": "CT", "SeriesInstanceUID": "1.2.3"}
    series = {f"{n}": image(InstanceNumber=n, SOPInstanceUID=f"1.2.3.4.{n}", **common) for n in range(6)}
    workspace, catalog = site(series, burned_in_text="skip")
    catalog["acquired"] = ""
    for n in range(6):
        decide(workspace, "elsewhere", "reject", SOPInstanceUID=f"1.2.3.4.{n}")
        verdicts = judge(workspace, catalog).set_index("source_path")
        assert verdicts.index[verdicts.reason == "rejected_by_review"].tolist() == [f"{n}"]


def test_of_what_was_said_about_an_image_under_two_paths_the_later_counts(site: Site) -> None:
    workspace, _ = site({"a": (seen := image()), "b": seen})
    kept = {"SOPInstanceUID": str(seen.SOPInstanceUID), "seen_digest": seen_digest(workspace, "a")}
    for item, decided in (("a", "reject"), ("b", "accept")):
        IMAGE_LOG.append(workspace, "rev", {"item": item, "decision": decided, **kept})
        said = [ImageDecisions(workspace).on(path, "", "", str(seen.SOPInstanceUID), "") for path in ("a", "b", "c")]
        assert said == [*[(decided, "", "image")] * 2, (LOOK_AGAIN, "", "image")], "c has other bytes"


def test_a_row_by_hand_about_a_file_that_is_not_there_is_told(site: Site) -> None:
    workspace, catalog = site({"a": image()})
    workspace.write(tables.CATALOG, catalog)
    decide(workspace, "A", "reject")
    assert [row["item"] for row in ImageDecisions(workspace).outdated()] == ["A"]
    decide(workspace, "a", "reject")
    assert ImageDecisions(workspace).outdated() == []


def test_another_picture_of_the_same_size_under_a_uid_was_not_looked_at_with_its_series(site: Site) -> None:
    workspace, catalog = site({"name": image(SeriesInstanceUID="1.2.3")})
    workspace.write(tables.CATALOG, catalog)
    decide(workspace, "series:1.2.3", "accept", seen_digest=seen_digest(workspace, "series:1.2.3"))
    assert told(judge(workspace, catalog)) == {"name": ("clean", "")}
    path = Path(workspace.parameters.source) / "name"
    size = path.stat().st_size
    for change, verdict in (
        (image(TELLING, SeriesInstanceUID="1.2.3"), "hold"),
        (image(SeriesInstanceUID="1.2.3"), "clean"),
    ):
        path.write_bytes(content(change))
        assert path.stat().st_size == size
        catalog = catalog.assign(modified_ns=catalog.modified_ns + 1)
        workspace.write(tables.CATALOG, catalog)
        assert judge(workspace, catalog).verdict.tolist() == [verdict], "copied back it is what was looked at"
    path.write_bytes(content(image(TELLING, SeriesInstanceUID="1.2.3")))
    workspace.write(tables.CATALOG, catalog.assign(modified_ns=catalog.modified_ns + 1))
    decide(workspace, "series:1.2.3", "accept", seen_digest=seen_digest(workspace, "series:1.2.3"))
    assert judge(workspace, catalog).verdict.tolist() == ["clean"], "somebody looked at it"


def test_an_image_that_comes_later_was_not_looked_at_with_its_series(site: Site) -> None:
    workspace, catalog = site({"name": image(TELLING, SeriesInstanceUID="1.2.3")})
    workspace.write(tables.CATALOG, catalog)
    decide(workspace, "series:1.2.3", "accept", seen_digest=seen_digest(workspace, "series:1.2.3"))
    assert told(judge(workspace, catalog)) == {"name": ("clean", "")}
    other = catalog.assign(SOPInstanceUID="1.2.3.99", source_path="other")
    workspace.write(tables.CATALOG, pd.concat([catalog, other]))
    assert told(judge(workspace, catalog)) == {"name": ("hold", "burned_in_text")}
    for kept_back, reason in (("reject", "rejected_by_review"), ("redact", "")):
        decide(workspace, "series:1.2.3", kept_back, "0,0,320,160", seen_digest="of fewer images")
        assert judge(workspace, catalog).reason.tolist() == [reason]


def test_colour_frames_and_overlays_are_read_too(site: Site) -> None:
    cine = np.stack([np.repeat(picture(PERSON if n == 30 else "")[..., None], 3, axis=2) for n in range(62)])
    overlay = image()
    plane = np.packbits(picture(PERSON, ground=0) > 128, bitorder="little").tobytes()
    overlay.add_new((0x6000, 0x0010), "US", 160)
    overlay.add_new((0x6000, 0x0011), "US", 320)
    overlay.add_new((0x6000, 0x0040), "CS", "G")
    overlay.add_new((0x6000, 0x0050), "SS", [1, 1])
    overlay.add_new((0x6000, 0x0100), "US", 1)
    overlay.add_new((0x6000, 0x0102), "US", 0)
    overlay.add_new((0x6000, 0x3000), "OW", plane)
    workspace, catalog = site({"cine": image(pixels=cine), "overlay": overlay})
    assert set(judge(workspace, catalog).reason) == {"burned_in_text"}
