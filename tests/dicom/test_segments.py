"""What a segment has behind what it holds, and a table no scan uses, does not leave among the pixels."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate

from chorus_nb.dicom.streams import NotWalked, walk_j2k, walk_jpeg
from chorus_nb.verify.pixel_container import among_pixels

pytest.importorskip("imagecodecs")
import imagecodecs

from tests.pixel_carriers import BYTE, CT, ENCODERS, J, file_of, picture, segment

TEXT = b"Quellbrook"
JPEG = ENCODERS[J + "50"][0](picture("u1")[0])
LOSSLESS = bytes(walk_jpeg(ENCODERS[J + "80"][0](picture("u2")[0]), "jpegls").content)  # without its encoder's comment
CODESTREAM = ENCODERS[J + "90"][0](picture("u2")[0])
BOXED = imagecodecs.jpeg2k_encode(picture("u2")[0], codecformat="jp2", reversible=True)
QUANTISED = b"\3" + (TEXT * 7)[:64]
HUFFMAN = b"\x13" + bytes([0] * 3 + [len(TEXT)] + [0] * 12) + TEXT


def told(stream: bytes, syntax: str, bits: dict[str, int]) -> list[str]:
    """What 04 says of it."""
    return among_pixels(dcmread(BytesIO(file_of(syntax, encapsulate([stream]), 1, bits))))


def before(stream: bytes, marker: int, new: bytes) -> bytes:
    at = 2
    while stream[at + 1] != marker:
        at += 2 + struct.unpack_from(">H", stream, at + 2)[0]
    return stream[:at] + new + stream[at:]


def longer(stream: bytes, marker: int) -> bytes:
    at = len(before(stream, marker, b"|").partition(b"|")[0])
    while stream[at + 1] != marker:
        at += 1
    length = struct.unpack_from(">H", stream, at + 2)[0]
    told = struct.pack(">H", length + len(TEXT))
    return stream[: at + 2] + told + stream[at + 4 : at + 2 + length] + TEXT + stream[at + 2 + length :]


@pytest.mark.parametrize("marker", [0xDA, 0xC0])
def test_a_long_segment_of_jpeg_is_none(marker: int) -> None:
    with pytest.raises(NotWalked):
        walk_jpeg(longer(JPEG, marker))


@pytest.mark.parametrize("marker", [0xDD, 0xDC, 0xCC])
def test_nor_is_a_text_where_numbers_of_jpeg_should_be(marker: int) -> None:
    with pytest.raises(NotWalked):
        walk_jpeg(before(JPEG, 0xDA, segment(marker, TEXT)))


@pytest.mark.parametrize("marker", [0xDA, 0xF7])
def test_a_long_segment_of_jpeg_ls_is_none(marker: int) -> None:
    with pytest.raises(NotWalked):
        walk_jpeg(longer(LOSSLESS, marker), "jpegls")
    with pytest.raises(NotWalked):
        walk_jpeg(before(LOSSLESS, 0xDA, segment(0xF8, b"\2\1\1" + TEXT)), "jpegls")


@pytest.mark.parametrize(("marker", "table"), [(0xDB, QUANTISED), (0xC4, HUFFMAN), (0xDB, b"\0" + QUANTISED[1:])])
def test_a_table_that_no_scan_uses_goes_and_the_picture_stays(marker: int, table: bytes) -> None:
    """One more, or one that is defined again before any scan."""
    planted = before(JPEG, 0xDB, segment(marker, table))
    assert told(planted, J + "50", BYTE) == ["a table that no scan uses"]
    walked = walk_jpeg(planted)
    assert bytes(walked.content) == JPEG
    assert walked.removed["table that no scan uses"] == 1
    at = walked.coded[0]
    assert bytes(walked.content[at.start : at.stop]) in JPEG
    assert walked.content[at.stop : at.stop + 1] == b"\xff"


def test_a_table_beside_one_that_is_used_goes_alone() -> None:
    at = JPEG.index(b"\xff\xdb")
    length = struct.unpack_from(">H", JPEG, at + 2)[0]
    both = struct.pack(">H", length + 65) + JPEG[at + 4 : at + 2 + length] + QUANTISED
    walked = walk_jpeg(JPEG[: at + 2] + both + JPEG[at + 2 + length :])
    assert bytes(walked.content) == JPEG


@pytest.mark.parametrize("marker", [0x51, 0x52, 0x5C])
def test_a_long_segment_of_jpeg_2000_is_none(marker: int) -> None:
    with pytest.raises(NotWalked):
        walk_j2k(longer(CODESTREAM, marker))


@pytest.mark.parametrize("marker", [0x50, 0x53, 0x56, 0x59, 0x5D, 0x5E])
def test_nor_is_a_text_where_numbers_of_jpeg_2000_should_be(marker: int) -> None:
    with pytest.raises(NotWalked):
        walk_j2k(before(CODESTREAM, 0x90, segment(marker, TEXT)))


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L4s", len(content) + 8, kind) + content


def boxed(more: bytes = b"", colour: bytes = b"") -> bytes:
    """A JP2 file with one more box in its header, or another colour."""
    at = BOXED.index(b"jp2h") - 4
    length = struct.unpack_from(">L", BOXED, at)[0]
    inside, where = BOXED[at + 8 : at + length], BOXED.index(b"colr") - at - 12
    inside = inside[:where] + (colour or inside[where : where + 15]) + inside[where + 15 :]
    return BOXED[:at] + box(b"jp2h", inside + more) + BOXED[at + length :]


@pytest.mark.parametrize("more", [box(b"cdef", b"\0\1" + bytes(6) + TEXT), box(b"pclr", b"\0\1\1\7" + TEXT)])
def test_a_long_box_is_none(more: bytes) -> None:
    with pytest.raises(NotWalked):
        walk_j2k(boxed(more))
    with pytest.raises(NotWalked):
        walk_j2k(BOXED.replace(box(b"ftyp", b"jp2 \0\0\0\0jp2 "), box(b"ftyp", b"jp2 \0\0\0\0jp2 QuellbrookQQ")))


@pytest.mark.parametrize("method", [2, 3])
def test_a_colour_profile_goes_and_the_picture_stays(method: int) -> None:
    planted = boxed(colour=box(b"colr", bytes((method, 0, 0)) + TEXT * 9))
    assert "a colour profile" in told(planted, J + "90", CT)
    walked = walk_j2k(planted)
    assert TEXT not in bytes(walked.content)
    assert walked.removed["colour profile"] == 1
    assert np.array_equal(imagecodecs.jpeg2k_decode(bytes(walked.content)), picture("u2")[0])


def test_what_holds_nothing_else_stays_as_it_is() -> None:
    assert bytes(walk_jpeg(JPEG).content) == JPEG
    assert told(JPEG, J + "50", BYTE) == told(LOSSLESS, J + "80", CT) == []
    assert bytes(walk_jpeg(LOSSLESS, "jpegls").content) == LOSSLESS
    assert walk_j2k(boxed()).removed.keys() <= {"COM segment"}
