"""Nothing but pixels leaves in the pixel data element, in whichever transfer syntax, and no decoded pixel changes."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, UID_dictionary

from chorus_nb.deid.dataset import Deidentified, Deidentifier
from chorus_nb.dicom import codecs
from chorus_nb.dicom.encodings import DEFLATED_SYNTAXES
from chorus_nb.dicom.spans import Refused
from chorus_nb.dicom.streams import walk_j2k
from chorus_nb.dicom.survey import Header
from chorus_nb.verify.pixel_container import among_pixels
from tests.deid.conftest import SUBJECT

pytest.importorskip("imagecodecs")
from tests.pixel_carriers import (
    CT,
    ENCODERS,
    MARK,
    Carrier,
    J,
    carriers,
    file_of,
    packed,
    picture,
    segment,
    strange_elements,
)

HTJ2K = J + "201"
CARRIERS, STRANGE = carriers(), strange_elements()
SIGNED = {
    f"1.2.840.10008.1.2.4.{number}" for number in (80, 81, 90, 91, 201)
}  # their encoders leave a comment of theirs


def released(made: Deidentified) -> bytes:
    return made.header + bytes(made.pixels)


def decoded(content: bytes) -> np.ndarray:
    codecs.register()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(BytesIO(content))
        array: np.ndarray = dataset.pixel_array
    return array


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: f"{carrier.syntax[18:]} {carrier.place}")
def test_what_is_planted_among_pixels_does_not_leave(engine: Deidentifier, carrier: Carrier) -> None:
    if carrier.held:
        with pytest.raises(Refused) as refused:
            engine.apply(carrier.file, SUBJECT)
        assert refused.value.reason in ("pixels_not_walked", "bits_beyond_stored")
        return
    made = engine.apply(carrier.file, SUBJECT)
    content = released(made)
    assert not any(part in content for part in (b"Quellbrook", b"Thessaly", b"4471902"))
    assert (decoded(content) == decoded(carrier.clean)).all()
    if carrier.place.startswith("nowhere") and carrier.syntax not in SIGNED:
        assert bytes(made.pixel_value) in carrier.file, "a container that holds nothing else keeps its bytes"
        assert not any("pixel data" in note for note in made.notes)
    else:
        assert any("pixel data" in note or "offset table" in note for note in made.notes), "what was removed is noted"


REGISTERED = sorted(
    uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax" and "Papyrus" not in entry[0]
)


@pytest.mark.parametrize("syntax", REGISTERED)
def test_no_registered_transfer_syntax_lets_a_text_through(engine: Deidentifier, syntax: str) -> None:
    """Whole, with an image of JPEG in it, or with bytes that no decoder knows: released without it, or held back."""
    pixels = picture("u2")[0].astype(">u2" if syntax.endswith("1.2.2") else "<u2").tobytes()
    jpeg = ENCODERS[J + "57"][0](picture("u2")[0])
    native = not UID(syntax).is_compressed or UID(syntax).is_deflated
    for value in (pixels + MARK,) if native else (encapsulate([part]) for part in (jpeg + MARK, pixels + MARK, MARK)):
        try:
            made = engine.apply(file_of(syntax, value, 1, CT), SUBJECT)
        except Refused:
            assert not native, "native pixels with bytes behind them are an image all the same"
            continue
        content = released(made)
        if syntax in DEFLATED_SYNTAXES:
            content += zlib.decompress(content[144 + int.from_bytes(content[140:144], "little") :], -zlib.MAX_WBITS)
        assert not any(part in content for part in (b"Quellbrook", b"Thessaly", b"4471902"))
        assert not native or (decoded(released(made)) == picture("u2")[0]).all()


def test_every_transfer_syntax_that_can_be_written_here_was_tried() -> None:
    assert len({carrier.syntax for carrier in CARRIERS}) == 10
    assert len(CARRIERS) > 150
    assert sum(MARK[:20] in carrier.file for carrier in CARRIERS) > 120


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_no_pixel_data_is_not_taken_for_it(engine: Deidentifier, what: str) -> None:
    with pytest.raises(Refused) as refused:
        engine.apply(STRANGE[what], SUBJECT)
    fractions = what.startswith(("OF", "OD"))
    assert refused.value.reason in (
        ("float_pixels",) if fractions else ("pixels_not_walked", "structure_refused", "truncated")
    )


@pytest.mark.parametrize(
    ("syntax", "head"),
    [("1.2.840.10008.1.2.1", b"\xe0\x7f\x10\0OB\0\0"), ("1.2.840.10008.1.2", b"\xe0\x7f\x10\0")],
    ids=["explicit", "implicit"],
)
@pytest.mark.parametrize("counted", [33, 34], ids=["not counted", "counted"])
def test_the_byte_that_evens_out_an_odd_number_of_pixels_may_lack_and_is_there_in_the_release(
    engine: Deidentifier, syntax: str, head: bytes, counted: int
) -> None:
    pixels = np.arange(33, dtype="u1").reshape(3, 11)
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    whole = file_of(syntax, pixels.tobytes() + b"\0", 1, bits, Rows=3, Columns=11)
    at = whole.rindex(head) + len(head)
    lacking = whole[:at] + struct.pack("<L", counted) + whole[at + 4 : -1]
    assert Header(BytesIO(lacking), len(lacking)).fault == ""
    made = engine.apply(lacking, SUBJECT)
    assert released(made)[-38:] == struct.pack("<L", 34) + pixels.tobytes() + b"\0"
    assert (decoded(released(made)) == pixels).all() and made.notes["bytes after the last frame"] == 0
    with pytest.raises(Refused, match="truncated"):
        engine.apply(whole[:-2], SUBJECT)


def test_padding_in_the_form_of_a_text_is_not_taken_for_padding(engine: Deidentifier) -> None:
    pixels = picture("u2")[0]
    pixels[10, 10:40:3] = 63536
    file = file_of("1.2.840.10008.1.2.1", pixels.tobytes(), 1, {**CT, "BitsStored": 12, "HighBit": 11})
    with pytest.raises(Refused, match="bits_beyond_stored"):
        engine.apply(file, SUBJECT)


def test_an_index_of_a_codestream_stays_where_it_is_right() -> None:
    stream = walk_j2k(ENCODERS[HTJ2K][0](picture("u2")[0])).content
    sot = stream.index(b"\xff\x90")
    coded = len(stream) - 2 - stream.index(b"\xff\x93") - 2
    packets = segment(0x58, bytes((0, 0x80 | coded >> 7, coded & 0x7F)))
    length = len(stream) - 2 - sot + len(packets)
    index = segment(0x55, b"\0\x40" + length.to_bytes(4, "big"))
    part = stream[sot : sot + 6] + length.to_bytes(4, "big") + stream[sot + 10 : sot + 12] + packets
    indexed = stream[:sot] + index + part + stream[sot + 12 :]
    assert walk_j2k(indexed)[:3] == (indexed, len(indexed), {})
    shorter = indexed.replace(packets, packets[:-1] + bytes((packets[-1] ^ 1,)))
    mended = walk_j2k(shorter)  # the index of packets goes, that of tile-parts is made anew
    assert mended.removed == {"PLT segment that is none": 1, "TLM segment that is none": 1}
    assert walk_j2k(mended.content)[:3] == (mended.content, len(mended.content), {})
    file = file_of(HTJ2K, encapsulate([mended.content]), 1, CT)
    assert (decoded(file) == picture("u2")[0]).all() and not among_pixels(dcmread(BytesIO(file)))


@pytest.mark.parametrize("syntax", [J + "50", J + "80", J + "90", "1.2.840.10008.1.2.5"])
@pytest.mark.parametrize(
    ("coded", "frames", "table", "extended"),
    [
        ("ABA", 2, (0, 2), ()),  # two frames in three fragments, by the table
        ("AB", 2, (0, 0), ()),
        ("BA", 1, (1,), ()),
        ("AAB", 2, (0, 1, 2), ()),
        ("AB", 2, (), (0, 0)),
        ("BA", 2, (), (1, 1)),
        ("BA", 1, (), (1,)),
        ("ABA", 2, (), (0, 2)),
    ],
)
def test_what_is_looked_at_are_the_frames_that_leave_whatever_a_table_tells(
    engine: Deidentifier, syntax: str, coded: str, frames: int, table: tuple[int, ...], extended: tuple[int, ...]
) -> None:
    encode, bits, dtype = ENCODERS.get(syntax, (packed, CT, "u2"))
    shown = dict(zip("AB", picture(dtype, 2), strict=True))
    streams = [stream + b"\0" * (len(stream) % 2) for stream in (encode(shown[each]) for each in coded)]
    starts = np.cumsum([0, *(8 + len(stream) for stream in streams)]).tolist()
    value = bytearray(encapsulate(streams, has_bot=False))
    value[4:8] = struct.pack("<L", 4 * len(table))
    value[8:8] = struct.pack(f"<{len(table)}L", *(starts[place] for place in table))
    index = {
        "ExtendedOffsetTable": struct.pack(f"<{len(extended)}Q", *(starts[place] for place in extended)),
        "ExtendedOffsetTableLengths": struct.pack(f"<{len(extended)}Q", *(len(streams[place]) for place in extended)),
    }
    file = file_of(syntax, bytes(value), frames, bits, **(index if extended else {}))
    try:
        leaves = released(engine.apply(file, SUBJECT))
    except Refused as refused:
        assert (refused.reason, len(table)) == ("pixels_not_walked", 2)
        return
    dataset = dcmread(BytesIO(file))
    seen = [frame for frame, _ in codecs.decoder_of(dataset).iter_array(dataset)]
    if len(seen) < frames:
        return  # held back by who looks (renders.py)
    assert np.array_equal(np.stack(seen[:frames]), decoded(leaves).reshape(frames, *shown["A"].shape))


def test_bits_that_are_left_out_are_looked_at_however_wide_a_pixel_is(engine: Deidentifier) -> None:
    pixels = picture("u8")[0]
    pixels[10, 10:40:3] |= 1 << 40
    file = file_of("1.2.840.10008.1.2.1", pixels.tobytes(), 1, {**CT, "BitsAllocated": 64, "BitsStored": 16})
    with pytest.raises(Refused, match="bits_beyond_stored"):
        engine.apply(file, SUBJECT)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.5", *(J + end for end in ("57", "70", "80", "90", "201"))])
@pytest.mark.parametrize("signed", [0, 1])
def test_bits_that_are_left_out_of_coded_pixels_hold_nothing_else(
    engine: Deidentifier, syntax: str, signed: int
) -> None:
    """Decoders of RLE and JPEG Lossless pass over them for who looks, and for nobody else."""
    encode, bits, dtype = ENCODERS.get(syntax, (packed, CT, "u2"))
    bits = {**bits, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": signed}
    plain = picture(dtype)[0]
    hidden, below_zero = plain.copy(), (plain.astype("i2") - 100).view("u2")
    hidden[10, 10:40:3] |= 1 << 14
    with pytest.raises(Refused, match="bits_beyond_stored"):
        engine.apply(file_of(syntax, encapsulate([encode(hidden)]), 1, bits), SUBJECT)
    for fine in (plain, *([below_zero] * signed)):
        engine.apply(file_of(syntax, encapsulate([encode(fine)]), 1, bits), SUBJECT)


def test_a_pixel_that_does_not_begin_at_bit_0_is_held_for_decoders_take_it_for_one_that_does(
    engine: Deidentifier,
) -> None:
    pixels = picture("u2")[0] << 4
    file = file_of("1.2.840.10008.1.2.1", pixels.tobytes(), 1, {**CT, "BitsStored": 12})
    with pytest.raises(Refused, match="bits_beyond_stored"):
        engine.apply(file, SUBJECT)


def test_a_frame_of_rle_is_unpacked_with_and_without_the_fast_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = np.repeat(picture("u2")[0] * 37, 5, axis=1)
    dataset = dcmread(BytesIO(file_of("1.2.840.10008.1.2.1", runs.tobytes(), 1, CT)))
    dataset.Columns = runs.shape[1]
    dataset.compress(UID("1.2.840.10008.1.2.5"), generate_instance_uid=False)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    assert (codecs.unpacked(frame, 16, runs.size) == runs.ravel()).all()
    monkeypatch.setattr(codecs, "imagecodecs", None)
    assert (codecs.unpacked(frame, 16, runs.size) == runs.ravel()).all()
