"""Every report in a real browser: header text full of payloads runs nothing and fetches nothing."""

from __future__ import annotations

from typing import Any

from finished_chain import Chain


def test_no_report_opens_a_dialog_or_asks_for_anything(chain: Chain, browser: Any) -> None:
    pages = sorted(chain.workspace.root.rglob("reports/*.html"))
    assert len(pages) == 8
    dialogs: list[str] = []
    requests: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    for path in pages:
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        page.wait_for_timeout(50)
        assert page.evaluate("document.scripts.length") == 0, path.name
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, f"{path.name} is wider than the screen"
        assert page.evaluate("document.querySelectorAll('img:not([alt])').length") == 0, path.name
    page.close()
    assert dialogs == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
