"""How each device acquires: what its series say of the attributes of ``device_parameters.csv`` (notebook 05)."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from chorus_nb import tables
from chorus_nb.metadata.asking import metadata_tables
from chorus_nb.metadata.building import ACQUIRED_BY, SERIES_KEY
from chorus_nb.metadata.dictionary import possible_ranges, units_by_column
from chorus_nb.workspace import Workspace

DEVICES_SHOWN = 8  # of a modality, those with most series; all others are one
OTHER_DEVICES = "other devices"
TERMS_SHOWN = 3  # of texts, in a row of the table
SEVERAL = r"' \(\d+\)(;|$)'"  # in a cell of text where images differ (``building.MACROS``)
TOLD_OF = "modality, attribute, unit, device"
TO_DRAW = f"""
    WITH rounded AS (
        SELECT {TOLD_OF}, differ, possible, text, digits(low) AS low, digits(high) AS high,
               CASE WHEN NOT (differ AND possible) THEN digits(low) END AS apart
        FROM told WHERE low IS NOT NULL OR text <> '')
    SELECT {TOLD_OF}, differ, possible, text, min(low) AS low, max(high) AS high, count(*)::INT AS series
    FROM rounded GROUP BY {TOLD_OF}, differ, possible, text, apart ORDER BY ALL"""
BY_DEVICE = f"""
    WITH terms AS (
        SELECT {TOLD_OF}, text, count(*) AS times,
               row_number() OVER (PARTITION BY {TOLD_OF} ORDER BY count(*) DESC, text) AS place
        FROM told WHERE text <> '' GROUP BY {TOLD_OF}, text),
    most AS (
        SELECT {TOLD_OF}, string_agg(text || ' (' || times || ')', '; ' ORDER BY place) AS most_often
        FROM terms WHERE place <= {TERMS_SHOWN} GROUP BY {TOLD_OF})
    SELECT {TOLD_OF}, count(*)::INT AS series, count_if(low IS NULL AND text = '' AND NOT differ)::INT AS without,
           min(low) FILTER (possible) AS lowest, median(low) FILTER (possible AND NOT differ) AS median,
           max(high) FILTER (possible) AS highest, coalesce(most_often, '') AS most_often,
           count_if(differ)::INT AS differ, count_if(NOT possible)::INT AS impossible
    FROM told LEFT JOIN most USING ({TOLD_OF}) GROUP BY {TOLD_OF}, most_often ORDER BY {TOLD_OF}"""


def by_device(workspace: Workspace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What series say of each attribute, by modality and device: to draw, and as a table.

    To draw: ``low`` and ``high`` of numbers, to three digits, or the ``text``, and how many ``series`` say so; those
    whose images ``differ`` are one range; ``possible``: a device can have it (``units.csv``). The first of several
    values counts (of a spacing that of the rows).
    """
    with metadata_tables(workspace) as connection:
        connection.execute(
            "CREATE MACRO digits(n) AS CASE WHEN n = 0 THEN 0 ELSE round(n, 2 - floor(log10(abs(n)))::INT) END"
        )
        connection.execute(f"CREATE TABLE told AS {_told()}")
        return connection.sql(TO_DRAW).df(), connection.sql(BY_DEVICE).df()


def _told() -> str:
    """A row for each series and attribute: ``low``, ``high`` or ``text``, of which device, and whether it can be."""
    maker, model = (f"coalesce(nullif({name}, ''), 'not said')" for name in ("Manufacturer", "ManufacturerModelName"))
    asked = _asked()
    parts = [
        f"of_{modality} AS MATERIALIZED ({_of_modality(modality, attributes)})"
        for modality, attributes in asked.items()
    ]
    rows = " UNION ALL ".join(_said(modality, name) for modality, names in asked.items() for name in names)
    return f"""
        WITH named AS (SELECT *, {model} || ' · ' || {maker} AS named FROM series),
        ranked AS (
            SELECT Modality, named, row_number() OVER (PARTITION BY Modality ORDER BY count(*) DESC, named) AS place
            FROM named GROUP BY Modality, named),
        shown AS (
            SELECT named.*, CASE WHEN place <= {DEVICES_SHOWN} THEN named ELSE '{OTHER_DEVICES}' END AS device
            FROM named JOIN ranked USING (Modality, named)),
        {", ".join(parts)}
        SELECT *, coalesce(low >= least AND high <= most, true) AS possible FROM ({rows})"""


def _of_modality(modality: str, attributes: list[str]) -> str:
    """The series of a modality, with what was asked for of each."""
    columns = [column for name in attributes for column in _columns(modality, name)]
    [acquired] = [name for name, modalities in ACQUIRED_BY.items() if modality in modalities]
    return f"""
        SELECT device, {", ".join(columns)} FROM shown JOIN {acquired} USING ({SERIES_KEY})
        WHERE Modality = '{modality}'"""


def _columns(modality: str, attribute: str) -> list[str]:
    """The columns of an attribute: the least and the most of a number, a text itself."""
    [table] = [
        one
        for one in (tables.SERIES, *tables.ACQUIRED)
        if attribute in one.column_names and modality in ACQUIRED_BY.get(one.name, (modality,))
    ]
    ends = [f"{attribute}_min", f"{attribute}_max"]
    return ends if ends[0] in table.column_names else [attribute]


def _said(modality: str, attribute: str) -> str:
    """What each series of a modality says of an attribute."""
    least, most = possible_ranges().get(attribute, ("NULL", "NULL"))
    unit, columns = units_by_column().get(attribute, ""), _columns(modality, attribute)
    low, high, text, differ = columns[0], columns[-1], "''", f"{columns[0]} < {columns[-1]}"
    if len(columns) == 1:
        differ = f"regexp_matches({attribute}, {SEVERAL})"
        number = f"TRY_CAST(split_part({attribute}, '\\', 1) AS DOUBLE)" if unit else "NULL"
        low = high = f"CASE WHEN NOT {differ} THEN {number} END"
        text = "''" if unit else f"CASE WHEN {differ} THEN '' ELSE {attribute} END"
    return f"""
        SELECT '{modality}' AS modality, '{attribute}' AS attribute, '{unit}' AS unit, device, {low}::DOUBLE AS low,
               {high}::DOUBLE AS high, {text} AS text, coalesce({differ}, false) AS differ,
               {least}::DOUBLE AS least, {most}::DOUBLE AS most
        FROM of_{modality}"""


def _asked() -> dict[str, list[str]]:
    """The attributes that are asked for, by modality."""
    asked: dict[str, list[str]] = {}
    with Path(__file__).with_name("device_parameters.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            asked.setdefault(row["modality"], []).append(row["attribute"])
    return asked
