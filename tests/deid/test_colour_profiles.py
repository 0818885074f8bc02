"""Of a colour profile the colours stay, and no word."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from chorus_nb.deid.colour_profiles import without_texts
from chorus_nb.deid.dataset import Deidentifier
from tests.deid.test_values import left_of


def profile(kind: str = "sRGB") -> bytes:
    made: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()  # type: ignore[arg-type]
    return made


def bare_of(content: bytes) -> bytes:
    return without_texts(content, lambda text: "zqwxk" in text)


def with_tag(tag: bytes, body: bytes) -> bytes:
    """The profile with one tag more at its end."""
    whole = bytearray(profile())
    (count,) = struct.unpack_from(">I", whole, 128)
    end = 132 + 12 * count
    entries = bytes(whole[132:end])
    moved = b"".join(
        struct.pack(">4sII", sig, at + 12, size) for sig, at, size in struct.iter_unpack(">4sII", entries)
    ) + struct.pack(">4sII", tag, len(whole) + 12, len(body))
    made = bytes(whole[:128]) + struct.pack(">I", count + 1) + moved + bytes(whole[end:]) + body
    return struct.pack(">I", len(made)) + made[4:]


def test_another_reader_makes_the_same_colours_of_it() -> None:
    bare = bare_of(profile())
    opened = ImageCms.ImageCmsProfile(io.BytesIO(bare))
    assert not ImageCms.getProfileDescription(opened).strip()
    assert not ImageCms.getProfileCopyright(opened).strip()
    target = ImageCms.createProfile("LAB")
    before, after = (
        ImageCms.buildTransform(ImageCms.ImageCmsProfile(io.BytesIO(each)), target, "RGB", "LAB")
        for each in (profile(), bare)
    )
    picture = Image.fromarray(np.random.default_rng(7).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    assert (np.asarray(before.apply(picture)) == np.asarray(after.apply(picture))).all()


@pytest.mark.parametrize(
    ("tag", "body"),
    [
        (b"dmnd", b"text\0\0\0\0Quellbrook, Thaddeus\0"),
        (b"QUEL", b"XYZ \0\0\0\0" + bytes(12)),
        (b"view", b"text\0\0\0\0Quellbrook\0"),
        (b"pseq", b"pseq\0\0\0\0Quellbrook\0"),
    ],
)
def test_no_tag_that_is_no_number_of_colours_stays(tag: bytes, body: bytes) -> None:
    bare = bare_of(with_tag(tag, body))
    assert bare
    assert b"quel" not in bare.lower()


def test_maker_model_creator_and_day_of_a_profile_go() -> None:
    named = bytearray(profile())
    named[48:56], named[80:84], named[24:36] = b"QUELBROO", b"QUEL", struct.pack(">6H", 1957, 3, 9, 1, 2, 3)
    bare = bare_of(bytes(named))
    assert bare
    assert b"QUEL" not in bare
    assert struct.pack(">3H", 1957, 3, 9) not in bare


def test_a_profile_with_words_where_its_numbers_stand_goes() -> None:
    assert not bare_of(with_tag(b"lumi", b"XYZ \0\0\0\0read by Quellbrook"))
    assert not bare_of(with_tag(b"lumi", b"XYZ \0\0\0\0zqwxk")), "the patient's own"
    assert not bare_of(profile()[:12] + b"QUELLBROOKAD" + profile()[24:])


def test_what_is_no_profile_goes_as_a_whole(engine: Deidentifier) -> None:
    assert left_of(engine, "OB", "ICCProfile", b"Reported by V. Quellbrook") is None
    assert left_of(engine, "OB", "ICCProfile", profile()) == bare_of(profile())
