"""What identifies somebody in other signs, or where only numbers may stand, does not leave; what is not so, stays."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import zlib

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.dicom.encodings import Encoding
from chorus_nb.dicom.spans import take_apart
from chorus_nb.identity.encoded import encoded_texts
from chorus_nb.leaks.known import KnownWords
from chorus_nb.leaks.reading import Leaf, parse_file
from chorus_nb.parameters import Parameters
from chorus_nb.verify.element_checks import Around, BeforeAndAfter, check_gone, check_private
from tests.deid.conftest import SUBJECT, encoded, image, whole

NAME = "Okonkwo"
ASKED = Around(0, "1.2.840.10008.5.1.4.1.1.2", "1001", redacted=False), Parameters(), None
TECHNIQUE = (0x00189037, 0x00181160, 0x00181061)  # of CS, SH and LO: a synchronization, a filter, a trigger


def left(engine: Deidentifier, tag: int, vr: str, value: bytes, implicit: bool = False, creator: bytes = b"") -> bytes:
    """What is released of a file that has this value; ``implicit``: without a word about its VR; ``creator``: of the
    private block that it stands in."""
    taken = take_apart(encoded(image(ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian)))
    at = max(each.end for each in taken.elements if each.tag < tag)
    block = Encoding(implicit, False).element(tag & 0xFFFF0000 | 0x10, "LO", creator) if creator else b""
    written = block + Encoding(implicit, False).element(tag, vr, value)
    return whole(engine.apply(bytes(taken.data[:at]) + written + bytes(taken.data[at:]), SUBJECT))


@pytest.mark.parametrize("tag", [*TECHNIQUE, 0x0008103E])
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_text_of_two_bytes_a_letter_is_read_as_one(engine: Deidentifier, tag: int, codec: str) -> None:
    value = f"T2 {NAME} HEAD".encode(codec)
    released = left(engine, tag, "LO", value)
    assert NAME.encode(codec) not in released
    assert NAME.encode() not in released


@pytest.mark.parametrize("tag", [*TECHNIQUE, 0x0008103E])
@pytest.mark.parametrize(
    "written",
    [
        NAME.encode().hex(),
        NAME.encode().hex(" "),
        base64.b64encode(NAME.encode()).decode(),
        "".join(f"%{byte:02X}" for byte in NAME.encode()),
        "".join(f"={byte:02X}" for byte in NAME.encode()),
        "".join(f"&#{byte};" for byte in NAME.encode()),
        " ".join(NAME),
        "0k0nkw0",
        "a.9.9.8.8.7.7.6",
        "1.2.3.4.5.6",
        "94 years",
    ],
)
def test_what_is_written_in_other_signs_goes_from_technique_too(engine: Deidentifier, tag: int, written: str) -> None:
    assert written.encode() not in left(engine, tag, "LO", f"T2 {written}".encode())


@pytest.mark.parametrize("tag", [0x0008103E, 0x00180015, 0x00180024, 0x00181210, 0x00080070])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("山田太郎", "iso2022_jp"),
        ("欄瓢", "iso2022_jp"),
        ("ヤマダ", "iso2022_jp"),
        ("Παπα", "iso2022_jp_2"),
        ("김희중", "iso2022_kr"),
        ("山田太郎", "euc_jp"),
        ("Петухова", "shift_jis"),
        ("כהן", "utf-8"),
    ],
)
def test_nothing_is_left_of_a_name_in_a_character_set_that_is_not_declared(
    engine: Deidentifier, tag: int, name: str, codec: str
) -> None:
    written = name.encode(codec)
    said = left(engine, tag, "LO", b"T2 " + written + b" HEAD")
    pairs = {written[at : at + 2] for at in range(len(written) - 1)} - {b"\x1b$", b"$B", b"\x1b(", b"(B"}
    assert b"T2 " in said
    assert b"HEAD" in said
    assert not [pair for pair in pairs if pair in said.partition(b"T2")[2][:30]]


@pytest.mark.parametrize("tag", [0x0008103E, 0x00180024])
@pytest.mark.parametrize("raised", ["³", "½", "²"])
def test_a_raised_number_before_a_name_hides_it_not(engine: Deidentifier, tag: int, raised: str) -> None:
    said = left(engine, tag, "LO", f"HEAD 5 cm{raised} {raised}Quellbrook".encode("latin-1"))
    assert b"uellbrook" not in said
    assert f"HEAD 5 cm{raised}".encode("latin-1") in said
    assert KnownWords().unknown(f"HEAD 5 cm{raised} {raised}") == ()


@pytest.mark.parametrize("name", ["สมชายดี", "अमिताभ", "நளினி", "ពិសិដ្ឋ", "ຄຳພູ"])
def test_the_vowels_of_a_name_go_with_it(engine: Deidentifier, name: str) -> None:
    made = image(SpecificCharacterSet="ISO_IR 192", StudyDescription=f"CT {name} HEAD")
    released = pydicom.dcmread(io.BytesIO(whole(engine.apply(encoded(made), SUBJECT))))
    assert released.StudyDescription == "CT HEAD"


def test_a_misread_name_is_one_word_though_a_raised_number_stands_in_it(engine: Deidentifier) -> None:
    """``Lópezmar``, in UTF-8 read as Latin-1, is ``LÃ³pezmar``, and ``LÃ`` reads as *la*."""
    said = left(engine, 0x0008103E, "LO", "HEAD Lópezmar Müllerschön".encode())
    assert not [part for part in ("LÃ", "MÃ¼", "pez") if part.encode("latin-1") in said]
    assert KnownWords().unknown("LÃ³pezmar")


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (0x00080070, "SIEMENS"),
        (0x00081090, "Volumax 9000"),
        (0x00181020, "07MW18.4"),
        (0x00181020, "10.6.1.0"),
        (0x00181210, "Hr40d"),
        (0x00181400, "CHEST 50-100-150"),
        (0x00541103, "OSEM 3i21s"),
        (0x0008103E, "b 50 100 400 800 tra"),
        (0x00541001, "CNTS"),
        (0x00080105, "DCMR"),
    ],
)
def test_what_scanners_write_stays(engine: Deidentifier, tag: int, text: str) -> None:
    assert text.encode() in left(engine, tag, "LO", text.encode())


NUMBERS = ((0x00189073, "FD"), (0x00200110, "US"), (0x00200025, "SL"), (0x00281090, "AT"))
TEXTS = (b"56616e6465727175696c6c2e", b"%56%61%6e%64%65%72%71%75", b"Q\0u\0i\0l\0l\0.\0^\0O\0t\0t\0o\0.\0")


@pytest.mark.parametrize(("tag", "vr"), NUMBERS)
@pytest.mark.parametrize("value", TEXTS)
def test_a_text_in_place_of_a_number_goes_where_no_vr_is_written(
    engine: Deidentifier, tag: int, vr: str, value: bytes
) -> None:
    """Read as numbers it is several, where the attribute has one; a tag is one of the dictionary."""
    assert value not in left(engine, tag, vr, value, implicit=True)


def test_words_of_few_letters_are_no_numbers_of_two_bytes(engine: Deidentifier) -> None:
    assert b"Quellbro" not in left(engine, 0x00540080, "US", b"Quellbrook")
    assert bytes(range(1, 11)) in left(engine, 0x00540080, "US", bytes(range(1, 11)))


@pytest.mark.parametrize("tag", [0x00080070, 0x00081090, 0x00181020])
def test_letters_of_a_name_apart_go_from_makers(engine: Deidentifier, tag: int) -> None:
    assert b"T H R E L K" not in left(engine, tag, "LO", b"T H R E L K E L D 9000")
    assert b"S C A N N E R" in left(engine, tag, "LO", b"S C A N N E R")


@pytest.mark.parametrize("tag", [0x0008103E, 0x00080070, 0x00181020, 0x00181210])
def test_what_a_buffer_held_before_goes(engine: Deidentifier, tag: int) -> None:
    said = left(engine, tag, "LO", b"SIEMENS\0brook\\AXIAL\0\0Quellb \0\0")
    assert not [part for part in (b"brook", b"Quellb") if part in said]
    assert b"SIEMENS\\AXIAL" in said


def test_what_an_item_says_of_its_method_is_a_text(engine: Deidentifier) -> None:
    """At the root the workbench writes it."""
    method = Encoding(False, False).element(0x00120063, "LO", b"Anonymized by Dr Quellbrook ")
    said = left(engine, 0x00081140, "SQ", Encoding(False, False).item(method, False))
    assert b"uellbrook" not in said


@pytest.mark.parametrize("implicit", [False, True])
def test_a_number_stays(engine: Deidentifier, implicit: bool) -> None:
    value = struct.pack("<d", 0.8125)
    assert value in left(engine, 0x00189073, "FD", value, implicit)


PHILIPS, SC2000 = b"Philips Imaging DD 001", b"SIEMENS Ultrasound SC2000"
IN_BYTES = {
    "two bytes a letter": f"T2 {NAME}".encode("utf-16-le"),
    "four bytes a letter": f"T2 {NAME}".encode("utf-32-be"),
    "hexadecimal": NAME.encode().hex().encode(),
    "Base64": base64.b64encode(b"Name: QX77" + NAME.encode()),
    "zlib": b"\1\2" + zlib.compress(b"patient " + NAME.encode()),
    "gzip": gzip.compress(b"READ BY VANDERQUILLEM").ljust(60, b"\0"),
    "addresses": "".join(f"%{byte:02X}" for byte in NAME.encode()).encode(),
    "pages": "".join(f"&#{byte};" for byte in b"Vanderquillem").encode(),
    "programs": "".join(f"\\u{byte:04x}" for byte in b"Vanderquillem").encode(),
    "a UID of the site": b"\0\0\x91\x92 1.3.6.1.4.1.5962.77.3053 \0\0",
}


PALETTE = 0x00281200


@pytest.mark.parametrize("written", IN_BYTES)
def test_no_text_in_other_signs_leaves_in_bytes(engine: Deidentifier, written: str) -> None:
    value = IN_BYTES[written] + bytes(len(IN_BYTES[written]) % 2)
    assert value not in left(engine, PALETTE, "OW", value)


@pytest.mark.parametrize("value", [bytes(range(256)), struct.pack("<64H", *range(64)), b"\x78\x9c\x01\x02" * 8])
def test_a_table_of_numbers_stays(engine: Deidentifier, value: bytes) -> None:
    assert value in left(engine, PALETTE, "OW", value)


@pytest.mark.parametrize(
    ("tag", "vr", "creator"),
    [
        (0x01191004, "OB", SC2000),  # acoustic control information
        (0x01291003, "UN", SC2000),  # PS3.15 does not say of what VR it is
        (0x2001107D, "OW", PHILIPS),  # frame pixel data
        (0x00251001, "OW", b"Philips ST80i"),  # the file of a study
    ],
)
@pytest.mark.parametrize("value", [bytes(range(64)), b"Quellbrook  "])
def test_no_picture_or_file_of_a_maker_leaves(
    engine: Deidentifier, tag: int, vr: str, creator: bytes, value: bytes
) -> None:
    """Though PS3.15 calls it safe: its pixels are not searched for text, nor its faces removed."""
    for implicit in (False, True):
        assert value not in left(engine, tag, vr, value, implicit, creator=creator)
    leaf = Leaf("", tag, vr, creator.decode(), value, "")
    assert list(check_private(BeforeAndAfter(leaf, leaf, *ASKED)))


def test_a_number_of_a_maker_stays_though_its_vr_is_not_listed(engine: Deidentifier) -> None:
    number = struct.pack("<d", 0.8125)
    assert number in left(engine, 0x01191011, "FD", number, creator=SC2000)


@pytest.mark.parametrize("tag", [0x7FE00010, 0x7FE00020, 0x7FE00008, 0x7FE00001])
def test_no_picture_within_a_sequence_leaves(engine: Deidentifier, tag: int) -> None:
    """Of a thumbnail or screen shot the pixels are not searched for text."""
    value = b"\x11\x22" * 8
    item = Encoding(False, False).item(Encoding(False, False).element(tag, "OW", value), False)
    assert value not in left(engine, 0x00081140, "SQ", item)
    leaf = Leaf("ReferencedImageSequence.0", tag, "OW", "", value, "")
    assert list(check_gone(BeforeAndAfter(leaf, leaf, *ASKED)))
    assert tag in (0x7FE00001, 0x7FE00020) or _nested(tag, value)


@pytest.mark.parametrize("sequence", [0x00081140, 0x00880200])
def test_a_compressed_icon_costs_neither_its_file_nor_leaves(engine: Deidentifier, sequence: int) -> None:
    picture = b"\x11\x22" * 8
    fragment = b"\xfe\xff\0\xe0" + struct.pack("<L", len(picture)) + picture
    pixels = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + b"\xfe\xff\0\xe0" + bytes(4) + fragment
    item = Encoding(False, False).item(pixels + b"\xfe\xff\xdd\xe0" + bytes(4), True)
    taken = take_apart(encoded(image()))
    at = max(each.end for each in taken.elements if each.tag < sequence)
    written = Encoding(False, False).sequence(sequence, "SQ", item, True)
    content = bytes(taken.data[:at]) + written + bytes(taken.data[at:])
    assert picture not in whole(engine.apply(content, SUBJECT))


def _nested(tag: int, value: bytes) -> bool:
    """Whether the reader of 04 finds such a picture."""
    original = image()
    original.ReferencedImageSequence = [Dataset()]
    original.ReferencedImageSequence[0].add_new(tag, "OW", value)
    return ("ReferencedImageSequence.0", tag) in parse_file(encoded(original)).leaves


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x20011003, "FL", b"\xd6\x92\x96\x95\x92\xa6\x96\x40"),  # one number; the name as mainframes write it
        (0x20011018, "SL", b"owknoko "),
        (0x20011018, "FD", b"owknoko."),  # says to be wider than it is listed
        (0x20011075, "SS", b"{'name':'Vanderq'}"),  # any number of them
    ],
)
@pytest.mark.parametrize("implicit", [False, True])
def test_a_maker_s_number_is_one(engine: Deidentifier, tag: int, vr: str, value: bytes, implicit: bool) -> None:
    """By the multiplicity of PS3.15 Table E.3.10-1."""
    released = left(
        engine, tag, vr, value + value, implicit, PHILIPS if tag != 0x20011075 else PHILIPS.replace(b"001", b"097")
    )
    assert value not in released
    number = struct.pack("<f", 800.0)
    assert number in left(engine, 0x20011003, "FL", number, implicit, PHILIPS)


def test_letters_that_are_escaped_by_the_sign_between_values_go(engine: Deidentifier) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in NAME)
    for tag, vr in ((0x0008103E, "LO"), (0x00181020, "LO"), (0x00180022, "CS")):
        released = left(engine, tag, vr, escaped.encode())
        assert not [letter for letter in NAME if f"{ord(letter):04x}".encode() in released]


def test_no_word_or_number_reads_as_a_text_in_other_signs() -> None:
    for text in (
        "DISCOVERYMR750",
        "localization",
        "20190314101112",
        "20 30 45 50 65 70",
        "LightSpeed16",
        "a1b2c3d4e5",
        "venipuncture",
    ):
        assert not list(encoded_texts(text)), text
