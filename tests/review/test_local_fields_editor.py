"""The panel of local fields (02): it opens where something waits, and a decision is on disk at once."""

from __future__ import annotations

import pytest

from chorus_nb.metadata.local_fields import FIELD_LOG
from chorus_nb.review import LocalFieldsEditor
from chorus_nb.workspace import Workspace
from tests.browsing import Watched, open_panel


def test_the_panel_opens_where_something_waits_and_decides_it(
    planned: Workspace, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = LocalFieldsEditor(planned, "ada")
    rows = [dict(zip(panel.content["columns"], row, strict=True)) for row in panel.content["rows"]]
    open_ = [row for row in rows if row["confidence"] in ("contradicted", "unsaid")]
    first = next(field for field in panel.content["values"] if any(row["field"] == field for row in open_))
    own = [row for row in open_ if row["field"] == first]
    page = open_panel(watched, panel, monkeypatch)
    choice = page.get_by_label("Field", exact=True)
    assert choice.input_value() == first != "body_part"  # of which nothing waits on the demo site
    named = choice.locator(f"option[value={first}]")
    assert named.text_content() == f"{first.replace('_', ' ')} ({len(own)} waiting)"
    page.locator("tbody input").first.click()
    page.get_by_label("What they become").select_option(index=1)
    page.get_by_role("button", name="Decide").click()
    page.wait_for_function("document.querySelector('.status').textContent.includes('become')")
    assert [row["reviewer"] for row in FIELD_LOG.current(planned).values()] == ["ada"]
    assert named.text_content() == f"{first.replace('_', ' ')} ({len(own) - 1} waiting)"
    choice.select_option("body_part")
    assert page.locator("tbody").text_content() == "No such value here."
