"""Names among other words in cells of OMOP tables: a patient's goes, an eponym that is a name, too, stays."""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd
import pytest

from chorus_nb import tables
from chorus_nb.leaks.cells import identifying_cells
from chorus_nb.leaks.files import of_csv, search_file, searchers
from chorus_nb.registry import build_omop
from chorus_nb.verify.tree_checks import _parts
from chorus_nb.workspace import Workspace
from tests.registry.test_omop_delivery import csv_of, released, row, with_patients, write

EPONYMS = ["Braden score 12", "Braden score 13", "Foley catheter", "Foley, 14 Fr"]


@pytest.fixture
def site(tmp_path: Path) -> Workspace:
    """Patients called as devices and scores are, too."""
    workspace = with_patients(tmp_path)
    terms = workspace.read(tables.SEARCH_TERMS)
    names = [("Braden", "Braden^Xu"), ("Foley", "Foley^Ines"), ("Ines", "Foley^Ines")]
    rows = [{"kind": "name", "text": part, "whole": whole} for part, whole in names]
    workspace.write(tables.SEARCH_TERMS, pd.concat([terms, pd.DataFrame(rows)], ignore_index=True))
    return workspace


def left(site: Workspace, cells: list[tuple[int, str, str]]) -> list[tuple[str, str]]:
    """Person, ``value_source_value`` and ``qualifier_source_value`` of a row each; what 05 delivers of the two."""
    rows = [
        row("observation")
        | {"observation_id": str(number), "person_id": str(person)}
        | {"value_source_value": first, "qualifier_source_value": second}
        for number, (person, first, second) in enumerate(cells, 1)
    ]
    write(site, "observation", csv_of(rows))
    build_omop(site)
    found = pd.read_csv(site.omop_out / "observation.csv", dtype=str, keep_default_na=False)
    return list(zip(found["value_source_value"], found["qualifier_source_value"], strict=True))


def closes_the_gate(site: Workspace, table: str = "observation") -> bool:
    content = released(site, table).encode()
    found = (search_file(one, f"OMOP/{table}.csv", of_csv(content)) for _, one in searchers(site))
    by_itself = identifying_cells(site, {table: functools.partial(_parts, site.omop_out / f"{table}.csv")})
    return any(severity == "high" for hits in found for _, _, severity in hits) or bool(by_itself[table])


@pytest.mark.parametrize("text", ["glucose Quellbrook", "pt Thessaly K", "Quellbrook's glucose", "QUELLBROOK, pt"])
def test_a_patients_name_among_words_goes(site: Workspace, text: str) -> None:
    assert left(site, [(501, text, "x"), (501, "glucose", "x"), (502, text, "x")]) == [
        ("", "x"),
        ("glucose", "x"),
        ("", "x"),
    ]
    assert not closes_the_gate(site)


def test_an_eponym_that_is_a_patients_name_stays_and_closes_no_gate(site: Workspace) -> None:
    cells = [(501 + number % 3, EPONYMS[number // 3], "x") for number in range(12)]
    assert left(site, cells) == [(text, "x") for _, text, _ in cells]
    assert not closes_the_gate(site)


def test_names_in_rows_below_each_other_are_no_full_name(site: Workspace) -> None:
    texts = [text for number in range(3) for text in (f"ch Foley {number}", f"Ines trial {number}")]
    empty = dict.fromkeys(("stop_reason", "condition_status_source_value"), "")
    rows = [
        row("condition_occurrence") | empty | {"person_id": str(person), "condition_source_value": text}
        for person in (501, 502, 503)
        for text in texts
    ]
    numbered = [one | {"condition_occurrence_id": str(number)} for number, one in enumerate(rows, 1)]
    write(site, "condition_occurrence", csv_of(numbered))
    build_omop(site)
    assert not closes_the_gate(site, "condition_occurrence")
    assert released(site, "condition_occurrence").count("Foley") == 9


def test_a_full_name_over_cells_of_a_row_goes(site: Workspace) -> None:
    cells = [(501 + number, f"Foley of {number}", "x") for number in range(3)]
    cells += [(501 + number, "x", f"with Ines {number}") for number in range(3)]
    assert left(site, [*cells, (501, "Foley of 1", "with Ines 2")])[-1] == ("", "")
    assert not closes_the_gate(site)


@pytest.mark.parametrize("text", ["seen by Jane Doe", "WELBY, MARCUS informed", "call John A. Smith", "José García"])
def test_a_full_name_of_nobody_here_goes_where_few_have_it(site: Workspace, text: str) -> None:
    assert left(site, [(501, text, "x"), (502, "Jackson Pratt drain", "x")])[0] == ("", "x")
    assert not closes_the_gate(site)


def test_an_eponym_of_two_names_that_many_have_stays(site: Workspace) -> None:
    texts = ["Jackson Pratt drain", "Jackson Pratt drain, left", "JACKSON PRATT"]
    assert left(site, [(person, text, "x") for person in (501, 502, 503) for text in texts]) == [
        (text, "x") for _ in range(3) for text in texts
    ]
