"""Years of birth that tell an age above 90 at something that is delivered: all of these are one category (Safe Harbor
3), so that PERSON says the year by which the person is 90 at the last of it, and no month, day or time of birth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from chorus_nb import tables
from chorus_nb.leaks.parts import csv_parts, number_in_cell
from chorus_nb.omop import cdm_fields
from chorus_nb.workspace import Workspace

PERSON_TABLE, BORN, OWNER = "person", "year_of_birth", "person_id"
OF_BIRTH = (BORN, "month_of_birth", "day_of_birth", "birth_datetime")
AGED = 90  # the category of all who are older than 89
LONGEST_LIFE = 125  # years: a date later than that after a birth is a fault, or stands for none (2999-12-31)


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
