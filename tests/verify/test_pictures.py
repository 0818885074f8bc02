"""Pixels of a redacted file: the same outside the recorded boxes, as far as the compression can leave them so."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, JPEGLSLossless

from chorus_nb.errors import ChildFault
from chorus_nb.leaks import reading
from chorus_nb.pixels import parse_boxes, redact
from chorus_nb.verify import pictures, second_opinion
from chorus_nb.verify.file_checks import Pair, ReleasedFile
from tests.verify import small_site

BOXES = "20,24,70,40"


def jpeg(subsampling: str) -> bytes:
    """Coloured noise, whose every pixel tells when it changes."""
    dataset = small_site.original_image(small_site.STUDIES[0], 1)
    noise = np.random.default_rng(1).integers(0, 255, (96, 128, 3), np.uint8)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, "YBR_FULL_422"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.Rows, dataset.Columns = noise.shape[:2]
    dataset.PixelData = encapsulate([imagecodecs.jpeg8_encode(noise, level=90, subsampling=subsampling)])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return small_site.write(dataset)


@pytest.mark.parametrize("subsampling", ["444", "422", "420"])
@pytest.mark.parametrize(("recorded", "found"), [(BOXES, []), ("20,24,40,40", ["high"])])
def test_a_jpeg_may_differ_in_the_blocks_of_its_boxes_and_what_is_smoothed_into_them(
    subsampling: str, recorded: str, found: list[str], tmp_path: Path
) -> None:
    before = jpeg(subsampling)
    after = redact(before, parse_boxes(BOXES))
    pair = Pair(ReleasedFile("s", "t", "", recorded), reading.parse_file(before), reading.parse_file(after), None)
    findings = list(pictures._pixels_unchanged(pair, reading.decode_pixels(pair.release.dataset), tmp_path))
    assert [finding.severity for finding in findings] == found


def test_the_second_decoder_reads_coded_pixels_always_and_others_once_for_each_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native, second = small_site.original_image(small_site.STUDIES[0], 1), second_opinion.SecondDecoder()
    monkeypatch.setattr(second_opinion, "gdcm_pixels", lambda path: reading.decode_pixels(pydicom.dcmread(path)))

    def read(content: bytes) -> int:
        before, path = second.read, tmp_path / "file"
        path.write_bytes(content)
        pair = Pair(ReleasedFile("s", "t", "", ""), reading.parse_file(content), reading.parse_file(content), None)
        assert list(pictures.check_pixels(pair, path, tmp_path, second)) == []
        return second.read - before

    assert [read(small_site.write(native)) for _ in range(2)] == [1, 0]
    native.WindowCenter, native.PixelData = 50, bytes(len(native.PixelData))
    assert read(small_site.write(native)) == 0, "another picture, shown in another way"
    native.RescaleIntercept = -1000
    assert read(small_site.write(native)) == 1
    native.RescaleIntercept, native.Rows, native.Columns = None, native.Columns, native.Rows
    assert read(small_site.write(native)) == 1
    assert [read(jpeg("444")) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(("stored", "signed"), [(12, 0), (12, 1), (16, 1), (16, 0)])
def test_pixels_of_the_same_description_are_read_as_pydicom_reads_them(stored: int, signed: int) -> None:
    """Also where the first file has nothing in the bits above Bits Stored, and the next one has."""
    made, first = small_site.original_image(small_site.STUDIES[0], 1), pictures.FirstDecoder()
    made.BitsStored, made.HighBit, made.PixelRepresentation = stored, stored - 1, signed
    made.Rows, made.Columns = 8, 6
    asked = []
    for low, high in ((0, 1000), (0, 65536), (2048, 4096)):
        made.PixelData = np.random.default_rng(1).integers(low, high, (8, 6), np.uint16).tobytes()
        released = reading.parse_file(small_site.write(made))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pictures, "_decode", lambda dataset: asked.append(1) or reading.decode_pixels(dataset))
            image = first.pixels(released)
        assert image is not None and image.dtype == reading.decode_pixels(released.dataset).dtype
        assert np.array_equal(image, reading.decode_pixels(released.dataset))
    assert len(asked) == 1


def test_of_pixels_that_are_floats_the_second_decoder_is_asked_each_time() -> None:
    floats = small_site.original_image(small_site.STUDIES[0], 1)
    floats.FloatPixelData = np.zeros((floats.Rows, floats.Columns), "f4").tobytes()
    del floats.PixelData
    second, released = second_opinion.SecondDecoder(), reading.parse_file(small_site.write(floats))
    second.agrees_on(released)
    assert not second.agreed_on(released)


@pytest.mark.parametrize("frames", [1, 2])
def test_what_is_compared_with_the_release_are_the_frames_that_the_header_announces(frames: int) -> None:
    """pydicom gives whole frames behind them too, which do not leave."""
    pixels = np.arange(4 * 4 * 3, dtype="u2").reshape(3, 4, 4)
    dataset = image_of(pixels.tobytes(), frames)
    assert (pictures._announced(pixels, dataset) == pixels[:frames]).all()
    assert (pictures._announced(pixels[:frames], dataset) == pixels[:frames]).all()


def image_of(value: bytes, frames: int) -> FileDataset:
    made = FileDataset("", {}, file_meta=FileMetaDataset())
    made.Rows, made.Columns, made.SamplesPerPixel, made.NumberOfFrames = 4, 4, 1, frames
    made.PixelData = value
    return made


@pytest.mark.fast
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([[1]], []),
        ([ChildFault("timed_out"), [1]], []),
        (
            [ChildFault("timed_out"), ChildFault("crashed")],
            ["GDCM did not say what it assembles from a folder of 1 (crashed)"],
        ),
        ([[]], ["GDCM assembles 0 series of 0 files from a folder of 1"]),
        ([[2, 1]], ["GDCM assembles 2 series of 3 files from a folder of 1"]),
    ],
)
def test_a_child_that_died_is_not_taken_for_a_series_that_gdcm_does_not_see(
    answers: list[object], said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object, **__: object) -> object:
        answer = answers.pop(0)
        if isinstance(answer, ChildFault):
            raise answer
        return answer

    monkeypatch.setattr(second_opinion, "in_child", asked)
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "1.dcm").write_bytes(b"")
    assert [finding.detail for finding in second_opinion.assembled(tmp_path, "series")] == said
    assert answers == []


def test_a_source_is_compared_frame_by_frame_whatever_its_tables_tell_and_stays_as_it_is(tmp_path: Path) -> None:
    rng, encode = np.random.default_rng(2), imagecodecs.jpegls_encode
    streams = [encode(rng.integers(0, 255, (32, 32), np.uint8)) for _ in range(2)]
    dataset = small_site.original_image(small_site.STUDIES[0], 1)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames, dataset.BitsAllocated = 32, 32, 2, 8
    dataset.BitsStored, dataset.HighBit = 8, 7
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    for has_bot in (True, False):
        dataset.PixelData = encapsulate(streams, has_bot=has_bot)
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        if has_bot:
            released = small_site.write(dataset)
    dataset.ExtendedOffsetTable = bytes(16)  # the first frame twice
    dataset.ExtendedOffsetTableLengths = np.array([len(streams[0])] * 2, "<u8").tobytes()
    source = reading.parse_file(small_site.write(dataset))
    pair = Pair(ReleasedFile("s", "t", "", ""), source, reading.parse_file(released), None)
    assert list(pictures._pixels_unchanged(pair, reading.decode_pixels(pair.release.dataset), tmp_path)) == []
    assert "ExtendedOffsetTable" in source.dataset
