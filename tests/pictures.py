"""Takes the README's pictures of a finished demo run: python -m tests.pictures parameters/demo.yaml"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from chorus_nb import review
from chorus_nb.parameters import Parameters
from chorus_nb.workbench.series_pages import FOLDER, all_files
from chorus_nb.workspace import Workspace
from tests.browsing import Watched, executable, open_panel, open_table

PACKAGE = Path(review.__file__).parents[1]


def save(path: Path, content: bytes) -> None:
    """A PNG of 128 colours: small enough for a repository."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.quantize(128).save(path, optimize=True)


def main(file: str) -> None:
    """Reports into ``workbench/images``, panels into ``review/images``."""
    workspace = Workspace(Parameters.read(file))
    shown = all_files(workspace).query("status == 'released'").sort_values("target_path")
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as monkeypatch:
        browser: Any = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        reports = {
            "index": workspace.reports_local / "index.html",
            "index_dark": workspace.reports_local / "index.html",
            "report": workspace.reports_local / "04_verify.html",
            "report_print": workspace.reports_local / "04_verify.html",
            "certificate": workspace.metadata / "verification_certificate.html",
            "series": workspace.reports_local / FOLDER / str(shown["page"].iloc[0]),
        }
        for name, path in reports.items():
            watched = Watched(browser)
            watched.page.set_viewport_size({"width": 1180, "height": 860})
            if name == "index_dark":
                watched.page.emulate_media(color_scheme="dark")
            if name == "report_print":
                watched.page.emulate_media(media="print")
            watched.page.goto(path.as_uri())
            save(PACKAGE / f"workbench/images/{name}.png", watched.page.screenshot())
            watched.close()
        for panel in (p for p in vars(review).values() if isinstance(p, type)):
            watched = Watched(browser)
            opened = panel(workspace, "ada")
            page = open_panel(watched, opened, monkeypatch)
            if isinstance(opened, review.CatalogExplorer):
                open_table(watched, opened.table, monkeypatch)
            page.wait_for_timeout(8000 if panel is review.ImageReviewer else 2500)
            seen = "body" if isinstance(opened, review.CatalogExplorer) else ".chorus-panel"
            save(PACKAGE / f"review/images/{panel.__name__}.png", page.locator(seen).screenshot())
            watched.close()


if __name__ == "__main__":
    main(sys.argv[1])
