"""Which paths the consortium's upload takes, so that nothing is skipped in silence (facts: chorus.md §0 item 6, §9)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from chorus_nb.errors import WorkbenchError

TAKEN = re.compile(r"(OMOP|Metadata|\w+/(Images|Waveforms))/.+", re.ASCII)
ALONGSIDE = ("image_registry.csv",)  # the copy at the top (Multimodal-Linkage SOP); the tool takes the one in Metadata/
COUNTED_ELSEWHERE = ("note", "omop", "wave")  # words by which central's report sorts files of a person
LONGEST_EXTENSION = 9


def release_files(release: Path) -> Iterator[str]:
    """The path below ``release/`` of every file, in order; links are refused, for they may lead out of the release."""
    for base, folders, names in os.walk(release):
        folders.sort()
        for name in sorted(names):
            path = Path(base, name)
            if path.is_symlink():
                raise WorkbenchError(f"{path.relative_to(release).as_posix()}: is a link; a release holds files only")
            yield path.relative_to(release).as_posix()


def refuse_what_would_be_skipped(release: Path) -> None:
    """Every file must be one that the consortium's tool uploads and that central counts as what it is."""
    lines = [f"{path}: {problem}" for path in release_files(release) if (problem := _problem(release, path))]
    if lines:
        more = [f"and {len(lines) - 20} more"] if len(lines) > 20 else []
        raise WorkbenchError(*lines[:20], *more)


def _problem(release: Path, path: str) -> str:
    if path in ALONGSIDE:
        return ""
    if not TAKEN.fullmatch(path):
        return "stands where the upload tool skips it; it takes OMOP/, Metadata/, <person_id>/Images/ and /Waveforms/"
    top, _, below = path.partition("/")
    if top not in ("OMOP", "Metadata"):
        below = below.partition("/")[2].lower()
        if word := next((word for word in COUNTED_ELSEWHERE if word in below), ""):
            return f"holds the word {word} below the person's folder; central would count it as something else"
        if not 1 <= len(Path(path).suffix[1:]) <= LONGEST_EXTENSION:
            return "has no file extension that central counts"
    return "" if (release / path).stat().st_size else "is empty; central does not count it"
