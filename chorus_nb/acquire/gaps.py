"""The cells that an expected study may end in, and the reasons for them, as data (``gaps.csv``)."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from chorus_nb import tables


@cache
def gaps() -> dict[str, dict[str, str]]:
    """The row of each code: kind (cell, fault, short, pull), meaning, what_to_do."""
    with Path(__file__).with_name("gaps.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}


CELLS = tuple(code for code, row in gaps().items() if row["kind"] == "cell")


def gap_meaning(code: str) -> str:
    """What a cell or reason says, in words; "" for none."""
    return gaps()[code]["meaning"] if code in gaps() else tables.REASON_MEANINGS.get(code, "")


def gap_remedy(code: str) -> str:
    """What a person can do about it."""
    return gaps()[code]["what_to_do"] if code in gaps() else tables.REMEDIES.get(code, "")
