"""The pages of the repository as they lie, what they link to, a page of code for each room, and the demo's reports.

A hook of MkDocs (``mkdocs.yml``): pages stay where a reader of the repository finds them, beside what they are about.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\(([^)#\s]+)")
ROLE = re.compile(r":(?:class|data|func|meth|mod|attr):`~?(?=[^`]+`)")
EXAMPLE = re.compile(r"^(>>> .*(?:\n.+)*)", re.MULTILINE)  # up to an empty line
REPORTS = ROOT / "runs" / "demo" / "workspace" / "audit" / "reports"  # may be shared: no original value is in them
SHOWN = {
    "index": "All of them",
    "03_run_deid": "What became of every file",
    "05_build_registry": "Which rows describe the images in OMOP",
    "06_release": "What leaves the site, what changed, who signed",
    "selftest": "Which of the identifiers planted into copies of files were left",
}


def on_config(config: Any) -> Any:
    """The entries of the navigation that follow from the rooms."""
    for entry in config.nav:
        if "Rooms" in entry:
            entry["Rooms"] = [{page.parent.name: page.relative_to(ROOT).as_posix()} for page in _rooms()]
        if "Code" in entry:
            entry["Code"] = [{name: f"code/{name}.md"} for name in _packages()]
    return config


def on_files(files: Files, config: Any) -> Files:
    """All pages by their place in the repository, instead of those of ``docs/`` alone."""
    kept = [file for file in files if file.src_dir != config.docs_dir]
    pages = _pages()
    linked = {normpath(PurePosixPath(page).parent / link) for page in pages for link in _links(page)}
    wanted = sorted(pages | {place for place in linked if (ROOT / place).is_file()})
    kept += [File.generated(config, place, abs_src_path=str(ROOT / place)) for place in wanted]
    for name in _packages():
        kept.append(File.generated(config, f"code/{name}.md", content=f"# {name}\n\n::: chorus_nb.{name}\n"))
    reports = [name for name in SHOWN if (REPORTS / f"{name}.html").is_file()]
    for name in reports:
        path = REPORTS / f"{name}.html"
        kept.append(File.generated(config, f"gallery/{name}.html", abs_src_path=str(path)))
    kept.append(File.generated(config, "gallery.md", content=_gallery(reports)))
    return Files(kept)


class Docstrings(griffe.Extension):
    """Docstrings as Markdown: examples are code, a role is its text."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(r"```pycon\n\1\n```", ROLE.sub("`", obj.docstring.value))


def _pages() -> set[str]:
    command = ["git", "-C", str(ROOT), "ls-files", "*.md"]
    return {
        page
        for page in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        if not page.startswith(".")
    }


def _links(page: str) -> list[str]:
    return [link for link in LINK.findall((ROOT / page).read_text(encoding="utf-8")) if "://" not in link]


def _rooms() -> list[Path]:
    return sorted((ROOT / "chorus_nb").glob("*/README.md"))


def _packages() -> list[str]:
    folders = {path.parent.name for path in (ROOT / "chorus_nb").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "chorus_nb").glob("*.py")} - {"__init__", "__main__"}
    return sorted(folders | modules)


def _gallery(reports: list[str]) -> str:
    lines = ["# Reports of the demo", "", "All people in them are invented.", ""]
    lines += [f"* [{SHOWN[name]}](gallery/{name}.html) (`{name}`)" for name in reports]
    lines += [] if reports else ["None was there when these pages were built: `make demo`, then `make docs`."]
    lines += ["", "Pictures of the pages that stay at a site, of the same demo:", ""]
    for picture, what in (
        ("index", "All reports of a run"),
        ("series", "A series"),
        ("certificate", "The certificate"),
    ):
        lines += [f"![{what}](chorus_nb/workbench/images/{picture}.png)", ""]
    return "\n".join(lines) + "\n"
