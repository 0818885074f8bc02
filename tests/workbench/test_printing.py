"""One PDF of what may be shared: printed offline, the same bytes again, no path of the machine in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chorus_nb.errors import WorkbenchError
from chorus_nb.workbench import printing
from chorus_nb.workbench.commands import main
from chorus_nb.workspace import Workspace
from tests.browsing import executable
from tests.conftest import parameter_file


@pytest.fixture
def reports(workspace: Workspace) -> Workspace:
    """An index and one report that may be shared."""
    page = '<html><body><a href="{}">there</a> <a href="#a">here</a> <h1 id="a">{}</h1></body></html>'
    (workspace.reports_audit / "index.html").write_text(page.format("03_run_deid.html", "Index"))
    (workspace.reports_audit / "03_run_deid.html").write_text(page.format("../../local/x.html", "Run"))
    return workspace


def test_links_lead_within_the_pdf_or_nowhere(reports: Workspace) -> None:
    index, run = (reports.reports_audit / f"{name}.html" for name in ("index", "03_run_deid"))
    assert re.findall('href="([^"]*)"', printing._body(index, {"03_run_deid"})[1]) == ["#03_run_deid", "#index-a"]
    assert re.findall('href="([^"]*)"', printing._body(run, {"index"})[1]) == ["#03_run_deid-a"]
    assert 'id="index-a"' in printing._body(index, set())[1]


def test_times_of_a_pdf_are_noughts_of_the_same_length() -> None:
    made = b"<</CreationDate (D:20261126154904+01'00')\n/ID [<0aF1> <0aF1>]>> 20261126"
    assert printing._TIMES.sub(printing._timeless, made) == (
        b"<</CreationDate (D:00000000000000+00'00')\n/ID [<0000> <0000>]>> 20261126"
    )


def test_without_a_browser_it_is_said(reports: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(WorkbenchError, match="no Chromium was found"):
        printing.print_shareable(reports)


@pytest.mark.skipif(executable() is None, reason="no Chromium here")
def test_the_same_reports_are_printed_to_the_same_bytes(reports: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pdf", parameter_file(reports)]) == 0
    made = Path(capsys.readouterr().out.strip())
    first = made.read_bytes()
    assert first.startswith(b"%PDF") and made.is_relative_to(reports.local)
    made.unlink()
    assert printing.print_shareable(reports).read_bytes() == first
    assert str(reports.root).encode() not in first and b"file:" not in first
    assert not [path for path in Path(reports.local).iterdir() if path.name.startswith("tmp")]
