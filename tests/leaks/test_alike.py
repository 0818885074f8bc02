"""A file that is read along the elements of the one before says what pydicom reads of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset

from chorus_nb.leaks import alike
from chorus_nb.leaks.reading import Reading, Unreadable, parse_file
from tests.verify import small_site


@pytest.fixture
def by_pydicom(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Grows with each file that pydicom reads."""
    asked: list[int] = []
    monkeypatch.setattr(alike, "parse_file", lambda content: asked.append(1) or parse_file(content))
    yield asked


def made(change: Callable[[FileDataset], object] = lambda dataset: None) -> bytes:
    """An image with items in items, in sequences with and without a length, and a private block."""
    image = small_site.original_image(small_site.STUDIES[0], 1)
    image.SpecificCharacterSet, image.PatientName = "ISO_IR 100", "Müller^Änne"
    inner, outer = Dataset(), Dataset()
    inner.CodeValue, outer.PurposeOfReferenceCodeSequence = "121324", [inner]
    outer.ReferencedSOPInstanceUID = "1.2.3"
    outer["PurposeOfReferenceCodeSequence"].is_undefined_length = True
    image.SourceImageSequence, image.ReferencedImageSequence = [outer, Dataset()], []
    image["SourceImageSequence"].value[0].is_undefined_length_sequence_item = True
    image.private_block(0x0029, "ACME", create=True).add_new(0x10, "LO", "x")
    change(image)
    return small_site.write(image)


def assert_alike(read: Reading, wanted: Reading) -> None:
    assert list(read.leaves.items()) == list(wanted.leaves.items())
    assert (read.header, read.pixels) == (wanted.header, wanted.pixels)
    assert read.dataset == wanted.dataset and read.dataset.file_meta == wanted.dataset.file_meta


def sets(keyword: str, value: object) -> Callable[[FileDataset], object]:
    return lambda image: setattr(image, keyword, value)


def reader_of_some() -> alike.SeriesReader:
    """Has read three files, of which each differs from the one before in another element."""
    reader = alike.SeriesReader()
    for content in (made(), made(sets("InstanceNumber", "12")), made(sets("PatientName", "Other"))):
        assert_alike(reader.read(content), parse_file(content))
    return reader


def noise(image: FileDataset) -> None:
    image.PixelData = bytes(range(256)) * (len(image.PixelData) // 256) + image.PixelData[: len(image.PixelData) % 256]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: None,
        sets("PatientName", "Longer^Than^Before"),
        sets("SOPInstanceUID", "1.2.3.4.5.6.7.8.9"),
        sets("InstanceNumber", ""),
        sets("PixelRepresentation", 1),
        noise,
        lambda image: setattr(image.file_meta, "MediaStorageSOPInstanceUID", "1.2.3.4.5.6.7.8.9"),
        lambda image: setattr(image.file_meta, "ImplementationVersionName", "X"),
    ],
)
def test_other_values_are_read_along_the_same_elements(
    change: Callable[[FileDataset], object], by_pydicom: list[int]
) -> None:
    reader, changed = reader_of_some(), made(change)
    for content in (changed, made(), changed):
        assert_alike(reader.read(content), parse_file(content))
    assert len(by_pydicom) == 1


@pytest.mark.parametrize(
    "change",
    [
        sets("PatientComments", "one element more"),
        sets("SpecificCharacterSet", "ISO_IR 192"),
        lambda image: image.SourceImageSequence[0].__setattr__("ReferencedSOPInstanceUID", "1.2.4"),
        lambda image: image.SourceImageSequence.append(Dataset()),
        lambda image: image.private_block(0x0029, "ACME").add_new(0x11, "LO", "x"),
        lambda image: image.__delitem__("PixelData"),
        lambda image: image.__setitem__(0x00290010, image[0x00290010].__class__(0x00290010, "LO", "OTHR")),
        lambda image: image.__setattr__("preamble", b"x" * 128),
    ],
)
def test_what_is_laid_out_in_another_way_is_read_by_pydicom(
    change: Callable[[FileDataset], object], by_pydicom: list[int]
) -> None:
    reader, changed = reader_of_some(), made(change)
    assert_alike(reader.read(changed), parse_file(changed))
    assert len(by_pydicom) == 2


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda content: content + b"tail",
        lambda content: content + b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0tail",
        lambda content: content[:-2],
        lambda content: content.replace(b"1.2.3", b"1.2.4"),
        lambda content: content.replace(b"ISO_IR 100", b"ISO_IR 144"),
        bytes.swapcase,
    ],
)
def test_bytes_more_or_less_are_told_as_pydicom_tells_them(spoilt: Callable[[bytes], bytes]) -> None:
    reader, content = reader_of_some(), spoilt(made())
    try:
        wanted = parse_file(content)
    except Unreadable as fault:
        with pytest.raises(Unreadable, match=str(fault)):
            reader.read(content)
    else:
        assert_alike(reader.read(content), wanted)


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "JPEG2000.dcm"]
)
def test_every_syntax_is_read_twice_alike(name: str) -> None:
    reader, content = alike.SeriesReader(), Path(str(get_testdata_file(name))).read_bytes()
    for _ in range(2):
        assert_alike(reader.read(content), parse_file(content))
