"""What the verifier tells of an element by its form, whoever's it is."""

from __future__ import annotations

import pytest

from chorus_nb.leaks.reading import Leaf
from chorus_nb.leaks.texts import identifier_shapes, longest_value

NAME = "Quellbrook"


def told(tag: int, vr: str, value: bytes) -> set[str]:
    leaf = Leaf("", tag, vr, "", value, value.decode("latin-1").rstrip("\0 ") if vr in ("LO", "CS") else "")
    return {said for severity, said in identifier_shapes(leaf) if severity == "high"}


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_text_of_several_bytes_a_letter_is_told(codec: str) -> None:
    assert "characters that no text may hold" in told(0x0008103E, "LO", NAME.encode(codec))


def test_what_fills_up_a_text_is_not_told() -> None:
    assert not told(0x0008103E, "LO", b"AXIAL\0\0\0")
    assert not told(0x00080008, "CS", b"ORIGINAL\0\\PRIMARY\0 ")


def test_an_attribute_holds_as_many_numbers_as_the_dictionary_says() -> None:
    numbers = ((0x00189073, "FD", 8), (0x00280009, "AT", 0), (0x00280010, "US", 2))
    assert all(longest_value(tag, vr) == most for tag, vr, most in numbers)


def test_a_number_of_a_table_is_written_in_digits() -> None:
    """As 04 asks about the cells of the metadata tables."""
    assert not told(0x00280011, "US", b"512")


@pytest.mark.parametrize("escape", ["%{:02X}", "={:02X}", "&#{};", "\\u{:04x}"])
def test_escaped_letters_are_told_in_equipment_too(escape: str) -> None:
    value = "".join(escape.format(ord(each)) for each in NAME).encode()
    assert "looks like a text in escaped letters" in told(0x00081090, "LO", value)
