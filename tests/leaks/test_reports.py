"""The search for original values in reports that may be shared."""

from __future__ import annotations

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.leaks.files import search_pages
from chorus_nb.workspace import Workspace

UID = "1.2.826.0.1.3680043.9.1234.5"


@pytest.fixture
def scanned(workspace: Workspace) -> Workspace:
    """A workspace whose catalog and crosswalk hold one invented patient."""
    row = {
        "source_path": "a.dcm",
        "status": "dicom",
        "PatientID": "MRN-77<1>",
        "AccessionNumber": "12",
        "StudyInstanceUID": UID,
        "PatientName": "STONEHALL^QUINTEN",
        "OtherPatientNames": "EASTERBROOK^MAUD\\WESTERHOLT^MAUD",
        "OperatorsName": "ANONYMOUS",
        "OtherPatientIDs": "MRN-8812",
    }
    catalog = tables.empty(tables.CATALOG)
    for column in tables.CATALOG.columns:
        catalog[column.name] = [row.get(column.name, "")] if column.kind == "text" else [0]
    workspace.write(tables.CATALOG, catalog.astype({c.name: bool for c in tables.CATALOG.columns if c.kind == "truth"}))
    _write_crosswalk(workspace, "QUILL^ADA^B")
    return workspace


def _write_crosswalk(workspace: Workspace, *names: str) -> None:
    folder = workspace.local / tables.CROSSWALK.name
    folder.mkdir(exist_ok=True)
    pd.DataFrame({"vr": "PN", "original": names}).to_parquet(folder / "part.parquet")


@pytest.mark.parametrize(
    "page",
    [
        f"<td>{UID}</td>",
        "<td>MRN-77&lt;1&gt;</td>",
        "<td>mrn-77&lt;1&gt;</td>",
        "<p>Quill^Ada^B</p>",
        "<p>seen for Quill, Ada B today</p>",
        "<p>Ada B Quill</p>",
        "<p>Stonehall: 3 files</p>",  # of whom nothing is released: no crosswalk knows him
        "<p>Westerholt, M.</p>",
        "<p>mrn8812</p>",
    ],
)
def test_an_original_value_is_found_however_it_is_written(scanned: Workspace, page: str) -> None:
    searched, leaking = search_pages(scanned, {"clean": "<p>300 files</p>", "page": page})
    assert leaking == ["page"]
    assert searched > 2


def test_longer_numbers_and_short_identifiers_are_no_finding(scanned: Workspace) -> None:
    assert search_pages(scanned, {"page": f"<p>9{UID}1 and 12 files</p>"})[1] == []


def test_the_tag_of_an_element_is_no_identifier(scanned: Workspace) -> None:
    """Though a patient's be 0020: 03 shows hundreds of tags."""
    _write_crosswalk(scanned, "0020")
    page = "<td>(0010,0020)</td><td>(0020,00xx)</td>"
    assert search_pages(scanned, {"page": page, "other": "<td>0020</td>"})[1] == ["other"]


def test_what_stands_for_nobody_is_no_name(scanned: Workspace) -> None:
    assert search_pages(scanned, {"page": "<p>an anonymous operator</p>"})[1] == []


def test_what_the_site_says_of_itself_is_a_name_beside_another_part_of_it_only(scanned: Workspace) -> None:
    site = Workspace(scanned.parameters.model_copy(update={"site": "Stonehall Clinic", "citation": "MRN 88, Adair Q."}))
    pages = {"own": "<td>stonehall clinic</td>", "name": "<p>Stonehall, Quinten</p>", "other": "<p>Westerholt</p>"}
    assert search_pages(site, pages)[1] == ["name", "other"]


def test_a_damaged_line_of_the_log_stops_no_search(scanned: Workspace) -> None:
    scanned.audit.mkdir(exist_ok=True)
    (scanned.audit / "audit.jsonl").write_bytes(b'{"user": "\\q"}\n{"user": "\xff"}\n{"user": "stonehall"}\n{"user": "')
    assert search_pages(scanned, {"own": "<p>Stonehall</p>", "other": "<p>Westerholt</p>"})[1] == ["other"]


def test_pictures_and_styles_are_not_text(scanned: Workspace) -> None:
    page = "<style>.QUILL^ADA^B{}</style><img src='data:image/png;base64,AAAA/QUILL/ADA=='>"
    assert search_pages(scanned, {"page": page})[1] == []


def test_without_a_catalog_nothing_counts_as_searched(workspace: Workspace) -> None:
    assert search_pages(workspace, {"page": "<p>x</p>"}) == (0, [])


@pytest.mark.parametrize("name", ["YORKEL", "PAPERMILLER^ADA", "BANNER^ADA", "PARSER^ADA"])
def test_a_name_is_found_alone_though_it_is_a_word_of_the_source_code(scanned: Workspace, name: str) -> None:
    _write_crosswalk(scanned, name)
    family = name.partition("^")[0].title()
    assert search_pages(scanned, {"clean": "<p>300 files</p>", "page": f"<p>{family} 3 files</p>"})[1] == ["page"]


def test_a_name_that_is_a_word_of_the_pages_is_found_beside_the_given_name_only(scanned: Workspace) -> None:
    _write_crosswalk(scanned, "REVIEW^ADA", "WILL^GRACE")
    pages = {"a": "<p>review this will</p>", "b": "<p>Ada Review</p>", "c": "<p>WILL, Grace</p>"}
    assert search_pages(scanned, pages)[1] == ["b", "c"]


def test_a_name_or_identifier_that_is_a_word_is_one_all_the_same_where_it_is_all_there_is(scanned: Workspace) -> None:
    _write_crosswalk(scanned, "PELVIS")
    assert search_pages(scanned, {"page": "<p>CT pelvis</p>"})[1] == ["page"]


@pytest.mark.parametrize("text", [f"{UID}.7", f"0.{UID}", f"/{UID}.dcm"])
def test_a_uid_is_found_within_a_longer_one(scanned: Workspace, text: str) -> None:
    assert search_pages(scanned, {"page": f"<td>{text}</td>"})[1] == ["page"]


@pytest.mark.parametrize(
    ("product", "patients", "leaking"),
    [
        ("Bluebird Vida", ("MRN-1", "MRN-2"), ["whole"]),
        ("Bluebird Vida", ("MRN-1",), ["model", "whole"]),
        ("MAGNETOM Vida", ("MRN-1",), ["whole"]),  # the first word is listed
    ],
)
def test_a_patient_called_like_a_product_of_the_site_withholds_no_page(
    scanned: Workspace, product: str, patients: tuple[str, ...], leaking: list[str]
) -> None:
    catalog = scanned.read(tables.CATALOG)
    rows = pd.concat([catalog] * len(patients)).assign(PatientID=list(patients), source_path=list(patients))
    scanned.write(tables.CATALOG, rows.assign(ManufacturerModelName=product))
    _write_crosswalk(scanned, "QUILL^VIDA")
    pages = {"model": f"<td>{product}</td>", "whole": "<p>Vida Quill</p>"}
    assert search_pages(scanned, pages)[1] == leaking
