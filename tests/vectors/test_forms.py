"""Every form in which people write what identifies someone, as data for both sides (forms/*.csv).

``own``: what the header has, and a text that says it in another way. ``others``: what no header tells. ``gone`` are the
parts (``|`` between them) that must not remain, ``stays`` those that must. ``clinical`` texts stay as they are.
"""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest

from chorus_nb.deid.text import Cleaner
from chorus_nb.identity.identifiers import Identifiers

FOLDER = Path(__file__).parent / "forms"
ENDINGS = ("", ".", ",", ")", ";", "]", ":")


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def each(name: str, column: str = "text") -> pytest.MarkDecorator:
    listed = rows(name)
    return pytest.mark.parametrize("row", listed, ids=[f"{row.get('kind', '')} {row[column]}" for row in listed])


def cleaner(row: dict[str, str]) -> Cleaner:
    own = frozenset([row["identifier"]] if row.get("identifier") else [])
    named = row.get("kind") == "name"
    return Cleaner(Identifiers(names=own if named else frozenset(), numbers=frozenset() if named else own), str)


def plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def ended(row: dict[str, str]) -> list[str]:
    """The text with each mark behind the identifier, wherever that ends with a letter or digit."""
    last = row["gone"].split("|")[-1]
    at = row["text"].rfind(last) + len(last)
    goes_on = at < len(row["text"]) and row["text"][at] != " "
    return [row["text"]] if goes_on else [row["text"][:at] + mark + row["text"][at:] for mark in ENDINGS]


@each("own")
def test_the_cleaner_takes_out_the_patients_own_in_any_form(row: dict[str, str]) -> None:
    for text in ended(row):
        cleaned = plain(cleaner(row).clean(text))
        assert [part for part in row["gone"].split("|") if plain(part) in cleaned] == []


@each("others")
def test_the_cleaner_takes_out_what_tells_of_others(row: dict[str, str]) -> None:
    for text in ended(row):
        cleaned = plain(cleaner(row).clean(text))
        assert [part for part in row["gone"].split("|") if plain(part) in cleaned] == []
        assert [part for part in row["stays"].split("|") if plain(part) not in cleaned] == []


@each("clinical")
def test_the_cleaner_leaves_clinical_words(row: dict[str, str]) -> None:
    assert cleaner(row).clean(row["text"]) == row["text"]


@each("placeholders", "value")
def test_a_placeholder_is_nobody(row: dict[str, str]) -> None:
    for kind in ("name", "number"):
        assert not cleaner({"kind": kind, "identifier": row["value"]}).finds_own(f"CT {row['value']} chest")


@pytest.mark.parametrize("name", ["own", "others"])
def test_every_form_says_what_must_go(name: str) -> None:
    assert [row["text"] for row in rows(name) for part in row["gone"].split("|") if part not in row["text"]] == []
    assert [
        row["text"] for row in rows(name) for part in row.get("stays", "").split("|") if part not in row["text"]
    ] == []


def test_the_forms_are_told_in_five_languages() -> None:
    languages: dict[str, set[str]] = {}
    for row in rows("others"):
        languages.setdefault(row["kind"], set()).add(row["language"])
    five = {"en", "de", "es", "fr", "pt"}
    assert {kind for kind, told in languages.items() if told == five} >= {"person", "frame", "address", "phone", "date"}
