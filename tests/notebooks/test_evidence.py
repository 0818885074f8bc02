"""From the index to what was done to a file, and who decided, in three clicks; the command that answers for a value."""

from __future__ import annotations

import csv
import html
import io
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from chorus_nb import explore, tables
from chorus_nb.mapping import make_plan
from chorus_nb.mapping.overrides import TAG_LOG
from chorus_nb.pixels.decisions import IMAGE_LOG
from chorus_nb.workbench import index, lists
from chorus_nb.workbench.commands import main
from chorus_nb.workbench.series_pages import FOLDER, Evidence, all_files, write_series_pages
from tests.browsing import Watched
from tests.deid.small_run import SmallSite, run
from tests.notebooks.finished_chain import Chain


def outcomes(chain: Chain) -> pd.DataFrame:
    return pd.read_parquet(chain.workspace.local / "outcomes.parquet")


def changes(chain: Chain, source_path: str) -> list[tuple[str, str, str]]:
    """Tag, original and new value of each changed element of a file, read without the package."""
    parts = str(chain.workspace.local / "crosswalk" / "*.parquet")
    said = "select tag, original, new from read_parquet(?) where source_path = ?"
    return [tuple(row) for row in duckdb.execute(said, [parts, source_path]).fetchall()]


def catalog_row(chain: Chain, source_path: str) -> dict[str, str]:
    rows = pd.read_parquet(chain.workspace.local / "catalog.parquet").fillna("")
    return dict(rows[rows["source_path"] == source_path].iloc[0])


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("by", ["patient", "accession", "UID"])
def test_three_clicks_lead_from_the_index_to_what_was_done_to_a_file(chain: Chain, browser: Any, by: str) -> None:
    released = outcomes(chain).query("status == 'released'")
    path = str(released["source_path"].iloc[0])
    row = catalog_row(chain, path)
    sought = {"patient": "PatientID", "accession": "AccessionNumber", "UID": "SeriesInstanceUID"}[by]
    watched = Watched(browser)
    page = watched.page
    page.goto((chain.workspace.reports_local / "index.html").as_uri())
    page.get_by_role("link", name=f"by {by}").first.click()
    listed = page.locator("tr", has_text=row[sought]).filter(has_text=row["SeriesDescription"])
    listed.filter(has_text=row["Modality"]).first.get_by_role("link").click()
    page.locator("details.file > summary", has_text=path).click()
    told = squeezed(page.locator("main").inner_text())
    watched.close()
    assert path in told and str(released["target_path"].iloc[0]) in told
    assert str(released["source_digest"].iloc[0]) in told and str(released["target_digest"].iloc[0]) in told
    made = changes(chain, path)
    assert len(made) > 10
    missing = [tag for tag, old, new in made if not all(squeezed(part).strip() in told for part in (tag, old, new))]
    assert missing == []
    assert "policy" in told and "Table E.1-1" in told
    assert (watched.dialogs, watched.errors, watched.outside) == ([], [], [])


@pytest.mark.parametrize("found", ["by its outcome", "by its folder"])
@pytest.mark.parametrize("status", tables.STATUSES)
def test_three_clicks_lead_to_any_file(chain: Chain, browser: Any, status: str, found: str) -> None:
    """Released, held, quarantined, a duplicate, not DICOM: what became of it, why, and what to do."""
    row = outcomes(chain).query("status == @status").sort_values("source_path").iloc[-1]
    watched = Watched(browser)
    page = watched.page
    page.goto((chain.workspace.reports_local / "index.html").as_uri())
    if found == "by its outcome":
        page.locator(f'a[href="series/status_{status}.html"]').click()
    else:
        page.get_by_role("link", name="by folder").click()
    series = catalog_row(chain, row.source_path)["SeriesInstanceUID"] or "none in the file"
    listed = page.locator("tr", has=page.get_by_text(series, exact=True))
    if found == "by its folder":
        listed = listed.filter(has=page.get_by_text(row.source_path.rpartition("/")[0], exact=True))
    listed.first.get_by_role("link").click()
    page.locator("details.file > summary", has=page.get_by_text(row.source_path, exact=True)).click()
    told = squeezed(page.locator("details.file[open]").inner_text())
    watched.close()
    assert row.source_path in told and tables.code_in_words(status) in told
    assert row.reason == "" or squeezed(tables.REASON_MEANINGS[row.reason]) in told
    assert (watched.dialogs, watched.errors, watched.outside) == ([], [], [])


def test_three_clicks_lead_to_the_person_who_decided(tmp_path: Path, browser: Any) -> None:
    """About a tag of the plan, and about a picture: who, what and why stand on the page of the file."""
    site = SmallSite(tmp_path)
    site.add_series(2, SeriesDescription="AXIAL", SliceThickness="5.0")
    workspace = site.open()
    about = {"path": "", "tag": "(0018,0050)", "private_creator": "", "action": "X", "reason": "not wanted here"}
    TAG_LOG.append(workspace, "Ada Lovelace", about)
    IMAGE_LOG.append(workspace, "Grace Hopper", {"item": "series/0002", "decision": "accept", "note": "only a marker"})
    explore.scan(workspace)
    explore.profile(workspace)
    make_plan(workspace)
    run(workspace)
    assert lists.write_evidence(workspace) == []
    index.write_indexes(workspace)
    watched = Watched(browser)
    page = watched.page
    page.goto((workspace.reports_local / "index.html").as_uri())
    page.get_by_role("link", name="by patient").first.click()
    page.locator("tr", has_text="MRN-1").get_by_role("link").first.click()
    page.locator("details.file > summary", has_text="series/0002").click()
    [changed] = page.locator("tr", has_text="SliceThickness").all()
    decided = squeezed(changed.inner_text())
    looked = squeezed(page.locator("tr", has_text="only a marker").inner_text())
    watched.close()
    assert "5.0 remove" in decided and decided.endswith("not wanted here Ada Lovelace")
    assert all(said in looked for said in ("series/0002", "accept", "Grace Hopper")), looked


def test_a_decision_that_cannot_be_read_is_named_and_without_a_plan_pages_are_made(tmp_path: Path) -> None:
    """Files of which nothing was changed, without a plan; then a line that was cut off."""
    site = SmallSite(tmp_path)
    site.add_series(1)
    site.add("other/0001", PatientID="MRN-9", SeriesInstanceUID="1.2.9")
    workspace = site.open()
    run(workspace)
    workspace.path(tables.TAG_PLAN).unlink(missing_ok=True)
    assert lists.write_evidence(workspace) == []
    IMAGE_LOG.append(workspace, "Grace Hopper", {"item": "series/0001", "decision": "accept", "note": "a marker"})
    log = workspace.path(tables.IMAGE_DECISIONS)
    log.write_bytes(log.read_bytes() + b"series/0001,accept")
    [said] = lists.write_evidence(workspace)
    assert said == "the pages of the series were not made: image_decisions.csv, row 3: needs a cell for each column"


def test_every_file_stands_on_one_page_with_what_became_of_it(chain: Chain) -> None:
    folder = chain.workspace.reports_local / FOLDER
    pages = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    series = {name: text for name, text in pages.items() if not name.startswith(("by_", "status_"))}
    for row in outcomes(chain).itertuples():
        said = f"{row.status.replace('_', ' ').replace('dicom', 'DICOM')}: <code>{html.escape(row.source_path)}</code>"
        assert sum(said in text for text in series.values()) == 1, row.source_path
    assert re.findall("<script|<img src=x", "".join(pages.values())) == [], "text of headers is data"


def test_every_link_of_the_indexes_leads_to_a_file_and_one_to_what_is_signed(chain: Chain) -> None:
    root = chain.workspace.root
    for folder in (chain.workspace.reports_local, chain.workspace.reports_audit):
        links = re.findall(r'href="([^"]+)"', (folder / "index.html").read_text(encoding="utf-8"))
        led = {(folder / link).resolve().relative_to(root.resolve()).as_posix() for link in links}
        assert len(led) >= 3 and all((root / place).is_file() for place in led), led
    site = (chain.workspace.reports_local / "index.html").read_text(encoding="utf-8")
    assert '<a href="../../release/Metadata/verification_certificate.html">Certificate</a>' in site


def test_every_count_of_the_index_leads_to_a_list_of_as_many_files(chain: Chain) -> None:
    index = (chain.workspace.reports_local / "index.html").read_text(encoding="utf-8")
    linked = re.findall(r'<dd><a href="(series/status_\w+\.html)">([\d,]+)</a>', index)
    assert len(linked) == outcomes(chain)["status"].nunique()
    for href, count in linked:
        listed = (chain.workspace.reports_local / href).read_text(encoding="utf-8")
        files = [
            int(number.replace(",", "")) for number in re.findall(r'<td class="number">([\d,]+)</td></tr>', listed)
        ]
        assert sum(files) == int(count.replace(",", "")), href


def test_where_a_file_has_no_patient_the_lists_say_so(chain: Chain) -> None:
    for status in ("not_dicom", "quarantined"):
        told = (chain.workspace.reports_local / FOLDER / f"status_{status}.html").read_text("utf-8")
        assert "<td>none in the file</td>" in told, status


def test_pages_whose_tables_did_not_change_are_not_made_again(chain: Chain) -> None:
    files = all_files(chain.workspace)
    assert write_series_pages(chain.workspace, files) == 0
    page = str(files["page"].iloc[0])
    (chain.workspace.reports_local / FOLDER / page).unlink()
    assert write_series_pages(chain.workspace, files) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is a fork of another")
def test_the_pages_of_many_files_are_made_beside_the_notebooks_that_they_tell_nothing_of(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = chain.workspace.reports_local / FOLDER
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    read: list[str] = []
    monkeypatch.setattr(lists, "all_files", lambda workspace: read.append("files"))
    for many, there in ((10**6, set()), (0, set(made))):
        shutil.rmtree(folder, ignore_errors=True)
        monkeypatch.setattr(lists, "MANY_FILES", many)
        with lists.evidence_beside(chain.workspace) as begin:
            begin()
        assert {path.name for path in folder.glob("*")} == there
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made
    assert (lists.write_evidence(chain.workspace), read) == ([], []), "nothing is left to be made"


def test_where_nothing_changed_no_table_is_read_for_the_pages(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """But a page that is gone is made again."""
    read: list[str] = []
    monkeypatch.setattr(lists, "all_files", lambda workspace: read.append("files") or all_files(workspace))
    assert lists.write_evidence(chain.workspace) == []
    read.clear()
    assert (lists.write_evidence(chain.workspace), read) == ([], [])
    page = next((chain.workspace.reports_local / FOLDER).glob("by_patient-*.html"))
    page.unlink()
    assert (lists.write_evidence(chain.workspace), read) == ([], ["files"])
    assert page.is_file()


def test_a_page_depends_on_what_is_said_of_its_own_files_only(chain: Chain) -> None:
    workspace = chain.workspace
    pages = dict(list(all_files(workspace).groupby("page")))

    def keys() -> dict[Any, str]:
        told = Evidence(workspace)
        return {name: told.key(own) for name, own in pages.items()}

    before = keys()
    path = outcomes(chain).query("status == 'released'")["target_path"].iloc[0]
    verdicts, findings = workspace.read(tables.IMAGE_VERDICTS), workspace.read(tables.VERIFICATION)
    looked, found = verdicts.copy(), dict.fromkeys(findings.columns, "") | {"severity": "low", "held": False}
    looked.loc[looked.index[0], "risk_reason"] = "another"
    told = [
        (tables.IMAGE_VERDICTS, verdicts, looked, ("source_path", verdicts["source_path"].iloc[0])),
        (
            tables.VERIFICATION,
            findings,
            pd.concat([findings, pd.DataFrame([found | {"file": path}])]),
            ("target_path", path),
        ),
    ]
    checks = workspace.read(tables.CHECKS)  # with a digest of all images, which no page shows
    told.append((tables.CHECKS, checks, checks.assign(detail="another"), ("target_path", "of no file")))
    for table, was, now, (column, own) in told:
        try:
            workspace.write(table, now)
            changed = {name for name, key in keys().items() if key != before[name]}
        finally:
            workspace.write(table, was)
        assert changed == {name for name, files in pages.items() if own in set(files[column])}


def test_a_value_is_followed_both_ways_by_the_command(chain: Chain, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    path = str(outcomes(chain).query("status == 'released'")["source_path"].iloc[0])
    old, new = next((old, new) for tag, old, new in changes(chain, path) if tag == "(0020,000D)")
    for asked in (["--old", old], ["--new", new], ["--element", "StudyInstanceUID", "--source", path]):
        assert main(["crosswalk", str(chain.file), *asked]) == 0
        told = capsysbinary.readouterr().out.decode()
        rows = [row for row in csv.DictReader(io.StringIO(told)) if row["tag"] == "(0020,000D)"]
        assert {(row["original"], row["new"]) for row in rows} == {(old, new)}, asked
    assert main(["crosswalk", str(chain.file), "--old", "nobody"]) == 1
    assert main(["crosswalk", str(chain.file)]) == 2


def test_long_lists_are_split_and_stale_parts_go(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "ROWS_A_PAGE", 4)
    files = all_files(chain.workspace)
    lists._write_lists(chain.workspace, files)
    rows = [page.rows for page in lists.list_pages(chain.workspace) if page.by == "patient"]
    assert rows[:2] == ["1–4", "5–8"]
    monkeypatch.undo()
    lists._write_lists(chain.workspace, files)
    assert len([page for page in lists.list_pages(chain.workspace) if page.by == "patient"]) == 1
    assert not list(Path(chain.workspace.reports_local / FOLDER).glob("by_patient-1-4.html"))
