"""CTP lookup tables: ``keytype/value = replacement``, as Java properties or as CSV (facts: ctp.md §1.7)."""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from pathlib import Path

FARTHEST = 9  # replacements that refer to another key are followed this often


def text_of_script(path: Path) -> str:
    """A file that CTP reads: UTF-8, UTF-16 that says so, or else Latin-1, in which Java writes properties."""
    content = path.read_bytes()
    try:
        if content[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
            return content.decode("utf-16")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def properties(text: str) -> Iterator[tuple[int, str, str]]:
    """The entries of a Java properties file, with their line: continuation lines, escapes, comments."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        line = line.lstrip()
        if not line or line[0] in "#!":
            continue
        while re.search(r"(?<!\\)(\\\\)*\\$", line):
            line = line[:-1] + next(lines, (0, ""))[1].lstrip()
        match = re.match(r"((?:\\.|[^\\=:\s])*)\s*[=:]?\s*(.*)\Z", line, re.DOTALL)
        assert match  # every part of the pattern may be empty
        yield number, _unescaped(match[1]), _unescaped(match[2])


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match[1]
        return (
            chr(int(code[1:], 16)) if len(code) == 5 else {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}.get(code, code)
        )

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", plain, text)


def read_lookup(path: Path) -> Mapping[str, str]:
    """The table kept at ``path``. CTP loads no row of a CSV; here it works, one ``key,replacement`` a line."""
    text = text_of_script(path)
    if path.suffix.lower() == ".csv":
        return {row[0].strip(): row[1].strip() for row in csv.reader(text.splitlines()) if len(row) > 1}
    return {key.strip(): value.strip() for _, key, value in properties(text) if not key.startswith("..")}


def look_up(table: Mapping[str, str], key_type: str, value: str) -> str | None:
    """The replacement of ``value``; ``None`` = the table has none."""
    key = f"{key_type}/{value}".replace("\\", "")
    for _ in range(FARTHEST):
        found = table.get(key)
        if found is None or not found.startswith("@"):
            return found
        key = found[1:]
    return None
