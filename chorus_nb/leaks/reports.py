"""Proves that a report which may be shared shows no original value: the values of this run are searched for in it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from itertools import islice

import ahocorasick
import duckdb

from chorus_nb import tables
from chorus_nb.deid import crosswalk
from chorus_nb.workspace import Workspace

IDENTIFIERS = ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
SHORTEST = 4  # a shorter identifier, such as "12", equals a count sooner or later; its kind is still never shown
BATCH = 100_000  # identifiers searched for at once: memory stays flat for any number of files


def search(workspace: Workspace, pages: dict[str, str]) -> tuple[int, list[str]]:
    """How many original values were searched for in ``pages`` (name -> HTML), and the pages that hold one."""
    texts = {name: _readable(page) for name, page in pages.items()}
    searched, leaking = 0, set()
    values = _original_values(workspace)
    while batch := list(islice(values, BATCH)):
        automaton = ahocorasick.Automaton()
        for value in batch:
            automaton.add_word(value, len(value))
        automaton.make_automaton()
        searched += len(batch)
        for name, text in texts.items():
            if any(_whole(text, end, length) for end, length in automaton.iter(text)):
                leaking.add(name)
    return searched, sorted(leaking)


def _original_values(workspace: Workspace) -> Iterator[str]:
    """Identifiers of the catalog, and the person names of the crosswalk in the ways people write them."""
    if not workspace.has(tables.CATALOG):
        return
    catalog = str(workspace.path(tables.CATALOG))
    with duckdb.connect() as connection:
        for column in IDENTIFIERS:
            values = connection.execute(f'SELECT DISTINCT upper("{column}") FROM read_parquet(?)', [catalog])
            while rows := values.fetchmany(BATCH):
                yield from _long_enough(part for (joined,) in rows for part in joined.split("\\"))
    for name in crosswalk.query(workspace, "vr = 'PN'")["original"].str.upper().unique():
        yield from _long_enough(_written(name))


def _written(name: str) -> Iterator[str]:
    """A person name as in the header, and as people write it."""
    yield name
    family, _, given = name.rstrip("^").partition("^")
    given = given.replace("^", " ").strip()
    if given:
        yield from (f"{family} {given}", f"{family}, {given}", f"{given} {family}")


def _long_enough(values: Iterable[str]) -> Iterator[str]:
    return (value.strip() for value in values if len(value.strip()) >= SHORTEST)


def _readable(page: str) -> str:
    """The text of a page as a reader or a search would see it; pictures are left out."""
    without_pictures = re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]*", "", page)
    return html.unescape(re.sub(r"<style>.*?</style>", "", without_pictures, flags=re.DOTALL)).upper()


def _whole(text: str, end: int, length: int) -> bool:
    """The hit is not a part of a longer number or word."""
    before, after = text[max(end - length, 0) : end - length + 1], text[end + 1 : end + 2]
    return not before.isalnum() and not after.isalnum()
