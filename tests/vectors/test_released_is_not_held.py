"""What 03 releases of an odd header 04 does not hold back: a fault that 03 can see has its reason there."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from zoneinfo import ZoneInfo

import pydicom
import pytest
from blake3 import blake3
from pydicom.dataset import FileDataset
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.dicom.spans import Refused
from chorus_nb.dicom.survey import Header
from chorus_nb.explore.parts import _catalog_row
from chorus_nb.leaks import reading
from chorus_nb.parameters import Parameters
from chorus_nb.source import SourceFile
from chorus_nb.verify.elements import ElementsInTurn, findings
from chorus_nb.verify.file_checks import FILE_CHECKS, Pair, Patient, ReleasedFile, text
from chorus_nb.verify.pixel_container import among_pixels
from tests.deid.conftest import SUBJECT, encoded, engine, image, whole  # noqa: F401  (engine is a fixture)
from tests.deid.test_values import with_raw

ROWS = list(csv.DictReader((Path(__file__).parent / "values" / "odd.csv").open(encoding="utf-8")))
PATIENT = Patient(SUBJECT.person_id, SUBJECT.days_shifted, {"A9988776": SUBJECT.image_occurrence_id})


def held(original: bytes, released: bytes) -> list[str]:
    """What 04 holds the file back for, but for what needs a second decoder or other files."""
    before, after = reading.parse_file(original), reading.parse_file(released)
    place = f"{text(after, 0x00100020)}/Images/CT/{text(after, 0x00080050)}/{text(after, 0x0020000E)}/007.dcm"
    pair = Pair(ReleasedFile("odd.dcm", place, blake3(original).hexdigest(), ""), before, after, PATIENT)
    asked = Parameters()
    found = [finding for check in FILE_CHECKS.values() for finding in check(pair, asked)]
    found += findings(pair, ElementsInTurn(asked, {}).of(pair))
    dataset, wanted = after.dataset, reading.expected_length(after.dataset)
    pixels = [*among_pixels(dataset), *(["short"] if len(dataset.PixelData) < (wanted or 0) else [])]
    return [f"{each.check} {each.tag} {each.detail}" for each in found if each.severity == "high"] + pixels


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['keyword']} {row['vr']} {row['value'][:12]}" for row in ROWS])
def test_what_becomes_of_an_odd_value_and_04_agrees(engine: Deidentifier, row: dict[str, str]) -> None:  # noqa: F811
    if row["vr"]:
        content = with_raw(row["vr"], row["keyword"], row["value"].encode().decode("unicode_escape").encode("latin-1"))
    else:
        made = image()
        del made[row["keyword"]]
        content = encoded(made)
    try:
        released = whole(engine.apply(content, SUBJECT))
    except Refused as refused:
        assert f"{refused.reason}: {refused.detail}" == row["becomes"]
        return
    left = reading.parse_file(released).leaves.get(("", Tag(row["keyword"])))
    said = left.value.rstrip(b" \0").decode() if left else ""
    assert (f"{left.vr} {said}" if left else "gone") == row["becomes"]
    assert held(content, released) == []


def deflated(made: FileDataset, group_length: bool) -> bytes:
    """As pydicom writes it, with the length of the file meta information or without."""
    sink = io.BytesIO()
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(sink, made, enforce_file_format=group_length, implicit_vr=False, little_endian=True)
    return sink.getvalue()


@pytest.mark.parametrize("group_length", [True, False])
def test_a_deflated_file_of_pydicom_is_read_by_both(engine: Deidentifier, group_length: bool) -> None:  # noqa: F811
    content = deflated(image(), group_length)
    assert (b"\2\0\0\0UL" in content) == group_length
    assert held(content, whole(engine.apply(content, SUBJECT))) == []


def test_01_reads_a_modality_in_small_letters_as_the_code_that_03_writes() -> None:
    content = with_raw("CS", "Modality", b"ct")
    file = SourceFile("odd.dcm", len(content), 0)
    row = _catalog_row(file, Header(io.BytesIO(content), len(content)), "", ZoneInfo("America/New_York"))
    assert row["Modality"] == "CT"
