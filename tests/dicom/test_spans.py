"""The parser sees exactly the elements pydicom sees, and refuses what cannot be read without guessing."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from chorus_nb.dicom import spans
from tests.deid.conftest import encoded, image

PYDICOM_FILES = sorted(Path(pydicom.data.__path__[0], "test_files").glob("*.dcm"))


def sees_the_same(path: Path) -> bool:
    content = path.read_bytes()
    try:
        taken = spans.take_apart(content)
    except spans.Refused:
        return True
    try:
        read = pydicom.dcmread(path, force=True)
    except Exception:
        return True
    expected = sorted(int(element.tag) for element in read if element.tag < 0x7FE00008)
    return sorted({element.tag for element in taken.elements if element.tag < 0x7FE00008}) == expected


@pytest.mark.parametrize("path", PYDICOM_FILES, ids=lambda path: path.name)
def test_pydicoms_own_test_files_are_seen_alike(path: Path) -> None:
    assert sees_the_same(path)


def test_real_files_are_seen_alike(shared: Path) -> None:
    files = [Path(base, name) for base, _, names in os.walk(shared / "dicom") for name in names]
    assert [path.name for path in files if path.suffix in (".dcm", "") and not sees_the_same(path)] == []


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian], ids=lambda uid: uid.name
)
def test_every_encoding_gives_the_same_values(syntax: str) -> None:
    made = image(syntax, SeriesDescription="AXIAL")
    if syntax == ExplicitVRBigEndian:
        made.set_original_encoding(False, False)
    taken = spans.take_apart(encoded(made))
    found = {element.tag: bytes(taken.data[element.value : element.end]) for element in taken.elements}
    assert found[0x0008103E] == b"AXIAL "
    assert taken.pixels is not None and taken.pixels.length == 32


@given(cut=st.integers(2, 400))  # one byte may be the one that evens pixels out
def test_a_file_cut_anywhere_is_refused_or_read_whole(cut: int) -> None:
    content = encoded(image(SeriesDescription="AXIAL"))[:-cut]
    try:
        taken = spans.take_apart(content)
    except spans.Refused as refused:
        assert refused.reason in ("truncated", "unreadable", "structure_refused")
    else:
        assert taken.pixels is None  # cut exactly between two elements: no pixel data is left


@given(st.binary(max_size=600))
def test_no_bytes_make_the_parser_raise_anything_but_refused(content: bytes) -> None:
    for start in (b"", bytes(128) + b"DICM", encoded(image())[:300]):
        try:
            spans.take_apart(start + content)
        except spans.Refused as refused:
            assert refused.reason


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_file_that_was_walked_over_does_not_wait_for_the_search_for_garbage(syntax: str) -> None:
    made = image(syntax)
    if syntax == ExplicitVRBigEndian:
        made.set_original_encoding(False, False)
    content = encoded(made)
    held = sys.getrefcount(content)
    gc.disable()
    try:
        spans.take_apart(content)
        assert sys.getrefcount(content) == held
    finally:
        gc.enable()


def test_a_nesting_bomb_is_refused() -> None:
    inner = Dataset()
    for _ in range(40):
        outer = Dataset()
        outer.ReferencedStudySequence = [inner]
        inner = outer
    made = image()
    made.ReferencedStudySequence = inner.ReferencedStudySequence
    with pytest.raises(spans.Refused, match="nest too deep"):
        spans.take_apart(encoded(made))


def test_a_message_names_the_tag_and_never_the_value() -> None:
    content = bytearray(encoded(image(SeriesDescription="SMITH JOHN")))
    at = content.index(b"\x08\x00\x3e\x10LO")
    content[at + 6 : at + 8] = b"\xff\x7f"
    with pytest.raises(spans.Refused) as fault:
        spans.take_apart(bytes(content))
    assert "(0008,103E)" in str(fault.value) and "SMITH" not in str(fault.value)


def test_a_private_transfer_syntax_is_refused() -> None:
    content = encoded(image()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0")
    with pytest.raises(spans.Refused, match="not registered"):
        spans.take_apart(content)


def test_encapsulated_fragments_are_walked_to_their_end() -> None:
    path = Path(str(get_testdata_file("JPEG2000.dcm", download=False)))
    content = path.read_bytes()
    pixels = spans.take_apart(content).pixels
    assert pixels is not None and pixels.fragments and pixels.end <= len(content)
    with pytest.raises(spans.Refused, match="pixel data"):
        spans.take_apart(content[: pixels.end - 20])
