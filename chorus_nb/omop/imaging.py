"""Which procedures of OMOP are imaging, and of which modality: lists of codes and words, each row with its source."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from chorus_nb.errors import InputError
from chorus_nb.standards import loinc_map

IMAGING_LISTS = Path(__file__).with_name("imaging_codes.csv")
SITE_LISTS = "imaging_codes.csv"  # in the lookup folder, optional: rows of the site's own, asked first
LIST_FORMS = ("range", "pattern")


class ImagingCode(NamedTuple):
    """A row of a list: codes from ``first`` to ``last`` of a vocabulary, or a pattern; "" = no modality is said."""

    vocabulary: str
    form: str
    first: str
    last: str
    modality: str
    source: str

    def holds(self, text: str) -> bool:
        """Whether a code (or, of ``words``, a text) is on this row."""
        if self.form == "range":
            return len(text) == len(self.first) and self.first <= text <= self.last
        return bool(re.search(self.first, text) if self.vocabulary == "words" else re.fullmatch(self.first, text))


def imaging_codes(lookup: Path | None = None) -> tuple[ImagingCode, ...]:
    """The rows of the lists, those of the site's own first; the first that holds a code decides."""
    own = lookup / SITE_LISTS if lookup else None
    rows = _rows(own) if own and own.is_file() else ()
    return (*rows, *_rows(IMAGING_LISTS))


@cache
def _rows(path: Path) -> tuple[ImagingCode, ...]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if set(reader.fieldnames or ()) != set(ImagingCode._fields):
            raise InputError(f"lookup: {path.name} must have the columns {', '.join(ImagingCode._fields)}")
        rows = tuple(ImagingCode(**row) for row in reader)
    for number, row in enumerate(rows, 2):
        if row.form not in LIST_FORMS or not _is_pattern(row):
            raise InputError(f"lookup: {path.name} row {number}: form must be range or pattern, and the pattern valid")
    return rows


def _is_pattern(row: ImagingCode) -> bool:
    try:
        return bool(row.first and (row.form == "range" or re.compile(row.first)))
    except re.error:
        return False


def modalities_of(codes: Iterable[ImagingCode], concept_id: int, source_value: str) -> str | None:
    """Modalities of a procedure, joined by a blank, "" if only known to be imaging; ``None`` = no imaging.

    The source value is read as a code of every vocabulary and as words; a standard concept counts as OMOP's.
    """
    text = " ".join(source_value.upper().split())
    for row in codes:
        if row.holds(str(concept_id) if row.vocabulary == "OMOP" else text):
            return row.modality
    return _loinc_modalities().get(text)


@cache
def _loinc_modalities() -> dict[str, str]:
    """Modality of each LOINC code of MIDRC's map (standards/data/study_loinc.tsv)."""
    found: dict[str, set[str]] = {}
    for (modality, _), study in loinc_map().items():
        found.setdefault(study.code, set()).update(re.findall(r"\w+", modality))
    return {code: " ".join(sorted(modalities)) for code, modalities in found.items()}


def imaging_procedures(procedures: pd.DataFrame, lookup: Path | None = None) -> pd.DataFrame:
    """The rows of ``procedure_occurrence`` that are imaging, with ``modality``."""
    codes = imaging_codes(lookup)
    pairs = procedures[["procedure_concept_id", "procedure_source_value"]].fillna({"procedure_concept_id": 0})
    known = {
        pair: modalities_of(codes, int(pair[0]), str(pair[1]))
        for pair in pairs.drop_duplicates().itertuples(index=False, name=None)
    }
    modality = pd.Series([known[pair] for pair in pairs.itertuples(index=False, name=None)], procedures.index, object)
    return procedures[modality.notna()].assign(modality=modality.dropna())
