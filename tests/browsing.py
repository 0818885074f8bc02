"""A real Chromium for the tests, cut off from everything but this machine; tests are skipped where there is none."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from chorus_nb.review.panel import Panel

CUT_OFF = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

HARNESS = """
async ([source, content]) => {
  const handlers = [];
  const model = {
    get: () => content,
    on: (event, handler) => event === "msg:custom" && handlers.push(handler),
    send: async (message) => {
      const { replies, changed } = await window.toPython(message);
      if (changed) content = changed;
      for (const [reply, buffers] of replies) {
        const views = buffers.map((text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer));
        handlers.forEach((handler) => handler(reply, views));
      }
    },
  };
  const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  module.default.render({ model, el: document.getElementById("panel") });
}
"""


QUAK = """
async ([source, traits]) => {
  const handlers = [];
  const model = {
    get: (name) => traits[name],
    set: (name, value) => window.setTrait(name, value),
    save_changes: () => {},
    on: (event, handler) => event === "msg:custom" && handlers.push(handler),
    off: () => {},
    send: async (message) => {
      for (const [reply, buffers] of await window.toQuak(message)) {
        const views = buffers.map((text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer));
        handlers.forEach((handler) => handler(reply, views));
      }
    },
  };
  const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const made = await module.default();
  await made.initialize?.({ model });
  await made.render({ model, el: document.getElementById("quak") });
}
"""


def executable() -> str | None:
    """Where Chromium is, if it is there."""
    return shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser; pages of one test are closed by it."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if executable() is None:
        pytest.skip("no Chromium here: .ci/run installs it")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox", CUT_OFF])
        yield opened
        opened.close()


class Watched:
    """A page that remembers dialogs, errors and requests: none of them may be there in the end."""

    def __init__(self, browser: Any) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    @property
    def outside(self) -> list[str]:
        """Requests that left the page."""
        local = ("file:", "data:", "blob:", "about:", "http://127.0.0.1", "ws://127.0.0.1")
        return [url for url in self.requests if not url.startswith(local)]

    def close(self) -> None:
        self.page.close()


def open_panel(watched: Watched, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draw ``panel`` in the page, its questions answered by the real Python, without kernel or server."""
    replies: list[Any] = []

    def send(content: dict[str, Any], buffers: list[bytes]) -> None:
        replies.append([content, [base64.b64encode(part).decode("ascii") for part in buffers]])

    def to_python(message: dict[str, Any]) -> dict[str, Any]:
        replies.clear()
        before = panel.content
        panel._received(None, message, [])
        return {"replies": list(replies), "changed": None if panel.content is before else panel.content}

    monkeypatch.setattr(panel, "send", send)
    page = watched.page
    page.expose_function("toPython", to_python)
    page.set_content(f'<!doctype html><style>{panel._css}</style><div id="panel" style="max-width:1240px"></div>')
    page.evaluate(HARNESS, [str(panel._esm), panel.content])
    return page


def open_table(watched: Watched, table: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Draw the table of the catalog explorer (quak) on top of the page, answered by its real database."""
    replies: list[Any] = []

    def send(content: dict[str, Any], buffers: tuple[Any, ...] = ()) -> None:
        replies.append([content, [base64.b64encode(part).decode("ascii") for part in buffers]])

    def to_quak(message: dict[str, Any]) -> list[Any]:
        replies.clear()
        table._handle_custom_msg(message, [])
        return list(replies)

    monkeypatch.setattr(table, "send", send)
    page = watched.page
    page.expose_function("toQuak", to_quak)
    page.expose_function("setTrait", lambda name, value: setattr(table, name, value))
    place = {"id": "quak", "className": " ".join(table._dom_classes)}
    page.evaluate("place => document.body.prepend(Object.assign(document.createElement('div'), place))", place)
    traits = {"_table_name": table._table_name, "_columns": list(table._columns), "sql": table.sql}
    page.evaluate(QUAK, [str(table._esm), traits])
    return page
