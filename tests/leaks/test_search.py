"""The leak search: everything that identifies is found, chance is scored low."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chorus_nb.deid.text import Cleaner
from chorus_nb.identity.identifiers import Identifiers
from chorus_nb.leaks import search
from chorus_nb.leaks.files import pieces
from chorus_nb.leaks.search import MASK, Searcher
from chorus_nb.leaks.shapes import looks_like, text_shapes
from chorus_nb.leaks.terms import SearchTerm, date_forms, of_name, of_path, page_words

NAME = list(of_name("Brennan^Aoife Li^^Dr"))


def severities(terms: list[SearchTerm], content: bytes) -> list[str]:
    return [hit.severity for hit in Searcher(terms).search(content)]


@pytest.mark.parametrize(
    "text",
    ["Brennan, Aoife", "BRENNAN^AOIFE", "aoife brennan", "BRENNANAOIFE", "seen: brennan.", "x_Brennan_7", "Brennan7"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16-be"])
def test_a_name_is_found_in_any_order_case_and_encoding(text: str, encoding: str) -> None:
    assert "high" in severities(NAME, b"\x01\x02" + text.encode(encoding) + b"\x03\x04")


def test_a_name_in_the_character_set_of_the_file_is_found() -> None:
    searcher = Searcher(of_name("Люксембург^Роза"), ["ISO_IR 144"])
    assert [hit.severity for hit in searcher.search("xx ЛЮКСЕМБУРГ".encode("iso8859-5"))] == ["high"]


def test_a_name_inside_a_longer_word_is_not_a_name() -> None:
    assert severities(list(of_name("Elvis^Tan")), b"CT PELVIS WITH CONTRAST, standard") == []


def test_a_surname_that_is_a_word_of_the_standard_is_low_alone_and_high_with_the_given_name() -> None:
    name = list(of_name("Long^Keisha"))
    assert severities(name, b"long axis") == ["low"]
    assert severities(name, b"Long, Keisha") == ["high", "high"]


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("AXIAL 5MM", "low"),
        ("CT HEAD 2 VIEWS", "low"),
        ("AXIAL 50921", "high"),
        ("Quill 5MM", "high"),
        ("CT 123", "high"),
    ],
)
def test_an_order_that_is_technique_with_a_short_number_proves_nothing(order: str, found: str) -> None:
    assert severities([SearchTerm("identifier", order)], f"x {order} y".encode()) == [found]


@pytest.mark.parametrize(
    "text", ["CHEST ١٤/٠٣/٢٠١٩", "CHEST ٩٥Y", "CHEST ９５Y", "CHEST 95 лет", "CHEST 95 ετών", "CHEST ٩٥ سنة", "95歳"]
)
def test_days_and_ages_are_told_in_the_digits_and_words_of_any_script(text: str) -> None:
    assert any(severity == "high" for severity, _ in text_shapes(text))


def test_two_short_parts_are_a_name_only_together() -> None:
    name = list(of_name("Wu^Li"))
    assert severities(name, b"15 Li 3") == ["low"]
    assert severities(name, b"Wu Li") == ["high", "high"]


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("Da^Ta", b"counts of data elements", False),
        ("An^Lo", b"a plan-look at it", False),
        ("Ma^Re", b"Software Matplotlib", False),
        ("Ta^Bl", b"lookup tables", False),
        ("Ser^Ies", b"each series of it", False),
        ("ae^aeac", b",6aa28ae4aeac1ac8f6e8bc54c69e5a4b5,", False),
        ("ae^aeac", b"seen by ae4aeac today", True),
        ("Da^Ta", b"seen by Da Ta", True),
        ("Wu^Li", b"seen by WuLi", True),
        ("Wu^Li", b"x_wu-li_7", True),
        ("Brennan^Li", b"BRENNANLIMRI", True),
    ],
)
def test_short_parts_in_words_that_go_on_and_known_words_that_two_parts_give_are_no_name(
    name: str, content: bytes, found: bool
) -> None:
    assert ("high" in severities(list(of_name(name)), content)) is found


def test_two_words_of_a_long_technical_name_are_not_that_name() -> None:
    assert set(severities(list(of_name("Zzz_Test-QC-MRI^VIDA")), b"QC MRI CONTROL")) == {"low"}


@pytest.mark.parametrize("text", [b"id 4471982;", b"MRN4471982", b"_4471982_", b"4471982"])
def test_an_identifier_is_found_between_other_characters(text: bytes) -> None:
    assert severities([SearchTerm("identifier", "4471982")], text) == ["high"]


def test_what_begins_a_line_below_a_number_is_not_inside_a_digest() -> None:
    """``$`` stands before the last line feed, too: 19470309 and the day below it were taken for one hash."""
    assert severities([SearchTerm("date", "19470309")], b"4471902,19470301\n9 March 1947\n") == ["high"]


@pytest.mark.parametrize("text", [b"14471982", b"44719820", b"9f4471982ab01cd7"])
def test_an_identifier_inside_a_longer_number_or_a_digest_is_chance(text: bytes) -> None:
    assert severities([SearchTerm("identifier", "4471982")], text) == []


@pytest.mark.parametrize("form", date_forms(datetime.date(2024, 1, 31)))
def test_a_date_is_found_in_its_usual_forms(form: str) -> None:
    assert "high" in severities([SearchTerm("date", "20240131")], f"on {form}.".encode())


def test_what_is_found_is_masked_and_so_is_what_stands_beside_it() -> None:
    hits = Searcher([*NAME, SearchTerm("identifier", "4471982")]).search(b"pt Brennan, Aoife 4471982 CT")
    assert {hit.context for hit in hits} == {f"pt {MASK}, {MASK} {MASK} CT"}


def test_markup_of_a_report_is_no_name_but_what_it_says_is(tmp_path: Path) -> None:
    name = list(of_name("<img src=x>^Ö'Neil"))
    page = tmp_path / "report.html"
    page.write_text(
        '<html><head><meta content="img-src data:"></head><img alt="a chart" src="data:image/png;base64,AA">'
    )
    assert severities(name, b"".join(pieces(page))) == []
    page.write_text('<td>&lt;img src=x&gt; &Ouml;&#39;Neil</td><img alt="O\'Neil">')
    assert "high" in severities(name, b"".join(pieces(page)))


def test_a_public_key_names_nobody_also_not_mr_public_and_what_stands_beside_it_does(tmp_path: Path) -> None:
    body = "MCowBQYDK2VwAyEA" + "C+Brennan/t4K1RL/z8x9XNG979jM9YmNbIybDr4zaFpDj8"[:43] + "="
    key = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    file = tmp_path / "signing_key.pub"
    file.write_text(key)
    for name in (NAME, list(of_name("Public^Quentin"))):
        assert severities(name, b"".join(pieces(file))) == []
    for text in (
        key + "of Brennan\n",
        "of Brennan\n" + key,
        key.replace("VwAyEA", "VwByEA"),
        key.replace("=\n", "==\n"),
    ):
        file.write_text(text)
        assert "high" in severities(NAME, b"".join(pieces(file)))


def severities_in(file: Path) -> list[str]:
    terms = [*NAME, *of_name("Müller^Jörg")]
    return [severity for content in pieces(file, ours=False) for severity in severities(terms, content)]


@pytest.mark.parametrize(
    "cells",
    [
        [["CT"] * 2000 + ["Brennan"] + ["CT"] * 2000],
        [{"seen": [{"by": "Brennan"}]}],
        [b"seen by Brennan"],
        ["von Müller gesehen".encode("latin-1")],
        pa.array([b"Brennan "], pa.binary(8)),
        pa.array(["Brennan"]).dictionary_encode(),
        pa.array(["Brennan"], pa.large_string()),
    ],
    ids=["a long list", "records", "bytes", "bytes of Latin-1", "bytes of one length", "dictionary", "large"],
)
def test_a_name_in_a_column_of_any_kind_is_found(tmp_path: Path, cells: Any) -> None:
    file = tmp_path / "laid_here.parquet"
    pq.write_table(pa.table([pa.array(cells) if isinstance(cells, list) else cells], ["note"]), file)
    assert "high" in severities_in(file)


def test_a_name_in_what_pandas_takes_for_an_index_or_in_one_of_two_columns_of_a_name_is_found(tmp_path: Path) -> None:
    file = tmp_path / "laid_here.parquet"
    pd.DataFrame({"n": [1]}, index=pd.Index(["Brennan"], name="who")).to_parquet(file)
    assert "high" in severities_in(file)
    pq.write_table(pa.table([pa.array(["Brennan"]), pa.array(["nobody"])], ["who", "who"]), file)
    assert "high" in severities_in(file)


def test_letters_that_chance_puts_into_the_kept_schema_of_a_parquet_file_are_no_name_and_a_name_in_it_is_found(
    tmp_path: Path,
) -> None:
    file = tmp_path / "laid_here.parquet"
    field = pa.field("n", pa.string(), metadata={"note": "seen by Brennan"})
    pq.write_table(pa.table([["CT"]], pa.schema([field])), file)
    letters = pq.read_metadata(file).metadata[b"ARROW:schema"].decode().upper().encode()
    searched = b"".join(pieces(file))
    assert letters not in searched.upper() and searched.count(b"Brennan") == 2  # the field's, and the kept schema's


def test_a_path_gives_words_and_numbers_but_no_suffix() -> None:
    parts = {term.text for term in of_path("Brennan_77120034/a.zip!CT/IM00012.dcm")}
    assert parts == {"Brennan", "77120034", "00012"}


@pytest.mark.parametrize(("text", "named"), [("MR.KNEE", False), ("MS.Lesion", False), ("MR.SMITHSON", True)])
def test_a_modality_before_a_body_part_is_no_title(text: str, named: bool) -> None:
    assert named or not list(text_shapes(text))
    assert Cleaner(Identifiers(), lambda uid: uid).clean(text) == ("" if named else text)


@pytest.mark.parametrize("word", ["NONE", "REMOVED", "DICOM"])
def test_a_patient_called_as_the_page_says_itself_withholds_no_page(word: str) -> None:
    terms = [SearchTerm("identifier", word), SearchTerm("name", word, word)]
    searcher = Searcher(terms, words=page_words(), words_identify=True)
    assert not [hit for hit in searcher.search(b"none of the DICOM files was removed") if hit.severity == "high"]
    other = Searcher([SearchTerm("name", "SMITHSON", "SMITHSON")], words=page_words(), words_identify=True)
    assert [hit.severity for hit in other.search(b"file of Smithson")] == ["high"]


@pytest.mark.parametrize(
    ("kind", "said"), [("age above 89", "looks like an age above 89"), ("date", "looks like a date")]
)
def test_a_kind_of_identifier_has_its_article(kind: str, said: str) -> None:
    assert looks_like(kind) == said


SPELT = ("Brennan", "Łukasiewicz", "Иванова", "Иван Petrov", "山田太郎", "O’Néill", "4471982", "A\0B", "1985-03-14")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "iso8859-5", "iso8859-2"])
def test_what_holds_zeros_is_searched_as_with_every_spelling_at_once(encoding: str) -> None:
    """A term that is there only without the zeros between its letters is not there."""
    terms = [SearchTerm("identifier", text) for text in SPELT] + list(of_name("Иванова^Aoife"))
    searcher = Searcher(terms, ["ISO_IR 144", "ISO_IR 101"])
    whole = search._automaton_of(searcher.terms, range(len(searcher.terms)), searcher._sets, as_they_are=True)
    found = 0
    for text in (*SPELT, " ".join(SPELT), "nobody", "".join(SPELT)):
        written = text.encode(encoding, "replace")
        apart = bytes(byte for letter in written for byte in (letter, 0))
        for content in (written, b"\1\0\0" + written + b"\0", b"\0" + apart, written.replace(b"n", b"n\0"), apart * 2):
            hits = searcher.search(content)
            searcher._fit_for, fit = lambda _: whole, searcher._fit_for  # type: ignore[method-assign]
            assert hits == searcher.search(content)
            searcher._fit_for = fit  # type: ignore[method-assign]
            found += len(hits)
    assert found


@pytest.mark.parametrize(
    ("name", "content", "whose"),
    [
        ("Stir^Flair", b"T1|T2|STIR|FLAIR|DWI", False),  # words of technique, none of them a common name
        ("Stir^Flair", b"CHEST,,,,AXIAL FLAIR STIR", False),
        ("Chest^Axial", b"CHEST,,,,ORIGINAL\\PRIMARY\\AXIAL", False),
        ("Series^Study", b"the metadata of study and series", False),
        ("Frank^Stone", b"HEAD FRANK STONE", True),
        ("Stir^Vanderquill", b"STIR,VANDERQUILL", True),
    ],
)
def test_a_name_all_of_technique_closes_no_table(name: str, content: bytes, whose: bool) -> None:
    searcher = Searcher(of_name(name), words=page_words())
    assert any(hit.severity == "high" for hit in searcher.search(content)) == whose


WIDE = b" " * 70
PARTS = [
    b"",
    WIDE + b"seen by Aoife Brennan, again" + WIDE,
    WIDE + b"1.2.Brennan.3 and Keisha" + WIDE + "Brennan".encode("utf-16-le") + WIDE,
    b" " * 30 + b"Brennan" + WIDE,
    WIDE + b"id 471199" + b" " * 30,
    WIDE + b"very long",
    b"\0" * 128 + b"DICM",
    b"Brennan",
    b"Aoife",
    b"seen by Aoife Brennan, again",
    b"AOIFE" + b" " * 30,
    " \u4e2d Brennan".encode("utf-16-le"),
    b"Bren\0nan",
    b"4711",
    b"id 471199",
    b"99 of 471199",
    b"0123456789abcdef" * 4,
    b"471199" + b"abcdef" * 5,
    b"\n" * 70,
    b"long",
    b"Keisha",
    b"QnJlbm5hbiwgQW9pZmUgTGkg",
    b"4272656e6e616e2c20416f696665",
]


@pytest.mark.parametrize("at_once", [1, 40, 1 << 20])
def test_contents_that_are_searched_together_tell_what_each_tells_alone(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any beside any other: no name, number or digest goes on from one to the next."""
    monkeypatch.setattr(search, "SEARCHED_AT_ONCE", at_once)
    named = [*NAME, *of_name("Long^Keisha"), SearchTerm("identifier", "471199"), SearchTerm("identifier", "4711")]
    searcher = Searcher(named)
    contents = [one for first in PARTS for second in PARTS for one in (first, second)]
    alone = [searcher.search(content) for content in contents]
    assert list(searcher.search_each(iter(contents))) == alone
    assert sum(map(bool, alone)) > len(alone) // 2
    spelt = list(searcher.search_decoded(contents))
    assert spelt == [next(searcher.search_decoded([content])) for content in contents]
    assert sum(map(bool, spelt)) > 50
