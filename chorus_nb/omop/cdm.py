"""What OMOP CDM 5.4 says of its tables and fields."""

from __future__ import annotations

import functools

import pandas as pd

from chorus_nb.standards import DATA

IMAGE_OCCURRENCE = "image_occurrence"  # read for its links, never released: central makes it, its paths may identify
PERSON_TABLE = "person"
VISIT_TABLE = "visit_occurrence"  # what decides which images are of interest
NEEDED = (PERSON_TABLE, VISIT_TABLE)  # without them no image is linked
LINKED = ("procedure_occurrence", IMAGE_OCCURRENCE)  # read by 01 where they are there
LARGEST_INTEGER = 2**31 - 1  # `integer` of the CDM and of the registry
LARGEST_EXACT = 2**53  # the central loader casts text -> float -> bigint: beyond it, ids are silently corrupted


@functools.cache
def cdm() -> pd.DataFrame:
    """The fields of OMOP CDM 5.4 and of MI-CDM's ``image_occurrence``: table, column, type, required (yes or no)."""
    with (DATA / "omop_cdm_5_4.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#", dtype=str)


@functools.cache
def cdm_fields(table: str) -> pd.DataFrame:
    """The fields of one CDM table, in the order in which it is loaded."""
    fields = cdm()[cdm()["table"] == table]
    if fields.empty:
        raise ValueError(f"{table} is not a table of OMOP CDM 5.4")
    return fields


def in_cdm_order(table: str, columns: list[str]) -> list[str]:
    """``columns``, whatever their capitals, as the CDM orders them; those it does not have come last."""
    order = {name: place for place, name in enumerate(cdm_fields(table)["column"])}
    return sorted(columns, key=lambda name: order.get(name.strip().lower(), len(order)))
