"""What a line of text in a picture tells of a person: the detector's tiers and the verifier's second look, one list.

``tells``: ``both`` sides say so, ``03`` alone (the verifier reads with another program, and less surely), or ``no``.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from pydicom import Dataset

from chorus_nb.identity import pictures
from chorus_nb.identity.words import known_words
from chorus_nb.leaks.terms import of_name
from chorus_nb.pixels.numbers import measures
from chorus_nb.pixels.tiers import tier
from chorus_nb.verify.second_look import identifier_in

ROWS = list(csv.DictReader((Path(__file__).parent / "pictures" / "lines.csv").open(encoding="utf-8")))
every_line = pytest.mark.parametrize("row", ROWS, ids=[f"{row['text']} {row['identifier']}".strip() for row in ROWS])


@every_line
def test_a_line_is_harmless_by_its_meaning_not_by_its_shape(row: dict[str, str]) -> None:
    header = Dataset()
    header.PatientName = row["identifier"]
    told = tier(row["text"], pictures.header_match(row["text"], pictures.words_of_header(header)))
    assert (told[0] == "low") == (row["tells"] == "no"), told
    if row["kind"] in ("age", "month and year", "telephone") and row["tells"] != "no":
        assert told[0] == "high", told  # no decision on a device lets it pass


@every_line
def test_the_second_look_says_the_same_of_what_both_know(row: dict[str, str]) -> None:
    said = identifier_in(row["text"], of_name(row["identifier"]))
    if row["tells"] != "03":
        assert (said is None) == (row["tells"] == "no"), said


def test_a_word_that_makes_a_number_harmless_is_a_technical_word() -> None:
    assert {word for word in measures() if word.isalpha()} <= known_words("pictures")


def test_initials_of_operators_are_whole_words() -> None:
    header = Dataset()
    header.OperatorsName = ["Quill^Jane^May", "Petri^Ada"]
    known = pictures.words_of_header(header)
    assert pictures.header_match("R JQ", known) == "OperatorsName"
    assert pictures.header_match("JMQ 14:32", known) == "OperatorsName"
    assert pictures.header_match("JQX", known) == ""
    assert pictures.header_match("AP", known) == ""  # Ada Petri's, and on every chest
