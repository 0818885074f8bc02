"""A first look at the source that takes seconds, however large it is: files are counted, some headers are read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
from pydicom.tag import Tag

from chorus_nb.dicom.charsets import CHARACTER_SET, declared_charset
from chorus_nb.dicom.survey import Header, NotDicom
from chorus_nb.explore.values import text_of
from chorus_nb.mapping.coverage import PAIR
from chorus_nb.source import Source, SourceFile

MOST_COUNTED = 50_000  # files
MOST_OPENED = 200  # of them, at even distances
TO_START = 20  # files of which one that is DICOM is enough for a run to start
LIMIT = 5.0  # seconds for the counting, and for the opening
PROBED = [Tag(keyword) for keyword in (*PAIR, "StudyDate")]


class SourceSample(NamedTuple):
    """What was seen: ``more`` if files were left uncounted; ``problems`` are files that cannot be opened.

    ``pairs`` are the patients and accessions of the ``dicom`` files among the ``opened``, ``years`` those of their
    studies: first and last, "" if none has a date.
    """

    files: int
    more: bool
    problems: int
    opened: int
    dicom: int
    pairs: pd.DataFrame
    years: tuple[str, str]


def sample_source(source: Source, most: int = MOST_COUNTED) -> SourceSample:
    """Count and open; where none that was opened is DICOM, all files are gone through until one is found."""
    found, more = _counted(source, most)
    readable = [file for file in found if not file.problem]
    opened = list(_headers(source, readable[:: max(1, len(readable) // MOST_OPENED)][:MOST_OPENED]))
    headers = [header for header in opened if header is not None]
    if not headers:
        rest = (_header(source, file) for file in source.find() if not file.problem)
        headers = [first] if (first := next((header for header in rest if header is not None), None)) else []
    pairs = pd.DataFrame([header[:2] for header in headers], columns=PAIR, dtype=str).drop_duplicates()
    years = sorted({date[:4] for _, _, date in headers if date[:4].isdecimal()} or {""})
    problems = len(found) - len(readable)
    return SourceSample(len(found), more, problems, len(opened), len(headers), pairs, (years[0], years[-1]))


def _counted(source: Source, most: int) -> tuple[list[SourceFile], bool]:
    found: list[SourceFile] = []
    end = time.monotonic() + LIMIT
    for file in source.find():
        if len(found) >= most or (found and time.monotonic() > end):
            return found, True
        found.append(file)
    return found, False


_Header = tuple[str, str, str]
"""Patient, accession and date of the study; "" what is not there."""


def _headers(source: Source, files: list[SourceFile]) -> Iterator[_Header | None]:
    end = time.monotonic() + LIMIT
    for file in files:
        yield _header(source, file)
        if time.monotonic() > end:
            return


def _header(source: Source, file: SourceFile) -> _Header | None:
    """Of a file that begins as DICOM does, read as 01 reads it: in bounds, whatever stands in it; ``None`` of any
    other."""
    try:
        with source.open(file.source_path) as opened:
            header = Header(opened, file.size, ends_asked=False)
    except (NotDicom, OSError):
        return None
    except Exception:  # whatever the damage leads to: 01 tells it
        return "", "", ""
    found = {tag: (value, vr) for (_, tag, creator, vr), value, _ in header.elements if not creator}
    codecs = declared_charset(text_of(*found.get(CHARACTER_SET, (b"", "CS"))))
    patient, accession, date = (text_of(*found.get(tag, (b"", "LO")), codecs) for tag in PROBED)
    return patient, accession, date
