"""What can be known to fail before the first kernel starts: no DICOM, lookup or OMOP tables unfit, an unfit dask."""

from __future__ import annotations

import functools

import pydicom

from chorus_nb.errors import InputError
from chorus_nb.mapping import read_lookups
from chorus_nb.omop import require_omop
from chorus_nb.processes import dask
from chorus_nb.source import Source
from chorus_nb.workspace import Workspace

PROBED_TAGS = ["SOPClassUID"]


def check_inputs(workspace: Workspace) -> None:
    """:class:`InputError` if the source holds no DICOM, a table lacks what it needs, or no worker can work."""
    lines: list[str] = []
    source = workspace.source  # looked through until one is found
    if not any(_is_dicom(source, found.source_path) for found in source.find() if not found.problem):
        lines.append(f"source: no DICOM file found in {workspace.parameters.source}")
    lookups, omop = functools.partial(read_lookups, workspace), functools.partial(require_omop, workspace)
    for check in (lookups, omop, functools.partial(dask.check_cluster, workspace.parameters)):
        try:
            check()
        except InputError as error:
            lines.extend(error.lines)
    if lines:
        raise InputError(*lines)


def _is_dicom(source: Source, source_path: str) -> bool:
    """Whether a file has a preamble, or a header that names a SOP class without one."""
    try:
        with source.open(source_path) as file:
            if file.read(132).endswith(b"DICM"):
                return True
            file.seek(0)
            return "SOPClassUID" in pydicom.dcmread(
                file, force=True, stop_before_pixels=True, specific_tags=PROBED_TAGS
            )
    except Exception:  # whatever a stray file does to the parser, it is not the DICOM we look for
        return False
