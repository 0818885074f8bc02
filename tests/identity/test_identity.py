"""What identifies a person: names folded and split in one way, known words that are no identifiers."""

from __future__ import annotations

import re

import pytest

from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.identity.names import fold, look_alike, parts_of_name
from chorus_nb.identity.words import Use, is_clinical, known_words


@pytest.mark.parametrize(
    ("one", "other"), [("MÜLLER", "müller"), ("Änne", "A\u0308nne"), ("Straße", "STRASSE"), ("É", "e")]
)
def test_case_accents_and_composition_do_not_make_another_name(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("printed", "read"), [("MÜLLER-8", "MUL1ER B"), ("OSLO", "05L0"), ("Zoe", "20e")])
def test_letters_that_are_read_for_one_another_look_alike(printed: str, read: str) -> None:
    assert look_alike(printed) == look_alike(read)


def test_a_name_in_any_dicom_form_gives_its_parts() -> None:
    assert parts_of_name("Yamada^Tarou=山田^太郎=やまだ^たろう") == [
        "Yamada",
        "Tarou",
        "山田",
        "太郎",
        "やまだ",
        "たろう",
    ]
    assert parts_of_name("Brennan, Aoife (Dr)\0") == ["Brennan", "Aoife", "Dr"]


def test_nobody_identified_has_no_pattern() -> None:
    assert Identifiers().pattern() is None
    assert Identifiers(names=frozenset(["Chest^X"])).pattern() is None


def test_what_identifies_is_found_as_a_whole_word_only() -> None:
    pattern = Identifiers(names=frozenset(["Elvis^Tan"]), numbers=frozenset(["0815"])).pattern()
    assert isinstance(pattern, re.Pattern)
    assert [found.group() for found in pattern.finditer("Elvis pelvis 0815 10815")] == ["Elvis", "0815"]


@pytest.mark.parametrize("use", ["descriptions", "makers", "abbreviations", "pictures", "labels"])
def test_known_words_are_written_as_they_are_compared(use: Use) -> None:
    words = known_words(use)
    assert len(words) > 40
    assert all(word == word.casefold().strip() and "\n" not in word for word in words)


def test_two_known_words_written_together_are_known() -> None:
    assert is_clinical("HEADNECK")
    assert not is_clinical("Threlkeld")
