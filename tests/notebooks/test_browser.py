"""Every report in a real browser: header text full of payloads runs nothing and fetches nothing."""

from __future__ import annotations

from typing import Any

from tests.browsing import Watched
from tests.notebooks.finished_chain import Chain


def test_no_report_opens_a_dialog_or_asks_for_anything(chain: Chain, browser: Any) -> None:
    reports = sorted(chain.workspace.root.rglob("reports/*.html"))
    assert len(reports) >= 8, "six reports and two indexes"
    watched = Watched(browser)
    page = watched.page
    for path in reports:
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        page.wait_for_timeout(50)
        assert page.evaluate("document.scripts.length") == 0, path.name
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, f"{path.name} is wider than the screen"
        assert page.evaluate("document.querySelectorAll('img:not([alt])').length") == 0, path.name
    watched.close()
    assert (watched.dialogs, watched.errors, watched.outside) == ([], [], [])
