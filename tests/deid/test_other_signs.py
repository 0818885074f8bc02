"""What identifies somebody in other signs, or where only numbers may stand, does not leave; what is not so, stays."""

from __future__ import annotations

import base64
import struct

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from chorus_nb.deid.dataset import Deidentifier
from chorus_nb.dicom.encodings import Encoding
from chorus_nb.dicom.spans import take_apart
from chorus_nb.identity.encoded import encoded_texts
from tests.deid.conftest import SUBJECT, encoded, image, whole

NAME = "Okonkwo"
TECHNIQUE = (0x00189037, 0x00181160, 0x00181061)  # of CS, SH and LO: a synchronization, a filter, a trigger


def left(engine: Deidentifier, tag: int, vr: str, value: bytes, implicit: bool = False) -> bytes:
    """What is released of a file that has this value; ``implicit``: without a word about its VR."""
    taken = take_apart(encoded(image(ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian)))
    at = max(each.end for each in taken.elements if each.tag < tag)
    written = Encoding(implicit, False).element(tag, vr, value)
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


@pytest.mark.parametrize("implicit", [False, True])
def test_a_number_stays(engine: Deidentifier, implicit: bool) -> None:
    value = struct.pack("<d", 0.8125)
    assert value in left(engine, 0x00189073, "FD", value, implicit)


def test_no_word_or_number_reads_as_a_text_in_other_signs() -> None:
    for text in ("DISCOVERYMR750", "localization", "20190314101112", "20 30 45 50 65 70", "LightSpeed16", "a1b2c3d4e5"):
        assert not list(encoded_texts(text)), text
