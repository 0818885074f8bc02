"""The one door to HTML: header text is data, whatever it says."""

from __future__ import annotations

import ast

import pandas as pd
import pytest
from matplotlib.figure import Figure

from chorus_nb import display
from chorus_nb.tables import REASON_MEANINGS
from tests.architecture import modules

PAYLOAD = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    pages: list[str] = []
    monkeypatch.setattr(display, "display", lambda html, **_: pages.append(html.data))
    return pages


def test_markup_in_cells_heads_and_captions_is_shown_as_text(shown: list[str]) -> None:
    display.show(pd.DataFrame({PAYLOAD: [PAYLOAD]}), caption=PAYLOAD)
    display.say(PAYLOAD)
    assert len(shown) == 2
    for page in shown:
        assert "<script" not in page and "<img" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_an_alt_text_cannot_leave_its_attribute(shown: list[str]) -> None:
    display.show_figure(*display.drawn_figure(Figure(figsize=(1, 1))), '" onload="alert(1)')
    assert 'onload="alert' not in shown[0]
    assert "&quot; onload=&quot;" in shown[0]


@pytest.mark.filterwarnings("error")
def test_a_letter_that_no_font_has_puts_no_message_with_our_path_on_the_page() -> None:
    figure = Figure(figsize=(1, 1))
    figure.text(0, 0, "\u4e1c\u8f6f")
    assert display.drawn_figure(figure)[1] == 96


def test_control_characters_and_text_direction_marks_are_not_obeyed() -> None:
    assert display.escape("a\x00b\u202ec\u2066d\ud800") == "a\ufffdb\ufffdc\ufffdd\ufffd"
    assert display.escape("line\nline\ttab") == "line\nline\ttab"


def test_a_cut_table_says_how_many_rows_there_are(shown: list[str]) -> None:
    display.show(pd.DataFrame({"n": range(1500)}), rows=40)
    assert shown[0].count("<tr>") == 41
    assert "40 of 1,500 rows shown" in shown[0]


def test_a_table_is_printed_across_the_page_where_a_row_does_not_fit_along_it(shown: list[str]) -> None:
    many, wide = {f"n{number}": [number] for number in range(12)}, {f"t{number}": ["word " * 9] for number in range(5)}
    display.show(pd.DataFrame(many))
    display.show(pd.DataFrame(wide))
    assert ["scroll broad" in page for page in shown] == [False, True]


def test_numbers_stand_right_and_nulls_are_blank(shown: list[str]) -> None:
    frame = pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "t": ["x", None], "b": [True, False]})
    display.show(frame)
    assert '<td style="text-align:right">1</td><td style="text-align:left">x</td>' in shown[0]
    assert '<td style="text-align:right"></td><td style="text-align:left"></td>' in shown[0]
    assert ">yes<" in shown[0] and ">no<" in shown[0]


def test_an_identifier_is_not_written_with_thousands_separators(shown: list[str]) -> None:
    display.show(pd.DataFrame({"person_id": [10001001]}))
    assert ">10001001<" in shown[0]


def test_counts_have_thousands_separators_and_values_of_dicom_have_none(shown: list[str]) -> None:
    display.show(pd.DataFrame({"files": [10001001], "Rows": [10001002], "text": ["10001003"]}))
    assert ">10,001,001<" in shown[0] and ">10001002<" in shown[0] and ">10001003<" in shown[0]


def test_codes_are_shown_in_words_and_a_reason_with_its_code(shown: list[str]) -> None:
    codes = {
        "status": ["not_dicom"],
        "reason": ["held_by_verify"],
        "rule": ["PS3.3; not_a code"],
        "detail": ["as_it_is"],
    }
    display.show(pd.DataFrame(codes | {"what_to_do": ["look_at"], "person_id": [1]}))
    for cell in ("not DICOM", "PS3.3; not_a code", "as_it_is", "what to do", "look_at", "person_id"):
        assert f">{cell}<" in shown[0], cell
    assert f">{REASON_MEANINGS['held_by_verify']} <small>held_by_verify</small><" in shown[0]
    display.show(pd.DataFrame({"reason": [PAYLOAD], "status": [PAYLOAD]}))
    assert "<script" not in shown[1]


def counts_without_separators(tree: ast.Module) -> list[str]:
    """Sentences of the code that say how many there are without a comma in it."""
    found = []
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        texts = "".join(part.value for part in parts if isinstance(part, ast.Constant))
        for part in parts:
            if isinstance(part, ast.FormattedValue) and part.format_spec is None and "SELECT" not in texts:
                said = ast.unparse(part.value)
                counted = said.startswith(("len(", "sum(", "int(")) or ".sum()" in said or ".nunique()" in said
                found += [said] if counted and " " in texts else []
    return found


def test_a_sentence_that_counts_has_separators() -> None:
    assert counts_without_separators(ast.parse("f'of {len(files)} files'")) == ["len(files)"]
    found = {name: counts_without_separators(tree) for name, tree in modules().items()}
    assert {name: counts for name, counts in found.items() if counts} == {}


def test_a_uid_may_break_anywhere_and_a_date_nowhere(shown: list[str]) -> None:
    display.show(pd.DataFrame({"text": ["1.2." * 9, "2019-03-07 10:11:12", "short words only"]}))
    styles = [cell.partition('"')[0] for cell in shown[0].split('<td style="')[1:]]
    assert styles == ["text-align:left;overflow-wrap:anywhere", "text-align:left;white-space:nowrap", "text-align:left"]


def test_an_alert_row_is_marked_by_a_word_too(shown: list[str]) -> None:
    display.show(pd.DataFrame({"tag": ["(0010,0010)", "(0010,0020)"]}), alert=pd.Series([False, True]))
    assert shown[0].count("check: ") == 1
    assert ">check: (0010,0020)<" in shown[0]


class Handle:
    def __init__(self, pages: list[str]) -> None:
        self.pages = pages

    def update(self, html: object, metadata: object = None) -> None:
        self.pages.append(html.data)  # type: ignore[attr-defined]


def test_progress_ends_at_the_last_step_and_escapes_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []

    def show(html: object, **_: object) -> Handle:
        pages.append(html.data)  # type: ignore[attr-defined]
        return Handle(pages)

    monkeypatch.setattr(display, "display", show)
    meter = display.Meter(every=3600)
    for done in range(1, 2001):
        meter(done, 2000, "reading <b>")
    assert len(pages) == 2, "thousands of steps must not become thousands of messages"
    assert "2,000 of 2,000" in pages[-1]
    assert "reading &lt;b&gt;" in pages[-1]


def test_a_table_without_rows_is_one_line(shown: list[str]) -> None:
    display.show(pd.DataFrame({"check": [], "detail": []}), caption=f"What failed {PAYLOAD}")
    assert "<table" not in shown[0] and "<script" not in shown[0]
    assert shown[0].startswith('<p class="none">What failed ') and shown[0].endswith(": none.</p>")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_rows_of_text_are_shown_as_a_frame_of_them_is(count: int) -> None:
    names = ["path", "image_id", "rule", "reason"]
    rows = [
        ("<a>", "1.2.840.10008.5.1.4.1.1.2.9", "no_visit", "outside_visit"),
        ("", "2021-03-04", "x", "kept"),
    ] * 2
    frame = pd.DataFrame(rows[:count], columns=names, dtype=object)
    assert display.rows_html(names, rows[:count], "Told") == display.table_html(frame, 9, "Told")
