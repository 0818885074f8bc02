"""The numbers of a person are looked for only where a text has their letters and digits."""

from __future__ import annotations

import re

import pytest

from chorus_nb.identity import own
from chorus_nb.identity.identifiers import Identifiers, number_shapes
from chorus_nb.identity.own import Matcher

OWN = frozenset(("4471902", "A1234567", "20190314", "19481103", "MRN-00123", "K1234", "ß1234", "١٢٣٤٥٦٧", "sk9981"))
TEXTS = [
    f"{before}{number}{after}"
    for number in (
        *sorted(OWN), "4 471-902", "a 123.45/67", "123", "3/14", "14.03.", "14. 03.", "03-14", "mrn 123", "\u212a1234",
        "SS1234", "ſk9981", "1948_11_03", "1948\u00a011\u00a003", "ſk 99.81", "11/3",
    )
    for before in ("", "CT ", "é ", "1.", "b=")
    for after in ("", " mm", ".5", "x", "é", " 4471902")
]  # fmt: skip


def test_no_number_is_missed_because_others_were_not_looked_for() -> None:
    patterns = {shape.pattern for number in OWN for shape in number_shapes(number)}
    every = re.compile("|".join(sorted(patterns, key=lambda one: (-len(one), one))), re.IGNORECASE)
    matcher = Matcher(Identifiers(numbers=OWN))
    expected = {text: {found.span() for found in every.finditer(text)} for text in TEXTS}
    assert sum(map(bool, expected.values())) > len(TEXTS) / 3
    assert {text: {found.span() for found in matcher.numbers_in(text)} for text in TEXTS} == expected


def test_nothing_is_compiled_for_a_person_of_whom_no_text_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "_one_of", lambda patterns: pytest.fail("compiled"))
    matcher = Matcher(Identifiers(names=frozenset(("Quill^Ada",)), numbers=frozenset(("4471902", "20190314"))))
    assert matcher.spans("AX T2 FLAIR 5 mm 1024x768") == ()
