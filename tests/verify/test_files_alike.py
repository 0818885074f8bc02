"""What is asked once for the files of a series that are alike is what each of them says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import FileDataset, dcmread
from pydicom.data import get_testdata_file

from chorus_nb.leaks.alike import SeriesReader
from chorus_nb.leaks.reading import Reading, parse_file
from chorus_nb.parameters import Parameters
from chorus_nb.verify import elements, outlines, pictures, skulls
from chorus_nb.verify.elements import ElementAnswer, ElementsInTurn
from chorus_nb.verify.face_looks import Looking
from chorus_nb.verify.file_checks import Pair, Patient, ReleasedFile
from chorus_nb.verify.second_opinion import describes_pixels, native_description
from tests.verify import small_site

Change = Callable[[FileDataset], object]
PLACES = [[0, 0, 0], [0, 0, 5], [0, 0, 10], [1, 0, 15], [0, 0, 20]]


def ct(place: object, change: Change = lambda dataset: None) -> bytes:
    dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.ImagePositionPatient = place
    change(dataset)
    return small_site.write(dataset)


def sets(keyword: str, value: object) -> Change:
    return lambda dataset: setattr(dataset, keyword, value)


CHANGES: dict[str, Change] = {
    "nothing": lambda dataset: None,
    "rescale": sets("RescaleIntercept", "-1000"),
    "spacing": sets("PixelSpacing", [0.5, 0.5]),
    "direction": sets("ImageOrientationPatient", [0, 1, 0, 1, 0, 0]),
    "modality": sets("Modality", "MR"),
    "no place": sets("ImagePositionPatient", None),
    "two numbers": sets("ImagePositionPatient", [1, 2]),
    "a mosaic": sets("ImageType", ["ORIGINAL", "PRIMARY", "MOSAIC"]),
    "frame of reference": sets("FrameOfReferenceUID", "1.2.3"),
    "pixels": lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[::-1]),
    "bits": sets("BitsStored", 12),
}


@pytest.mark.parametrize("name", CHANGES)
def test_slices_are_placed_by_what_their_own_header_says(name: str) -> None:
    """One of five differs from the others in one element, and may be any of them."""
    for odd in range(len(PLACES)):
        read, apart, reader = Looking(len(PLACES)), Looking(len(PLACES)), SeriesReader()
        for number, place in enumerate(PLACES):
            content = ct(place, CHANGES[name] if number == odd else CHANGES["nothing"])
            file, pixels = reader.read(content), parse_file(content).dataset.pixel_array
            read.add(Path(str(number)), file, pixels)
            apart.add(Path(str(number)), file.dataset, pixels)
        for one, other in zip(read._slices.every, apart._slices.every, strict=True):
            assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True)), odd
        assert (read._levels._taken is None) == (apart._levels._taken is None)
        for level, wanted in zip(read._levels._taken or [], apart._levels._taken or [], strict=True):
            assert all(np.array_equal(*pair) for pair in zip(level, wanted, strict=True)), odd


@pytest.mark.parametrize("name", CHANGES)
def test_how_pixels_are_read_is_asked_of_each_header_that_says_it_otherwise(name: str) -> None:
    reader = SeriesReader()
    for change in (CHANGES["nothing"], CHANGES["nothing"], CHANGES[name], CHANGES["nothing"]):
        content = ct([0, 0, 1], change)
        read, wanted = reader.read(content), parse_file(content)
        assert native_description(read) == native_description(wanted)
        assert read.once(pictures._is_filled, describes_pixels) == pictures._is_filled(wanted)


def test_what_is_alike_is_asked_once_and_what_is_not_each_time() -> None:
    asked: list[int] = []

    def rows(read: Reading) -> int:
        asked.append(read.dataset.Rows)
        return asked[-1]

    reader = SeriesReader()
    for place in PLACES:
        assert reader.read(ct(place)).once(rows, describes_pixels) == 128
    assert len(asked) == 1
    shorter = ct(PLACES[0], sets("Rows", 64))
    assert reader.read(shorter).once(rows, describes_pixels) == 64
    fewer = ct(PLACES[0], lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[:128]))
    assert reader.read(fewer).once(rows, describes_pixels) == 128 and asked == [128, 64, 128]


def test_pixels_that_are_those_of_another_file_are_not_copied() -> None:
    reader, content = SeriesReader(), ct(PLACES[0])
    pixels = reader.read(content).pixels
    assert pixels and reader.read(ct(PLACES[1]), pixels).pixels is pixels
    turned = ct(PLACES[2], lambda dataset: setattr(dataset, "PixelData", dataset.PixelData[::-1]))
    assert reader.read(turned, pixels).pixels == pixels[::-1]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_between_walls_is_where_the_body_lies_on_both_sides(axis: int) -> None:
    body = np.random.default_rng(axis).random((5, 6, 7)) < 0.2
    before = np.maximum.accumulate(body, axis=axis)
    behind = np.flip(np.maximum.accumulate(np.flip(body, axis), axis=axis), axis)
    was = body.copy()
    assert (outlines._between_walls(body, axis) == (before & behind)).all() and (body == was).all()


def test_a_skull_is_the_same_in_a_larger_field() -> None:
    z, y, x = np.mgrid[-30:31, -30:31, -30:31]
    far = np.sqrt((x / 18) ** 2 + (y / 22) ** 2 + (z / 20) ** 2)
    cubes = np.where(far < 0.85, 40.0, np.where(far < 1, 900.0, -1000.0))
    cubes[:20, 2:12, 25:36] = 40.0  # a front
    small, wide = (skulls._skull(np.pad(cubes, width, constant_values=-1000.0), 4.0) for width in (0, 9))
    assert small == wide and small.is_head and small.enclosed > 1000
    assert not skulls._skull(np.full((4, 5, 6), -1000.0), 4.0).is_head


SAID: list[Change] = [
    CHANGES["nothing"],
    sets("StudyDescription", "CT of Mrs Kurozawa"),
    sets("InstanceNumber", 7),
    CHANGES["nothing"],
    sets("SpecificCharacterSet", "ISO_IR 192"),
    sets("StudyDate", "20210314"),
    sets("KVP", "99"),
    sets("BitsStored", 12),
    CHANGES["nothing"],
    sets("PatientID", "501"),
]


def test_elements_of_files_that_are_alike_tell_what_each_would_tell_alone(tmp_path: Path) -> None:
    """Any file before any other, in original and release, each read after the one before."""
    parameters = Parameters(**{name: str(tmp_path) for name in ("source", "omop", "lookup", "workspace")})
    in_turn, source, release = ElementsInTurn(parameters, {}), SeriesReader(), SeriesReader()
    fresh: set[ElementAnswer] = set()
    for number in range(len(SAID) ** 2):
        before, after = (ct([0, 0, number], SAID[at]) for at in divmod(number, len(SAID)))
        pair = Pair(ReleasedFile("s", "t", "", ""), source.read(before), release.read(after), Patient(501, -100, {}))
        alone = Pair(pair.task, parse_file(before), parse_file(after), pair.patient)
        told = in_turn.of(pair)
        assert told == ElementsInTurn(parameters, {}).of(alone)
        fresh.update(in_turn.fresh)
        assert fresh.issuperset(told)  # whoever takes what is fresh only misses nothing of the series


@pytest.mark.parametrize("asked", [0, 1])
def test_of_a_file_in_which_a_question_ended_nothing_is_known_in_the_next(
    asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def described(dataset: FileDataset) -> None:
        dataset.StudyDescription, dataset.InstitutionName = "CT of Mrs Kurozawa", "seen by Dr Kurozawa"

    parameters = Parameters(**{name: str(tmp_path) for name in ("source", "omop", "lookup", "workspace")})
    in_turn, source, release = ElementsInTurn(parameters, {}), SeriesReader(), SeriesReader()
    changes = CHANGES["nothing"], CHANGES["nothing"], described, CHANGES["nothing"]
    pairs = [
        Pair(ReleasedFile("s", "t", "", ""), source.read(one), release.read(one), Patient(501, -100, {}))
        for one in (ct([0, 0, 0], change) for change in changes)
    ]
    first, second, strange, last = pairs
    in_turn.of(first), in_turn.of(second)
    left = [()] * asked
    with monkeypatch.context() as broken, pytest.raises(IndexError):
        broken.setattr(elements, "ELEMENT_CHECKS", [lambda it: left.pop()])
        in_turn.of(strange)
    assert in_turn.of(last) == ElementsInTurn(parameters, {}).of(last)
