"""A tag as text says which tag it is, and comes back from it."""

from __future__ import annotations

import pytest

from chorus_nb.standards import parse_step, parse_tag, path_step, private_tag, tag_name, tag_pattern


@pytest.mark.parametrize("tag", [0x00080016, 0x7FE00010, 0x00191002, 0x0019FF0A, 0xFFFCFFFC])
def test_a_tag_comes_back_from_its_name(tag: int) -> None:
    assert parse_tag(tag_name(tag)) == tag


def test_a_private_element_is_named_without_its_block() -> None:
    assert tag_pattern(0x0019110A) == tag_pattern(0x0019FF0A) == "(0019,xx0A)"
    assert parse_tag("(0019,xx0A)") == private_tag(0x0019FF0A)
    assert tag_pattern(0x00190010) == "(0019,00xx)" and parse_tag("(0019,00xx)") == 0x00190010


@pytest.mark.parametrize("text", ["", "0008,0016", "(0008,0016", "(0008,00160)", "(0008,00xg)", "PatientID"])
def test_other_text_is_no_tag(text: str) -> None:
    with pytest.raises(ValueError, match="not a tag"):
        parse_tag(text)


@pytest.mark.parametrize(
    ("tag", "creator"), [(0x00081140, ""), (0x70531010, "ACME 1.0"), (0x00990002, ""), (0x001810FF, "")]
)
def test_a_step_of_a_path_comes_back(tag: int, creator: str) -> None:
    assert parse_step(path_step(tag, creator)) == (private_tag(tag) if tag >> 16 & 1 else tag, creator)
