"""The walker of headers finds what pydicom finds, and nothing it is given makes it run away."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import time
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from chorus_nb.dicom.encodings import PIXELS
from chorus_nb.dicom.spans import Refused, take_apart
from chorus_nb.dicom.survey import Header, NotDicom
from chorus_nb.standards import private_tag
from tests.explore.survey_site import dataset, save

BUNDLED = [Path(name) for name in get_testdata_files() if Path(name).is_file()]
# pydicom reads these only when forced to, or reads on past their end
CUT_OR_ODD = {"rtplan_truncated.dcm", "MR_truncated.dcm", "DICOMDIR-nooffset", "no_meta.dcm"}


def walk(path: Path) -> Header:
    with open(path, "rb") as file:
        return Header(file, path.stat().st_size)


def walk_bytes(content: bytes) -> Header:
    return Header(io.BytesIO(content), len(content))


def readable(path: Path) -> Dataset | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(path, force=path.suffix == ".dcm")
        except Exception:
            return None


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.name)
def test_the_elements_of_pydicoms_test_files_are_all_found(path: Path) -> None:
    expected = readable(path)
    if expected is None or path.name in CUT_OR_ODD:
        pytest.skip("not for pydicom either")
    found = walk(path)
    tags = {int(tag) for part in (expected.file_meta, expected) for tag in part.keys()}  # noqa: SIM118
    plain = {tag for tag in tags if not tag >> 16 & 1}
    assert {key[1] for key, *_ in found.elements if not key[1] >> 16 & 1} == plain
    assert len(found.elements) == len(tags)
    assert found.has_pixels == bool(tags & PIXELS)
    assert found.fault == strict_reason(path.read_bytes())


def strict_reason(content: bytes) -> str:
    try:
        take_apart(content)
    except Refused as refused:
        return refused.reason
    return ""


def test_every_shared_file_is_walked_and_none_raises_anything_unforeseen(shared: Path) -> None:
    walked = 0
    for path in sorted(shared.joinpath("dicom").rglob("*")):
        if path.is_file():
            try:
                walk(path)
                walked += 1
            except (NotDicom, Refused):
                assert readable(path) is None or path.suffix != ".dcm"
    assert walked > 200


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_numbers_are_the_same_in_every_encoding(tmp_path: Path, syntax: str) -> None:
    found = walk(save(tmp_path / "a", dataset(Rows=0x0102), syntax))
    assert next(value for key, value, _ in found.elements if key[1] == 0x00280010) == b"\x02\x01"
    assert found.has_pixels and found.pixel_bytes == 8


def test_a_private_element_is_known_by_its_creator_not_by_its_block(tmp_path: Path) -> None:
    made = dataset()
    made.private_block(0x0019, "ACME 1", create=True).add_new(0x01, "LO", "first")
    made.private_block(0x0019, "ACME 2", create=True).add_new(0x01, "LO", "second")
    found = walk(save(tmp_path / "a", made))
    private = {key[1:3]: value for key, value, _ in found.elements if key[2] and key[1] & 0xFF00}
    assert private == {
        (private_tag(0x00190001), "ACME 1"): b"first ",
        (private_tag(0x00190001), "ACME 2"): b"second",
    }
    assert found.private_elements == 4


def test_nested_values_carry_their_path(tmp_path: Path) -> None:
    inner = Dataset()
    inner.PatientID = "OTHER"
    made = dataset(OtherPatientIDsSequence=[inner])
    found = walk(save(tmp_path / "a", made))
    assert found.nested[("OtherPatientIDsSequence", 0x00100020, "", "LO")] == {b"OTHER ": 6}
    assert found.sequences == 1


def test_a_header_larger_than_the_first_window_is_walked_whole(tmp_path: Path) -> None:
    items = []
    for number in range(2000):
        item = Dataset()
        item.PatientID = f"ID{number:06d}"
        items.append(item)
    made = dataset(OtherPatientIDsSequence=items, ImageComments="x" * 9000)
    made.private_block(0x0009, "ACME", create=True).add_new(0x01, "OB", bytes(300_000))
    found = walk(save(tmp_path / "a", made))
    assert found.items[0x00101002] == 2000
    assert len(found.nested[("OtherPatientIDsSequence", 0x00100020, "", "LO")]) == 2000
    assert found.private_elements == 2
    assert found.fault == "" and found.pixel_bytes == 8


# --- files that mean harm, or are broken ------------------------------------------------------------------------------

PREAMBLE = bytes(128) + b"DICM"
SOP_CLASS = struct.pack("<HH2sH", 8, 0x16, b"UI", 2) + b"1\0"
ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"


def sequence_head(tag: int = 0x00081140, length: int = 0xFFFFFFFF) -> bytes:
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, b"SQ", 0, length)


def test_a_nesting_bomb_is_refused() -> None:
    with pytest.raises(Refused):
        walk_bytes(PREAMBLE + SOP_CLASS + (sequence_head() + ITEM) * 100_000)


def test_a_length_beyond_the_file_is_a_cut_file_not_a_large_read() -> None:
    absurd = struct.pack("<HH2sHL", 0x0009, 0x1001, b"OB", 0, 0xFFFFFFF0)
    began = time.monotonic()
    found = walk_bytes(PREAMBLE + SOP_CLASS + absurd + b"abc")
    assert found.fault == "truncated"
    assert time.monotonic() - began < 5  # it would take minutes to fill 4 GB


@pytest.mark.parametrize("length", [0xFFFFFFF0, 0xFFFFFFFF])
def test_a_sequence_beyond_the_file_is_a_cut_file(length: int) -> None:
    assert walk_bytes(PREAMBLE + SOP_CLASS + sequence_head(length=length) + ITEM).fault == "truncated"


def test_an_item_longer_than_its_sequence_damages_only_that_sequence() -> None:
    broken = sequence_head(length=8) + b"\xfe\xff\x00\xe0" + struct.pack("<L", 500)
    after = struct.pack("<HH2sH", 0x10, 0x20, b"LO", 4) + b"MRN1"
    found = walk_bytes(PREAMBLE + SOP_CLASS + broken + after)
    assert found.fault == "structure_damaged"
    assert 0x00100020 in {key[1] for key, *_ in found.elements}


def test_stray_bytes_after_the_pixel_data_are_told_from_a_cut_file() -> None:
    pixels = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 4) + b"abcd"
    assert walk_bytes(PREAMBLE + SOP_CLASS + pixels + b"\xaa" * 32).fault == "trailing_bytes"
    assert walk_bytes(2 * (PREAMBLE + SOP_CLASS + pixels)).fault == "file_behind"
    assert walk_bytes(PREAMBLE + SOP_CLASS + pixels + b"DICM" + SOP_CLASS).fault == "file_behind"
    assert walk_bytes(PREAMBLE + SOP_CLASS + pixels[:-2]).fault == "truncated"
    assert walk_bytes(PREAMBLE + SOP_CLASS + pixels[:-1]).fault == "", "whether it is a pixel's, the geometry tells"
    assert walk_bytes(PREAMBLE + SOP_CLASS + pixels).fault == ""


def test_millions_of_empty_elements_are_refused() -> None:
    with pytest.raises(Refused):
        walk_bytes(PREAMBLE + SOP_CLASS + struct.pack("<HH2sH", 0x10, 0x20, b"LO", 0) * 300_000)


def test_encapsulated_pixel_data_is_passed_over_and_measured() -> None:
    head = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    items = b"\xfe\xff\x00\xe0" + struct.pack("<L", 0) + b"\xfe\xff\x00\xe0" + struct.pack("<L", 6) + b"jpegjp"
    end = b"\xfe\xff\xdd\xe0" + bytes(4)
    assert walk_bytes(PREAMBLE + SOP_CLASS + head + items + end).pixel_bytes == 6
    assert walk_bytes(PREAMBLE + SOP_CLASS + head + items).fault == "truncated"


def test_a_compressed_icon_in_a_sequence_is_passed_over() -> None:
    end_of_sequence, end_of_item = b"\xfe\xff\xdd\xe0" + bytes(4), b"\xfe\xff\x0d\xe0" + bytes(4)
    fragment = b"\xfe\xff\x00\xe0" + struct.pack("<L", 4) + b"jpeg"
    icon = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + fragment + end_of_sequence
    sequence = sequence_head(0x00880200) + ITEM + icon + end_of_item + end_of_sequence
    after = struct.pack("<HH2sH", 0x0089, 0x0010, b"LO", 4) + b"ACME"
    found = walk_bytes(PREAMBLE + SOP_CLASS + sequence + after)
    assert (found.fault, found.has_pixels) == ("", False)
    assert found.nested[("IconImageSequence", 0x7FE00010, "", "OB")] == {b"": 4}
    assert found.private_elements == 1


@pytest.mark.parametrize(
    "content", [b"", b"plain text", bytes(1000), b"\x89PNG\r\n" + bytes(500), b"\x08\x00" + b"?" * 300]
)
def test_what_does_not_begin_as_dicom_is_none(content: bytes) -> None:
    with pytest.raises(NotDicom):
        walk_bytes(content)


def test_no_spoilt_file_raises_anything_unforeseen() -> None:
    """Real headers with bytes changed or the end cut off: each is walked, refused or told from DICOM."""
    chance = random.Random(1)
    contents = [path.read_bytes()[:20_000] for path in BUNDLED]
    for _ in range(500):
        content = bytearray(chance.choice(contents))
        for _ in range(chance.choice((1, 3, 20))):
            content[chance.randrange(min(len(content), 3000))] = chance.choice((0, 255, chance.randrange(256)))
        with contextlib.suppress(NotDicom, Refused):
            walk_bytes(bytes(content[: chance.randrange(1, len(content) + 1)]))


def test_survey_and_de_identification_give_one_reason_for_one_file() -> None:
    chance = random.Random(7)
    contents = [path.read_bytes()[:20_000] for path in BUNDLED if path.suffix == ".dcm"]
    other = []
    for _ in range(400):
        content = bytearray(chance.choice(contents))
        for _ in range(chance.choice((0, 1, 3))):
            content[chance.randrange(132, min(len(content), 2000))] = chance.choice((0, 255, chance.randrange(256)))
        spoilt = bytes(content[: chance.choice((len(content), chance.randrange(200, len(content) + 1)))])
        try:
            said = walk_bytes(spoilt).fault
        except NotDicom:
            continue
        except Refused as refused:
            said = refused.reason
        strict = strict_reason(spoilt)
        if strict != ("" if said in ("structure_damaged", "trailing_bytes", "file_behind") else said):
            other.append((strict, said))
    assert other == []
