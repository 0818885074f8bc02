"""Reports speak in words and in numbers that can be read: no bare code, no long number without separators."""

from __future__ import annotations

import csv
import html
import json
import re

import pytest

from chorus_nb.leaks.terms import page_words
from chorus_nb.parameters import Parameters
from chorus_nb.tables import REASON_MEANINGS
from tests.notebooks.finished_chain import ROOT, Chain
from tests.notebooks.test_told import (
    CERTIFICATE,
    HEADER,
    INDEXES,
    INPUTS,
    REPORTS,
    ROWS,
    TABLE,
    WRITTEN,
    cells,
    is_captioned,
    page_of,
    text_of,
)

PACKAGE = ROOT / "chorus_nb"
QUOTED = re.compile(r"<(?:code|pre|style|details class=.\w+.)\b.*?</(?:code|pre|style|details)>", re.S)
WITH_CODE = re.compile(r">([^<>]*) <small>(\w+)</small>")
# DICOM's keywords have DICOM's units
UNITS = re.compile(r"MB|bytes|kilobytes|seconds?\b|%|\(ml\)|of 1|[A-Z][a-z]+[A-Z]|KVP")
LONG = re.compile(r"(?<![\w.,/:-])\d{5,}(?![\w/:-]|\.\d)")


def codes() -> set[str]:
    """The codes of the package's lists that are no plain word."""
    columns = {"tables/reasons": "reason", "verify/checks": "check", "registry/omop_findings": "finding"}
    columns |= {"registry/checks": "check", "acquire/gaps": "code"}
    found = {
        row[column]
        for name, column in columns.items()
        for row in csv.DictReader((PACKAGE / f"{name}.csv").read_text("utf-8").splitlines())
    }
    found |= set(re.findall(r"^-- rule (\w+):", (PACKAGE / "explore" / "rules.sql").read_text("utf-8"), re.M))
    return {code for code in found if "_" in code} - set(Parameters.model_fields)


def spoken(page: str) -> str:
    """A page without code, parameters and the codes that stand small behind their words."""
    body = QUOTED.sub(" ", page.partition("<h2>Made with</h2>")[0])  # versions are names
    for meaning, code in WITH_CODE.findall(body):
        assert html.unescape(meaning) == REASON_MEANINGS[code], code
    return re.sub(r"<small>.*?</small>", " ", body)


def strangers(page: str) -> list[str]:
    """What a reader cannot read: bare codes, and long numbers in sentences and in columns of numbers."""
    body = spoken(page)
    words = re.findall(r"(?<![\w/.])[a-z]+(?:_[a-z]+)+(?![\w/.])", html.unescape(re.sub("<[^>]*>", " ", body)))
    found = [word for word in words if word in codes()]
    sentences = re.findall(r"<(?:p|li|dd|caption|h1)\b[^>]*>(.*?)</(?:p|li|dd|caption|h1)>", body, re.S)
    found += [number for said in sentences for number in LONG.findall(text_of(said))]
    for caption, heads, rows in TABLE.findall(body):
        names = cells(heads)
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", rows, re.S):
            sides = re.findall(r'<td style="text-align:(\w+)', row)
            for name, side, cell in zip(names, sides, cells(row), strict=True):
                if side == "right" and not name.endswith("_id") and LONG.search(cell):
                    found.append(cell)
                unit = dict(zip(names, cells(row), strict=True)).get("unit")
                if side == "right" and "." in cell and not (unit or UNITS.search(f"{name} {caption}")):
                    found.append(f"{name} {cell}")
    return found


@pytest.mark.parametrize("name", [*REPORTS, *INDEXES, CERTIFICATE])
def test_a_page_has_words_for_codes_and_numbers_that_can_be_read(chain: Chain, name: str) -> None:
    page = page_of(chain, name)
    assert strangers(page) == []
    for planted in ("held_by_verify", "Of 123456 files 2 are released"):
        assert strangers(page.replace("</h1>", f"</h1><p>{planted}</p>", 1)), planted


@pytest.mark.parametrize("name", REPORTS)
def test_no_table_of_a_report_is_told_twice(chain: Chain, name: str) -> None:
    bodies = [body for _, _, body in TABLE.findall(page_of(chain, name)) if body.count("<tr") > 1]
    assert len(set(bodies)) == len(bodies)
    captions = re.findall(r'<table class="chorus">(<caption>)?', page_of(chain, name))
    assert all(captions), "every table says what it is"


def test_every_table_of_a_report_is_recomputed(chain: Chain) -> None:
    told = [*((row["notebook"], row["caption"]) for row in ROWS), *((name, "Written") for name in WRITTEN)]
    told.append(("01_explore_headers", INPUTS["caption"]))
    shown = [
        (name, text_of(caption))
        for name in REPORTS
        for caption in re.findall(r"<caption>([^<]*)</caption><thead>", page_of(chain, name))
    ]
    untold = [c for name, c in shown if not any(of == name and is_captioned(c, begin) for of, begin in told)]
    assert len(shown) > 40
    assert [caption for caption in untold if not HEADER.match(caption)] == []


def test_no_key_of_our_json_is_somebody_s_name(chain: Chain) -> None:
    """A patient may be called Outputs."""
    keys = set[str]()

    def note(read: dict[str, object]) -> dict[str, object]:
        keys.update(read)
        return read

    places = (chain.ended / "audit", chain.ended / "release")
    for path in (path for place in places for path in place.rglob("*.json*")):
        for line in path.read_text("utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_text("utf-8")]:
            json.loads(line, object_hook=note)
    said = set(re.findall(r"[a-z]{4,}", " ".join(keys).lower()))
    assert {"outputs", "verdicts", "parameters"} <= said
    assert said - page_words() == set()
