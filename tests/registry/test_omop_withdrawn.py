"""Rows of who was withdrawn stay behind, however the site writes their numbers and its columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from chorus_nb.omop import read_omop
from chorus_nb.parameters import Parameters
from chorus_nb.registry.omop_withdrawn import WithdrawnRows, number_in
from chorus_nb.withdrawn import Withdrawn

WRITTEN = ["100000", "1e+05", "1E5", "+100000", "100000.0", "0100000", "1.00000E+5", "\xa0100000", " 100000\t"]


@pytest.mark.parametrize("written", WRITTEN)
def test_a_number_that_is_read_as_a_persons_is_theirs_when_they_withdraw(tmp_path: Path, written: str) -> None:
    """R writes 100000 as 1e+05."""
    (tmp_path / "death.csv").write_text(f'person_id,death_date\n"{written}",2020-01-01\n', encoding="utf-8")
    [person] = read_omop(Parameters.of({"omop": str(tmp_path)}), "death")["person_id"]
    assert person == 100000
    cells = [written.encode().decode("latin-1")]
    is_withdrawn = WithdrawnRows.of(Withdrawn(persons=frozenset({100000})), None).rule(["person_id"])
    assert is_withdrawn is not None and is_withdrawn(cells)


@pytest.mark.parametrize("written", ["", "none", "1.5", "1e", "1e999999999", "nan", "Infinity", "1_0.5"])
def test_what_is_no_whole_number_is_nobodys(written: str) -> None:
    assert number_in([written], 0) == ""


def test_notes_of_who_withdrew_are_known_behind_a_byte_order_mark(tmp_path: Path) -> None:
    """Excel writes one; note_nlp names its person not."""
    note = tmp_path / "note.csv"
    note.write_bytes(b"\xef\xbb\xbfnote_id,person_id\n7,1001\n8,1002\n")
    found = WithdrawnRows.of(Withdrawn(persons=frozenset({1001})), note)
    assert found.notes == {"7"}
