"""Two sessions of JupyterLab as a person has them: what is decided is on disk, and what the next headless run does."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from chorus_nb import tables
from chorus_nb.parameters import Parameters
from chorus_nb.workbench.lab import prepare_copies, strip_outputs
from chorus_nb.workspace import Workspace
from tests.browsing import Watched
from tests.notebooks.finished_chain import ROOT, Chain, chorus_nb

TALL = {"width": 1280, "height": 14000}  # Lab keeps only the cells that are seen in the page


def test_outputs_are_stripped_whenever_a_notebook_is_saved() -> None:
    cell = {"cell_type": "code", "outputs": [{"output_type": "stream"}], "execution_count": 3, "source": "show(x)"}
    model = {"type": "notebook", "content": {"metadata": {"widgets": {}}, "cells": [cell, {"cell_type": "markdown"}]}}
    strip_outputs(model)
    assert cell["outputs"] == [] and cell["execution_count"] is None and cell["source"] == "show(x)"
    assert model["content"] == {"metadata": {}, "cells": [cell, {"cell_type": "markdown"}]}
    strip_outputs({"type": "file", "content": "text"})


def test_copies_hold_the_parameters_with_absolute_paths(workspace: Workspace) -> None:
    folder = prepare_copies(workspace)
    assert len(list(folder.glob("*.ipynb"))) == 7
    notebook = nbformat.read(folder / "01_explore_headers.ipynb", as_version=4)
    [injected] = [cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert f'source = "{workspace.parameters.source}"' in injected.source
    assert 'policy = "chorus"' in injected.source


@dataclass
class Lab:
    """A running ``chorus-nb lab`` on a copy of the finished chain."""

    file: Path
    workspace: Workspace
    url: str

    def open(self, watched: Watched, notebook: str) -> Any:
        """Open a notebook and run all its cells."""
        page = watched.page
        page.set_viewport_size(TALL)
        page.goto(self.url.replace("/lab?", f"/lab/tree/{notebook}.ipynb?reset&"))
        page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.context?.isReady", timeout=90_000)
        page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.ready")
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_selector(".chorus-panel", timeout=120_000)
        return page

    def saved(self, page: Any, notebook: str) -> nbformat.NotebookNode:
        page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        return nbformat.read(self.workspace.local / "lab" / f"{notebook}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def lab(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    scratch = shutil.ignore_patterns("scratch")  # sockets of processes that end may still stand there
    shutil.copytree(chain.workspace.root, folder / "workspace", copy_function=shutil.copy2, ignore=scratch)
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(chain.file.read_text()), "workspace": str(folder / "workspace")}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "chorus_nb",
        "lab",
        str(file),
        "--no-browser",
        "--port",
        str(port),
    ]
    log = folder / "lab.log"
    with open(log, "wb") as output:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--", "--LabApp.expose_app_in_browser=True"],
            cwd=ROOT,
            env={**os.environ, "JUPYTERHUB_USER": "ada"},  # the account of a container names nobody
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Lab(file, Workspace(Parameters.read(file)), _address(log))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _address(log: Path) -> str:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log.read_text(errors="replace")):
            return found[0]
        time.sleep(0.5)
    raise AssertionError("JupyterLab did not start")


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    page = Watched(browser)
    yield page
    page.close()
    assert (page.dialogs, page.outside) == ([], [])


def test_a_box_drawn_in_the_reviewer_is_redacted_by_the_next_headless_run(lab: Lab, watched: Watched) -> None:
    outcomes = lab.workspace.read(tables.OUTCOMES)
    held = set(outcomes.loc[outcomes["reason"] == "burned_in_text", "source_path"])
    page = lab.open(watched, "04_verify")
    panel = "document.querySelector('[aria-label=\"Image reviewer\"]')"
    page.wait_for_function(f"{panel}?.querySelectorAll('canvas')[1].height !== 150", timeout=60_000)
    area = page.locator("canvas.draw").bounding_box()
    page.mouse.move(area["x"] + area["width"] * 0.55, area["y"] + area["height"] * 0.55)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.65, area["y"] + area["height"] * 0.65)
    page.mouse.up()
    page.keyboard.press("r")
    page.wait_for_function(
        f"{panel}.querySelector('.status').textContent.startsWith('redact: written')", timeout=60_000
    )
    [decision] = lab.workspace.read(tables.IMAGE_DECISIONS).to_dict("records")
    assert decision["item"] in held and decision["decision"] == "redact"
    assert all(not cell.get("outputs") for cell in lab.saved(page, "04_verify").cells)
    done = chorus_nb("run", str(lab.file), "--only", "03")
    assert done.returncode == 0, done.stderr
    outcomes = lab.workspace.read(tables.OUTCOMES).set_index("source_path")
    row = outcomes.loc[decision["item"]]
    assert row["status"] == "released"
    assert row["pixel_digest_before"] != row["pixel_digest_after"]


def test_a_tag_overridden_in_the_plan_editor_holds_in_the_next_headless_run(lab: Lab, watched: Watched) -> None:
    page = lab.open(watched, "02_map_tags")
    page.get_by_label("Filter rows").wait_for(timeout=120_000)  # below the panel of words
    page.get_by_label("Filter rows").fill("StationName")
    page.get_by_label("Action for StationName").first.select_option("Z")
    page.get_by_label("Reason of the decision").fill("no one needs it")
    page.get_by_label("Tag plan editor").get_by_role("button", name="Decide").click()
    status = "document.querySelector('[aria-label=\"Tag plan editor\"] .status')"
    page.wait_for_function(f"{status}.textContent.startsWith('Written')", timeout=60_000)
    assert list(lab.workspace.read(tables.TAG_DECISIONS)["reason"]) == ["no one needs it"]
    assert all(not cell.get("outputs") for cell in lab.saved(page, "02_map_tags").cells)
    assert chorus_nb("run", str(lab.file), "--only", "02").returncode == 0
    plan = lab.workspace.read(tables.TAG_PLAN)
    assert "Z" in set(plan.loc[plan["keyword"] == "StationName", "action"])
