"""Tiers: what a line of text tells about a person."""

from __future__ import annotations

import pytest

from chorus_nb.identity import pictures
from chorus_nb.pixels.tiers import is_noise, tier
from tests.pixels.images_with_text import image

WORDS = pictures.words_of_header(image(InstitutionName="St. Corbinian Klinikum", ReferringPhysicianName="Müller^Änne"))


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("ZIMMERWALD, OKTAVIA", "PatientName"),
        ("Z1MMERWALD", "PatientName"),  # I read as 1
        ("ZIMMFRWALD", "PatientName"),  # one letter wrong
        ("xxOKTAVIAZIMMERWALDxx", "PatientName"),  # the blanks were lost
        ("ID MR447I9O2", "PatientID"),
        ("Corbinian", "InstitutionName"),
        ("MULLER", "ReferringPhysicianName"),  # the accent was lost
        ("LIVER LONG", ""),
        ("MI 0.8", ""),
    ],
)
def test_text_is_matched_with_the_persons_own_header(text: str, keyword: str) -> None:
    assert pictures.header_match(text, WORDS) == keyword


@pytest.mark.parametrize(
    "text",
    [
        *("04/11/1957", "1957-11-04", "11.04.57", "4 NOV 1957", "01/01/199", "Nov 4, 1957", "2O11-05-25"),
        *("12345678", "123 456 789", "MRN: 12", "Name", "D.O.B. unknown", "Patient", "General Hospital"),
    ],
)
def test_dates_long_numbers_and_labels_are_high(text: str) -> None:
    assert tier(text, "")[0] == "high"


@pytest.mark.parametrize(
    "text", ["MI 0.8", "TIS<0.4", "28Hz", "11cm", "W400 L40", "Im: 12/60", "120 kV", "LIVER LONG", "R"]
)
def test_technical_words_and_numbers_are_low(text: str) -> None:
    assert tier(text, "")[0] == "low"


@pytest.mark.parametrize("text", ["974", "QUERENGÄSSER", "Hallo Welt", "王小明", "Tue 14h Bed Qx"])
def test_what_is_not_understood_is_medium(text: str) -> None:
    assert tier(text, "")[0] == "medium"


@pytest.mark.parametrize("text", ["J. HEAD", "M.Long", "Stone, K.", "BONE, M"])
def test_a_word_of_technique_with_an_initial_is_a_name(text: str) -> None:
    assert tier(text, "")[0] == "medium"


@pytest.mark.parametrize("text", ["L. HAND", "R. HIP", "HEAD, L", "HEAD L", "T1. LONG", "Head, 5"])
def test_sides_and_parts_are_no_initials(text: str) -> None:
    assert tier(text, "")[0] == "low"


def test_a_header_match_is_high_whatever_else_the_text_is() -> None:
    assert tier("GAIN", "PatientName") == ("high", "the header says it: PatientName")


def test_a_site_can_add_harmless_words() -> None:
    assert tier("QVANELUX", "")[0] == "medium"
    assert tier("QVANELUX", "", ["qvanelux"])[0] == "low"


def test_mosaics_and_single_characters_are_noise() -> None:
    assert is_noise("0OO0 O0") and is_noise("R") and is_noise("--")
    assert is_noise("9888*", mosaic=True)
    assert not is_noise("R2") and not is_noise("9888*") and not is_noise("R2", mosaic=True)
