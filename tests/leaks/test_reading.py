"""Reading: every element is seen, in every transfer syntax, and two decoders see the same pixels."""

from __future__ import annotations

import os
import threading
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from chorus_nb.leaks import reading
from chorus_nb.processes import child
from chorus_nb.verify.second_opinion import agree, gdcm_pixels

FILES = (
    *("CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm"),
    *("MR_small_jp2klossless.dcm", "JPEG2000.dcm", "examples_rgb_color.dcm", "SC_rgb_jpeg_dcmtk.dcm"),
)


@pytest.mark.parametrize("name", FILES)
def test_both_decoders_agree(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    dataset = reading.parse_file(path.read_bytes()).dataset
    other = gdcm_pixels(path)
    assert other is not None
    assert agree(dataset, reading.decode_pixels(dataset), other) is True


def test_one_changed_pixel_is_a_disagreement() -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))
    dataset = reading.parse_file(path.read_bytes()).dataset
    spoiled = reading.decode_pixels(dataset).copy()
    spoiled[5, 5] += 3
    other = gdcm_pixels(path)
    assert other is not None
    assert agree(dataset, spoiled, other) is False


def test_a_file_that_is_no_image_does_not_end_the_second_reader(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(b"not DICOM")
    assert gdcm_pixels(tmp_path / "x.dcm") is None
    assert gdcm_pixels(Path(str(get_testdata_file("CT_small.dcm")))) is not None


def test_the_second_reader_comes_back_after_it_was_killed() -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))
    assert gdcm_pixels(path) is not None
    process = child._children[os.getpid(), threading.get_ident()]._child
    assert process is not None
    process.kill()
    process.wait()
    assert gdcm_pixels(path) is not None


@pytest.mark.parametrize("name", FILES)
def test_header_and_pixels_are_the_whole_file(name: str) -> None:
    content = Path(str(get_testdata_file(name))).read_bytes()
    read = reading.parse_file(content)
    raw = read.dataset.get_item("PixelData")
    assert read.pixels
    if name != "image_dfl.dcm":  # deflated: the header is the inflated one
        assert len(read.header) + len(raw.value) == len(content)


def test_elements_in_private_and_nested_sequences_are_seen() -> None:
    inner, outer, dataset = Dataset(), Dataset(), Dataset()
    inner.PatientName = "Nested^Name"
    outer.private_block(0x0019, "ACME", create=True).add_new(0x10, "SQ", [inner])
    dataset.RequestAttributesSequence = [Dataset(), outer]
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    sink = BytesIO()
    dataset.save_as(sink, enforce_file_format=True)
    read = reading.parse_file(sink.getvalue())
    assert b"Nested^Name" in read.header
    assert "RequestAttributesSequence.1.(0019,0010)" in {leaf.name for leaf in read.leaves.values()}


def test_bytes_that_are_not_dicom_are_refused_without_their_text() -> None:
    with pytest.raises(reading.Unreadable) as refused:
        reading.parse_file(b"MRN 77120034 is not DICOM")
    assert "77120034" not in str(refused.value)


def test_pixel_length_follows_the_header() -> None:
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    assert reading.expected_length(dataset) == 128 * 128 * 2
    assert np.prod(dataset.pixel_array.shape) * 2 == 128 * 128 * 2


def test_a_file_that_was_filled_up_with_zeros_is_read_to_the_end_of_its_data_set() -> None:
    content = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    filled = reading.parse_file(content + bytes(1 << 16))
    whole = reading.parse_file(content)
    assert filled.leaves == whole.leaves and filled.pixels == whole.pixels
    assert filled.header == whole.header + bytes(1 << 16)
    assert not filled.more and reading.parse_file(content + bytes(1 << 16) + b"QUILLFEATHER").more
