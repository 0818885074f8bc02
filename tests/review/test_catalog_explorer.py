"""The catalog explorer in a real Chromium: quak's own JavaScript filters, the panel below looks and decides."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pydicom
import pytest

from chorus_nb import explore, tables
from chorus_nb.deid.cohort import EXCLUSION_LOG, read_cohort
from chorus_nb.errors import InputError, WorkbenchError
from chorus_nb.explore.selection import chosen, covering, open_files
from chorus_nb.parameters import Parameters
from chorus_nb.review import CatalogExplorer
from chorus_nb.workspace import Workspace
from tests.browsing import Watched, open_panel, open_table
from tests.review.cine import PAYLOAD, ultrasound
from tests.review.hostile_texts import HOSTILE_TEXTS
from tests.review.seen import put_theme


def ultrasounds(folder: Path) -> Path:
    """Six files of three series in two studies; the descriptions of the last would like to be markup."""
    folder.mkdir()
    for number in range(6):
        data = pydicom.dcmread(io.BytesIO(ultrasound(number=number)))
        data.StudyInstanceUID, data.SeriesInstanceUID = f"1.2.{number // 4}", f"1.2.3.{number // 2}"
        data.SeriesDescription, data.Manufacturer = ("SCOUT", PAYLOAD)[number // 5], ("ACME", "OTHER")[number // 4]
        data.StudyDate = f"2020010{number + 1}"
        data.save_as(folder / f"{number}.dcm")
    return folder


@pytest.fixture
def surveyed(tmp_path: Path) -> Workspace:
    source = ultrasounds(tmp_path / "source")
    folders = dict.fromkeys(("source", "lookup", "omop"), str(source)) | {"workspace": str(tmp_path / "workspace")}
    workspace = Workspace(Parameters.of({**folders, "workers": 1})).create()
    explore.scan(workspace)
    return workspace


PARTS = "document.querySelector('#quak').firstElementChild.shadowRoot"


def click_category(page: Any, title: str) -> None:
    """Filter by a part of a column's bar."""
    page.wait_for_function(
        f"title => [...{PARTS}.querySelectorAll('div[title]')].some(p => p.title === title)", arg=title
    )
    where = page.evaluate(
        f"title => {{ const part = [...{PARTS}.querySelectorAll('div[title]')].find(p => p.title === title);"
        " const box = part.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }",
        title,
    )
    page.mouse.click(*where)


def test_a_click_in_the_table_is_the_selection(
    surveyed: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = CatalogExplorer(surveyed)
    assert len(explorer.selection()) == 6
    page = open_table(watched, explorer.table, monkeypatch)
    click_category(page, "OTHER")
    page.wait_for_function(f"{PARTS}.textContent.includes('2 of 6 rows')")
    chosen_rows = explorer.selection()
    assert list(chosen_rows["source_path"]) == ["4.dcm", "5.dcm"] and "OTHER" in explorer.content["sql"]
    assert explorer.content["sql"].startswith('SELECT * FROM "profile" WHERE')
    assert set(chosen_rows["series_files"]) == {2} and str(chosen_rows["acquired"][0])[:10] == "2020-01-05"


@pytest.mark.parametrize("theme", ["true", "false"])
def test_the_table_has_the_theme_of_the_lab(
    surveyed: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    explorer = CatalogExplorer(surveyed)
    page = open_table(watched, explorer.table, monkeypatch)
    page.add_style_tag(content=explorer._css)
    page.wait_for_function(f"{PARTS}.textContent.includes('6 rows')")
    page.wait_for_function(f"{PARTS}.querySelectorAll('td').length > 20")
    read = ".map(node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor])"
    put_theme(page, theme)
    heads = page.evaluate(f"[...{PARTS}.querySelectorAll('thead th:not(:first-child)')]{read}")
    ground = {"true": "rgb(255, 255, 255)", "false": "rgb(0, 0, 0)"}[theme]
    ink = {"true": "rgb(51, 51, 51)", "false": "rgb(227, 232, 236)"}[theme]
    assert len(heads) > 5 and set(map(tuple, heads)) == {(ink, ground)}
    [button] = page.evaluate(f"[...{PARTS}.querySelectorAll('.status-bar button')]{read}")
    assert button == [{"true": "rgb(100, 116, 139)", "false": "rgb(58, 122, 176)"}[theme], ground]


def test_nothing_in_a_header_is_markup_in_the_table(
    surveyed: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = surveyed.read(tables.CATALOG)
    many = pd.concat([catalog.head(1)] * len(HOSTILE_TEXTS), ignore_index=True)
    many["source_path"] = [f"{number}/{text}" for number, text in enumerate(HOSTILE_TEXTS)]
    surveyed.write(tables.CATALOG, many.assign(SeriesDescription=HOSTILE_TEXTS, PatientID=HOSTILE_TEXTS))
    explorer = CatalogExplorer(surveyed)
    page = open_table(watched, explorer.table, monkeypatch)
    page.wait_for_function(f"{PARTS}.textContent.includes('{len(HOSTILE_TEXTS)} rows')")
    page.wait_for_timeout(300)
    inside = f"{PARTS}.querySelectorAll('script, img, iframe, object, link, meta, math, details, a').length"
    assert page.evaluate(inside) == 0
    assert HOSTILE_TEXTS[0] in page.evaluate(f"{PARTS}.textContent"), "seen as it is"
    assert explorer.counts()[0]["totals"]["files"] == len(HOSTILE_TEXTS) == 33
    watched.page.evaluate("document.body.replaceChildren()")
    panel = open_panel(watched, explorer, monkeypatch)
    panel.wait_for_selector("tbody tr")
    assert panel.locator("#panel script, #panel img, #panel iframe, #panel a").count() == 0


def test_what_is_chosen_is_looked_at_and_decided(
    surveyed: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = {"rule": "odd", "severity": "high", "level": "series", "item": "1.2.3.2", "detail": PAYLOAD, "files": 2}
    surveyed.write(tables.QUALITY_FINDINGS, tables.frame(tables.QUALITY_FINDINGS, [finding]))
    explorer = CatalogExplorer(surveyed, "ada")
    page = open_panel(watched, explorer, monkeypatch)
    page.wait_for_function("document.querySelectorAll('tbody tr').length === 3")
    assert "6 files" in page.locator(".count").first.text_content()
    page.get_by_label("Question in SQL").fill("SELECT * FROM files WHERE Manufacturer = 'OTHER'")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_function("document.querySelectorAll('tbody tr').length === 1")
    assert explorer.content["sql"] == "SELECT * FROM files WHERE Manufacturer = 'OTHER'"
    page.locator("tbody tr").press("Enter")
    page.wait_for_function("document.querySelector('#panel img')?.naturalWidth > 100")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_function("document.querySelector('.found').textContent.includes(' differ, ')")
    shown = page.locator(".found").text_content()
    assert PAYLOAD in shown and "20200105" in shown and "StudyInstanceUID" not in shown, "only what differs"
    page.get_by_role("button", name="Header").click()
    page.wait_for_function("document.querySelector('.found').textContent.includes(' elements')")
    page.get_by_role("button", name="Findings").click()
    page.wait_for_function("document.querySelector('.found').textContent.includes('1 findings')")
    out = page.get_by_role("button", name="Exclude what is chosen")
    assert out.is_disabled(), "a reason is required"
    page.get_by_label("Reason of the exclusion").fill("a phantom")
    out.click()
    page.wait_for_function("document.querySelector('.status').textContent.includes('exclusions.csv')")
    assert {item: row["note"] for item, row in EXCLUSION_LOG.current(surveyed).items()} == {"study:1.2.1": "a phantom"}
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("document.querySelector('.status').textContent.includes('taken back')")
    assert not EXCLUSION_LOG.current(surveyed)
    page.get_by_role("button", name="Write the cohort").click()
    page.wait_for_function("document.querySelector('.status').textContent.includes('cohorts/cohort.csv')")
    path = surveyed.local / "cohorts" / "cohort.csv"
    cohort = read_cohort(Workspace(surveyed.parameters.model_copy(update={"cohort": str(path)})))
    assert cohort is not None and cohort["StudyInstanceUID"].tolist() == ["1.2.1"]
    page.get_by_role("button", name="All files").click()
    page.wait_for_function("document.querySelectorAll('tbody tr').length === 3")
    for column in ("Rows", "SliceThickness"):
        assert column not in explorer.table._columns
        page.get_by_label("Draw a further column").select_option(column)
        page.wait_for_function(f"![...document.querySelectorAll('option')].some((one) => one.text === '{column}')")
        assert column in explorer.table._columns
    assert "Rows" in explorer.table._columns and explorer.table._columns[-1] == "file"
    with pytest.raises(InputError, match="not a column"):
        explorer.draw('file" FROM files; --')


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("true", [("1.2.0", "", ""), ("1.2.1", "", "")]),
        ("SeriesInstanceUID = '1.2.3.1'", [("", "1.2.3.1", "")]),
        ("source_path in ('0.dcm', '2.dcm', '3.dcm')", [("", "", "0.dcm"), ("", "1.2.3.1", "")]),
        ("false", []),
    ],
)
def test_a_selection_is_named_by_what_it_holds_whole(
    surveyed: Workspace, where: str, rows: list[tuple[str, str, str]]
) -> None:
    with open_files(surveyed) as database:
        found = covering(database, f"SELECT file FROM files WHERE {where}")
    assert sorted(found.itertuples(index=False, name=None)) == sorted(rows)


@pytest.mark.parametrize(
    "question",
    [
        *("SELEC", "SELECT 1; SELECT 2", "DROP TABLE files", "COPY files TO 'x.csv'", "INSTALL httpfs"),
        *("SELECT * FROM read_csv('/etc/hostname')", "SELECT * FROM '/etc/hostname'", "SET threads = 1", ""),
    ],
)
def test_a_question_reads_the_catalog_and_nothing_else(surveyed: Workspace, question: str) -> None:
    with open_files(surveyed) as database:
        with pytest.raises(InputError):
            chosen(database, question).df()
        for forbidden in ("COPY files TO 'x.csv'", "ATTACH 'x.db'", "SET enable_external_access = true"):
            with pytest.raises(duckdb.Error):  # as the page could send it
                database.execute(forbidden)


def test_what_cannot_be_decided_about_is_refused(surveyed: Workspace) -> None:
    explorer = CatalogExplorer(surveyed, "ada")
    explorer.ask_sql("SELECT Modality, count(*) AS files FROM files GROUP BY 1;")
    assert explorer.selection().to_dict("records") == [{"Modality": "US", "files": 6}]
    for ask in (explorer.counts, explorer.findings, lambda: explorer.exclude("why"), lambda: explorer.cohort("a")):
        with pytest.raises(InputError, match="no column file"):
            ask()
    explorer.ask_sql("")
    explorer.counts()
    with pytest.raises(WorkbenchError, match="no volume"):
        explorer.volume(0)
    assert len(explorer._box.children) == 2
    for name in ("../a", "/a", ".a", "a b", ""):
        with pytest.raises(InputError, match="name the file"):
            explorer.cohort(name)
    with pytest.raises(InputError, match="a reason"):
        explorer.exclude(" ")
    assert not EXCLUSION_LOG.current(surveyed) and not (surveyed.local / "cohorts").exists()
