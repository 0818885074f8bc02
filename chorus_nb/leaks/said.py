"""What pages, note and log say whoever they are about: it proves nothing alone that some patient is called so."""

from __future__ import annotations

import contextlib
import getpass
import glob
import json
import re
from collections.abc import Iterator
from pathlib import Path

from chorus_nb import layout, tables
from chorus_nb.leaks.known import words_for
from chorus_nb.leaks.terms import page_words
from chorus_nb.processes.queries import in_bounded_memory
from chorus_nb.workspace import Workspace

OWN_PARAMETERS = (
    *("site", "licence", "citation", "time_zone", "pacs", "pacs_aet", "pacs_port"),
    *("registry_url", "upload_url", "upload_container"),
)
"""What a site says of itself: its pages, note and log repeat it, and some patient is called like a hospital or town,
or has a port for a number."""
PRODUCTS = ("Manufacturer", "ManufacturerModelName")
LOGIN = re.compile(rb'"user": "((?:[^"\\]|\\.)*)"')  # in a line of the audit log
YEARS = frozenset(map(str, range(1900, 2100)))
LETTERS = r"[^\W\d_]{2,}"


def said_by_site(workspace: Workspace) -> frozenset[str]:
    """:func:`page_words`, years, what the site says of itself, who is at work, and its makers and products. Alone these
    prove nothing; beside another part of a name words do."""
    given = workspace.parameters.model_dump(include=set(OWN_PARAMETERS)).values()
    own = " ".join((*map(str, given), getpass.getuser(), *_logins(workspace.audit / layout.AUDIT_LOG)))
    products = " ".join(_products(workspace))
    said = (*re.findall(rf"{LETTERS}|\d+", own.lower()), *re.findall(LETTERS, products.lower()))
    return page_words() | YEARS | frozenset(said)


def _logins(log: Path) -> Iterator[str]:
    for login in set(LOGIN.findall(log.read_bytes())) if log.is_file() else ():
        with contextlib.suppress(ValueError):  # of a line that somebody changed; the check of the log tells it
            yield str(json.loads(b'"%s"' % login))


def _products(workspace: Workspace) -> list[str]:
    """Makers and models that stand in the headers of two patients and more, or with a word that is listed as such, so
    that they tell of none: some patient is called Vida, or Aspen, and the tables of a release say both."""
    if not workspace.has(tables.CATALOG):
        return []
    catalog = glob.escape(str(workspace.path(tables.CATALOG)))
    patients = "SELECT {0}, count(DISTINCT PatientID) FROM read_parquet(?) GROUP BY {0}"
    with in_bounded_memory() as connection:
        found = [row for name in PRODUCTS for row in connection.execute(patients.format(name), [catalog]).fetchall()]
    makers = words_for("makers")
    return [said for said, count in found if count > 1 or not makers.isdisjoint(re.findall(LETTERS, said.lower()))]
