"""What can be known to fail before the first kernel starts: no DICOM, unreadable lookup tables, an unfit dask."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom

from chorus_nb import source
from chorus_nb.errors import InputError
from chorus_nb.mapping import read_lookups
from chorus_nb.processes import dask
from chorus_nb.workspace import Workspace

TAGS = ["SOPClassUID"]


def check_inputs(workspace: Workspace) -> None:
    """:class:`InputError` if the source holds no DICOM, a lookup table lacks what it needs, or no worker can work."""
    lines: list[str] = []
    if not _holds_dicom(workspace):
        lines.append(f"source: no DICOM file found in {workspace.parameters.source}")
    for check in (lambda: read_lookups(workspace), lambda: dask.check(workspace.parameters)):
        try:
            check()
        except InputError as error:
            lines.extend(error.lines)
    if lines:
        raise InputError(*lines)


def _holds_dicom(workspace: Workspace) -> bool:
    """Looks until it finds one: with a preamble, or with a header that names a SOP class without one."""
    root = workspace.parameters.source_path
    return any(_is_dicom(root, found.source_path) for found in source.find(root) if not found.problem)


def _is_dicom(root: Path, source_path: str) -> bool:
    path, member = source.split(root, source_path)
    try:
        with io.BytesIO(source.read_bytes(root, source_path)) if member else open(path, "rb") as file:
            if file.read(132).endswith(b"DICM"):
                return True
            file.seek(0)
            return "SOPClassUID" in pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=TAGS)
    except Exception:  # whatever a stray file does to the parser, it is not the DICOM we look for
        return False
