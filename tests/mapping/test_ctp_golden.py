"""What CTP itself makes of expressions and filters; every difference is in ``ctp_differences.csv`` with its reason."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import pydicom
import pytest

from chorus_nb.mapping.ctp.checking import check_call
from chorus_nb.mapping.ctp.expressions import PathStep, ScriptFault, calls, parse
from chorus_nb.mapping.ctp.filters import parse_filter
from chorus_nb.mapping.ctp.functions import FUNCTIONS, Context, Quarantine, evaluate, hash_uid
from chorus_nb.mapping.ctp.lookup import read_lookup
from chorus_nb.mapping.ctp.script import read_script
from tests.mapping.dicom_values import DicomValues

DIFFERENCES = {
    row["expression"]: row["here"]
    for row in csv.DictReader(Path(__file__).with_name("ctp_differences.csv").read_text().splitlines())
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "data" / "ctp_golden"


@pytest.fixture(scope="module")
def values(golden: Path) -> DicomValues:
    return DicomValues(pydicom.dcmread(golden / "a.dcm", stop_before_pixels=True))


def results(path: Path) -> dict[str, str]:
    pairs = (line.split("   =>   ") for line in path.read_text().splitlines())
    return {expression: result.strip('"') for expression, result in pairs}


def expected(expression: str, result: str) -> str:
    if expression in DIFFERENCES:
        return DIFFERENCES[expression]
    return "quarantine" if result.startswith("THROWS") else result


def test_expressions_give_what_ctp_gives(golden: Path, values: DicomValues) -> None:
    script = read_script(golden / "s.xml")
    table = read_lookup(golden / "lut.properties")
    now = datetime(2026, 11, 22, 8, 24, 57)
    context = Context(PathStep(0x00100010), values, script.parameters, table, now=now)
    for expression, result in results(golden / "exprs_results.txt").items():
        try:
            template = parse(expression)
            for call in calls(template):
                check_call(call, script.parameters, {})
            found = evaluate(template, context)
        except ScriptFault:
            found = "fault"
        except Quarantine:
            found = "quarantine"
        wanted = expected(expression, result)
        assert found == (result if wanted == "time" else wanted), expression


def test_filters_decide_as_ctp_decides(golden: Path, values: DicomValues) -> None:
    for expression, result in results(golden / "filters_results.txt").items():
        try:
            found = str(parse_filter(expression)(values)).lower()
        except ScriptFault:
            found = "fault"
        assert found == expected(expression, result), expression


def test_every_named_difference_is_one(golden: Path) -> None:
    ctp = {**results(golden / "exprs_results.txt"), **results(golden / "filters_results.txt")}
    assert set(DIFFERENCES) <= set(ctp)
    assert all(here != ctp[expression] for expression, here in DIFFERENCES.items())


def test_all_functions_of_ctp_are_there() -> None:
    assert len(FUNCTIONS) == 36


# The public pairs of the official package, test_sample/UIDmap.csv, and one made by running CTP
@pytest.mark.parametrize(
    ("uid", "root", "new"),
    [
        (
            "2.25.177411318704486204625893609836711622998",
            "1.2.826.0.1.3680043.10.1596",
            "1.2.826.0.1.3680043.10.1596.184314812678071272932037385130003004",
        ),
        (
            "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322",
            "1.2.3.",
            "1.2.3.200770339162260353221523252971326212871",
        ),
        (
            "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322",
            "1.2.840.99999.12345678901234567890",
            "1.2.840.99999.12345678901234567890.20077033916226035322152325297",
        ),
    ],
)
def test_uids_are_hashed_bit_for_bit(uid: str, root: str, new: str) -> None:
    assert hash_uid(root, uid) == new


def test_a_number_that_starts_with_zero_gets_a_nine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chorus_nb.mapping.ctp.functions.decimal_md5", lambda text: "0123")
    assert hash_uid("1.2", "any") == "1.2.90123"
