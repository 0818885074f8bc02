"""One PDF of all reports that may be shared, printed by a Chromium on this machine that reaches no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from markupsafe import Markup

from chorus_nb.errors import NotReady, WorkbenchError
from chorus_nb.processes.programs import run_program
from chorus_nb.workbench.report import page_of
from chorus_nb.workbench.steps import SELFTEST, STEPS
from chorus_nb.workspace import Workspace, write_if_changed

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
OFFLINE = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)
PRINT_SECONDS = 300
PRINTED = "shareable_reports.pdf"  # below local/reports, until a notebook is run again
_TIMES = re.compile(rb"/(?:CreationDate|ModDate) \(D:([^)]*)\)|/ID \[([^\]]*)\]")


def print_shareable(workspace: Workspace) -> Path:
    """Print the index and the reports that may be shared, one after the other; the same reports give the same bytes.

    The PDF lies in ``local/reports``: it is made of pages that were searched, but nothing reads it again.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise WorkbenchError(
            "no Chromium was found on this machine: open the reports in a browser and print them there"
        )
    steps = [step.report(workspace) for step in (*STEPS, SELFTEST) if step.shareable]
    pages = [workspace.reports_audit / "index.html", *steps]
    pages = [page for page in pages if page.is_file()]
    if len(pages) < 2:
        raise NotReady("no report that may be shared is there yet: run the notebooks first")
    bodies = [_body(page, {page.stem for page in pages}) for page in pages]
    combined = page_of("print.html.j2", workspace.parameters.site, bodies=bodies)
    target = workspace.reports_local / PRINTED
    with TemporaryDirectory(dir=workspace.local) as folder:
        source, made = Path(folder) / "print.html", Path(folder) / "print.pdf"
        source.write_text(combined, encoding="utf-8")
        rights = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []  # the page holds no script
        command = [browser, *OFFLINE, *rights, f"--user-data-dir={folder}/profile", f"--print-to-pdf={made}"]
        try:
            run_program([*command, source.as_uri()], seconds=PRINT_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            raise WorkbenchError("Chromium could not print the reports") from None
        if not made.is_file():
            raise WorkbenchError("Chromium made no PDF of the reports")
        write_if_changed(target, _TIMES.sub(_timeless, made.read_bytes()))
    return target


def _body(page: Path, printed: Collection[str]) -> tuple[str, Markup]:
    """What stands between the tags of the body, with anchors of its own.

    A link to a page that is printed too leads there; others go, for they would name a folder of this machine.
    """
    text = re.sub(r"(?s).*<body>(.*)</body>.*", r"\1", page.read_text(encoding="utf-8"))
    text = re.sub(r'(?<= )(id="|href="#)', rf"\g<1>{page.stem}-", text)
    text = re.sub(r'(?<= )href="(\w+)\.html"', lambda link: f'href="#{link[1]}"' if link[1] in printed else "", text)
    return page.stem, Markup(re.sub(r' href="(?!#)[^"]*"', "", text))


def _timeless(found: re.Match[bytes]) -> bytes:
    """Noughts of the same length, so that the offsets of the PDF hold."""
    said = found[1] or found[2]
    return found[0].replace(said, re.sub(rb"[0-9A-Fa-f]", b"0", said))
