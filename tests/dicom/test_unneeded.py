"""What no decoded pixel needs is found among coded pixels: behind the last block, the last packet, a run of RLE."""

from __future__ import annotations

import random
import re
import struct
from io import BytesIO

import numpy as np
import pytest

pytest.importorskip("imagecodecs")
from chorus_nb.dicom import codecs, unneeded
from chorus_nb.dicom.streams import WALKERS, NotWalked, Stretch, Walked, _next_marker, walk_j2k, walk_rle
from tests.pixel_carriers import ENCODERS, J, behind, packed, picture

TEXTS = [
    b"Thessaly Quellbrook, 4471902",
    b"Lee Ann",
    "Quellbrook".encode("utf-16-le"),
    "Жванецкий".encode(),
    b"42\0-17-1",
]


def clean(syntax: str, seed: int = 0) -> Walked:
    encode, _, kind = ENCODERS[syntax]
    noise = np.random.default_rng(seed).integers(0, 200, (32, 48))
    return WALKERS[syntax](encode((picture(kind)[0] // 2 + noise % 40).astype(kind)))


@pytest.mark.parametrize("text", TEXTS, ids=repr)
@pytest.mark.parametrize("syntax", ENCODERS)
def test_text_behind_the_last_block_goes_and_the_image_is_as_it_was(syntax: str, text: bytes) -> None:
    image = clean(syntax).content
    walked = WALKERS[syntax](behind(image, text))
    assert text in walked.content, "the walk alone does not see it"
    made = unneeded.without_unneeded(walked, syntax)
    assert made.content == image and made.removed == {"bytes behind the last block": 1}


def test_text_before_a_restart_and_between_scans_goes() -> None:
    pillow = pytest.importorskip("PIL.Image")
    picture_of_noise = pillow.fromarray(np.random.default_rng(3).integers(0, 255, (64, 64), np.uint8))
    for options, syntax in (({"restart_marker_rows": 1}, J + "50"), ({"progressive": True}, J + "55")):
        sink = BytesIO()
        picture_of_noise.save(sink, "JPEG", quality=80, **options)
        image = WALKERS[syntax](sink.getvalue())
        assert len(image.coded) > 3
        content = image.content
        for part in reversed(image.coded[:3]):
            content = content[: part.stop] + TEXTS[0] + content[part.stop :]
        made = unneeded.without_unneeded(WALKERS[syntax](content), syntax)
        assert made.content == image.content and made.removed == {"bytes behind the last block": 3}


@pytest.mark.parametrize("text", [*TEXTS, b"Smith,"], ids=repr)
def test_text_at_the_end_of_any_tile_goes(text: bytes) -> None:
    """The last bytes of a packet may be any, but a decoder wants all of them."""
    pillow = pytest.importorskip("PIL.Image")
    sink, noise = BytesIO(), np.random.default_rng(0).integers(0, 900, (32, 48))
    pillow.fromarray((picture("u2")[0] * 37 + noise).astype("u1")).save(
        sink, "JPEG2000", no_jp2=True, tile_size=(16, 16), irreversible=False, num_resolutions=3
    )
    image = walk_j2k(sink.getvalue())
    assert len(image.coded) == 6
    for tile, part in enumerate(image.coded):
        sot = image.content.rindex(b"\xff\x90", 0, part.stop)
        told = struct.pack(">L", part.stop - sot + len(text))
        start = image.content[: sot + 6] + told + image.content[sot + 10 : part.stop]
        made = unneeded.without_unneeded(walk_j2k(start + text + image.content[part.stop :]), J + "90")
        assert made.content == image.content, f"tile {tile}"


@pytest.mark.parametrize("syntax", [J + "50", J + "70", J + "80"])
def test_pixels_that_read_as_text_by_chance_stay(syntax: str) -> None:
    images = (clean(syntax, seed) for seed in range(2000))
    lucky = next(image for image in images if unneeded.runs_of_text(image, syntax))
    assert unneeded.without_unneeded(lucky, syntax) is lucky


def test_what_reads_as_text_and_cannot_be_decoded_is_refused() -> None:
    image = clean(J + "50").content
    tables = image.index(b"\xff\xda") + 6  # of Huffman codes: others than the image has
    broken = behind(image[:tables] + b"\x33" + image[tables + 1 :], TEXTS[0])
    with pytest.raises(NotWalked):
        unneeded.without_unneeded(WALKERS[J + "50"](broken), J + "50")


def test_without_a_decoder_only_what_is_no_chance_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = (WALKERS[J + "50"](behind(clean(J + "50").content, text)) for text in TEXTS[:2])
    monkeypatch.setattr(codecs, "imagecodecs", None)
    assert unneeded.runs_of_text(long, J + "50") and not unneeded.runs_of_text(short, J + "50")


@pytest.mark.parametrize("at_a_time", [64, unneeded.LOOKED_AT])
def test_runs_of_text_are_those_that_a_look_at_every_byte_finds(
    at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unneeded, "LOOKED_AT", at_a_time)
    chance, found = random.Random(1), 0
    for _ in range(500):
        data = bytearray(chance.randbytes(chance.randrange(400)))
        for _ in range(chance.randrange(4)):
            text = bytes(chance.choices(b"ABCab 12^.,=&-~\x1f\x7f", k=chance.choice((12, 13, 14, 15, 20, 40))))
            data[chance.randrange(len(data) + 1) : 0] = text
        start = chance.randrange(len(data) + 1)
        part = Stretch(start, chance.randrange(start, len(data) + 1))
        wanted = [run.span() for run in unneeded.LONG_RUN.finditer(data, *part)]
        assert list(unneeded._no_chance(bytes(data), part)) == wanted
        found += len(wanted)
    assert found > 10
    for before in range(16):  # each way a run that ends with its part stands among aligned words
        part = Stretch(before, before + unneeded.BY_NO_CHANCE)
        assert list(unneeded._no_chance(bytes(before) + b"Thessaly Quell" + b"\xff\xd9", part)) == [part]


def test_a_marker_is_found_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chorus_nb.dicom.streams.LOOKED_AT", 16)
    for place in range(40):
        stuffed = (b"\xff\0\xff\xd1\xff\xff" * 7)[:place]
        data = stuffed + b"\xff\xd9" + b"\xff\xd9"
        wanted = re.search(rb"\xff[^\0\xff\xd0-\xd7]", data)
        assert wanted and _next_marker(data, 0, "jpeg") == wanted.start()


RLE_TAILS = (
    *(b"", b"\0", b"\0\0", b"\0\0\0", b"\x80", b"\x80\0", b"\x80" * 9, b"\x01", b"\x01A", b"\x01AB", b"\xfe", b"\xfeA"),
    *(b"P", b"PATIENT", b"\xffPA", b"Lee\0", b"\0Lee\0"),
)


def test_a_whole_rle_segment_needs_no_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chorus_nb.dicom.streams.RUN_TAKES", ())
    frame = packed(picture("u2")[0])
    assert walk_rle(frame, 32 * 48 * 2, 2) == (frame, len(frame), {}, ())


@pytest.mark.parametrize("filling", [b"\x80", b"P"])
def test_what_fills_an_rle_segment_up_to_an_even_length_is_0(filling: bytes) -> None:
    """A writer fills up with the run that makes nothing: as long as it was it stayed, and 04 held the image."""
    odd = b"\x00a\x02abc\x02def\x01gh"
    frame = struct.pack("<16L", 1, 64, *[0] * 14) + odd + filling
    found = walk_rle(frame, 9, 1)
    assert bytes(found.content) == frame[:-1] + b"\0"
    assert found.removed == {"bytes after an RLE segment": 1}


@pytest.mark.parametrize("tail", RLE_TAILS, ids=repr)
def test_an_rle_segment_is_judged_alike_by_decoder_and_walk(tail: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = packed(picture("u2")[0]) + tail
    quick = walk_rle(frame, 32 * 48 * 2, 2)
    monkeypatch.setattr(codecs, "unpacks_to", lambda *_: False)
    assert walk_rle(frame, 32 * 48 * 2, 2) == quick
    assert bool(quick.removed) == (len(tail) > 2 or any(tail))
