"""What the SOPs of CHoRUS name, as data: which OMOP tables may be delivered, and which of their columns need consent.

Apart from :mod:`chorus_nb.standards`, because parameters and paths rest on it: a new edition of a table of the Standard
must not make every remembered result anew.
"""

from __future__ import annotations

import csv
import importlib
from functools import cache
from pathlib import Path


@cache
def omop_deliverable() -> frozenset[str]:
    """The 13 OMOP tables that the Data-Upload SOP names."""
    return frozenset(table for table, _, rule in _delivery() if rule == "delivered")


@cache
def omop_consent() -> frozenset[str]:
    """Columns of them, as ``table.column``, that go only with the site's consent: free text, keys, devices."""
    return frozenset(f"{table}.{column}" for table, column, rule in _delivery() if rule == "consent")


def _delivery() -> list[tuple[str, str, str]]:
    with Path(__file__).with_name("omop_delivery.csv").open(encoding="utf-8", newline="") as file:
        return [(row["table"], row["column"], row["rule"]) for row in csv.DictReader(file)]


def kinds_that_go(kinds: list[str]) -> list[str]:
    """``kinds`` as they are; :class:`ValueError` for a word that no image is released by.

    The lists are brought by name: no result rests on those by which a parameter is refused (chorus_nb.memory).
    """
    return list(importlib.import_module("chorus_nb.standards").released_kinds(kinds))
