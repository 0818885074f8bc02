"""Filling boxes in every transfer syntax: inside nothing is left, outside nothing changes."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    UltrasoundMultiFrameImageStorage,
)

from chorus_nb.dicom import codecs
from chorus_nb.errors import ChildFault
from chorus_nb.pixels import Box, find_text, redact
from chorus_nb.pixels.beside import taken_beside
from chorus_nb.pixels.redaction import MOST_IN_BLOCKS, fill
from chorus_nb.verify import iods
from tests.pixels.images_with_text import content, image, picture

codecs.register()
BOX = Box(10, 12, 90, 40)
GREY = picture("INVENTED NAME")
COLOUR = np.stack([GREY, GREY // 2, GREY // 3], axis=-1)
LOOP = np.stack([COLOUR, COLOUR[::-1], COLOUR[:, ::-1]])
SIGNED = GREY.astype(np.int16) * 8 - 1000


def frames(file: bytes) -> list[NDArray[np.generic]]:
    dataset = dcmread(io.BytesIO(file))
    return [frame for frame, _ in get_decoder(dataset.file_meta.TransferSyntaxUID).iter_array(dataset, as_rgb=True)]


def outside(shape: tuple[int, ...], box: Box = BOX, unit: int = 1, rim: int = 0) -> NDArray[np.bool_]:
    """Everything but the box, grown to whole units of a block code and a rim."""
    mask = np.ones(shape[:2], bool)
    x0, y0, x1, y1 = box.x0 // unit * unit, box.y0 // unit * unit, -(-box.x1 // unit) * unit, -(-box.y1 // unit) * unit
    mask[max(0, y0 - rim) : y1 + rim, max(0, x0 - rim) : x1 + rim] = False
    return mask


def assert_redacted(before: bytes, after: bytes, box: Box = BOX, unit: int = 1, rim: int = 0) -> None:
    old, new = frames(before), frames(after)
    assert len(old) == len(new)
    for was, now in zip(old, new, strict=True):
        kept = outside(was.shape, box, unit, rim)
        assert np.array_equal(was[kept], now[kept])
        filled = now[box.y0 : box.y1, box.x0 : box.x1].reshape(-1, *now.shape[2:])
        assert (filled == filled[0]).all()


def jpeg_file(pixels: NDArray[np.uint8], interpretation: str, **options: object) -> bytes:
    dataset = image(pixels=pixels, PhotometricInterpretation=interpretation, LossyImageCompression="01")
    stack = pixels if pixels.ndim == 4 else pixels[None]
    dataset.PixelData = encapsulate([imagecodecs.jpeg8_encode(frame, level=90, **options) for frame in stack])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return content(dataset)


@pytest.mark.parametrize("pixels", [GREY, COLOUR, LOOP, SIGNED], ids=["grey", "colour", "frames", "signed"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_uncompressed_pixels_keep_their_transfer_syntax(pixels: NDArray[np.generic], syntax: str) -> None:
    dataset = image(pixels=pixels)
    dataset.file_meta.TransferSyntaxUID = syntax
    before = content(dataset)
    after = redact(before, [BOX])
    assert_redacted(before, after)
    assert dcmread(io.BytesIO(after)).file_meta.TransferSyntaxUID == syntax


@pytest.mark.parametrize("pixels", [GREY, LOOP, SIGNED], ids=["grey", "frames", "signed"])
@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_lossless_stays_lossless_in_its_own_family(pixels: NDArray[np.generic], syntax: str) -> None:
    dataset = image(pixels=pixels)
    dataset.compress(syntax, generate_instance_uid=False)
    before = content(dataset)
    after = redact(before, [BOX])
    assert_redacted(before, after)
    redacted = dcmread(io.BytesIO(after))
    assert redacted.file_meta.TransferSyntaxUID == syntax
    assert redacted.get("LossyImageCompression") is None


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("interpretation", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_what_a_colour_image_is_written_as_conforms_as_far_as_its_source(
    syntax: str, interpretation: str, planar: int, frames: int, tmp_path: Path
) -> None:
    """Ultrasound, for PS3.3 C.8.5.6 says most about it: YBR_FULL, which is RLE, has PlanarConfiguration 1."""
    before = image(pixels=COLOUR, PhotometricInterpretation=interpretation)
    if frames > 1:
        before.set_pixel_data(LOOP[:frames], interpretation, 8)
        before.SOPClassUID = before.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    if syntax.is_compressed:
        before.compress(syntax, generate_instance_uid=False)
    elif planar:
        before.PixelData = np.ascontiguousarray(np.moveaxis(before.pixel_array, -1, -3)).tobytes()
    before.PlanarConfiguration = planar
    after = dcmread(io.BytesIO(fill(content(before), [BOX])))
    kept = planar if syntax in (ExplicitVRLittleEndian, RLELossless) else 0
    assert (after.file_meta.TransferSyntaxUID, after.PlanarConfiguration) == (syntax, kept)
    if iods.program():
        after.save_as(tmp_path / "after.dcm")
        assert iods.new_errors(content(before), tmp_path / "after.dcm") == []


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_a_second_decoder_agrees(syntax: str) -> None:
    dataset = image(pixels=GREY)
    dataset.compress(syntax, generate_instance_uid=False)
    redacted = dcmread(io.BytesIO(redact(content(dataset), [BOX])))
    stream = next(generate_frames(redacted.PixelData, number_of_frames=1))
    decode = {JPEGLSLossless: imagecodecs.jpegls_decode, JPEG2000Lossless: imagecodecs.jpeg2k_decode}
    second = (
        decode[syntax](stream)
        if syntax in decode
        else np.frombuffer(imagecodecs.dicomrle_decode(stream, "u1"), "u1").reshape(GREY.shape)
    )
    assert np.array_equal(second, frames(content(redacted))[0])


@pytest.mark.parametrize(
    ("pixels", "interpretation", "options", "unit", "rim"),
    [
        (GREY, "MONOCHROME2", {}, 8, 0),
        (GREY, "MONOCHROME1", {}, 8, 0),
        (LOOP, "YBR_FULL_422", {"subsampling": "444"}, 8, 0),
        (LOOP, "YBR_FULL_422", {"subsampling": "422"}, 16, 2),
        (LOOP, "YBR_FULL_422", {"subsampling": "420"}, 16, 2),
    ],
)
def test_jpeg_baseline_is_bit_identical_outside_the_blocks_of_the_box(
    pixels: NDArray[np.uint8], interpretation: str, options: dict[str, object], unit: int, rim: int
) -> None:
    # a large picture, of which blocks take little
    around = [(0, 640 if side in GREY.shape else 0) for side in pixels.shape]
    before = jpeg_file(np.pad(pixels, around, "reflect"), interpretation, **options)
    after = redact(before, [BOX])
    assert_redacted(before, after, unit=unit, rim=rim)
    assert dcmread(io.BytesIO(after)).file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert len(after) < 1.1 * len(before)


@pytest.mark.parametrize("interpretation", ["MONOCHROME2", "YBR_FULL_422"])
@pytest.mark.parametrize("ground", [60, 0])
def test_jpeg_whose_blocks_would_take_more_than_the_box_is_written_without_loss(
    interpretation: str, ground: int
) -> None:
    pixels = picture("INVENTED NAME", ground=ground).clip(ground and 1, 255)
    if interpretation != "MONOCHROME2":
        pixels = np.dstack([pixels] * 3)
    before = jpeg_file(pixels, interpretation)
    after = redact(before, [BOX])
    syntax = dcmread(io.BytesIO(after)).file_meta.TransferSyntaxUID
    assert syntax == (JPEGLSLossless if ground else JPEGBaseline8Bit), "of black nothing is lost"
    assert_redacted(before, after, unit=1 if ground else 16, rim=0 if ground else 2)
    assert taken_beside(before, after, [BOX]) <= MOST_IN_BLOCKS


def test_a_jpeg_coded_as_rgb_is_written_without_loss_and_stays_called_lossy() -> None:
    before = jpeg_file(COLOUR, "RGB", colorspace="RGB", outcolorspace="RGB")
    after = redact(before, [BOX])
    assert_redacted(before, after)
    redacted = dcmread(io.BytesIO(after))
    assert redacted.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert redacted.LossyImageCompression == "01"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55", JPEGBaseline8Bit])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_progressive_jpeg_is_decoded_and_written_without_loss(syntax: str, pixels: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90, progressive=True)
    interpretation = "MONOCHROME2" if pixels.ndim == 2 else "YBR_FULL_422"
    dataset = image(pixels=pixels, PhotometricInterpretation=interpretation)
    dataset.PixelData = encapsulate([stream.getvalue()])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    before = content(dataset)
    dataset.file_meta.TransferSyntaxUID = syntax
    named = content(dataset)
    assert "high" in {finding.tier for finding in find_text(named, ["INVENTED NAME"])}
    after = redact(named, [BOX])
    assert_redacted(before, after)
    redacted = dcmread(io.BytesIO(after))
    assert redacted.file_meta.TransferSyntaxUID == JPEGLSLossless
    assert redacted.LossyImageCompression == "01"


def test_jpeg_lossless_and_12_bit_are_read_by_imagecodecs() -> None:
    dataset = image(pixels=GREY.astype(np.uint16) * 8)
    dataset.PixelData = encapsulate([imagecodecs.ljpeg_encode(GREY.astype(np.uint16) * 8, bitspersample=12)])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    before = content(dataset)
    after = redact(before, [BOX])
    assert_redacted(before, after)
    assert dcmread(io.BytesIO(after)).file_meta.TransferSyntaxUID == JPEGLSLossless


@pytest.mark.parametrize(
    "name",
    [
        *("CT_small.dcm", "MR_small_bigendian.dcm", "ExplVR_BigEnd.dcm", "SC_rgb_small_odd_big_endian.dcm"),
        *("examples_palette.dcm", "examples_jpeg2k.dcm", "examples_overlay.dcm", "SC_ybr_full_422_uncompressed.dcm"),
        *("color3d_jpeg_baseline.dcm", "SC_rgb_rle_2frame.dcm", "emri_small_jpeg_ls_lossless.dcm", "JPEG-lossy.dcm"),
    ],
)
def test_real_files_of_every_kind(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("not in this pydicom wheel")
    before = Path(path).read_bytes()
    dataset = dcmread(path)
    box = Box(dataset.Columns // 4, dataset.Rows // 4, dataset.Columns // 2 + 1, dataset.Rows // 2 + 1)
    after = redact(before, [box])
    block = dcmread(io.BytesIO(after)).file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert_redacted(before, after, box, *((16, 2) if block else (1, 0)))


def test_the_header_keeps_everything_the_pixels_do_not_force_to_change() -> None:
    dataset = image(pixels=GREY, PatientComments="as it was", SmallestImagePixelValue=1, IconImageSequence=[Dataset()])
    dataset.add_new((0x6000, 0x3000), "OW", b"\0\0")
    dataset.add_new((0x0019, 0x0010), "LO", "INVENTED")
    dataset.add_new((0x0019, 0x1001), "UN", b"\1\2")
    before = dcmread(io.BytesIO(content(dataset)))
    after = dcmread(io.BytesIO(redact(content(dataset), [BOX])))
    gone = {int(tag) for tag in before.keys()} - {int(tag) for tag in after.keys()}  # noqa: SIM118
    assert gone == {0x00280106, 0x00880200, 0x60003000}
    assert [element.keyword for element in after if element != before[element.tag]] == ["PixelData"]


def test_the_fill_is_what_the_picture_shows_where_nothing_is() -> None:
    filled = {name: frames(redact(content(d), [BOX]))[0][BOX.y0, BOX.x0] for name, d in {
        "MONOCHROME2": image(pixels=SIGNED),
        "MONOCHROME1": image(pixels=GREY, PhotometricInterpretation="MONOCHROME1"),
    }.items()}  # fmt: skip
    assert filled == {"MONOCHROME2": SIGNED.min(), "MONOCHROME1": GREY.max()}


def test_overlays_hidden_in_unused_bits_go_too() -> None:
    hidden = GREY.astype(np.uint16) | (GREY > 128).astype(np.uint16) << 12
    dataset = image(pixels=GREY.astype(np.uint16))
    dataset.PixelData = hidden.tobytes()
    dataset.add_new((0x6000, 0x0102), "US", 12)
    after = dcmread(io.BytesIO(redact(content(dataset), [BOX])))
    assert (np.frombuffer(after.PixelData, "<u2") >> 12).max() == 0


def test_without_boxes_a_file_is_given_back_untouched() -> None:
    assert redact(b"anything", []) == b"anything"


def test_what_cannot_be_decoded_is_refused() -> None:
    short = image(pixels=GREY)
    short.PixelData = short.PixelData[:100]
    bitmap = image(pixels=GREY, BitsAllocated=1)
    for dataset in (short, bitmap):
        with pytest.raises(ChildFault):
            redact(content(dataset), [BOX])
