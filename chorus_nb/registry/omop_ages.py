"""Ages above 90 in OMOP tables: all of them are one category (Safe Harbor 3).

Where a year of birth tells one at something that is delivered, PERSON says the year by which the person is 90 at the
last of it, and no month, day or time of birth; where a measurement or an observation says one, it says 90.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from chorus_nb import tables
from chorus_nb.leaks.parts import csv_parts, number_in_cell, row_texts
from chorus_nb.omop import LONGEST_LIFE, cdm_fields
from chorus_nb.workspace import Workspace

PERSON_TABLE, BORN, OWNER = "person", "year_of_birth", "person_id"
OF_BIRTH = (BORN, "month_of_birth", "day_of_birth", "birth_datetime")
AGED = 90  # the category of all who are older than 89


SAYS_AGE = (
    r"(?i)^\s*(?:(?:patient(?:'?s)?|pt|actual|calculated|chronological|current|reported)[\s_.-]+)?age"
    r"(?:[\s_]*[(,:-]?[\s_]*(?:in[\s_]+)?(?:years?|yrs?|y)?[\s_)]*|[\s_]+(?:at|on)[\s_]+[\w\s]+)$|"
    r"^\s*(?:30525-0|21612-7|397669002|424144002)\s*$"  # LOINC, SNOMED CT
)
"""Source values that call a row an age; RE2 and Python read it alike."""
OTHER_UNIT = re.compile(r"(?i)mo|w(?:ee)?k|day|hour|min|^(?:d|h|hrs?)$")  # in which an age may be more than 90
AGED_COLUMNS = ("value_as_number", "value_as_string", "value_source_value")


def says_old_age(table: str, names: Sequence[str], part: pa.Table) -> bool:
    """Whether a row of a part of a table with these columns says an age above 90 as its value."""
    if (source := f"{table}_source_value") not in names or not {*AGED_COLUMNS} & {*names}:
        return False
    rows = part.filter(pc.match_substring_regex(part.column(list(names).index(source)), SAYS_AGE))
    return any(old_values(table, names, row.__getitem__) for row in row_texts(rows))


def old_values(table: str, names: Sequence[str], cell: Callable[[int], str]) -> dict[int, str]:
    """Of a row whose cell at a place ``cell`` gives: by place, 90 for each age above it, in years."""
    at = {name: place for place, name in enumerate(names)}
    if (source := f"{table}_source_value") not in at or not re.search(SAYS_AGE, cell(at[source])):
        return {}
    if "unit_source_value" in at and OTHER_UNIT.search(cell(at["unit_source_value"])):
        return {}
    ages = {at[name]: re.fullmatch(r"\s*(\d{2,3})(?:\.\d*)?\s*", cell(at[name])) for name in AGED_COLUMNS if name in at}
    return {place: str(AGED) for place, age in ages.items() if age and AGED < int(age[1]) <= LONGEST_LIFE}


class OldAges(NamedTuple):
    """The years that something delivered of a person, by ``person_id``, is dated in, and the last of any image."""

    years: Mapping[str, set[int]]
    last: int

    def year(self, person: str, born: str) -> str:
        """The year of birth that is delivered of a person; "" where it stays as it is."""
        if not (known := number_in_cell(born)):
            return ""
        lived = [year for year in self.years.get(person, ()) if year - int(known) <= LONGEST_LIFE]
        oldest = max(lived, default=self.last) - AGED
        return str(oldest) if int(known) < oldest else ""

    def of_birth(self, names: Sequence[str], cell: Callable[[int], str]) -> dict[int, str]:
        """Of a person whose cell at a place ``cell`` gives: by place, what the columns of birth say instead."""
        if OWNER not in names or BORN not in names:
            return {}
        year = self.year(number_in_cell(cell(names.index(OWNER))), cell(names.index(BORN)))
        places = [place for place, name in enumerate(names) if name in OF_BIRTH] if year else []
        return {place: year if names[place] == BORN else "" for place in places}


def tells_ages(workspace: Workspace) -> bool:
    """Whether PERSON goes without years of birth that the site shares as they are (``omop_columns``)."""
    parameters = workspace.parameters
    return PERSON_TABLE in parameters.omop_tables and f"{PERSON_TABLE}.{BORN}" not in parameters.omop_columns


def old_ages(workspace: Workspace, delivered: Mapping[str, Path]) -> OldAges:
    """By the images of the registry and the tables that are ``delivered``."""
    images = workspace.read(tables.IMAGE_REGISTRY, [OWNER, "datetime"])
    years: dict[str, set[int]] = defaultdict(set)
    of_images = images["datetime"].str[:4].astype("Int64")
    for person, year in zip(images[OWNER].astype("string"), of_images, strict=True):
        years[person].add(int(year))
    for name, path in delivered.items():
        for person, year in _years(name, path) if name != PERSON_TABLE else ():
            years[person].add(year)
    return OldAges(years, int(of_images.max()) if len(of_images) else 0)


def _years(table: str, path: Path) -> Iterator[tuple[str, int]]:
    """Each person of a table with each year of its dates; an end may be one that is not known yet, and is passed."""
    fields = cdm_fields(table)
    dated = fields.loc[fields["type"].isin(["date", "datetime"]) & ~fields["column"].str.contains("_end_"), "column"]
    for part in csv_parts(path):
        at = {name.strip().lower(): place for place, name in enumerate(part.column_names)}
        for name in dated if OWNER in at else ():
            if name in at:
                years = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(part.column(at[name])), 0, 4)
                pairs = pa.table({"person": part.column(at[OWNER]), "year": years}).group_by(["person", "year"])
                for row in pairs.aggregate([]).to_pylist():
                    if row["year"].isdigit():
                        yield number_in_cell(row["person"]), int(row["year"])


def delivered_births(workspace: Workspace) -> pd.DataFrame:
    """``person_id`` and ``year_of_birth`` as the release has them, where it has PERSON and its ages are asked for."""
    path, wanted = workspace.omop_out / f"{PERSON_TABLE}.csv", [OWNER, BORN]
    if not (tells_ages(workspace) and path.is_file()):
        return pd.DataFrame(columns=wanted, dtype="Int64")
    found = pd.read_csv(path, dtype=str, encoding="utf-8-sig", encoding_errors="replace", keep_default_na=False)
    found.columns = found.columns.str.strip().str.lower()
    numbers = found.reindex(columns=wanted).fillna("").map(number_in_cell).apply(pd.to_numeric, errors="coerce")
    return numbers.astype("Int64").drop_duplicates(OWNER)
