"""33 texts that would like to be markup, in headers, file names, findings and notes: each panel shows them, as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from chorus_nb import explore, mapping, review, tables
from chorus_nb.faces.decisions import FACE_LOG
from chorus_nb.mapping.text_words import TextWords
from chorus_nb.metadata.local_fields import LocalFields
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.review import known_words_editor, local_fields_editor
from chorus_nb.workspace import Workspace
from tests.browsing import Watched, open_panel
from tests.deid.conftest import encoded, image
from tests.deid.small_run import SmallSite
from tests.review.hostile_texts import HOSTILE_TEXTS
from tests.review.seen import THEMES, faint, nameless, unreached

NAMES = [f"{number:02} {text}" for number, text in enumerate(HOSTILE_TEXTS)]
PATHS = [name.replace("/", "\u2044") for name in NAMES]
FORBIDDEN = (
    "script, iframe, object, embed, link, meta, style, math, svg, a, body, base, form[action], [onerror], [onload]"
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A series a text; the first file holds them all, and everybody's tables and notes quote them."""
    site = SmallSite(tmp_path_factory.mktemp("hostile"))
    for number, (path, text) in enumerate(zip(PATHS, NAMES, strict=True)):
        said = dict.fromkeys(("SeriesDescription", "StudyDescription", "ProtocolName", "Manufacturer"), text)
        one = image(**{**said, "SeriesInstanceUID": f"1.2.3.{100 + number}", "SOPInstanceUID": f"1.2.4.{number}"})
        if not number:
            block = one.private_block(0x0019, "<img src=x>", create=True)
            for place, each in enumerate(NAMES):
                block.add_new(place, "LT", each)
        (site.dicom / path).write_bytes(encoded(one))
    workspace = site.open()
    explore.scan(workspace)
    explore.profile(workspace)
    mapping.make_plan(workspace)
    of_image = {"verdict": "hold", "checked": "looked", "tier": "high", "risk": "likely", "boxes": "0,0,2,2"}
    rows = [
        {"source_path": p, **dict.fromkeys(("reason", "risk_reason", "device"), n)}
        for p, n in zip(PATHS, NAMES, strict=True)
    ]
    put(workspace, tables.IMAGE_VERDICTS, [{**row, **of_image} for row in rows])
    seen = {"source_path": PATHS[0], "frame": 0, "confidence": 0.9, "tier": "high"}
    put(
        workspace,
        tables.TEXT_FINDINGS,
        [{**seen, "box": f"{n},1,{n + 9},9", "text": t, "reason": t} for n, t in enumerate(NAMES)],
    )
    kinds = {
        "modality": "CT",
        "need": "face",
        "status": "not_defaced",
        "files": 1,
        "removed": 0.0,
        "brain_ml": 0.0,
        "seconds": 0.0,
    }
    put(
        workspace,
        tables.FACE_VERDICTS,
        [
            {
                "series_uid": f"1.2.3.{100 + n}",
                "head": "one" if n < 2 else str(n),
                "reason": t,
                "need_reason": t,
                **kinds,
            }
            for n, t in enumerate(NAMES)
        ],
    )
    put(
        workspace,
        tables.OUTCOMES,
        [
            {"source_path": p, "status": "quarantined", "reason": "patient_not_mapped", "detail": t, "seconds": 0.0}
            for p, t in zip(PATHS, NAMES, strict=True)
        ],
    )
    finding = {"rule": "odd", "severity": "high", "level": "file", "files": 1, "what_to_do": ""}
    put(
        workspace,
        tables.QUALITY_FINDINGS,
        [{**finding, "item": p, "detail": t} for p, t in zip(PATHS, NAMES, strict=True)],
    )
    for text in NAMES:
        IMAGE_LOG.append(workspace, text, {"item": PATHS[0], "decision": "accept", "note": text})
        FACE_LOG.append(workspace, text, {"item": "1.2.3.100", "decision": "hold_head", "note": text})
    plan = workspace.read(tables.TAG_PLAN)
    texts = ("keyword", "reason", "rule_source", "private_creator", "modality")
    plan = plan[~plan["tag"].str.startswith("(0002")].head(len(NAMES)).reset_index(drop=True)
    workspace.write(tables.TAG_PLAN, plan.assign(**dict.fromkeys(texts, NAMES)))
    return workspace


def put(workspace: Workspace, table: tables.Table, rows: list[dict[str, object]]) -> None:
    workspace.write(table, tables.frame(table, rows))


def explorer(page: Any) -> None:
    page.wait_for_selector("tbody tr")
    page.get_by_role("button", name="Header").click()
    page.wait_for_function("document.querySelector('.found').textContent.includes(' elements')")
    page.get_by_role("button", name="Findings").click()
    page.wait_for_function("document.querySelector('.found').textContent.includes('33 findings')")


def faces(page: Any) -> None:
    page.wait_for_function("document.querySelector('.refused')?.textContent.includes('no volume')")
    for number in (1, 2):
        page.locator(".chorus-panel").press("n")
        page.wait_for_function(f"document.querySelector('.file').textContent === {PATHS[number + 1]!r}")
    page.get_by_label("Heads of the queue").select_option("0")
    page.wait_for_function("document.querySelectorAll('.said li').length === 33")


def header(page: Any) -> None:
    page.wait_for_selector("tbody tr")
    page.get_by_label("Distribution of").first.click()
    page.wait_for_selector(".distribution td")


def images(page: Any) -> None:
    page.get_by_label("Image of the queue").select_option("0")
    page.wait_for_function("[...document.querySelectorAll('canvas')].every((canvas) => canvas.width === 4)")
    page.wait_for_function("document.querySelectorAll('.said li').length === 33")


def causes(page: Any) -> None:
    page.locator("tbody tr").first.press("Enter")
    page.wait_for_function("document.querySelector('.count')?.textContent === '33 of 33 files'")


def bulk(page: Any) -> None:
    page.wait_for_selector("tbody tr")
    page.get_by_label("Choose", exact=False).first.check()


DRIVEN: dict[str, Callable[[Any], None]] = {
    "CatalogExplorer": explorer,
    "FaceReviewer": faces,
    "HeaderExplorer": header,
    "ImageReviewer": images,
    "KnownWordsEditor": lambda page: page.wait_for_selector("tbody tr"),
    "LocalFieldsEditor": lambda page: page.wait_for_selector(".count"),
    "QuarantineBrowser": causes,
    "TagPlanEditor": bulk,
}


@pytest.mark.parametrize("name", review.__all__)
def test_what_others_wrote_is_seen_as_it_is_and_does_nothing(
    hostile: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    words = pd.DataFrame({"word": NAMES, "examples": NAMES, "attributes": NAMES, "decision": ""})
    unknown = words.assign(series=1, patients=1, files=1, is_name=False)
    monkeypatch.setattr(known_words_editor, "text_words", lambda _: TextWords(unknown, 1, 1))
    said = pd.DataFrame({"local": NAMES, "modality": "CT", "original": NAMES, "attribute": "SeriesDescription"})
    fields = LocalFields(said.assign(field="body_part", value="", confidence="unsaid", series=1, reviewer=""))
    monkeypatch.setattr(local_fields_editor, "local_fields", lambda _: fields)
    panel = getattr(review, name)(hostile, "<img src=x onerror=alert(1)>")
    page = open_panel(watched, panel, monkeypatch)
    DRIVEN[name](page)
    page.wait_for_timeout(100)
    assert page.evaluate(f"[...document.querySelectorAll('#panel :is({FORBIDDEN})')].map((one) => one.outerHTML)") == []
    assert page.locator("#panel img:not([src^='blob:'])").count() == 0
    shown = page.evaluate(
        "[document.querySelector('#panel').textContent,"
        " ...[...document.querySelectorAll('#panel [title]')].map((one) => one.title)].join('\\n')"
    )
    assert [text for text in NAMES if text not in shown] == [], "seen as it is"
    report = panel._repr_mimebundle_()[0]["text/html"]
    assert not re.search(r"<(?!/?(div|p|table|caption|thead|tbody|tr|th|td|small)\b)", report)


@pytest.mark.parametrize("name", review.__all__)
def test_everybody_can_read_hear_and_reach_what_is_there(
    hostile: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    page = open_panel(watched, getattr(review, name)(hostile, "ada"), monkeypatch)
    DRIVEN[name](page)
    assert {theme: faint(page, theme) for theme in THEMES} == {theme: [] for theme in THEMES}
    assert nameless(page) == []
    assert unreached(page) == []
