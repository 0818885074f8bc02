"""Every form in which people write what identifies someone, as data for both sides (forms/*.csv).

``words``: forms of known words, and names that look like them. ``own``: what the header has, and a text that says it in
another way. ``others``: what no header tells. ``terms``: codes and short names of technique. ``gone`` are the parts
(``|`` between them) that must not remain, ``stays`` those that must. ``clinical`` texts stay as they are.
"""

from __future__ import annotations

import csv
import gzip
import re
import unicodedata
from functools import cache
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from chorus_nb.deid.text import Cleaner
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.identity.words import shipped
from chorus_nb.leaks.known import KnownWords
from chorus_nb.leaks.reading import Leaf
from chorus_nb.leaks.search import Searcher
from chorus_nb.leaks.shapes import text_shapes
from chorus_nb.leaks.spellings import day_pattern
from chorus_nb.leaks.terms import from_header, read_date
from chorus_nb.leaks.texts import identifier_shapes, is_written_text, severity_in, tells
from tests.conftest import SHARED

FOLDER = Path(__file__).parent / "forms"
KNOWN = KnownWords()
ENDINGS = ("", ".", ",", ")", ";", "]", ":")


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def each(name: str, column: str = "text") -> pytest.MarkDecorator:
    listed = rows(name)
    return pytest.mark.parametrize("row", listed, ids=[f"{row.get('kind', '')} {row[column]}" for row in listed])


def cleaner(row: dict[str, str]) -> Cleaner:
    return cleaner_of(row.get("identifier", ""), row.get("kind") == "name")


@cache
def cleaner_of(identifier: str, named: bool) -> Cleaner:
    own = frozenset([identifier] if identifier else [])
    return Cleaner(Identifiers(names=own if named else frozenset(), numbers=frozenset() if named else own), str)


def plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def ended(row: dict[str, str]) -> list[str]:
    """The text with each mark behind the identifier, wherever that ends with a letter or digit."""
    last = row["gone"].split("|")[-1]
    at = row["text"].rfind(last) + len(last)
    goes_on = at < len(row["text"]) and row["text"][at] != " "
    return [row["text"]] if goes_on else [row["text"][:at] + mark + row["text"][at:] for mark in ENDINGS]


@pytest.mark.skipif(not (SHARED / "data/descriptions").is_dir(), reason="real descriptions are not here")
def test_what_is_left_of_real_descriptions_looks_like_nobody_to_the_verifier() -> None:
    with gzip.open(SHARED / "data/descriptions/idc_descriptions.csv.gz", "rt", encoding="utf-8") as file:
        texts = sorted({row["description"] for row in csv.DictReader(file)})[::20]
    left = map(cleaner_of("", False).clean, [*texts, "Bind(1162/9/1..56)"])
    assert [text for text in left if text_shapes(text)] == []


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


def test_the_cleaner_leaves_clinical_words() -> None:
    texts = [row["text"] for row in rows("clinical")]
    assert {text: left for text in texts if (left := cleaner_of("", False).clean(text)) != text} == {}


@each("days", "value")
def test_a_day_of_the_patient_in_full_goes_from_what_a_maker_wrote(row: dict[str, str]) -> None:
    """And 04, which holds a file for it, has nothing to hold it for."""
    cleaned = Cleaner(Identifiers(numbers=frozenset([row["day"]])), str).without_own(row["value"])
    assert cleaned == row["left"]
    for keyword in ("SoftwareVersions", "Manufacturer", "ManufacturerModelName"):
        assert ("high" in found(released(keyword, row["value"]), kind="date", identifier=row["day"])) == (
            cleaned != row["value"]
        )
        assert "high" not in found(released(keyword, cleaned), kind="date", identifier=row["day"])


@each("terms", "value")
def test_where_codes_of_technique_stand_a_word_stays_because_it_is_known(row: dict[str, str]) -> None:
    """And 04, which holds a file for any other, has nothing to hold it for."""
    tag, value, left = tag_for_keyword(row["keyword"]), row["value"], row["left"]
    assert tag is not None and cleaner_of("", False).for_technique(tag, dictionary_VR(tag))(value) == left
    assert ("high" in found(released(row["keyword"], value))) == (left != value)
    assert "high" not in found(released(row["keyword"], left))


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


def test_both_sides_know_the_forms_of_a_word_and_no_name() -> None:
    listed = {row["word"]: row["known"] == "yes" for row in rows("words")}
    assert {word: shipped().unknown(word) == [] for word in listed} == listed
    assert {word: KNOWN.unknown(word) == () for word in listed} == listed


# --- the verifier -----------------------------------------------------------------------------------------------------


def released(keyword: str, value: str) -> Leaf:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return Leaf("", tag, dictionary_VR(tag), "", value.encode(), value)


def searched_for(kind: str = "", identifier: str = "") -> tuple[Searcher, list[re.Pattern[str]]]:
    """What 04 looks for of a patient in whose header ``identifier`` stands."""
    keyword = {"name": "PatientName", "date": "StudyDate", "number": "AccessionNumber"}.get(kind, "")
    terms = list(from_header([released(keyword, identifier)], keep_device=False)) if keyword else []
    days = (read_date(term.text) for term in terms if term.kind == "date")
    return Searcher(terms), [day_pattern(day) for day in days if day]


def found(leaf: Leaf, **patient: str) -> set[str]:
    """Severities of what the verifier finds in a released element."""
    searcher, days = searched_for(**patient)
    hits = [*searcher.search(leaf.value), *searcher.search_text(leaf.text)]
    told = tells(leaf, KNOWN, days) if is_written_text(leaf, {}) else ()
    return {severity_in(leaf, hit) for hit in hits} | {severity for severity, _ in (*told, *identifier_shapes(leaf))}


def of(row: dict[str, str]) -> dict[str, str]:
    return {"kind": row["kind"], "identifier": row["identifier"]}


@each("own")
def test_the_verifier_finds_the_patients_own_in_any_form(row: dict[str, str]) -> None:
    for text in ended(row):
        assert "high" in found(released("StudyDescription", text), **of(row))


@each("own")
def test_the_verifier_knows_the_patients_own_without_a_list_of_words(row: dict[str, str]) -> None:
    """As in a table, a report or the name of a file."""
    searcher, days = searched_for(**of(row))
    hits = [*searcher.search(row["text"].encode()), *searcher.search_text(row["text"])]
    assert {"high", "medium"} & {hit.severity for hit in hits} or any(day.search(row["text"]) for day in days)


@each("others")
def test_the_verifier_finds_what_tells_of_others(row: dict[str, str]) -> None:
    for text in ended(row):
        assert {"high", "medium"} & found(released("StudyDescription", text))


@pytest.mark.parametrize("name", ["own", "others"])
def test_the_verifier_passes_what_the_cleaner_left(name: str) -> None:
    """Else a description that was cleaned would cost its file."""
    stopped = {}
    for row in rows(name):
        left = cleaner(row).clean(row["text"])
        patient = {"kind": row["kind"], "identifier": row.get("identifier", "")}
        if "high" in found(released("StudyDescription", left), **patient):
            stopped[row["text"]] = left
    assert stopped == {}


def test_the_verifier_finds_nothing_in_clinical_words() -> None:
    texts = [row["text"] for row in rows("clinical")]
    assert {text: told for text in texts if (told := found(released("StudyDescription", text)))} == {}


@each("placeholders", "value")
def test_the_verifier_searches_for_no_placeholder(row: dict[str, str]) -> None:
    for keyword in ("PatientName", "PatientID", "StudyDate"):
        assert list(from_header([released(keyword, row["value"])], keep_device=False)) == []


@each("equipment", "value")
def test_a_value_of_equipment_or_geometry_is_never_grave(row: dict[str, str]) -> None:
    for kind in ("name", "number", "date"):
        assert not {"high"} & found(released(row["keyword"], row["value"]), kind=kind, identifier=row["identifier"])


@pytest.mark.parametrize("keyword", ["PhotometricInterpretation", "RotationDirection", "SpecificCharacterSet"])
def test_a_name_where_the_standard_lists_every_value_is_found(keyword: str) -> None:
    assert "high" in found(released(keyword, "BROWN"))
    assert found(released(keyword, "")) == set()
