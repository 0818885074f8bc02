"""The consortium's upload tool as its source shows it to behave, written anew for the tests: it is on no package index.

A journal (SQLite) has a row for each state of a file: path, size, time, MD5, version. ``journal update`` compares the
site's folder with it, ``file list`` says what would go, ``file upload`` copies that into a folder named by the version,
``file mark_as_deleted`` ends rows. What central has is what the rows that did not end name. Two of its faults are
played too: it knows only the last page of what it found as *found*, and a file of the same time and another size is
neither kept nor taken.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sqlite3
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

FIELDS = {"patient_id": r"\w+", "filepath": r".+"}


class Tool:
    """The tool with a configuration; ``container`` is a folder in place of the one in the cloud."""

    def __init__(self, config: Path, container: Path, page: int = 1000) -> None:
        said = tomllib.loads(config.read_text(encoding="utf-8"))
        self.container, self.page, self.site = container, page, said["site_path"]
        self.mode = said["journal"]["journaling_mode"]
        named = said["configuration"]["supported_modalities"].split(",")
        self.modalities = [*named, *({"Metadata"} - set(named))]
        journal = Path(said["journal"]["local"]["path"])
        journal.parent.mkdir(parents=True, exist_ok=True)
        self.journal = sqlite3.connect(journal, isolation_level=None)
        self.journal.execute(
            "create table if not exists journal (id integer primary key, path, modality, time, size, md5, version,"
            " ended, uploaded)"
        )

    def update(self, version: str) -> None:
        """What changed in the site's folder since the journal knew it."""
        for modality in self.modalities:
            self._update(modality, version)

    def _update(self, modality: str, version: str) -> None:
        known: dict[str, list[tuple[int, int, int, str, str, str]]] = {}
        rows = "select path, id, time, size, md5, version, uploaded from journal where ended is null and modality = ?"
        for path, *row in self.journal.execute(rows, (modality,)):
            known.setdefault(path, []).append(tuple(row))
        found, root = self._found(modality), Path(self.site["default"]["path"])
        last_page: list[str] = []
        for start in range(0, len(found), self.page):
            last_page = found[start : start + self.page]
            for path in last_page:
                status = (root / path).stat()
                time, size = status.st_mtime_ns // 1000, status.st_size
                if len(before := known.get(path, [])) > 1:
                    continue  # the journal contradicts itself: nothing is done
                if before and before[0][1] == time:
                    if before[0][2] == size:
                        del known[path]
                    continue
                md5 = hashlib.md5((root / path).read_bytes()).hexdigest()
                same = bool(before) and before[0][2:4] == (size, md5)
                old = before[0][4:] if same else (version, None)
                self.journal.execute(
                    "insert into journal (path, modality, time, size, md5, version, uploaded) values (?,?,?,?,?,?,?)",
                    (path, modality, time, size, md5, *old),
                )
        for path, before in known.items():
            if path in last_page or self.mode == "full":
                self.journal.executemany("update journal set ended = 1 where id = ?", [row[:1] for row in before])

    def _found(self, modality: str) -> list[str]:
        pattern = re.escape(self.site[modality]["pattern"])
        for name, what in FIELDS.items():
            pattern = re.sub(rf"\\{{{name}(:w)?\\}}", lambda _, what=what: what, pattern)
        root = Path(self.site["default"]["path"])
        paths = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file())
        return [path for path in paths if re.fullmatch(pattern, path, re.ASCII)]

    def listed(self) -> dict[str, set[str]]:
        """By modality what would be sent."""
        return {modality: {path for path, _ in self._waiting(modality)} for modality in self.modalities}

    def _waiting(self, modality: str) -> list[tuple[str, str]]:
        rows = "select path, version from journal where ended is null and uploaded is null and modality = ?"
        return self.journal.execute(rows, (modality,)).fetchall()

    def upload(self) -> None:
        root = Path(self.site["default"]["path"])
        for modality in self.modalities:
            for path, version in self._waiting(modality):
                target = self.container / version / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / path, target)
                self.journal.execute("update journal set uploaded = 1 where path = ? and ended is null", (path,))

    def mark_as_deleted(self, paths: Iterable[str]) -> None:
        self.journal.executemany(
            "update journal set ended = 1 where ended is null and path = ?", ((path,) for path in paths)
        )

    def central(self) -> dict[str, bytes]:
        """What central takes for the site's data: the content of every path whose row did not end."""
        rows = self.journal.execute("select path, version from journal where ended is null order by id").fetchall()
        states = Counter(path for path, _ in rows)
        if twice := sorted(path for path, count in states.items() if count > 1):
            raise AssertionError(f"the journal has several states of {twice}")
        return {path: (self.container / version / path).read_bytes() for path, version in rows}


def main() -> None:
    """As a program: the commands and answers that the workbench asks of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-c", "--config", type=Path, required=True)
    parser.add_argument("noun", choices=["journal", "file"])
    parser.add_argument("verb", choices=["update", "list", "mark_as_deleted"])
    parser.add_argument("--version", default="")
    parser.add_argument("--file-list", type=Path)
    chosen = parser.parse_args()
    tool = Tool(chosen.config, Path("/nowhere"))
    if chosen.noun == "journal":
        tool.update(chosen.version)
        return
    if chosen.file_list:
        tool.mark_as_deleted(chosen.file_list.read_text().splitlines())
        return
    for modality, paths in tool.listed().items():
        if paths:
            root = tool.site["default"]["path"]
            print(f"{len(paths)} files for version:  {chosen.version}  root at  {root}  for  {modality}")
            print("\n".join(sorted(paths)))


if __name__ == "__main__":
    main()
