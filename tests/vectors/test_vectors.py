"""De-identifier and verifier share no code; they are held to the same texts here.

Each row: a text, the identifier as the header has it, and whether it is one there. Where it is, the cleaner takes it
out and the verifier finds it with grave severity; where it is not, the text stays as it is and nothing grave is found.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from chorus_nb.deid.text import Cleaner, cut_out, tidy
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.leaks.search import Searcher
from chorus_nb.leaks.terms import SearchTerm, of_name

FOLDER = Path(__file__).parent
ROWS = [
    (path.stem, row) for path in sorted(FOLDER.glob("*.csv")) for row in csv.DictReader(path.open(encoding="utf-8"))
]
every_row = pytest.mark.parametrize(("kind", "row"), ROWS, ids=[f"{kind}: {row['text']}" for kind, row in ROWS])


@every_row
def test_the_cleaner_finds_what_identifies_and_nothing_else(kind: str, row: dict[str, str]) -> None:
    own = frozenset([row["identifier"]])
    identifiers = Identifiers(names=own) if kind == "names" else Identifiers(numbers=own)
    cleaner = Cleaner(identifiers, lambda uid: uid)
    text, spans = row["text"], cleaner.own.spans(row["text"])
    if kind == "dates":  # no date stays, whoever's it is
        assert cleaner.clean(text) == (row["cleaned"] if row["identifies"] == "yes" else text)
        return
    assert bool(spans) == (row["identifies"] == "yes")
    if spans:
        left = tidy(cut_out(text, [(start, end, " ") for start, end in spans]))
        assert re.findall(r"\w+", left) == re.findall(r"\w+", row["cleaned"])
    assert not cleaner.finds_own(cleaner.clean(text))


@every_row
def test_the_verifier_finds_what_identifies_and_nothing_else(kind: str, row: dict[str, str]) -> None:
    single = {"dates": "date", "numbers": "identifier"}
    terms = of_name(row["identifier"]) if kind == "names" else [SearchTerm(single[kind], row["identifier"])]
    hits = Searcher(terms).search(row["text"].encode())
    assert any(hit.severity == "high" for hit in hits) == (row["identifies"] == "yes")


@pytest.mark.parametrize("kind", ["names", "dates", "numbers"])
def test_every_kind_has_texts_that_identify_and_texts_that_do_not(kind: str) -> None:
    assert {row["identifies"] for name, row in ROWS if name == kind} == {"yes", "no"}
