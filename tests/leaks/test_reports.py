"""The search for original values in reports that may be shared."""

from __future__ import annotations

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.leaks import reports as originals
from chorus_nb.workspace import Workspace

UID = "1.2.826.0.1.3680043.9.1234.5"


@pytest.fixture
def scanned(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose catalog and crosswalk hold one invented patient."""
    row = {
        "source_path": "a.dcm",
        "status": "dicom",
        "PatientID": "MRN-77<1>",
        "AccessionNumber": "12",
        "StudyInstanceUID": UID,
    }
    catalog = tables.empty(tables.CATALOG)
    for column in tables.CATALOG.columns:
        catalog[column.name] = [row.get(column.name, "")] if column.kind == "text" else [0]
    workspace.write(tables.CATALOG, catalog.astype({c.name: bool for c in tables.CATALOG.columns if c.kind == "truth"}))
    names = pd.DataFrame({"original": ["QUILL^ADA^B"]})
    monkeypatch.setattr(originals.crosswalk, "query", lambda workspace, where: names)
    return workspace


@pytest.mark.parametrize(
    "page",
    [
        f"<td>{UID}</td>",
        "<td>MRN-77&lt;1&gt;</td>",
        "<td>mrn-77&lt;1&gt;</td>",
        "<p>Quill^Ada^B</p>",
        "<p>seen for Quill, Ada B today</p>",
        "<p>Ada B Quill</p>",
    ],
)
def test_an_original_value_is_found_however_it_is_written(scanned: Workspace, page: str) -> None:
    searched, leaking = originals.search(scanned, {"clean": "<p>300 files</p>", "page": page})
    assert leaking == ["page"]
    assert searched > 2


def test_longer_numbers_and_short_identifiers_are_no_finding(scanned: Workspace) -> None:
    assert originals.search(scanned, {"page": f"<p>9{UID}1 and 12 files</p>"})[1] == []


def test_pictures_and_styles_are_not_text(scanned: Workspace) -> None:
    page = "<style>.QUILL^ADA^B{}</style><img src='data:image/png;base64,AAAA/QUILL/ADA=='>"
    assert originals.search(scanned, {"page": page})[1] == []


def test_without_a_catalog_nothing_counts_as_searched(workspace: Workspace) -> None:
    assert originals.search(workspace, {"page": "<p>x</p>"}) == (0, [])
