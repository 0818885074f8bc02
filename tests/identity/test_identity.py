"""What identifies a person: names folded and split in one way, known words that are no identifiers."""

from __future__ import annotations

import pickle
from typing import get_args

import pytest

from chorus_nb.errors import InputError
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.identity.names import fold, key, look_alike, parts_of_name, readings
from chorus_nb.identity.own import Matcher
from chorus_nb.identity.site_words import WORD_LOG, site_vocabulary
from chorus_nb.identity.word_forms import names_like_words
from chorus_nb.identity.words import (
    MODALITIES_LIKE_TITLES,
    Use,
    also_names,
    known_words,
    shipped,
    shipped_words,
    words_of_people,
)
from chorus_nb.standards import modality_words
from chorus_nb.workspace import Workspace


@pytest.mark.parametrize(
    ("one", "other"), [("MÜLLER", "müller"), ("Änne", "A\u0308nne"), ("Straße", "STRASSE"), ("É", "e")]
)
def test_case_accents_and_composition_do_not_make_another_name(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_modalities_that_are_written_like_titles_are_listed() -> None:
    alike = {word for word in modality_words() if fold(word) in words_of_people()}
    assert alike | {"RT"} == MODALITIES_LIKE_TITLES


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


def test_nobody_identified_is_found_nowhere() -> None:
    assert Matcher(Identifiers()).spans("CT Threlkeld 4471982") == ()
    assert Matcher(Identifiers(names=frozenset(["Chest^X", "ANONYMOUS"]))).spans("CT chest anonymous") == ()


def test_what_identifies_is_found_as_a_whole_word_only() -> None:
    matcher = Matcher(Identifiers(names=frozenset(["Elvis^Tan"]), numbers=frozenset(["0815"])))
    text = "Elvis pelvis 0815 10815 0.815 08.15"
    assert [text[start:end] for start, end in matcher.spans(text)] == ["Elvis", "0815"]


@pytest.mark.parametrize("use", get_args(Use))
def test_known_words_are_written_as_they_are_compared(use: Use) -> None:
    words = known_words(use)
    assert len(words) > 30
    assert all(word == word.casefold().strip() and "\n" not in word for word in words)


def test_two_known_words_written_together_are_known() -> None:
    assert shipped().knows("headneck")
    assert not shipped().knows("threlkeld")


@pytest.mark.parametrize(
    "name",
    [
        "Müller MUELLER muller Mu\u0308ller",
        "Gündüz GUENDUEZ gunduz",
        "O'Neil O’NEIL Oneil",
        "Łukasz Lukasz",
        "Øster Oster",
        "Weiß WEISS",
        "Ærø Aero",
        "Παπαδοπούλοσ ΠΑΠΑΔΟΠΟΥΛΟΣ παπαδοπούλος",
        "Яковлёв ЯКОВЛЕВ",
        "ひらた ヒラタ ﾋﾗﾀ",
        "Işık Isik",
    ],
)
def test_every_way_of_writing_a_name_has_one_key(name: str) -> None:
    assert len({key(written) for written in name.split()}) == 1


def test_letters_read_under_another_character_set_give_the_letters_that_were_meant() -> None:
    wrongly = "Громова".encode("cp1251").decode("latin-1")
    assert "Громова" in readings(wrongly)
    assert all(len(reading) == len(wrongly) for reading in readings(wrongly))


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("t1_mprage_sag_p2_iso AxT2FLAIR DWIb1000 HEADNECK NG tube", []),
        ("Ng chest", ["ng"]),
        ("Threlkeld, AXThrelkeld (Quellbrook).", ["threlkeld", "threlkeld", "quellbrook"]),
        ("McHead DeLong", ["head", "long"]),
        ("BLACKWELL", ["blackwell"]),
    ],
)
def test_words_are_known_because_they_are_listed(text: str, unknown: list[str]) -> None:
    assert [token.word for token in shipped().unknown(text)] == unknown


def test_a_site_approves_and_refuses_words_and_the_last_decision_counts(workspace: Workspace) -> None:
    for word, decision in (("Zorblit", "approve"), ("chest", "refuse"), ("Kwalx", "approve"), ("KWALX", "refuse")):
        WORD_LOG.append(workspace, "A. Reviewer", {"word": word, "decision": decision})
    site = site_vocabulary(workspace)
    assert [token.word for token in site.unknown("zorblit kwalx chest abdomen")] == ["kwalx", "chest"]
    assert pickle.loads(pickle.dumps(site)).unknown("zorblit chest")[0].word == "chest"
    with pytest.raises(InputError, match="one word"):
        WORD_LOG.append(workspace, "A. Reviewer", {"word": "two words", "decision": "approve"})


def test_the_vocabulary_knows_hardly_any_name() -> None:
    assert not {"garcia", "smith", "nguyen", "maria", "james", "jones", "osterhagen"} & shipped_words()
    assert also_names()["brown"] == also_names()["long"] == "common"
    assert not {"chambers", "whitehead"} & {word for word in names_like_words() if shipped().knows(word)}
